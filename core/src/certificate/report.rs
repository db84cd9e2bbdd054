//! The verdict on a chain: [`CertificateReport`].

use std::fmt;
use std::time::SystemTime;

use super::facts::Certificate;
use super::ocsp::Staple;
use super::when;
use crate::finding::{Finding, FindingId, Severity, Status};

/// The verdict on a server's chain at one moment.
///
/// `Display` is several lines: the summary, each finding with its remedy, and
/// the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateReport {
    /// The name that was asked for.
    pub host: String,
    /// What the server sent, leaf first, as far as it can be read.
    pub chain: Vec<Certificate>,
    /// What was found; the worst first, and of those what explains most.
    pub findings: Vec<Finding>,
    /// What each set of roots says to the path, apart from time, name and
    /// purpose; the one that decides first.
    pub trust: Vec<TrustVerdict>,
    /// The stapled OCSP response, if there was one that can be read and is
    /// about the leaf.
    pub staple: Option<Staple>,
    /// The moment the verdict is for, by the local clock.
    pub checked_at: SystemTime,
}

impl CertificateReport {
    /// Whether something with this id was found.
    pub fn has(&self, id: FindingId) -> bool {
        self.findings.iter().any(|finding| finding.id == id)
    }

    /// The worst severity; `None` when all is well.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// The status in one word.
    pub fn status(&self) -> Status {
        Status::of(&self.findings)
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    /// One line: what is wrong before all, and what else.
    pub fn summary(&self) -> String {
        let Some((first, rest)) = self.findings.split_first() else {
            return match self.leaf() {
                Some(leaf) => format!(
                    "certificate of {} is valid until {}; serial {}",
                    self.host,
                    when::utc(leaf.not_after()),
                    leaf.serial()
                ),
                None => format!("nothing is known of the certificate of {}", self.host),
            };
        };
        let mut line = first.message.clone();
        if let Some(leaf) = self.leaf() {
            line.push_str("; serial ");
            line.push_str(leaf.serial());
        }
        let mut others: Vec<&str> = rest.iter().map(|finding| finding.id.as_str()).collect();
        others.dedup();
        others.retain(|id| *id != first.id.as_str());
        if !others.is_empty() {
            line.push_str("; also ");
            line.push_str(&others.join(", "));
        }
        line
    }

    /// What to do first, in one sentence; `None` when all is well.
    pub fn remedy(&self) -> Option<&'static str> {
        self.findings.first().map(Finding::remedy)
    }
}

/// What one set of roots says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustVerdict {
    /// The set's name: `system`, `mozilla`, or the file it came from.
    pub roots: String,
    /// Whether a path leads to one of them.
    pub trusted: bool,
    /// The common name of the root it leads to, or else the root's whole name.
    pub root: Option<String>,
    /// Whether the verdict hangs on it; other sets are only compared.
    pub decides: bool,
}

impl fmt::Display for CertificateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary())?;
        for finding in &self.findings {
            write!(f, "\n{}: {}: {}", finding.severity, finding.id, finding.message)?;
            write!(f, "\n  remedy: {}", finding.remedy())?;
        }
        for (depth, certificate) in self.chain.iter().enumerate() {
            write!(f, "\nchain {depth}: {certificate}")?;
        }
        write!(f, "\nchecked at {}", when::utc(self.checked_at))
    }
}
