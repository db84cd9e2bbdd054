//! What was found on a chain: [`CertificateReport`], its [`Finding`]s and
//! what to do about each.

use std::fmt;
use std::time::SystemTime;

use super::facts::Certificate;
use super::when;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Works now, and may not for long or elsewhere.
    Warning,
    /// The chain is not acceptable.
    Critical,
}

impl Severity {
    /// The stable name: `info`, `warning` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a finding is about. The order is that of the report: what explains
/// most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingId {
    /// The local clock is the likelier fault.
    ClockSkew,
    /// The server sent no certificate.
    NoCertificate,
    /// A certificate that cannot be read.
    Unreadable,
    /// The server's own certificate is not the first one sent.
    WrongOrder,
    /// Past its notAfter.
    Expired,
    /// Before its notBefore.
    NotYetValid,
    /// For other names.
    NameMismatch,
    /// Without any name that TLS looks at.
    NoSan,
    /// Its own issuer, and not trusted.
    SelfSigned,
    /// Below a root that is sent and not trusted.
    PrivateRoot,
    /// The certificate between leaf and root was not sent.
    MissingIntermediate,
    /// No path to a trusted root.
    UnknownIssuer,
    /// A signature that its issuer's key did not make.
    BadSignature,
    /// A key too short to be trusted.
    WeakKey,
    /// A signature by a broken algorithm.
    WeakSignature,
    /// Not for servers.
    WrongPurpose,
    /// None of the pinned keys.
    PinMismatch,
    /// Refused for a reason that has no name of its own here.
    InvalidPath,
}

impl FindingId {
    /// The stable name, in kebab case.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingId::ClockSkew => "clock-skew",
            FindingId::NoCertificate => "no-certificate",
            FindingId::Unreadable => "unreadable",
            FindingId::WrongOrder => "wrong-order",
            FindingId::Expired => "expired",
            FindingId::NotYetValid => "not-yet-valid",
            FindingId::NameMismatch => "name-mismatch",
            FindingId::NoSan => "no-san",
            FindingId::SelfSigned => "self-signed",
            FindingId::PrivateRoot => "private-root",
            FindingId::MissingIntermediate => "missing-intermediate",
            FindingId::UnknownIssuer => "unknown-issuer",
            FindingId::BadSignature => "bad-signature",
            FindingId::WeakKey => "weak-key",
            FindingId::WeakSignature => "weak-signature",
            FindingId::WrongPurpose => "wrong-purpose",
            FindingId::PinMismatch => "pin-mismatch",
            FindingId::InvalidPath => "invalid-path",
        }
    }

    /// What to do about it, in one sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            FindingId::ClockSkew => {
                "set this machine's clock (is a time service such as chrony or w32time running?), \
                 then try again"
            }
            FindingId::NoCertificate => {
                "give the mail server a certificate and key in its TLS settings"
            }
            FindingId::Unreadable => {
                "install the certificate file again on the server: what it sends is damaged"
            }
            FindingId::WrongOrder => {
                "put the server's own certificate first in the file that the server loads, the \
                 intermediates after it (certbot's fullchain.pem is in that order)"
            }
            FindingId::Expired => {
                "renew the certificate (certbot renew), then reload the mail server: one that was \
                 renewed on disk is not served before that"
            }
            FindingId::NotYetValid => {
                "check this machine's clock; if it is right, put the previous certificate back or \
                 have a new one issued that is valid now"
            }
            FindingId::NameMismatch => {
                "connect by one of the names the certificate carries, or have it issued again with \
                 the name that clients use"
            }
            FindingId::NoSan => {
                "have the certificate issued again with the host name as a subject alternative name"
            }
            FindingId::SelfSigned => {
                "install a certificate of a public authority on the server, or name this \
                 certificate as trusted (trust=FILE) if the server is yours"
            }
            FindingId::PrivateRoot => {
                "add the authority's root certificate to the trusted ones (trust=FILE or the \
                 system's store) if you trust it"
            }
            FindingId::MissingIntermediate => {
                "let the server send its whole chain: install fullchain.pem in place of cert.pem \
                 and reload it; for a private authority, trust its root"
            }
            FindingId::UnknownIssuer => {
                "trust the issuer's root (trust=FILE, or update the system's store), or install a \
                 certificate of a public authority on the server"
            }
            FindingId::BadSignature => {
                "install the chain that belongs to this certificate and key; if they do belong \
                 together, something between here and the server replaces certificates"
            }
            FindingId::WeakKey => {
                "have the certificate issued again for an RSA key of at least 2048 bits or an \
                 ECDSA key"
            }
            FindingId::WeakSignature => "have the certificate issued again with SHA-256 or better",
            FindingId::WrongPurpose => {
                "have the certificate issued again as a server's: CA:FALSE, and serverAuth if it \
                 lists extended key usages"
            }
            FindingId::PinMismatch => {
                "if the server's key was changed on purpose, pin the new key; keep a backup pin \
                 for next time"
            }
            FindingId::InvalidPath => {
                "have the chain checked by the authority that issued it, or install a new one"
            }
        }
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub id: FindingId,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, with dates and names, in one line.
    pub message: String,
}

impl Finding {
    pub(super) fn critical(id: FindingId, message: String) -> Self {
        Finding { id, severity: Severity::Critical, message }
    }

    /// What to do about it, in one sentence.
    pub fn remedy(&self) -> &'static str {
        self.id.remedy()
    }
}

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
    /// What was found; what explains most first.
    pub findings: Vec<Finding>,
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
