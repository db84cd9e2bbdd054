//! Judging a chain on every axis without a handshake: [`Inspector`].

use std::fmt;
use std::time::SystemTime;

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor};

use super::digest::{Fingerprint, SpkiPin};
use super::facts::printable;
use super::judge::{Beyond, Question, Wanted, examine};
use super::policy::TrustPolicy;
use super::report::CertificateReport;
use super::revocation::Crl;
use super::threshold::Thresholds;
use crate::Error;

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
    /// The stapled OCSP response, if there was one.
    pub(crate) staple: Option<&'a [u8]>,
    /// Whether the server proved that it holds the key; `None`: there was no
    /// handshake in which to prove it or to staple anything, as with a file.
    pub(crate) proven: Option<bool>,
}

/// Judges chains: roots, pins, thresholds and revocation lists, set once.
///
/// Pure: no network, and the moment is passed in. May be shared by threads.
///
/// ```
/// use std::time::SystemTime;
/// use everpost::TrustRoots;
/// use everpost::certificate::Inspector;
///
/// # fn main() -> Result<(), everpost::Error> {
/// let inspector = Inspector::new(&TrustRoots::load(&[TrustRoots::Mozilla])?);
/// let chain: Vec<Vec<u8>> = Vec::new(); // in DER, leaf first
/// let report = inspector.inspect(&chain, "mail.example.org", SystemTime::now());
/// println!("{}: {}", report.status(), report.summary());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Inspector {
    pub(super) decisive: TrustPolicy,
    pub(super) decisive_name: String,
    pub(super) compared: Vec<(String, TrustPolicy)>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) crls: Vec<Crl>,
    pub(super) thresholds: Thresholds,
}

impl Inspector {
    /// Judges trust by `roots`.
    pub fn new(roots: &RootSet) -> Self {
        Inspector {
            decisive: policy(roots),
            decisive_name: roots.name.clone(),
            compared: Vec::new(),
            intermediates: Vec::new(),
            fingerprints: Vec::new(),
            crls: Vec::new(),
            thresholds: Thresholds::default(),
        }
    }

    /// Tells what another set of roots says, which decides nothing.
    #[must_use]
    pub fn compare_roots(mut self, roots: &RootSet) -> Self {
        self.compared.push((roots.name.clone(), policy(roots)));
        self
    }

    /// Makes an intermediate known, in DER: of a file, or as another server
    /// sends it. It completes no path, but a server that did not send it is
    /// told from one with an unknown authority.
    #[must_use]
    pub fn intermediate(mut self, der: &[u8]) -> Self {
        self.intermediates.push(CertificateDer::from(der.to_vec()));
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

    /// Looks for the certificates of a chain in revocation lists: one in DER,
    /// or any number in PEM. Nothing is fetched.
    ///
    /// A certificate that is in a list of its issuer's is `revoked`; a list
    /// that is out of date or not signed by its issuer is `crl-unusable`, as
    /// are lists of which none is of the leaf's issuer.
    ///
    /// # Errors
    /// `invalid_config` if the bytes are no revocation list, or one of a kind
    /// that is not supported: a delta, an indirect one, or one without an end.
    pub fn crl(mut self, der_or_pem: &[u8]) -> Result<Self, Error> {
        self.crls.extend(Crl::read(der_or_pem)?);
        Ok(self)
    }

    /// When an approaching end is a warning, and when it is critical.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Judges `chain`, leaf first and in DER, for `host` as of `at`.
    ///
    /// The host is a DNS name or an IP address (an IPv6 address also in
    /// brackets). An empty one leaves the name unjudged; text that is neither
    /// is a `name-mismatch`, for no certificate can be for it.
    pub fn inspect(&self, chain: &[Vec<u8>], host: &str, at: SystemTime) -> CertificateReport {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(&der[..])).collect();
        self.judge(&chain, host, Shown::default(), at)
    }

    pub(crate) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        host: &str,
        shown: Shown<'_>,
        at: SystemTime,
    ) -> CertificateReport {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare).ok();
        let wanted = match &name {
            Some(name) => Wanted::Name(name),
            None if bare.is_empty() => Wanted::Any,
            None => Wanted::Impossible,
        };
        // The search for a pinned path is the one thing that the axes do not
        // repeat.
        let refusal = match &name {
            Some(name) if !self.decisive.pins.is_empty() => {
                self.decisive.verify(chain, name, at).err()
            }
            _ => None,
        };
        let host = printable(bare);
        let question =
            Question { sent: chain, host: &host, wanted, policy: &self.decisive, now: at };
        examine(question, refusal.as_ref(), Some(Beyond { inspector: self, shown }))
    }
}

fn policy(roots: &RootSet) -> TrustPolicy {
    TrustPolicy {
        roots: roots.anchors.clone(),
        pins: Vec::new(),
        algorithms: webpki::ALL_VERIFICATION_ALGS,
    }
}
