//! One handshake and its connection: what the verifier learned, and where its
//! tickets go.
//!
//! rustls wants one verifier for all connections that may share sessions, and
//! tells a session store nothing about certificates. The [`Attempt`] joins
//! the two: it is the connection's own session store, and the task-local
//! [`ATTEMPT`] makes it known to the shared verifier while the handshake is
//! polled. It lives as long as the connection, because TLS 1.3 tickets come
//! in later reads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;

use super::tickets::{Basis, TicketStore};
use crate::certificate::CertificateReport;

tokio::task_local! {
    /// The handshake that is being polled.
    pub(super) static ATTEMPT: Arc<Attempt>;
}

/// One handshake, and later the tickets of its connection.
pub(super) struct Attempt {
    store: Arc<TicketStore>,
    epoch: u64,
    /// Whether a ticket may be offered.
    offer: bool,
    /// Whether tickets are kept for later connections.
    keep: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Set by the verifier: this handshake is full.
    verified: Option<Arc<Basis>>,
    /// Set when a ticket is offered; what the session rests on if the server
    /// takes it up.
    offered: Option<Arc<Basis>>,
    report: Option<Arc<CertificateReport>>,
}

impl Attempt {
    pub(super) fn new(store: Arc<TicketStore>, offer: bool, keep: bool) -> Self {
        let epoch = store.epoch();
        Attempt { store, epoch, offer, keep, state: Mutex::default() }
    }

    pub(super) fn verified(&self, basis: Basis) {
        self.store.set_generation(&basis.leaf);
        self.state().verified = Some(Arc::new(basis));
    }

    pub(super) fn refused(&self, report: CertificateReport) {
        self.state().report = Some(Arc::new(report));
    }

    /// The full handshake this connection rests on, once it is made.
    pub(super) fn basis(&self) -> Option<Arc<Basis>> {
        let state = self.state();
        // A server that declines the ticket sends its certificate.
        state.verified.clone().or_else(|| state.offered.clone())
    }

    pub(super) fn report(&self) -> Option<Arc<CertificateReport>> {
        self.state().report.clone()
    }

    fn basis_to_keep(&self) -> Option<Arc<Basis>> {
        if self.keep { self.basis() } else { None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server's name is not a key here: a store belongs to one endpoint.
impl ClientSessionStore for Attempt {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.store.set_kx_hint(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.store.kx_hint()
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        if let Some(basis) = self.basis_to_keep() {
            self.store.put_tls12(value, basis, self.epoch);
        }
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let (value, basis) = self.offer.then(|| self.store.tls12())??;
        self.state().offered = Some(basis);
        Some(value)
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.store.remove_tls12();
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        if let Some(basis) = self.basis_to_keep() {
            self.store.put_tls13(value, basis, self.epoch);
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let (value, basis) = self.offer.then(|| self.store.take_tls13())??;
        self.state().offered = Some(basis);
        Some(value)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("offer", &self.offer)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}
