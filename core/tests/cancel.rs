//! A caller may leave at any point; neither the message, nor its neighbours,
//! nor the pool may suffer.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::task::Poll;
use std::time::Duration;

use everpost::{Credentials, Delivery, ErrorKind, Event, Mailer, TrustRoots};
use everpost_rehearsal::{Action, At, Fault, Rehearsal, Which};

async fn server() -> Rehearsal {
    Rehearsal::builder().credentials("app", "secret").start().await.unwrap()
}

fn mailer(server: &Rehearsal) -> Mailer {
    Mailer::builder(server.host())
        .port(server.implicit_addr().port())
        .trust(TrustRoots::Pem(server.ca_pem().into()))
        .credentials(Credentials::password("app", "secret"))
        .max_connections(1)
        .build()
        .unwrap()
}

fn message(id: &str) -> String {
    format!("From: app@example.org\r\nTo: ann@example.com\r\nMessage-ID: {id}\r\n\r\nhello\r\n")
}

/// Whether the mailer said that the message's delivery is unknown.
async fn reported_unknown(
    mailer: &Mailer,
    events: &mut everpost::mailer::Events,
    id: &str,
) -> bool {
    mailer.close().await;
    let mut unknown = false;
    // The mailer still lives, so the stream has no end of its own.
    while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
        unknown |= matches!(event, Event::DeliveryUnknown { message_id, .. } if message_id == id);
    }
    unknown
}

#[tokio::test]
async fn a_send_cancelled_at_any_await_leaves_the_next_message_its_own_result() {
    let server = server().await;
    for polls in 0..40 {
        for warm in [false, true] {
            let mailer = mailer(&server);
            let mut events = mailer.events();
            if warm {
                mailer.send(message("<warm@example.org>")).await.unwrap();
            }
            let first = format!("<first.{polls}.{warm}@example.org>");
            let second = format!("<second.{polls}.{warm}@example.org>");
            let mut sending = Box::pin(mailer.send(message(&first)));
            let mut done = false;
            for _ in 0..polls {
                if let Poll::Ready(result) = futures_poll(sending.as_mut()).await {
                    assert_eq!(result.unwrap().message_id(), first);
                    done = true;
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(sending);
            let receipt = mailer.send(message(&second)).await.unwrap();
            assert_eq!(receipt.message_id(), second);
            assert_eq!(server.copies(&second), 1);
            let unknown = reported_unknown(&mailer, &mut events, &first).await;
            server.wait_closed().await;
            let copies = server.copies(&first);
            assert!(copies <= 1);
            if done {
                assert_eq!(copies, 1);
            } else if !unknown {
                assert_eq!(copies, 0, "cancelled after {polls} polls and not said to be unknown");
            }
        }
    }
}

/// Polls once.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test]
async fn a_send_cancelled_at_any_byte_of_the_wire_is_not_sent_or_reported() {
    let server = server().await;
    let length = {
        let mailer = mailer(&server);
        mailer.send(message("<probe@example.org>")).await.unwrap();
        mailer.close().await;
        server.wait_closed().await;
        server.connections()[0].received
    };
    for byte in (1..length).step_by(5) {
        let mailer = mailer(&server);
        let mut events = mailer.events();
        let (first, second) =
            (format!("<{byte}.a@example.org>"), format!("<{byte}.b@example.org>"));
        let fault = Fault::stall(At::Received(byte)).on(Which::Next);
        let stalled = server.inject(fault).unwrap();
        // In the bytes of QUIT the message has long been accepted.
        let accepted = tokio::select! {
            result = mailer.send(message(&first)) => result.is_ok(),
            () = stalled.fired() => false,
        };
        stalled.release();
        let receipt = mailer.send(message(&second)).await.unwrap();
        assert_eq!(receipt.message_id(), second, "byte {byte}");
        let unknown = reported_unknown(&mailer, &mut events, &first).await;
        server.wait_closed().await;
        assert_eq!(server.copies(&second), 1);
        let copies = server.copies(&first);
        assert!(copies <= usize::from(unknown || accepted), "byte {byte}: {copies} copies");
    }
}

#[tokio::test]
async fn cancelling_a_chained_message_harms_neither_neighbour() {
    let server = server().await;
    let mailer = mailer(&server);
    mailer.send(message("<warm@example.org>")).await.unwrap();
    // The verdict on the first is held back while the second rides behind it.
    let held = server.inject(Fault::stall(At::EndOfData)).unwrap();
    let sends = |id: &'static str| {
        let mailer = mailer.clone();
        tokio::spawn(async move { mailer.send(message(id)).await })
    };
    let first = sends("<first@example.org>");
    let second = sends("<second@example.org>");
    let third = sends("<third@example.org>");
    held.fired().await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    held.release();
    assert_eq!(first.await.unwrap().unwrap().message_id(), "<first@example.org>");
    assert_eq!(third.await.unwrap().unwrap().message_id(), "<third@example.org>");
    mailer.close().await;
    server.wait_closed().await;
    for (id, copies) in [("first", 1), ("second", 0), ("third", 1)] {
        assert_eq!(server.copies(&format!("<{id}@example.org>")), copies, "{id}");
    }
}

#[tokio::test]
async fn a_send_that_times_out_after_the_dot_gets_its_verdict_late() {
    let server = server().await;
    let builder = Mailer::builder(server.host())
        .port(server.implicit_addr().port())
        .trust(TrustRoots::Pem(server.ca_pem().into()))
        .credentials(Credentials::password("app", "secret"));
    let mailer = builder.send_timeout(Duration::from_millis(300)).build().unwrap();
    let mut events = mailer.events();
    let held = server.inject(Fault::new(At::EndOfData, Action::Stall)).unwrap();
    let error = mailer.send(message("<late@example.org>")).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert_eq!(error.message_id(), Some("<late@example.org>"));
    // The place in the pool is free again meanwhile.
    let late = error.late_verdict().unwrap();
    held.release();
    let receipt = late.await.unwrap().unwrap();
    assert_eq!(receipt.message_id(), "<late@example.org>");
    assert_eq!(server.copies("<late@example.org>"), 1);
    let told = loop {
        if let Event::LateVerdict { delivery, .. } = events.next().await.unwrap() {
            break delivery;
        }
    };
    assert_eq!(told, Delivery::Accepted);
    assert_eq!(mailer.stats().late_verdicts, 1);
}

#[tokio::test]
async fn a_caller_that_says_it_leaves_is_told_at_once_what_is_known() {
    let server = server().await;
    let mailer = mailer(&server);
    let error = mailer.send_until(message("<gone@example.org>"), async {}).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Cancelled, Delivery::NotSent));

    // The server has the message, and keeps its verdict to itself.
    let held = server.inject(Fault::stall(At::EndOfData)).unwrap();
    let error = mailer.send_until(message("<late@example.org>"), held.fired()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::DeliveryUnknown, Delivery::Unknown));
    assert!(error.late_verdict().is_some());
    assert_eq!(server.copies("<gone@example.org>"), 0);
}
