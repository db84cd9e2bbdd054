//! Revocation lists that were given: [`Crl`] (RFC 5280 §5).

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use webpki::{CertRevocationList, OwnedCertRevocationList, RevocationReason};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::der::Signed;
use super::facts::{Certificate, display_name};
use super::ocsp::Revocation;
use super::signature::{self, Signature};
use super::when;
use crate::Error;

/// One list. Whose it is must be checked by its signature.
pub(super) struct Crl {
    der: Vec<u8>,
    list: CertRevocationList<'static>,
    issuer: Vec<u8>,
    pub(super) this_update: SystemTime,
    pub(super) next_update: Option<SystemTime>,
}

impl Crl {
    /// Reads lists from PEM, or one from DER.
    pub(super) fn read(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| Error::config(format!("unreadable revocation list: {error}")))?;
        if !lists.is_empty() {
            return lists.iter().map(|der| Self::from_der(der)).collect();
        }
        // 0x30 opens every list in DER.
        if bytes.first() != Some(&0x30) {
            return Err(Error::config("no revocation list found").with_hint(
                "give revocation lists as PEM (-----BEGIN X509 CRL-----) or one as DER",
            ));
        }
        Ok(vec![Self::from_der(bytes)?])
    }

    fn from_der(der: &[u8]) -> Result<Self, Error> {
        let failed = |reason: &dyn fmt::Display| {
            Error::config(format!("unreadable revocation list: {reason}"))
        };
        let list = OwnedCertRevocationList::from_der(der).map_err(|error| failed(&error))?;
        let (_, parsed) =
            CertificateRevocationList::from_der(der).map_err(|_| failed(&"it is damaged"))?;
        Ok(Crl {
            der: der.to_vec(),
            list: list.into(),
            issuer: parsed.issuer().as_raw().to_vec(),
            this_update: when::from_unix(parsed.last_update().timestamp()),
            next_update: parsed.next_update().map(|time| when::from_unix(time.timestamp())),
        })
    }

    /// Whether it claims to be of the authority that issued `certificate`.
    pub(super) fn is_for(&self, certificate: &Certificate) -> bool {
        self.issuer == certificate.issuer_der()
    }

    /// Its issuer, for a sentence.
    pub(super) fn issuer(&self) -> String {
        display_name(&self.issuer)
    }

    /// Whether one of the keys (SubjectPublicKeyInfo in DER) signed it;
    /// [`Signature::Unchecked`] if none can be held against it.
    pub(super) fn signature_by(&self, keys: &[Vec<u8>]) -> Signature {
        let Some(signed) = Signed::read_alone(&self.der) else { return Signature::Bad };
        signature::check_any(&signed, keys)
    }

    /// Since when and why `certificate` is revoked, if it is.
    pub(super) fn revokes(&self, certificate: &Certificate) -> Option<Revocation> {
        let entry = self.list.find_serial(certificate.serial_bytes()).ok()??;
        let date = Duration::from_secs(entry.revocation_date.as_secs());
        let at = SystemTime::UNIX_EPOCH.checked_add(date)?;
        Some(Revocation { at, reason: entry.reason_code.map(reason) })
    }
}

/// Issuer and dates: lists may be large.
impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("issuer", &self.issuer())
            .field("this_update", &when::utc(self.this_update))
            .finish_non_exhaustive()
    }
}

fn reason(code: RevocationReason) -> &'static str {
    use super::ocsp::reason_of;

    match code {
        RevocationReason::KeyCompromise => reason_of(1),
        RevocationReason::CaCompromise => reason_of(2),
        RevocationReason::AffiliationChanged => reason_of(3),
        RevocationReason::Superseded => reason_of(4),
        RevocationReason::CessationOfOperation => reason_of(5),
        RevocationReason::CertificateHold => reason_of(6),
        RevocationReason::RemoveFromCrl => reason_of(8),
        RevocationReason::PrivilegeWithdrawn => reason_of(9),
        RevocationReason::AaCompromise => reason_of(10),
        _ => reason_of(0),
    }
}
