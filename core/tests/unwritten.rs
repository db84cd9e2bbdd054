//! A write that fails before the network took a byte of it proves that nothing
//! of it was sent, even if it held the end of the data, and proves nothing of
//! what left before.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use everpost::network::{BoxFuture, Network, Stream};
use everpost::{Delivery, ErrorKind, Event, Mailer, RetryPolicy, Tcp, TlsMode, TrustRoots};
use everpost_rehearsal::Rehearsal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// Connections of which the n-th write fails as on a connection that was
/// reset; those after the first connection are sound.
#[derive(Debug)]
struct Failing {
    at: usize,
    connections: AtomicUsize,
}

#[derive(Debug)]
struct FailingStream {
    stream: Box<dyn Stream>,
    writes_left: Arc<AtomicUsize>,
}

impl Network for Failing {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Tcp.resolve(host, port)
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = Tcp.connect(address, bind).await?;
            let first = self.connections.fetch_add(1, Ordering::Relaxed) == 0;
            let writes_left = Arc::new(AtomicUsize::new(if first { self.at } else { usize::MAX }));
            Ok(Box::new(FailingStream { stream, writes_left }) as Box<dyn Stream>)
        })
    }
}

impl Stream for FailingStream {}

impl AsyncRead for FailingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FailingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.writes_left.load(Ordering::Relaxed) == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.writes_left.fetch_sub(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_message_that_no_write_took_is_not_sent_and_tried_again() {
    let server = Rehearsal::builder().start().await.unwrap();
    for tls in [TlsMode::None, TlsMode::StartTls, TlsMode::Implicit] {
        for chunking in [false, true] {
            for attempts in [1, 2] {
                for at in 0..12 {
                    let id = format!("<{tls}.{chunking}.{attempts}.{at}@example.org>");
                    let port = match tls {
                        TlsMode::None => server.plain_addr().port(),
                        TlsMode::StartTls => server.starttls_addr().port(),
                        _ => server.implicit_addr().port(),
                    };
                    let mut retry = RetryPolicy::default();
                    retry.max_attempts = attempts;
                    retry.backoff = std::time::Duration::from_millis(1);
                    let mailer = Mailer::builder(server.host())
                        .tls(tls)
                        .port(port)
                        .trust(TrustRoots::Pem(server.ca_pem().into()))
                        .chunking(chunking)
                        .retry(retry)
                        .network(Arc::new(Failing { at, connections: Default::default() }))
                        .build()
                        .unwrap();
                    let text =
                        format!("From: a@x.org\r\nTo: b@x.org\r\nMessage-ID: {id}\r\n\r\nhi\r\n");
                    let result = mailer.send(text).await;
                    match &result {
                        Ok(_) => assert_eq!(server.copies(&id), 1, "{id}"),
                        Err(error) => {
                            assert_eq!(error.delivery(), Delivery::NotSent, "{id}: {error:?}");
                            assert_eq!(attempts, 1, "{id}: {error:?}");
                            assert_eq!(server.copies(&id), 0, "{id}");
                        }
                    }
                }
            }
        }
    }
}

/// One connection, whose far end and whose writes are in the test's hands.
#[derive(Debug)]
struct ByHand {
    near: Mutex<Option<DuplexStream>>,
    writes_left: Arc<AtomicUsize>,
}

impl Network for ByHand {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]) })
    }

    fn connect<'a>(
        &'a self,
        _: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let near = self.near.lock().unwrap().take();
            let stream = Box::new(near.ok_or(io::ErrorKind::ConnectionRefused)?);
            let writes_left = Arc::clone(&self.writes_left);
            Ok(Box::new(FailingStream { stream, writes_left }) as Box<dyn Stream>)
        })
    }
}

/// A mailer that has this one connection, and its far end.
fn by_hand(writes_left: &Arc<AtomicUsize>, attempts: u32) -> (Mailer, DuplexStream) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let network = ByHand { near: Mutex::new(Some(near)), writes_left: Arc::clone(writes_left) };
    let mut retry = RetryPolicy::default();
    retry.max_attempts = attempts;
    let builder = Mailer::builder("localhost").tls(TlsMode::None).retry(retry).max_connections(1);
    (builder.network(Arc::new(network)).build().unwrap(), far)
}

/// Says these, each of which is answered.
async fn say(far: &mut DuplexStream, texts: &[&str]) {
    for text in texts {
        far.write_all(text.as_bytes()).await.unwrap();
        assert_ne!(far.read(&mut [0; 8192]).await.unwrap(), 0);
    }
}

fn message(id: &str) -> String {
    format!("From: a@x.org\r\nTo: b@x.org\r\nMessage-ID: {id}\r\n\r\nhi\r\n")
}

const OPENING: [&str; 2] = ["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n"];
const GO: &str = "250 sender\r\n250 recipient\r\n354 go\r\n";

#[tokio::test]
async fn a_message_chained_in_vain_proves_nothing_of_the_one_that_left_before_it() {
    let writes_left = Arc::new(AtomicUsize::new(usize::MAX));
    let (mailer, mut far) = by_hand(&writes_left, 1);
    let send = |id: &'static str| {
        let mailer = mailer.clone();
        tokio::spawn(async move { mailer.send(message(id)).await })
    };
    let left = send("<left@example.org>");
    say(&mut far, &OPENING).await;
    say(&mut far, &[GO]).await;
    // The server has the first. The second is in line when half a reply wakes
    // the connection, and its first command cannot leave any more.
    let chained = send("<chained@example.org>");
    while mailer.stats().queued == 0 {
        tokio::task::yield_now().await;
    }
    writes_left.store(0, Ordering::Relaxed);
    far.write_all(b"2").await.unwrap();
    assert_eq!(left.await.unwrap().unwrap_err().delivery(), Delivery::Unknown);
    assert_eq!(chained.await.unwrap().unwrap_err().delivery(), Delivery::NotSent);
}

#[tokio::test]
async fn a_message_that_no_write_took_is_not_sent_if_its_caller_leaves_before_the_next_attempt() {
    let writes_left = Arc::new(AtomicUsize::new(usize::MAX));
    let (mailer, mut far) = by_hand(&writes_left, 3);
    let mut events = mailer.events();
    let retried =
        async { while !matches!(events.next().await, Some(Event::Retried { .. }) | None) {} };
    let sender = mailer.clone();
    let script = async {
        say(&mut far, &OPENING).await;
        writes_left.store(0, Ordering::Relaxed);
        far.write_all(GO.as_bytes()).await.unwrap();
    };
    let sending = sender.send_until(message("<left@example.org>"), retried);
    let (result, ()) = tokio::join!(sending, script);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Cancelled, Delivery::NotSent));
}
