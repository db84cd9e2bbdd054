//! One connection, from address to QUIT: joins [`smtp`](crate::smtp) and
//! [`tls`](crate::tls) over a stream.
//!
//! A [`Connector`] opens sessions; a [`Session`] moves the bytes of its
//! [`Conversation`] and knows nothing of messages, pools or retries.

mod connector;
pub(crate) mod dial;
mod io;
pub(crate) mod proxy;
pub(crate) mod transcript;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

pub(crate) use connector::{Connector, Draft, address_literal, within};
pub(crate) use io::Io;

use self::transcript::WireLog;
use crate::error::{Error, ErrorKind, Stage};
use crate::smtp::Capabilities;
use crate::smtp::conversation::{Broken, Conversation};
use crate::tls::Peer;

/// Why a session is of no further use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Loss {
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection was lost: {0}")]
    Io(#[source] std::io::Error),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the server did not answer within {0:?}")]
    Timeout(Duration),
}

impl Loss {
    /// As an error of a message that was not sent; the caller knows better
    /// and says so.
    pub(crate) fn into_error(self, stage: Stage) -> Error {
        let kind = match &self {
            Loss::Closed | Loss::Io(_) | Loss::Broken(Broken::Closing(_)) => ErrorKind::Connect,
            Loss::Timeout(_) => ErrorKind::Timeout,
            Loss::Broken(_) => ErrorKind::Protocol,
        };
        let reply = match &self {
            Loss::Broken(
                Broken::Closing(reply) | Broken::Unexpected(reply) | Broken::Interrupted(reply),
            ) => Some(reply.clone()),
            _ => None,
        };
        let message = format!("{self} while {}", stage.doing());
        let error = Error::new(kind, stage, message).with_retryable(true).with_source(self);
        match reply {
            Some(reply) => error.with_reply(reply),
            None => error,
        }
    }
}

/// An established, authenticated session.
#[derive(Debug)]
pub(crate) struct Session {
    io: Io,
    pub(crate) conversation: Conversation,
    pub(crate) capabilities: Capabilities,
    /// What the TLS handshake showed; `None` in plain text.
    pub(crate) peer: Option<Peer>,
    pub(crate) address: SocketAddr,
    pub(crate) opened_at: Instant,
    /// Bytes written to TLS but not known to be flushed.
    unflushed: bool,
    /// How many bytes had left when an end-of-data was last about to be
    /// written.
    committed_at: Option<u64>,
    wire: WireLog,
}

impl Session {
    /// Writes what is queued and reads what arrives, until a write is done or
    /// something was received. May be dropped at any point without losing
    /// anything: all state is in the session.
    ///
    /// # Errors
    /// When the session is of no further use.
    pub(crate) async fn turn(&mut self) -> Result<(), Loss> {
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Loss>> {
        match self.poll_write(cx) {
            Poll::Ready(Err(error)) => {
                // A server that stops reading may have said why.
                if let Poll::Ready(Ok(())) = self.poll_read(cx) {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(Loss::Io(error)))
            }
            Poll::Ready(Ok(true)) => Poll::Ready(Ok(())),
            Poll::Ready(Ok(false)) | Poll::Pending => self.poll_read(cx),
        }
    }

    /// Whether anything was written, by now in full; pending while the peer
    /// does not take it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        while self.conversation.has_output() {
            if self.conversation.about_to_commit().is_some() {
                self.committed_at = Some(self.io.bytes_left());
            }
            let bytes = self.conversation.next_write();
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.wire.sent(&self.conversation.next_write()[..count]);
            self.conversation.wrote(count);
            self.unflushed = true;
        }
        // TLS may hold on to what it took in an earlier poll.
        let wrote = self.unflushed;
        if wrote {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(wrote))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Loss>> {
        let mut space = [0; 4096];
        let mut buffer = ReadBuf::new(&mut space);
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
            Err(error) if is_end(&error) => Poll::Ready(Err(Loss::Closed)),
            Err(error) => Poll::Ready(Err(Loss::Io(error))),
            Ok(()) if buffer.filled().is_empty() => Poll::Ready(Err(Loss::Closed)),
            Ok(()) => {
                self.wire.received(buffer.filled());
                Poll::Ready(self.conversation.receive(buffer.filled()).map_err(Loss::from))
            }
        }
    }

    /// After a loss: takes the commitment back of a message whose
    /// end-of-data was handed to a connection that then took not one byte
    /// more, as one that had been reset before does. The server cannot have
    /// it.
    pub(crate) fn retract_unwritten(&mut self) {
        if self.committed_at == Some(self.io.bytes_left()) {
            self.conversation.retract();
        }
    }

    /// Whether the session may still be used, as far as what has already
    /// arrived tells: a 421, any other byte, a close_notify or a FIN ends it.
    /// Costs no round trip.
    pub(crate) async fn is_alive(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.poll_read(cx).is_pending())).await
            && self.conversation.is_clean()
    }

    /// Waits until the server says or does anything on an idle connection;
    /// none of it is welcome.
    pub(crate) async fn end_of_idleness(&mut self) -> Loss {
        match poll_fn(|cx| self.poll_read(cx)).await {
            Err(loss) => loss,
            Ok(()) => Loss::Closed,
        }
    }

    /// Says QUIT and closes, without waiting for longer than `patience`. A
    /// session that is not clean is closed without a word.
    pub(crate) async fn quit(mut self, patience: Duration) {
        if self.conversation.is_clean() {
            say_quit(&mut self.io, patience).await;
        }
    }
}

/// Says QUIT, waits for the reply (RFC 5321 §4.1.1.10) and closes.
pub(crate) async fn say_quit<S>(io: &mut S, patience: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let goodbye = async {
        io.write_all(b"QUIT\r\n").await?;
        io.flush().await?;
        // Whatever it says, and be it nothing, is the end.
        let _ = io.read(&mut [0; 512]).await?;
        io.shutdown().await
    };
    // Nobody is left to tell about a failure here.
    let _: Result<std::io::Result<()>, _> = tokio::time::timeout(patience, goodbye).await;
}

/// A peer that closes without close_notify, or resets, is gone either way.
fn is_end(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::UnexpectedEof
}
