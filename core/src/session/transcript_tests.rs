//! Whole conversations, split everywhere, with canaries where secrets are.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy)]
enum Side {
    C,
    S,
}
use Side::{C, S};

/// A conversation whose secrets and content all hold a canary.
const CONVERSATION: &[(Side, &[u8])] = &[
    (S, b"220 mail.example ESMTP\r\n"),
    (C, b"EHLO client.example\r\n"),
    (S, b"250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n"),
    (C, b"AUTH PLAIN Y2FuYXJ5LTAxCanary==\r\n"),
    (S, b"535 5.7.8 no: Y2FuYXJ5LTAxCanary==\r\n"),
    (C, b"auth login\r\n"),
    (S, b"334 Canary1=\r\n"),
    (C, b"Canary2=\r\n"),
    (S, b"334-Canary3=\r\n334 Canary3=\r\n"),
    (C, b"MAIL FROM:<canary>\r\n"),
    (S, b"235 2.7.0 welcome\r\n"),
    (C, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
    (S, b"250 ok\r\n250 ok\r\n354 go\r\n"),
    (C, b"canary\r\n..canary\r\n.\rcanary\r\n\r.\r\ncanary\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
    (S, b"250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
    (C, b".\r\n"),
    (S, b"554 none\r\n"),
    (C, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 8 LAST\r\ncanary\r\nQUIT\r\n"),
    (S, b"250 ok\r\n250 ok\r\n250 taken\r\n221 bye\r\n"),
];

const SHOWN: &str = "S: 220 mail.example ESMTP
C: EHLO client.example
S: 250-mail.example
S: 250-AUTH PLAIN LOGIN
S: 250 PIPELINING
C: AUTH PLAIN <redacted 20 bytes>
S: 535 5.7.8 no: <redacted>
C: AUTH login
S: 334 <redacted 8 bytes>
C: <redacted 8 bytes>
S: 334 <redacted 8 bytes>
S: 334 <redacted 8 bytes>
C: <redacted 18 bytes>
S: 235 2.7.0 welcome
C: MAIL FROM:<a@b>
C: RCPT TO:<c@d>
C: DATA
S: 250 ok
S: 250 ok
S: 354 go
C: <message, 40 bytes>
C: .
C: MAIL FROM:<>
C: RCPT TO:<c@d>
C: DATA
S: 250 taken
S: 250 ok
S: 250 ok
S: 354 go
C: <message, 0 bytes>
C: .
S: 554 none
C: MAIL FROM:<a@b>
C: RCPT TO:<c@d>
C: BDAT 8 LAST
C: <message, 8 bytes>
C: QUIT
S: 250 ok
S: 250 ok
S: 250 taken
S: 221 bye
";

fn feed(transcript: &mut Transcript, side: Side, bytes: &[u8], shown: &mut String) {
    let mut emit = |line: &str| {
        shown.push_str(line);
        shown.push('\n');
    };
    match side {
        C => transcript.client(bytes, &mut emit),
        S => transcript.server(bytes, &mut emit),
    }
}

fn show(conversation: &[(Side, &[u8])]) -> String {
    let mut transcript = Transcript::new();
    let mut shown = String::new();
    for (side, bytes) in conversation {
        feed(&mut transcript, *side, bytes, &mut shown);
    }
    transcript.end(&mut |line| {
        shown.push_str(line);
        shown.push('\n');
    });
    shown
}

#[test]
fn a_conversation_is_shown_without_secrets_and_content() {
    let shown = show(CONVERSATION);
    assert_eq!(shown, SHOWN);
    assert!(!shown.to_lowercase().contains("canary"));
}

#[test]
fn no_split_of_the_bytes_changes_what_is_shown() {
    for (step, (side, bytes)) in CONVERSATION.iter().enumerate() {
        for at in 1..bytes.len() {
            let mut split = CONVERSATION[..step].to_vec();
            split.extend([(*side, &bytes[..at]), (*side, &bytes[at..])]);
            split.extend_from_slice(&CONVERSATION[step + 1..]);
            assert_eq!(show(&split), SHOWN, "step {step} at {at}");
        }
    }
    let bytewise: Vec<_> = CONVERSATION
        .iter()
        .flat_map(|(side, bytes)| bytes.chunks(1).map(|byte| (*side, byte)))
        .collect();
    assert_eq!(show(&bytewise), SHOWN);
}

#[test]
fn no_cut_of_the_connection_shows_a_secret() {
    for step in 0..CONVERSATION.len() {
        let (side, bytes) = CONVERSATION[step];
        for at in 0..bytes.len() {
            let mut cut = CONVERSATION[..step].to_vec();
            cut.push((side, &bytes[..at]));
            let shown = show(&cut).to_lowercase();
            assert!(!shown.contains("canary"), "step {step} at {at}: {shown}");
        }
    }
}

#[test]
fn an_answer_to_a_challenge_is_hidden_even_if_success_came_with_the_challenge() {
    let shown = show(&[
        (S, b"220 hi\r\n"),
        (C, b"AUTH LOGIN\r\n"),
        (S, b"334 x\r\n334 y\r\n235 ok\r\n"),
        (C, b"canary\r\n"),
        (C, b"canary\r\n"),
        (C, b"NOOP\r\n"),
    ]);
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.ends_with("C: NOOP\n"), "{shown}");
}

#[test]
fn a_line_that_a_reply_overtakes_is_hidden() {
    for overtaking in [&b"235 ok\r\n"[..], b"334 x\r\n"] {
        let before = [(S, &b"220 hi\r\n"[..]), (C, b"AUTH LOGIN\r\n"), (C, b"can")];
        let after = [(S, overtaking), (C, b"ary\r\n")];
        let shown = show(&[&before[..], &after].concat());
        assert!(!shown.contains("canary"), "{shown}");
    }
    let shown = show(&[(S, b"220 hi\r\n"), (C, b"can"), (S, b"334 x\r\n"), (C, b"ary\r\n")]);
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_premature_success_leaves_the_exchange_open() {
    let shown = show(&[
        (S, b"220 hi\r\n235 ok\r\n235 ok\r\n"),
        (C, b"AUTH LOGIN\r\n"),
        (C, b"canary\r\n"),
        (S, b"this is no reply\r\n25\r\n"),
        (C, b"canary\r\n"),
    ]);
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_long_first_response_is_hidden_whole() {
    let mut command = b"AUTH XOAUTH2 ".to_vec();
    command.extend("canary".repeat(1000).bytes());
    let length = command.len() - 13;
    command.extend_from_slice(b"\r\n");
    let shown = show(&[(S, b"220 hi\r\n"), (C, &command)]);
    assert!(!shown.contains("canary"), "{shown}");
    let expected = format!("C: AUTH XOAUTH2 <redacted {length} bytes>");
    assert!(shown.contains(&expected), "{shown}");
}

#[test]
fn lines_are_shortened_and_cannot_forge_others() {
    let mut long = b"220 ".to_vec();
    long.extend([b'x'; 5000]);
    long.extend_from_slice(b"\r\n");
    let shown = show(&[(S, &long)]);
    assert!(shown.len() < 1100 && shown.contains("and "), "{}", shown.len());
    let shown = show(&[(S, b"220 a\rC: forged\x1b[2J\\ \xe2\x80\xae \xff\r\n")]);
    let expected = "S: 220 a\\rC: forged\\u{1b}[2J\\\\ \\u{202e} \u{fffd}\n";
    assert_eq!(shown, expected);
}

#[test]
fn prose_in_a_refusal_is_kept() {
    let prose = "535 5.7.3 Authentication unsuccessful, see https://h.example/?p=BadCredentials";
    assert_eq!(mask(prose.as_bytes()), prose.as_bytes());
}

#[test]
fn a_log_that_nobody_reads_holds_nothing() {
    let mut log = WireLog::new(1);
    log.sent(b"NOOP\r\n");
    log.received(b"220 hi\r\n");
    assert!(log.0.is_none());
}

#[test]
fn an_enabled_log_writes_redacted_events_at_its_target() {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut log = WireLog::new(7);
        log.received(b"220 hi\r\n");
        log.sent(b"AUTH PLAIN canary\r\n");
        log.received(b"235 o");
    });
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    for expected in ["everpost::wire", "connection=7", "C: AUTH PLAIN <redacted 6 bytes>"] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(text.contains("S: <cut after 5 bytes>"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_print_control_characters(
        steps in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)),
            0..20,
        ),
    ) {
        let steps: Vec<_> =
            steps.iter().map(|(c, bytes)| (if *c { C } else { S }, bytes.as_slice())).collect();
        let shown = show(&steps);
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
