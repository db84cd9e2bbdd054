//! What a send costs, in round trips counted at the server: flights of the
//! client, and writes of the client. No clock is asked.

#![allow(clippy::unwrap_used)]

mod support;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use everpost::network::{BoxFuture, Network, Stream};
use everpost::{Credentials, Envelope, Mailer, MailerBuilder, TlsMode};
use everpost_rehearsal::{Capabilities, Rehearsal, Settings};
use futures_util::StreamExt;
use support::{in_memory, message, message_with, over_tcp, send, soon};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().build().unwrap())
}

fn without_pipelining() -> Capabilities {
    Capabilities { pipelining: false, ..Capabilities::default() }
}

/// The flights of the second send on a connection.
async fn warm(server: &Rehearsal, mailer: &Mailer, recipients: usize) -> u64 {
    let to: Vec<_> = (0..recipients).map(|n| format!("r{n}@example.com")).collect();
    let message = |id| message(id).with_envelope(Envelope::new("a@example.org", &to).unwrap());
    mailer.send(message("cold")).await.unwrap();
    let before = server.flights();
    mailer.send(message("warm")).await.unwrap();
    let flights = server.flights() - before;
    assert_eq!((server.received_count(), server.stats().connections), (2, 1));
    flights
}

#[tokio::test]
async fn a_warm_send_is_two_flights() {
    for mode in [TlsMode::Implicit, TlsMode::StartTls, TlsMode::None] {
        let server = server();
        let mailer = in_memory(&server, mode).build().unwrap();
        assert_eq!(warm(&server, &mailer, 3).await, 2, "{mode}");
    }
}

#[tokio::test]
async fn a_warm_send_over_tcp_is_two_flights() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mailer = over_tcp(&server, TlsMode::Implicit).build().unwrap();
    assert_eq!(soon(warm(&server, &mailer, 3)).await, 2);
}

#[tokio::test]
async fn a_warm_send_by_bdat_is_one_flight() {
    let server = server();
    let mailer = in_memory(&server, TlsMode::Implicit).chunking(true).build().unwrap();
    assert_eq!(warm(&server, &mailer, 3).await, 1);
    let log = &server.connections()[0];
    assert!(log.commands.iter().any(|command| command.starts_with("BDAT ")), "{log:?}");
    assert!(!log.commands.iter().any(|command| command == "DATA"), "{log:?}");
}

#[tokio::test]
async fn chunking_without_the_offer_falls_back_to_two_flights() {
    let capabilities = Capabilities { chunking: false, ..Capabilities::default() };
    let server = Arc::new(Rehearsal::builder().capabilities(capabilities).build().unwrap());
    let mailer = in_memory(&server, TlsMode::Implicit).chunking(true).build().unwrap();
    assert_eq!(warm(&server, &mailer, 3).await, 2);
}

#[tokio::test]
async fn without_pipelining_a_send_is_three_flights_and_one_for_each_recipient() {
    let offered =
        Arc::new(Rehearsal::builder().capabilities(without_pipelining()).build().unwrap());
    let mailer = in_memory(&offered, TlsMode::Implicit).build().unwrap();
    assert_eq!(warm(&offered, &mailer, 3).await, 6);

    let server = server();
    let mailer = in_memory(&server, TlsMode::Implicit).pipelining(false).build().unwrap();
    assert_eq!(warm(&server, &mailer, 2).await, 5);
}

#[tokio::test]
async fn waiting_for_all_recipients_costs_one_flight_more() {
    let server = server();
    let mailer =
        in_memory(&server, TlsMode::Implicit).require_all_recipients(true).build().unwrap();
    assert_eq!(warm(&server, &mailer, 3).await, 3);
}

#[tokio::test]
async fn a_cold_implicit_send_is_ehlo_auth_and_two() {
    let capabilities = Capabilities { auth: vec!["PLAIN".into()], ..Capabilities::default() };
    let server = Rehearsal::builder().credentials("user", "secret").capabilities(capabilities);
    let server = Arc::new(server.build().unwrap());
    let mailer = in_memory(&server, TlsMode::Implicit)
        .credentials(Credentials::password("user", "secret"))
        .build()
        .unwrap();
    send(&mailer, "cold").await.unwrap();
    let log = &server.connections()[0];
    assert_eq!((log.flights, server.flights()), (4, 4), "{:?}", log.commands);
}

#[tokio::test]
async fn a_cold_starttls_send_adds_ehlo_and_starttls() {
    let server = server();
    let mailer = in_memory(&server, TlsMode::StartTls).build().unwrap();
    send(&mailer, "cold").await.unwrap();
    assert_eq!(server.flights(), 2 + 1 + 2);
}

#[tokio::test]
async fn a_batch_on_one_connection_is_one_flight_for_each_message_and_one_to_begin() {
    for count in [50, 100] {
        let server = server();
        let mailer = in_memory(&server, TlsMode::Implicit).max_connections(1).build().unwrap();
        let messages = (0..count).map(|n| message(&format!("m{n}")));
        // A task takes turns with the connection's; the test's own future is
        // polled too seldom to keep the line filled.
        let batch = mailer.send_all(messages);
        let results = tokio::spawn(batch.collect::<Vec<_>>()).await.unwrap();
        assert!(results.iter().all(|(_, result)| result.is_ok()));
        assert_eq!(server.counts().len(), count);

        let ehlo = 1;
        assert_eq!(server.flights(), ehlo + count as u64 + 1);
        let log = &server.connections()[0];
        assert_eq!(server.stats().connections, 1);
        assert_eq!(log.unanswered_end_of_data_max, 1, "chained, but never two in doubt");
    }
}

#[tokio::test]
async fn concurrent_sends_that_wait_for_one_connection_chain() {
    let server = server();
    let mailer = in_memory(&server, TlsMode::Implicit).max_connections(1).build().unwrap();
    let sends = (0..20).map(|n| {
        let mailer = mailer.clone();
        tokio::spawn(async move { send(&mailer, &format!("m{n}")).await })
    });
    for sending in sends.collect::<Vec<_>>() {
        sending.await.unwrap().unwrap();
    }
    assert_eq!(server.flights(), 1 + 20 + 1);
    assert_eq!(server.connections()[0].unanswered_end_of_data_max, 1);
}

#[tokio::test]
async fn a_batch_without_pipelining_never_chains() {
    let server = Arc::new(Rehearsal::builder().capabilities(without_pipelining()).build().unwrap());
    let mailer = in_memory(&server, TlsMode::Implicit).max_connections(1).build().unwrap();
    let results: Vec<_> =
        mailer.send_all((0..10).map(|n| message(&format!("m{n}")))).collect().await;
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(server.flights(), 1 + 10 * 4);
}

/// Counts what the client writes to the network below it.
#[derive(Debug)]
struct Counting {
    inner: Arc<support::Memory>,
    writes: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingStream {
    inner: Box<dyn Stream>,
    writes: Arc<AtomicU64>,
}

impl Network for Counting {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<std::net::SocketAddr>>> {
        self.inner.resolve(host, port)
    }

    fn connect<'a>(
        &'a self,
        address: std::net::SocketAddr,
        bind: Option<std::net::IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let inner = self.inner.connect(address, bind).await?;
            let writes = Arc::clone(&self.writes);
            Ok(Box::new(CountingStream { inner, writes }) as Box<dyn Stream>)
        })
    }
}

impl Stream for CountingStream {}

impl AsyncRead for CountingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CountingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.writes.fetch_add(u64::from(result.is_ready()), Ordering::Relaxed);
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A mailer whose writes below TLS are counted.
fn counted(server: &Arc<Rehearsal>, mode: TlsMode) -> (MailerBuilder, Arc<AtomicU64>) {
    let writes = Arc::new(AtomicU64::new(0));
    let inner = support::Memory::to(server, support::listener(mode));
    let network = Counting { inner, writes: Arc::clone(&writes) };
    (in_memory(server, mode).network(Arc::new(network)), writes)
}

#[tokio::test]
async fn each_flight_of_a_warm_send_is_one_write() {
    for (mode, chunking, expected) in [
        (TlsMode::None, false, 2),
        (TlsMode::None, true, 1),
        (TlsMode::Implicit, false, 2),
        (TlsMode::Implicit, true, 1),
    ] {
        let server = server();
        let (builder, writes) = counted(&server, mode);
        let mailer = builder.chunking(chunking).build().unwrap();
        send(&mailer, "cold").await.unwrap();
        let before = writes.load(Ordering::Relaxed);
        send(&mailer, "warm").await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed) - before, expected, "{mode} {chunking}");
    }
}

#[tokio::test]
async fn a_large_message_leaves_in_large_writes_and_two_flights() {
    let body = "0123456789012345678901234567890123456789012345678901234567890123\r\n";
    let body = body.repeat(5_000_000 / body.len());
    for (mode, least) in [(TlsMode::None, 32_768), (TlsMode::Implicit, 8_192)] {
        let server = Arc::new(
            Rehearsal::builder()
                .settings(Settings { forget_bodies: true, ..Settings::default() })
                .build()
                .unwrap(),
        );
        let (builder, writes) = counted(&server, mode);
        let mailer = builder.build().unwrap();
        send(&mailer, "cold").await.unwrap();
        let (before, flights) = (writes.load(Ordering::Relaxed), server.flights());
        mailer.send(message_with("large", &body)).await.unwrap();
        let count = writes.load(Ordering::Relaxed) - before;
        assert!(server.received()[1].size > 4_900_000);
        assert_eq!(server.flights() - flights, 2);
        let average = body.len() as u64 / count;
        assert!(average >= least, "{mode}: {count} writes of {average} bytes");
    }
}
