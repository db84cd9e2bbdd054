//! Where to send: [`Endpoint`] and [`TlsMode`].

use std::fmt;

/// How TLS comes about on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// TLS from the first byte (RFC 8314 §3.3), usually port 465.
    Implicit,
    /// STARTTLS (RFC 3207), required: without it no mail is sent. Usually
    /// port 587.
    StartTls,
    /// STARTTLS where offered, plain text otherwise. Gives no protection
    /// against an active attacker; for relays on port 25.
    Opportunistic,
    /// Plain text.
    None,
}

impl TlsMode {
    /// The stable name: `implicit`, `starttls`, `opportunistic` or `none`.
    pub fn as_str(self) -> &'static str {
        match self {
            TlsMode::Implicit => "implicit",
            TlsMode::StartTls => "starttls",
            TlsMode::Opportunistic => "opportunistic",
            TlsMode::None => "none",
        }
    }

    /// The port that goes with the mode: 465, 587, 25, 25.
    pub fn default_port(self) -> u16 {
        match self {
            TlsMode::Implicit => 465,
            TlsMode::StartTls => 587,
            TlsMode::Opportunistic | TlsMode::None => 25,
        }
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A server to talk to: host, port and TLS mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Endpoint {
    /// A DNS name (A-labels) or an IP address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How TLS comes about.
    pub tls: TlsMode,
}

impl Endpoint {
    /// An endpoint on the port that goes with `tls`.
    pub fn new(host: impl Into<String>, tls: TlsMode) -> Self {
        Endpoint { host: host.into(), port: tls.default_port(), tls }
    }

    /// The same endpoint on another port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }
}

/// `host:port/mode`, as in logs: `mail.example.org:465/implicit`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}/{}", self.host, self.port, self.tls)
        } else {
            write!(f, "{}:{}/{}", self.host, self.port, self.tls)
        }
    }
}
