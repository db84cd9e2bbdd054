//! What one certificate says: [`Certificate`].

mod read;

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use rustls_pki_types::{CertificateDer, ServerName};
use sha1::{Digest as _, Sha1};

use super::algorithm::{HashAlgorithm, Key};
use super::der::{self, Reader, Signed};
use super::digest::{Fingerprint, SpkiPin};
use super::signature::{self, Signature};
use super::when;

pub use read::ParseCertificateError;
pub(super) use read::{display_name, printable};

/// The facts of one certificate, read once from its DER.
///
/// Text from the certificate is made printable: control characters are
/// replaced and very long names are cut. Of the names, addresses and URLs of
/// one kind the first hundred are kept; verdicts are made by all of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    version: u32,
    subject: String,
    common_name: Option<String>,
    issuer: String,
    issuer_common_name: Option<String>,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    serial: String,
    serial_bytes: Vec<u8>,
    not_before: SystemTime,
    not_after: SystemTime,
    key: Key,
    signature_algorithm: String,
    signature_hash: Option<HashAlgorithm>,
    fingerprint: Fingerprint,
    spki_pin: SpkiPin,
    extensions: Extensions,
}

/// What the extensions say (RFC 5280 §4.2).
#[derive(Clone, Default, PartialEq, Eq)]
struct Extensions {
    dns_names: Vec<String>,
    ip_addresses: Vec<IpAddr>,
    emails: Vec<String>,
    uris: Vec<String>,
    name_count: usize,
    is_ca: bool,
    path_length: Option<u32>,
    key_usage: Option<Vec<&'static str>>,
    purposes: Option<Vec<String>>,
    subject_key_id: Option<String>,
    authority_key_id: Option<String>,
    issuer_urls: Vec<String>,
    ocsp_urls: Vec<String>,
    crl_urls: Vec<String>,
    signed_timestamps: Vec<SignedTimestamp>,
    must_staple: bool,
    unknown_critical: Vec<String>,
}

/// Proof that a certificate was shown to a Certificate Transparency log
/// (an SCT, RFC 6962 §3.2). Its signature is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedTimestamp {
    /// The log, by the SHA-256 of its key, in hexadecimal.
    pub log_id: String,
    /// When the log saw it.
    pub at: SystemTime,
}

impl Certificate {
    /// The certificate itself.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject's distinguished name.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The subject's common name. TLS does not look at it: see
    /// [`dns_names`](Self::dns_names).
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The issuer's distinguished name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The DNS names it is for, wildcards included.
    pub fn dns_names(&self) -> &[String] {
        &self.extensions.dns_names
    }

    /// The IP addresses it is for.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.extensions.ip_addresses
    }

    /// The e-mail addresses it is for, of which TLS takes no notice.
    pub fn email_addresses(&self) -> &[String] {
        &self.extensions.emails
    }

    /// The URIs it is for, of which TLS takes no notice.
    pub fn uris(&self) -> &[String] {
        &self.extensions.uris
    }

    /// How many subject alternative names of any kind it carries, those that
    /// are not kept included.
    pub fn name_count(&self) -> usize {
        self.extensions.name_count
    }

    /// The X.509 version: 3, but for relics.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The serial number in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The first moment it is valid.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment it is valid.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The kind of key, such as `RSA` or `ECDSA P-256`; the object identifier
    /// if it has no name here.
    pub fn key_algorithm(&self) -> &str {
        &self.key.name
    }

    /// The size of the key in bits, where that means something.
    pub fn key_bits(&self) -> Option<u32> {
        self.key.bits
    }

    /// What the issuer signed it with, such as `ECDSA with SHA-256`.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Whether it is an authority's (basicConstraints CA:TRUE).
    pub fn is_ca(&self) -> bool {
        self.extensions.is_ca
    }

    /// How many authorities may stand between it and a leaf
    /// (pathLenConstraint); `None`: any number.
    pub fn path_length(&self) -> Option<u32> {
        self.extensions.path_length
    }

    /// Its key usages, such as `digitalSignature`; `None`: it does not limit
    /// them.
    pub fn key_usage(&self) -> Option<&[&'static str]> {
        self.extensions.key_usage.as_deref()
    }

    /// Its extended key usages, such as `serverAuth`; `None`: it does not
    /// limit its use.
    pub fn extended_key_usage(&self) -> Option<&[String]> {
        self.extensions.purposes.as_deref()
    }

    /// The identifier of its key, in hexadecimal.
    pub fn subject_key_id(&self) -> Option<&str> {
        self.extensions.subject_key_id.as_deref()
    }

    /// The identifier of the issuer's key, in hexadecimal.
    pub fn authority_key_id(&self) -> Option<&str> {
        self.extensions.authority_key_id.as_deref()
    }

    /// Where the issuer's certificate can be fetched: public authorities
    /// always say it.
    pub fn issuer_urls(&self) -> &[String] {
        &self.extensions.issuer_urls
    }

    /// Where its state can be asked for by OCSP. Many authorities name no
    /// place any more, and use revocation lists alone.
    pub fn ocsp_urls(&self) -> &[String] {
        &self.extensions.ocsp_urls
    }

    /// Where the revocation lists are that could name it.
    pub fn crl_urls(&self) -> &[String] {
        &self.extensions.crl_urls
    }

    /// The proofs of Certificate Transparency that it carries.
    pub fn signed_timestamps(&self) -> &[SignedTimestamp] {
        &self.extensions.signed_timestamps
    }

    /// Whether it demands a stapled OCSP response (RFC 7633).
    pub fn must_staple(&self) -> bool {
        self.extensions.must_staple
    }

    /// Whether it says that it is its own issuer.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether it is its own issuer and its signature proves it.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.signature_by(self) == Signature::Good
    }

    /// The SHA-256 of its DER.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The SHA-1 of its DER in hexadecimal, as older tools show it. Two
    /// certificates can be made to share it: compare by
    /// [`fingerprint`](Self::fingerprint).
    pub fn sha1_fingerprint(&self) -> String {
        hex(&Sha1::digest(&self.der))
    }

    /// The SHA-256 of its public key.
    pub fn spki_pin(&self) -> SpkiPin {
        self.spki_pin
    }

    pub(super) fn is_issued_by(&self, issuer: &Certificate) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Whether it ends a chain: it says that it is its own issuer, and its
    /// signature does not contradict that. An authority and a server that were
    /// given one and the same name are told apart by this.
    pub(super) fn is_own_issuer(&self) -> bool {
        self.is_self_issued() && self.signature_by(self) != Signature::Bad
    }

    /// Whether the key of `issuer` made its signature.
    pub(super) fn signature_by(&self, issuer: &Certificate) -> Signature {
        issuer.spki().map_or(Signature::Unchecked, |spki| self.signature_by_key(spki))
    }

    /// Whether the key `spki` (DER) made its signature.
    pub(super) fn signature_by_key(&self, spki: &[u8]) -> Signature {
        let signed = Signed::read_alone(&self.der);
        signed.map_or(Signature::Unchecked, |signed| signature::check(&signed, spki))
    }

    /// Its key: the SubjectPublicKeyInfo in DER.
    pub(super) fn spki(&self) -> Option<&[u8]> {
        let signed = Signed::read_alone(&self.der)?;
        let mut fields = Reader::new(signed.message).enter(der::SEQUENCE)?;
        fields.optional(der::explicit(0));
        fields.take(der::INTEGER)?;
        // Signature algorithm, issuer, validity, subject.
        for _ in 0..4 {
            fields.take(der::SEQUENCE)?;
        }
        fields.any().map(|element| element.whole)
    }

    pub(super) fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    pub(super) fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    pub(super) fn serial_bytes(&self) -> &[u8] {
        &self.serial_bytes
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// The critical extensions that no TLS client is known to understand.
    pub(super) fn unknown_critical(&self) -> &[String] {
        &self.extensions.unknown_critical
    }

    pub(super) fn allows(&self, purpose: &str) -> bool {
        let purposes = self.extensions.purposes.as_ref();
        purposes.is_none_or(|list| list.iter().any(|name| name == purpose))
    }

    pub(super) fn allows_key_usage(&self, usage: &str) -> bool {
        self.extensions.key_usage.as_ref().is_none_or(|list| list.contains(&usage))
    }

    /// Whether it is for `host`, by every name it carries.
    pub(super) fn is_for(&self, host: &ServerName<'_>) -> bool {
        match webpki::EndEntityCert::try_from(&self.der) {
            Ok(certificate) => certificate.verify_is_valid_for_subject_name(host).is_ok(),
            // The path library refuses to read it for a reason that has
            // nothing to do with its name.
            Err(_) => read::is_for(&self.der, host),
        }
    }

    pub(super) fn has_weak_signature(&self) -> bool {
        self.signature_hash.is_some_and(HashAlgorithm::is_weak)
    }

    /// Subject for a sentence: the common name if there is one.
    pub(super) fn short_subject(&self) -> &str {
        self.common_name.as_deref().unwrap_or(&self.subject)
    }

    /// Issuer for a sentence: the common name if there is one.
    pub(super) fn short_issuer(&self) -> &str {
        self.issuer_common_name.as_deref().unwrap_or(&self.issuer)
    }

    /// The hash of the signature, if it has one (RFC 5929 §4.1).
    pub(crate) fn signature_hash(&self) -> Option<HashAlgorithm> {
        self.signature_hash
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One line: subject, issuer, validity and fingerprint.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} issued by {}, valid {} to {}, sha256 {}",
            self.subject,
            self.issuer,
            when::utc(self.not_before),
            when::utc(self.not_after),
            self.fingerprint
        )
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("issuer", &self.issuer)
            .field("dns_names", &self.extensions.dns_names)
            .field("ip_addresses", &self.extensions.ip_addresses)
            .field("serial", &self.serial)
            .field("not_before", &when::utc(self.not_before))
            .field("not_after", &when::utc(self.not_after))
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
