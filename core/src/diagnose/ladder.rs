//! The climb: rung by rung over one connection.
//!
//! The order of the rungs is the order of the code. Each is timed and told as
//! soon as it is known; the first that fails ends the climb, and what is known
//! by then is made into a cause.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Diagnosis;
use super::cause::Cause;
use super::overheard::{FirstBytes, Overheard};
use super::report::{DiagnosisReport, Outcome, Rung, Step};
use crate::certificate::CertificateReport;
use crate::clock::Clock;
use crate::config::Config;
use crate::finding::{Finding, FindingId, Severity};
use crate::network::Network;
use crate::session::{Connector, Draft, say_quit};
use crate::smtp::Capabilities;
use crate::{Error, ErrorKind, MailerBuilder, TlsMode};

mod account;
mod session;
mod why;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A rung that failed.
struct Fall {
    step: Step,
    elapsed: Duration,
    error: Error,
    /// Where more is known than the error says.
    cause: Option<Cause>,
}

pub(super) struct Ladder<'a> {
    diagnosis: &'a Diagnosis,
    /// Behind a lock that nobody waits for, so that the climb may go on in
    /// another thread.
    tell: Mutex<&'a mut (dyn FnMut(&Rung) + Send)>,
    config: &'a Config,
    network: &'a Arc<dyn Network>,
    clock: &'a Arc<dyn Clock>,
    connector: Connector,
    started: Instant,
    started_at: SystemTime,
    rungs: Vec<Rung>,
    notes: Vec<Finding>,
    address: Option<SocketAddr>,
    certificate: Option<Arc<CertificateReport>>,
    first: FirstBytes,
    /// What the last EHLO offered.
    offered: Option<Capabilities>,
}

impl<'a> Ladder<'a> {
    pub(super) fn new(
        diagnosis: &'a Diagnosis,
        connector: Connector,
        tell: &'a mut (dyn FnMut(&Rung) + Send),
    ) -> Self {
        let MailerBuilder { config, network, clock } = &diagnosis.mailer;
        Ladder {
            diagnosis,
            tell: Mutex::new(tell),
            config,
            network,
            clock,
            connector,
            started: Instant::now(),
            started_at: clock.now(),
            rungs: Vec::new(),
            notes: Vec::new(),
            address: None,
            certificate: None,
            first: FirstBytes::default(),
            offered: None,
        }
    }

    pub(super) async fn climb(mut self) -> DiagnosisReport {
        let fall = self.rungs_in_order().await.err();
        let (cause, error) = match fall {
            Some(fall) => {
                let cause = self.why(&fall).await;
                let detail = cause.finding.id.as_str().replace('-', " ");
                self.push(fall.step, Outcome::Failed, fall.elapsed, detail);
                self.skip_the_rest();
                if self.certificate.is_none() {
                    self.certificate = fall.error.certificate().cloned().map(Arc::new);
                }
                (Some(cause), Some(fall.error.with_endpoint(&self.config.endpoint)))
            }
            None => (None, None),
        };
        let (cause, remedy) = cause.map(|it| (it.finding, it.remedy)).unzip();
        DiagnosisReport {
            endpoint: self.config.endpoint.clone(),
            started_at: self.started_at,
            duration: self.started.elapsed(),
            address: self.address,
            rungs: self.rungs,
            cause,
            remedy,
            notes: self.notes,
            certificate: self.certificate,
            error,
        }
    }

    async fn rungs_in_order(&mut self) -> Result<(), Fall> {
        let (stream, address) = self.reach().await?;
        self.address = Some(address);
        let stream = Box::new(Overheard::new(stream, self.first.clone()));
        let mut draft = self.connector.begin(stream, address);
        let mode = self.config.endpoint.tls;
        if mode == TlsMode::Implicit {
            draft = self.secure(draft).await?;
        }
        let met = self.meet(&mut draft).await;
        self.polite(met, &mut draft).await?;
        match mode {
            TlsMode::Implicit => {}
            TlsMode::None => self.skip(Step::Handshake, "plain text, as configured"),
            TlsMode::Opportunistic | TlsMode::StartTls if !draft.opening.wants_tls() => {
                self.skip(Step::Handshake, "plain text: opportunistic TLS goes on without it");
            }
            TlsMode::Opportunistic | TlsMode::StartTls => {
                draft = self.secure(draft).await?;
                let told = self.introduce_again(&mut draft).await;
                self.polite(told, &mut draft).await?;
            }
        }
        self.offered = Some(draft.opening.capabilities().clone());
        let served = self.account(&mut draft).await;
        self.polite(served, &mut draft).await?;
        say_quit(&mut draft.io, GOODBYE).await;
        Ok(())
    }

    /// Says QUIT before a fall that leaves the server listening.
    async fn polite<T>(&mut self, result: Result<T, Fall>, draft: &mut Draft) -> Result<T, Fall> {
        if let Err(fall) = &result {
            let broken = matches!(
                fall.error.kind(),
                ErrorKind::Timeout | ErrorKind::Connect | ErrorKind::Protocol | ErrorKind::Tls
            );
            if !broken {
                say_quit(&mut draft.io, GOODBYE).await;
            }
        }
        result
    }

    fn note(&mut self, id: FindingId, message: String) {
        self.notes.push(Finding::new(id, message).with_severity(Severity::Warning));
    }

    fn held(&mut self, step: Step, started: Instant, detail: String) {
        self.push(step, Outcome::Held, started.elapsed(), detail);
    }

    fn skip(&mut self, step: Step, why: &str) {
        self.push(step, Outcome::Skipped, Duration::ZERO, why.to_owned());
    }

    fn push(&mut self, step: Step, outcome: Outcome, elapsed: Duration, detail: String) {
        let rung = Rung { step, outcome, elapsed, detail };
        (self.tell.get_mut().unwrap_or_else(PoisonError::into_inner))(&rung);
        self.rungs.push(rung);
    }

    /// The rungs above the one that failed.
    fn skip_the_rest(&mut self) {
        use Step::*;
        let way: &[Step] = match self.config.endpoint.tls {
            TlsMode::Implicit => &[Dns, Tcp, Handshake, Certificate, Greeting, Ehlo],
            TlsMode::None => &[Dns, Tcp, Greeting, Ehlo, Handshake],
            _ => &[Dns, Tcp, Greeting, Ehlo, StartTls, Handshake, Certificate, EhloInTls],
        };
        let asked = self.diagnosis;
        let account = [
            (AuthOffered, true),
            (Auth, true),
            (Size, asked.size.is_some()),
            (Sender, asked.sender.is_some()),
            (Recipients, !asked.recipients.is_empty()),
        ];
        let wanted = account.into_iter().filter_map(|(step, wanted)| wanted.then_some(step));
        for step in way.iter().copied().chain(wanted) {
            if self.rungs.iter().all(|rung| rung.step != step) {
                self.skip(step, "not reached");
            }
        }
    }
}

/// Marks an error with its rung.
fn on<T>(step: Step, started: Instant, result: Result<T, Error>) -> Result<T, Fall> {
    result.map_err(|error| Fall { step, elapsed: started.elapsed(), error, cause: None })
}

/// Runs a step and marks its error with its rung.
async fn timed<T>(
    step: Step,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<(T, Instant), Fall> {
    let started = Instant::now();
    let value = on(step, started, work.await)?;
    Ok((value, started))
}
