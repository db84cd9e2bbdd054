//! The server's own certification authority: root, intermediate, leaf, and the
//! ways in which a chain can be wrong.
//!
//! Each leaf starts at least a second later than the one before it, so that
//! "newest by notBefore" is always the one made last.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::Error;

const DAY: Duration = Duration::from_secs(86_400);

/// What is served: a good chain, or one that is wrong in a given way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Chain {
    /// Leaf and intermediate, valid for the host, under the server's CA.
    #[default]
    Good,
    /// Names another host.
    WrongName,
    /// The leaf signs itself.
    SelfSigned,
    /// The leaf without the intermediate that signed it.
    MissingIntermediate,
    /// The leaf's time is over.
    Expired,
    /// The leaf's time has not come.
    NotYetValid,
    /// Leaf and intermediate under a CA that nobody was given.
    UntrustedCa,
    /// A good leaf under an intermediate whose time is over.
    ExpiredIntermediate,
    /// The name stands in the common name only.
    CommonNameOnly,
    /// The leaf is for client authentication.
    WrongPurpose,
    /// The leaf says that it is a CA.
    LeafIsCa,
    /// A good chain with the root appended, which is useless but harmless.
    RootIncluded,
}

/// What there is to know of a leaf certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafInfo {
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 over the certificate's DER.
    pub sha256: [u8; 32],
    /// SHA-256 over the public key's SubjectPublicKeyInfo.
    pub spki_sha256: [u8; 32],
    /// When it begins to be valid.
    pub not_before: SystemTime,
    /// When it ceases to be valid.
    pub not_after: SystemTime,
    /// The certificate.
    pub der: Vec<u8>,
}

impl LeafInfo {
    /// The fingerprint (SHA-256 over DER) in lower-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        hex(&self.sha256)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate that clients can show, made by
/// [`Rehearsal::client_certificate`](crate::Rehearsal::client_certificate).
pub struct ClientCertificate {
    /// Leaf and intermediate, PEM.
    pub chain_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: String,
    /// Leaf and intermediate, DER.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key, PKCS#8 DER.
    pub key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("chain_pem", &self.chain_pem)
            .finish_non_exhaustive()
    }
}

type Ca = CertifiedIssuer<'static, KeyPair>;

/// What a leaf shall be like.
pub(crate) struct Order<'a> {
    pub(crate) chain: Chain,
    pub(crate) names: &'a [String],
    pub(crate) now: SystemTime,
    pub(crate) validity: (Option<SystemTime>, Option<SystemTime>),
    /// The key to keep, as PKCS#8; `None` makes a new one.
    pub(crate) key: Option<&'a [u8]>,
}

/// A leaf with its chain and key.
pub(crate) struct Issued {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Vec<u8>,
    pub(crate) info: LeafInfo,
}

pub(crate) struct Authority {
    root: Ca,
    intermediate: Ca,
    count: u32,
    last_not_before: Option<SystemTime>,
}

impl Authority {
    pub(crate) fn new(now: SystemTime) -> Result<Self, Error> {
        let root = root("Everpost Rehearsal Root", now)?;
        let intermediate = intermediate(&root, 1, now, now + 3650 * DAY)?;
        Ok(Authority { root, intermediate, count: 1, last_not_before: None })
    }

    pub(crate) fn root_pem(&self) -> String {
        self.root.pem()
    }

    pub(crate) fn root_der(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    /// Replaces the intermediate under the same root.
    pub(crate) fn renew_intermediate(&mut self, now: SystemTime) -> Result<(), Error> {
        self.count += 1;
        self.intermediate = intermediate(&self.root, self.count, now, now + 3650 * DAY)?;
        Ok(())
    }

    pub(crate) fn issue(&mut self, order: &Order<'_>) -> Result<Issued, Error> {
        let now = order.now;
        let (not_before, not_after) = match order.chain {
            Chain::Expired => (now - 90 * DAY, now - DAY),
            Chain::NotYetValid => (now + DAY, now + 91 * DAY),
            _ => {
                let mut from = now - DAY;
                if let Some(last) = self.last_not_before {
                    from = from.max(last + Duration::from_secs(1));
                }
                (from, now + 90 * DAY)
            }
        };
        let not_before = order.validity.0.unwrap_or(not_before);
        let not_after = order.validity.1.unwrap_or(not_after);
        if not_before >= not_after {
            return Err(Error::Invalid("a certificate must begin before it ends".into()));
        }
        let key = match order.key {
            Some(der) => KeyPair::try_from(der)?,
            None => KeyPair::generate()?,
        };

        let names = match order.chain {
            Chain::WrongName => vec!["wrong-name.invalid".to_owned()],
            Chain::CommonNameOnly => Vec::new(),
            _ => order.names.to_vec(),
        };
        let mut params = CertificateParams::new(names)?;
        let common_name = match order.chain {
            Chain::WrongName => "wrong-name.invalid",
            _ => order.names.first().map_or("rehearsal", String::as_str),
        };
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = OffsetDateTime::from(not_before);
        params.not_after = OffsetDateTime::from(not_after);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match order.chain {
            Chain::WrongPurpose => ExtendedKeyUsagePurpose::ClientAuth,
            _ => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        if order.chain == Chain::LeafIsCa {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        if order.chain != Chain::SelfSigned {
            params.custom_extensions.push(authority_information_access());
            // RFC 5280 §4.2.1.1; strict clients insist on it.
            params.use_authority_key_identifier_extension = true;
        }
        let serial = serial();
        params.serial_number = Some(SerialNumber::from_slice(&serial));

        let (leaf, rest) = match order.chain {
            Chain::SelfSigned => (params.self_signed(&key)?, Vec::new()),
            Chain::UntrustedCa => {
                let foreign = root("Unknown Root", now)?;
                let between = intermediate(&foreign, 1, now, now + 3650 * DAY)?;
                (params.signed_by(&key, &between)?, vec![between.der().clone()])
            }
            Chain::ExpiredIntermediate => {
                let between =
                    intermediate(&self.root, self.count + 1000, now - 3650 * DAY, now - DAY)?;
                (params.signed_by(&key, &between)?, vec![between.der().clone()])
            }
            Chain::MissingIntermediate => (params.signed_by(&key, &self.intermediate)?, Vec::new()),
            Chain::RootIncluded => (
                params.signed_by(&key, &self.intermediate)?,
                vec![self.intermediate.der().clone(), self.root.der().clone()],
            ),
            _ => {
                (params.signed_by(&key, &self.intermediate)?, vec![self.intermediate.der().clone()])
            }
        };
        if order.chain != Chain::Expired && order.chain != Chain::NotYetValid {
            self.last_not_before = Some(not_before);
        }
        let der = leaf.der().clone();
        let info = LeafInfo {
            serial: hex(&serial),
            sha256: Sha256::digest(&der).into(),
            spki_sha256: Sha256::digest(key.subject_public_key_info()).into(),
            not_before: whole_seconds(not_before),
            not_after: whole_seconds(not_after),
            der: der.to_vec(),
        };
        let mut chain = vec![der];
        chain.extend(rest);
        Ok(Issued { chain, key: key.serialize_der(), info })
    }

    /// A certificate for client authentication, under the same root.
    pub(crate) fn issue_client(
        &self,
        name: &str,
        now: SystemTime,
    ) -> Result<ClientCertificate, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = OffsetDateTime::from(now - DAY);
        params.not_after = OffsetDateTime::from(now + 90 * DAY);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.intermediate)?;
        Ok(ClientCertificate {
            chain_pem: leaf.pem() + &self.intermediate.pem(),
            key_pem: key.serialize_pem(),
            chain: vec![leaf.der().clone(), self.intermediate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}

/// 16 random bytes, positive and without leading zeros, as DER wants.
fn serial() -> [u8; 16] {
    let mut bytes = fastrand::u128(..).to_be_bytes();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    bytes
}

/// Certificates know whole seconds only.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let seconds = OffsetDateTime::from(time).unix_timestamp();
    match u64::try_from(seconds) {
        Ok(after) => SystemTime::UNIX_EPOCH + Duration::from_secs(after),
        Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
    }
}

fn root(name: &str, now: SystemTime) -> Result<Ca, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{name} {:08x}", fastrand::u32(..)));
    params.not_before = OffsetDateTime::from(now - 3650 * DAY);
    params.not_after = OffsetDateTime::from(now + 3650 * DAY);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn intermediate(
    root: &Ca,
    number: u32,
    now: SystemTime,
    not_after: SystemTime,
) -> Result<Ca, Error> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Everpost Rehearsal Intermediate {number}"));
    params.not_before = OffsetDateTime::from(now.min(not_after) - 3649 * DAY);
    params.not_after = OffsetDateTime::from(not_after);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    Ok(CertifiedIssuer::signed_by(params, KeyPair::generate()?, root)?)
}

/// Where the issuer's certificate is to be had (RFC 5280 §4.2.2.1), as public
/// authorities say it; nothing is served there. It tells a client whose chain
/// lacks the intermediate that there is one.
fn authority_information_access() -> CustomExtension {
    const ACCESS_METHOD: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02";
    const PLACE: &[u8] = b"http://ca.rehearsal.invalid/intermediate.crt";
    // A DER element whose length fits into one byte, as all of these do.
    let element = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
    let description = element(0x30, &[ACCESS_METHOD, &element(0x86, PLACE)].concat());
    let content = element(0x30, &description);
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content)
}
