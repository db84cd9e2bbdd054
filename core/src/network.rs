//! The network as a parameter: names to addresses, addresses to streams.
//!
//! [`Tcp`] is the real one. A simulation passes its own and drives the whole
//! mailer without a socket.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpSocket, TcpStream};

/// A future that is boxed, so that the traits here can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connected byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {
    /// The address at the other end, where there is one.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// The address at this end, where there is one.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// Resolves names and opens connections.
///
/// Both methods may be called from any task at any time; their futures may be
/// dropped at any point. Deadlines are the caller's business.
pub trait Network: Debug + Send + Sync {
    /// All addresses of `host`, in the order of preference (RFC 6724).
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// One connection to one address, from the local address `bind` if given.
    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>>;
}

/// How long a connection is idle before the kernel asks whether the other end
/// is still there, and how often it asks then.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long sent data may stay unacknowledged before the kernel gives up:
/// without it a vanished server is noticed after a quarter of an hour. The
/// same limit holds for a server that lives but reads nothing, so it is no
/// shorter than the deadline of a block of content.
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(180);

/// The operating system's resolver and TCP.
///
/// Connections have Nagle's algorithm off and keepalive on, and on Linux and
/// Android a limit of 180 s on unacknowledged data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Network for Tcp {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            if let Ok(address) = host.parse() {
                return Ok(vec![SocketAddr::new(address, port)]);
            }
            Ok(tokio::net::lookup_host((host, port)).await?.collect())
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(bind) = bind {
                socket.bind(SocketAddr::new(bind, 0))?;
            }
            let stream = socket.connect(address).await?;
            tune(&stream);
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// Sets what makes a connection quick and its death known. A system that
/// refuses an option only makes it slower: not a reason to fail.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}

impl Stream for TcpStream {
    fn peer_addr(&self) -> Option<SocketAddr> {
        TcpStream::peer_addr(self).ok()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        TcpStream::local_addr(self).ok()
    }
}

/// For simulations: a pipe in memory.
impl Stream for DuplexStream {}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_is_its_own_resolution() {
        let resolved = Tcp.resolve("192.0.2.1", 25).await.unwrap();
        assert_eq!(resolved, ["192.0.2.1:25".parse().unwrap()]);
        let resolved = Tcp.resolve("2001:db8::1", 25).await.unwrap();
        assert_eq!(resolved, ["[2001:db8::1]:25".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_connection_leaves_from_the_bound_address_and_knows_its_peer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let stream = Tcp.connect(address, Some(bind)).await.unwrap();
        assert_eq!(stream.peer_addr(), Some(address));
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(from.ip(), bind);
    }

    #[tokio::test]
    async fn a_connection_sends_at_once_and_watches_for_its_end() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tune(&stream);
        assert!(stream.nodelay().unwrap());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }
}
