//! From a fall to its cause, with a look around where another port, mode or
//! version of TLS may explain it.

use super::{Fall, Ladder, Step};
use crate::TlsMode;
use crate::diagnose::cause::{self, Cause, Scene};
use crate::diagnose::look;
use crate::diagnose::overheard::Speech;
use crate::finding::{Finding, FindingId};

impl Ladder<'_> {
    /// The cause, with a look around where another port or mode may explain
    /// the fall.
    pub(super) async fn why(&mut self, fall: &Fall) -> Cause {
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
        match cause.finding.id {
            FindingId::Refused | FindingId::Silent if self.config.proxy.is_none() => {
                self.beside(cause).await
            }
            FindingId::PlaintextOnImplicit => {
                let seen = look::speaks_plainly(self.config, self.network, self.clock).await;
                match seen.and_then(|seen| seen.starttls) {
                    Some(false) => cause.with_remedy(
                        "this port offers no TLS at all: use the server's port for implicit TLS \
                         (usually 465) or STARTTLS (usually 587)",
                    ),
                    _ => cause,
                }
            }
            FindingId::ConnectionLost | FindingId::Stalled | FindingId::HandshakeFailed
                if fall.step == Step::Handshake =>
            {
                self.around_tls(cause).await
            }
            _ => cause,
        }
    }

    /// What the port speaks where it would not shake hands.
    async fn around_tls(&self, cause: Cause) -> Cause {
        let endpoint = &self.config.endpoint;
        if endpoint.tls == TlsMode::Implicit {
            let seen = look::speaks_plainly(self.config, self.network, self.clock).await;
            if seen.is_some() {
                return cause::plaintext_on_implicit(endpoint, None);
            }
        }
        let Some(address) = self.address.filter(|_| self.config.proxy.is_none()) else {
            return cause;
        };
        let old = look::speaks_old_tls(self.config, self.network, self.clock, address).await;
        match old {
            Some(finding) => Cause { remedy: finding.remedy().to_owned(), finding },
            None => cause,
        }
    }

    /// Which usual port of the same host answers.
    async fn beside(&self, cause: Cause) -> Cause {
        let open = look::neighbours(self.config, &**self.network).await;
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
}
