//! Whom we trust: [`TrustPolicy`], and the decision made with it.
//!
//! The path library is called directly and not through rustls, which flattens
//! its errors. This is the only place that says yes to a certificate.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyUsage, VerifiedPath};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::algorithm::{self, Key};
use super::der::{self, Reader};
use super::digest::{Fingerprint, SpkiPin};
use super::facts::{self, Certificate};

/// Roots and pins, and the algorithms to check signatures with.
pub(crate) struct TrustPolicy {
    pub(crate) roots: Vec<TrustAnchor<'static>>,
    /// If there are any, one must be in the verified path: the leaf, an
    /// intermediate or the root.
    pub(crate) pins: Vec<SpkiPin>,
    pub(crate) algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

/// Why a chain was not accepted, as the path library sees it. The report says
/// more.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No certificate at all.
    Empty,
    /// The path or the name.
    Path(webpki::Error),
    /// The path is good, and no key in it is pinned.
    Unpinned,
}

impl From<webpki::Error> for Refusal {
    fn from(error: webpki::Error) -> Self {
        Refusal::Path(error)
    }
}

impl TrustPolicy {
    /// Accepts `chain` (leaf first) for `host` at `now`, or says why not.
    ///
    /// Returns the first moment at which a certificate of the verified path
    /// ends. Certificates that were sent and not needed have no say in it:
    /// servers go on sending expired cross-signatures for years.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: SystemTime,
    ) -> Result<SystemTime, Refusal> {
        let (leaf, others) = chain.split_first().ok_or(Refusal::Empty)?;
        let end_entity = EndEntityCert::try_from(leaf)?;
        let unpinned = Cell::new(false);
        // Inside the path search, so that of several good paths a pinned one
        // is found.
        let check_pins = |path: &VerifiedPath<'_>| {
            if self.pins.is_empty() || path_pins(path).any(|pin| self.pins.contains(&pin)) {
                return Ok(());
            }
            unpinned.set(true);
            Err(webpki::Error::UnknownIssuer)
        };
        let path = end_entity
            .verify_for_usage(
                self.algorithms,
                &self.roots,
                others,
                unix_time(now),
                KeyUsage::server_auth(),
                None,
                Some(&check_pins),
            )
            .map_err(|error| match unpinned.get() {
                true => Refusal::Unpinned,
                false => Refusal::Path(error),
            })?;
        end_entity.verify_is_valid_for_subject_name(host)?;
        let earliest = path
            .intermediate_certificates()
            .map(|certificate| certificate.der())
            .chain([CertificateDer::from(leaf.as_ref())])
            .filter_map(|der| Certificate::from_der(&der).ok())
            .map(|certificate| certificate.not_after())
            .min();
        // Nothing readable means nothing to rely on later than now.
        Ok(earliest.unwrap_or(now))
    }

    /// The path alone, for any purpose and without pins: the trust axis of a
    /// report.
    pub(super) fn trusts(
        &self,
        chain: &[CertificateDer<'_>],
        moment: SystemTime,
    ) -> Result<TrustedPath, webpki::Error> {
        self.path(chain, moment, AnyPurpose)
    }

    /// The path as a server needs it, without name and pins.
    pub(super) fn trusts_server(
        &self,
        chain: &[CertificateDer<'_>],
        moment: SystemTime,
    ) -> Result<TrustedPath, webpki::Error> {
        self.path(chain, moment, KeyUsage::server_auth())
    }

    fn path(
        &self,
        chain: &[CertificateDer<'_>],
        moment: SystemTime,
        purpose: impl ExtendedKeyUsageValidator,
    ) -> Result<TrustedPath, webpki::Error> {
        let (leaf, others) = chain.split_first().ok_or(webpki::Error::UnknownIssuer)?;
        let end_entity = EndEntityCert::try_from(leaf)?;
        let path = end_entity.verify_for_usage(
            self.algorithms,
            &self.roots,
            others,
            unix_time(moment),
            purpose,
            None,
            None,
        )?;
        let above = path.intermediate_certificates();
        Ok(TrustedPath {
            above: above.map(|certificate| Fingerprint::of(&certificate.der())).collect(),
            root: Root::of(path.anchor()),
        })
    }

    /// The root that this certificate is by name and key, if it is one.
    pub(super) fn as_root(&self, certificate: &Certificate) -> Option<Root> {
        self.roots_named(certificate.subject_der())
            .find(|root| SpkiPin::of(&root.spki) == certificate.spki_pin())
    }

    /// Whether this root is among the trusted ones.
    pub(super) fn holds(&self, root: &Root) -> bool {
        self.roots_named(&root.name).any(|known| known.spki == root.spki)
    }

    /// The roots with this name (DER).
    pub(super) fn roots_named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = Root> + 'a {
        let content = Reader::new(name).take(der::SEQUENCE);
        let anchors = self.roots.iter();
        anchors
            .filter(move |anchor| content.is_some_and(|content| anchor.subject.as_ref() == content))
            .map(Root::of)
    }
}

/// A path that leads to a root.
#[derive(Clone, Debug)]
pub(super) struct TrustedPath {
    /// The authorities above the leaf that were sent, nearest first.
    pub(super) above: Vec<Fingerprint>,
    pub(super) root: Root,
}

/// A trusted root: its name and key, in DER.
#[derive(Clone, Debug)]
pub(super) struct Root {
    name: Vec<u8>,
    pub(super) spki: Vec<u8>,
}

impl Root {
    fn of(anchor: &TrustAnchor<'_>) -> Self {
        Root {
            name: der::sequence(&anchor.subject),
            spki: der::sequence(&anchor.subject_public_key_info),
        }
    }

    /// The common name, or else the whole name.
    pub(super) fn display_name(&self) -> String {
        facts::display_name(&self.name)
    }

    pub(super) fn key(&self) -> Option<Key> {
        let (_, spki) = SubjectPublicKeyInfo::from_der(&self.spki).ok()?;
        Some(algorithm::key(&spki))
    }
}

/// Numbers only: system stores hold more than a hundred roots.
impl fmt::Debug for TrustPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustPolicy")
            .field("roots", &self.roots.len())
            .field("pins", &self.pins)
            .finish_non_exhaustive()
    }
}

fn unix_time(moment: SystemTime) -> UnixTime {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime::since_unix_epoch(since)
}

fn path_pins(path: &VerifiedPath<'_>) -> impl Iterator<Item = SpkiPin> {
    let leaf = SpkiPin::of(path.end_entity().subject_public_key_info().as_ref());
    let above: Vec<SpkiPin> = path
        .intermediate_certificates()
        .map(|certificate| SpkiPin::of(&certificate.subject_public_key_info()))
        .collect();
    [leaf, anchor_pin(path.anchor())].into_iter().chain(above)
}

fn anchor_pin(anchor: &TrustAnchor<'_>) -> SpkiPin {
    SpkiPin::of(&der::sequence(&anchor.subject_public_key_info))
}

/// Lets the trust axis be judged apart from the purpose.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: webpki::KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
