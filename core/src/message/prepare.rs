//! From a [`Message`] to a [`Prepared`] one: everything that is decided before
//! any network, once, so that every attempt sends the same bytes.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::body::{Body, Loaded, load};
use super::head::Head;
use super::source::{Rest, Source};
use super::{Envelope, Message};
use crate::Error;

/// How large things may be, in octets, and how long a reader may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The message as SIZE counts it: with CRLF, without stuffed dots.
    pub(crate) max_message_size: u64,
    /// One attachment of a built message, decoded.
    pub(crate) max_attachment_size: u64,
    /// The longest wait for the next piece of a message that is read.
    pub(crate) read_patience: Duration,
}

/// Whether the message needs 8BITMIME (RFC 6152).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EightBit {
    No,
    Yes,
    /// The message is read as it is sent, and nothing 8-bit was seen so far:
    /// declare it where the server offers it.
    Unknown,
}

/// A message that is ready to be sent, as often as it takes.
pub(crate) struct Prepared {
    envelope: Envelope,
    message_id: String,
    head: Bytes,
    body: Body,
    size: Option<u64>,
    eight_bit: EightBit,
    smtputf8: bool,
    limits: Limits,
}

/// Prepares `message` for `envelope`, or else for the envelope it was built
/// with, or else for the one in its header.
///
/// `now` and `nonce` make the Date and the Message-ID where they are missing;
/// each nonce must be another one.
///
/// # Errors
/// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage), saying
/// what is wrong and what to do.
pub(crate) async fn prepare(
    message: &Message,
    envelope: Option<&Envelope>,
    limits: Limits,
    now: SystemTime,
    nonce: impl FnOnce() -> u128,
) -> Result<Prepared, Error> {
    let built = message.built.as_deref();
    if let Some((name, size)) = built.and_then(|built| built.largest_attachment.as_ref())
        && *size > limits.max_attachment_size
    {
        return Err(Error::message(format!(
            "the attachment {name:?} has {size} bytes, {} are allowed",
            limits.max_attachment_size
        ))
        .with_hint("send a link instead, or raise max_attachment_size"));
    }

    let Loaded { head, body, scan } = load(&message.content, limits).await?;
    if let Some(at) = scan.nul() {
        return Err(nul_error(at));
    }
    let head = Head::parse(&head)?;
    let envelope = match (envelope, built) {
        (Some(given), _) => given.clone(),
        (None, Some(built)) => built.envelope.clone()?,
        (None, None) => head.envelope()?,
    };

    let mut extra = String::new();
    if head.value("Date").is_none() {
        extra += &format!("Date: {}\r\n", date(now)?);
    }
    let message_id = match head.value("Message-ID") {
        Some(value) => identifier(&value),
        None => {
            let id = format!("<{:032x}@{}>", nonce(), id_domain(&envelope, &head));
            extra += &format!("Message-ID: {id}\r\n");
            id
        }
    };

    let smtputf8 = !envelope.is_ascii() || head.needs_smtputf8() || !extra.is_ascii();
    let head = Bytes::from(head.rewritten(&extra));
    let is_known = !matches!(body, Body::Reader { .. });
    let least = head.len() as u64 + scan.size();
    if least > limits.max_message_size {
        return Err(too_large(least, limits));
    }
    let eight_bit = match scan.is_eight_bit() || !head.is_ascii() {
        true => EightBit::Yes,
        false if is_known => EightBit::No,
        false => EightBit::Unknown,
    };
    let size = is_known.then_some(least);
    Ok(Prepared { envelope, message_id, head, body, size, eight_bit, smtputf8, limits })
}

impl Prepared {
    /// Whom it is from and for.
    pub(crate) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Its Message-ID, in angle brackets.
    pub(crate) fn message_id(&self) -> &str {
        &self.message_id
    }

    /// Its octets as SIZE counts them, which is also what [`Framing::Chunk`]
    /// gives; `None` when it is read as it is sent.
    ///
    /// [`Framing::Chunk`]: super::Framing::Chunk
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Whether it needs 8BITMIME.
    pub(crate) fn eight_bit(&self) -> EightBit {
        self.eight_bit
    }

    /// Whether it needs SMTPUTF8: UTF-8 in the envelope or in the header.
    pub(crate) fn smtputf8(&self) -> bool {
        self.smtputf8
    }

    /// Whether [`open`](Self::open) would give the whole message (again). Ask
    /// when the last [`Source`] is gone.
    pub(crate) fn replayable(&self) -> bool {
        match &self.body {
            Body::Memory { .. } | Body::File(_) => true,
            Body::Reader { slot, .. } => slot.is_ready(),
        }
    }

    /// Begins a reading. Waits only where a file has to be opened.
    ///
    /// # Errors
    /// When the file cannot be opened or has changed, or the reader is spent.
    pub(crate) async fn open(&self) -> Result<Source, Error> {
        let (body, verbatim, rest) = match &self.body {
            Body::Memory { bytes, verbatim } => (bytes.clone(), *verbatim, Rest::Nothing),
            Body::File(file) => (Bytes::new(), false, Rest::open(file).await?),
            Body::Reader { slot, ahead } => (ahead.clone(), false, Rest::Untouched(slot.lease()?)),
        };
        Ok(Source::new(self.head.clone(), body, verbatim, rest, self.size, self.limits))
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("message_id", &self.message_id)
            .field("size", &self.size)
            .field("eight_bit", &self.eight_bit)
            .field("smtputf8", &self.smtputf8)
            .finish_non_exhaustive()
    }
}

/// The identifier in the value of a Message-ID field, safe to show.
fn identifier(value: &str) -> String {
    let brackets = value.find('<').and_then(|start| {
        let end = value[start..].find('>')?;
        Some(&value[start..=start + end])
    });
    brackets.unwrap_or(value).chars().filter(|c| !c.is_control()).collect()
}

/// A domain the sender has a right to, for the right side of the Message-ID
/// (RFC 5322 §3.6.4).
fn id_domain(envelope: &Envelope, head: &Head<'_>) -> String {
    let sender = envelope.reverse_path().cloned();
    let author = || head.author().map(|mailbox| mailbox.address().clone());
    let domain = sender.or_else(author).map(|address| address.domain().to_owned());
    domain.filter(|domain| !domain.starts_with('[')).unwrap_or_else(|| "localhost".to_owned())
}

pub(crate) fn date(now: SystemTime) -> Result<String, Error> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|date| date.format(&Rfc2822).ok())
        .ok_or_else(|| {
            Error::message("the clock shows a date that no Date field can hold")
                .with_hint("set the clock, or give the message a Date")
        })
}

pub(crate) fn too_large(size: u64, limits: Limits) -> Error {
    Error::message(format!(
        "the message has {size} bytes or more, {} are allowed",
        limits.max_message_size
    ))
    .with_hint("send less, or raise max_message_size")
}

pub(crate) fn nul_error(at: u64) -> Error {
    Error::message(format!("the body of the message holds a NUL byte, at offset {at}"))
        .with_hint("encode binary content as base64; SMTP carries text (RFC 5321 §2.3.7)")
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
