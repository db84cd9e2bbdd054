//! The stream below TLS, counted and cut by the byte, and the stream above it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::fault::{Faults, Meter};

/// What a connection runs over.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the coming drop a reset, where the transport knows one.
    fn abort(&self) {}
}

impl Transport for TcpStream {
    fn abort(&self) {
        // If the socket is already gone there is nothing left to reset.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

/// Any stream that is not a socket.
pub(crate) struct Other<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for Other<S> {}

impl<S: AsyncRead + Unpin> AsyncRead for Other<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Other<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What is known of the raw stream from outside it.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    /// The drop shall be a reset.
    pub(crate) abort: AtomicBool,
}

/// A counted transport. When a raw byte fault is due every call fails with
/// [`struck`], which the session understands.
pub(crate) struct Wire {
    transport: Box<dyn Transport>,
    raw: Arc<Raw>,
    faults: Arc<Faults>,
    connection: u64,
    /// Set once the connection is being ended: faults no longer count.
    ending: bool,
}

impl Wire {
    pub(crate) fn new(
        transport: Box<dyn Transport>,
        raw: Arc<Raw>,
        faults: Arc<Faults>,
        connection: u64,
    ) -> Self {
        Wire { transport, raw, faults, connection, ending: false }
    }

    pub(crate) fn set_ending(&mut self) {
        self.ending = true;
    }

    /// How many bytes may pass until the next raw fault; an error when it is
    /// due now.
    fn allowance(&self, meter: Meter) -> io::Result<usize> {
        if self.ending || !self.faults.any() {
            return Ok(usize::MAX);
        }
        for (meter, count) in
            [(Meter::RawReceived, &self.raw.received), (Meter::RawSent, &self.raw.sent)]
        {
            let count = count.load(Ordering::Relaxed);
            if self.faults.limit(self.connection, meter, count) == Some(count) {
                return Err(io::Error::other(Struck(meter, count)));
            }
        }
        let count = match meter {
            Meter::RawReceived => self.raw.received.load(Ordering::Relaxed),
            _ => self.raw.sent.load(Ordering::Relaxed),
        };
        Ok(match self.faults.limit(self.connection, meter, count) {
            Some(limit) => usize::try_from(limit - count).unwrap_or(usize::MAX),
            None => usize::MAX,
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.raw.abort.load(Ordering::Relaxed) {
            self.transport.abort();
        }
    }
}

/// The marker of a raw byte fault within an [`io::Error`].
#[derive(Debug)]
struct Struck(Meter, u64);

impl std::fmt::Display for Struck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an injected fault struck")
    }
}

impl std::error::Error for Struck {}

/// The raw byte fault behind `error`, if that is what it is.
pub(crate) fn struck(error: &io::Error) -> Option<(Meter, u64)> {
    error.get_ref()?.downcast_ref::<Struck>().map(|it| (it.0, it.1))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.allowance(Meter::RawReceived)?.min(buf.remaining());
        let before = buf.filled().len();
        if room == buf.remaining() {
            std::task::ready!(Pin::new(&mut self.transport).poll_read(cx, buf))?;
        } else {
            // The part is a slice of its own, so what it read is copied over.
            let mut part = vec![0; room];
            let mut part = ReadBuf::new(&mut part);
            std::task::ready!(Pin::new(&mut self.transport).poll_read(cx, &mut part))?;
            buf.put_slice(part.filled());
        }
        let read = (buf.filled().len() - before) as u64;
        if !self.ending {
            self.raw.received.fetch_add(read, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = self.allowance(Meter::RawSent)?.min(buf.len());
        let written =
            std::task::ready!(Pin::new(&mut self.transport).poll_write(cx, &buf[..room]))?;
        self.raw.sent.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(Pin::new(&mut self.transport).poll_flush(cx))?;
        self.allowance(Meter::RawSent)?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

/// The stream that SMTP runs over.
pub(crate) enum Link {
    Plain(Wire),
    Tls(Box<TlsStream<Wire>>),
    /// Lent to a handshake, or closed.
    Gone,
}

impl Link {
    pub(crate) fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Link::Plain(wire) => Some(wire),
            Link::Tls(tls) => Some(tls.get_mut().0),
            Link::Gone => None,
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Link::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Link::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Link::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Link::Plain(wire) => Pin::new(wire).poll_write(cx, buf),
            Link::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Link::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Link::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Link::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Link::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Link::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Link::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Link::Gone => Poll::Ready(Ok(())),
        }
    }
}
