//! What a hostile or defective peer can do: inject, smuggle, strip, lie,
//! drown, and read logs. Nothing of it may cost a credential, forge a verdict
//! or go on for ever.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use everpost::message::Recipient;
use everpost::{
    Address, Credentials, Delivery, Envelope, Error, ErrorKind, Mailer, MailerBuilder, Mechanism,
    Message, Stage, TlsMode,
};
use everpost_rehearsal::{
    Action, At, Capabilities, Fault, Limits, Listener, Rehearsal, Settings, Which,
};
use support::{Memory, in_memory, message, message_with, send};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::Instant;

const PASSWORD: &str = "Correct-Horse.7741";

fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().credentials("user", PASSWORD).build().unwrap())
}

fn login(builder: MailerBuilder) -> MailerBuilder {
    builder.credentials(Credentials::password("user", PASSWORD))
}

fn none_saw_auth(server: &Rehearsal) -> bool {
    let stats = server.stats();
    let asked = |log: &everpost_rehearsal::ConnectionLog| {
        log.commands
            .iter()
            .any(|command| command.starts_with("AUTH") || command.starts_with("MAIL"))
    };
    stats.auth_ok + stats.auth_failed == 0 && !server.connections().iter().any(asked)
}

// --- STARTTLS ---------------------------------------------------------------

/// How the attacker's bytes reach the client after the reply to STARTTLS.
#[derive(Clone, Copy, Debug)]
enum Segments {
    Same,
    Next,
    Bytewise,
}

/// What the client said, by connection.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// A server that agrees to STARTTLS and says `injected` in the clear; keeps
/// what the client says.
fn injecting(injected: &'static str, segments: Segments) -> (Arc<Memory>, Heard) {
    let heard = Heard::default();
    let book = Arc::clone(&heard);
    let network = Memory::new(move |_, stream| {
        let book = Arc::clone(&book);
        async move {
            let mut stream = BufReader::new(stream);
            let mut all = Vec::new();
            stream.write_all(b"220 mx\r\n").await.unwrap();
            stream.read_until(b'\n', &mut all).await.unwrap();
            stream.write_all(b"250-mx\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n").await.unwrap();
            stream.read_until(b'\n', &mut all).await.unwrap();
            let text = format!("220 2.0.0 Go ahead\r\n{injected}");
            let step = match segments {
                Segments::Same => text.len(),
                Segments::Next => text.find('\n').unwrap() + 1,
                Segments::Bytewise => 1,
            };
            for piece in text.as_bytes().chunks(step) {
                // The client may have hung up.
                let _ = stream.write_all(piece).await;
                let _ = stream.flush().await;
                tokio::task::yield_now().await;
            }
            let _ = stream.read_to_end(&mut all).await;
            book.lock().unwrap().push(all);
        }
    });
    (network, heard)
}

#[tokio::test(start_paused = true)]
async fn bytes_after_the_starttls_reply_end_the_session_and_get_no_answer() {
    for injected in
        ["250 injected\r\n", "250-mx\r\n250 AUTH PLAIN\r\n", "2", "\r\n", "334 \r\n235 welcome\r\n"]
    {
        for segments in [Segments::Same, Segments::Next, Segments::Bytewise] {
            for mode in [TlsMode::StartTls, TlsMode::Opportunistic] {
                let (network, heard) = injecting(injected, segments);
                let builder = login(in_memory(&server(), mode)).allow_plaintext_auth(true);
                let mailer = builder.network(network).build().unwrap();
                let error = send(&mailer, "m").await.unwrap_err();
                let context = format!("{injected:?} {segments:?} {mode}: {error}");
                let found = (error.kind(), error.stage());
                // Bytes that come later meet the handshake, which they are not.
                let expected = match segments {
                    Segments::Same => (ErrorKind::Protocol, Stage::StartTls),
                    _ => (ErrorKind::Tls, Stage::Handshake),
                };
                let incomplete = injected == "2" && found.1 == Stage::Handshake;
                assert!(found == expected || incomplete, "{context}");
                assert_eq!(error.delivery(), Delivery::NotSent, "{context}");
                assert!(error.hint().is_some(), "{context}");
                mailer.close().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                for said in heard.lock().unwrap().iter() {
                    let said = said.strip_prefix(b"EHLO [127.0.0.1]\r\nSTARTTLS\r\n").unwrap();
                    // Nothing, or TLS records: a ClientHello and an alert.
                    assert!(said.is_empty() || said[0] == 0x16, "{context}");
                    if matches!(segments, Segments::Same) {
                        assert!(said.is_empty(), "{context}");
                    }
                    let text = String::from_utf8_lossy(said);
                    assert!(!text.contains("AUTH") && !text.contains("MAIL"), "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn credentials_do_not_leave_when_starttls_is_stripped() {
    let server = server();
    server.update(|settings| {
        let stripped = Capabilities { starttls: false, ..Capabilities::default() };
        settings.capabilities_before_tls = Some(stripped);
    });
    let mailer = login(in_memory(&server, TlsMode::StartTls)).build().unwrap();
    let error = send(&mailer, "m").await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Unsupported, Stage::Ehlo));
    assert!(error.hint().unwrap().contains("strips STARTTLS"), "{error}");
    assert!(none_saw_auth(&server));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_ehlo_gets_no_helo_where_a_login_is_wanted() {
    let heard = Heard::default();
    let book = Arc::clone(&heard);
    let network = Memory::new(move |_, stream| {
        let book = Arc::clone(&book);
        async move {
            let (mut stream, mut all) = (BufReader::new(stream), Vec::new());
            stream.write_all(b"220 mx\r\n").await.unwrap();
            stream.read_until(b'\n', &mut all).await.unwrap();
            stream.write_all(b"502 what\r\n").await.unwrap();
            let _ = stream.read_to_end(&mut all).await;
            book.lock().unwrap().push(all);
        }
    });
    let builder = login(in_memory(&server(), TlsMode::None)).allow_plaintext_auth(true);
    let mailer = builder.network(network).build().unwrap();
    let error = send(&mailer, "m").await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Rejected, Stage::Ehlo), "{error}");
    mailer.close().await;
    tokio::task::yield_now().await;
    assert_eq!(*heard.lock().unwrap(), [b"EHLO [127.0.0.1]\r\n"]);
}

#[tokio::test]
async fn mechanisms_offered_before_tls_are_not_believed_after_it() {
    let server = server();
    server.update(|settings| {
        settings.capabilities_before_tls = Some(Capabilities::default());
        settings.capabilities.auth.clear();
    });
    let mailer = login(in_memory(&server, TlsMode::StartTls)).build().unwrap();
    let error = send(&mailer, "m").await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Auth, Stage::Auth));
    assert!(none_saw_auth(&server));
    // Nor any other capability.
    let server = Arc::new(Rehearsal::builder().build().unwrap());
    server.update(|settings| {
        settings.capabilities_before_tls = Some(Capabilities::default());
        settings.capabilities.dsn = false;
    });
    let mailer = in_memory(&server, TlsMode::StartTls).build().unwrap();
    let envelope = Envelope::new("a@b.example", ["c@d.example"]).unwrap().with_envid("x").unwrap();
    let error = mailer.send(message("m").with_envelope(envelope)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn credentials_leave_without_tls_only_where_that_was_allowed() {
    let server = server();
    server.update(|settings| {
        let plain = Capabilities { starttls: false, ..Capabilities::default() };
        settings.capabilities_before_tls = Some(plain);
    });
    let mailer = login(in_memory(&server, TlsMode::Opportunistic)).build().unwrap();
    let error = send(&mailer, "m").await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Auth, Stage::Auth));
    assert!(error.hint().unwrap().contains("allow_plaintext_auth"), "{error}");
    assert!(none_saw_auth(&server));

    let error = login(in_memory(&server, TlsMode::None)).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);

    for mode in [TlsMode::Opportunistic, TlsMode::None] {
        let mailer = login(in_memory(&server, mode)).allow_plaintext_auth(true).build().unwrap();
        send(&mailer, "m").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_of_the_other_kind_is_named_as_the_mistake() {
    let server = server();
    let builder = login(in_memory(&server, TlsMode::Implicit));
    let network = Memory::to(&server, Listener::StartTls);
    let mailer = builder.network(network.clone()).build().unwrap();
    let error = send(&mailer, "m").await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Tls, Stage::Handshake), "{error}");
    assert!(error.hint().unwrap().contains("plain SMTP on this port"), "{error}");

    let mailer = login(in_memory(&server, TlsMode::StartTls));
    let mailer = mailer.network(Memory::to(&server, Listener::Implicit)).build().unwrap();
    let error = send(&mailer, "m").await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::NotSent));
    assert!(error.hint().unwrap().contains("implicit TLS"), "{error}");
    assert!(none_saw_auth(&server));
}

// --- Arguments --------------------------------------------------------------

#[track_caller]
fn refused<T>(result: Result<T, Error>) {
    let error = result.err().expect("refused");
    let kind = error.kind();
    assert!(matches!(kind, ErrorKind::InvalidMessage | ErrorKind::InvalidConfig), "{error}");
    assert_eq!((error.stage(), error.delivery()), (Stage::Prepare, Delivery::NotSent));
}

#[tokio::test]
async fn line_ends_and_nul_in_arguments_are_refused_before_any_network() {
    let server = server();
    let network = Memory::to(&server, Listener::Implicit);
    let builder = || Mailer::builder("localhost").network(network.clone());
    let envelope = || Envelope::new("a@b.example", ["c@d.example"]).unwrap();
    for end in ["\r\n", "\r", "\n", "\0"] {
        let evil = |text: &str| text.replace('~', &format!("{end}RCPT TO:<evil@x.example>{end}"));
        for place in ["a~@b.example", "a@b.example~", "~a@b.example", "\"a~\"@b.example", "a@[~]"] {
            let address = evil(place);
            refused(Address::new(&address));
            refused(Envelope::new(address.as_str(), ["c@d.example"]));
            refused(Envelope::new("a@b.example", [address.as_str()]));
            refused(Envelope::null_sender([address.as_str()]));
            let build = |builder: everpost::MessageBuilder| builder.text("x").build();
            refused(build(Message::builder().from(&address[..]).to("c@d.example")));
            refused(build(Message::builder().from("a@b.example").to(&address[..])));
            refused(build(Message::builder().from("a@b.example").bcc(&address[..])));
        }
        refused(envelope().with_envid(evil("id~")));
        refused(builder().ehlo_name(evil("client~")).build());
        refused(builder().ehlo_name(format!("client{end}RSET")).build());
        refused(builder().sni(evil("name~")).build());
        refused(builder().verify_name(evil("name~")).build());
        refused(Mailer::builder(evil("host~")).network(network.clone()).build());
        refused(builder().proxy(&evil("socks5://proxy~")));
        refused(builder().proxy(&evil("http://user~:password@proxy")));
        refused(Mailer::from_url(&evil("smtps://host/?ehlo=a~")));
        for encoded in ["%0d%0a", "%0A", "%00"] {
            refused(Mailer::from_url(&format!("smtps://host/?ehlo=a{encoded}")));
            refused(Mailer::from_url(&format!("smtps://ho{encoded}st")));
        }
        let base = || Message::builder().from("a@b.example").to("c@d.example").text("x");
        refused(base().header(evil("X-A~"), "b").build());
        refused(base().header("X-A", evil("b~")).build());
        refused(base().message_id(evil("<a@b~>")).build());
    }
    let original = Address::new("o@d.example").unwrap();
    Recipient::new(original.clone()).with_original_recipient(&original).unwrap();
    assert_eq!((network.connections(), server.stats().connections), (0, 0));
}

#[tokio::test]
async fn a_name_or_password_that_would_end_its_line_logs_nobody_in_and_breaks_nothing() {
    for mechanism in
        [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5, Mechanism::ScramSha256]
    {
        for bad in ["\r\nMAIL FROM:<evil@x.example>\r\n", "\n", "\0other\0secret"] {
            for (user, password) in [
                (format!("user{bad}"), PASSWORD.into()),
                ("user".into(), format!("{PASSWORD}{bad}")),
            ] {
                let server = server();
                let builder = in_memory(&server, TlsMode::Implicit).auth_mechanisms([mechanism]);
                let mailer = builder.credentials(Credentials::password(&user, password)).build();
                let Ok(mailer) = mailer else { continue };
                let error = send(&mailer, "m").await.unwrap_err();
                assert_eq!(error.delivery(), Delivery::NotSent, "{mechanism} {user:?}: {error}");
                let logs = server.connections();
                let mail = logs.iter().flat_map(|log| &log.commands).any(|c| c.starts_with("MAIL"));
                assert!(!mail && server.stats().auth_ok == 0, "{mechanism} {user:?}");
            }
        }
    }
    let server = server();
    for user in ["a\u{1}auth=Bearer x", "a\r\nb", "a\0b"] {
        for token in ["token\u{1}\u{1}", "token\r\n", "tok\0en"] {
            let builder = in_memory(&server, TlsMode::Implicit);
            let mailer = builder.credentials(Credentials::token(user, token)).build();
            let Ok(mailer) = mailer else { continue };
            send(&mailer, "m").await.unwrap_err();
        }
    }
    assert_eq!((server.stats().auth_ok, server.received_count()), (0, 0));
}

// --- Smuggling --------------------------------------------------------------

/// Line ends that some server somewhere believes in.
const ENDS: [&str; 8] =
    ["\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\r", "\n.\r", "\r\n.\r\n"];

const SMUGGLED: &str = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\n\
                        Subject: smuggled\r\n\r\nboo";

/// The only form of a text that all servers read alike.
fn canonical(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    if !text.ends_with("\r\n") {
        text.push_str("\r\n");
    }
    text
}

fn gullible() -> Arc<Rehearsal> {
    let settings = Settings { bare_lf_smtp: true, ..Settings::default() };
    Arc::new(Rehearsal::builder().settings(settings).build().unwrap())
}

async fn arrives_whole(mailer: &Mailer, server: &Rehearsal, message: Message, text: &str) {
    server.clear_received();
    mailer.send(message).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 1, "{:?}", &text[text.len().saturating_sub(300)..]);
    assert_eq!(received[0].envelope_from, "a@example.org");
    let data = std::str::from_utf8(&received[0].data).unwrap();
    assert!(data == canonical(text), "{:?}", data.len());
    let log = server.connections().pop().unwrap();
    assert!(!log.commands.iter().any(|command| command.contains("evil")), "{:?}", log.commands);
}

fn head() -> &'static str {
    "From: a@example.org\r\nTo: b@example.com\r\nMessage-ID: <m@x>\r\n\
     Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\n"
}

#[tokio::test]
async fn no_line_end_in_a_body_ends_the_message_on_a_server_that_believes_it() {
    for chunking in [false, true] {
        let server = gullible();
        let mailer = in_memory(&server, TlsMode::None).chunking(chunking).build().unwrap();
        for end in ENDS {
            for before in ["", "x", "line\r\n", "\r", "\n", "."] {
                let text = format!("{}{before}{end}{SMUGGLED}{end}QUIT\r\n", head());
                arrives_whole(&mailer, &server, Message::from(text.as_str()), &text).await;
            }
        }
    }
}

#[tokio::test]
async fn a_line_end_across_blocks_ends_no_message_either() {
    for chunking in [false, true] {
        let server = gullible();
        let mailer = in_memory(&server, TlsMode::None).chunking(chunking).build().unwrap();
        for end in ENDS {
            // Before and after encoding, which adds nothing before this place.
            for offset in (65_536 - 6..65_536 + 3).chain(131_072 - 4..131_072 + 2) {
                let padding = "x".repeat(offset - head().len());
                let text = format!("{}{padding}{end}{SMUGGLED}", head());
                arrives_whole(&mailer, &server, Message::from(text.as_str()), &text).await;
            }
        }
    }
}

#[tokio::test]
async fn a_line_end_in_a_message_that_is_read_byte_by_byte_ends_no_message() {
    let server = gullible();
    let mailer = in_memory(&server, TlsMode::None).build().unwrap();
    for end in ENDS {
        let text = format!("{}x{end}{SMUGGLED}", head());
        let (reader, mut writer) = tokio::io::duplex(1);
        let bytes = text.clone().into_bytes();
        tokio::spawn(async move { writer.write_all(&bytes).await });
        arrives_whole(&mailer, &server, Message::from_reader(reader), &text).await;
    }
}

#[tokio::test]
async fn a_line_end_in_a_header_ends_no_message() {
    let server = gullible();
    let mailer = in_memory(&server, TlsMode::None).build().unwrap();
    for end in ENDS {
        for text in [
            format!("Subject: a{end}{SMUGGLED}\r\n{}body", head()),
            format!("{}{end}{SMUGGLED}", head().trim_end()),
            format!("{end}{}body", head()),
        ] {
            server.clear_received();
            let envelope = Envelope::new("a@example.org", ["b@example.com"]).unwrap();
            let result = mailer.send(Message::from(text.as_str()).with_envelope(envelope)).await;
            let received = server.received();
            match result {
                Ok(_) => {
                    assert_eq!(received.len(), 1, "{text:?}");
                    assert_eq!(received[0].envelope_from, "a@example.org");
                    let data = std::str::from_utf8(&received[0].data).unwrap();
                    assert_eq!(data, canonical(data), "{text:?}");
                    assert!(data.contains("\r\n.\r\n"), "kept as text: {data:?}");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::InvalidMessage, "{text:?}: {error}");
                    assert!(received.is_empty());
                }
            }
        }
    }
}

// --- Drowning ---------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn an_endless_reply_is_cut_off_by_its_size() {
    for action in [Action::EndlessLine, Action::EndlessReply] {
        for at in [At::Greeting, At::Ehlo, At::Auth, At::Mail, At::Data, At::EndOfData] {
            let server = server();
            let fault = Fault::new(at, action.clone()).on(Which::Every);
            server.inject(fault).unwrap();
            let mailer = login(in_memory(&server, TlsMode::Implicit)).build().unwrap();
            let started = Instant::now();
            let error = send(&mailer, "m").await.unwrap_err();
            let expected = match at {
                At::EndOfData => (ErrorKind::DeliveryUnknown, Delivery::Unknown),
                _ => (ErrorKind::Protocol, Delivery::NotSent),
            };
            assert_eq!((error.kind(), error.delivery()), expected, "{at:?} {action:?}");
            assert!(started.elapsed() < Duration::from_secs(5), "by size, not by time");
            for log in server.connections() {
                assert!(log.sent < 400_000, "{at:?} {action:?}: {} bytes taken", log.sent);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_one_byte_a_minute_is_cut_off_by_the_deadline_of_the_whole() {
    for (at, seconds) in [
        (At::Greeting, 60),
        (At::Ehlo, 60),
        (At::Auth, 60),
        (At::Mail, 60),
        (At::Data, 60),
        (At::EndOfData, 600),
    ] {
        let server = server();
        let drip = Action::Drip(Duration::from_secs(59));
        server.inject(Fault::new(at, drip)).unwrap();
        let mut retry = everpost::RetryPolicy::default();
        retry.max_attempts = 1;
        let mut deadlines = everpost::Deadlines::default();
        deadlines.checkout = Duration::from_secs(3600);
        let builder = login(in_memory(&server, TlsMode::Implicit));
        let mailer = builder.retry(retry).deadlines(deadlines).build().unwrap();
        let started = Instant::now();
        let error = send(&mailer, "m").await.unwrap_err();
        let expected = match at {
            At::EndOfData => (ErrorKind::DeliveryUnknown, Delivery::Unknown),
            _ => (ErrorKind::Timeout, Delivery::NotSent),
        };
        assert_eq!((error.kind(), error.delivery()), expected, "{at:?}");
        assert_eq!(started.elapsed().as_secs(), seconds, "{at:?}");
    }
}

// --- Lies -------------------------------------------------------------------

/// Offers no SIZE and refuses what is larger than a small message with 552.
fn refusing_large() -> Arc<Rehearsal> {
    let capabilities = Capabilities { size: false, ..Capabilities::default() };
    let limits = Limits { message_size: 1000, ..Limits::default() };
    let builder = Rehearsal::builder().capabilities(capabilities).limits(limits);
    Arc::new(builder.build().unwrap())
}

fn large(id: &str) -> Message {
    message_with(id, &"0123456789\r\n".repeat(100))
}

fn is_552(result: Result<everpost::Receipt, Error>) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Rejected, Delivery::Refused));
    assert_eq!((error.reply().unwrap().code(), error.message_id()), (552, Some("<large>")));
}

#[tokio::test]
async fn a_stray_reply_while_idle_is_not_taken_for_the_verdict_on_the_next_message() {
    for chunking in [false, true] {
        for stray in ["250 2.0.0 stray", "250 2.0.0 a\r\n250 2.0.0 b\r\n354 c\r\n250 d", "2"] {
            let server = refusing_large();
            let builder = in_memory(&server, TlsMode::Implicit).chunking(chunking);
            let mailer = builder.build().unwrap();
            let stray = server.inject(Fault::reply(At::Idle, stray)).unwrap();
            send(&mailer, "small").await.unwrap();
            stray.fired().await;
            is_552(mailer.send(large("large")).await);
            assert_eq!((server.received_count(), server.stats().connections), (1, 2));
        }
    }
}

/// Says `text`, as soon as the client has said something if `after`.
async fn say(far: &mut DuplexStream, after: bool, text: &str) -> String {
    let mut space = vec![0; 8192];
    let heard = if after { far.read(&mut space).await.unwrap() } else { 0 };
    far.write_all(text.as_bytes()).await.unwrap();
    String::from_utf8_lossy(&space[..heard]).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_stray_reply_that_comes_with_the_next_message_is_noticed_before_it_is_sent() {
    let (opened, mut connections) = tokio::sync::mpsc::unbounded_channel();
    let network = Memory::new(move |_, stream| {
        let opened = opened.clone();
        async move { drop(opened.send(stream)) }
    });
    let builder = in_memory(&server(), TlsMode::None).network(network).chunking(true);
    let mailer = builder.build().unwrap();
    let hello = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
    let sender = mailer.clone();
    let first = tokio::spawn(async move { send(&sender, "small").await });
    let mut old = connections.recv().await.unwrap();
    say(&mut old, false, "220 mx\r\n").await;
    say(&mut old, true, hello).await;
    say(&mut old, true, "250 a\r\n250 b\r\n250 c\r\n").await;
    first.await.unwrap().unwrap();
    // Parked by now, and both come before it has its next turn: the stray
    // would make the answer to RCPT the verdict.
    tokio::time::sleep(Duration::from_secs(1)).await;
    say(&mut old, false, "250 stray\r\n").await;
    let mut second = std::pin::pin!(mailer.send(large("large")));
    let script = async {
        let mut new = connections.recv().await.unwrap();
        say(&mut new, false, "220 mx\r\n").await;
        say(&mut new, true, hello).await;
        let said = say(&mut new, true, "250 a\r\n250 b\r\n552 too large\r\n").await;
        assert!(said.starts_with("MAIL FROM"), "{said}");
        new
    };
    let (result, _new) = tokio::join!(second.as_mut(), script);
    is_552(result);
}

#[tokio::test]
async fn a_stray_reply_beside_a_verdict_is_not_taken_for_the_next_one() {
    for stray in ["250 stray\r\n", "250 a\r\n250 b\r\n", "250 a\r\n250 b\r\n354 c\r\n250 d\r\n"] {
        let server = refusing_large();
        let mailer = in_memory(&server, TlsMode::Implicit).max_connections(1).build().unwrap();
        let extra = Action::Extra(stray.into());
        server.inject(Fault::new(At::EndOfData, extra)).unwrap();
        let small = mailer.clone();
        let small = tokio::spawn(async move { send(&small, "small").await });
        let next = mailer.clone();
        let next = tokio::spawn(async move { next.send(large("large")).await });
        small.await.unwrap().unwrap();
        is_552(next.await.unwrap());
        assert_eq!(server.received_count(), 1, "{stray:?}");
    }
}

#[tokio::test]
async fn a_yes_before_the_end_of_data_is_no_verdict() {
    for (at, chunking) in
        [(At::Body(1), false), (At::Body(200_000), false), (At::Body(200_000), true)]
    {
        let server = Arc::new(Rehearsal::builder().build().unwrap());
        let early = Fault::reply(at, "250 2.0.0 Queued as EARLY");
        let early = server.inject(early).unwrap();
        let builder = in_memory(&server, TlsMode::Implicit).chunking(chunking);
        let mailer = builder.build().unwrap();
        let text = "0123456789\r\n".repeat(100_000);
        let receipt = mailer.send(message_with("m", &text)).await.unwrap();
        assert!(!receipt.reply().to_string().contains("EARLY"), "{at:?}");
        assert_eq!((early.count(), receipt.attempts(), server.copies("m")), (1, 2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn yes_to_data_or_a_verdict_with_the_354_delivers_nothing() {
    for action in [
        Action::Reply("250 2.0.0 Queued\r\n".into()),
        Action::Reply("250 ok\r\n250 2.0.0 Queued\r\n".into()),
        Action::Extra("250 2.0.0 Queued\r\n".into()),
    ] {
        let server = Arc::new(Rehearsal::builder().build().unwrap());
        server.inject(Fault::new(At::Data, action.clone()).on(Which::Every)).unwrap();
        let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
        let error = send(&mailer, "m").await.unwrap_err();
        let found = (error.kind(), error.delivery());
        assert_eq!(found, (ErrorKind::Protocol, Delivery::NotSent), "{action:?}");
        assert_eq!(server.received_count(), 0);
    }
}

// --- Secrets ----------------------------------------------------------------

/// The forms in which a secret would show: itself, and its base64 at each
/// alignment, without the characters that depend on what surrounds it.
fn forms(secret: &str) -> Vec<String> {
    let aligned = (0..3).map(|lead| {
        let mut bytes = vec![b'x'; lead];
        bytes.extend_from_slice(secret.as_bytes());
        let encoded = STANDARD.encode(&bytes);
        let start = if lead == 0 { 0 } else { 4 };
        encoded[start..encoded.len() - 4].to_owned()
    });
    let hexadecimal = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    aligned.chain([secret.to_owned(), hexadecimal]).collect()
}

#[test]
fn the_canary_is_found_in_every_form() {
    let text = STANDARD.encode(format!("\0user\0{PASSWORD}"));
    assert!(forms(PASSWORD).iter().any(|form| text.contains(form.as_str())));
    let text = STANDARD.encode(PASSWORD);
    assert!(forms(PASSWORD).iter().any(|form| text.contains(form.as_str())));
}

/// Where the log goes.
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_shows_in_logs_errors_events_or_debug_output() {
    const WRONG: &str = "Wrong-Battery.9902";
    const TOKEN: &str = "ya29.Canary-Token-5533";
    let log = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer({
            let log = Arc::clone(&log);
            move || Log(Arc::clone(&log))
        })
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let mut shown = String::new();
    let mut sent = 0;
    for mechanism in Mechanism::ALL.iter().copied() {
        let secrets: &[(Credentials, bool)] = match mechanism {
            Mechanism::External => &[(Credentials::external(Some("user".into())), false)],
            Mechanism::XOAuth2 | Mechanism::OAuthBearer => &[
                (Credentials::token("user", TOKEN), true),
                (Credentials::token("user", WRONG), false),
                (Credentials::token_provider("user", || async { Ok(WRONG.to_owned()) }), false),
            ],
            _ => &[
                (Credentials::password("user", PASSWORD), true),
                (Credentials::password("user", WRONG), false),
            ],
        };
        for (credentials, right) in secrets {
            // A test beside this one may have met a log line first, and have
            // settled for all threads that nobody listens.
            tracing::callsite::rebuild_interest_cache();
            let server = Rehearsal::builder().credentials("user", PASSWORD).token("user", TOKEN);
            let server = Arc::new(server.build().unwrap());
            let builder = in_memory(&server, TlsMode::Implicit)
                .credentials(credentials.clone())
                .auth_mechanisms([mechanism]);
            shown += &format!("{credentials:?}{builder:?}");
            let mailer = builder.build().unwrap();
            let mut events = mailer.events();
            match send(&mailer, "m").await {
                Ok(receipt) => {
                    assert!(right, "{mechanism}");
                    sent += 1;
                    shown += &format!("{receipt:?}");
                }
                Err(error) => {
                    assert!(!right, "{mechanism}: {error:?}");
                    assert_eq!(error.kind(), ErrorKind::Auth, "{mechanism}: {error:?}");
                    shown += &format!("{error}{error:?}{error:#?}");
                    let mut source = std::error::Error::source(&error);
                    while let Some(inner) = source {
                        shown += &format!("{inner}{inner:?}");
                        source = inner.source();
                    }
                }
            }
            shown += &format!("{mailer:?}{:?}{:?}", mailer.stats(), mailer.health());
            shown += &format!("{}", mailer.explain().await);
            mailer.close().await;
            drop(mailer);
            while let Some(event) = events.next().await {
                shown += &format!("{event:?}");
            }
        }
    }
    for url in ["smtps://user:{}@ho st", "smtps://user:{}@host?tls=none", "smtp://u:{}@host/x?y=1"]
    {
        let error = Mailer::from_url(&url.replace("{}", PASSWORD)).unwrap_err();
        shown += &format!("{error}{error:?}");
    }
    drop(guard);
    assert_eq!(sent, 9, "each mechanism but EXTERNAL logged in once");
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    for expected in ["AUTH PLAIN", "AUTH SCRAM-SHA-256-PLUS", "S: 235", "C: MAIL FROM"] {
        assert!(log.contains(expected), "the wire was logged: {expected}");
    }
    for secret in [PASSWORD, WRONG, TOKEN] {
        for form in forms(secret) {
            assert!(!shown.contains(&form), "{secret} shows as {form}");
            let line = log.lines().find(|line| line.contains(&form));
            assert_eq!(line, None, "{secret} is logged as {form}");
        }
    }
}
