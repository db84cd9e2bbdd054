//! The resumption store: which session may be taken up again.
//!
//! A resumed session is a new connection on old trust: the server's
//! certificate is not sent, let alone judged. So each ticket is kept with the
//! [`Basis`] it rests on and is refused (and dropped) once
//!
//! - now ≥ earliest notAfter of the verified path − `expiry_margin`;
//! - the full handshake is older than `full_handshake_interval`, or lies in
//!   the future of a clock that was set back;
//! - a newer leaf has been seen (the *generation* moved);
//! - tickets were dropped, as they are after a handshake that failed; tickets
//!   that reach us later on connections from before do not come back in.
//!
//! In a fleet that rotates node by node, the generation is the newest leaf by
//! notBefore. Laggard nodes' tickets are not kept, so that a ticket never
//! leads back to an older leaf; nothing else happens to them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::NamedGroup;
use rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::CertificateDer;

use crate::certificate::{Certificate, Fingerprint};
use crate::clock::Clock;

/// TLS 1.3 tickets kept; each is used once.
const MAX_TLS13_TICKETS: usize = 8;

/// The full handshake that a session rests on.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) leaf: Arc<Certificate>,
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    pub(super) earliest_not_after: SystemTime,
    pub(super) verified_at: SystemTime,
}

/// All tickets of one mailer: one endpoint under one trust policy.
pub(super) struct TicketStore {
    clock: Arc<dyn Clock>,
    expiry_margin: Duration,
    full_handshake_interval: Duration,
    tickets: Mutex<Tickets>,
}

#[derive(Default)]
struct Tickets {
    tls13: VecDeque<Held<Tls13ClientSessionValue>>,
    tls12: Option<Held<Tls12ClientSessionValue>>,
    kx_hint: Option<NamedGroup>,
    generation: Option<Generation>,
    epoch: u64,
}

struct Held<T> {
    value: T,
    basis: Arc<Basis>,
}

#[derive(Clone, Copy)]
struct Generation {
    leaf: Fingerprint,
    not_before: SystemTime,
}

impl TicketStore {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        expiry_margin: Duration,
        full_handshake_interval: Duration,
    ) -> Self {
        let tickets = Mutex::default();
        TicketStore { clock, expiry_margin, full_handshake_interval, tickets }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Counts how often tickets were dropped.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Moves the generation to `leaf` if that is newer, and then drops the
    /// tickets of every other leaf.
    pub(super) fn set_generation(&self, leaf: &Certificate) {
        let mut tickets = self.lock();
        let newer = tickets.generation.is_none_or(|now| now.not_before < leaf.not_before());
        if newer {
            let fingerprint = leaf.fingerprint();
            tickets.generation =
                Some(Generation { leaf: fingerprint, not_before: leaf.not_before() });
            tickets.tls13.retain(|held| held.basis.leaf.fingerprint() == fingerprint);
            tickets.tls12.take_if(|held| held.basis.leaf.fingerprint() != fingerprint);
        }
    }

    /// Forgets every ticket, and those still to come from connections of
    /// before.
    pub(super) fn drop_all(&self) {
        let mut tickets = self.lock();
        tickets.epoch += 1;
        tickets.tls13.clear();
        tickets.tls12 = None;
    }

    pub(super) fn take_tls13(&self) -> Option<(Tls13ClientSessionValue, Arc<Basis>)> {
        let now = self.now();
        let mut tickets = self.lock();
        while let Some(held) = tickets.tls13.pop_back() {
            if self.still_good(&held.basis, &tickets, now) {
                return Some((held.value, held.basis));
            }
        }
        None
    }

    pub(super) fn tls12(&self) -> Option<(Tls12ClientSessionValue, Arc<Basis>)> {
        let now = self.now();
        let mut tickets = self.lock();
        let held = tickets.tls12.take()?;
        if !self.still_good(&held.basis, &tickets, now) {
            return None;
        }
        let found = (held.value.clone(), Arc::clone(&held.basis));
        tickets.tls12 = Some(held);
        Some(found)
    }

    pub(super) fn put_tls13(&self, value: Tls13ClientSessionValue, basis: Arc<Basis>, epoch: u64) {
        let now = self.now();
        let mut tickets = self.lock();
        if tickets.epoch == epoch && self.still_good(&basis, &tickets, now) {
            if tickets.tls13.len() == MAX_TLS13_TICKETS {
                tickets.tls13.pop_front();
            }
            tickets.tls13.push_back(Held { value, basis });
        }
    }

    pub(super) fn put_tls12(&self, value: Tls12ClientSessionValue, basis: Arc<Basis>, epoch: u64) {
        let now = self.now();
        let mut tickets = self.lock();
        if tickets.epoch == epoch && self.still_good(&basis, &tickets, now) {
            tickets.tls12 = Some(Held { value, basis });
        }
    }

    pub(super) fn remove_tls12(&self) {
        self.lock().tls12 = None;
    }

    pub(super) fn kx_hint(&self) -> Option<NamedGroup> {
        self.lock().kx_hint
    }

    pub(super) fn set_kx_hint(&self, group: NamedGroup) {
        self.lock().kx_hint = Some(group);
    }

    fn still_good(&self, basis: &Basis, tickets: &Tickets, now: SystemTime) -> bool {
        let current =
            tickets.generation.is_none_or(|generation| generation.leaf == basis.leaf.fingerprint());
        let in_time = now
            .checked_add(self.expiry_margin)
            .is_some_and(|moment| moment < basis.earliest_not_after);
        let fresh = now
            .duration_since(basis.verified_at)
            .is_ok_and(|age| age < self.full_handshake_interval);
        current && in_time && fresh
    }

    fn lock(&self) -> MutexGuard<'_, Tickets> {
        // Every change is complete at each statement: a panic elsewhere while
        // the lock was held leaves nothing half done.
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let tickets = self.lock();
        tickets.tls13.len() + usize::from(tickets.tls12.is_some())
    }
}

/// Counts only: a ticket opens its session.
impl fmt::Debug for TicketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tickets = self.lock();
        f.debug_struct("TicketStore")
            .field("tls13", &tickets.tls13.len())
            .field("tls12", &tickets.tls12.is_some())
            .finish_non_exhaustive()
    }
}
