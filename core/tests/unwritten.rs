//! A write that fails before the network took a byte of it proves that nothing
//! was sent, even if it held the end of the data.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use everpost::network::{BoxFuture, Network, Stream};
use everpost::{Delivery, Mailer, RetryPolicy, Tcp, TlsMode, TrustRoots};
use everpost_rehearsal::Rehearsal;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Connections of which the n-th write fails as on a connection that was
/// reset; those after the first connection are sound.
#[derive(Debug)]
struct Failing {
    at: usize,
    connections: std::sync::atomic::AtomicUsize,
}

#[derive(Debug)]
struct FailingStream {
    stream: Box<dyn Stream>,
    writes_left: usize,
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
            let first = self.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            let writes_left = if first { self.at } else { usize::MAX };
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
        if self.writes_left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.writes_left -= 1;
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
