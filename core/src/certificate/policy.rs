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

use super::digest::SpkiPin;
use super::facts::Certificate;

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
    /// report. Returns the pin of the root it ends in.
    pub(super) fn trusts(
        &self,
        chain: &[CertificateDer<'_>],
        moment: SystemTime,
    ) -> Result<SpkiPin, webpki::Error> {
        self.path(chain, moment, AnyPurpose)
    }

    /// The path as a server needs it, without name and pins.
    pub(super) fn trusts_server(
        &self,
        chain: &[CertificateDer<'_>],
        moment: SystemTime,
    ) -> Result<SpkiPin, webpki::Error> {
        self.path(chain, moment, KeyUsage::server_auth())
    }

    fn path(
        &self,
        chain: &[CertificateDer<'_>],
        moment: SystemTime,
        purpose: impl ExtendedKeyUsageValidator,
    ) -> Result<SpkiPin, webpki::Error> {
        let (leaf, others) = chain.split_first().ok_or(webpki::Error::UnknownIssuer)?;
        let end_entity = EndEntityCert::try_from(leaf)?;
        let time = unix_time(moment);
        let path = end_entity.verify_for_usage(
            self.algorithms,
            &self.roots,
            others,
            time,
            purpose,
            None,
            None,
        )?;
        Ok(anchor_pin(path.anchor()))
    }

    /// Whether a root has this certificate's name and key, so that the
    /// certificate is a root itself.
    pub(super) fn is_root(&self, certificate: &Certificate) -> bool {
        self.roots.iter().any(|anchor| {
            anchor_pin(anchor) == certificate.spki_pin()
                && der_sequence(&anchor.subject) == certificate.subject_der()
        })
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
    SpkiPin::of(&der_sequence(&anchor.subject_public_key_info))
}

/// A DER SEQUENCE around `content`: trust anchors hold name and key without it.
fn der_sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = vec![0x30];
    match digits {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        _ => {
            der.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
            der.extend_from_slice(digits);
        }
    }
    der.extend_from_slice(content);
    der
}

/// Lets the trust axis be judged apart from the purpose.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: webpki::KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
