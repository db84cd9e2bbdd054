//! A caller may leave at any point; neither the message, nor its neighbours,
//! nor the pool may suffer.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use everpost::{
    Credentials, Delivery, Error, ErrorKind, Event, Mailer, Message, Receipt, TrustRoots,
};
use everpost_rehearsal::{Action, At, Fault, Rehearsal, Which};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::sync::Notify;

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

#[tokio::test]
async fn a_connection_cut_because_too_many_linger_costs_the_message_behind_nothing() {
    let server = server().await;
    let mailer = mailer(&server);
    let held = server.inject(Fault::stall(At::EndOfData)).unwrap();
    let lingering = mailer.send_until(message("<lingers@example.org>"), held.fired()).await;
    assert_eq!(lingering.unwrap_err().delivery(), Delivery::Unknown);
    // One may linger; the next that is left after its dot is cut.
    let again = server.inject(Fault::stall(At::EndOfData)).unwrap();
    let left = mailer.send_until(message("<left@example.org>"), again.fired());
    let (left, behind) = tokio::join!(left, mailer.send(message("<behind@example.org>")));
    let left = left.unwrap_err();
    assert_eq!(left.delivery(), Delivery::Unknown);
    assert!(left.late_verdict().unwrap().await.is_none(), "no proof came with the cut");
    assert_eq!(behind.unwrap().message_id(), "<behind@example.org>");
    assert_eq!(server.copies("<behind@example.org>"), 1);
    held.release();
    again.release();
}

#[tokio::test]
async fn a_message_behind_one_that_is_left_after_its_dot_goes_elsewhere_at_once() {
    let server = server().await;
    let mailer = mailer(&server);
    let held = server.inject(Fault::stall(At::EndOfData)).unwrap();
    let left = mailer.send_until(message("<left@example.org>"), held.fired());
    let behind = async {
        let sending = mailer.send(message("<behind@example.org>"));
        tokio::time::timeout(Duration::from_secs(20), sending).await
    };
    let (left, behind) = tokio::join!(left, behind);
    assert_eq!(left.unwrap_err().delivery(), Delivery::Unknown);
    let behind = behind.unwrap().unwrap();
    assert_eq!((behind.message_id(), behind.attempts()), ("<behind@example.org>", 1));
    assert_eq!((server.copies("<behind@example.org>"), server.stats().connections), (1, 2));
    held.release();
}

#[tokio::test]
async fn a_connection_that_is_left_in_the_middle_of_a_message_is_closed_at_once() {
    let server = server().await;
    let mailer = mailer(&server);
    // The server says nothing now, so only the client can end it.
    let held = server.inject(Fault::new(At::Body(1000), Action::ShutWindow)).unwrap();
    let text = message("<left@example.org>") + &"0123456789\r\n".repeat(1_000_000);
    let error = mailer.send_until(text, held.fired()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Cancelled, Delivery::NotSent));
    held.release();
    tokio::time::timeout(Duration::from_secs(20), server.wait_closed()).await.unwrap();
    assert_eq!(server.copies("<left@example.org>"), 0);
}

#[tokio::test]
async fn a_connection_that_is_left_in_the_middle_is_closed_without_a_word() {
    let server = server().await;
    let builder = Mailer::builder(server.host())
        .port(server.implicit_addr().port())
        .trust(TrustRoots::Pem(server.ca_pem().into()))
        .credentials(Credentials::password("app", "secret"));
    // Here QUIT would be taken for what it is; in a chunk it would be content.
    let mailer = builder.pipelining(false).build().unwrap();
    let held = server.inject(Fault::stall(At::Mail)).unwrap();
    let error = mailer.send_until(message("<left@example.org>"), held.fired()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Cancelled, Delivery::NotSent));
    held.release();
    server.wait_closed().await;
    let commands = &server.connections()[0].commands;
    assert!(commands.last().unwrap().starts_with("MAIL FROM"), "{commands:?}");
}

type Sending = Pin<Box<dyn Future<Output = Result<Receipt, Error>> + Send>>;

/// A reader at whose end its message's own caller leaves.
struct Leaving(Arc<Mutex<Option<Sending>>>, Arc<Notify>);

impl AsyncRead for Leaving {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        drop(self.0.lock().unwrap().take());
        self.1.notify_one();
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_caller_that_leaves_as_the_last_byte_is_read_still_stops_the_message() {
    let server = server().await;
    let mailer = mailer(&server);
    let (sending, left) = (Arc::new(Mutex::new(None::<Sending>)), Arc::new(Notify::new()));
    // More than is looked at beforehand.
    let text = message("<left@example.org>") + &"0123456789\r\n".repeat(100_000);
    let leaving = Leaving(Arc::clone(&sending), Arc::clone(&left));
    let reader = std::io::Cursor::new(text).chain(leaving);
    let sender = mailer.clone();
    let send = async move { sender.send(Message::from_reader(reader)).await };
    *sending.lock().unwrap() = Some(Box::pin(send));
    let poll = std::future::poll_fn(|cx| match &mut *sending.lock().unwrap() {
        Some(sending) => sending.as_mut().poll(cx),
        None => Poll::Pending,
    });
    tokio::select! {
        result = poll => panic!("the caller has left: {result:?}"),
        () = left.notified() => {}
    }
    mailer.close().await;
    server.wait_closed().await;
    assert_eq!(server.copies("<left@example.org>"), 0);
    assert_eq!(mailer.stats().unknown, 0);
}

/// What a careless reader does.
struct Panicking;

impl AsyncRead for Panicking {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        panic!("a reader panics")
    }
}

#[tokio::test]
async fn a_reader_that_panics_costs_its_message_and_its_connection_and_nothing_else() {
    let server = server().await;
    let mailer = mailer(&server);
    mailer.send(message("<warm@example.org>")).await.unwrap();
    // More than is looked at beforehand.
    let text = message("<panics@example.org>") + &"0123456789\r\n".repeat(100_000);
    let reader = std::io::Cursor::new(text).chain(Panicking);
    let panics = mailer.send(Message::from_reader(reader));
    let (panics, next) = tokio::join!(panics, mailer.send(message("<next@example.org>")));
    let error = panics.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Internal, Delivery::NotSent));
    assert_eq!(next.unwrap().message_id(), "<next@example.org>");
    mailer.close().await;
    server.wait_closed().await;
    assert_eq!(server.stats().connections, 2, "a dirty connection is not used again");
    assert_eq!(server.copies("<panics@example.org>"), 0);
    assert_eq!(server.copies("<next@example.org>"), 1);
}
