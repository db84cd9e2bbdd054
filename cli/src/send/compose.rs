//! From options to a message.

use std::path::Path;

use everpost::message::Mailbox;
use everpost::{Address, Envelope, Message};
use tokio::io::AsyncReadExt;

use crate::args::SendArgs;
use crate::failure::Failure;

/// The message that the options describe.
pub(super) async fn message(args: &SendArgs) -> Result<Message, Failure> {
    match &args.eml {
        Some(path) => complete(path, args).await,
        None => built(args).await,
    }
}

async fn complete(path: &Path, args: &SendArgs) -> Result<Message, Failure> {
    let message = if path == Path::new("-") {
        Message::from(read_stdin("the message").await?)
    } else {
        let readable = tokio::fs::File::open(path).await;
        readable.map_err(|error| {
            Failure::io(format!("cannot read the message {}", path.display()), error)
        })?;
        Message::from_file(path)
    };
    match (&args.from, args.to.is_empty()) {
        (None, true) => Ok(message),
        (Some(from), false) => Ok(message.with_envelope(envelope(from, &args.to)?)),
        _ => Err(Failure::Usage(
            "with --eml, --from and --to make the envelope together: give both or none".to_owned(),
        )),
    }
}

fn envelope(from: &str, to: &[String]) -> Result<Envelope, everpost::Error> {
    let to: Vec<Address> = to.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
    match from {
        "" | "<>" => Envelope::null_sender(to),
        from => Envelope::new(address(from)?, to),
    }
}

fn address(text: &str) -> Result<Address, everpost::Error> {
    Ok(Mailbox::try_from(text)?.address().clone())
}

async fn built(args: &SendArgs) -> Result<Message, Failure> {
    let mut builder = Message::builder();
    if let Some(from) = &args.from {
        builder = builder.from(from.as_str());
    }
    for to in &args.to {
        builder = builder.to(to.as_str());
    }
    for cc in &args.cc {
        builder = builder.cc(cc.as_str());
    }
    for bcc in &args.bcc {
        builder = builder.bcc(bcc.as_str());
    }
    if let Some(subject) = &args.subject {
        builder = builder.subject(subject.as_str());
    }
    if let Some(text) = &args.text {
        let text = if text == "-" { text_of_stdin().await? } else { text.clone() };
        builder = builder.text(text);
    }
    if let Some(html) = &args.html {
        builder = builder.html(html.as_str());
    }
    for path in &args.attach {
        let what = || format!("cannot read the attachment {}", path.display());
        let content = tokio::fs::read(path).await.map_err(|error| Failure::io(what(), error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        builder = builder.attach(name, media_type(path), content);
    }
    Ok(builder.build()?)
}

async fn text_of_stdin() -> Result<String, Failure> {
    String::from_utf8(read_stdin("the text").await?)
        .map_err(|_| Failure::Usage("the text on standard input is not UTF-8".to_owned()))
}

pub(super) async fn read_stdin(what: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = tokio::io::stdin().read_to_end(&mut bytes).await;
    read.map_err(|error| Failure::io(format!("cannot read {what} from standard input"), error))?;
    Ok(bytes)
}

/// The media type that goes with a file's name.
fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match extension.as_str() {
        "txt" | "log" => "text/plain; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "xml" => "application/xml",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_goes_by_the_extension_in_any_case() {
        assert_eq!(media_type(Path::new("a/Report.PDF")), "application/pdf");
        assert_eq!(media_type(Path::new("Makefile")), "application/octet-stream");
    }

    #[test]
    fn an_envelope_takes_names_and_the_null_sender() {
        let to = ["Ann <ann@example.com>".to_owned()];
        let given = envelope("Bob <bob@example.org>", &to).unwrap();
        assert_eq!(given.reverse_path().unwrap().as_str(), "bob@example.org");
        assert_eq!(given.recipients()[0].address().as_str(), "ann@example.com");
        assert_eq!(envelope("<>", &to).unwrap().reverse_path(), None);
    }
}
