//! [`Composition`]: a message of parts, built away from JavaScript's thread.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use everpost::Message;
use everpost::message::MessageBuilder;
use napi_derive::napi;

use crate::letter::Letter;
use crate::outcome::Failure;

/// From how many bytes on encoding has a thread of its own.
const LARGE: usize = 64 * 1024;

/// What stands before the names of header fields.
const HEADER: &str = "header:";

/// A message that is being put together.
#[napi]
#[derive(Default)]
pub struct Composition {
    parts: Mutex<Parts>,
}

#[derive(Default)]
pub(crate) struct Parts {
    fields: Vec<String>,
    files: Vec<File>,
}

struct File {
    name: String,
    content_type: String,
    inline: bool,
    content: Content,
}

enum Content {
    Bytes(Vec<u8>),
    Path(String),
}

#[napi]
impl Composition {
    /// From fields: name, value, name, value, … Addresses are given one by one,
    /// and names of header fields as `header:X-Name`.
    #[napi(constructor)]
    pub fn new(fields: Vec<String>) -> Self {
        Composition { parts: Mutex::new(Parts { fields, files: Vec::new() }) }
    }

    /// Adds an attachment of bytes, which are copied. `name` is the Content-ID
    /// of an inline one.
    #[napi]
    pub fn attach(&self, name: String, content_type: String, inline: bool, bytes: &[u8]) {
        self.add(name, content_type, inline, Content::Bytes(bytes.to_vec()));
    }

    /// Adds an attachment whose bytes came in pieces.
    #[napi]
    pub fn attach_letter(&self, name: String, content_type: String, inline: bool, bytes: &Letter) {
        self.add(name, content_type, inline, Content::Bytes(bytes.bytes()));
    }

    /// Adds an attachment from a file, read when the message is built.
    #[napi]
    pub fn attach_file(&self, name: String, content_type: String, inline: bool, path: String) {
        self.add(name, content_type, inline, Content::Path(path));
    }

    fn add(&self, name: String, content_type: String, inline: bool, content: Content) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.files.push(File { name, content_type, inline, content });
    }

    /// What was gathered; once.
    pub(crate) fn take(&self) -> Parts {
        mem::take(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Parts {
    /// Reads the files and builds the message.
    pub(crate) async fn build(self) -> Result<Message, Failure> {
        let mut files = Vec::new();
        for file in self.files {
            let bytes = match file.content {
                Content::Bytes(bytes) => bytes,
                Content::Path(path) => tokio::fs::read(&path).await.map_err(|error| {
                    let text = format!("the attachment {path} cannot be read: {error}");
                    Failure::message(text, "check the path and who may read it")
                })?,
            };
            files.push((file.name, file.content_type, file.inline, bytes));
        }
        let size = files.iter().map(|(.., bytes)| bytes.len()).sum::<usize>()
            + self.fields.iter().map(String::len).sum::<usize>();
        let fields = self.fields;
        let build = move || -> Result<Message, Failure> {
            let mut builder = with_fields(Message::builder(), &fields)?;
            for (name, content_type, inline, bytes) in files {
                builder = match inline {
                    true => builder.attach_inline(name, &content_type, bytes),
                    false => builder.attach(name, &content_type, bytes),
                };
            }
            Ok(builder.build()?)
        };
        if size < LARGE {
            return build();
        }
        tokio::task::spawn_blocking(build).await.unwrap_or_else(|_| Err(Failure::lost(false)))
    }
}

fn with_fields(mut builder: MessageBuilder, fields: &[String]) -> Result<MessageBuilder, Failure> {
    for field in fields.chunks_exact(2) {
        let (name, value) = (field[0].as_str(), field[1].as_str());
        builder = match name {
            "from" => builder.from(value),
            "sender" => builder.sender(value),
            "reply_to" => builder.reply_to(value),
            "to" => builder.to(value),
            "cc" => builder.cc(value),
            "bcc" => builder.bcc(value),
            "subject" => builder.subject(value),
            "text" => builder.text(value),
            "html" => builder.html(value),
            "message_id" => builder.message_id(value),
            "date" => {
                let date = value.parse().ok().map(Duration::from_millis);
                builder.date(date.and_then(|date| UNIX_EPOCH.checked_add(date)).ok_or_else(
                    || Failure::message("the date cannot be written", "give a date from 1970 on"),
                )?)
            }
            _ => builder.header(name.strip_prefix(HEADER).unwrap_or(name), value),
        };
    }
    Ok(builder)
}
