//! Opening sessions: dial, TLS, greeting, EHLO, STARTTLS, AUTH, each with its
//! deadline.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::io::Metered;
use super::transcript::WireLog;
use super::{Io, Loss, Session, dial, proxy};
use crate::clock::Clock;
use crate::config::Config;
use crate::endpoint::TlsMode;
use crate::error::{Error, ErrorKind, Stage};
use crate::network::{Network, Stream};
use crate::smtp::auth::{self, ChannelBinding, Exchange, Mechanism};
use crate::smtp::conversation::Conversation;
use crate::smtp::opening::{Login, Opening, Step};
use crate::tls::{Peer, Resume, TlsContext};

/// How long a look waits for a connection at most: it has other addresses to
/// see, and someone is waiting for the answer.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);

/// Opens sessions to one endpoint.
#[derive(Debug)]
pub(crate) struct Connector {
    config: Arc<Config>,
    network: Arc<dyn Network>,
    tls: Option<TlsContext>,
    /// Numbers the connections for the wire log.
    next_connection: AtomicU64,
}

impl Connector {
    /// # Errors
    /// `invalid_config` if the trust settings cannot be loaded.
    pub(crate) fn new(
        config: Arc<Config>,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let tls = match config.endpoint.tls {
            TlsMode::None => None,
            _ => Some(TlsContext::new(&config.tls, &config.endpoint, clock)?),
        };
        Ok(Connector { config, network, tls, next_connection: AtomicU64::new(1) })
    }

    /// The TLS state shared by all sessions; `None` where there is no TLS.
    pub(crate) fn tls(&self) -> Option<&TlsContext> {
        self.tls.as_ref()
    }

    /// Opens a session that is ready for mail.
    pub(crate) async fn open(&self, resume: Resume) -> Result<Session, Error> {
        let mut draft = self.establish(resume).await.map_err(|error| self.place(error))?;
        self.log_in(&mut draft).await.map_err(|error| self.place(error))?;
        let Draft { io, opening, peer, address, wire } = draft;
        if let Some(Peer { full, protocol, cipher, group, leaf, .. }) = &peer {
            let leaf = leaf.fingerprint();
            tracing::debug!(%address, full, protocol, %cipher, group, %leaf, "session opened");
        } else {
            tracing::debug!(%address, "session opened in plain text");
        }
        let capabilities = opening.capabilities().clone();
        Ok(Session {
            io,
            conversation: Conversation::new(self.config.pipelining && capabilities.pipelining()),
            capabilities,
            peer,
            address,
            opened_at: Instant::now(),
            unflushed: false,
            committed_at: None,
            wire,
        })
    }

    /// Opens a session as far as EHLO, by a full handshake, and closes it.
    /// What TLS showed is returned; `None` in plain text.
    pub(crate) async fn look(&self) -> Result<Option<Peer>, Error> {
        let draft = self.establish(Resume::Never).await.map_err(|error| self.place(error))?;
        let Draft { mut io, peer, .. } = draft;
        super::say_quit(&mut io, Duration::from_secs(2)).await;
        Ok(peer)
    }

    fn place(&self, error: Error) -> Error {
        error.with_endpoint(&self.config.endpoint)
    }

    /// As [`look`](Self::look), at one address of the endpoint.
    pub(crate) async fn look_at(&self, address: SocketAddr) -> Result<Option<Peer>, Error> {
        let Config { endpoint, local_address, deadlines, .. } = &*self.config;
        let place = (&*endpoint.host, endpoint.port);
        let patience = deadlines.connect.min(LOOK_PATIENCE);
        let budget = (patience, patience);
        let look = async {
            let dialled =
                dial::connect(&*self.network, place, [address].into(), *local_address, budget);
            let (stream, address) = dialled.await?;
            self.climb(self.begin(stream, address), Resume::Never).await
        };
        let Draft { mut io, peer, .. } = look.await.map_err(|error| self.place(error))?;
        super::say_quit(&mut io, Duration::from_secs(2)).await;
        Ok(peer)
    }

    /// Every address of the endpoint, as dialling would try them. A proxy
    /// does not tell those that it knows: not to be asked with one.
    pub(crate) async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let Config { endpoint, local_address, deadlines, .. } = &*self.config;
        let (host, port) = (&*endpoint.host, endpoint.port);
        let resolving =
            dial::resolve(&*self.network, host, port, *local_address, deadlines.connect);
        resolving.await.map(Vec::from).map_err(|error| self.place(error))
    }

    /// Everything before AUTH.
    pub(crate) async fn establish(&self, resume: Resume) -> Result<Draft, Error> {
        let (stream, address) = self.dial().await?;
        self.climb(self.begin(stream, address), resume).await
    }

    /// The start of a session over a connection.
    pub(crate) fn begin(&self, stream: Box<dyn Stream>, address: SocketAddr) -> Draft {
        let ehlo_name = match &self.config.ehlo_name {
            Some(name) => name.clone(),
            None => address_literal(stream.local_addr()),
        };
        let mode = self.config.endpoint.tls;
        let opening = Opening::new(mode, &ehlo_name, self.config.credentials.is_some());
        let wire = WireLog::new(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let io = Io::Plain(Metered::new(stream));
        Draft { io, opening, peer: None, address, wire }
    }

    /// From a connection to EHLO, inside TLS where there is any.
    pub(crate) async fn climb(&self, mut draft: Draft, resume: Resume) -> Result<Draft, Error> {
        if self.config.endpoint.tls == TlsMode::Implicit {
            draft = self.secure(draft, resume).await?;
        }
        loop {
            match draft.opening.step() {
                Step::Ready => return Ok(draft),
                Step::Talk => draft.talk(self).await?,
                Step::StartTls => {
                    draft = self.secure(draft, resume).await?;
                    draft.opening.secured()?;
                }
            }
        }
    }

    pub(crate) async fn dial(&self) -> Result<(Box<dyn Stream>, SocketAddr), Error> {
        let Config { endpoint, local_address, deadlines, .. } = &*self.config;
        let (network, bind, deadline) = (&*self.network, *local_address, deadlines.connect);
        match &self.config.proxy {
            None => dial::dial(network, &endpoint.host, endpoint.port, bind, deadline).await,
            Some(proxy) => {
                proxy::through(network, proxy, &endpoint.host, endpoint.port, bind, deadline).await
            }
        }
    }

    pub(crate) async fn secure(&self, draft: Draft, resume: Resume) -> Result<Draft, Error> {
        let (Some(tls), Io::Plain(stream)) = (&self.tls, draft.io) else {
            return Err(Error::new(
                ErrorKind::Internal,
                Stage::Handshake,
                "a TLS handshake without TLS settings",
            ));
        };
        let deadline = self.config.deadlines.handshake;
        let (stream, peer) =
            within(deadline, Stage::Handshake, tls.handshake(stream, resume)).await?;
        Ok(Draft { io: Io::Tls(Box::new(stream)), peer: Some(peer), ..draft })
    }

    /// The mechanisms to log in by, strongest first: at least one, but none
    /// without credentials.
    ///
    /// # Errors
    /// `auth` if nothing fits.
    pub(crate) fn mechanisms(&self, draft: &Draft) -> Result<Vec<Mechanism>, Error> {
        let Some(credentials) = &self.config.credentials else { return Ok(Vec::new()) };
        let Config { auth: policy, allow_plaintext_auth, .. } = &*self.config;
        let secure = draft.opening.is_secure() || *allow_plaintext_auth;
        let offered = draft.opening.capabilities().auth();
        let (kind, binding) = (credentials.kind(), draft.channel_binding());
        let selected = auth::select(&offered, policy, kind, &binding, secure);
        if selected.is_empty() {
            return Err(auth::no_mechanism_error(&offered, policy, kind, &binding, secure));
        }
        Ok(selected)
    }

    /// AUTH with the strongest mechanism that both sides have. The next one is
    /// tried only where the server refused the mechanism and not the login,
    /// and a token is renewed at most once: every refused login counts towards
    /// a lock-out.
    pub(crate) async fn log_in(&self, draft: &mut Draft) -> Result<Option<Mechanism>, Error> {
        let Some(credentials) = &self.config.credentials else { return Ok(None) };
        let Config { endpoint, deadlines, .. } = &*self.config;
        let offered = draft.opening.capabilities().auth();
        let binding = draft.channel_binding();
        let mut mechanisms = self.mechanisms(draft)?.into_iter().peekable();
        let mut refresh = false;
        loop {
            let Some(mechanism) = mechanisms.peek().copied() else {
                let text = "every AUTH mechanism was tried";
                return Err(Error::new(ErrorKind::Internal, Stage::Auth, text));
            };
            let secret =
                within(deadlines.command, Stage::Auth, credentials.resolve(refresh)).await?;
            let place = (endpoint.host.as_str(), endpoint.port);
            let nonce = crate::tls::random_nonce()?;
            let exchange = Exchange::new(mechanism, &secret, &binding, &offered, place, || nonce)?;
            draft.opening.authenticate(exchange)?;
            while matches!(draft.opening.step(), Step::Talk) {
                draft.talk(self).await?;
            }
            match draft.opening.take_login() {
                Some(Login::Accepted) => return Ok(Some(mechanism)),
                Some(Login::Refused { next_mechanism: true, error }) => {
                    mechanisms.next();
                    if mechanisms.peek().is_none() {
                        return Err(error);
                    }
                }
                Some(Login::Refused { .. }) if credentials.can_refresh() && !refresh => {
                    refresh = true;
                }
                Some(Login::Refused { error, .. }) => return Err(error),
                None => {
                    let text = "authentication ended without an answer";
                    return Err(Error::new(ErrorKind::Internal, Stage::Auth, text));
                }
            }
        }
    }
}

/// A session on its way to being one.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) io: Io,
    pub(crate) opening: Opening,
    pub(crate) peer: Option<Peer>,
    address: SocketAddr,
    pub(crate) wire: WireLog,
}

impl Draft {
    fn channel_binding(&self) -> ChannelBinding {
        self.peer.as_ref().map_or_else(ChannelBinding::default, |peer| peer.channel_binding.clone())
    }

    /// Writes what the opening wants said and reads one reply to it.
    pub(crate) async fn talk(&mut self, connector: &Connector) -> Result<(), Error> {
        let Connector { config, tls, .. } = connector;
        let stage = self.opening.stage();
        let deadline = match stage {
            Stage::Greeting => config.deadlines.greeting,
            _ => config.deadlines.command,
        };
        within(deadline, stage, self.exchange(tls.as_ref(), stage)).await.map_err(|error| {
            // A server that waits for TLS from the first byte says nothing.
            let silent = error.kind() == ErrorKind::Timeout && stage == Stage::Greeting;
            if silent && config.endpoint.tls != TlsMode::Implicit {
                return error.with_hint(
                    "a port for implicit TLS waits like this for the client to begin: try \
                     implicit TLS (usually port 465)",
                );
            }
            error
        })
    }

    async fn exchange(&mut self, tls: Option<&TlsContext>, stage: Stage) -> Result<(), Error> {
        // Under TLS 1.3 a server refuses a client certificate, or the lack of
        // one, only after the handshake.
        let lost = |error: io::Error| match tls {
            Some(tls) if is_tls(&error) => tls.failure(stage, error),
            _ => Loss::Io(error).into_error(stage),
        };
        let output = self.opening.take_output();
        if !output.is_empty() {
            self.wire.sent(&output);
            self.io.write_all(&output).await.map_err(lost)?;
            self.io.flush().await.map_err(lost)?;
        }
        let mut space = [0; 4096];
        loop {
            let count = match self.io.read(&mut space).await {
                Ok(0) => return Err(Loss::Closed.into_error(stage)),
                Err(error) if super::is_end(&error) => return Err(Loss::Closed.into_error(stage)),
                Err(error) => return Err(lost(error)),
                Ok(count) => count,
            };
            self.wire.received(&space[..count]);
            if self.opening.receive(&space[..count])? {
                return Ok(());
            }
        }
    }
}

/// Whether the error is one of TLS and not of the connection under it.
fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Bounds a step by its deadline.
pub(crate) async fn within<T>(
    deadline: Duration,
    stage: Stage,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match timeout(deadline, step).await {
        Ok(result) => result,
        Err(_) => Err(Loss::Timeout(deadline).into_error(stage)),
    }
}

/// The name of a client that has none: its address (RFC 5321 §4.1.3).
pub(crate) fn address_literal(local: Option<SocketAddr>) -> String {
    match local.map(|local| local.ip()) {
        Some(IpAddr::V4(ip)) => format!("[{ip}]"),
        Some(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => format!("[{ip}]"),
            None => format!("[IPv6:{ip}]"),
        },
        None => "[127.0.0.1]".to_owned(),
    }
}
