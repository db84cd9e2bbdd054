//! The reply parser against one written without increments.

use crate::smtp::Reply;
use crate::smtp::reply::ReplyParser;

/// The first byte gives the size of the pieces, the rest is what the server
/// says. Holds:
///
/// - what is read does not depend on how it is split;
/// - it is what a second parser reads, which looks at whole lines;
/// - after a violation nothing more is read;
/// - what is shown of it is short and has no control characters.
pub fn reply(mut data: &[u8]) {
    let step = super::choice(&mut data).max(1);
    let (whole, sound) = incremental(data, data.len().max(1));
    assert_eq!(incremental(data, step), (whole.clone(), sound), "in pieces of {step}");
    assert_eq!(incremental(data, 1), (whole.clone(), sound), "byte by byte");
    if data.len() < 4096 {
        // Within the limits: longer input may run into them.
        let (expected, ended_well) = by_lines(data);
        let seen: Vec<_> = whole.iter().map(|r| (r.code(), r.lines().to_vec())).collect();
        assert_eq!(seen, expected);
        assert!(ended_well || !sound, "a line that is not a reply was taken for one");
    }
    for reply in &whole {
        assert!((200..=599).contains(&reply.code()));
        assert_eq!(
            reply.enhanced().map(|e| u16::from(e.class)).unwrap_or(reply.code() / 100),
            reply.code() / 100
        );
        let shown = reply.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(shown.chars().count() < 5000);
    }
}

/// The replies, and whether nothing was wrong up to the end.
fn incremental(data: &[u8], step: usize) -> (Vec<Reply>, bool) {
    let mut parser = ReplyParser::new();
    let mut replies = Vec::new();
    for mut piece in data.chunks(step) {
        while !piece.is_empty() {
            match parser.feed(piece) {
                Ok((taken, reply)) => {
                    assert!(taken > 0 && taken <= piece.len());
                    assert_eq!(reply.is_some(), parser.is_empty());
                    replies.extend(reply);
                    piece = &piece[taken..];
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    assert!(!parser.is_empty(), "a connection in this state is not clean");
                    assert_eq!(parser.feed(b"250 ok\r\n").err(), Some(error));
                    return (replies, false);
                }
            }
        }
    }
    (replies, true)
}

type Lines = Vec<(u16, Vec<String>)>;

/// As [`incremental`], by looking at one complete line after the other. A last
/// line without its end counts as well-formed here.
fn by_lines(data: &[u8]) -> (Lines, bool) {
    let mut replies = Vec::new();
    let mut open: Option<(u16, Vec<String>)> = None;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            break;
        }
        let Some((code, last, text)) = line_of(line) else { return (replies, false) };
        let mut reply = open.take().unwrap_or((code, Vec::new()));
        if reply.0 != code || reply.1.len() == 128 {
            return (replies, false);
        }
        reply.1.push(text);
        if last { replies.push(reply) } else { open = Some(reply) }
    }
    (replies, true)
}

/// Code, whether it is the last line, and text.
fn line_of(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.strip_suffix(b"\r\n")?;
    if line.contains(&b'\r') || !line.get(..3)?.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = std::str::from_utf8(&line[..3]).ok()?.parse().ok()?;
    let last = match line.get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned();
    (200..=599).contains(&code).then_some((code, last, text))
}
