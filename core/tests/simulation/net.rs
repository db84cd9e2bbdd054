//! The mailer's network and everybody's clock, on simulated time.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use everpost::Clock;
use everpost::network::{BoxFuture, Network, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

/// The simulated date at the start, in seconds since 1970.
const START: u64 = 1_800_000_000;

/// The date, for clients and servers alike.
///
/// Inside a host it is that host's simulated time to the millisecond; outside,
/// where faults are applied, it is that of the last step.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    step: Arc<AtomicU64>,
}

impl SimClock {
    pub fn epoch() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(START)
    }

    /// Notes how far the simulation is.
    pub fn set(&self, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).expect("a simulation ends within hours");
        self.step.store(millis, Ordering::Relaxed);
    }

    /// The time since the simulation began.
    pub fn elapsed(&self) -> Duration {
        let outside = || Duration::from_millis(self.step.load(Ordering::Relaxed));
        turmoil::sim_elapsed().unwrap_or_else(outside)
    }
}

impl Clock for SimClock {
    fn now(&self) -> SystemTime {
        Self::epoch() + self.elapsed()
    }
}

/// What is known of the connections of one client, seen from its own end.
#[derive(Debug, Default)]
pub struct Ledger {
    opened: AtomicU64,
    lost: AtomicU64,
    unanswered: AtomicU64,
}

impl Ledger {
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that ended otherwise than by the client's orderly close.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Of those lost: nothing came back after the last write. One that is lost
    /// between the end-of-data and its reply is among them.
    pub fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }
}

/// One client's way to the fleet: a name with several addresses.
pub struct SimNetwork {
    nodes: Vec<IpAddr>,
    asked: AtomicU64,
    ledger: Arc<Ledger>,
}

impl SimNetwork {
    pub fn new(nodes: Vec<IpAddr>, ledger: Arc<Ledger>) -> Arc<Self> {
        Arc::new(SimNetwork { nodes, asked: AtomicU64::new(0), ledger })
    }
}

impl fmt::Debug for SimNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimNetwork")
    }
}

impl Network for SimNetwork {
    /// All nodes, another one first each time, as name servers do.
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            let mut nodes = self.nodes.clone();
            let first = usize::try_from(asked).unwrap_or_default() % nodes.len();
            nodes.rotate_left(first);
            Ok(nodes.into_iter().map(|node| SocketAddr::new(node, port)).collect())
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            self.ledger.opened.fetch_add(1, Ordering::Relaxed);
            let ledger = Arc::clone(&self.ledger);
            Ok(Box::new(Watched { stream, ledger, unanswered: false, closed: false })
                as Box<dyn Stream>)
        })
    }
}

/// The size of a close_notify of TLS 1.3, which is no answer: smaller than any
/// reply. What one write sent is read as one piece here.
const CLOSE_NOTIFY: usize = 24;

/// A connection that is entered in its client's ledger when it ends.
#[derive(Debug)]
struct Watched {
    stream: TcpStream,
    ledger: Arc<Ledger>,
    unanswered: bool,
    closed: bool,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.closed {
            self.ledger.lost.fetch_add(1, Ordering::Relaxed);
            self.ledger.unanswered.fetch_add(u64::from(self.unanswered), Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let count = buffer.filled().len() - before;
        if count > 0 && count != CLOSE_NOTIFY {
            self.unanswered = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Also a write that fails may have been the one.
        self.unanswered = true;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Stream for Watched {
    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.stream.local_addr().ok()
    }
}
