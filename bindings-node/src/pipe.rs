//! [`Pipe`]: a stream of JavaScript, read by the core as it sends.
//!
//! JavaScript writes until it is told that there is no room, and goes on when
//! it hears `drain`. So of a large message little more than [`ROOM`] is in
//! memory at a time.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use napi_derive::napi;
use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::port::{Port, Shared};

/// How many bytes may wait before the writer does.
const ROOM: usize = 512 * 1024;

/// The end that JavaScript writes to.
#[napi]
pub struct Pipe {
    sender: Mutex<Option<UnboundedSender<io::Result<Bytes>>>>,
    reader: Mutex<Option<PipeReader>>,
    waiting: Arc<AtomicUsize>,
}

/// The end that the core reads from.
pub(crate) struct PipeReader {
    receiver: UnboundedReceiver<io::Result<Bytes>>,
    chunk: Bytes,
    waiting: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    id: i64,
}

#[napi]
impl Pipe {
    /// `["drain", id]` is told when there is room again, and `["shut", id]`
    /// when nobody reads any more.
    #[napi(constructor)]
    pub fn new(port: &Port, id: i64) -> Self {
        let (sender, receiver) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let reader = PipeReader {
            receiver,
            chunk: Bytes::new(),
            waiting: Arc::clone(&waiting),
            shared: Arc::clone(&port.shared),
            id,
        };
        Pipe { sender: Mutex::new(Some(sender)), reader: Mutex::new(Some(reader)), waiting }
    }

    /// Writes a chunk, which is copied; returns whether there is room for more.
    #[napi]
    pub fn write(&self, chunk: &[u8]) -> bool {
        let before = self.waiting.fetch_add(chunk.len(), Ordering::AcqRel);
        self.push(Ok(Bytes::copy_from_slice(chunk)));
        before + chunk.len() < ROOM
    }

    /// The message is complete.
    #[napi]
    pub fn end(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The message cannot be completed.
    #[napi]
    pub fn fail(&self, why: String) {
        self.push(Err(io::Error::other(why)));
        self.end();
    }

    fn push(&self, chunk: io::Result<Bytes>) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // Nobody reads when the send has ended: the writer is told of that.
            let _ = sender.send(chunk);
        }
    }

    /// The other end; once.
    pub(crate) fn reader(&self) -> Option<PipeReader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.chunk.is_empty() {
            match std::task::ready!(self.receiver.poll_recv(context)) {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.chunk.len().min(buffer.remaining());
        buffer.put_slice(&self.chunk[..length]);
        self.chunk.advance(length);
        let before = self.waiting.fetch_sub(length, Ordering::AcqRel);
        if before >= ROOM && before - length < ROOM {
            self.shared.tell(&json!([0, "drain", self.id]));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.shared.tell(&json!([0, "shut", self.id]));
    }
}
