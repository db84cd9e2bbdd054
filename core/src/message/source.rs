//! One reading of a prepared message, encoded for the wire.
//!
//! A [`Source`] never tells that the message has ended unless all of it, and
//! exactly what was announced, has been encoded; after an error it only
//! repeats that it failed. So whoever writes the end-of-data after `true` has
//! written the whole message.

use std::fmt;
use std::io::SeekFrom;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::body::{BoxReader, FileBody, Lease, file_error, reader_error};
use super::encode::{Encoder, Framing};
use super::prepare::{Limits, nul_error, too_large};
use crate::{Error, ErrorKind, Stage};

/// Octets asked of a file or reader at once. Larger blocks are no faster, and
/// there are three of them under way.
const READ: usize = 64 * 1024;

/// One reading of a message, from its first octet.
pub(crate) struct Source {
    head: Bytes,
    /// What is in memory of the body; encoded after the head.
    body: Bytes,
    verbatim: bool,
    rest: Rest,
    buffer: BytesMut,
    encoder: Encoder,
    expected: Option<u64>,
    limits: Limits,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Failed,
}

/// What follows when the memory is used up.
pub(crate) enum Rest {
    Nothing,
    File(tokio::fs::File),
    /// Not read from yet, so the message can be sent again from the start.
    Untouched(Lease),
    Reader(BoxReader),
}

impl Rest {
    /// Opens the file again, and checks that it is still the one looked at.
    pub(crate) async fn open(body: &FileBody) -> Result<Self, Error> {
        let failed = |error| file_error(&body.path, error);
        let mut file = tokio::fs::File::open(&body.path).await.map_err(failed)?;
        let metadata = file.metadata().await.map_err(failed)?;
        if metadata.len() != body.length || metadata.modified().ok() != body.modified {
            return Err(changed());
        }
        file.seek(SeekFrom::Start(body.offset)).await.map_err(failed)?;
        Ok(Rest::File(file))
    }
}

impl Source {
    pub(crate) fn new(
        head: Bytes,
        body: Bytes,
        verbatim: bool,
        rest: Rest,
        expected: Option<u64>,
        limits: Limits,
    ) -> Self {
        Source {
            head,
            body,
            verbatim,
            rest,
            buffer: BytesMut::new(),
            encoder: Encoder::new(),
            expected,
            limits,
            state: State::Open,
        }
    }

    /// Appends encoded content to `out` until `out` holds at least `limit`
    /// octets or the message has ended, and tells whether it has ended. What
    /// was encoded then ends with CRLF, or is empty. `out` may grow beyond the
    /// limit: by as much as was missing, for content that is all line ends.
    ///
    /// The framing must be the same in all calls. Cancelling loses nothing.
    ///
    /// # Errors
    /// When the content cannot be read, holds NUL, is larger than the limit,
    /// or is not what it was when it was looked at. `out` is then of no use.
    pub(crate) async fn fill(
        &mut self,
        framing: Framing,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, Error> {
        loop {
            if let Some(result) = self.fill_now(framing, out, limit) {
                return result;
            }
            if let Err(error) = self.read().await {
                return Err(self.fail(error));
            }
        }
    }

    /// As [`fill`](Self::fill), as far as it goes without waiting; `None` when
    /// more has to be read. Messages in memory never give `None`.
    pub(crate) fn fill_now(
        &mut self,
        framing: Framing,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Option<Result<bool, Error>> {
        match self.state {
            State::Open => {}
            State::Ended => return Some(Ok(true)),
            State::Failed => return Some(Err(in_body("the message could not be read before"))),
        }
        loop {
            let room = limit.saturating_sub(out.len());
            if !self.head.is_empty() {
                let length = room.min(self.head.len());
                self.encoder.push(&self.head[..length], framing, out);
                self.head.advance(length);
            } else if !self.body.is_empty() {
                let length = room.min(self.body.len());
                let piece = &self.body[..length];
                if self.verbatim {
                    self.encoder.push_verbatim(piece, out);
                } else {
                    self.encoder.push(piece, framing, out);
                }
                self.body.advance(length);
            } else if matches!(self.rest, Rest::Nothing) {
                self.encoder.finish(out);
                return Some(match self.check(true) {
                    Ok(()) => {
                        self.state = State::Ended;
                        Ok(true)
                    }
                    Err(error) => Err(self.fail(error)),
                });
            } else {
                return if room == 0 { Some(Ok(false)) } else { None };
            }
            if let Err(error) = self.check(false) {
                return Some(Err(self.fail(error)));
            }
            let is_used_up = self.head.is_empty() && self.body.is_empty();
            if out.len() >= limit && !(is_used_up && matches!(self.rest, Rest::Nothing)) {
                return Some(Ok(false));
            }
        }
    }

    /// Reads the next piece into `body`; at the end `rest` becomes `Nothing`.
    async fn read(&mut self) -> Result<(), Error> {
        self.rest = match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Untouched(lease) => lease.into_reader().map_or(Rest::Nothing, Rest::Reader),
            rest => rest,
        };
        self.buffer.reserve(READ);
        let read = match &mut self.rest {
            Rest::File(file) => file.read_buf(&mut self.buffer).await,
            Rest::Reader(reader) => reader.read_buf(&mut self.buffer).await,
            Rest::Nothing | Rest::Untouched(_) => Ok(0),
        }
        .map_err(reader_error)?;
        if read == 0 {
            self.rest = Rest::Nothing;
        }
        self.body = self.buffer.split().freeze();
        self.verbatim = false;
        match memchr(0, &self.body) {
            Some(at) => Err(nul_error(self.encoder.emitted() + at as u64)),
            None => Ok(()),
        }
    }

    fn check(&self, at_end: bool) -> Result<(), Error> {
        let emitted = self.encoder.emitted();
        match self.expected {
            Some(expected) if emitted > expected || (at_end && emitted != expected) => {
                Err(changed())
            }
            None if emitted > self.limits.max_message_size => Err(too_large(emitted, self.limits)),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed;
        let in_body = in_body(error.message_text());
        match error.hint() {
            Some(hint) => in_body.with_hint(hint),
            None => in_body,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("emitted", &self.encoder.emitted()).finish_non_exhaustive()
    }
}

fn in_body(message: &str) -> Error {
    Error::new(ErrorKind::InvalidMessage, Stage::Body, message)
}

fn changed() -> Error {
    Error::message("the file of the message changed while it was being sent")
        .with_hint("write messages under another name and rename them when they are complete")
}
