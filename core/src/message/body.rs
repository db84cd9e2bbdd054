//! The content of a message as it is found: in memory, in a file, or behind a
//! reader that can be read once.
//!
//! What ends within the first [`LOOKAHEAD`] octets is treated as memory,
//! wherever it came from.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::content::Content;
use super::head::{HeadEnd, HeadFinder};
use super::prepare::{Limits, nul_error, too_large};
use super::scan::Scan;
use crate::{Error, ErrorKind, Stage};

/// Octets read before a streamed message is sent.
pub(crate) const LOOKAHEAD: usize = 256 * 1024;

/// Octets of a large file read at once.
const BLOCK: usize = 64 * 1024;

pub(crate) type BoxReader = Box<dyn AsyncRead + Send + Unpin>;

/// Where the body comes from each time the message is sent.
pub(crate) enum Body {
    Memory {
        bytes: Bytes,
        verbatim: bool,
    },
    File(FileBody),
    /// `ahead` is what was read beyond the head.
    Reader {
        slot: Arc<ReaderSlot>,
        ahead: Bytes,
    },
}

/// A body in a file, and what the file was when it was looked at.
pub(crate) struct FileBody {
    pub(crate) path: Arc<Path>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) modified: Option<SystemTime>,
}

/// A message split into head and body, the body looked at as far as it can be.
pub(crate) struct Loaded {
    pub(crate) head: Bytes,
    pub(crate) body: Body,
    /// Of the whole body, or of what was read ahead.
    pub(crate) scan: Scan,
}

impl Loaded {
    fn in_memory(content: &Bytes, end: HeadEnd) -> Self {
        let bytes = content.slice(end.body..);
        let scan = Scan::of(&bytes);
        let body = Body::Memory { bytes, verbatim: scan.is_verbatim() };
        Loaded { head: content.slice(..end.head), body, scan }
    }
}

/// Finds head and body, and looks at the body.
pub(crate) async fn load(content: &Content, limits: Limits) -> Result<Loaded, Error> {
    match content {
        Content::Memory(bytes) => match HeadFinder::default().find(bytes, true)? {
            Some(end) => Ok(Loaded::in_memory(bytes, end)),
            None => Err(Error::message("the header of the message has no end")),
        },
        Content::File(path) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || load_file(path, limits)).await.map_err(|error| {
                Error::message("reading the message was aborted").with_source(error)
            })?
        }
        Content::Reader(slot) => {
            let mut lease = slot.lease()?;
            let (ahead, end, at_end) = lease.look_ahead(limits.read_patience).await?;
            if at_end {
                return Ok(Loaded::in_memory(&ahead, end));
            }
            let rest = ahead.slice(end.body..);
            let scan = Scan::of(&rest);
            let body = Body::Reader { slot: slot.clone(), ahead: rest };
            Ok(Loaded { head: ahead.slice(..end.head), body, scan })
        }
    }
}

pub(crate) fn file_error(path: &Path, error: std::io::Error) -> Error {
    Error::message(format!("the message in {} cannot be read: {error}", path.display()))
        .with_source(error)
}

fn load_file(path: Arc<Path>, limits: Limits) -> Result<Loaded, Error> {
    let failed = |error| file_error(&path, error);
    // Before it is opened: opening a pipe waits for its writer.
    if !std::fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(Error::message(format!("{} is not a regular file", path.display()))
            .with_hint("send what can be read only once with Message::from_reader"));
    }
    let mut file = std::fs::File::open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;

    let mut finder = HeadFinder::default();
    let mut start = Vec::new();
    // A small file is memory soon; of a large one no more than a block is.
    let wanted = if metadata.len() < LOOKAHEAD as u64 { LOOKAHEAD } else { BLOCK } as u64;
    let end = loop {
        let read = (&mut file).take(wanted).read_to_end(&mut start).map_err(failed)?;
        let is_all = (read as u64) < wanted;
        match finder.find(&start, is_all)? {
            Some(end) if is_all => return Ok(Loaded::in_memory(&start.into(), end)),
            Some(end) => break end,
            None => {}
        }
    };

    let head = Bytes::copy_from_slice(&start[..end.head]);
    let mut scan = Scan::of(&start[end.body..]);
    let mut length = start.len() as u64;
    let mut buffer = start;
    buffer.resize(BLOCK, 0);
    loop {
        if let Some(at) = scan.nul() {
            return Err(nul_error(at));
        }
        if scan.size() > limits.max_message_size {
            return Err(too_large(metadata.len().max(length), limits));
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                scan.update(&buffer[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let offset = end.body as u64;
    let body = FileBody { path, offset, length, modified: metadata.modified().ok() };
    Ok(Loaded { head, body: Body::File(body), scan })
}

/// A reader that several clones of a message share, and one may read.
pub(crate) struct ReaderSlot(Mutex<Slot>);

enum Slot {
    Ready(Held),
    Leased,
    Spent,
}

struct Held {
    reader: BoxReader,
    /// What a look ahead has read so far; survives its cancellation.
    growing: BytesMut,
    /// The look ahead once it is complete, and whether the content ended.
    ahead: Option<(Bytes, HeadEnd, bool)>,
}

impl ReaderSlot {
    pub(crate) fn new(reader: BoxReader) -> Self {
        let held = Held { reader, growing: BytesMut::new(), ahead: None };
        ReaderSlot(Mutex::new(Slot::Ready(held)))
    }

    fn state(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the whole message can still be had from it.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(*self.state(), Slot::Ready(_))
    }

    /// Takes the reader; dropping the lease gives it back unless it is spent.
    pub(crate) fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, Slot::Leased) {
            Slot::Ready(held) => Ok(Lease { slot: self.clone(), held: Some(held) }),
            other => {
                let is_spent = matches!(other, Slot::Spent);
                *state = other;
                Err(Error::message(if is_spent {
                    "the message has been read and cannot be read again"
                } else {
                    "the message is being read by another send"
                })
                .with_hint("send a message again from bytes or a file, not from a reader"))
            }
        }
    }
}

/// The right to read from a [`ReaderSlot`].
pub(crate) struct Lease {
    slot: Arc<ReaderSlot>,
    /// `None` once the reader was taken for good.
    held: Option<Held>,
}

impl Lease {
    /// Reads until the head is complete and [`LOOKAHEAD`] octets are there, or
    /// the content ends.
    ///
    /// # Errors
    /// `timeout` when a piece takes longer than `patience`.
    async fn look_ahead(&mut self, patience: Duration) -> Result<(Bytes, HeadEnd, bool), Error> {
        let held = self.held.as_mut().ok_or_else(|| Error::message("the reader is spent"))?;
        if let Some(ahead) = &held.ahead {
            return Ok(ahead.clone());
        }
        let mut finder = HeadFinder::default();
        let mut end = finder.find(&held.growing, false)?;
        loop {
            if let Some(end) = end
                && held.growing.len() >= LOOKAHEAD
            {
                return Ok(held.complete(end, false));
            }
            held.growing.reserve(LOOKAHEAD / 4);
            let reading = timeout(patience, held.reader.read_buf(&mut held.growing)).await;
            let read = reading
                .map_err(|_| slow_reader(Stage::Prepare, patience))?
                .map_err(reader_error)?;
            if end.is_none() {
                end = finder.find(&held.growing, read == 0)?;
            }
            if let (0, Some(end)) = (read, end) {
                return Ok(held.complete(end, true));
            }
        }
    }

    /// From now on the content is gone with its reading: takes the reader for
    /// good.
    pub(crate) fn into_reader(mut self) -> Option<BoxReader> {
        let held = self.held.take()?;
        *self.slot.state() = Slot::Spent;
        Some(held.reader)
    }
}

impl Held {
    fn complete(&mut self, end: HeadEnd, at_end: bool) -> (Bytes, HeadEnd, bool) {
        let ahead = (self.growing.split().freeze(), end, at_end);
        self.ahead.insert(ahead).clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            *self.slot.state() = Slot::Ready(held);
        }
    }
}

pub(crate) fn reader_error(error: std::io::Error) -> Error {
    Error::message(format!("the message cannot be read: {error}")).with_source(error)
}

/// The reader of a message has given nothing for so long.
pub(crate) fn slow_reader(stage: Stage, patience: Duration) -> Error {
    let text = format!("the message could not be read on within {patience:?}");
    Error::new(ErrorKind::Timeout, stage, text)
        .with_hint("the reader that the message comes from is stuck")
}
