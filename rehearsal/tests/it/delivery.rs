//! Sending: listeners, pipelining, BDAT, limits, flights.

use everpost_rehearsal::{
    Capabilities, Closed, Limits, Listener, Rate, Refusal, Rehearsal, ReplyStyle, Settings,
};

use crate::client::{Client, soon};

#[tokio::test]
async fn each_listener_takes_a_message_and_notes_how_it_came() {
    let server = Rehearsal::builder().start().await.unwrap();
    let clients = [
        (Client::implicit(&server).await, true),
        (Client::starttls(&server).await, true),
        (Client::plain(&server).await, false),
    ];
    for (index, (mut client, tls)) in clients.into_iter().enumerate() {
        if index != 1 {
            client.hello().await;
        } else {
            let offered = client.ask("EHLO client.test").await;
            assert!(!offered.contains("STARTTLS") && offered.contains("REQUIRETLS"), "{offered}");
        }
        assert!(client.deliver(&format!("{index}@test")).await.starts_with("250 2.0.0 "));
        assert!(client.ask("QUIT").await.starts_with("221 "));
        let received = &server.received()[index];
        assert_eq!(received.message_id.as_deref(), Some(format!("{index}@test").as_str()));
        assert_eq!((received.envelope_from.as_str(), received.tls), ("a@client.test", tls));
        assert_eq!(received.recipients, ["b@server.test"]);
        assert_eq!(received.data, format!("Message-ID: <{index}@test>\r\n\r\nhello\r\n"));
        assert_eq!(server.copies(&format!("<{index}@test>")), 1);
    }
    soon(server.wait_closed()).await;
    let logs = server.connections();
    assert!(logs.iter().all(|log| log.closed == Some(Closed::Quit)), "{logs:#?}");
    assert_eq!(logs[0].bytes_before_tls, 0);
    assert_eq!(logs[1].bytes_before_tls, "EHLO client.test\r\nSTARTTLS\r\n".len() as u64);
    assert_eq!(logs[2].bytes_before_tls, logs[2].received);
}

#[tokio::test]
async fn a_pipelined_group_is_one_flight_and_is_answered_in_one_record() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mut client = Client::implicit(&server).await;
    client.hello().await;
    let before = server.flights();
    client.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n").await;
    let mut block = [0; 4096];
    let read = soon(tokio::io::AsyncReadExt::read(&mut client.stream, &mut block)).await.unwrap();
    assert_eq!(block[..read].iter().filter(|&&byte| byte == b'\n').count(), 4);
    client.send("x\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n").await;
    let read = soon(tokio::io::AsyncReadExt::read(&mut client.stream, &mut block)).await.unwrap();
    assert_eq!(block[..read].iter().filter(|&&byte| byte == b'\n').count(), 4);
    assert!(client.ask("y\r\n.").await.starts_with("250 "));
    assert_eq!(server.flights() - before, 3);
    assert_eq!(server.connections()[0].unanswered_end_of_data_max, 1);
    assert_eq!(server.received_count(), 2);
}

#[tokio::test]
async fn two_messages_in_one_flight_count_as_two_unanswered_ends() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mut client = Client::implicit(&server).await;
    client.hello().await;
    let one = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3 LAST\r\nabc";
    client.send(one.repeat(2)).await;
    for _ in 0..6 {
        assert!(client.reply().await.starts_with("250 "));
    }
    assert_eq!(server.connections()[0].unanswered_end_of_data_max, 2);
}

#[tokio::test]
async fn bdat_takes_bytes_as_they_are_and_one_message_in_one_flight() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mut client = Client::implicit(&server).await;
    client.hello().await;
    let before = server.flights();
    client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 9 LAST\r\n.\r\n..\r\n\0\xff").await;
    for _ in 0..3 {
        assert!(client.reply().await.starts_with("250 "));
    }
    assert_eq!(server.flights() - before, 1);
    assert_eq!(server.received()[0].data, &b".\r\n..\r\n\0\xff"[..]);
    client.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 2\r\nabBDAT 0 LAST\r\n").await;
    for _ in 0..4 {
        assert!(client.reply().await.starts_with("250 "));
    }
    assert_eq!(server.received()[1].data, "ab");
    client.send("BDAT 4 LAST\r\nQUIT").await;
    assert!(client.reply().await.starts_with("503 "));
    assert!(client.ask("NOOP").await.starts_with("250 "));
    assert_eq!(server.received_count(), 2);
}

#[tokio::test]
async fn what_is_not_offered_is_refused() {
    let none = Capabilities {
        chunking: false,
        size: false,
        eight_bit_mime: false,
        smtp_utf8: false,
        dsn: false,
        enhanced_status_codes: false,
        extra: vec!["XFORCE 9".into()],
        ..Capabilities::default()
    };
    let server = Rehearsal::builder().capabilities(none).start().await.unwrap();
    let mut client = Client::plain(&server).await;
    let offered = client.hello().await;
    assert!(offered.contains("250-PIPELINING") && offered.contains("250 XFORCE 9"), "{offered}");
    assert!(
        !offered.contains("SIZE") && !offered.contains("AUTH") && !offered.contains("STARTTLS"),
        "{offered}"
    );
    for params in ["SIZE=1", "BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "REQUIRETLS", "X=Y"] {
        assert!(
            client.ask(&format!("MAIL FROM:<a@b> {params}")).await.starts_with("555 "),
            "{params}"
        );
    }
    assert!(client.ask("MAIL FROM:<ü@b>").await.starts_with("553 "));
    assert_eq!(client.ask("MAIL FROM:<a@b>").await, "250 Sender ok\r\n");
    assert!(client.ask("RCPT TO:<c@d> NOTIFY=NEVER").await.starts_with("555 "));
    client.ask("RCPT TO:<c@d>").await;
    client.send("BDAT 1 LAST\r\nx").await;
    assert!(client.reply().await.starts_with("502 "));
}

#[tokio::test]
async fn limits_hold() {
    let limits = Limits { message_size: 10, connections: Some(1), recipients: 1, rate: None };
    let server = Rehearsal::builder().limits(limits).start().await.unwrap();
    let mut client = Client::plain(&server).await;
    client.hello().await;
    assert!(Client::plain(&server).await.reply().await.starts_with("421 "));
    assert!(client.ask("MAIL FROM:<a@b> SIZE=11").await.starts_with("552 "));
    client.ask("MAIL FROM:<a@b> SIZE=10").await;
    client.ask("RCPT TO:<c@d>").await;
    assert!(client.ask("RCPT TO:<e@f>").await.starts_with("452 "));
    client.ask("DATA").await;
    assert!(client.ask("123456789\r\n.").await.starts_with("552 "));
    assert_eq!((server.received_count(), server.stats().messages_refused), (0, 1));
    assert!(client.deliver("x").await.starts_with("552 "));
    server.update(|settings| {
        settings.limits.rate = Some(Rate { messages: 1, seconds: 3600.0, close: false })
    });
    assert!(client.ask("MAIL FROM:<a@b>").await.starts_with("250 "));
    client.ask("RSET").await;
    assert!(client.ask("MAIL FROM:<a@b>").await.starts_with("451 "));
}

#[tokio::test]
async fn chosen_addresses_are_refused_in_chosen_words() {
    let settings = Settings {
        refuse_recipients: vec![Refusal::new("no*@*", "550 5.1.1 nobody here")],
        refuse_senders: vec![Refusal::new("spam@*", "553 5.7.1 not you")],
        data_without_recipients: true,
        ..Settings::default()
    };
    let server = Rehearsal::builder().settings(settings).start().await.unwrap();
    let mut client = Client::plain(&server).await;
    client.hello().await;
    assert_eq!(client.ask("MAIL FROM:<spam@x>").await, "553 5.7.1 not you\r\n");
    client.ask("MAIL FROM:<a@b>").await;
    assert_eq!(client.ask("RCPT TO:<nobody@x>").await, "550 5.1.1 nobody here\r\n");
    assert!(client.ask("DATA").await.starts_with("354 "));
    assert!(client.ask(".").await.starts_with("554 "));
    assert_eq!(server.received_count(), 0);
    assert!(client.deliver("x").await.starts_with("250 "));
}

#[tokio::test]
async fn a_server_that_believes_bare_lf_is_smuggled_to_and_a_good_one_is_not() {
    for (vulnerable, messages) in [(false, 1), (true, 2)] {
        for end in ["\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n"] {
            let settings = Settings { bare_lf_smtp: vulnerable, ..Settings::default() };
            let server = Rehearsal::builder().settings(settings).build().unwrap();
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let serving = tokio::spawn(server.serve_stream(theirs, Listener::Plain));
            let mut client = Client::over(ours);
            client.hello().await;
            client.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n").await;
            for _ in 0..3 {
                client.reply().await;
            }
            client
                .send(format!(
                    "x{end}MAIL FROM:<evil@b>\r\nRCPT TO:<c@d>\r\nDATA\r\ny\r\n.\r\nQUIT\r\n"
                ))
                .await;
            client.rest().await.1.unwrap();
            drop(client);
            soon(serving).await.unwrap();
            assert_eq!(server.received_count(), messages, "{end:?}, vulnerable: {vulnerable}");
        }
    }
}

#[tokio::test]
async fn replies_leave_in_the_style_that_is_set() {
    let mut sent = Vec::new();
    for style in [ReplyStyle::Grouped, ReplyStyle::Separate, ReplyStyle::Bytewise] {
        let server = Rehearsal::builder().start().await.unwrap();
        let mut client = Client::implicit(&server).await;
        client.hello().await;
        server.update(|settings| settings.reply_style = style);
        // The settings count from MAIL on.
        client.ask("MAIL FROM:<a@b>").await;
        let before = server.connections()[0].clone();
        client.send("RCPT TO:<c@d>\r\nRSET\r\nNOOP\r\n").await;
        for _ in 0..3 {
            assert!(client.reply().await.starts_with("250 "));
        }
        let after = server.connections()[0].clone();
        sent.push((after.sent - before.sent, after.raw_sent - before.raw_sent));
    }
    // A TLS 1.3 record costs 22 bytes: as many writes as records.
    let writes: Vec<_> = sent.iter().map(|(bytes, raw)| (raw - bytes) / 22).collect();
    assert_eq!(writes, [1, 3, sent[0].0]);
}

#[tokio::test(start_paused = true)]
async fn replies_wait_for_the_latency_once_per_flight() {
    let settings = Settings { reply_latency: 2.0, ..Settings::default() };
    let server = Rehearsal::builder().settings(settings).build().unwrap();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(server.serve_stream(theirs, Listener::Plain));
    let mut client = Client::over(ours);
    let start = tokio::time::Instant::now();
    client.hello().await;
    assert_eq!(start.elapsed().as_secs(), 4);
    client.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n").await;
    for _ in 0..3 {
        client.reply().await;
    }
    assert_eq!(start.elapsed().as_secs(), 6);
    drop(client);
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn lines_without_end_and_without_cr_are_refused() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mut client = Client::plain(&server).await;
    client.hello().await;
    client.send("NOOP\n").await;
    assert!(client.reply().await.starts_with("500 "));
    client.send("x".repeat(100_000)).await;
    assert!(client.reply().await.starts_with("500 "));
    assert!(client.ask("\r\nNOOP").await.starts_with("250 "));
}
