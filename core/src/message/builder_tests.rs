use super::*;
use crate::ErrorKind;
use crate::message::prepare::{Limits, prepare};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

fn builder() -> MessageBuilder {
    Message::builder()
        .from("Ann <ann@example.org>")
        .to("bob@example.com")
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151))
        .message_id("<1@example.org>")
}

fn written(builder: MessageBuilder) -> String {
    let Content::Memory(bytes) = builder.build().unwrap().content else { panic!("in memory") };
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn refused(builder: MessageBuilder) -> Error {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMessage, "{error}");
    error
}

#[test]
fn a_plain_message_has_the_fields_it_was_given() {
    let sent = written(
        builder()
            .cc(("Cy", "cy@example.com"))
            .reply_to("help@example.org")
            .subject("Grüße")
            .header("In-Reply-To", "<0@example.org>")
            .text("Hello\nBob"),
    );
    for line in [
        "Date: Tue, 15 Nov 1994 08:12:31 +0000\r\n",
        "From: Ann <ann@example.org>\r\n",
        "To: bob@example.com\r\n",
        "Cc: Cy <cy@example.com>\r\n",
        "Reply-To: help@example.org\r\n",
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n",
        "Message-ID: <1@example.org>\r\n",
        "In-Reply-To: <0@example.org>\r\n",
        "MIME-Version: 1.0\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "\r\n\r\nHello\r\nBob",
    ] {
        assert!(sent.contains(line), "{line:?} in {sent}");
    }
}

#[test]
fn the_envelope_has_all_recipients_and_the_header_not_the_blind_ones() {
    let built = builder().sender("list@example.org").bcc("secret@x.y").text("Hi").build().unwrap();
    let envelope = built.built.as_ref().unwrap().envelope.clone().unwrap();
    assert_eq!(envelope.reverse_path().unwrap().as_str(), "list@example.org");
    let recipients: Vec<_> = envelope.recipients().iter().map(|r| r.address().as_str()).collect();
    assert_eq!(recipients, ["bob@example.com", "secret@x.y"]);
    let sent = written(builder().sender("list@example.org").bcc("secret@x.y").text("Hi"));
    assert!(!sent.contains("secret") && sent.contains("Sender: list@example.org\r\n"));
}

#[test]
fn the_structure_has_a_level_only_where_it_holds_more_than_one_part() {
    let text = || builder().text("Hi");
    let both = || text().html("<p>Hi");
    let kinds = |sent: String| -> Vec<String> {
        let types = sent.split("Content-Type: ").skip(1);
        types.map(|rest| rest.split([';', '\r']).next().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(written(text())), ["text/plain"]);
    assert_eq!(kinds(written(builder())), ["text/plain"]);
    assert_eq!(kinds(written(builder().html("<p>Hi"))), ["text/html"]);
    assert_eq!(kinds(written(both())), ["multipart/alternative", "text/plain", "text/html"]);
    assert_eq!(
        kinds(written(text().attach("a.pdf", "application/pdf", "x"))),
        ["multipart/mixed", "text/plain", "application/pdf"]
    );
    assert_eq!(
        kinds(written(both().attach("a.pdf", "application/pdf", "x").attach_inline(
            "logo",
            "image/png",
            "y"
        ))),
        [
            "multipart/mixed",
            "multipart/related",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "image/png",
            "application/pdf"
        ]
    );
}

#[test]
fn an_attachment_arrives_byte_for_byte() {
    use base64::Engine as _;
    let content = b"line\nline\rline\r\n.\n\0\xff".to_vec();
    let sent = written(builder().text("Hi").attach("Übung.txt", "text/plain", content.clone()));
    let part = sent.split("Content-Disposition: attachment").nth(1).unwrap();
    let body = part.split("\r\n\r\n").nth(1).unwrap().split("\r\n--").next().unwrap();
    let decoded = base64::engine::general_purpose::STANDARD.decode(body.replace("\r\n", ""));
    assert_eq!(decoded.unwrap(), content);
    assert!(sent.is_ascii());
}

#[test]
fn line_ends_cannot_be_smuggled_into_a_header() {
    let evil = "x\r\nBcc: victim@x.y";
    for builder in [
        builder().subject(evil),
        builder().header("X-Note", evil),
        builder().header(evil, "x"),
        builder().header("X Note", "x"),
        builder().header("", "x"),
        builder().header("X:", "x"),
        builder().from((evil, "a@b.c")),
        builder().to(evil),
        builder().message_id(evil),
        builder().attach(evil, "text/plain", "x"),
        builder().attach("a.txt", evil, "x"),
        builder().attach_inline(evil, "image/png", "x"),
        builder().attach_inline("a>b", "image/png", "x"),
        builder().header("bcc", "victim@x.y"),
        builder().header("Content-Type", "text/html"),
    ] {
        assert!(refused(builder).hint().is_some());
    }
}

#[test]
fn the_first_mistake_is_the_one_reported() {
    let error = refused(Message::builder().from("nobody").to("no one"));
    assert!(error.to_string().contains("nobody"), "{error}");
    assert!(refused(Message::builder().to("a@b.c")).to_string().contains("From"));
    let two = builder().from("b@example.org");
    assert!(refused(two.clone()).to_string().contains("Sender"));
    assert!(two.sender("ann@example.org").build().is_ok());
}

#[test]
fn message_ids_are_made_once_per_build_and_differ() {
    let id = |sent: String| {
        let rest = sent.split("Message-ID: ").nth(1).unwrap().to_owned();
        rest.split("\r\n").next().unwrap().to_owned()
    };
    let build = || id(written(Message::builder().from("ann@example.org").text("Hi")));
    let (first, second) = (build(), build());
    assert!(first.ends_with("@example.org>") && first != second);
}

#[tokio::test]
async fn an_attachment_over_the_limit_is_refused_by_its_decoded_size() {
    let at = |max_attachment_size| Limits {
        max_message_size: 1 << 20,
        max_attachment_size,
        read_patience: PATIENCE,
    };
    let message = builder().attach("big.bin", "application/zip", vec![7; 1000]).build().unwrap();
    assert!(prepare(&message, None, at(1000), SystemTime::now(), || 1).await.is_ok());
    let error = prepare(&message, None, at(999), SystemTime::now(), || 1).await.unwrap_err();
    assert!(error.to_string().contains("big.bin"), "{error}");
    assert!(error.hint().unwrap().contains("max_attachment_size"));
}

#[tokio::test]
async fn a_message_without_recipient_needs_an_envelope() {
    let limits =
        Limits { max_message_size: 1 << 20, max_attachment_size: 1, read_patience: PATIENCE };
    let message = Message::builder().from("ann@example.org").text("Hi").build().unwrap();
    assert!(prepare(&message, None, limits, SystemTime::now(), || 1).await.is_err());
    let envelope = Envelope::new("ann@example.org", ["bob@example.com"]).unwrap();
    assert!(prepare(&message, Some(&envelope), limits, SystemTime::now(), || 1).await.is_ok());
}

#[tokio::test]
async fn a_message_of_lettre_keeps_its_envelope_and_loses_its_blind_copy() {
    let limits =
        Limits { max_message_size: 1 << 20, max_attachment_size: 1, read_patience: PATIENCE };
    let built = lettre::Message::builder()
        .from("Ann <ann@example.org>".parse().unwrap())
        .to("bob@example.com".parse().unwrap())
        .bcc("secret@x.y".parse().unwrap())
        .keep_bcc()
        .body(String::from("Hi"))
        .unwrap();
    for message in [Message::from(&built), Message::from(built.clone())] {
        let prepared = prepare(&message, None, limits, SystemTime::now(), || 1).await.unwrap();
        assert_eq!(prepared.envelope().recipients().len(), 2);
        let mut out = Vec::new();
        let mut source = prepared.open().await.unwrap();
        let framing = crate::message::Framing::Dot;
        assert!(source.fill_now(framing, &mut out, usize::MAX).unwrap().unwrap());
        assert!(!String::from_utf8(out).unwrap().contains("secret"));
    }
}
