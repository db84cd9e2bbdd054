//! The lower rungs: from the name to a session inside TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Fall, Ladder, Step, on};
use crate::certificate::{CertificateReport, Inspector, when};
use crate::config::Config;
use crate::diagnose::{cause, look};
use crate::finding::{FindingId, Severity};
use crate::network::Stream;
use crate::session::{Draft, Io, dial};
use crate::tls::{Peer, Resume};
use crate::{Error, ErrorKind, Stage, TlsMode, TrustRoots};

/// How long a server may be silent before it is suspected of waiting for TLS.
const SUSPICION: Duration = Duration::from_secs(3);

impl Ladder<'_> {
    /// DNS and TCP.
    pub(super) async fn reach(&mut self) -> Result<(Box<dyn Stream>, SocketAddr), Fall> {
        let Config { endpoint, local_address, deadlines, proxy, .. } = self.config;
        let (host, port) = (&*endpoint.host, endpoint.port);
        if proxy.is_some() {
            self.skip(Step::Dns, "the proxy resolves the name");
            let started = Instant::now();
            let (stream, address) = on(Step::Tcp, started, self.connector.dial().await)?;
            self.held(Step::Tcp, started, format!("through the proxy at {address}"));
            return Ok((stream, address));
        }
        let started = Instant::now();
        let resolving =
            dial::resolve(&**self.network, host, port, *local_address, deadlines.connect);
        let addresses = on(Step::Dns, started, resolving.await)?;
        let mut listed: Vec<String> =
            addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
        if addresses.len() > listed.len() {
            listed.push(format!("{} more", addresses.len() - listed.len()));
        }
        self.held(Step::Dns, started, listed.join(", "));
        let started = Instant::now();
        let budget = (deadlines.connect, deadlines.connect);
        let dialling =
            dial::connect(&**self.network, (host, port), addresses, *local_address, budget);
        let (stream, address) = on(Step::Tcp, started, dialling.await)?;
        self.held(Step::Tcp, started, address.to_string());
        Ok((stream, address))
    }

    /// The handshake, and the verdict on the certificate. A connection comes
    /// out of it only if the mailer would take the certificate.
    pub(super) async fn secure(&mut self, draft: Draft) -> Result<Draft, Fall> {
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
    pub(super) async fn meet(&mut self, draft: &mut Draft) -> Result<(), Fall> {
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
        if draft.opening.stage() == Stage::StartTls {
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
            tls = look::speaks_tls(self.config, self.network, self.clock) => tls,
        };
        if !tls {
            return on(Step::Greeting, started, talk.await);
        }
        let cause = cause::tls_on_plaintext(&self.config.endpoint);
        let error = Error::new(ErrorKind::Protocol, Stage::Greeting, &*cause.finding.message);
        let elapsed = started.elapsed();
        Err(Fall { step: Step::Greeting, elapsed, error, cause: Some(cause) })
    }

    /// EHLO, and HELO where the mailer would try it.
    async fn ehlo(&self, draft: &mut Draft) -> Result<(), Error> {
        while draft.opening.stage() == Stage::Ehlo {
            draft.talk(&self.connector).await?;
        }
        Ok(())
    }

    pub(super) async fn introduce_again(&mut self, draft: &mut Draft) -> Result<(), Fall> {
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
