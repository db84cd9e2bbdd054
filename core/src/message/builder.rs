//! Building a message from its parts: a thin layer over lettre's builder that
//! chooses the MIME structure.
//!
//! ```text
//! mixed                     with attachments
//! └─ related                with inline parts
//!    └─ alternative         with text and HTML
//!       ├─ text/plain
//!       └─ text/html
//! ```
//!
//! A level that would hold one part is left out.

use std::sync::Arc;
use std::time::SystemTime;

use lettre::message::header::{
    self, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Attachment, Body, Mailboxes, MultiPart, SinglePart};

use super::content::{Built, Content};
use super::prepare::date;
use super::{Dkim, Envelope, Mailbox, Message, Recipient};
use crate::Error;

/// Fields with a method of their own, or that the structure decides.
const OWN: [&str; 14] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "DKIM-Signature",
];

/// Builds a [`Message`] with text, HTML, inline parts and attachments.
///
/// What is wrong with an argument is told by [`build`](Self::build). Addresses
/// may be text (`"Ann <ann@example.org>"`), a pair of name and address, an
/// [`Address`](crate::Address) or lettre's `Mailbox`. Everything that is not
/// ASCII is encoded.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is built before `build`"]
pub struct MessageBuilder {
    from: Vec<Mailbox>,
    sender: Option<Mailbox>,
    reply_to: Vec<Mailbox>,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    inline: Vec<File>,
    attachments: Vec<File>,
    headers: Vec<(String, String)>,
    date: Option<SystemTime>,
    message_id: Option<String>,
    dkim: Option<Dkim>,
    error: Option<Error>,
}

/// An attachment; `name` is the Content-ID of an inline one.
#[derive(Clone)]
struct File {
    name: String,
    content_type: ContentType,
    content: Vec<u8>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("name", &self.name).field("size", &self.content.len()).finish()
    }
}

impl MessageBuilder {
    pub(crate) fn new() -> Self {
        MessageBuilder::default()
    }

    /// Adds an author. Several need a [`sender`](Self::sender).
    pub fn from(self, mailbox: impl TryInto<Mailbox, Error: Into<Error>>) -> Self {
        self.with(mailbox, |builder, mailbox| builder.from.push(mailbox))
    }

    /// Sets who sends, where that is not the author. The envelope is from
    /// here too.
    pub fn sender(self, mailbox: impl TryInto<Mailbox, Error: Into<Error>>) -> Self {
        self.with(mailbox, |builder, mailbox| builder.sender = Some(mailbox))
    }

    /// Adds an address that replies shall go to.
    pub fn reply_to(self, mailbox: impl TryInto<Mailbox, Error: Into<Error>>) -> Self {
        self.with(mailbox, |builder, mailbox| builder.reply_to.push(mailbox))
    }

    /// Adds a recipient.
    pub fn to(self, mailbox: impl TryInto<Mailbox, Error: Into<Error>>) -> Self {
        self.with(mailbox, |builder, mailbox| builder.to.push(mailbox))
    }

    /// Adds a recipient of a copy.
    pub fn cc(self, mailbox: impl TryInto<Mailbox, Error: Into<Error>>) -> Self {
        self.with(mailbox, |builder, mailbox| builder.cc.push(mailbox))
    }

    /// Adds a recipient that the others do not see.
    pub fn bcc(self, mailbox: impl TryInto<Mailbox, Error: Into<Error>>) -> Self {
        self.with(mailbox, |builder, mailbox| builder.bcc.push(mailbox))
    }

    /// Sets the subject.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the plain text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the HTML, an alternative to the text if there is one.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds an attachment with a media type, such as `application/pdf`. It
    /// arrives byte for byte.
    pub fn attach(
        self,
        filename: impl Into<String>,
        content_type: &str,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        let name = filename.into();
        if name.is_empty() || has_control(&name) {
            return self.failed(
                Error::message(format!("{name:?} is no name for an attachment"))
                    .with_hint("give a file name without path and control characters"),
            );
        }
        self.with_file(name, content_type, content.into(), |builder| &mut builder.attachments)
    }

    /// Adds a part that the HTML shows, as `<img src="cid:content_id">`.
    pub fn attach_inline(
        self,
        content_id: impl Into<String>,
        content_type: &str,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        let name = content_id.into();
        let is_id = !name.is_empty()
            && name.len() <= 200
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>');
        if !is_id {
            return self.failed(
                Error::message(format!("{name:?} is no Content-ID"))
                    .with_hint("use printable ASCII without spaces and angle brackets"),
            );
        }
        self.with_file(name, content_type, content.into(), |builder| &mut builder.inline)
    }

    /// Sets any other header field. A second value replaces the first.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the Date; without it, it is the time of [`build`](Self::build).
    pub fn date(mut self, date: SystemTime) -> Self {
        self.date = Some(date);
        self
    }

    /// Sets the Message-ID, with or without angle brackets; without it, a new
    /// one is made by [`build`](Self::build).
    pub fn message_id(mut self, message_id: impl Into<String>) -> Self {
        self.message_id = Some(message_id.into());
        self
    }

    /// Signs the message (DKIM, RFC 6376).
    pub fn dkim(mut self, dkim: Dkim) -> Self {
        self.dkim = Some(dkim);
        self
    }

    /// Builds the message. It may be sent many times, always with the same
    /// Message-ID.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage) for the
    /// first argument that was wrong, and when there is no author. A message
    /// without recipient is built, but needs an envelope to be sent.
    pub fn build(mut self) -> Result<Message, Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let Some(author) = self.from.first() else {
            return Err(Error::message("the message has no From").with_hint("call from(..)"));
        };
        let author = author.address().clone();
        if self.from.len() > 1 && self.sender.is_none() {
            return Err(Error::message("a message of several authors needs a Sender")
                .with_hint("call sender(..) with the one who sends"));
        }
        let reverse_path = self.sender.as_ref().map_or(&author, Mailbox::address).clone();
        let recipients = [&self.to, &self.cc, &self.bcc].into_iter().flatten();
        let envelope = Envelope::from_recipients(
            Some(reverse_path.clone()),
            recipients.map(|mailbox| Recipient::new(mailbox.address().clone())),
        );
        let largest_attachment = (self.attachments.iter().chain(&self.inline))
            .max_by_key(|file| file.content.len())
            .map(|file| (file.name.clone(), file.content.len() as u64));

        let headers = self.lettre_headers(reverse_path.domain())?;
        let dkim = self.dkim.take();
        let mut message = match self.structure() {
            Part::Single(part) => headers.singlepart(part),
            Part::Multi(part) => headers.multipart(part),
        }
        .map_err(|error| {
            Error::message(format!("{author} cannot be written in a built message"))
                .with_hint("give the message as raw bytes")
                .with_source(error)
        })?;
        if let Some(dkim) = dkim {
            dkim.sign(&mut message)?;
        }
        Ok(Message {
            content: Content::Memory(message.formatted().into()),
            built: Some(Arc::new(Built { envelope, largest_attachment })),
            given: None,
        })
    }

    fn lettre_headers(&self, id_domain: &str) -> Result<lettre::message::MessageBuilder, Error> {
        let date = date(self.date.unwrap_or_else(SystemTime::now))?;
        let mut headers = lettre::Message::builder()
            .raw_header(HeaderValue::dangerous_new_pre_encoded(
                HeaderName::new_from_ascii_str("Date"),
                date.clone(),
                date,
            ))
            .header(header::From::from(mailboxes(&self.from)));
        if let Some(sender) = &self.sender {
            headers = headers.header(header::Sender::from(sender.to_lettre()));
        }
        if !self.reply_to.is_empty() {
            headers = headers.header(header::ReplyTo::from(mailboxes(&self.reply_to)));
        }
        if !self.to.is_empty() {
            headers = headers.header(header::To::from(mailboxes(&self.to)));
        }
        if !self.cc.is_empty() {
            headers = headers.header(header::Cc::from(mailboxes(&self.cc)));
        }
        if let Some(subject) = &self.subject {
            headers = headers.raw_header(field("Subject", subject)?);
        }
        headers = headers.raw_header(self.id_field(id_domain)?);
        for (name, value) in &self.headers {
            if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                return Err(Error::message(format!("the field {name} cannot be set by header()"))
                    .with_hint("use the builder's own method, or give the message as raw bytes"));
            }
            headers = headers.raw_header(field(name, value)?);
        }
        // Ours is the one that counts; lettre's would be read back from the
        // fields, which it cannot do for every address.
        let any = self.from.iter().map(|mailbox| mailbox.to_lettre().email).collect();
        let envelope = lettre::address::Envelope::new(None, any)
            .map_err(|error| Error::message("the message has no From").with_source(error))?;
        Ok(headers.envelope(envelope))
    }

    fn id_field(&self, domain: &str) -> Result<HeaderValue, Error> {
        let id = match &self.message_id {
            Some(id) => id.trim_start_matches('<').trim_end_matches('>').to_owned(),
            None => {
                let domain = if domain.starts_with('[') { "localhost" } else { domain };
                format!("{:032x}@{domain}", crate::unique::unique())
            }
        };
        let is_id = !id.is_empty()
            && id.len() <= 900
            && id.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '<' && c != '>');
        if !is_id {
            return Err(Error::message(format!("{id:?} is no Message-ID"))
                .with_hint("use the form unique@domain"));
        }
        let value = format!("<{id}>");
        let name = HeaderName::new_from_ascii_str("Message-ID");
        Ok(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value))
    }

    fn structure(self) -> Part {
        let mut part = match (self.text, self.html) {
            (Some(text), Some(html)) => Part::Multi(MultiPart::alternative_plain_html(text, html)),
            (None, Some(html)) => Part::Single(SinglePart::html(html)),
            (text, None) => Part::Single(SinglePart::plain(text.unwrap_or_default())),
        };
        if !self.inline.is_empty() {
            let files = self.inline.into_iter().map(|file| {
                Attachment::new_inline(file.name).body(base64(file.content), file.content_type)
            });
            part = part.within(MultiPart::related(), files);
        }
        if !self.attachments.is_empty() {
            let files = self.attachments.into_iter().map(|file| {
                Attachment::new(file.name).body(base64(file.content), file.content_type)
            });
            part = part.within(MultiPart::mixed(), files);
        }
        part
    }

    fn with(
        mut self,
        mailbox: impl TryInto<Mailbox, Error: Into<Error>>,
        put: impl FnOnce(&mut Self, Mailbox),
    ) -> Self {
        match mailbox.try_into() {
            Ok(mailbox) => put(&mut self, mailbox),
            Err(error) => return self.failed(error.into()),
        }
        self
    }

    fn with_file(
        mut self,
        name: String,
        content_type: &str,
        content: Vec<u8>,
        list: impl FnOnce(&mut Self) -> &mut Vec<File>,
    ) -> Self {
        match ContentType::parse(content_type) {
            Ok(content_type) => list(&mut self).push(File { name, content_type, content }),
            Err(_) => {
                return self.failed(
                    Error::message(format!("{content_type:?} is no media type"))
                        .with_hint("give one such as application/pdf"),
                );
            }
        }
        self
    }

    fn failed(mut self, error: Error) -> Self {
        self.error.get_or_insert(error);
        self
    }
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Part {
    /// This part first, then the files, in one multipart.
    fn within(
        self,
        builder: lettre::message::MultiPartBuilder,
        files: impl Iterator<Item = SinglePart>,
    ) -> Part {
        let multipart = match self {
            Part::Single(part) => builder.singlepart(part),
            Part::Multi(part) => builder.multipart(part),
        };
        Part::Multi(files.fold(multipart, MultiPart::singlepart))
    }
}

fn mailboxes(list: &[Mailbox]) -> Mailboxes {
    list.iter().map(Mailbox::to_lettre).collect()
}

/// Any bytes as base64, so that no line end in them is touched.
fn base64(content: Vec<u8>) -> Body {
    Body::new_with_encoding(content, ContentTransferEncoding::Base64).unwrap_or_else(Body::new)
}

fn has_control(text: &str) -> bool {
    text.contains(|c: char| c.is_control())
}

/// A field with its value folded and encoded.
fn field(name: &str, value: &str) -> Result<HeaderValue, Error> {
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    let checked = is_name.then(|| HeaderName::new_from_ascii(name.to_owned()).ok()).flatten();
    let Some(checked) = checked else {
        return Err(Error::message(format!("{name:?} is no name of a header field"))
            .with_hint("use at most 76 printable ASCII characters without a colon"));
    };
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Error::message(format!("the {name} field holds a control character"))
            .with_hint("remove line ends from values before they go into a header"));
    }
    Ok(HeaderValue::new(checked, value.to_owned()))
}

#[cfg(test)]
#[path = "builder_tests.rs"]
mod tests;
