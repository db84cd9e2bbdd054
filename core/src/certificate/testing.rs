//! Certificates for tests: authorities, and leaves of every kind.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, PublicKeyData,
    RevocationReason, RevokedCertParams, SerialNumber, SignatureAlgorithm,
};
use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::{Certificate, RootSet, SpkiPin, TrustPolicy};

/// What a test changes in a certificate before it is signed.
pub(crate) type Tune = fn(&mut CertificateParams);

/// The tests' present: 2030-01-01 00:00:00 UTC.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000)
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

pub(crate) fn days(days: u64) -> Duration {
    hours(days * 24)
}

/// An authority, root or intermediate.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        let params = ca_params(name, now() - days(3650), now() + days(3650));
        let key = KeyPair::generate().unwrap();
        Authority { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_for(name, now() - days(365), now() + days(365))
    }

    pub(crate) fn intermediate_for(&self, name: &str, from: SystemTime, to: SystemTime) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name, from, to);
        Authority { issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap() }
    }

    pub(crate) fn root_with(name: &str, tune: Tune) -> Self {
        let mut params = ca_params(name, now() - days(3650), now() + days(3650));
        tune(&mut params);
        let key = KeyPair::generate().unwrap();
        Authority { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    pub(crate) fn intermediate_with(&self, name: &str, tune: Tune) -> Self {
        let mut params = ca_params(name, now() - days(365), now() + days(365));
        tune(&mut params);
        let key = KeyPair::generate().unwrap();
        Authority { issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap() }
    }

    /// This authority's name and key, certified by another too.
    pub(crate) fn crossed_by(&self, other: &Authority, name: &str) -> CertificateDer<'static> {
        let params = ca_params(name, now() - days(365), now() + days(365));
        params.signed_by(self.issuer.key(), &other.issuer).unwrap().der().clone()
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// Its revocation list, made `age` ago and good for `life`.
    pub(crate) fn crl(&self, revoked: &[&[u8]], age: Duration, life: Duration) -> Vec<u8> {
        let entry = |der: &&[u8]| RevokedCertParams {
            serial_number: SerialNumber::from(
                Certificate::from_der(der).unwrap().serial_bytes().to_vec(),
            ),
            revocation_time: (now() - days(3)).into(),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: (now() - age).into(),
            next_update: (now() - age + life).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    pub(crate) fn issue(&self, leaf: &Leaf) -> Issued {
        let key = KeyPair::generate().unwrap();
        let der = self.sign(leaf, &key);
        Issued { der, key }
    }

    pub(crate) fn sign(&self, leaf: &Leaf, key: &impl PublicKeyData) -> CertificateDer<'static> {
        leaf.params().signed_by(key, &self.issuer).unwrap().der().clone()
    }
}

fn ca_params(name: &str, from: SystemTime, to: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = from.into();
    params.not_after = to.into();
    params
}

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: KeyPair,
}

/// What a leaf is to say.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) names: Vec<String>,
    pub(crate) common_name: String,
    pub(crate) from: SystemTime,
    pub(crate) to: SystemTime,
    pub(crate) purposes: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) is_ca: bool,
    pub(crate) names_issuer_url: bool,
    pub(crate) tune: Tune,
}

impl Leaf {
    /// For `mail.example.org`, 30 days old and good for 60 more.
    pub(crate) fn good() -> Self {
        Leaf {
            names: vec!["mail.example.org".to_owned()],
            common_name: "mail.example.org".to_owned(),
            from: now() - days(30),
            to: now() + days(60),
            purposes: vec![ExtendedKeyUsagePurpose::ServerAuth],
            is_ca: false,
            names_issuer_url: false,
            tune: |_| {},
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Leaf { names: vec![name.to_owned()], common_name: name.to_owned(), ..Leaf::good() }
    }

    pub(crate) fn between(from: SystemTime, to: SystemTime) -> Self {
        Leaf { from, to, ..Leaf::good() }
    }

    /// Expired 21 hours ago.
    pub(crate) fn expired() -> Self {
        Leaf::between(now() - days(90), now() - hours(21))
    }

    pub(crate) fn self_signed(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let der = self.params().self_signed(&key).unwrap().der().clone();
        Issued { der, key }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        params.not_before = self.from.into();
        params.not_after = self.to.into();
        params.extended_key_usages = self.purposes.clone();
        params.is_ca = match self.is_ca {
            true => IsCa::Ca(BasicConstraints::Unconstrained),
            false => IsCa::ExplicitNoCa,
        };
        if self.names_issuer_url {
            let url = b"http://ca.test/ca.crt";
            let mut access = vec![0x30, 0x23, 0x30, 0x21];
            access.extend_from_slice(&[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, 21]);
            access.extend_from_slice(url);
            let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, access));
        }
        (self.tune)(&mut params);
        params
    }
}

/// An RSA key of which only the public half was made up.
pub(crate) struct WeakRsa(Vec<u8>);

impl WeakRsa {
    pub(crate) fn new() -> Self {
        // SEQUENCE { INTEGER (1024 bits), INTEGER 65537 }
        let mut der = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
        der.extend([0xc3; 128]);
        der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
        WeakRsa(der)
    }
}

impl PublicKeyData for WeakRsa {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// The roots as a set.
pub(crate) fn root_set(name: &str, roots: &[&CertificateDer<'_>]) -> RootSet {
    let anchor = |der: &&CertificateDer<'_>| -> TrustAnchor<'static> {
        webpki::anchor_from_trusted_cert(der).unwrap().to_owned()
    };
    RootSet::new(name, roots.iter().map(anchor).collect())
}

pub(crate) fn policy(roots: &[&Authority], pins: &[SpkiPin]) -> TrustPolicy {
    let anchor = |root: &&Authority| -> TrustAnchor<'static> {
        webpki::anchor_from_trusted_cert(&root.der()).unwrap().to_owned()
    };
    TrustPolicy {
        roots: roots.iter().map(anchor).collect(),
        pins: pins.to_vec(),
        algorithms: webpki::ALL_VERIFICATION_ALGS,
    }
}
