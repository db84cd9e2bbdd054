//! Reading a [`Certificate`], extensions included, within bounds: a
//! certificate is written by the other side, and its text ends up in logs.

use std::net::IpAddr;

use rustls_pki_types::{CertificateDer, ServerName};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{
    DistributionPointName, ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension, X509Extension,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::{Certificate, Extensions, SignedTimestamp, hex};
use crate::certificate::algorithm;
use crate::certificate::der::{self, Reader};
use crate::certificate::digest::{Fingerprint, SpkiPin};
use crate::certificate::when;

/// Longest name kept, in characters.
const MAX_NAME: usize = 200;

/// Most names, addresses or URLs kept of one kind.
const MAX_NAMES: usize = 100;

/// The critical extensions that the path library understands: key usage,
/// names, basic constraints, name constraints, CRL distribution points and
/// extended key usage.
const KNOWN_CRITICAL: [&str; 6] =
    ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.37"];

/// id-pe-tlsfeature, RFC 7633 §4.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";

/// Bytes that are no X.509 certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a readable certificate: {reason}")]
pub struct ParseCertificateError {
    reason: String,
}

impl ParseCertificateError {
    pub(in crate::certificate) fn reason(&self) -> &str {
        &self.reason
    }
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
        let (signature_algorithm, signature_hash) =
            algorithm::signature(&parsed.signature_algorithm);
        let mut extensions = Extensions::default();
        for extension in parsed.extensions() {
            extensions.read(extension);
        }
        Ok(Certificate {
            der: CertificateDer::from(der.to_vec()),
            version: parsed.version().0.saturating_add(1),
            subject: printable(&parsed.subject().to_string()),
            common_name: common_name(parsed.subject()),
            issuer: printable(&parsed.issuer().to_string()),
            issuer_common_name: common_name(parsed.issuer()),
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            serial: hex(parsed.raw_serial()),
            serial_bytes: parsed.raw_serial().to_vec(),
            not_before: when::from_unix(parsed.validity().not_before.timestamp()),
            not_after: when::from_unix(parsed.validity().not_after.timestamp()),
            key: algorithm::key(parsed.public_key()),
            signature_algorithm,
            signature_hash,
            fingerprint: Fingerprint::of(der),
            spki_pin: SpkiPin::of(parsed.public_key().raw),
            extensions,
        })
    }
}

impl Extensions {
    fn read(&mut self, extension: &X509Extension<'_>) {
        let oid = extension.oid.to_id_string();
        if extension.critical && !KNOWN_CRITICAL.contains(&oid.as_str()) {
            keep(&mut self.unknown_critical, || oid.clone());
        }
        if oid == TLS_FEATURE {
            self.must_staple |= asks_for_staple(extension.value).unwrap_or(false);
        }
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                self.is_ca = constraints.ca;
                self.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(key_usages(usage)),
            ParsedExtension::ExtendedKeyUsage(usage) => self.purposes = Some(purposes(usage)),
            ParsedExtension::SubjectAlternativeName(names) => {
                self.name_count += names.general_names.len();
                names.general_names.iter().for_each(|name| self.name(name));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => {
                self.subject_key_id = Some(key_id(id.0));
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| key_id(id.0));
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in access.iter() {
                    // id-ad-ocsp and id-ad-caIssuers, RFC 5280 §4.2.2.1.
                    match description.access_method.to_id_string().as_str() {
                        "1.3.6.1.5.5.7.48.1" => {
                            url(&mut self.ocsp_urls, &description.access_location);
                        }
                        "1.3.6.1.5.5.7.48.2" => {
                            url(&mut self.issuer_urls, &description.access_location);
                        }
                        _ => {}
                    }
                }
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in points.iter() {
                    if let Some(DistributionPointName::FullName(names)) = &point.distribution_point
                    {
                        names.iter().for_each(|name| url(&mut self.crl_urls, name));
                    }
                }
            }
            ParsedExtension::SCT(timestamps) => {
                for timestamp in timestamps {
                    let seconds = i64::try_from(timestamp.timestamp / 1000).unwrap_or(i64::MAX);
                    keep(&mut self.signed_timestamps, || SignedTimestamp {
                        log_id: hex(timestamp.id.key_id),
                        at: when::from_unix(seconds),
                    });
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => keep(&mut self.dns_names, || printable(name)),
            GeneralName::RFC822Name(email) => keep(&mut self.emails, || printable(email)),
            GeneralName::URI(uri) => keep(&mut self.uris, || printable(uri)),
            GeneralName::IPAddress(bytes) => {
                if let Some(address) = address(bytes) {
                    keep(&mut self.ip_addresses, || address);
                }
            }
            _ => {}
        }
    }
}

fn keep<T>(list: &mut Vec<T>, item: impl FnOnce() -> T) {
    if list.len() < MAX_NAMES {
        list.push(item());
    }
}

fn url(list: &mut Vec<String>, name: &GeneralName<'_>) {
    if let GeneralName::URI(url) = name {
        keep(list, || printable(url));
    }
}

fn key_id(bytes: &[u8]) -> String {
    hex(bytes.get(..64).unwrap_or(bytes))
}

/// Whether a TLS feature extension names status_request (5).
fn asks_for_staple(value: &[u8]) -> Option<bool> {
    let mut features = Reader::new(value).enter(der::SEQUENCE)?;
    while !features.is_empty() {
        if features.take(der::INTEGER)? == [5] {
            return Some(true);
        }
    }
    Some(false)
}

fn key_usages(usage: &KeyUsage) -> Vec<&'static str> {
    let known = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    known.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect()
}

fn purposes(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let known = known.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
    let other = usage.other.iter().map(|oid| printable(&oid.to_id_string()));
    known.chain(other).take(MAX_NAMES).collect()
}

/// Whether a certificate that the path library does not read is for `host`,
/// by that library's rules: a wildcard stands for exactly the first label.
pub(super) fn is_for(der: &[u8], host: &ServerName<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(der) else { return false };
    let names = parsed.extensions().iter().filter_map(|it| match it.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    let mut names = names.flatten();
    match host {
        ServerName::DnsName(host) => {
            let host = host.as_ref().trim_end_matches('.');
            names.any(|name| matches!(name, GeneralName::DNSName(name) if covers(name, host)))
        }
        ServerName::IpAddress(host) => {
            let host = IpAddr::from(*host);
            names.any(|name| {
                matches!(name, GeneralName::IPAddress(bytes) if address(bytes) == Some(host))
            })
        }
        _ => false,
    }
}

fn covers(name: &str, host: &str) -> bool {
    let wildcard = name.strip_prefix("*.").zip(host.split_once('.'));
    name.eq_ignore_ascii_case(host)
        || wildcard.is_some_and(|(base, (_, parent))| {
            base.contains('.') && base.eq_ignore_ascii_case(parent)
        })
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().find_map(|attribute| attribute.as_str().ok()).map(printable)
}

/// A name in DER for a sentence: the common name if it has one.
pub(in crate::certificate) fn display_name(der: &[u8]) -> String {
    match X509Name::from_der(der) {
        Ok((_, name)) => common_name(&name).unwrap_or_else(|| printable(&name.to_string())),
        Err(_) => "an unreadable name".to_owned(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Text from the other side, safe for one line of a log.
pub(in crate::certificate) fn printable(text: &str) -> String {
    // What changes the direction of a line could make it read otherwise.
    let misleads = |char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean = |char: char| match char.is_control() || misleads(char) {
        true => char::REPLACEMENT_CHARACTER,
        false => char,
    };
    let mut chars = text.chars().map(clean);
    let mut kept: String = chars.by_ref().take(MAX_NAME).collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept
}
