//! The network as a parameter: names to addresses, addresses to streams.
//!
//! [`Tcp`] is the real one. A simulation passes its own and drives the whole
//! mailer without a socket.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// A future that is boxed, so that the traits here can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connected byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {
    /// The address at the other end, where there is one.
    fn peer_addr(&self) -> Option<SocketAddr> {
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
