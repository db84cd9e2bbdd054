//! Every wait ends, and every limit holds. Time is tokio's and paused, the
//! network is in memory: hours pass here in no time.

#![allow(clippy::unwrap_used)]

mod support;

use std::future::pending;
use std::io::{self, Cursor};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use everpost::mailer::Retirement;
use everpost::network::{BoxFuture, Network, Stream};
use everpost::{
    Clock, Credentials, Deadlines, Delivery, Error, ErrorKind, Event, Mailer, MailerBuilder,
    Message, PoolPolicy, RateLimit, Receipt, RetryPolicy, Stage, TlsMode, TokenError,
};
use everpost_rehearsal::{
    Action, At, Capabilities, Closed, Cut, Fault, Limits, Listener, Rehearsal, Rotate, Which,
};
use futures_util::StreamExt;
use support::{Memory, in_memory, message, message_with, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().credentials("user", "secret").build().unwrap())
}

fn login() -> Credentials {
    Credentials::password("user", "secret")
}

/// One attempt, and no deadline but the one that a test is about.
fn patient(server: &Arc<Rehearsal>, mode: TlsMode) -> MailerBuilder {
    let mut retry = RetryPolicy::default();
    retry.max_attempts = 1;
    let mut deadlines = Deadlines::default();
    deadlines.checkout = 3600 * SECOND;
    in_memory(server, mode).credentials(login()).retry(retry).deadlines(deadlines)
}

/// Sends in a task of its own.
fn spawn_send(mailer: &Mailer, id: &str) -> JoinHandle<Result<Receipt, Error>> {
    let (mailer, id) = (mailer.clone(), id.to_owned());
    tokio::spawn(async move { send(&mailer, &id).await })
}

/// What the error says, and the seconds it took to come.
async fn failure(mailer: &Mailer, large: bool) -> (ErrorKind, Stage, Delivery, u64) {
    let started = Instant::now();
    let body = if large { "x".repeat(70) + "\r\n" } else { "Hello\r\n".into() };
    let body = body.repeat(if large { 20_000 } else { 1 });
    let error = mailer.send(message_with("stalled", &body)).await.unwrap_err();
    assert!(error.to_string().lines().count() == 1 && !error.to_string().is_empty());
    (error.kind(), error.stage(), error.delivery(), started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_at_any_stage_is_given_up_at_that_stages_deadline() {
    use TlsMode::{Implicit, None, StartTls};
    for (mode, at, stage, seconds) in [
        (Implicit, At::Accept, Stage::Handshake, 30),
        (Implicit, At::Handshake, Stage::Handshake, 30),
        (StartTls, At::Handshake, Stage::Handshake, 30),
        (Implicit, At::Greeting, Stage::Greeting, 60),
        (StartTls, At::Greeting, Stage::Greeting, 60),
        (Implicit, At::Ehlo, Stage::Ehlo, 60),
        (StartTls, At::StartTls, Stage::StartTls, 60),
        (Implicit, At::Auth, Stage::Auth, 60),
        (Implicit, At::Mail, Stage::Mail, 60),
        (Implicit, At::Rcpt(1), Stage::Rcpt, 60),
        (Implicit, At::Data, Stage::Data, 60),
        (None, At::Greeting, Stage::Greeting, 60),
        (None, At::Data, Stage::Data, 60),
    ] {
        let server = server();
        let stall = server.inject(Fault::stall(at)).unwrap();
        let mailer = patient(&server, mode).allow_plaintext_auth(true).build().unwrap();
        let expected = (ErrorKind::Timeout, stage, Delivery::NotSent, seconds);
        assert_eq!(failure(&mailer, false).await, expected, "{mode} {at:?}");
        assert_eq!((stall.count(), server.received_count()), (1, 0));
        // The next message has a connection of its own.
        sleep(61 * SECOND).await;
        send(&mailer, "next").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_no_more_of_a_message_is_given_up_after_a_block() {
    for mode in [TlsMode::Implicit, TlsMode::None] {
        let server = server();
        server.inject(Fault::new(At::Body(100_000), Action::ShutWindow)).unwrap();
        let mailer = patient(&server, mode).allow_plaintext_auth(true).build().unwrap();
        let expected = (ErrorKind::Timeout, Stage::Body, Delivery::NotSent, 180);
        assert_eq!(failure(&mailer, true).await, expected, "{mode}");
        assert_eq!(server.received_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_never_comes_is_given_up_at_the_deadline_of_a_command() {
    let server = Arc::new(Rehearsal::builder().token("user", "t").build().unwrap());
    let silent = Credentials::token_provider("user", pending::<Result<String, TokenError>>);
    let mailer = patient(&server, TlsMode::Implicit).credentials(silent).build().unwrap();
    let expected = (ErrorKind::Timeout, Stage::Auth, Delivery::NotSent, 60);
    assert_eq!(failure(&mailer, false).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_gives_no_more_is_given_up_after_a_block_or_with_the_send() {
    // Within what is looked at ahead, and beyond it.
    for (length, timeout, stage, seconds) in [
        (0, None, Stage::Prepare, 180),
        (400_000, None, Stage::Body, 180),
        (0, Some(10 * SECOND), Stage::Prepare, 10),
    ] {
        let server = server();
        let builder = patient(&server, TlsMode::Implicit);
        let builder = match timeout {
            Some(timeout) => builder.send_timeout(timeout),
            None => builder,
        };
        let mailer = builder.build().unwrap();
        let begun = "From: a@x.example\r\nTo: b@x.example\r\n\r\n".to_owned();
        let begun = begun + &"0123456\r\n".repeat(length / 9);
        let (rest, _open) = tokio::io::duplex(1);
        let reader = Cursor::new(begun.into_bytes()).chain(rest);
        let started = Instant::now();
        let error = mailer.send(Message::from_reader(reader)).await.unwrap_err();
        let found = (error.kind(), error.stage(), error.delivery(), started.elapsed().as_secs());
        assert_eq!(found, (ErrorKind::Timeout, stage, Delivery::NotSent, seconds), "{error}");
        assert_eq!(server.received_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_without_verdict_is_unknown_after_ten_minutes_and_not_before() {
    let server = server();
    server.inject(Fault::stall(At::EndOfData)).unwrap();
    let mailer = patient(&server, TlsMode::Implicit).build().unwrap();
    let expected = (ErrorKind::DeliveryUnknown, Stage::EndOfData, Delivery::Unknown, 600);
    assert_eq!(failure(&mailer, false).await, expected);
    assert_eq!(server.received_count(), 1, "it did have the message");
}

#[tokio::test(start_paused = true)]
async fn a_message_in_one_flight_has_as_long_even_if_its_envelope_is_answered_late() {
    let server = server();
    // A server may answer the whole group at once, when it has a verdict.
    server.inject(Fault::stall(At::Mail)).unwrap();
    let mailer = patient(&server, TlsMode::Implicit).chunking(true).build().unwrap();
    let expected = (ErrorKind::DeliveryUnknown, Stage::EndOfData, Delivery::Unknown, 600);
    assert_eq!(failure(&mailer, false).await, expected);
}

/// Answers nothing: neither names nor connections.
#[derive(Debug)]
struct Silent {
    resolves: bool,
}

impl Network for Silent {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            if !self.resolves {
                pending::<()>().await;
            }
            Ok(vec![
                SocketAddr::from(([192, 0, 2, 1], port)),
                SocketAddr::from(([192, 0, 2, 2], port)),
            ])
        })
    }

    fn connect<'a>(
        &'a self,
        _: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_that_answers_nothing_is_given_up_within_the_connect_deadline() {
    for (resolves, stage) in [(false, Stage::Dns), (true, Stage::Connect)] {
        let server = server();
        let builder = patient(&server, TlsMode::Implicit).network(Arc::new(Silent { resolves }));
        let mailer = builder.build().unwrap();
        let expected = (ErrorKind::Timeout, stage, Delivery::NotSent, 30);
        assert_eq!(failure(&mailer, false).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_attempt_is_followed_by_another_until_the_attempts_are_used_up() {
    let server = server();
    server.inject(Fault::stall(At::Mail)).unwrap();
    let mailer = in_memory(&server, TlsMode::Implicit).credentials(login()).build().unwrap();
    let receipt = send(&mailer, "again").await.unwrap();
    assert_eq!((receipt.attempts(), server.copies("again")), (2, 1));

    server.inject(Fault::stall(At::Mail).on(Which::Every)).unwrap();
    let error = send(&mailer, "never").await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::NotSent));
    // The connection that was reused does not count.
    assert_eq!((error.attempts(), server.copies("never")), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_runs_out_of_time_before_the_end_of_data_was_not_sent() {
    for at in [At::Handshake, At::Greeting, At::Auth, At::Mail, At::Data] {
        let server = server();
        let stall = server.inject(Fault::stall(at)).unwrap();
        let builder = patient(&server, TlsMode::Implicit).send_timeout(10 * SECOND);
        let mailer = builder.build().unwrap();
        let (kind, _, delivery, seconds) = failure(&mailer, false).await;
        assert_eq!(
            (kind, delivery, seconds),
            (ErrorKind::Timeout, Delivery::NotSent, 10),
            "{at:?}"
        );
        stall.release();
        send(&mailer, "next").await.unwrap();
        assert_eq!((server.copies("stalled"), server.copies("next")), (0, 1), "{at:?}");
        assert_eq!(mailer.stats().unknown, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_yes_turns_unknown_into_accepted() {
    let server = server();
    let stall = server.inject(Fault::stall(At::EndOfData)).unwrap();
    let builder = patient(&server, TlsMode::Implicit).max_connections(1).send_timeout(10 * SECOND);
    let mailer = builder.build().unwrap();
    let mut events = mailer.events();
    let started = Instant::now();
    let error = send(&mailer, "late").await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::DeliveryUnknown, Delivery::Unknown));
    assert_eq!((started.elapsed(), error.message_id()), (10 * SECOND, Some("<late>")));
    let event = events.next().await.unwrap();
    assert!(matches!(event, Event::DeliveryUnknown { message_id, .. } if message_id == "<late>"));

    // The place in the pool is free meanwhile.
    send(&mailer, "other").await.unwrap();
    sleep(500 * SECOND).await;
    stall.release();
    let receipt = error.late_verdict().unwrap().await.unwrap().unwrap();
    assert_eq!((receipt.message_id(), receipt.reply().code()), ("<late>", 250));
    let event = loop {
        match events.next().await.unwrap() {
            Event::Retired { .. } => {}
            other => break other,
        }
    };
    assert!(matches!(
        event,
        Event::LateVerdict { message_id, delivery: Delivery::Accepted, reply }
            if message_id == "<late>" && reply.code() == 250
    ));
    assert_eq!((server.copies("late"), mailer.stats().late_verdicts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_no_turns_unknown_into_refused_and_silence_into_nothing() {
    let capabilities = Capabilities { size: false, ..Capabilities::default() };
    let limits = Limits { message_size: 50, ..Limits::default() };
    let server = Rehearsal::builder().capabilities(capabilities).limits(limits);
    let server = Arc::new(server.credentials("user", "secret").build().unwrap());
    let builder = patient(&server, TlsMode::Implicit).send_timeout(10 * SECOND);
    let mailer = builder.build().unwrap();
    let mut events = mailer.events();
    let stall = server.inject(Fault::stall(At::EndOfData)).unwrap();
    let error = send(&mailer, "late").await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
    stall.release();
    let late = error.late_verdict().unwrap().await.unwrap().unwrap_err();
    assert_eq!((late.delivery(), late.reply().unwrap().code()), (Delivery::Refused, 552));
    assert!(matches!(events.next().await.unwrap(), Event::DeliveryUnknown { .. }));
    assert!(matches!(
        events.next().await.unwrap(),
        Event::LateVerdict { delivery: Delivery::Refused, .. }
    ));

    server.inject(Fault::stall(At::EndOfData)).unwrap();
    let started = Instant::now();
    let error = send(&mailer, "silent").await.unwrap_err();
    assert!(error.late_verdict().unwrap().await.is_none());
    assert_eq!(started.elapsed().as_secs(), 600, "and not for ever");
}

/// Says each of these, the next one when the client has answered; the last one
/// only after a minute.
async fn recite(mut far: DuplexStream, script: Vec<String>) {
    let mut space = vec![0; 8192];
    for (n, text) in script.iter().enumerate() {
        if n + 1 == script.len() {
            sleep(60 * SECOND).await;
        }
        far.write_all(text.as_bytes()).await.unwrap();
        // What follows the last one is the end.
        let _ = far.read(&mut space).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_no_that_would_be_tried_again_for_a_caller_is_told_once_the_caller_has_left() {
    for (chunking, code) in [(false, 421), (false, 451), (true, 503)] {
        let network = Memory::new(move |_, far| {
            let (go, no) = (
                "250 sender\r\n250 recipient\r\n".to_owned(),
                format!("{code} 4.3.0 not like this\r\n"),
            );
            let mut script = vec![
                "220 mx\r\n".to_owned(),
                "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n".to_owned(),
            ];
            match chunking {
                true => script.push(go + &no),
                false => script.extend([go + "354 go\r\n", no]),
            }
            recite(far, script)
        });
        let mut retry = RetryPolicy::default();
        retry.transient_replies = true;
        let builder = Mailer::builder("localhost").tls(TlsMode::None).network(network.clone());
        let builder = builder.chunking(chunking).retry(retry).send_timeout(10 * SECOND);
        let mailer = builder.build().unwrap();
        let error = send(&mailer, "late").await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown, "{code}: {error}");
        let late = error.late_verdict().unwrap().await.unwrap().unwrap_err();
        let found = (late.delivery(), late.reply().unwrap().code());
        assert_eq!(found, (Delivery::Refused, code));
        mailer.close().await;
        assert_eq!((network.connections(), mailer.stats().late_verdicts), (1, 1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_a_connection_no_longer_than_the_checkout_deadline() {
    let server = server();
    server.inject(Fault::stall(At::Data)).unwrap();
    let mut deadlines = Deadlines::default();
    deadlines.checkout = 20 * SECOND;
    let builder = in_memory(&server, TlsMode::Implicit).credentials(login());
    let mailer = builder.max_connections(1).deadlines(deadlines).build().unwrap();
    let first = spawn_send(&mailer, "first");
    while server.stats().auth_ok == 0 {
        sleep(SECOND / 100).await;
    }
    let started = Instant::now();
    let error = send(&mailer, "second").await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Timeout, Stage::Checkout));
    assert_eq!((error.delivery(), error.attempts()), (Delivery::NotSent, 0));
    assert_eq!(started.elapsed().as_secs(), 20);
    assert!(error.hint().unwrap().contains("max_connections"), "{error}");
    first.await.unwrap().unwrap();
    assert_eq!((server.copies("first"), server.copies("second")), (1, 0));
}

/// The reasons of the connections retired since the last look.
async fn retired(events: &mut everpost::mailer::Events) -> Vec<Retirement> {
    let mut reasons = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(SECOND, events.next()).await {
        if let Event::Retired { reason, .. } = event {
            reasons.push(reason);
        }
    }
    reasons
}

fn pool(change: impl FnOnce(&mut PoolPolicy)) -> PoolPolicy {
    let mut policy = PoolPolicy::default();
    change(&mut policy);
    policy
}

#[tokio::test(start_paused = true)]
async fn a_parked_connection_retires_by_idleness_and_age_with_quit() {
    let young = pool(|policy| policy.max_idle = 1000 * SECOND);
    for (policy, seconds, reason) in
        [(PoolPolicy::default(), 60, Retirement::Idle), (young, 300, Retirement::Age)]
    {
        let server = server();
        let mailer = patient(&server, TlsMode::Implicit).pool(policy).build().unwrap();
        let mut events = mailer.events();
        send(&mailer, "one").await.unwrap();
        sleep((seconds - 2) * SECOND).await;
        assert_eq!(retired(&mut events).await, []);
        assert_eq!(server.stats().open, 1);
        sleep(2 * SECOND).await;
        assert_eq!(retired(&mut events).await, [reason]);
        assert_eq!(server.connections()[0].closed, Some(Closed::Quit));
        send(&mailer, "two").await.unwrap();
        assert_eq!(server.stats().connections, 2);
    }
}

/// A clock that goes with tokio's.
#[derive(Debug)]
struct Paused(SystemTime, Instant);

impl Clock for Paused {
    fn now(&self) -> SystemTime {
        self.0 + self.1.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_connection_retires_at_the_margin_of_its_leaf_and_not_with_the_next_send() {
    let server = server();
    let clock = Paused(SystemTime::now(), Instant::now());
    let not_after = Some(clock.now() + 3600 * SECOND);
    server.rotate(Rotate { not_after, ..Rotate::default() }).await.unwrap();
    let long = pool(|policy| (policy.max_idle, policy.max_age) = (7200 * SECOND, 7200 * SECOND));
    let builder = patient(&server, TlsMode::Implicit).pool(long).clock(Arc::new(clock));
    let mailer = builder.expiry_margin(60 * SECOND).build().unwrap();
    let mut events = mailer.events();
    send(&mailer, "m").await.unwrap();
    sleep(3530 * SECOND).await;
    assert_eq!(retired(&mut events).await, []);
    sleep(10 * SECOND).await;
    assert_eq!(retired(&mut events).await, [Retirement::Expiring]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_retires_by_age_between_messages() {
    let server = server();
    let mailer = patient(&server, TlsMode::Implicit).build().unwrap();
    for n in 0..40 {
        send(&mailer, &format!("m{n}")).await.unwrap();
        sleep(10 * SECOND).await;
    }
    assert_eq!((server.stats().connections, server.counts().len()), (2, 40));
}

#[tokio::test(start_paused = true)]
async fn a_connection_carries_no_more_messages_than_allowed() {
    for (policy, connections) in
        [(pool(|policy| policy.max_messages = Some(2)), 3), (PoolPolicy::fresh(), 5)]
    {
        let server = server();
        let mailer = patient(&server, TlsMode::Implicit).pool(policy.clone()).build().unwrap();
        for n in 0..5 {
            send(&mailer, &format!("m{n}")).await.unwrap();
        }
        assert_eq!(server.stats().connections, connections);

        // Nor when they chain.
        let mut policy = policy;
        policy.max_connections = 1;
        let mailer = patient(&server, TlsMode::Implicit).pool(policy).build().unwrap();
        let sends: Vec<_> = (0..5).map(|n| spawn_send(&mailer, &format!("c{n}"))).collect();
        for sending in sends {
            sending.await.unwrap().unwrap();
        }
        assert_eq!(server.stats().connections, 2 * connections);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_spreads_messages_over_time() {
    let server = server();
    let policy = pool(|policy| policy.rate_limit = Some(RateLimit::new(2, 10 * SECOND)));
    let mailer = patient(&server, TlsMode::Implicit).pool(policy).build().unwrap();
    let started = Instant::now();
    let sends: Vec<_> = (0..6).map(|n| spawn_send(&mailer, &format!("m{n}"))).collect();
    let mut seconds = Vec::new();
    for sending in sends {
        sending.await.unwrap().unwrap();
        seconds.push(started.elapsed().as_secs());
    }
    seconds.sort_unstable();
    assert_eq!(*seconds.last().unwrap(), 20, "{seconds:?}");
    assert_eq!(server.counts().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_more_connections_lowers_the_limit_and_fails_no_send() {
    let server = server();
    server.update(|settings| settings.limits.connections = Some(2));
    let builder = in_memory(&server, TlsMode::Implicit).credentials(login());
    let mailer = builder.max_connections(8).build().unwrap();
    for round in 0..3 {
        let ids = (0..40).map(|n| format!("r{round}m{n}"));
        let sends: Vec<_> = ids.map(|id| spawn_send(&mailer, &id)).collect();
        for sending in sends {
            sending.await.unwrap().unwrap();
        }
    }
    let stats = server.stats();
    assert_eq!((server.counts().len(), server.received_count()), (120, 120));
    assert!(stats.refused_connections >= 1, "the limit was met");
    assert!(stats.refused_connections <= 16, "and learned: {}", stats.refused_connections);
}

#[tokio::test(start_paused = true)]
async fn a_421_while_idle_retires_the_connection_before_it_costs_a_send() {
    let server = server();
    let mailer = patient(&server, TlsMode::Implicit).build().unwrap();
    let mut events = mailer.events();
    send(&mailer, "one").await.unwrap();
    assert_eq!(server.wave_of_421().await, 1);
    assert_eq!(retired(&mut events).await, [Retirement::Server]);
    assert_eq!(send(&mailer, "two").await.unwrap().attempts(), 1);
    assert_eq!((server.stats().connections, mailer.stats().retries), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_at_bdat_is_spoken_to_with_data_from_then_on() {
    let server = server();
    let fault = Fault::reply(At::EndOfData, "502 5.5.1 What is BDAT?");
    let fault = server.inject(fault).unwrap();
    let mailer = patient(&server, TlsMode::Implicit).chunking(true).build().unwrap();
    send(&mailer, "one").await.unwrap();
    send(&mailer, "two").await.unwrap();
    assert_eq!((server.copies("one"), server.copies("two"), fault.count()), (1, 1, 1));
    let connections = server.connections();
    let commands = || connections.iter().flat_map(|log| &log.commands);
    assert_eq!(commands().filter(|command| command.starts_with("BDAT")).count(), 1);
    assert_eq!(commands().filter(|command| *command == "DATA").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_300_through_faults_reports_each_message_as_it_is() {
    let server = server();
    let mut retry = RetryPolicy::default();
    retry.max_attempts = 6;
    let builder = in_memory(&server, TlsMode::Implicit).credentials(login()).retry(retry);
    let mailer = builder.max_connections(4).build().unwrap();
    for fault in [
        Fault::cut(At::Mail, Cut::Rst),
        Fault::cut(At::Rcpt(1), Cut::Fin),
        Fault::cut(At::Data, Cut::CloseNotify),
        Fault::cut(At::Body(20), Cut::Rst),
        Fault::cut(At::EndOfData, Cut::Rst).keep(true),
        Fault::cut(At::EndOfData, Cut::Fin).keep(false),
        Fault::reply(At::EndOfData, "451 4.3.0 not now"),
        Fault::reply(At::Mail, "421 4.3.2 going"),
        Fault::cut(At::Greeting, Cut::Fin),
        Fault::cut(At::Handshake, Cut::Rst),
        Fault::stall(At::Rcpt(1)),
        Fault::new(At::Mail, Action::Reply("\u{1}\r\n".into())),
    ] {
        for nth in 1..=2 {
            server.inject(fault.clone().on(Which::Nth(nth * 2))).unwrap();
            server.inject(fault.clone()).unwrap();
        }
    }
    let messages = (0..300).map(|n| message(&format!("m{n}")));
    let results = tokio::spawn(mailer.send_all(messages).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(results.len(), 300);
    let (mut unknown, mut refused) = (0, 0);
    for (n, result) in &results {
        let copies = server.copies(&format!("m{n}"));
        match result {
            Ok(_) => assert_eq!(copies, 1, "m{n}"),
            Err(error) if error.delivery() == Delivery::Unknown => {
                unknown += 1;
                assert!(copies <= 1, "m{n}");
            }
            Err(error) => {
                refused += 1;
                assert_eq!((error.delivery(), copies), (Delivery::Refused, 0), "m{n}: {error:?}");
            }
        }
    }
    assert!((1..=8).contains(&unknown), "{unknown}");
    assert!((1..=4).contains(&refused), "{refused}");
    let stats = mailer.stats();
    assert_eq!(
        (stats.unknown, stats.refused, stats.accepted),
        (unknown, refused, 300 - unknown - refused)
    );
}

/// A network whose tasks are counted, to tell them from the mailer's.
fn counted(server: &Arc<Rehearsal>) -> (Arc<Memory>, Arc<AtomicUsize>) {
    let (server, running) = (Arc::clone(server), Arc::new(AtomicUsize::new(0)));
    let tasks = Arc::clone(&running);
    let network = Memory::new(move |_, stream| {
        let serving = server.serve_stream(stream, Listener::Implicit);
        let tasks = Arc::clone(&tasks);
        tasks.fetch_add(1, Ordering::Relaxed);
        async move {
            serving.await;
            tasks.fetch_sub(1, Ordering::Relaxed);
        }
    });
    (network, running)
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn close_answers_what_was_taken_says_quit_and_leaves_no_task() {
    let server = server();
    let (network, serving) = counted(&server);
    let builder = patient(&server, TlsMode::Implicit).network(network);
    let mailer = builder.probe_interval(5 * SECOND).max_connections(2).build().unwrap();
    let mut events = mailer.events();
    let sends: Vec<_> = (0..20).map(|n| spawn_send(&mailer, &format!("m{n}"))).collect();
    while mailer.stats().queued == 0 {
        tokio::task::yield_now().await;
    }
    mailer.close().await;
    let ours = alive()
        - serving.load(Ordering::Relaxed)
        - sends.iter().filter(|s| !s.is_finished()).count();
    assert_eq!(ours, 0, "tasks of the mailer");
    for sending in sends {
        sending.await.unwrap().unwrap();
    }
    assert_eq!(server.counts().len(), 20);
    server.wait_closed().await;
    assert!(server.connections().iter().all(|log| log.closed == Some(Closed::Quit)));

    let error = send(&mailer, "after").await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Closed, Delivery::NotSent));
    assert!(error.hint().is_some());
    mailer.close().await;
    drop(mailer);
    while events.next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn close_waits_neither_for_verdicts_nobody_waits_for_nor_for_a_stuck_quit() {
    let server = server();
    let (network, serving) = counted(&server);
    let builder = patient(&server, TlsMode::Implicit).network(network);
    let mailer = builder.send_timeout(10 * SECOND).build().unwrap();
    server.inject(Fault::stall(At::EndOfData)).unwrap();
    let error = send(&mailer, "late").await.unwrap_err();
    send(&mailer, "parked").await.unwrap();
    server.inject(Fault::stall(At::Quit)).unwrap();
    let started = Instant::now();
    mailer.close().await;
    assert!(started.elapsed() <= 5 * SECOND, "{:?}", started.elapsed());
    assert_eq!(alive(), serving.load(Ordering::Relaxed), "tasks of the mailer");
    assert!(error.late_verdict().unwrap().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_says_quit_and_leaves_no_task() {
    let server = server();
    let (network, serving) = counted(&server);
    let mailer = patient(&server, TlsMode::Implicit).network(network).build().unwrap();
    send(&mailer, "one").await.unwrap();
    let other = mailer.clone();
    drop(mailer);
    send(&other, "two").await.unwrap();
    drop(other);
    server.wait_closed().await;
    assert_eq!(server.connections()[0].closed, Some(Closed::Quit));
    sleep(SECOND).await;
    assert_eq!(alive(), serving.load(Ordering::Relaxed));
}
