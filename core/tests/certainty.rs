//! The connection is cut after every single byte, in either direction, and
//! what the caller was told must agree with what the server holds.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::time::Duration;

use everpost::{
    Credentials, Delivery, Error, ErrorKind, Event, Mailer, MailerBuilder, Message, OnUnknown,
    Receipt, RetryPolicy, TrustRoots,
};
use everpost_rehearsal::{Action, At, Chain, Cut, Fault, Rehearsal, Which};

/// Cuts that run side by side, each against a server of its own.
const LANES: u64 = 4;

async fn server() -> Rehearsal {
    Rehearsal::builder().credentials("app", "secret").start().await.unwrap()
}

fn mailer(server: &Rehearsal, adjust: impl FnOnce(MailerBuilder) -> MailerBuilder) -> Mailer {
    let builder = Mailer::builder(server.host())
        .port(server.implicit_addr().port())
        .trust(TrustRoots::Pem(server.ca_pem().into()))
        .credentials(Credentials::password("app", "secret"))
        .auth_mechanisms([everpost::Mechanism::Plain])
        .ehlo_name("client.example");
    adjust(builder).build().unwrap()
}

fn message(id: &str) -> String {
    format!(
        "From: app@example.org\r\nTo: ann@example.com\r\nMessage-ID: {id}\r\n\
         Date: Sat, 21 Nov 2026 08:00:00 +0000\r\n\r\n.hello\r\n"
    )
}

fn once() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.max_attempts = 1;
    policy
}

fn told(result: &Result<Receipt, Error>) -> Delivery {
    match result {
        Ok(_) => Delivery::Accepted,
        Err(error) => error.delivery(),
    }
}

/// What the server may hold after the caller was told this.
fn assert_honest(what: &str, result: &Result<Receipt, Error>, copies: usize) {
    let honest = match told(result) {
        Delivery::Accepted => copies == 1,
        Delivery::Unknown => copies <= 1,
        _ => copies == 0,
    };
    assert!(honest, "{what}: {copies} copies at the server, and the caller was told {result:?}");
}

/// The bytes of one whole session, from the client and from the server.
async fn lengths(chunking: bool) -> (u64, u64) {
    let server = server().await;
    let mailer = mailer(&server, |builder| builder.chunking(chunking));
    mailer.send(message("<probe@example.org>")).await.unwrap();
    mailer.close().await;
    server.wait_closed().await;
    let log = &server.connections()[0];
    (log.received, log.sent)
}

/// Cuts at each of `points`, once each, and reports how often callers were
/// told what.
async fn sweep(
    points: impl Iterator<Item = u64> + Clone + Send + 'static,
    at: fn(u64) -> At,
    chunking: bool,
    retry: fn() -> RetryPolicy,
) -> [usize; 4] {
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let points = points.clone();
        lanes.spawn(async move {
            let server = server().await;
            let mut tally = [0; 4];
            for point in points.filter(|point| point % LANES == lane) {
                for cut in [Cut::Fin, Cut::Rst, Cut::CloseNotify] {
                    let id = format!("<{point}.{cut:?}@example.org>");
                    let mailer =
                        mailer(&server, |builder| builder.chunking(chunking).retry(retry()));
                    let fault = Fault::cut(at(point), cut).on(Which::Next);
                    let handle = server.inject(fault).unwrap();
                    let result = mailer.send(message(&id)).await;
                    mailer.close().await;
                    handle.remove();
                    server.wait_closed().await;
                    let what = format!("{:?} by {cut:?}", at(point));
                    assert_honest(&what, &result, server.copies(&id));
                    tally[told(&result) as usize] += 1;
                }
            }
            tally
        });
    }
    let tallies = lanes.join_all().await;
    tallies.iter().fold([0; 4], |sum, tally| std::array::from_fn(|i| sum[i] + tally[i]))
}

const NOT_SENT: usize = Delivery::NotSent as usize;
const ACCEPTED: usize = Delivery::Accepted as usize;
const REFUSED: usize = Delivery::Refused as usize;
const UNKNOWN: usize = Delivery::Unknown as usize;

#[tokio::test]
async fn a_cut_after_any_byte_of_the_client_is_reported_honestly() {
    let (client, _) = lengths(false).await;
    let tally = sweep(0..client, At::Received, false, once).await;
    assert_eq!(tally[REFUSED], 0);
    assert!(tally[NOT_SENT] > 0 && tally[UNKNOWN] > 0, "{tally:?}");
    // Only the flight that holds the message can be in doubt.
    let doubtful = (message("<000.CloseNotify@example.org>").len() + 3) * 3;
    assert!(tally[UNKNOWN] <= doubtful, "{tally:?}");
}

#[tokio::test]
async fn a_cut_after_any_byte_of_the_server_is_reported_honestly() {
    let (_, server) = lengths(false).await;
    let tally = sweep(0..server, At::Sent, false, once).await;
    assert_eq!(tally[REFUSED], 0);
    assert!(tally[NOT_SENT] > 0 && tally[UNKNOWN] > 0, "{tally:?}");
}

#[tokio::test]
async fn a_cut_of_a_one_flight_message_is_reported_honestly() {
    let (client, server) = lengths(true).await;
    for (length, at) in [(client, At::Received as fn(u64) -> At), (server, At::Sent)] {
        // The session opens as in the other tests; its end is what differs.
        let tally = sweep(length * 2 / 3..length, at, true, once).await;
        assert!(tally[UNKNOWN] > 0, "{tally:?}");
    }
}

#[tokio::test]
async fn a_cut_below_tls_is_reported_honestly() {
    let tally = sweep((0..3000).step_by(41), At::RawReceived, false, once).await;
    assert!(tally[NOT_SENT] > 0 && tally[ACCEPTED] > 0, "{tally:?}");
    let tally = sweep((0..3000).step_by(41), At::RawSent, false, once).await;
    assert!(tally[NOT_SENT] > 0 && tally[ACCEPTED] > 0, "{tally:?}");
}

#[tokio::test]
async fn with_retries_a_single_cut_costs_nothing_but_doubt() {
    let (client, server) = lengths(false).await;
    for (length, at) in [(client, At::Received as fn(u64) -> At), (server, At::Sent)] {
        let tally = sweep((0..length).step_by(3), at, false, || {
            let mut policy = RetryPolicy::default();
            policy.backoff = Duration::from_millis(1);
            policy
        })
        .await;
        assert_eq!((tally[NOT_SENT], tally[REFUSED]), (0, 0), "{tally:?}");
        assert!(tally[ACCEPTED] > 0, "{tally:?}");
    }
}

#[tokio::test]
async fn a_message_sent_again_by_choice_stays_unknown_whatever_the_next_attempt_proves() {
    for refused in [false, true] {
        let server = server().await;
        let mailer = mailer(&server, |builder| builder.on_unknown(OnUnknown::Resend));
        let cut = Fault::cut(At::EndOfData, Cut::Rst).keep(true);
        let cut = server.inject(cut).unwrap();
        if refused {
            let refusal = Fault::reply(At::EndOfData, "554 5.7.1 not this one");
            server.inject(refusal.on(Which::Nth(2))).unwrap();
        }
        let sending = mailer.send(message("<again@example.org>"));
        let spoil = async {
            cut.fired().await;
            if !refused {
                server.present(Chain::Expired).await.unwrap();
            }
        };
        let (result, ()) = tokio::join!(sending, spoil);
        let error = result.unwrap_err();
        assert_eq!(server.copies("again@example.org"), 1);
        assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        assert_eq!(error.kind(), ErrorKind::DeliveryUnknown, "{error}");
        assert_eq!(mailer.stats().unknown, 1);
    }
}

#[tokio::test]
async fn an_unknown_message_is_sent_again_only_by_choice() {
    for (policy, copies) in [(OnUnknown::Report, 1), (OnUnknown::Resend, 2)] {
        let server = server().await;
        let mailer = mailer(&server, |builder| builder.on_unknown(policy));
        server.inject(Fault::cut(At::EndOfData, Cut::Rst).keep(true)).unwrap();
        let mut events = mailer.events();
        let result = mailer.send(message("<again@example.org>")).await;
        assert_eq!(result.is_ok(), policy == OnUnknown::Resend);
        mailer.close().await;
        let mut told = 0;
        while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
            told += usize::from(matches!(event, Event::DeliveryUnknown { .. }));
        }
        assert_eq!(told, usize::from(result.is_err()), "an event for whoever only listens");
        assert_eq!(server.copies("again@example.org"), copies);
    }
}

#[tokio::test]
async fn a_message_sent_again_by_choice_stays_unknown_when_its_caller_leaves_the_next_attempt() {
    // The doubt is there before the second attempt, and outlives a third.
    for lost in [0, 1] {
        let server = server().await;
        let mailer = mailer(&server, |builder| builder.on_unknown(OnUnknown::Resend));
        server.inject(Fault::cut(At::EndOfData, Cut::Rst).keep(true)).unwrap();
        for nth in 0..lost {
            server.inject(Fault::cut(At::Mail, Cut::Rst).on(Which::Nth(nth + 2))).unwrap();
        }
        let stalled = server.inject(Fault::stall(At::Mail).on(Which::Nth(lost + 2))).unwrap();
        let sending = mailer.send_until(message("<again@example.org>"), stalled.fired());
        let error = sending.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeliveryUnknown, "{error}");
        assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        assert_eq!(server.copies("again@example.org"), 1);
    }
}

#[tokio::test]
async fn a_message_whose_runtime_ends_is_unknown_exactly_if_its_end_of_data_had_left() {
    let cases = [
        (At::Mail, ErrorKind::Internal, Delivery::NotSent),
        (At::EndOfData, ErrorKind::DeliveryUnknown, Delivery::Unknown),
    ];
    for (at, kind, delivery) in cases {
        let server = server().await;
        let mailer = mailer(&server, |builder| builder.max_connections(1));
        let other =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let other = other.unwrap();
        // The connection lives where the mailer was first used.
        let warm = mailer.clone();
        let warm = other.spawn(async move { warm.send(message("<warm@example.org>")).await });
        warm.await.unwrap().unwrap();
        let stalled = server.inject(Fault::stall(at)).unwrap();
        let end = async {
            stalled.fired().await;
            other.shutdown_background();
        };
        let (result, ()) = tokio::join!(mailer.send(message("<left@example.org>")), end);
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{error}");
        assert_eq!(error.message_id(), Some("<left@example.org>"));
    }
}

#[tokio::test]
async fn a_refusal_for_now_is_followed_by_the_same_bytes_only_by_choice() {
    for by_choice in [false, true] {
        let server = server().await;
        let mut retry = RetryPolicy::default();
        retry.transient_replies = by_choice;
        let mailer = mailer(&server, |builder| builder.retry(retry));
        // Kept all the same, so that both can be compared.
        let refusal = Fault::reply(At::EndOfData, "451 4.3.0 not now").keep(true);
        server.inject(refusal).unwrap();
        // Date and Message-ID are made here.
        let result = mailer.send("From: a@example.org\r\nTo: b@example.com\r\n\r\nhi\r\n").await;
        let received: Vec<_> = server.received().into_iter().map(|one| one.data).collect();
        if by_choice {
            let receipt = result.unwrap();
            assert_eq!((receipt.attempts(), mailer.stats().retries), (2, 1));
            assert_eq!((received.len(), &received[0]), (2, &received[1]));
        } else {
            let error = result.unwrap_err();
            assert_eq!((error.delivery(), error.attempts()), (Delivery::Refused, 1));
            assert_eq!(received.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_message_refused_before_is_not_sent_when_its_caller_leaves_the_next_attempt() {
    let farewell = Action::ReplyThenCut("421 4.3.2 Restarting\r\n".into(), Cut::Fin);
    // BDAT was offered and is not known: DATA is next, on the same connection.
    let no_bdat = Action::Reply("503 5.5.1 what is BDAT\r\n".into());
    for (chunking, refusal, next) in [
        (false, farewell, Fault::stall(At::Mail).on(Which::Nth(2))),
        (true, no_bdat, Fault::stall(At::Data)),
    ] {
        let server = server().await;
        let mailer = mailer(&server, |builder| builder.chunking(chunking));
        server.inject(Fault::new(At::EndOfData, refusal)).unwrap();
        let stalled = server.inject(next).unwrap();
        let sending = mailer.send_until(message("<again@example.org>"), stalled.fired());
        let error = sending.await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Cancelled, Delivery::NotSent));
        assert_eq!(server.copies("again@example.org"), 0);
    }
}

#[tokio::test]
async fn a_refused_message_that_waits_to_be_tried_again_is_not_sent_when_its_caller_leaves() {
    let server = server().await;
    let mut retry = RetryPolicy::default();
    retry.transient_replies = true;
    let mailer = mailer(&server, |builder| builder.max_connections(1).retry(retry));
    // Both are refused, one chained to the other; the first has its next
    // attempt first.
    for _ in 0..2 {
        server.inject(Fault::reply(At::EndOfData, "451 4.3.0 not now")).unwrap();
    }
    let stalled = server.inject(Fault::stall(At::Mail).on(Which::Nth(2))).unwrap();
    let first = mailer.send(message("<first@example.org>"));
    let second = async {
        let sending = mailer.send_until(message("<second@example.org>"), stalled.fired());
        let error = sending.await.unwrap_err();
        stalled.release();
        error
    };
    let (first, error) = tokio::join!(first, second);
    assert_eq!(first.unwrap().attempts(), 2);
    assert_eq!(mailer.stats().retries, 2);
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Cancelled, Delivery::NotSent));
    assert_eq!(server.copies("second@example.org"), 0);
}

#[tokio::test]
async fn a_message_whose_reader_is_spent_is_tried_once_and_told_what_broke_it() {
    let server = server().await;
    let mailer = mailer(&server, |builder| builder);
    server.inject(Fault::cut(At::Body(400_000), Cut::Rst)).unwrap();
    // More than is looked at beforehand, and than the network holds.
    let text = message("<read@example.org>") + &"0123456789\r\n".repeat(1_000_000);
    let result = mailer.send(Message::from_reader(std::io::Cursor::new(text))).await;
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Connect, Delivery::NotSent),
        "{error}"
    );
    assert_eq!((error.attempts(), server.copies("read@example.org")), (1, 0));
}
