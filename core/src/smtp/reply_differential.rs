//! The reply parser beside that of `smtp-proto`, which others wrote for other
//! purposes: on sound replies the two agree, and where they do not, it is on
//! purpose. This is the list.

use proptest::prelude::*;
use smtp_proto::response::parser::ResponseReceiver;

use super::*;

/// Code, enhanced status code and text, as smtp-proto reads them.
type Theirs = (u16, [u8; 3], String);

/// Every complete reply, in pieces; `None` once something was refused.
fn theirs(wire: &[u8], step: usize) -> (Vec<Theirs>, bool) {
    let mut parser = ResponseReceiver::default();
    let mut replies = Vec::new();
    for piece in wire.chunks(step) {
        let mut bytes = piece.iter();
        while !bytes.as_slice().is_empty() {
            match parser.parse(&mut bytes) {
                Ok(reply) => {
                    replies.push((reply.code, reply.esc, reply.message));
                    parser.reset();
                }
                Err(smtp_proto::Error::NeedsMoreData { .. }) => {}
                Err(_) => return (replies, false),
            }
        }
    }
    (replies, true)
}

fn ours(wire: &[u8], step: usize) -> Result<Vec<Reply>, ReplyError> {
    let mut parser = ReplyParser::new();
    let mut replies = Vec::new();
    for mut piece in wire.chunks(step) {
        while !piece.is_empty() {
            let (taken, reply) = parser.feed(piece)?;
            replies.extend(reply);
            piece = &piece[taken..];
        }
    }
    Ok(replies)
}

/// A reply of ours in the form of theirs: lines joined, and the enhanced code
/// taken off each.
fn in_their_form(reply: &Reply) -> Theirs {
    let Some(EnhancedCode { class, subject, detail }) = reply.enhanced() else {
        return (reply.code(), [0; 3], reply.lines().join("\n"));
    };
    let prefix = format!("{class}.{subject}.{detail}");
    let strip = |line: &String| line.strip_prefix(&prefix).unwrap_or(line).trim_start().to_owned();
    let text: Vec<_> = reply.lines().iter().map(strip).collect();
    let small = |number: u16| u8::try_from(number).expect("the other parser holds no more");
    (reply.code(), [class, small(subject), small(detail)], text.join("\n"))
}

/// One reply as servers write them: the same enhanced code, or none, on each
/// line.
fn sound_reply() -> impl Strategy<Value = String> {
    let text = proptest::collection::vec("[a-zA-Z<é][ -~é]{0,60}", 1..6);
    let enhanced = proptest::option::of((0u8..=9, 0u8..=99));
    (200u16..600, enhanced, text).prop_map(|(code, enhanced, lines)| {
        // RFC 2034 §4: replies to commands that failed or succeeded have one.
        let enhanced = enhanced.filter(|_| matches!(code / 100, 2 | 4 | 5));
        let prefix = enhanced.map_or(String::new(), |(subject, detail)| {
            format!("{}.{subject}.{detail} ", code / 100)
        });
        let last = lines.len() - 1;
        let line = |(index, text)| {
            let separator = if index == last { ' ' } else { '-' };
            format!("{code}{separator}{prefix}{text}\r\n")
        };
        lines.iter().enumerate().map(line).collect()
    })
}

proptest! {
    #[test]
    fn sound_replies_are_read_alike_at_any_split(
        replies in proptest::collection::vec(sound_reply(), 1..5),
        our_step in 1usize..60,
        their_step in 1usize..60,
    ) {
        let wire = replies.concat();
        let ours = ours(wire.as_bytes(), our_step).unwrap();
        let ours: Vec<_> = ours.iter().map(in_their_form).collect();
        prop_assert_eq!((ours, true), theirs(wire.as_bytes(), their_step));
    }

    #[test]
    fn whatever_is_taken_here_has_the_same_code_there(
        lines in proptest::collection::vec(
            prop_oneof![
                "[1-6][0-9][0-9][- ]?[ -~]{0,20}\r\n",
                "(250|354|421|550)[- ][2-5]\\.[0-9]{1,3}\\.[0-9]{1,3}[ -~]{0,20}\r\n",
                "(250|354|421|550)[- ]?[a\r\n.0-9]{0,8}\r\n",
            ],
            1..8,
        ),
    ) {
        let wire = lines.concat();
        if let Ok(ours) = ours(wire.as_bytes(), wire.len()) {
            let ours: Vec<_> = ours.iter().map(Reply::code).collect();
            let (theirs, _) = theirs(wire.as_bytes(), wire.len());
            let theirs: Vec<_> = theirs.iter().map(|(code, ..)| *code).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn what_ends_a_line_otherwise_or_has_another_code_is_refused_here_alone() {
    for (wire, error, code, text) in [
        ("250 ok\n", ReplyError::BareLf, 250, "ok"),
        ("250-ok\n250 ok\r\n", ReplyError::BareLf, 250, "ok\nok"),
        ("250 o\rk\r\n", ReplyError::BareCr, 250, "ok"),
        ("250 ok\r\r\n", ReplyError::BareCr, 250, "ok"),
        ("000 text\r\n", ReplyError::CodeOutOfRange("000".into()), 0, "text"),
        ("199 text\r\n", ReplyError::CodeOutOfRange("199".into()), 199, "text"),
        ("600 text\r\n", ReplyError::CodeOutOfRange("600".into()), 600, "text"),
        // The first code there speaks for all: a refusal reads as acceptance.
        ("250-a\r\n550 b\r\n", ReplyError::CodesDiffer { first: 250, then: 550 }, 250, "a\nb"),
    ] {
        assert_eq!(ours(wire.as_bytes(), wire.len()), Err(error), "{wire:?}");
        let expected = (vec![(code, [0; 3], text.to_owned())], true);
        assert_eq!(theirs(wire.as_bytes(), wire.len()), expected, "{wire:?}");
    }
}

#[test]
fn what_does_not_begin_like_a_reply_is_refused_by_both() {
    for wire in ["ok\r\n", "25\r\n", "2x0 ok\r\n", "250_ok\r\n", "\r\n", "HTTP/1.1 400\r\n"] {
        assert!(matches!(ours(wire.as_bytes(), 1), Err(ReplyError::NotAReply(_))), "{wire:?}");
        assert_eq!(theirs(wire.as_bytes(), 1), (Vec::new(), false), "{wire:?}");
    }
}

#[test]
fn an_enhanced_code_is_believed_here_only_where_it_agrees_and_in_full() {
    for (wire, here, there) in [
        ("250 5.1.1 odd\r\n", None, [5, 1, 1]),
        ("354 2.0.0 odd\r\n", None, [2, 0, 0]),
        ("250 9.0.0 odd\r\n", None, [9, 0, 0]),
        // A byte is too small for what RFC 3463 §2 allows.
        ("550 5.7.512 no\r\n", Some((5, 7, 512)), [5, 7, 255]),
    ] {
        let here = here.map(|(class, subject, detail)| EnhancedCode { class, subject, detail });
        assert_eq!(ours(wire.as_bytes(), wire.len()).unwrap()[0].enhanced(), here, "{wire:?}");
        assert_eq!(theirs(wire.as_bytes(), wire.len()).0[0].1, there, "{wire:?}");
    }
}

#[test]
fn a_challenge_of_the_length_that_auth_allows_is_taken_here_alone() {
    // RFC 4954 §4 allows 12,288 octets.
    let wire = format!("334 {}\r\n", "A".repeat(12_288));
    assert_eq!(ours(wire.as_bytes(), wire.len()).unwrap().len(), 1);
    assert_eq!(theirs(wire.as_bytes(), wire.len()), (Vec::new(), false));
}
