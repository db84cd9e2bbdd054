//! What one certificate says: [`Certificate`].

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::algorithm::{self, HashAlgorithm};
use super::digest::{Fingerprint, SpkiPin};
use super::when;

/// Longest name kept, in characters: a certificate is written by the other
/// side, and its text ends up in logs.
const MAX_NAME: usize = 200;

/// The facts of one certificate, read once from its DER.
///
/// Text from the certificate is made printable: control characters are
/// replaced and very long names are cut.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    subject: String,
    common_name: Option<String>,
    issuer: String,
    issuer_common_name: Option<String>,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    dns_names: Vec<String>,
    ip_addresses: Vec<IpAddr>,
    serial: String,
    not_before: SystemTime,
    not_after: SystemTime,
    key_algorithm: String,
    key_bits: Option<u32>,
    signature_algorithm: String,
    signature_hash: Option<HashAlgorithm>,
    is_ca: bool,
    purposes: Option<Vec<String>>,
    issuer_urls: Vec<String>,
    fingerprint: Fingerprint,
    spki_pin: SpkiPin,
}

/// Bytes that are no X.509 certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a readable certificate: {reason}")]
pub struct ParseCertificateError {
    reason: String,
}

impl Certificate {
    /// Reads a certificate from DER.
    ///
    /// Extensions that cannot be read are passed over: what can be read is.
    ///
    /// # Errors
    /// [`ParseCertificateError`] when the bytes are no certificate, or hold
    /// more than one.
    pub fn from_der(der: &[u8]) -> Result<Self, ParseCertificateError> {
        let failed = |reason: String| ParseCertificateError { reason };
        let (rest, parsed) = X509Certificate::from_der(der)
            .map_err(|error| failed(printable(&error.to_string())))?;
        if !rest.is_empty() {
            return Err(failed("bytes after its end".to_owned()));
        }
        let (key_algorithm, key_bits) = algorithm::key(parsed.public_key());
        let (signature_algorithm, signature_hash) =
            algorithm::signature(&parsed.signature_algorithm);
        let mut certificate = Certificate {
            der: CertificateDer::from(der.to_vec()),
            subject: printable(&parsed.subject().to_string()),
            common_name: common_name(parsed.subject()),
            issuer: printable(&parsed.issuer().to_string()),
            issuer_common_name: common_name(parsed.issuer()),
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            serial: parsed.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: when::from_unix(parsed.validity().not_before.timestamp()),
            not_after: when::from_unix(parsed.validity().not_after.timestamp()),
            key_algorithm,
            key_bits,
            signature_algorithm,
            signature_hash,
            is_ca: false,
            purposes: None,
            issuer_urls: Vec::new(),
            fingerprint: Fingerprint::of(der),
            spki_pin: SpkiPin::of(parsed.public_key().raw),
        };
        for extension in parsed.extensions() {
            certificate.read_extension(extension.parsed_extension());
        }
        Ok(certificate)
    }

    fn read_extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => self.is_ca = constraints.ca,
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let known = [
                    (usage.any, "any"),
                    (usage.server_auth, "serverAuth"),
                    (usage.client_auth, "clientAuth"),
                    (usage.code_signing, "codeSigning"),
                    (usage.email_protection, "emailProtection"),
                    (usage.time_stamping, "timeStamping"),
                    (usage.ocsp_signing, "OCSPSigning"),
                ];
                let known =
                    known.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
                let other = usage.other.iter().map(|oid| oid.to_id_string());
                self.purposes = Some(known.chain(other).collect());
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns_names.push(printable(name)),
                        GeneralName::IPAddress(bytes) => self.ip_addresses.extend(address(bytes)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in access.iter() {
                    // id-ad-caIssuers, RFC 5280 §4.2.2.1.
                    if description.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2"
                        && let GeneralName::URI(url) = &description.access_location
                    {
                        self.issuer_urls.push(printable(url));
                    }
                }
            }
            _ => {}
        }
    }

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
        &self.dns_names
    }

    /// The IP addresses it is for.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.ip_addresses
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
        &self.key_algorithm
    }

    /// The size of the key in bits, where that means something.
    pub fn key_bits(&self) -> Option<u32> {
        self.key_bits
    }

    /// What the issuer signed it with, such as `ECDSA with SHA-256`.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Whether it is an authority's (basicConstraints CA:TRUE).
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Its extended key usages, such as `serverAuth`; `None`: it does not
    /// limit its use.
    pub fn extended_key_usage(&self) -> Option<&[String]> {
        self.purposes.as_deref()
    }

    /// Whether it says that it is its own issuer.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether it is its own issuer and its signature proves it.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.is_signed_by(self)
    }

    /// The SHA-256 of its DER.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The SHA-256 of its public key.
    pub fn spki_pin(&self) -> SpkiPin {
        self.spki_pin
    }

    pub(super) fn is_issued_by(&self, issuer: &Certificate) -> bool {
        self.issuer_der == issuer.subject_der
    }

    pub(super) fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    /// Whether the issuer's certificate can be fetched from an address that
    /// this certificate names: public authorities always name one.
    pub(super) fn names_issuer_url(&self) -> bool {
        !self.issuer_urls.is_empty()
    }

    pub(super) fn allows_server_auth(&self) -> bool {
        self.purposes.as_ref().is_none_or(|list| list.iter().any(|name| name == "serverAuth"))
    }

    pub(super) fn has_weak_signature(&self) -> bool {
        self.signature_hash.is_some_and(HashAlgorithm::is_weak)
    }

    pub(super) fn has_weak_key(&self) -> bool {
        self.key_algorithm == "DSA"
            || (self.key_algorithm == "RSA" && self.key_bits.is_some_and(|bits| bits < 2048))
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

    fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let Ok(key) = EndEntityCert::try_from(&issuer.der) else { return false };
        let Ok((_, parsed)) = X509Certificate::from_der(&self.der) else { return false };
        webpki::ALL_VERIFICATION_ALGS.iter().any(|algorithm| {
            let message = parsed.tbs_certificate.as_ref();
            key.verify_signature(*algorithm, message, &parsed.signature_value.data).is_ok()
        })
    }
}

fn common_name(name: &x509_parser::x509::X509Name<'_>) -> Option<String> {
    name.iter_common_name().find_map(|attribute| attribute.as_str().ok()).map(printable)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Text from the other side, safe for one line of a log.
fn printable(text: &str) -> String {
    let clean = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
    let mut chars = text.chars().map(clean);
    let mut kept: String = chars.by_ref().take(MAX_NAME).collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept
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
            .field("dns_names", &self.dns_names)
            .field("ip_addresses", &self.ip_addresses)
            .field("serial", &self.serial)
            .field("not_before", &when::utc(self.not_before))
            .field("not_after", &when::utc(self.not_after))
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
