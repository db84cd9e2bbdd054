//! A certificate authority for one test.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use everpost::TrustRoots;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    issued: AtomicU32,
}

/// A certificate for 127.0.0.1 with its key.
pub struct Leaf {
    /// Key and certificate in one PEM text, so that both are replaced at once.
    pub pem: String,
    pub der: Vec<u8>,
}

impl Leaf {
    /// Puts it where a server looks for it, as a renewal does.
    pub fn install(&self, path: &Path) {
        let new = path.with_extension("new");
        fs::write(&new, &self.pem).unwrap();
        fs::rename(new, path).unwrap();
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Everpost Test Root");
        (params.not_before, params.not_after) = between(3650, 3650);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(params, key).unwrap();
        Authority { root, issued: AtomicU32::new(0) }
    }

    pub fn trust(&self) -> TrustRoots {
        TrustRoots::Pem(self.root.pem().into_bytes())
    }

    /// Valid, and issued so many days ago.
    pub fn issue(&self, days_ago: u32) -> Leaf {
        self.sign(KeyPair::generate().unwrap(), between(days_ago, 90 - days_ago))
    }

    /// Valid, and each later than the one before.
    pub fn issue_later(&self) -> Leaf {
        let now = SystemTime::now();
        let until = (now + DAY * 89).into();
        let later = Duration::from_secs(60) * self.issued.fetch_add(1, Ordering::Relaxed);
        self.sign(KeyPair::generate().unwrap(), ((now - DAY + later).into(), until))
    }

    /// Valid, for an RSA key, which the oldest suites want.
    pub fn issue_rsa(&self) -> Leaf {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        self.sign(key, between(1, 89))
    }

    /// Expired since yesterday.
    pub fn issue_expired(&self) -> Leaf {
        let (from, _) = between(90, 0);
        let (until, _) = between(1, 0);
        self.sign(KeyPair::generate().unwrap(), (from, until))
    }

    fn sign(&self, key: KeyPair, (from, until): (Date, Date)) -> Leaf {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        (params.not_before, params.not_after) = (from, until);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.root).unwrap();
        Leaf { pem: key.serialize_pem() + &leaf.pem(), der: leaf.der().to_vec() }
    }
}

type Date = time::OffsetDateTime;

fn between(days_ago: u32, days_on: u32) -> (Date, Date) {
    let now = SystemTime::now();
    ((now - DAY * days_ago).into(), (now + DAY * days_on).into())
}
