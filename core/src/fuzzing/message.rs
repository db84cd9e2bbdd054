//! Messages on their way to the wire.

use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;

use crate::config::Config;
use crate::mailer::plan::{Manners, plan};
use crate::message::encode::{Encoder, canonical};
use crate::message::scan::Scan;
use crate::message::{Envelope, Framing, Limits, Message, Prepared, prepare};
use crate::smtp::Capabilities;
use crate::smtp::reply::ReplyParser;
use crate::{Endpoint, ErrorKind, TlsMode};

/// The first byte says where to split and whether an envelope is given, the
/// rest is a message. Holds, for the encoder alone and for all of it:
///
/// - a server that takes CR, LF and CRLF for a line end finds one end of data,
///   at the end, and before it the message with its line ends as CRLF;
/// - BDAT carries the same, in the size that was declared;
/// - neither depends on how it is split, and a second reading is the same;
/// - no Bcc leaves, one Date and Message-ID do;
/// - what was sent once, sent again, is not changed;
/// - the envelope is one line for each command.
pub fn message(mut data: &[u8]) {
    let choice = super::choice(&mut data);
    encoder(data, choice);
    let given = Envelope::new("from@example.org", ["to@example.org"]).expect("addresses");
    let given = (choice & 1 != 0).then_some(given);
    if let Some(prepared) = prepared(data, given.as_ref()) {
        whole(&prepared, choice);
        commands(&prepared);
    }
}

fn encoder(content: &[u8], split: usize) {
    let (left, right) = content.split_at(split.min(content.len()));
    let encode = |pieces: &[&[u8]], framing| {
        let mut encoder = Encoder::new();
        let mut out = Vec::new();
        pieces.iter().for_each(|piece| encoder.push(piece, framing, &mut out));
        encoder.finish(&mut out);
        (out, encoder.emitted())
    };
    let (wire, emitted) = encode(&[left, right], Framing::Dot);
    let (chunk, size) = encode(&[left, right], Framing::Chunk);
    assert_eq!(chunk, canonical(content));
    assert_eq!(wire, encode(&[content], Framing::Dot).0);
    assert_eq!((emitted, size), (chunk.len() as u64, chunk.len() as u64));
    assert_eq!(lax_server(wire), chunk);

    let scan = Scan::of(content);
    assert_eq!(scan.size(), size);
    assert_eq!(scan.is_eight_bit(), !content.is_ascii());
    assert_eq!(scan.nul(), content.iter().position(|byte| *byte == 0).map(|at| at as u64));
    assert!(!scan.is_verbatim() || chunk.starts_with(content));
}

fn prepared(content: &[u8], envelope: Option<&Envelope>) -> Option<Prepared> {
    let limits = Limits {
        max_message_size: 1 << 20,
        max_attachment_size: 1 << 20,
        read_patience: Duration::MAX,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let message = Message::from(content);
    let result = prepare(&message, envelope, limits, now, || 7).now_or_never();
    match result.expect("what is in memory is not waited for") {
        Ok(prepared) => Some(prepared),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidMessage, "{error}");
            None
        }
    }
}

fn whole(message: &Prepared, choice: usize) {
    let chunk = read(message, Framing::Chunk, choice + 1);
    assert_eq!(message.size(), Some(chunk.len() as u64));
    assert_eq!(chunk, read(message, Framing::Chunk, usize::MAX), "a second reading");
    assert_eq!(lax_server(read(message, Framing::Dot, choice + 1)), chunk);
    assert_eq!(canonical(&chunk), chunk);
    assert!(!chunk.contains(&0) && chunk.ends_with(b"\r\n"));

    let names = field_names(&chunk);
    let count = |name: &str| names.iter().filter(|other| *other == name).count();
    assert_eq!(count("bcc") + count("resent-bcc"), 0, "{names:?}");
    assert!(count("date") > 0 && count("message-id") > 0, "{names:?}");
    assert!(!message.message_id().chars().any(char::is_control));

    let again = prepared(&chunk, Some(message.envelope())).expect("it was fit to be sent before");
    assert_eq!(read(&again, Framing::Chunk, usize::MAX), chunk);
    assert_eq!(again.message_id(), message.message_id());
}

fn read(message: &Prepared, framing: Framing, limit: usize) -> Vec<u8> {
    const NO_WAIT: &str = "what is in memory is not waited for";
    let mut source = message.open().now_or_never().expect(NO_WAIT).expect("it can be read");
    let mut out = Vec::new();
    let mut step = Vec::new();
    loop {
        let ended = source.fill_now(framing, &mut step, limit).expect(NO_WAIT);
        out.append(&mut step);
        if ended.expect("it does not change") {
            return out;
        }
    }
}

/// The names of the fields, in lower case.
fn field_names(chunk: &[u8]) -> Vec<String> {
    chunk
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with(b" ") && !line.starts_with(b"\t"))
        .map(|line| line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii())
        .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
        .collect()
}

fn commands(message: &Prepared) {
    let said = b"250-mx\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n";
    let reply = ReplyParser::new().feed(said).ok().and_then(|(_, reply)| reply);
    let capabilities = Capabilities::from_reply(&reply.expect("a reply"));
    let config = Config::new(Endpoint::new("mx.example", TlsMode::Implicit));
    let manners = Manners { no_chunking: false };
    let mut plan = plan(message, &capabilities, true, &config, manners).expect("all is offered");
    let commands = std::mem::take(plan.buffer());
    let commands = commands.strip_suffix(b"\r\n").expect("whole lines");
    let text = String::from_utf8(commands.to_vec()).expect("UTF-8");
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 1 + message.envelope().recipients().len(), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(char::is_control)), "{lines:?}");
    assert!(lines[0].starts_with("MAIL FROM:<"));
    assert!(lines[1..].iter().all(|line| line.starts_with("RCPT TO:<") && line.ends_with('>')));
}

/// What a server receives that is as lax as any: a line ends with CRLF, LF or
/// CR, and a dot alone on one ends the data. Nothing may come after it.
fn lax_server(mut wire: Vec<u8>) -> Vec<u8> {
    wire.extend_from_slice(b".\r\n");
    let mut content = Vec::new();
    let mut rest = &wire[..];
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let end = end.expect("the data must end");
        let after = if rest[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 };
        let line = &rest[..end];
        rest = &rest[after..];
        if line == b"." {
            assert!(rest.is_empty(), "the data ended early");
            return content;
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        content.extend_from_slice(b"\r\n");
    }
}
