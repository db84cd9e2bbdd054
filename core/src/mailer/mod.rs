//! The mailer: one object for the whole life of a process.
//!
//! ```text
//! send ─▶ prepare ─▶ queue ─▶ worker ─▶ session ─▶ verdict ─▶ Receipt | Error
//!                      ▲         │  not sent: a fresh connection
//!                      └─────────┘
//! ```
//!
//! Each connection belongs to a worker, a task of its own, so that a caller
//! may leave at any await point without harm to the connection or to its
//! neighbours on it. A connection is clean by proof: a worker keeps it only
//! when every reply it is owed has been read.

mod builder;
mod event;
mod exchange;
mod explain;
mod generation;
mod health;
mod job;
mod json;
#[cfg(feature = "lettre-transport")]
mod lettre;
mod limit;
pub(crate) mod plan;
mod pool;
mod receipt;
mod send_all;
mod sentinel;
mod stats;
mod verdict;
mod waiting;
mod worker;

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_core::Stream;
use tokio::time::Instant;

pub use builder::MailerBuilder;
pub use event::{Event, Events, Leaf, Retirement};
pub use explain::{EXPLANATION_SCHEMA, ExplainOptions, Explanation, Fault, Look};
pub use health::Health;
pub use job::LateVerdict;
pub use receipt::{Receipt, RejectedRecipient};
pub use stats::Stats;

use self::pool::Pool;
use self::waiting::{Waiting, cancelled};
use crate::config::Config;
use crate::endpoint::{Endpoint, TlsMode};
use crate::error::{Delivery, Error, Stage};
use crate::message::{Limits, Message, prepare};
use crate::smtp::Capabilities;
use crate::tls::Resume;
use crate::unique::unique;

/// Sends mail through pooled connections that survive every rotation of the
/// server's certificate.
///
/// Build one and keep it for the life of the process. It is thread-safe, and
/// clones are handles to the same pool. It needs a tokio runtime with IO and
/// time; connections live on the runtime that the first send of theirs ran on.
///
/// ```no_run
/// # async fn example() -> Result<(), everpost::Error> {
/// use everpost::{Mailer, Message};
///
/// let mailer = Mailer::from_url("smtps://app%40example.org:secret@mail.example.org")?;
/// let message = Message::builder()
///     .from("app@example.org")
///     .to("ann@example.com")
///     .subject("Hello")
///     .text("Sent through every rotation.")
///     .build()?;
/// let receipt = mailer.send(message).await?;
/// println!("{}", receipt.reply());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mailer {
    handle: Arc<Handle>,
}

/// The last handle closes the pool.
struct Handle {
    pool: Arc<Pool>,
    watched: AtomicBool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Callers hold a handle while they wait, so nobody waits now: workers
        // park, see this, say QUIT and end.
        self.pool.closing.cancel();
    }
}

impl Mailer {
    /// Starts to build a mailer for a host.
    pub fn builder(host: impl Into<String>) -> MailerBuilder {
        MailerBuilder::new(Config::new(Endpoint::new(host, TlsMode::Implicit)))
    }

    /// Builds a mailer from an SMTP URL, such as
    /// `smtps://user:password@mail.example.org` (implicit TLS) or
    /// `smtp://user:password@mail.example.org?tls=required` (STARTTLS). The
    /// query takes every option of [`MailerBuilder`] that can be written as
    /// text; a wrong key is answered with a list of the right ones.
    ///
    /// # Errors
    /// `invalid_config` with the part that is wrong; never with the password.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Self::builder_from_url(url)?.build()
    }

    /// As [`from_url`](Self::from_url), to set more before it is built.
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url).
    pub fn builder_from_url(url: &str) -> Result<MailerBuilder, Error> {
        Ok(MailerBuilder::new(crate::url::parse(url)?))
    }

    fn over(pool: Arc<Pool>) -> Self {
        Mailer { handle: Arc::new(Handle { pool, watched: AtomicBool::new(false) }) }
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.handle.pool
    }

    /// Sends a message to the recipients in its header (or those it was
    /// [given](Message::with_envelope)), and returns when the server has
    /// accepted it.
    ///
    /// The future may be dropped at any point. If the message was not
    /// committed by then it is not sent; otherwise a
    /// [`delivery_unknown`](Event::DeliveryUnknown) event says so, and a
    /// [`late_verdict`](Event::LateVerdict) event follows if the server still
    /// answers.
    ///
    /// # Errors
    /// [`Error::delivery`] says what is known of the message:
    ///
    /// - `not_sent`: it is safe to send it again. What could be retried has
    ///   been.
    /// - `refused`: the server will not deliver it; [`Error::reply`] says why.
    /// - `unknown`: it may or may not have been delivered
    ///   ([`ErrorKind::DeliveryUnknown`](crate::ErrorKind)). Sending again may
    ///   make a duplicate.
    pub async fn send(&self, message: impl Into<Message>) -> Result<Receipt, Error> {
        self.send_until(message, std::future::pending()).await
    }

    /// As [`send`](Self::send), until `left` ends: then it says at once what is
    /// known of the message.
    ///
    /// # Errors
    /// As [`send`](Self::send); and when `left` ends first,
    /// [`ErrorKind::Cancelled`](crate::ErrorKind) if the message was not sent,
    /// and [`ErrorKind::DeliveryUnknown`](crate::ErrorKind) with a
    /// [late verdict](Error::late_verdict) if it had been handed over.
    pub async fn send_until(
        &self,
        message: impl Into<Message>,
        left: impl Future<Output = ()>,
    ) -> Result<Receipt, Error> {
        self.dispatch(message.into(), pin!(left)).await
    }

    /// Sends many messages over the pool, back-to-back ones on a connection in
    /// one round trip each. Yields each result with the position of its
    /// message as soon as it is known, in any order.
    ///
    /// Messages are taken from the iterator as they are needed: some ahead of
    /// the network, never all. Dropping the stream cancels what has not been
    /// sent, as with [`send`](Self::send).
    pub fn send_all<I>(
        &self,
        messages: I,
    ) -> impl Stream<Item = (usize, Result<Receipt, Error>)> + Send + Unpin + use<I>
    where
        I: IntoIterator<Item: Into<Message>, IntoIter: Send + Unpin>,
    {
        let mailer = self.clone();
        let send = move |message| {
            let mailer = mailer.clone();
            Box::pin(async move { mailer.send(message).await }) as send_all::Sending
        };
        send_all::send_all(self.send_window(), send, messages.into_iter())
    }

    /// As [`send_all`](Self::send_all), until `left` ends: each message that
    /// has no result by then gets that of [`send_until`](Self::send_until).
    pub fn send_all_until<I, L>(
        &self,
        messages: I,
        left: L,
    ) -> impl Stream<Item = (usize, Result<Receipt, Error>)> + Send + Unpin + use<I, L>
    where
        I: IntoIterator<Item: Into<Message>, IntoIter: Send + Unpin>,
        L: Future<Output = ()> + Clone + Send + Unpin + 'static,
    {
        let mailer = self.clone();
        let send = move |message| {
            let (mailer, left) = (mailer.clone(), left.clone());
            Box::pin(async move { mailer.send_until(message, left).await }) as send_all::Sending
        };
        send_all::send_all(self.send_window(), send, messages.into_iter())
    }

    /// How many messages of a batch are under way at once: enough that every
    /// connection of the pool always finds the next one.
    pub fn send_window(&self) -> usize {
        self.pool().config.pool.max_connections.saturating_mul(send_all::AHEAD)
    }

    /// What happens in this mailer from now on.
    pub fn events(&self) -> Events {
        Events::new(self.pool().listen())
    }

    /// Whether the endpoint can be used, from what has been seen; asks
    /// nothing of the network.
    pub fn health(&self) -> Health {
        self.pool().health()
    }

    /// The counters at this moment.
    pub fn stats(&self) -> Stats {
        self.pool().stats()
    }

    /// The server that this mailer sends to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.pool().config.endpoint
    }

    /// Says who is at fault: looks at every address of the endpoint afresh, by
    /// a full handshake and without logging in, and compares with what the
    /// pool holds.
    pub async fn explain(&self) -> Explanation {
        self.explain_with(ExplainOptions::default()).await
    }

    /// As [`explain`](Self::explain), with more to compare with: given the
    /// certificate file of the server, a renewal that was not loaded is told.
    pub async fn explain_with(&self, options: ExplainOptions) -> Explanation {
        explain::explain(self.pool(), options).await
    }

    /// Asks whether mail could be sent: opens a session as far as the login,
    /// with all the trust that a send asks for, and closes it. Sends nothing.
    /// Returns what the server offers after the login.
    ///
    /// The connection is one of its own beside those of the pool. What it shows
    /// of the server counts for [`health`](Self::health), and a rotation is
    /// noticed.
    ///
    /// # Errors
    /// Those of a send as far as the login; and
    /// [`ErrorKind::Closed`](crate::ErrorKind) when the mailer is closed.
    pub async fn verify(&self) -> Result<Capabilities, Error> {
        let pool = self.pool();
        let session = tokio::select! {
            biased;
            () = pool.closing.cancelled() => return Err(pool::closed()),
            opened = worker::open(pool, Resume::Never) => opened,
        };
        let session = session.inspect_err(|error| {
            // A server that is busy with this mailer is well.
            if !(worker::is_crowded(error) && pool.is_open()) {
                pool.found_ill(error);
            }
        })?;
        if let Some(peer) = &session.peer {
            pool.observe(peer, session.opened_at);
        }
        pool.recovered();
        let capabilities = session.capabilities.clone();
        // From here on `close` waits, unless it has begun: what it does not
        // wait for is not started any more.
        let _busy = pool.tasks.token();
        if pool.closing.is_cancelled() {
            return Err(pool::closed());
        }
        pool.tasks.spawn(session.quit(worker::QUIT_PATIENCE));
        Ok(capabilities)
    }

    /// Takes no more messages, waits until those that were taken are answered,
    /// and closes all connections with QUIT. When it returns, no task of this
    /// mailer runs. Verdicts that nobody waits for are given up.
    pub async fn close(&self) {
        let pool = self.pool();
        pool.closing.cancel();
        pool.tasks.close();
        pool.tasks.wait().await;
    }

    async fn dispatch<L>(&self, message: Message, mut left: Pin<&mut L>) -> Result<Receipt, Error>
    where
        L: Future<Output = ()>,
    {
        let pool = self.pool();
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::config("a mailer sends only inside a tokio runtime")
                .with_hint("call it from an async main marked with #[tokio::main]"));
        }
        let started = Instant::now();
        let config = &pool.config;
        let limits = Limits {
            max_message_size: config.max_message_size,
            max_attachment_size: config.max_attachment_size,
            read_patience: config.deadlines.data_block,
        };
        let preparing = prepare(&message, message.given_envelope(), limits, pool.now(), unique);
        let prepared = tokio::select! {
            biased;
            prepared = preparing => prepared,
            () = left.as_mut() => Err(cancelled(Stage::Prepare)),
            error = waiting::overdue(started, config.deadlines.send) => Err(error),
        };
        let prepared = prepared.inspect_err(|_| pool.counters.delivered(Delivery::NotSent))?;
        let prepared = Arc::new(prepared);
        self.watch_over();
        let (job, ticket) = job::ticketed(Arc::clone(&prepared));
        let waiting = Waiting { pool, message: &prepared, ticket: Some(ticket) };
        if let Err((_, error)) = pool.submit(job) {
            return waiting.fail(error);
        }
        waiting.wait(started, left).await
    }

    /// Starts the sentinel with the first send, when there is a runtime.
    fn watch_over(&self) {
        let pool = self.pool();
        let Some(interval) = pool.config.probe_interval else { return };
        if !self.handle.watched.swap(true, Ordering::Relaxed) {
            let closing = pool.closing.clone();
            pool.tasks.spawn(sentinel::watch(Arc::downgrade(pool), closing, interval));
        }
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer")
            .field("endpoint", &self.endpoint().to_string())
            .finish_non_exhaustive()
    }
}
