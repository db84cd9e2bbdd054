//! The server: its listeners, what they serve, and the commands to change it.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::auth::Accounts;
use crate::authority::{Authority, Chain, ClientCertificate, LeafInfo, Order as LeafOrder};
use crate::fault::{Action, At, Cut, Fault, FaultHandle};
use crate::listen::{accept, bind, serve};
use crate::lock;
use crate::proxy::{Proxy, ProxyOptions};
use crate::record::{Connection, ConnectionLog, Order, Received, Record, Stats};
use crate::rotate::{Restart, Rotate, Signer};
use crate::settings::Settings;
use crate::shared::{Listener, Serving, Shared};
use crate::tls::{Parts, fresh_ticketer};
use crate::wire::Other;
use crate::{Builder, Error};

/// What listens, and on which addresses.
#[derive(Default)]
struct Listening {
    token: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// A running server. It stops when dropped.
pub struct Rehearsal {
    shared: Arc<Shared>,
    names: Vec<String>,
    parts: Parts,
    addresses: [SocketAddr; 3],
    proxy: Option<SocketAddr>,
    listening: tokio::sync::Mutex<Listening>,
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal")
            .field("host", &self.shared.host)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Rehearsal {
    /// Starts from the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(builder: Builder) -> Result<Self, Error> {
        let now = builder.clock.now();
        let mut authority = Authority::new(now)?;
        let parts = Parts {
            versions: builder.versions,
            resumption: builder.resumption,
            client_auth: builder.client_auth,
            roots: authority.root_der(),
            clock: builder.clock.clone(),
        };
        let names = builder.names.unwrap_or_else(|| {
            vec![builder.host.clone(), "127.0.0.1".to_owned(), "::1".to_owned()]
        });
        let issued = authority.issue(&LeafOrder {
            chain: Chain::Good,
            names: &names,
            now,
            validity: (None, None),
            key: None,
        })?;
        let ticketer = fresh_ticketer()?;
        let first = parts.identity(issued, &ticketer)?;
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Ok(Rehearsal {
            shared: Arc::new(Shared {
                host: builder.host,
                clock: builder.clock,
                accounts: Accounts::new(builder.credentials, builder.tokens),
                record: Record::default(),
                faults: Arc::default(),
                queued: AtomicU64::new(0),
                stop: CancellationToken::new(),
                settings: Mutex::new(Arc::new(builder.settings)),
                serving: Mutex::new(Serving {
                    authority,
                    ticketer,
                    history: vec![first],
                    share: None,
                    handed_out: 0,
                }),
                rate: Mutex::default(),
                client_names: Mutex::default(),
            }),
            names,
            parts,
            addresses: [nowhere; 3],
            proxy: None,
            listening: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) async fn listen(&mut self, addresses: [SocketAddr; 3]) -> Result<(), Error> {
        self.addresses = addresses;
        self.addresses = self.open_listeners().await?;
        Ok(())
    }

    /// Lets clients in by a proxy too, which restarts of the server leave alone.
    pub(crate) async fn listen_as_proxy(
        &mut self,
        address: IpAddr,
        options: ProxyOptions,
    ) -> Result<(), Error> {
        let socket = bind(SocketAddr::new(address, options.port)).await?;
        self.proxy = Some(socket.local_addr()?);
        let proxy = Proxy {
            shared: Arc::clone(&self.shared),
            credentials: options.credentials,
            targets: self.addresses,
        };
        let token = self.shared.stop.child_token();
        tokio::spawn(crate::proxy::accept(Arc::new(proxy), socket, token));
        Ok(())
    }

    /// Listens on the three addresses and says what they came to be.
    async fn open_listeners(&self) -> Result<[SocketAddr; 3], Error> {
        let mut listening = self.listening.lock().await;
        *listening = Listening { token: self.shared.stop.child_token(), tasks: Vec::new() };
        let mut addresses = self.addresses;
        let kinds = [Listener::Implicit, Listener::StartTls, Listener::Plain];
        for (address, kind) in addresses.iter_mut().zip(kinds) {
            let socket = bind(*address).await?;
            *address = socket.local_addr()?;
            let (shared, token) = (self.shared.clone(), listening.token.clone());
            listening.tasks.push(tokio::spawn(accept(shared, socket, kind, token)));
        }
        Ok(addresses)
    }

    /// The address with TLS from the first byte.
    pub fn implicit_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The address with STARTTLS.
    pub fn starttls_addr(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// The address without TLS.
    pub fn plain_addr(&self) -> SocketAddr {
        self.addresses[2]
    }

    /// The address of the proxy, where there is one.
    pub fn proxy_addr(&self) -> Option<SocketAddr> {
        self.proxy
    }

    /// The name that the certificates are for.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// The root of the server's CA: the trust anchor for clients, in PEM.
    pub fn ca_pem(&self) -> String {
        lock(&self.shared.serving).authority.root_pem()
    }

    /// The leaf that is served: the newest one when a share of connections
    /// still gets the one before.
    pub fn leaf(&self) -> LeafInfo {
        let serving = lock(&self.shared.serving);
        serving.history[serving.history.len() - 1].leaf.clone()
    }

    /// Makes a certificate that clients can show.
    ///
    /// # Errors
    /// [`Error::Certificate`] when it cannot be made.
    pub fn client_certificate(&self, name: &str) -> Result<ClientCertificate, Error> {
        let made =
            lock(&self.shared.serving).authority.issue_client(name, self.shared.clock.now())?;
        let digest: [u8; 32] = Sha256::digest(&made.chain[0]).into();
        lock(&self.shared.client_names).insert(digest, name.to_owned());
        Ok(made)
    }

    /// Changes the certificate.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a validity that ends before it begins or a share
    /// outside 0 to 1; [`Error::Io`] when a restart cannot listen again.
    pub async fn rotate(&self, rotate: Rotate) -> Result<LeafInfo, Error> {
        if rotate.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(Error::Invalid("a share lies between 0 and 1".into()));
        }
        let now = self.shared.clock.now();
        let leaf = {
            let mut serving = lock(&self.shared.serving);
            if rotate.signer == Signer::NewIntermediate {
                serving.authority.renew_intermediate(now)?;
            }
            let current = serving.history[serving.history.len() - 1].clone();
            let issued = serving.authority.issue(&LeafOrder {
                chain: rotate.chain,
                names: &self.names,
                now,
                validity: (rotate.not_before, rotate.not_after),
                key: rotate.same_key.then_some(current.key.as_slice()),
            })?;
            if rotate.fresh_tickets {
                serving.ticketer = fresh_ticketer()?;
            }
            let identity = self.parts.identity(issued, &serving.ticketer)?;
            let leaf = identity.leaf.clone();
            serving.history.push(identity);
            serving.share = rotate.share;
            serving.handed_out = 0;
            leaf
        };
        if let Some(restart) = rotate.restart {
            self.restart(restart).await?;
        }
        Ok(leaf)
    }

    /// Serves another chain in place: a bad one, or a good one again.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub async fn present(&self, chain: Chain) -> Result<LeafInfo, Error> {
        self.rotate(Rotate { chain, ..Rotate::default() }).await
    }

    /// Serves the leaf before the current one again, to all.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is none.
    pub fn rollback(&self) -> Result<LeafInfo, Error> {
        let mut serving = lock(&self.shared.serving);
        if serving.history.len() < 2 {
            return Err(Error::Invalid("there is no earlier leaf to go back to".into()));
        }
        serving.history.pop();
        serving.share = None;
        Ok(serving.history[serving.history.len() - 1].leaf.clone())
    }

    /// Closes the listeners and every connection, then listens on the same
    /// ports again.
    ///
    /// # Errors
    /// [`Error::Io`] when a port was taken by another process meanwhile.
    pub async fn restart(&self, restart: Restart) -> Result<(), Error> {
        let listens = {
            let mut listening = self.listening.lock().await;
            listening.token.cancel();
            let tasks = std::mem::take(&mut listening.tasks);
            let listens = !tasks.is_empty();
            for task in tasks {
                // It only ends by being cancelled; the socket is closed then.
                let _ = task.await;
            }
            listens
        };
        self.end_all(restart.goodbye.order()).await;
        if !restart.down.is_zero() {
            tokio::time::sleep(restart.down).await;
        }
        if listens {
            self.open_listeners().await?;
        }
        Ok(())
    }

    /// Ends all open connections and waits until they are closed on this side.
    async fn end_all(&self, order: Order) -> usize {
        let open = self.shared.record.open_connections();
        for connection in &open {
            if order == Order::Cut(Cut::Rst) {
                connection.raw.abort.store(true, Ordering::Relaxed);
            }
            connection.order.send_replace(Some(order));
        }
        ended(&open).await;
        open.len()
    }

    /// Cuts every open connection; returns how many there were.
    pub async fn drop_connections(&self, cut: Cut) -> usize {
        self.end_all(Order::Cut(cut)).await
    }

    /// Tells every idle connection 421 and closes it; returns how many. A
    /// connection is idle between transactions, once it may send.
    pub async fn wave_of_421(&self) -> usize {
        let mut open = self.shared.record.open_connections();
        open.retain(|connection| connection.tell());
        ended(&open).await;
        open.len()
    }

    /// Arms a fault.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the action has no meaning at that place.
    pub fn inject(&self, fault: Fault) -> Result<FaultHandle, Error> {
        let simple = matches!(fault.action, Action::Cut(_) | Action::Stall);
        let wrong = match fault.at {
            At::RawReceived(_) | At::RawSent(_) => !simple,
            At::Sent(_) => {
                !simple && !matches!(fault.action, Action::Reply(_) | Action::ReplyThenCut(..))
            }
            At::Accept => false,
            _ => fault.action == Action::WrongMode,
        };
        if wrong {
            return Err(Error::Invalid(format!(
                "{:?} has no meaning at {:?}",
                fault.action, fault.at
            )));
        }
        let idle = fault.at == At::Idle;
        let handle = self.shared.faults.inject(fault, self.shared.record.next_connection());
        if idle {
            for connection in self.shared.record.open_connections() {
                connection.nudge.notify_one();
            }
        }
        Ok(handle)
    }

    /// Lets stalled connections go on: those of one fault, or all.
    pub fn release(&self, id: Option<u64>) -> usize {
        self.shared.faults.release(id)
    }

    /// Disarms every fault and releases what they hold.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Changes settings; sessions look at EHLO and at MAIL.
    pub fn update(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = lock(&self.shared.settings);
        change(Arc::make_mut(&mut settings));
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.shared.settings().as_ref().clone()
    }

    /// The messages kept so far, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.record.received()
    }

    /// How many messages were kept so far.
    pub fn received_count(&self) -> usize {
        self.shared.record.received_count()
    }

    /// How often a message was kept, by Message-ID with or without brackets.
    pub fn copies(&self, message_id: &str) -> usize {
        self.shared.record.copies(message_id)
    }

    /// How often each Message-ID (without brackets) was kept.
    pub fn counts(&self) -> HashMap<String, usize> {
        self.shared.record.counts()
    }

    /// Forgets the messages and the closed connections; the counters stay.
    pub fn clear_received(&self) {
        self.shared.record.clear();
    }

    /// Waits until at least `count` messages are held.
    pub async fn wait_received(&self, count: usize) {
        self.shared.record.wait(|record| record.received_count() >= count).await;
    }

    /// Waits until no connection is open.
    pub async fn wait_closed(&self) {
        self.shared.record.wait(|record| record.stats().open == 0).await;
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.shared.record.stats()
    }

    /// Flights so far, over all connections.
    pub fn flights(&self) -> u64 {
        self.stats().flights
    }

    /// What is known of each connection, in the order they came.
    pub fn connections(&self) -> Vec<ConnectionLog> {
        self.shared.record.connections()
    }

    /// Serves one connection over any stream, to its end: no socket needed.
    /// The future outlives the borrow; spawn it.
    pub fn serve_stream<S>(
        &self,
        stream: S,
        listener: Listener,
    ) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        serve(self.shared.clone(), Box::new(Other(stream)), None, listener)
    }

    /// Stops listening and ends every connection.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.faults.clear();
        let tasks = std::mem::take(&mut self.listening.lock().await.tasks);
        for task in tasks {
            let _ = task.await;
        }
        ended(&self.shared.record.open_connections()).await;
    }
}

async fn ended(connections: &[Arc<Connection>]) {
    for connection in connections {
        connection.ended.cancelled().await;
    }
}
