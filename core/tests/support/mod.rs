//! What the integration tests share: mailers for a rehearsal server, over a
//! network in memory (where tokio's time can be paused) or over loopback.

#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everpost::network::{BoxFuture, Network, Stream};
use everpost::{Error, Mailer, MailerBuilder, Message, Receipt, TlsMode, TrustRoots};
use everpost_rehearsal::{Listener, Rehearsal};
use tokio::io::DuplexStream;

/// How much a pipe in memory holds, as a socket's buffers would.
const PIPE: usize = 64 * 1024;

type Serve = dyn Fn(usize, DuplexStream) -> BoxFuture<'static, ()> + Send + Sync;

/// A network in memory: each connection is a task of its own at the far end.
pub struct Memory {
    serve: Box<Serve>,
    connections: AtomicUsize,
}

impl Memory {
    /// Every connection is served by `serve`, which gets its number, from 1.
    pub fn new<F, Fut>(serve: F) -> Arc<Self>
    where
        F: Fn(usize, DuplexStream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let serve =
            Box::new(move |number, stream| Box::pin(serve(number, stream)) as BoxFuture<'_, _>);
        Arc::new(Memory { serve, connections: AtomicUsize::new(0) })
    }

    /// Every connection goes to this listener of the server.
    pub fn to(server: &Arc<Rehearsal>, listener: Listener) -> Arc<Self> {
        let server = Arc::clone(server);
        Memory::new(move |_, stream| server.serve_stream(stream, listener))
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Network for Memory {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]) })
    }

    fn connect<'a>(
        &'a self,
        _: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(PIPE);
            let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::spawn((self.serve)(number, far));
            Ok(Box::new(near) as Box<dyn Stream>)
        })
    }
}

/// The listener that goes with a TLS mode.
pub fn listener(mode: TlsMode) -> Listener {
    match mode {
        TlsMode::Implicit => Listener::Implicit,
        TlsMode::StartTls | TlsMode::Opportunistic => Listener::StartTls,
        TlsMode::None => Listener::Plain,
    }
}

/// A mailer for the server, in memory.
pub fn in_memory(server: &Arc<Rehearsal>, mode: TlsMode) -> MailerBuilder {
    Mailer::builder("localhost")
        .tls(mode)
        .network(Memory::to(server, listener(mode)))
        .trust(TrustRoots::Pem(server.ca_pem().into_bytes()))
}

/// A mailer for the server, over loopback.
pub fn over_tcp(server: &Rehearsal, mode: TlsMode) -> MailerBuilder {
    let address = match listener(mode) {
        Listener::Implicit => server.implicit_addr(),
        Listener::StartTls => server.starttls_addr(),
        Listener::Plain => server.plain_addr(),
    };
    Mailer::builder(address.ip().to_string())
        .tls(mode)
        .port(address.port())
        .trust(TrustRoots::Pem(server.ca_pem().into_bytes()))
}

/// A small message with this Message-ID (without brackets).
pub fn message(id: &str) -> Message {
    message_with(id, "Hello\r\n")
}

/// A message with this Message-ID and body.
pub fn message_with(id: &str, body: &str) -> Message {
    Message::from(format!(
        "From: a@example.org\r\nTo: b@example.com\r\nMessage-ID: <{id}>\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nSubject: test\r\n\r\n{body}"
    ))
}

/// Sends one small message.
pub async fn send(mailer: &Mailer, id: &str) -> Result<Receipt, Error> {
    mailer.send(message(id)).await
}

/// Ends a test over real sockets that would wait for ever.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("within 20 s")
}
