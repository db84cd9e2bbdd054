//! Judging a chain on every axis without a handshake: [`Inspector`].

use std::fmt;
use std::time::SystemTime;

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor};

use super::digest::{Fingerprint, SpkiPin};
use super::judge::{Judgement, judge};
use super::policy::TrustPolicy;
use super::report::{CertificateReport, TrustVerdict};
use super::threshold::Thresholds;

/// Trusted roots under one name. Made by
/// [`TrustRoots::load`](crate::TrustRoots::load).
#[derive(Clone)]
pub struct RootSet {
    name: String,
    anchors: Vec<TrustAnchor<'static>>,
}

impl RootSet {
    pub(crate) fn new(name: impl Into<String>, anchors: Vec<TrustAnchor<'static>>) -> Self {
        RootSet { name: name.into(), anchors }
    }

    /// `system`, `mozilla`, or where the roots came from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many roots there are.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

/// Numbers only.
impl fmt::Debug for RootSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootSet")
            .field("name", &self.name)
            .field("roots", &self.anchors.len())
            .finish()
    }
}

/// What the server showed beside its chain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown<'a> {
    /// The stapled OCSP response; `None`: no handshake to staple to, as with a
    /// file.
    pub(crate) staple: Option<&'a [u8]>,
    /// Whether the server proved that it holds the key; `None`: it was not
    /// asked to.
    pub(crate) proven: Option<bool>,
}

/// Judges chains: roots, pins, thresholds and revocation lists, set once.
///
/// Pure: no network, and the moment is passed in. May be shared by threads.
#[derive(Debug)]
pub struct Inspector {
    decisive: TrustPolicy,
    decisive_name: String,
    compared: Vec<(String, TrustPolicy)>,
    fingerprints: Vec<Fingerprint>,
    thresholds: Thresholds,
}

impl Inspector {
    /// Judges trust by `roots`.
    pub fn new(roots: &RootSet) -> Self {
        Inspector {
            decisive: policy(roots),
            decisive_name: roots.name.clone(),
            compared: Vec::new(),
            fingerprints: Vec::new(),
            thresholds: Thresholds::default(),
        }
    }

    /// Tells what another set of roots says, which decides nothing.
    #[must_use]
    pub fn compare_roots(mut self, roots: &RootSet) -> Self {
        self.compared.push((roots.name.clone(), policy(roots)));
        self
    }

    /// Demands one of the pinned keys in the path.
    #[must_use]
    pub fn pin(mut self, pin: SpkiPin) -> Self {
        self.decisive.pins.push(pin);
        self
    }

    /// Demands one of the leaves with these fingerprints.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprints.push(fingerprint);
        self
    }

    /// When an approaching end is a warning, and when it is critical.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Judges `chain`, leaf first and in DER, for `host` (a name or an IP
    /// address) as of `at`.
    pub fn inspect(&self, chain: &[Vec<u8>], host: &str, at: SystemTime) -> CertificateReport {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(&der[..])).collect();
        self.judge(&chain, host, Shown::default(), at)
    }

    pub(crate) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        host: &str,
        _shown: Shown<'_>,
        at: SystemTime,
    ) -> CertificateReport {
        let name = ServerName::try_from(host.to_owned());
        let name = name.unwrap_or_else(|_| std::net::IpAddr::from([0, 0, 0, 0]).into());
        let case = Judgement { chain, host: &name, policy: &self.decisive, now: at };
        let refusal = self.decisive.verify(chain, &name, at).err();
        let mut report = judge(case, refusal.as_ref());
        let verdict = |name: &str, policy: &TrustPolicy, decides| TrustVerdict {
            roots: name.to_owned(),
            trusted: policy.trusts(chain, at).is_ok(),
            decides,
        };
        report.trust.push(verdict(&self.decisive_name, &self.decisive, true));
        for (name, policy) in &self.compared {
            report.trust.push(verdict(name, policy, false));
        }
        report
    }
}

fn policy(roots: &RootSet) -> TrustPolicy {
    TrustPolicy {
        roots: roots.anchors.clone(),
        pins: Vec::new(),
        algorithms: webpki::ALL_VERIFICATION_ALGS,
    }
}
