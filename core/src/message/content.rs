//! [`Message`]: what a caller hands over.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::body::ReaderSlot;
use super::{Envelope, MessageBuilder};
use crate::Error;

/// A message to send: raw RFC 5322 bytes, a file or a reader that holds them,
/// or what [`MessageBuilder`] or lettre has built.
///
/// Cloning is cheap and shares the content. Nothing is checked until it is
/// sent.
///
/// ```
/// use everpost::Message;
///
/// let raw = Message::from("From: ann@example.org\r\nTo: bob@example.com\r\n\r\nHello\r\n");
/// let built = Message::builder()
///     .from("Ann <ann@example.org>")
///     .to("bob@example.com")
///     .subject("Hello")
///     .text("Hello Bob")
///     .build()?;
/// # let _ = (raw, built);
/// # Ok::<(), everpost::Error>(())
/// ```
#[derive(Clone)]
pub struct Message {
    pub(crate) content: Content,
    pub(crate) built: Option<Arc<Built>>,
    pub(crate) given: Option<Arc<Envelope>>,
}

/// Where the bytes are.
#[derive(Clone)]
pub(crate) enum Content {
    Memory(Bytes),
    File(Arc<Path>),
    Reader(Arc<ReaderSlot>),
}

/// What is known of a message that was built and not given as bytes.
pub(crate) struct Built {
    /// The envelope that its builder made, or why it made none.
    pub(crate) envelope: Result<Envelope, Error>,
    /// Name and decoded octets of the largest attachment.
    pub(crate) largest_attachment: Option<(String, u64)>,
}

impl Message {
    /// Builds a message from its parts.
    pub fn builder() -> MessageBuilder {
        MessageBuilder::new()
    }

    /// A message in a file, read when it is sent and again for each retry. A
    /// large one is never in memory as a whole.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Message::raw(Content::File(path.into().into()))
    }

    /// A message that is read as it is sent.
    ///
    /// It can be sent once: as soon as a byte of it has been read beyond what
    /// is looked at beforehand (its header, and up to 256 KiB), it cannot be
    /// retried, and a failure is the caller's to handle. Its size is not known
    /// beforehand, so a limit may be hit in the middle, which aborts the
    /// transaction. A reader that gives nothing for as long as a block may take
    /// ([`Deadlines::data_block`](crate::Deadlines::data_block)) ends the send.
    /// Use [`from_file`](Self::from_file) or bytes where you can.
    pub fn from_reader(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Message::raw(Content::Reader(Arc::new(ReaderSlot::new(Box::new(reader)))))
    }

    /// The same message for this envelope, whatever its header says. `Bcc` is
    /// stripped all the same.
    #[must_use]
    pub fn with_envelope(mut self, envelope: Envelope) -> Self {
        self.given = Some(Arc::new(envelope));
        self
    }

    pub(crate) fn given_envelope(&self) -> Option<&Envelope> {
        self.given.as_deref()
    }

    fn raw(content: Content) -> Self {
        Message { content, built: None, given: None }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        match &self.content {
            Content::Memory(bytes) => out.field("bytes", &bytes.len()),
            Content::File(path) => out.field("file", path),
            Content::Reader(_) => out.field("reader", &format_args!("..")),
        };
        out.finish()
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Message::raw(Content::Memory(bytes))
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Message::from(Bytes::from(bytes))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Message::from(text.into_bytes())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Message::from(bytes.to_vec())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Message::from(text.as_bytes())
    }
}

impl From<&lettre::Message> for Message {
    fn from(message: &lettre::Message) -> Self {
        let envelope = Envelope::try_from(message.envelope());
        Message {
            content: Content::Memory(message.formatted().into()),
            built: Some(Arc::new(Built { envelope, largest_attachment: None })),
            given: None,
        }
    }
}

impl From<lettre::Message> for Message {
    fn from(message: lettre::Message) -> Self {
        Message::from(&message)
    }
}
