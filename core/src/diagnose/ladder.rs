//! The climb: rung by rung over one connection.
//!
//! The order of the rungs is the order of the code. Each is timed and told as
//! soon as it is known; the first that fails ends the climb, and what is known
//! by then is made into a cause.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::cause::{self, Cause, Scene};
use super::overheard::{FirstBytes, Overheard, Speech};
use super::report::{DiagnosisReport, Outcome, Rung, Step};
use super::{Diagnosis, look};
use crate::certificate::{CertificateReport, Inspector, when};
use crate::clock::Clock;
use crate::config::Config;
use crate::finding::{Finding, FindingId, Severity};
use crate::network::{Network, Stream};
use crate::session::{Connector, Draft, Io, dial, say_quit};
use crate::smtp::Capabilities;
use crate::tls::{Peer, Resume};
use crate::{Error, ErrorKind, TlsMode, TrustRoots};

mod account;

/// How long a server may be silent before it is suspected of waiting for TLS.
const SUSPICION: Duration = Duration::from_secs(3);
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
    tell: &'a mut (dyn FnMut(&Rung) + Send),
    config: Arc<Config>,
    network: Arc<dyn Network>,
    clock: Arc<dyn Clock>,
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
        config: Config,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
        tell: &'a mut (dyn FnMut(&Rung) + Send),
    ) -> Result<Self, Error> {
        let config = Arc::new(config);
        let connector =
            Connector::new(Arc::clone(&config), Arc::clone(&network), Arc::clone(&clock))?;
        Ok(Ladder {
            diagnosis,
            tell,
            connector,
            started: Instant::now(),
            started_at: clock.now(),
            config,
            network,
            clock,
            rungs: Vec::new(),
            notes: Vec::new(),
            address: None,
            certificate: None,
            first: FirstBytes::default(),
            offered: None,
        })
    }

    pub(super) async fn climb(mut self) -> Result<DiagnosisReport, Error> {
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
        Ok(DiagnosisReport {
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
        })
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

    /// DNS and TCP.
    async fn reach(&mut self) -> Result<(Box<dyn Stream>, SocketAddr), Fall> {
        let Config { endpoint, local_address, deadlines, proxy, .. } = &*Arc::clone(&self.config);
        let (host, port) = (&*endpoint.host, endpoint.port);
        if proxy.is_some() {
            self.skip(Step::Dns, "the proxy resolves the name");
            let started = Instant::now();
            let (stream, address) = on(Step::Tcp, started, self.connector.dial().await)?;
            self.held(Step::Tcp, started, format!("through the proxy at {address}"));
            return Ok((stream, address));
        }
        let started = Instant::now();
        let network = Arc::clone(&self.network);
        let resolving = dial::resolve(&*network, host, port, *local_address, deadlines.connect);
        let addresses = on(Step::Dns, started, resolving.await)?;
        let mut listed: Vec<String> =
            addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
        if addresses.len() > listed.len() {
            listed.push(format!("{} more", addresses.len() - listed.len()));
        }
        self.held(Step::Dns, started, listed.join(", "));
        let started = Instant::now();
        let budget = (deadlines.connect, deadlines.connect);
        let dialling = dial::connect(&*network, (host, port), addresses, *local_address, budget);
        let (stream, address) = on(Step::Tcp, started, dialling.await)?;
        self.held(Step::Tcp, started, address.to_string());
        Ok((stream, address))
    }

    /// The handshake, and the verdict on the certificate. A connection comes
    /// out of it only if the mailer would take the certificate.
    async fn secure(&mut self, draft: Draft) -> Result<Draft, Fall> {
        let started = Instant::now();
        match self.connector.secure(draft, Resume::Never).await {
            Ok(draft) => {
                let agreed = draft.peer.as_ref().map(agreed).unwrap_or_default();
                self.held(Step::Handshake, started, agreed);
                let started = Instant::now();
                let report = self.inspect(&draft);
                self.held(Step::Certificate, started, self.accepted(report.as_ref()));
                self.certificate = report.map(Arc::new);
                Ok(draft)
            }
            Err(error) if error.certificate().is_some() => {
                let text = "the server answers in TLS and shows its certificate".to_owned();
                self.held(Step::Handshake, started, text);
                Err(Fall { step: Step::Certificate, elapsed: Duration::ZERO, error, cause: None })
            }
            Err(error) => on(Step::Handshake, started, Err(error)),
        }
    }

    /// Judges a certificate that was accepted: it may be near its end.
    fn inspect(&mut self, draft: &Draft) -> Option<CertificateReport> {
        let Io::Tls(stream) = &draft.io else { return None };
        let chain = stream.get_ref().1.peer_certificates()?;
        let tls = &self.config.tls;
        let roots = TrustRoots::load(&tls.roots).ok()?;
        let inspector =
            tls.pins.iter().fold(Inspector::new(&roots), |inspector, pin| inspector.pin(*pin));
        let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
        let host = tls.verify_name.as_ref().unwrap_or(&self.config.endpoint.host);
        let report = inspector.inspect(&chain, host, self.clock.now());
        let worth_saying = report.findings.iter().filter(|it| it.severity > Severity::Info);
        self.notes.extend(worth_saying.cloned());
        Some(report)
    }

    fn accepted(&self, report: Option<&CertificateReport>) -> String {
        let Some(leaf) = report.and_then(CertificateReport::leaf) else {
            return "accepted".to_owned();
        };
        let until = format!(
            "valid until {} ({})",
            when::utc(leaf.not_after()),
            when::relative(leaf.not_after(), self.clock.now())
        );
        match self.config.tls.danger_accept_any_certificate {
            true => format!("accepted unchecked, as configured; {until}"),
            false => until,
        }
    }

    /// Greeting, EHLO and the reply to STARTTLS.
    async fn meet(&mut self, draft: &mut Draft) -> Result<(), Fall> {
        let started = Instant::now();
        self.greeting(draft, started).await?;
        self.held(Step::Greeting, started, said(draft));
        let started = Instant::now();
        let answer = self.ehlo(draft).await;
        self.offered = Some(draft.opening.capabilities().clone());
        match answer {
            // EHLO itself was answered.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.held(Step::Ehlo, started, self.offers());
                return on(Step::StartTls, Instant::now(), Err(error));
            }
            answer => on(Step::Ehlo, started, answer)?,
        }
        self.held(Step::Ehlo, started, self.offers());
        let mode = self.config.endpoint.tls;
        if draft.opening.stage() == crate::Stage::StartTls {
            let started = Instant::now();
            on(Step::StartTls, started, draft.talk(&self.connector).await)?;
            if draft.opening.wants_tls() {
                self.held(Step::StartTls, started, said(draft));
            } else {
                self.skip(Step::StartTls, "refused; opportunistic TLS goes on without it");
                let message = format!(
                    "{} offers STARTTLS and refuses it: {}",
                    cause::place(&self.config.endpoint),
                    said(draft)
                );
                self.note(FindingId::StarttlsRefused, message);
            }
        } else if mode == TlsMode::Opportunistic {
            self.skip(Step::StartTls, "not offered; opportunistic TLS goes on without it");
            let place = cause::place(&self.config.endpoint);
            self.note(FindingId::StarttlsMissing, format!("{place} does not offer STARTTLS"));
        }
        Ok(())
    }

    /// Waits for the greeting. A server that stays silent may be waiting for
    /// TLS: that is looked at while it goes on being silent.
    async fn greeting(&self, draft: &mut Draft, started: Instant) -> Result<(), Fall> {
        let mut talk = std::pin::pin!(draft.talk(&self.connector));
        let looks = self.diagnosis.looks && self.config.endpoint.tls != TlsMode::Implicit;
        tokio::select! {
            biased;
            talked = &mut talk => return on(Step::Greeting, started, talked),
            () = sleep(SUSPICION), if looks => {}
        }
        let tls = tokio::select! {
            biased;
            talked = &mut talk => return on(Step::Greeting, started, talked),
            tls = look::speaks_tls(&self.config, &self.network, &self.clock) => tls,
        };
        if !tls {
            return on(Step::Greeting, started, talk.await);
        }
        let cause = cause::tls_on_plaintext(&self.config.endpoint);
        let error =
            Error::new(ErrorKind::Protocol, crate::Stage::Greeting, &*cause.finding.message);
        let elapsed = started.elapsed();
        Err(Fall { step: Step::Greeting, elapsed, error, cause: Some(cause) })
    }

    /// EHLO, and HELO where the mailer would try it.
    async fn ehlo(&self, draft: &mut Draft) -> Result<(), Error> {
        while draft.opening.stage() == crate::Stage::Ehlo {
            draft.talk(&self.connector).await?;
        }
        Ok(())
    }

    async fn introduce_again(&mut self, draft: &mut Draft) -> Result<(), Fall> {
        let started = Instant::now();
        let again = async {
            draft.opening.secured()?;
            self.ehlo(draft).await
        };
        on(Step::EhloInTls, started, again.await)?;
        self.offered = Some(draft.opening.capabilities().clone());
        self.held(Step::EhloInTls, started, self.offers());
        if draft.opening.capabilities().starttls() {
            let place = cause::place(&self.config.endpoint);
            let message = format!("{place} still offers STARTTLS inside TLS");
            self.note(FindingId::StarttlsInsideTls, message);
        }
        Ok(())
    }

    /// The cause, with a look around where another port or mode may explain
    /// the fall.
    async fn why(&mut self, fall: &Fall) -> Cause {
        if let Some(cause) = &fall.cause {
            return cause.clone();
        }
        let scene = Scene {
            endpoint: &self.config.endpoint,
            step: fall.step,
            speech: Speech::of(&self.first.to_vec()),
            offered: self.offered.as_ref(),
            logs_in: self.config.credentials.is_some(),
            minimum_version: self.config.tls.minimum_version,
        };
        let cause = cause::cause(&fall.error, &scene);
        if !self.diagnosis.looks {
            return cause;
        }
        let endpoint = &self.config.endpoint;
        match cause.finding.id {
            FindingId::Refused | FindingId::Silent if self.config.proxy.is_none() => {
                self.beside(cause).await
            }
            FindingId::PlaintextOnImplicit => {
                let seen = look::speaks_plainly(&self.config, &self.network, &self.clock).await;
                match seen.and_then(|seen| seen.starttls) {
                    Some(false) => cause.with_remedy(
                        "this port offers no TLS at all: use the server's port for implicit TLS \
                         (usually 465) or STARTTLS (usually 587)",
                    ),
                    _ => cause,
                }
            }
            FindingId::ConnectionLost | FindingId::Stalled | FindingId::HandshakeFailed
                if fall.step == Step::Handshake && endpoint.tls == TlsMode::Implicit =>
            {
                let seen = look::speaks_plainly(&self.config, &self.network, &self.clock).await;
                match seen {
                    Some(_) => cause::plaintext_on_implicit(endpoint, None),
                    None => cause,
                }
            }
            _ => cause,
        }
    }

    /// Which usual port of the same host answers.
    async fn beside(&self, cause: Cause) -> Cause {
        let open = look::neighbours(&self.config, &*self.network).await;
        let Some(&best) = open.first() else { return cause };
        let Cause { finding, .. } = cause;
        let ports = open.iter().map(u16::to_string).collect::<Vec<_>>().join(" and ");
        let verb = if open.len() == 1 { "answers" } else { "answer" };
        let finding = Finding {
            message: format!("{}; port {ports} of the same host {verb}", finding.message),
            ..finding
        }
        .with("listening", ports);
        let mode = if best == 465 { TlsMode::Implicit } else { TlsMode::StartTls };
        let url = cause::url(&self.config.endpoint.clone().with_port(best), mode);
        Cause { finding, remedy: format!("use port {best}, which answers: {url}") }
    }

    fn offers(&self) -> String {
        match &self.offered {
            Some(offered) if offered.iter().next().is_some() => {
                let names: Vec<String> =
                    offered.iter().map(|(name, _)| name.escape_debug().to_string()).collect();
                names.join(", ")
            }
            _ => "no extension".to_owned(),
        }
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
        (self.tell)(&rung);
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

fn agreed(peer: &Peer) -> String {
    let Peer { protocol, cipher, group, .. } = peer;
    let group = group.map_or(String::new(), |group| format!(", {group}"));
    format!("{protocol}, {cipher}{group}")
}

/// The last reply, short enough for a rung.
fn said(draft: &Draft) -> String {
    let text = draft.opening.heard().map(ToString::to_string).unwrap_or_default();
    match text.char_indices().nth(64) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
