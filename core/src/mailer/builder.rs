//! Building a mailer: typed options, or an SMTP URL.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Mailer, pool::Pool};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Deadlines, OnUnknown, PoolPolicy, RetryPolicy};
use crate::endpoint::{Endpoint, TlsMode};
use crate::error::Error;
use crate::network::{Network, Tcp};
use crate::session::Connector;
use crate::session::proxy::Proxy;
use crate::smtp::auth::{Credentials, Mechanism};
use crate::smtp::command;
use crate::tls::{ClientIdentity, SpkiPin, TlsVersion, TrustRoots};

/// Sets what a [`Mailer`] does. Every option has a default; only the host has
/// to be given.
///
/// ```no_run
/// use std::time::Duration;
/// use everpost::{Credentials, Mailer, TlsMode};
///
/// # fn main() -> Result<(), everpost::Error> {
/// let mailer = Mailer::builder("mail.example.org")
///     .tls(TlsMode::StartTls)
///     .credentials(Credentials::password("app@example.org", "secret"))
///     .send_timeout(Duration::from_secs(30))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct MailerBuilder {
    pub(crate) config: Config,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl MailerBuilder {
    pub(super) fn new(config: Config) -> Self {
        MailerBuilder { config, network: Arc::new(Tcp), clock: Arc::new(SystemClock) }
    }

    /// The keys that [`set`](Self::set) knows: those of an SMTP URL.
    pub const KEYS: &[&str] = crate::url::KEYS;

    /// Sets an option by its key in an SMTP URL, to a value as it is written
    /// there but not percent-encoded: `set("max_connections", "8")`. `trust`
    /// and `pin` add; `tls` moves the port with it, unless that was set.
    ///
    /// # Errors
    /// `invalid_config` if the key is not known, or the value not its own.
    pub fn set(mut self, key: &str, value: &str) -> Result<Self, Error> {
        crate::url::set_alone(&mut self.config, key, value)?;
        Ok(self)
    }

    /// How TLS comes about: [`TlsMode::Implicit`] unless set. Also sets the
    /// port that goes with it.
    pub fn tls(mut self, mode: TlsMode) -> Self {
        self.config.endpoint = Endpoint::new(self.config.endpoint.host, mode);
        self
    }

    /// The port: 465, 587 or 25 by TLS mode. Set it after
    /// [`tls`](Self::tls).
    pub fn port(mut self, port: u16) -> Self {
        self.config.endpoint.port = port;
        self
    }

    /// Who logs in; nobody unless set.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.config.credentials = Some(credentials);
        self
    }

    /// Only these mechanisms, in this order; all, strongest first, unless set.
    pub fn auth_mechanisms(mut self, order: impl IntoIterator<Item = Mechanism>) -> Self {
        self.config.auth.order = Some(order.into_iter().collect());
        self
    }

    /// Never this mechanism, even if the server offers it.
    pub fn exclude_auth_mechanism(mut self, mechanism: Mechanism) -> Self {
        self.config.auth.excluded.push(mechanism);
        self
    }

    /// Allows credentials to leave without TLS, where the TLS mode leads to
    /// that. Off unless set, and for trusted networks only.
    pub fn allow_plaintext_auth(mut self, allow: bool) -> Self {
        self.config.allow_plaintext_auth = allow;
        self
    }

    /// Trusts these roots; may be called several times. The system's unless
    /// set.
    pub fn trust(mut self, roots: TrustRoots) -> Self {
        self.config.tls.roots.push(roots);
        self
    }

    /// Also wants this public key in the chain; may be called several times,
    /// one match is enough. Pin a backup key too, or the next renewal with a
    /// new key stops all mail.
    pub fn pin(mut self, pin: SpkiPin) -> Self {
        self.config.tls.pins.push(pin);
        self
    }

    /// Shows this certificate to servers that ask for one.
    pub fn client_identity(mut self, identity: ClientIdentity) -> Self {
        self.config.tls.client_identity = Some(identity);
        self
    }

    /// The lowest TLS version: 1.2 unless set.
    pub fn minimum_tls_version(mut self, version: TlsVersion) -> Self {
        self.config.tls.minimum_version = version;
        self
    }

    /// The name sent as SNI: the host unless set.
    pub fn sni(mut self, name: impl Into<String>) -> Self {
        self.config.tls.sni = Some(name.into());
        self
    }

    /// The name that the certificate must carry: the host unless set.
    pub fn verify_name(mut self, name: impl Into<String>) -> Self {
        self.config.tls.verify_name = Some(name.into());
        self
    }

    /// Accepts **any** certificate: everyone on the way can read the mail and
    /// the password. For tests; a pin or a given root is the answer to a
    /// private certificate.
    pub fn danger_accept_any_certificate(mut self, accept: bool) -> Self {
        self.config.tls.danger_accept_any_certificate = accept;
        self
    }

    /// Whether TLS sessions are resumed: off unless set. Resumption saves the
    /// server a signature and, with TLS 1.3, no round trip; but a resumed
    /// session does not show the certificate that the server has now, so a
    /// change of certificate is noticed only at the next full handshake. One
    /// is forced every [`full_handshake_interval`](Self::full_handshake_interval),
    /// after every connection that the server closed or that failed, and when
    /// a renewal or a nearing expiry is known. Worth it where each message has
    /// a connection of its own.
    pub fn resumption(mut self, resume: bool) -> Self {
        self.config.tls.resumption = resume;
        self
    }

    /// How often a resumed session gives way to a full handshake: 60 min
    /// unless set.
    pub fn full_handshake_interval(mut self, interval: Duration) -> Self {
        self.config.tls.full_handshake_interval = interval;
        self
    }

    /// How long before the end of the server's certificate a connection
    /// retires: 60 s unless set.
    pub fn expiry_margin(mut self, margin: Duration) -> Self {
        self.config.tls.expiry_margin = margin;
        self
    }

    /// The name given with EHLO: the local address as a literal unless set.
    pub fn ehlo_name(mut self, name: impl Into<String>) -> Self {
        self.config.ehlo_name = Some(name.into());
        self
    }

    /// Goes through a proxy: `socks5://[user:password@]host[:port]` or
    /// `http://[user:password@]host[:port]` (CONNECT).
    ///
    /// # Errors
    /// `invalid_config` if the URL is none of these.
    pub fn proxy(mut self, url: &str) -> Result<Self, Error> {
        self.config.proxy = Some(url.parse::<Proxy>()?);
        Ok(self)
    }

    /// Connects from this local address.
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.config.local_address = Some(address);
        self
    }

    /// All deadlines at once.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.config.deadlines = deadlines;
        self
    }

    /// How long a whole send may take, retries included; no limit of its own
    /// unless set. When it passes after the message was handed over, the
    /// result is `delivery_unknown` with a
    /// [`late verdict`](Error::late_verdict).
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.config.deadlines.send = Some(timeout);
        self
    }

    /// How connections are kept.
    pub fn pool(mut self, policy: PoolPolicy) -> Self {
        self.config.pool = policy;
        self
    }

    /// Open connections at once: 5 unless set.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.config.pool.max_connections = most;
        self
    }

    /// When a message is tried again by itself.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.config.retry = policy;
        self
    }

    /// What to do with a message whose delivery is unknown: report it, unless
    /// set.
    pub fn on_unknown(mut self, policy: OnUnknown) -> Self {
        self.config.retry.on_unknown = policy;
        self
    }

    /// The largest message in bytes: 52,428,800 (50 MB) unless set.
    pub fn max_message_size(mut self, bytes: u64) -> Self {
        self.config.max_message_size = bytes;
        self
    }

    /// The largest attachment of a built message in bytes, decoded: 26,214,400
    /// (25 MB) unless set.
    pub fn max_attachment_size(mut self, bytes: u64) -> Self {
        self.config.max_attachment_size = bytes;
        self
    }

    /// Whether commands are pipelined where the server offers it (RFC 2920):
    /// on unless set.
    pub fn pipelining(mut self, on: bool) -> Self {
        self.config.pipelining = on;
        self
    }

    /// Whether messages leave by BDAT where the server offers CHUNKING (RFC
    /// 3030), a small one in the same flight as its envelope: off unless set,
    /// because the RFC read strictly wants the replies to RCPT first.
    pub fn chunking(mut self, on: bool) -> Self {
        self.config.chunking = on;
        self
    }

    /// Whether a message is sent only if every recipient is accepted: off
    /// unless set; those accepted get it.
    pub fn require_all_recipients(mut self, require: bool) -> Self {
        self.config.require_all_recipients = require;
        self
    }

    /// How often a quiet probe looks at the endpoint, to notice a rotation, a
    /// nearing expiry or a bad renewal before a send does: never unless set.
    pub fn probe_interval(mut self, interval: Duration) -> Self {
        self.config.probe_interval = Some(interval);
        self
    }

    /// Another network than the operating system's, such as a simulated one.
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.network = network;
        self
    }

    /// Another clock than the operating system's, for what depends on the
    /// date.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// As [`build`](Self::build), for who needs no pool.
    pub(crate) fn connector(self) -> Result<Connector, Error> {
        check(&self.config)?;
        Connector::new(Arc::new(self.config), self.network, self.clock)
    }

    /// Builds the mailer. Opens no connection.
    ///
    /// # Errors
    /// `invalid_config` if an option cannot work, such as roots that cannot be
    /// loaded.
    pub fn build(self) -> Result<Mailer, Error> {
        check(&self.config)?;
        let config = Arc::new(self.config);
        let connector = Connector::new(Arc::clone(&config), self.network, Arc::clone(&self.clock))?;
        Ok(Mailer::over(Arc::new(Pool::new(config, connector, self.clock))))
    }
}

fn check(config: &Config) -> Result<(), Error> {
    let Config { endpoint, ehlo_name, pool, retry, credentials, allow_plaintext_auth, .. } = config;
    if endpoint.host.is_empty() {
        return Err(Error::config("the host is empty").with_hint("name the mail server"));
    }
    if endpoint.port == 0 {
        return Err(Error::config("the port is 0").with_hint("usual ports are 465 and 587"));
    }
    if let Some(name) = ehlo_name {
        let bad = name.is_empty() || name.contains(' ');
        if bad || command::write(&mut Vec::new(), &["EHLO ", name]).is_err() {
            return Err(Error::config("the EHLO name is not a name")
                .with_hint("use the client's host name, without spaces or control characters"));
        }
    }
    if pool.max_connections == 0 || pool.max_messages == Some(0) || retry.max_attempts == 0 {
        return Err(Error::config("a limit of the pool or the retries is 0")
            .with_hint("max_connections, max_messages and max_attempts start at 1"));
    }
    if pool.rate_limit.is_some_and(|limit| limit.messages == 0 || limit.per.is_zero()) {
        return Err(Error::config("the rate limit lets no message through"));
    }
    if endpoint.tls == TlsMode::None && credentials.is_some() && !allow_plaintext_auth {
        return Err(Error::config("credentials are given and TLS is off")
            .with_hint("use TLS, or set allow_plaintext_auth for a server on a trusted network"));
    }
    Ok(())
}
