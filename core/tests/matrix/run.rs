//! One run: a message, a fault, and what became of both.

use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use everpost::mailer::Events;
use everpost::network::{BoxFuture, Network as NetworkTrait, Stream, Tcp};
use everpost::{
    Credentials, Delivery, Error, Event, Mailer, MailerBuilder, Mechanism, Receipt, RetryPolicy,
    TlsMode,
};
use everpost_rehearsal::{At, Chain, Cut, Fault, FaultHandle, Rehearsal, Which};
use tokio::sync::Notify;

use crate::data::{Cell, Deed, Matrix, Network, Row, Tls};
use crate::support::{Memory, in_memory, listener, over_tcp};

/// How a run differs from the first of its cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    #[default]
    Plain,
    /// `max_attempts = 1`.
    OneAttempt,
    /// Pipelining is switched off.
    StepByStep,
    /// Chunking is switched on.
    Chunking,
    /// The certificate changes under the session instead of ending it.
    InPlace,
}

/// One run of a cell.
#[derive(Clone, Debug)]
pub struct Run {
    pub cell: Cell,
    pub at: Option<At>,
    pub keep: Option<bool>,
    pub variant: Variant,
    pub id: String,
}

impl Run {
    /// Whether it needs time to pass, or a network without sockets.
    pub fn in_memory(&self) -> bool {
        self.cell.network == Some(Network::Memory)
            || matches!(self.cell.deed, Deed::Wait(_) | Deed::Leave(_))
    }

    fn is_at(&self, at: At) -> bool {
        self.at == Some(at)
    }

    /// Whether this outcome is the one that the file asks for. The variants
    /// that change the commands are held to honesty alone.
    fn expects(&self, outcome: &str) -> bool {
        let expect = self.cell.expect.as_str();
        match self.variant {
            Variant::Plain => outcome == expect,
            Variant::StepByStep | Variant::Chunking => true,
            // A connection that was used before is replaced without charge.
            Variant::OneAttempt if self.is_at(At::Idle) => outcome == expect,
            Variant::OneAttempt => match expect {
                "retried" => outcome.starts_with("not_sent:") || outcome == "refused",
                expect if expect.starts_with("not_sent:") => outcome.starts_with("not_sent:"),
                expect => outcome == expect,
            },
            // Only the handshake itself shows the certificate.
            Variant::InPlace => match (expect, &self.cell.deed) {
                (expect, Deed::Certify(_, chain)) if self.shows_certificate() => {
                    outcome == if *chain == Chain::Good { "delivered" } else { expect }
                }
                _ => outcome == "delivered",
            },
        }
    }

    fn shows_certificate(&self) -> bool {
        matches!(self.at, Some(At::Accept | At::Handshake | At::StartTls))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.cell.deed, self.at)?;
        if let Some(keep) = self.keep {
            write!(f, ", {}", if keep { "message kept" } else { "message discarded" })?;
        }
        match self.variant {
            Variant::Plain => Ok(()),
            variant => write!(f, ", {variant:?}"),
        }
    }
}

/// What became of a run.
#[derive(Debug)]
pub struct Seen {
    pub outcome: String,
    /// What was wrong, if anything.
    pub wrong: Option<String>,
}

/// Does the run and judges it.
pub async fn judge(server: &Arc<Rehearsal>, matrix: &Matrix, run: &Run) -> Seen {
    // Paused time gets here at once when everything has stopped.
    let patience = Duration::from_secs(if run.in_memory() { 7200 } else { 60 });
    let seen = match tokio::time::timeout(patience, perform(server, matrix, run)).await {
        Ok(seen) => seen,
        Err(_) => {
            Seen { outcome: "endless".into(), wrong: Some(format!("no end in {patience:?}")) }
        }
    };
    server.clear_faults();
    present_good(server);
    server.drop_connections(Cut::Rst).await;
    server.wait_closed().await;
    server.clear_received();
    seen
}

/// Goes back to the first certificate.
fn present_good(server: &Rehearsal) {
    while server.rollback().is_ok() {}
}

async fn perform(server: &Arc<Rehearsal>, matrix: &Matrix, run: &Run) -> Seen {
    let row = &matrix.rows[run.cell.row];
    let broken = Broken::of(run.cell.network);
    let mailer = mailer(server, row, run, broken.clone());
    let mut events = mailer.events();
    let told = strike(server, matrix, row, run, &mailer, &mut events, broken).await;
    server.clear_faults();
    present_good(server);

    // Whatever happened, the next message has its own fate.
    let next = format!("{}+", run.id);
    let follow = match run.is_at(At::Quit) {
        true => None,
        false => Some(mailer.send(matrix.message(row, &next)).await),
    };
    mailer.close().await;
    server.wait_closed().await;
    let (mut unknown, mut late) = (false, None);
    while let Some(Some(event)) = now(events.next()).await {
        match event {
            Event::DeliveryUnknown { message_id, .. } if message_id.contains(&run.id) => {
                unknown = true;
            }
            Event::LateVerdict { delivery, .. } => late = Some(delivery),
            _ => {}
        }
    }
    let outcome = match &told {
        Some(Ok(receipt)) if receipt.attempts() == 1 => "delivered".to_owned(),
        Some(Ok(_)) => "retried".to_owned(),
        Some(Err(error)) => match error.delivery() {
            Delivery::Refused => "refused".to_owned(),
            Delivery::NotSent => format!("not_sent:{}", error.kind().as_str()),
            _ => "unknown".to_owned(),
        },
        None if unknown => "unknown".to_owned(),
        None => "not_sent:cancelled".to_owned(),
    };

    let copies = server.copies(&run.id);
    let mut wrong = Vec::new();
    if !honest(&outcome, copies) {
        wrong.push(format!("{copies} copies, and the caller was told {outcome}: {told:?}"));
    }
    if unknown && outcome != "unknown" {
        wrong.push(format!("delivery_unknown was told of a message that is {outcome}"));
    }
    match late {
        Some(Delivery::Accepted) if copies != 1 => wrong.push("accepted late, no copy".into()),
        Some(Delivery::Refused) if copies != 0 => wrong.push("refused late, one copy".into()),
        _ => {}
    }
    match &follow {
        None => {}
        Some(Ok(receipt)) => {
            let (id, copies) = (receipt.message_id(), server.copies(&next));
            if !id.contains(&next) || copies != 1 {
                wrong.push(format!("the next message: receipt of {id}, {copies} copies"));
            }
        }
        // A verdict against the endpoint holds for a moment.
        Some(Err(error)) => {
            let resting = outcome.starts_with("not_sent:") && error.delivery() == Delivery::NotSent;
            if !resting || server.copies(&next) != 0 {
                wrong.push(format!("the next message was not delivered: {error:?}"));
            }
        }
    }
    if !run.expects(&outcome) {
        let expect = &run.cell.expect;
        wrong.push(format!("expected {expect} of the plain run, got {outcome}: {told:?}"));
    }
    let wrong = (!wrong.is_empty()).then(|| wrong.join("; "));
    Seen { outcome, wrong }
}

/// What the server may hold after the caller was told this.
fn honest(outcome: &str, copies: usize) -> bool {
    match outcome {
        "delivered" | "retried" => copies == 1,
        "unknown" => copies <= 1,
        _ => copies == 0,
    }
}

/// What the caller came to know; `None` if it left before.
type Told = Option<Result<Receipt, Error>>;

/// Sends the message and lets the fault strike.
async fn strike(
    server: &Rehearsal,
    matrix: &Matrix,
    row: &Row,
    run: &Run,
    mailer: &Mailer,
    events: &mut Events,
    broken: Option<Arc<Broken>>,
) -> Told {
    let idle = run.is_at(At::Idle);
    if idle {
        mailer.send(matrix.message(row, &format!("{}-", run.id))).await.expect("no fault yet");
    }
    let armed = run.at.map(|at| {
        let (Deed::Act(action)
        | Deed::Wait(action)
        | Deed::Certify(action, _)
        | Deed::Leave(action)) = &run.cell.deed;
        let mut fault = Fault::new(at, action.clone());
        fault.which = if idle { Which::Any } else { Which::Next };
        fault.keep = run.keep;
        server.inject(fault).expect("the file asks for what the server can do")
    });
    if let (true, Some(armed)) = (idle, &armed) {
        armed.fired().await;
        change(server, run, armed).await;
        let ends = !matches!(run.cell.deed, Deed::Wait(_) | Deed::Leave(_));
        if ends && run.variant != Variant::InPlace {
            // It is noticed without a message to send.
            while !matches!(events.next().await, None | Some(Event::Retired { .. })) {}
        }
    }
    let mut sending = pin!(async {
        let result = mailer.send(matrix.message(row, &run.id)).await;
        if run.is_at(At::Quit) {
            mailer.close().await;
        }
        result
    });
    let struck = async {
        match (&armed, &broken) {
            (Some(armed), _) if !idle => armed.fired().await,
            (None, Some(broken)) => broken.met.notified().await,
            _ => {}
        }
    };
    match run.cell.deed {
        Deed::Act(_) | Deed::Wait(_) => Some(sending.await),
        Deed::Leave(_) => tokio::select! {
            biased;
            result = sending.as_mut() => Some(result),
            () = struck => None,
        },
        Deed::Certify(..) if idle => Some(sending.await),
        Deed::Certify(..) => {
            tokio::select! {
                biased;
                result = sending.as_mut() => return Some(result),
                () = struck => {}
            }
            if let Some(armed) = &armed {
                change(server, run, armed).await;
            }
            Some(sending.await)
        }
    }
}

/// Gives the server, which is held, another certificate: by a restart, which
/// ends its connections, or in place.
async fn change(server: &Rehearsal, run: &Run, armed: &FaultHandle) {
    let Deed::Certify(_, chain) = run.cell.deed else { return };
    server.present(chain).await.expect("any chain can be made");
    if run.variant != Variant::InPlace {
        server.drop_connections(Cut::Rst).await;
    }
    armed.release();
}

/// Polls a future once.
async fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn mailer(server: &Arc<Rehearsal>, row: &Row, run: &Run, broken: Option<Arc<Broken>>) -> Mailer {
    let mode = match row.tls {
        Tls::Implicit => TlsMode::Implicit,
        Tls::StartTls => TlsMode::StartTls,
    };
    let mut retry = RetryPolicy::default();
    retry.backoff = Duration::from_millis(1);
    if run.variant == Variant::OneAttempt {
        retry.max_attempts = 1;
    }
    let builder: MailerBuilder =
        if run.in_memory() { in_memory(server, mode) } else { over_tcp(server, mode) };
    let builder = match broken {
        None => builder,
        Some(broken) => {
            let inner: Arc<dyn NetworkTrait> = match run.in_memory() {
                true => Memory::to(server, listener(mode)),
                false => Arc::new(Tcp),
            };
            builder.network(Arc::new(Breaking { inner, broken }))
        }
    };
    builder
        .credentials(Credentials::password("user", "secret"))
        .auth_mechanisms([Mechanism::Plain])
        .retry(retry)
        .pipelining(run.variant != Variant::StepByStep)
        .chunking(run.variant == Variant::Chunking)
        .build()
        .expect("a good configuration")
}

/// The first connection over this network goes wrong.
#[derive(Debug)]
struct Broken {
    refuses: bool,
    over: AtomicBool,
    met: Notify,
}

impl Broken {
    fn of(network: Option<Network>) -> Option<Arc<Self>> {
        let refuses = match network? {
            Network::Memory => return None,
            Network::Refused => true,
            Network::Silent => false,
        };
        Some(Arc::new(Broken { refuses, over: AtomicBool::new(false), met: Notify::new() }))
    }
}

#[derive(Debug)]
struct Breaking {
    inner: Arc<dyn NetworkTrait>,
    broken: Arc<Broken>,
}

impl NetworkTrait for Breaking {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.inner.resolve(host, port)
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        if self.broken.over.swap(true, Ordering::Relaxed) {
            return self.inner.connect(address, bind);
        }
        let attempt: Pin<Box<dyn Future<Output = _> + Send>> = if self.broken.refuses {
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        } else {
            Box::pin(async {
                self.broken.met.notify_one();
                pending().await
            })
        };
        attempt
    }
}
