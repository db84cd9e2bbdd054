//! A connection that remembers the first bytes that came: [`Wire`].
//!
//! When a handshake fails, they tell what was spoken in place of TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::spoken::LOOKED_AT;
use crate::network::Stream;

/// How long the rest of a line may take whose start has come.
const PATIENCE: Duration = Duration::from_secs(1);

/// A stream and the start of what was read since [`forget`](Wire::forget).
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    seen: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        Wire { stream, seen: Vec::new() }
    }

    /// Remembers afresh from here.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
    }

    /// The first bytes that were read.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Reads on to the end of the first line, so that a message can show it
    /// whole. Gives up soon.
    pub(crate) async fn see_line(&mut self) {
        let reading = async {
            while !self.seen.contains(&b'\n') && self.seen.len() < LOOKED_AT {
                if self.read(&mut [0; LOOKED_AT]).await? == 0 {
                    break;
                }
            }
            io::Result::Ok(())
        };
        // What has come by then is enough.
        let _: Result<io::Result<()>, _> = tokio::time::timeout(PATIENCE, reading).await;
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let room = LOOKED_AT.saturating_sub(self.seen.len());
        let new = &buffer.filled()[before..];
        self.seen.extend_from_slice(&new[..new.len().min(room)]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
