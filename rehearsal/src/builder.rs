//! Everything that can be said before the server starts.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use crate::proxy::ProxyOptions;
use crate::settings::{Capabilities, Limits, Settings};
use crate::shared::Clock;
use crate::tls::{ClientAuth, TlsVersions};
use crate::{Error, Rehearsal};

/// Configures a [`Rehearsal`]; every option has a default.
pub struct Builder {
    pub(crate) host: String,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) address: IpAddr,
    pub(crate) ports: [u16; 3],
    pub(crate) credentials: HashMap<String, String>,
    pub(crate) tokens: HashMap<String, String>,
    pub(crate) versions: TlsVersions,
    pub(crate) resumption: bool,
    pub(crate) client_auth: ClientAuth,
    pub(crate) proxy: Option<ProxyOptions>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No passwords and no tokens.
        f.debug_struct("Builder")
            .field("host", &self.host)
            .field("address", &self.address)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            host: "localhost".to_owned(),
            names: None,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: [0; 3],
            credentials: HashMap::new(),
            tokens: HashMap::new(),
            versions: TlsVersions::default(),
            resumption: true,
            client_auth: ClientAuth::default(),
            proxy: None,
            clock: Clock(Arc::new(SystemTime::now)),
            settings: Settings::default(),
        }
    }
}

impl Builder {
    /// The DNS name of the server: `localhost`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The names in the certificates, DNS or IP: the host, `127.0.0.1` and
    /// `::1` unless set.
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The address to listen on: `127.0.0.1`.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = address;
        self
    }

    /// The ports with implicit TLS, with STARTTLS and without TLS; 0, as
    /// unless set, is the system's choice.
    pub fn ports(mut self, implicit: u16, starttls: u16, plain: u16) -> Self {
        self.ports = [implicit, starttls, plain];
        self
    }

    /// Knows a user by password; AUTH is required from then on. May be called
    /// several times.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials.insert(user.into(), password.into());
        self
    }

    /// Knows a user by token, for XOAUTH2 and OAUTHBEARER; AUTH is required
    /// from then on.
    pub fn token(mut self, user: impl Into<String>, token: impl Into<String>) -> Self {
        self.tokens.insert(user.into(), token.into());
        self
    }

    /// What EHLO offers.
    pub fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.settings.capabilities = capabilities;
        self
    }

    /// What EHLO offers on the STARTTLS listener before TLS: the same without
    /// AUTH unless set.
    pub fn capabilities_before_tls(mut self, capabilities: Capabilities) -> Self {
        self.settings.capabilities_before_tls = Some(capabilities);
        self
    }

    /// What the server puts up with.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Everything that can also be changed later, at once.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The TLS versions: 1.2 and 1.3.
    pub fn tls_versions(mut self, versions: TlsVersions) -> Self {
        self.versions = versions;
        self
    }

    /// Whether sessions can be resumed: yes.
    pub fn resumption(mut self, resumption: bool) -> Self {
        self.resumption = resumption;
        self
    }

    /// Whether clients are asked for a certificate: no.
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// A proxy in front of the server, for SOCKS5 and HTTP CONNECT: none unless
    /// set.
    pub fn proxy(mut self, proxy: ProxyOptions) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// The time around which certificates are made: that of the system.
    pub fn now(self, now: SystemTime) -> Self {
        self.clock(move || now)
    }

    /// As [`now`](Self::now), with a clock that moves.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(clock));
        self
    }

    /// Listens on its three ports, and on that of the proxy.
    ///
    /// # Errors
    /// When a socket cannot be opened or a certificate cannot be made.
    pub async fn start(mut self) -> Result<Rehearsal, Error> {
        let addresses = self.ports.map(|port| SocketAddr::new(self.address, port));
        let (address, proxy) = (self.address, self.proxy.take());
        let mut server = Rehearsal::new(self)?;
        server.listen(addresses).await?;
        if let Some(proxy) = proxy {
            server.listen_as_proxy(address, proxy).await?;
        }
        Ok(server)
    }

    /// A server without sockets, for
    /// [`serve_stream`](Rehearsal::serve_stream). Its addresses have port 0.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn build(self) -> Result<Rehearsal, Error> {
        Rehearsal::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Builder;

    #[test]
    fn debug_shows_no_secret() {
        let builder = Builder::default().credentials("user", "hunter2").token("user", "bearer9");
        let text = format!("{builder:?}");
        assert!(!text.contains("hunter2") && !text.contains("bearer9"), "{text}");
    }
}
