use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};

use super::super::encode::{END_OF_DATA, Framing};
use super::*;
use crate::message::body::LOOKAHEAD;
use crate::{ErrorKind, Stage};

const LIMITS: Limits = Limits {
    max_message_size: 4 << 20,
    max_attachment_size: 1 << 20,
    read_patience: Duration::from_secs(180),
};
const HEAD: &str = "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nBcc: secret@x.y\r\n";
/// The head that leaves for [`HEAD`].
const SENT_HEAD: &str = "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\n\
    Date: Tue, 15 Nov 1994 08:12:31 +0000\r\n\
    Message-ID: <0000000000000000000000000000002a@example.org>\r\n\r\n";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151)
}

async fn try_prepare(message: impl Into<Message>) -> Result<Prepared, Error> {
    prepare(&message.into(), None, LIMITS, now(), || 42).await
}

async fn prepared(message: impl Into<Message>) -> Prepared {
    try_prepare(message).await.unwrap()
}

async fn try_read(prepared: &Prepared, framing: Framing, step: usize) -> Result<Vec<u8>, Error> {
    let mut source = prepared.open().await?;
    let mut all = Vec::new();
    loop {
        let mut out = Vec::new();
        let has_ended = source.fill(framing, &mut out, step).await?;
        assert!(has_ended || out.len() >= step);
        assert!(out.len() <= 2 * step + 2, "{} for {step}", out.len());
        all.extend(out);
        if has_ended {
            assert!(source.fill(framing, &mut all, usize::MAX).await?, "the end is the end");
            return Ok(all);
        }
    }
}

async fn read(prepared: &Prepared, framing: Framing) -> String {
    String::from_utf8(try_read(prepared, framing, 1000).await.unwrap()).unwrap()
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

/// Gives its content in pieces of the given size, then fails if told to.
struct Pieces {
    content: Vec<u8>,
    at: usize,
    size: usize,
    fails: bool,
}

impl Pieces {
    fn message(content: impl Into<Vec<u8>>, size: usize) -> Message {
        Message::from_reader(Pieces { content: content.into(), at: 0, size, fails: false })
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let length = self.size.min(self.content.len() - self.at).min(buffer.remaining());
        if length == 0 && self.fails {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        buffer.put_slice(&self.content[self.at..self.at + length]);
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

/// Longer than what is read ahead, with every kind of line end and dots.
fn long(body_lines: usize) -> String {
    format!("{HEAD}\r\n{}", ".a line of text\r\nanother\n..and\rmore\r\n".repeat(body_lines))
}

#[tokio::test]
async fn date_and_message_id_are_added_when_missing_and_the_blind_copy_is_dropped() {
    let prepared = prepared(format!("{HEAD}\r\nHello\n.\n")).await;
    assert_eq!(read(&prepared, Framing::Dot).await, format!("{SENT_HEAD}Hello\r\n..\r\n"));
    assert_eq!(read(&prepared, Framing::Chunk).await, format!("{SENT_HEAD}Hello\r\n.\r\n"));
    assert_eq!(prepared.message_id(), "<0000000000000000000000000000002a@example.org>");
    let recipients = prepared.envelope().recipients();
    assert_eq!(recipients.len(), 2);
    assert_eq!(recipients[1].address().as_str(), "secret@x.y");
}

#[tokio::test]
async fn date_and_message_id_are_never_changed_when_present() {
    let head = "Message-ID:\r\n <a@b> (note)\r\nDATE: long ago\r\nFrom: a@b.c\r\nTo: d@e.f\r\n\r\n";
    let given = prepared(head).await;
    assert_eq!(read(&given, Framing::Dot).await, head);
    assert_eq!(given.message_id(), "<a@b>");

    let empty = prepared("Message-ID: \r\nDate:\r\nFrom: a@b.c\r\nTo: d@e.f\r\n\r\n").await;
    let sent = read(&empty, Framing::Dot).await;
    assert_eq!(sent.matches("Message-ID:").count(), 1);
    assert_eq!(sent.matches("Date:").count(), 1);
    assert!(empty.message_id().ends_with("@b.c>"));
}

#[tokio::test]
async fn a_given_envelope_wins_and_the_blind_copy_is_dropped_all_the_same() {
    let envelope = Envelope::null_sender(["x@y.z"]).unwrap();
    let message = Message::from(format!("{HEAD}\r\n"));
    let prepared = prepare(&message, Some(&envelope), LIMITS, now(), || 42).await.unwrap();
    assert_eq!(prepared.envelope(), &envelope);
    assert_eq!(read(&prepared, Framing::Dot).await, SENT_HEAD);

    // With an envelope, neither From nor To are needed.
    let bare =
        prepare(&Message::from("\r\nHi"), Some(&envelope), LIMITS, now(), || 1).await.unwrap();
    assert!(read(&bare, Framing::Dot).await.ends_with("@localhost>\r\n\r\nHi\r\n"));
}

#[tokio::test]
async fn memory_file_and_reader_give_the_same_bytes_again_and_again() {
    for lines in [0, 1, 3, 20_000] {
        let content = long(lines);
        let memory = prepared(content.as_str()).await;
        let expected = read(&memory, Framing::Dot).await;
        let chunk = read(&memory, Framing::Chunk).await;
        assert_eq!(memory.size(), Some(chunk.len() as u64));
        assert!(chunk.starts_with(SENT_HEAD) && expected.ends_with("\r\n"));

        let file = file(content.as_bytes());
        let from_file = prepared(Message::from_file(file.path())).await;
        assert_eq!(from_file.size(), memory.size());
        for _ in 0..2 {
            assert_eq!(read(&from_file, Framing::Dot).await, expected);
            assert_eq!(read(&from_file, Framing::Chunk).await, chunk);
            assert!(from_file.replayable() && memory.replayable());
        }
        for size in [1, 7, 4096, usize::MAX] {
            let from_reader = prepared(Pieces::message(content.as_str(), size)).await;
            assert_eq!(read(&from_reader, Framing::Dot).await, expected);
            // A short one ended within the look ahead, and is as good as memory.
            assert_eq!(from_reader.replayable(), lines < 20_000);
            assert_eq!(from_reader.size().is_some(), lines < 20_000);
        }
    }
}

#[tokio::test]
async fn a_reader_can_be_sent_again_until_it_is_read_beyond_the_look_ahead() {
    let content = long(20_000);
    let message = Pieces::message(content.as_str(), 1000);
    let first = prepared(message.clone()).await;
    let mut source = first.open().await.unwrap();
    let mut out = Vec::new();
    assert!(matches!(source.fill_now(Framing::Dot, &mut out, 5000), Some(Ok(false))));
    assert!(first.open().await.unwrap_err().to_string().contains("another send"));
    drop(source);
    assert!(first.replayable());

    // Another send of the same message finds everything in place.
    let second = prepared(message.clone()).await;
    let sent = read(&second, Framing::Dot).await;
    assert_eq!(sent, read(&prepared(content.as_str()).await, Framing::Dot).await);
    assert!(!second.replayable());
    assert!(second.open().await.unwrap_err().hint().is_some());
    assert!(try_prepare(message).await.is_err());
}

#[tokio::test]
async fn a_cancelled_preparation_loses_nothing_of_a_reader() {
    let (mut writer, reader) = tokio::io::duplex(64);
    let message = Message::from_reader(reader);
    let content = format!("{HEAD}\r\nHello\r\n");
    let (start, end) = content.split_at(30);
    tokio::io::AsyncWriteExt::write_all(&mut writer, start.as_bytes()).await.unwrap();
    let cancelled = futures_util::FutureExt::now_or_never(try_prepare(message.clone()));
    assert!(cancelled.is_none(), "it has to wait for the rest");

    let rest = async {
        tokio::io::AsyncWriteExt::write_all(&mut writer, end.as_bytes()).await.unwrap();
        drop(writer);
    };
    let (prepared, ()) = tokio::join!(prepared(message), rest);
    assert_eq!(read(&prepared, Framing::Dot).await, format!("{SENT_HEAD}Hello\r\n"));
}

#[tokio::test]
async fn nul_is_refused_before_the_network_or_at_the_byte() {
    let content = format!("{HEAD}\r\nHello\0\r\n");
    let far = [long(20_000).as_bytes(), b"\0 and more\r\n"].concat();
    let (near_file, far_file) = (file(content.as_bytes()), file(&far));
    for message in [
        Message::from(content.as_str()),
        Message::from(far.as_slice()),
        Message::from_file(near_file.path()),
        Message::from_file(far_file.path()),
        Pieces::message(content.as_str(), 10),
    ] {
        let error = try_prepare(message).await.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::InvalidMessage, Stage::Prepare));
        assert!(error.to_string().contains("NUL"), "{error}");
    }
    let streamed = prepared(Pieces::message(far, 1000)).await;
    let mut source = streamed.open().await.unwrap();
    let mut out = Vec::new();
    let error = loop {
        match source.fill(Framing::Dot, &mut out, usize::MAX).await {
            Ok(has_ended) => assert!(!has_ended),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.stage()), (ErrorKind::InvalidMessage, Stage::Body));
    assert!(error.to_string().contains("NUL") && !out.contains(&0));
    // And it stays failed: nobody can take it for complete.
    assert!(source.fill(Framing::Dot, &mut out, usize::MAX).await.is_err());
}

#[tokio::test]
async fn the_size_limit_counts_what_travels_and_holds_for_every_kind_of_content() {
    let content = format!("{HEAD}\r\n{}", "x\n".repeat(200_000));
    let exact = (SENT_HEAD.len() + 600_000) as u64;
    let file = file(content.as_bytes());
    let at = |max_message_size| Limits { max_message_size, ..LIMITS };
    let try_at = async |message: Message, limit| {
        let prepared = prepare(&message, None, at(limit), now(), || 42).await?;
        try_read(&prepared, Framing::Chunk, 9000).await
    };
    let kinds: [&dyn Fn() -> Message; 3] =
        [&|| Message::from(content.as_str()), &|| Message::from_file(file.path()), &|| {
            Pieces::message(content.as_str(), 5000)
        }];
    for (make, (limit, fits)) in
        kinds.iter().flat_map(|make| [(make, (exact, true)), (make, (exact - 1, false))])
    {
        let result = try_at(make(), limit).await;
        assert_eq!(result.is_ok(), fits);
        if let Err(error) = result {
            assert!(error.hint().unwrap().contains("max_message_size"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_never_seems_complete() {
    let content = long(20_000);
    let file = file(content.as_bytes());
    let prepared = prepared(Message::from_file(file.path())).await;

    let mut source = prepared.open().await.unwrap();
    let mut out = Vec::new();
    assert!(!source.fill(Framing::Dot, &mut out, 1000).await.unwrap());
    file.as_file().set_len(LOOKAHEAD as u64).unwrap();
    let error = source.fill(Framing::Dot, &mut out, usize::MAX).await.unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");

    let error = prepared.open().await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
    let folder = try_prepare(Message::from_file(std::env::temp_dir())).await.unwrap_err();
    assert!(folder.hint().unwrap().contains("from_reader"), "{folder}");
    let gone = try_prepare(Message::from_file(file.path().join("nowhere"))).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::InvalidMessage);
}

#[tokio::test]
async fn a_file_that_was_written_anew_at_the_same_length_is_not_sent_again() {
    let file = file(long(20_000).as_bytes());
    let prepared = prepared(Message::from_file(file.path())).await;
    assert!(prepared.open().await.is_ok());
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    file.as_file().set_modified(later).unwrap();
    let error = prepared.open().await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
}

#[tokio::test]
async fn a_reader_that_fails_ends_the_send_and_not_the_message() {
    let content = long(20_000).into_bytes();
    let reader = Pieces { content, at: 0, size: 1000, fails: true };
    let prepared = prepared(Message::from_reader(reader)).await;
    assert!(try_read(&prepared, Framing::Dot, 1000).await.is_err());
    let at_once = Pieces { content: HEAD.into(), at: 0, size: 9, fails: true };
    assert!(try_prepare(Message::from_reader(at_once)).await.is_err());
}

#[tokio::test]
async fn what_the_server_must_offer_is_known_beforehand() {
    use EightBit::{No, Unknown, Yes};
    let plain = prepared(format!("{HEAD}\r\nplain")).await;
    assert_eq!((plain.eight_bit(), plain.smtputf8()), (No, false));
    let body = prepared(format!("{HEAD}\r\nGrüße")).await;
    assert_eq!((body.eight_bit(), body.smtputf8()), (Yes, false));
    let header = prepared(format!("{HEAD}Subject: Grüße\r\n\r\n")).await;
    assert_eq!((header.eight_bit(), header.smtputf8()), (Yes, true));
    let address = prepared("From: ann@bücher.example\r\nTo: a@b.c\r\n\r\n").await;
    assert!(address.smtputf8());
    let latin: Vec<u8> = [HEAD.as_bytes(), b"Subject: Gr\xfc\xdfe\r\n\r\n"].concat();
    let latin = prepared(latin).await;
    assert_eq!((latin.eight_bit(), latin.smtputf8()), (Yes, false));
    let streamed = prepared(Pieces::message(long(20_000), 1000)).await;
    assert_eq!((streamed.eight_bit(), streamed.size()), (Unknown, None));
    let blind = prepared(format!("{HEAD}bcc: Jürgen <j@x.y>\r\n\r\n")).await;
    assert_eq!(blind.eight_bit(), No, "what is not sent needs nothing");
    assert!(!blind.smtputf8());
}

#[tokio::test]
async fn an_empty_message_is_an_empty_line_after_its_fields() {
    let envelope = Envelope::new("a@b.c", ["d@e.f"]).unwrap();
    let prepared = prepare(&Message::from(""), Some(&envelope), LIMITS, now(), || 1).await.unwrap();
    let sent = read(&prepared, Framing::Dot).await;
    assert!(sent.starts_with("Date: ") && sent.ends_with("@b.c>\r\n\r\n"));
}

#[test]
fn a_message_and_its_preparation_may_cross_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send>(_: &T) {}
    shared::<Message>();
    shared::<Prepared>();
    let message = Message::from("");
    sent(&prepare(&message, None, LIMITS, now(), || 42));
    let _ = |source: &mut Source, out: &mut Vec<u8>| sent(&source.fill(Framing::Dot, out, 1));
}

#[tokio::test]
async fn debug_shows_nothing_of_the_content() {
    let message = Message::from(format!("{HEAD}Subject: canary\r\n\r\ncanary"));
    let prepared = prepared(message.clone()).await;
    assert!(!format!("{message:?}{prepared:?}").contains("canary"));
}

#[tokio::test]
async fn a_large_canonical_body_is_not_copied_before_it_is_sent() {
    let body = bytes::Bytes::from(format!("{HEAD}\r\n{}", "a line of text\r\n".repeat(100_000)));
    let prepared = prepared(body.clone()).await;
    let Body::Memory { bytes, verbatim } = &prepared.body else { panic!("in memory") };
    assert!(*verbatim);
    assert!(body.as_ptr_range().contains(&bytes.as_ptr()));
}

proptest! {
    #[test]
    fn any_body_reads_back_and_ends_once_at_any_step(
        body in prop::collection::vec(prop::sample::select(&b"\r\n..a"[..]), 0..40),
        step in 1usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let content = [HEAD.as_bytes(), b"\r\n", &body].concat();
            let prepared = prepared(content).await;
            let mut wire = try_read(&prepared, Framing::Dot, step).await.unwrap();
            let chunk = try_read(&prepared, Framing::Chunk, step).await.unwrap();
            assert_eq!(prepared.size(), Some(chunk.len() as u64));
            assert!(chunk.ends_with(b"\r\n"));
            wire.extend(END_OF_DATA);
            let wire = String::from_utf8(wire).unwrap();
            assert_eq!(wire.find("\r\n.\r\n"), Some(wire.len() - 5), "one end of data");
            let unstuffed = wire[..wire.len() - 3].replace("\r\n.", "\r\n");
            assert_eq!(unstuffed.as_bytes(), chunk);
            assert!(!wire.replace("\r\n", "").contains(['\r', '\n']), "no bare line end");
        });
    }
}
