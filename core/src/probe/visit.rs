//! One address, by one connection: [`Visit`].
//!
//! Facts are written down as they come, so that whatever ends a visit early,
//! the deadline included, takes none of them away.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::Probe;
use super::capture::{Capture, Captured, smells_of_legacy, tls_fault};
use super::compare;
use super::dialogue::{Dialogue, Heard};
use super::ending::{Ending, How, Place};
use super::legacy::{self, LegacyFacts};
use super::report::{AddressReport, Timings};
use super::spoken::{Spoken, shown};
use super::target::{ProbeMode, Target};
use super::wire::Wire;
use crate::certificate::Shown;
use crate::finding::{Finding, FindingId};
use crate::network::Stream;
use crate::session::{address_literal, say_quit};
use crate::smtp::Capabilities;
use crate::tls::Agreed;
use crate::{Stage, TlsMode};

/// How long a server may be silent in auto mode before TLS is begun. Servers
/// that keep strangers waiting do so on port 25, where nothing is guessed.
const AUTO_PATIENCE: Duration = Duration::from_secs(3);

/// How long the reply to QUIT is waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a visit is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) probe: &'a Probe,
    pub(super) target: &'a Target,
    /// The name of the server: of the target, or of one MX of it.
    pub(super) host: &'a str,
    /// The name to send to it (SNI).
    pub(super) name: &'a ServerName<'static>,
    /// The moment that verdicts are for.
    pub(super) at: SystemTime,
}

/// The visit is over before its end; its report says why.
#[derive(Debug)]
struct Over;

/// One connection and what came of it so far.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    case: Case<'a>,
    place: Place,
    began: Instant,
    /// When the last step ended.
    lap: Instant,
    stage: Stage,
    dialogue: Dialogue,
    capture: Capture,
    /// The server was silent where a greeting was due, so that TLS is tried.
    mute: bool,
    /// The server waits for a command, so that QUIT is due.
    orderly: bool,
    /// What a hand-made hello got out of a server that rustls cannot talk to.
    legacy: Option<Captured>,
    report: AddressReport,
}

impl<'a> Visit<'a> {
    pub(super) fn new(case: Case<'a>, address: SocketAddr) -> Self {
        let now = Instant::now();
        Visit {
            case,
            place: Place { host: case.host.to_owned(), address },
            began: now,
            lap: now,
            stage: Stage::Connect,
            dialogue: Dialogue::new(case.target.protocol, String::new()),
            capture: case.probe.capturer.capture(),
            mute: false,
            orderly: false,
            legacy: None,
            report: AddressReport {
                address,
                mode: match case.target.mode {
                    ProbeMode::Implicit => TlsMode::Implicit,
                    ProbeMode::StartTls | ProbeMode::Auto => TlsMode::StartTls,
                },
                timings: Timings::default(),
                greeting: None,
                before_tls: None,
                capabilities: None,
                tls: None,
                certificate: None,
                dane: None,
                findings: Vec::new(),
                error: None,
            },
        }
    }

    /// Opens the connection; `None` if there is none within `patience`, and
    /// the report says why.
    pub(super) async fn connect(&mut self, patience: Duration) -> Option<Box<dyn Stream>> {
        let network = &self.case.probe.options.network;
        let ending = match timeout(patience, network.connect(self.place.address, None)).await {
            Ok(Ok(stream)) => {
                self.report.timings.connect = Some(self.lap());
                return Some(stream);
            }
            Ok(Err(error)) => Ending::unconnected(&self.place, error),
            Err(_) => Ending::silent(&self.place, patience),
        };
        self.over(ending);
        None
    }

    /// Probes over the connection, and ends within the deadline.
    pub(super) async fn run(&mut self, stream: Box<dyn Stream>) {
        let options = &self.case.probe.options;
        let name = self.ehlo_name(stream.local_addr());
        self.dialogue = Dialogue::new(self.case.target.protocol, name);
        let mut wire = Wire::new(stream);
        let until = self.began + options.deadline;
        // All was heard if only the farewell took too long.
        if timeout_at(until, self.look(&mut wire)).await.is_err() && self.stage != Stage::Quit {
            self.over(match self.mute {
                true => Ending::mute(&self.place, options.deadline),
                false => Ending::stalled(&self.place, self.stage, options.deadline),
            });
        }
    }

    /// The report, with the verdict on the certificate.
    pub(super) fn finish(mut self) -> AddressReport {
        let heard = std::mem::take(&mut self.dialogue.heard);
        let mut report = self.report;
        report.findings.extend(findings(&self.place, &heard));
        report.timings.total = self.lap.duration_since(self.began);
        report.greeting = heard.greeting;
        report.before_tls = heard.before_tls;
        report.capabilities = heard.inside_tls;
        let captured = self.legacy.unwrap_or_else(|| self.capture.captured());
        if !captured.chain.is_empty() {
            let Probe { options, inspector, .. } = self.case.probe;
            let host = options.verify_name.as_deref().unwrap_or(self.case.host);
            let shown = Shown { staple: captured.staple.as_deref(), proven: captured.proven };
            let verdict = inspector.judge(&captured.chain, host, shown, self.case.at);
            if let (Some(file), Some(leaf)) = (&options.compare, verdict.leaf()) {
                report.findings.extend(compare::with_file(&self.place, leaf, file.leaf()));
            }
            report.certificate = Some(verdict);
        }
        report
    }

    /// The whole conversation.
    async fn look(&mut self, wire: &mut Wire) -> Result<(), Over> {
        if self.case.target.mode == ProbeMode::Implicit {
            return self.inside(wire, How::Implicit).await;
        }
        let patience = self.patience();
        let agreed = match self.greeted(wire, patience).await {
            Ok(true) => self.converse(wire).await,
            Ok(false) => {
                self.mute = true;
                return self.inside(wire, How::Silence(patience)).await;
            }
            Err(over) => Err(over),
        };
        match agreed {
            Ok(()) => self.inside(wire, How::StartTls).await,
            Err(over) => {
                self.part(wire).await;
                Err(over)
            }
        }
    }

    /// How long a greeting is waited for before TLS is tried in its place.
    fn patience(&self) -> Duration {
        let deadline = self.case.probe.options.deadline;
        match self.case.target.mode {
            ProbeMode::Auto => AUTO_PATIENCE.min(deadline / 3),
            // As long as can be without losing the chance to see TLS.
            ProbeMode::StartTls | ProbeMode::Implicit => deadline * 2 / 3,
        }
    }

    /// Waits for the first bytes of a greeting. Whether any came.
    async fn greeted(&mut self, wire: &mut Wire, patience: Duration) -> Result<bool, Over> {
        self.stage = Stage::Greeting;
        let mut space = [0; 4096];
        let Ok(read) = timeout(patience, wire.read(&mut space)).await else { return Ok(false) };
        if self.hear(read, &space)? {
            self.report.timings.greeting = Some(self.lap());
        }
        Ok(true)
    }

    /// The handshake, and what is said inside TLS.
    async fn inside(&mut self, wire: &mut Wire, how: How) -> Result<(), Over> {
        self.stage = Stage::Handshake;
        wire.forget();
        let capturer = &self.case.probe.capturer;
        let connected = capturer.connect(self.case.name.clone(), &mut *wire, &self.capture).await;
        self.report.timings.handshake = Some(self.lap());
        let misplaced =
            matches!(how, How::Silence(_)) && self.case.target.mode == ProbeMode::StartTls;
        match connected {
            Ok(mut stream) => {
                self.mute = false;
                if how != How::StartTls {
                    self.report.mode = TlsMode::Implicit;
                }
                if misplaced {
                    self.found_misplaced();
                }
                self.report.tls = Some(self.capture.facts(Agreed::of(stream.get_ref().1)));
                self.dialogue.secured();
                let spoken = self.converse(&mut stream).await;
                self.part(&mut stream).await;
                spoken
            }
            Err(error) => {
                let spoken = Spoken::of(wire.seen());
                if spoken.is_plain() {
                    wire.see_line().await;
                }
                if misplaced && spoken == Spoken::Tls {
                    self.found_misplaced();
                }
                let old = tls_fault(&error).is_some_and(smells_of_legacy);
                let mut ending = Ending::handshake(&self.place, how, wire.seen(), error);
                if old && let Some(facts) = self.look_with_own_hello(how).await {
                    ending.finding = legacy::finding(&facts, &self.place.to_string());
                    self.report.tls = Some(facts.tls());
                    self.legacy = Some(facts.into());
                }
                Err(self.over(ending))
            }
        }
    }

    /// What a hello of our own gets out of a server that rustls cannot talk
    /// to: the one case of a second connection to an address.
    async fn look_with_own_hello(&self, how: How) -> Option<LegacyFacts> {
        let options = &self.case.probe.options;
        let capture = async {
            let mut stream = options.network.connect(self.place.address, None).await.ok()?;
            if how == How::StartTls {
                let name = self.ehlo_name(stream.local_addr());
                let dialogue = Dialogue::new(self.case.target.protocol, name);
                come_to_tls(&mut stream, dialogue).await?;
            }
            let sni = options.sni.as_deref().unwrap_or(self.case.host);
            legacy::capture(&mut stream, Some(sni)).await.ok()
        };
        timeout_at(self.began + options.deadline, capture).await.ok()?
    }

    /// What to introduce ourselves with.
    fn ehlo_name(&self, local: Option<SocketAddr>) -> String {
        match &self.case.probe.options.ehlo_name {
            Some(name) => name.clone(),
            None => address_literal(local),
        }
    }

    fn found_misplaced(&mut self) {
        let text = format!(
            "{} waits for TLS from the first byte where a greeting in plain text was expected",
            self.place
        );
        self.report.findings.push(Finding::new(FindingId::TlsOnPlaintext, text));
    }

    /// Speaks until TLS is next, or all is said.
    async fn converse<S>(&mut self, stream: &mut S) -> Result<(), Over>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while self.dialogue.expects_reply() {
            self.stage = self.dialogue.stage();
            self.exchange(stream).await?;
            let time = Some(self.lap());
            match self.stage {
                Stage::Greeting => self.report.timings.greeting = time,
                Stage::StartTls => self.report.timings.starttls = time,
                _ => self.report.timings.ehlo = time,
            }
        }
        self.orderly = self.dialogue.stage() == Stage::Quit;
        Ok(())
    }

    /// One command, where one is due, and the reply to it.
    async fn exchange<S>(&mut self, stream: &mut S) -> Result<(), Over>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let output = self.dialogue.take_output();
        let written = async {
            stream.write_all(&output).await?;
            stream.flush().await
        };
        if let Err(error) = written.await {
            return Err(self.over(Ending::lost(&self.place, self.report.mode, self.stage, error)));
        }
        let mut space = [0; 4096];
        loop {
            let read = stream.read(&mut space).await;
            if self.hear(read, &space)? {
                return Ok(());
            }
        }
    }

    /// Takes what was read. Whether the awaited reply is complete.
    fn hear(&mut self, read: io::Result<usize>, space: &[u8]) -> Result<bool, Over> {
        let ending = match read {
            Ok(0) => Ending::closed(&self.place, self.stage),
            Err(error) => Ending::lost(&self.place, self.report.mode, self.stage, error),
            Ok(count) => match self.dialogue.receive(&space[..count]) {
                Ok(complete) => return Ok(complete),
                Err(fault) => {
                    self.orderly = fault.leaves_order();
                    Ending::fault(&self.place, fault, self.stage)
                }
            },
        };
        Err(self.over(ending))
    }

    /// Says QUIT where the server waits for a command.
    async fn part<S>(&mut self, stream: &mut S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.orderly {
            self.stage = Stage::Quit;
            say_quit(stream, FAREWELL).await;
        }
    }

    fn over(&mut self, ending: Ending) -> Over {
        self.lap();
        self.report.findings.push(ending.finding);
        self.report.error = Some(ending.error.with_endpoint(self.place.endpoint(self.report.mode)));
        Over
    }

    /// How long the step took that ends here.
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.lap, now))
    }
}

/// Speaks up to the go-ahead for STARTTLS as before; `None` if it does not come
/// to that a second time.
async fn come_to_tls(stream: &mut Box<dyn Stream>, mut dialogue: Dialogue) -> Option<()> {
    let mut space = [0; 4096];
    while dialogue.expects_reply() {
        stream.write_all(&dialogue.take_output()).await.ok()?;
        stream.flush().await.ok()?;
        loop {
            let count = stream.read(&mut space).await.ok().filter(|count| *count > 0)?;
            if dialogue.receive(&space[..count]).ok()? {
                break;
            }
        }
    }
    Some(())
}

/// What the words alone tell.
fn findings(place: &Place, heard: &Heard) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(injected) = &heard.injected {
        let said = shown(injected);
        let text = format!(
            "{place} sent \"{said}\" in plain text after the go-ahead for STARTTLS, before TLS"
        );
        findings.push(Finding::new(FindingId::StarttlsInjection, text).with("seen", said));
    }
    let names = |offered: &Option<Capabilities>| -> Vec<String> {
        let names = offered.iter().flat_map(Capabilities::auth_names);
        names.map(|name| shown(name.as_bytes())).collect()
    };
    let auth = names(&heard.before_tls).join(" ");
    if !auth.is_empty() {
        let text = format!("{place} offers AUTH ({auth}) before TLS");
        findings.push(Finding::new(FindingId::AuthBeforeTls, text).with("mechanisms", auth));
    }
    if heard.inside_tls.as_ref().is_some_and(Capabilities::starttls) {
        let text = format!("{place} still offers STARTTLS inside TLS");
        findings.push(Finding::new(FindingId::StarttlsInsideTls, text));
    }
    findings
}
