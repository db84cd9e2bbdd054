//! Faults: struck at the byte, at the stage, and counted.

use std::time::Duration;

use everpost_rehearsal::{Action, At, Closed, Cut, Fault, Handshake, Listener, Rehearsal, Which};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Client, config, soon};

const SESSION: &[u8] =
    b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nMessage-ID: <m@x>\r\n\r\n.\r\nQUIT\r\n";

/// Where in `SESSION` the end-of-data is complete.
fn end_of_data() -> usize {
    SESSION.windows(5).position(|window| window == b"\r\n.\r\n").unwrap() + 5
}

/// Says the whole session at once, over implicit TLS; what came back.
async fn play(server: &Rehearsal) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let mut client = Client::implicit(server).await;
    // The server may be gone before it has all.
    let _ = soon(client.stream.write_all(SESSION)).await;
    let (rest, end) = client.rest().await;
    (rest, end.err().map(|error| error.kind()))
}

#[tokio::test]
async fn a_cut_at_each_byte_of_the_client_leaves_exactly_what_was_processed() {
    let server = Rehearsal::builder().start().await.unwrap();
    for cut in [Cut::Fin, Cut::Rst, Cut::CloseNotify] {
        for bytes in 0..=SESSION.len() {
            server.clear_received();
            let fault = Fault::cut(At::Received(bytes as u64), cut).on(Which::Next);
            let fault = server.inject(fault).unwrap();
            let (_, end) = play(&server).await;
            soon(server.wait_closed()).await;
            let log = server.connections().pop().unwrap();
            assert_eq!(
                (log.received, log.closed),
                (bytes as u64, Some(Closed::Cut)),
                "{bytes} {cut:?}"
            );
            assert_eq!(
                server.copies("m@x"),
                usize::from(bytes >= end_of_data()),
                "{bytes} {cut:?}"
            );
            assert_eq!(fault.count(), 1);
            assert_eq!(end.is_none(), cut == Cut::CloseNotify, "{bytes} {cut:?} {end:?}");
        }
    }
}

#[tokio::test]
async fn a_cut_at_each_byte_of_the_server_lets_exactly_those_out() {
    let server = Rehearsal::builder().start().await.unwrap();
    let (all, _) = play(&server).await;
    let text = String::from_utf8(all.clone()).unwrap();
    assert!(text.starts_with("220 ") && text.contains("\r\n221 "), "{text}");
    for bytes in 0..all.len() {
        let fault = Fault::cut(At::Sent(bytes as u64), Cut::Fin).on(Which::Next);
        server.inject(fault).unwrap();
        let (got, end) = play(&server).await;
        soon(server.wait_closed()).await;
        let queued = text.find("Queued").unwrap();
        assert_eq!(got.len(), bytes);
        assert_eq!(got[..bytes.min(queued)], text.as_bytes()[..bytes.min(queued)], "{bytes}");
        assert_eq!(end, Some(std::io::ErrorKind::UnexpectedEof));
        assert_eq!(server.connections().pop().unwrap().sent, bytes as u64);
    }
}

#[tokio::test]
async fn a_cut_below_tls_strikes_at_the_byte_within_the_handshake_and_after() {
    let server = Rehearsal::builder().resumption(false).start().await.unwrap();
    for at in [At::RawReceived(3), At::RawReceived(200), At::RawSent(5), At::RawSent(700)] {
        server.inject(Fault::cut(at, Cut::Rst).on(Which::Next)).unwrap();
        assert!(Client::implicit_with(&server, config(&server)).await.is_err(), "{at:?}");
        soon(server.wait_closed()).await;
        let log = server.connections().pop().unwrap();
        assert_eq!((log.handshake, log.closed), (Some(Handshake::Failed), Some(Closed::Cut)));
        match at {
            At::RawReceived(n) => assert_eq!(log.raw_received, n),
            At::RawSent(n) => assert_eq!(log.raw_sent, n),
            _ => unreachable!(),
        }
    }
    let mut client = Client::implicit(&server).await;
    client.hello().await;
    let bytes = server.connections().pop().unwrap().raw_received + 30;
    server.inject(Fault::cut(At::RawReceived(bytes), Cut::Fin)).unwrap();
    client.send(SESSION).await;
    assert_eq!(client.rest().await.1.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let log = server.connections().pop().unwrap();
    assert_eq!((log.handshake, log.raw_received), (Some(Handshake::Full), bytes));
}

#[tokio::test]
async fn a_message_is_kept_or_discarded_as_told_when_its_verdict_is_cut() {
    let server = Rehearsal::builder().start().await.unwrap();
    for (keep, copies) in [(None, 0), (Some(false), 0), (Some(true), 1)] {
        let mut fault = Fault::cut(At::EndOfData, Cut::Rst);
        fault.keep = keep;
        let fault = server.inject(fault).unwrap();
        server.clear_received();
        play(&server).await;
        soon(fault.fired()).await;
        soon(server.wait_closed()).await;
        assert_eq!(server.copies("m@x"), copies, "{keep:?}");
    }
    for (text, copies) in [("354 what?", 0), ("250 fine", 1), ("\u{1}garbage", 0), ("451 no", 0)] {
        server.inject(Fault::reply(At::EndOfData, text)).unwrap();
        server.clear_received();
        assert!(String::from_utf8(play(&server).await.0).unwrap().contains(text));
        assert_eq!(server.copies("m@x"), copies, "{text}");
    }
}

#[tokio::test]
async fn each_stage_can_be_answered_in_any_words() {
    let server = Rehearsal::builder().credentials("u", "p").start().await.unwrap();
    let plain = "AUTH PLAIN AHUAcA==";
    let mut client = Client::plain(&server).await;
    let steps = [
        (At::Ehlo, "EHLO x"),
        (At::Auth, plain),
        (At::Mail, "MAIL FROM:<a@b>"),
        (At::Rcpt(0), "RCPT TO:<c@d>"),
        (At::Data, "DATA"),
        (At::EndOfData, "."),
        (At::Reset, "RSET"),
        (At::Noop, "NOOP"),
    ];
    assert!(client.reply().await.starts_with("220 "));
    for (at, command) in steps {
        for text in ["199 low", "600 high", "421 go"] {
            if at == At::EndOfData {
                continue;
            }
            server.inject(Fault::reply(at, text)).unwrap();
            assert_eq!(client.ask(command).await, format!("{text}\r\n"), "{at:?}");
        }
        let reply = client.ask(command).await;
        assert!(matches!(reply.as_bytes()[0], b'2' | b'3'), "{at:?}: {reply}");
    }
    server.inject(Fault::reply(At::Greeting, "554 no service")).unwrap();
    assert_eq!(Client::implicit(&server).await.reply().await, "554 no service\r\n");
}

#[tokio::test]
async fn a_stalled_reply_comes_when_released() {
    let server = Rehearsal::builder().start().await.unwrap();
    for action in [Action::Stall, Action::StallReply(5), Action::ShutWindow] {
        let mut client = Client::implicit(&server).await;
        client.hello().await;
        let fault = server.inject(Fault::new(At::EndOfData, action)).unwrap();
        let before = server.received_count();
        let delivering = tokio::spawn(async move { client.deliver("m@x").await });
        soon(fault.fired()).await;
        // The verdict is held, but the message is not.
        assert_eq!(server.received_count(), before + 1);
        assert!(!delivering.is_finished());
        fault.release();
        assert!(soon(delivering).await.unwrap().starts_with("250 "));
    }
}

#[tokio::test]
async fn a_client_that_goes_during_a_stall_ends_it() {
    let server = Rehearsal::builder().start().await.unwrap();
    let fault = server.inject(Fault::stall(At::Greeting)).unwrap();
    let client = Client::implicit(&server).await;
    soon(fault.fired()).await;
    drop(client);
    soon(server.wait_closed()).await;
}

#[tokio::test]
async fn a_reply_can_be_cut_extended_dripped_and_endless() {
    let server = Rehearsal::builder().start().await.unwrap();
    let noop = async |action: Action| {
        let mut client = Client::plain(&server).await;
        client.hello().await;
        server.inject(Fault::new(At::Noop, action)).unwrap();
        client.send("NOOP\r\n").await;
        client
    };
    let mut client = noop(Action::CutReply(4, Cut::Fin)).await;
    assert_eq!(client.rest().await.0, b"250 ");
    let mut client = noop(Action::ReplyThenCut("421 bye\r\n".into(), Cut::Fin)).await;
    assert_eq!(client.rest().await.0, b"421 bye\r\n");
    let mut client = noop(Action::Extra("250 more\r\n".into())).await;
    assert_eq!(
        (client.reply().await.as_str(), client.reply().await.as_str()),
        ("250 2.0.0 Ok\r\n", "250 more\r\n")
    );
    drop(client);
    let mut client = noop(Action::Drip(Duration::from_millis(1))).await;
    assert_eq!(client.reply().await, "250 2.0.0 Ok\r\n");
    drop(client);
    for (action, line_ends) in [(Action::EndlessLine, false), (Action::EndlessReply, true)] {
        let mut client = noop(action).await;
        let mut block = vec![0; 1 << 20];
        soon(client.stream.read_exact(&mut block)).await.unwrap();
        assert_eq!(block.contains(&b'\n'), line_ends);
    }
    soon(server.wait_closed()).await;
}

#[tokio::test]
async fn bytes_can_follow_the_220_of_starttls_in_the_clear() {
    let server = Rehearsal::builder().start().await.unwrap();
    server.inject(Fault::new(At::StartTls, Action::Extra("250 injected\r\n".into()))).unwrap();
    let tcp = tokio::net::TcpStream::connect(server.starttls_addr()).await.unwrap();
    let mut client = Client::over(tcp);
    client.hello().await;
    assert!(client.ask("STARTTLS").await.starts_with("220 "));
    assert_eq!(client.reply().await, "250 injected\r\n");
}

#[tokio::test]
async fn nothing_may_follow_starttls_in_the_clear() {
    let server = Rehearsal::builder().start().await.unwrap();
    let tcp = tokio::net::TcpStream::connect(server.starttls_addr()).await.unwrap();
    let mut client = Client::over(tcp);
    client.hello().await;
    client.send("STARTTLS\r\nMAIL FROM:<evil@b>\r\n").await;
    assert!(String::from_utf8(client.rest().await.0).unwrap().starts_with("554 "));
}

#[tokio::test]
async fn a_stall_at_a_byte_holds_everything_until_released() {
    let server = Rehearsal::builder().start().await.unwrap();
    for at in [At::Received(SESSION.len() as u64), At::Sent(100), At::Body(3)] {
        let fault = server.inject(Fault::stall(at).on(Which::Next)).unwrap();
        let mut client = Client::implicit(&server).await;
        client.send(SESSION).await;
        soon(fault.fired()).await;
        let reading = tokio::spawn(async move { client.rest().await });
        assert_eq!(server.connections().pop().unwrap().closed, None);
        fault.release();
        let (rest, end) = soon(reading).await.unwrap();
        assert!(
            end.is_ok() && String::from_utf8(rest).unwrap().ends_with("221 2.0.0 Bye\r\n"),
            "{at:?}"
        );
    }
}

#[tokio::test]
async fn a_listener_can_speak_the_wrong_mode() {
    let server = Rehearsal::builder().start().await.unwrap();
    let wrong = Fault::new(At::Accept, Action::WrongMode);
    server.inject(wrong.clone()).unwrap();
    let mut client =
        Client::over(tokio::net::TcpStream::connect(server.implicit_addr()).await.unwrap());
    client.hello().await;
    server.inject(wrong).unwrap();
    let tcp = tokio::net::TcpStream::connect(server.plain_addr()).await.unwrap();
    let mut client = Client::tls(tcp, server.host(), config(&server)).await.unwrap();
    client.hello().await;
}

#[tokio::test]
async fn faults_choose_their_connections() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mut open = Client::plain(&server).await;
    open.hello().await;
    let third = server.inject(Fault::reply(At::Noop, "250 third").on(Which::Nth(2))).unwrap();
    let mut second = Client::plain(&server).await;
    second.hello().await;
    let mut client = Client::plain(&server).await;
    client.hello().await;
    assert_eq!(open.ask("NOOP").await, "250 2.0.0 Ok\r\n");
    assert_eq!(second.ask("NOOP").await, "250 2.0.0 Ok\r\n");
    assert_eq!(client.ask("NOOP").await, "250 third\r\n");
    assert_eq!(client.ask("NOOP").await, "250 2.0.0 Ok\r\n");
    assert_eq!(third.count(), 1);
    let every = server.inject(Fault::reply(At::Noop, "250 every").on(Which::Every)).unwrap();
    for client in [&mut open, &mut second, &mut client, &mut open_again(&server).await] {
        assert_eq!(client.ask("NOOP").await, "250 every\r\n");
    }
    assert_eq!(every.count(), 4);
    every.remove();
    assert_eq!(open.ask("NOOP").await, "250 2.0.0 Ok\r\n");
}

async fn open_again(server: &Rehearsal) -> Client {
    let mut client = Client::plain(server).await;
    client.hello().await;
    client
}

#[tokio::test]
async fn an_idle_connection_is_struck_where_it_is() {
    let server = Rehearsal::builder().start().await.unwrap();
    for (action, said) in [
        (Action::ReplyThenCut("421 4.3.2 idle\r\n".into(), Cut::Fin), &b"421 4.3.2 idle\r\n"[..]),
        (Action::Cut(Cut::CloseNotify), b""),
    ] {
        let mut client = Client::implicit(&server).await;
        client.hello().await;
        client.deliver("m@x").await;
        let fault = server.inject(Fault::new(At::Idle, action)).unwrap();
        soon(fault.fired()).await;
        assert_eq!(client.rest().await.0, said);
    }
}

#[tokio::test]
async fn a_body_is_cut_after_the_given_bytes() {
    let server = Rehearsal::builder().start().await.unwrap();
    server.inject(Fault::cut(At::Body(4), Cut::Fin)).unwrap();
    play(&server).await;
    soon(server.wait_closed()).await;
    let start = SESSION.windows(6).position(|window| window == b"DATA\r\n").unwrap() + 6;
    assert_eq!(server.connections()[0].closed, Some(Closed::Cut));
    assert!(server.connections()[0].received >= start as u64 + 4);
    assert_eq!(server.received_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_takes_its_time() {
    let server = Rehearsal::builder().build().unwrap();
    let (ours, theirs) = tokio::io::duplex(16);
    let serving = tokio::spawn(server.serve_stream(theirs, Listener::Plain));
    let mut client = Client::over(ours);
    client.hello().await;
    server.inject(Fault::new(At::Noop, Action::SlowRead(1, Duration::from_secs(1)))).unwrap();
    client.ask("NOOP").await;
    let start = tokio::time::Instant::now();
    client.ask("NOOP").await;
    assert_eq!(start.elapsed().as_secs(), 6);
    drop(client);
    serving.await.unwrap();
}

#[tokio::test]
async fn an_action_without_meaning_at_its_place_is_refused() {
    let server = Rehearsal::builder().build().unwrap();
    assert!(server.inject(Fault::reply(At::RawSent(3), "250 x")).is_err());
    assert!(server.inject(Fault::new(At::Mail, Action::WrongMode)).is_err());
    assert!(server.inject(Fault::new(At::Sent(3), Action::EndlessLine)).is_err());
}
