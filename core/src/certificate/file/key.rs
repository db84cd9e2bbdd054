//! Private keys in files: [`PrivateKey`].

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::der::{Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, encode};
use super::problem::Problem;
use super::{Contents, work};
use crate::Error;
use crate::certificate::{Certificate, SpkiPin};
use crate::tls::signing_key;

/// A private key from a file.
///
/// It is wiped from memory when dropped, and in no `Debug` output. Cloning is
/// cheap.
#[derive(Clone)]
pub struct PrivateKey {
    /// PKCS#8, whatever it came as.
    pkcs8: Arc<Zeroizing<Vec<u8>>>,
    /// The public half; `None`: of a kind that this library cannot use.
    pin: Option<SpkiPin>,
}

impl PrivateKey {
    /// Reads the first private key of a file: PEM or DER (PKCS#8, encrypted or
    /// not, PKCS#1 or SEC1), or PFX.
    ///
    /// # Errors
    /// `invalid_config` if the file cannot be read, holds no private key, or
    /// the password does not open it.
    pub fn load(path: impl AsRef<Path>, password: Option<&str>) -> Result<Self, Error> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let bytes = super::read(path)?;
        Self::of(&bytes, password).map_err(|problem| problem.error(Some(&place)))
    }

    /// Reads the first private key of such a file from memory.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(bytes: &[u8], password: Option<&str>) -> Result<Self, Error> {
        Self::of(bytes, password).map_err(|problem| problem.error(None))
    }

    fn of(bytes: &[u8], password: Option<&str>) -> Result<Self, Problem> {
        let mut contents = Contents::read(bytes, password)?;
        if contents.keys.is_empty() { Err(Problem::NoKey) } else { Ok(contents.keys.remove(0)) }
    }

    /// Whether it belongs to `certificate`; `None` when that cannot be told,
    /// since it is of a kind that TLS here cannot use.
    pub fn matches(&self, certificate: &Certificate) -> Option<bool> {
        self.pin.map(|pin| pin == certificate.spki_pin())
    }

    /// The pin of its public half, where it is of a kind that TLS here can
    /// use.
    pub fn spki_pin(&self) -> Option<SpkiPin> {
        self.pin
    }

    /// It in PEM: PKCS#8, not encrypted.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut pem = Zeroizing::default();
        super::pem::write(&mut pem, "PRIVATE KEY", &self.pkcs8);
        pem
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// From the DER of one of the four forms; `None`: it is something else.
    pub(super) fn from_der(
        der: &[u8],
        password: Option<&str>,
    ) -> Option<Result<PrivateKey, Problem>> {
        let whole = Element::only(der).filter(|whole| whole.tag == SEQUENCE)?;
        let mut children = whole.children();
        let (first, second) = (children.next()?, children.next()?);
        match (first.tag, first.number(), second.tag) {
            (SEQUENCE, _, OCTET_STRING) => Some(decrypt(der, password)),
            (INTEGER, _, SEQUENCE) if is_pkcs8(der) => Some(Ok(Self::from_pkcs8(der))),
            (INTEGER, Some(0), INTEGER) => Some(Ok(Self::from_pkcs1(der))),
            (INTEGER, Some(1), OCTET_STRING) => Some(Self::from_sec1(der, children)),
            _ => None,
        }
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Self {
        Self::new(Zeroizing::new(der.to_vec()))
    }

    /// RFC 8017 §A.1.2.
    fn from_pkcs1(der: &[u8]) -> Self {
        const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        Self::new(in_pkcs8(RSA, der))
    }

    /// RFC 5915 §3: the curve stands in the key, or nowhere.
    fn from_sec1<'a>(
        der: &[u8],
        mut rest: impl Iterator<Item = Element<'a>>,
    ) -> Result<Self, Problem> {
        const EC: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
        let curve = rest
            .find(|element| element.tag == 0xa0)
            .and_then(|parameters| Element::only(parameters.content))
            .filter(|curve| curve.tag == OBJECT_IDENTIFIER)
            .ok_or(Problem::KeyKind)?;
        Ok(Self::new(in_pkcs8(&[EC, curve.whole].concat(), der)))
    }

    fn new(pkcs8: Zeroizing<Vec<u8>>) -> Self {
        let borrowed = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(&pkcs8[..]));
        let signing = signing_key(&borrowed).ok();
        let pin = signing.and_then(|key| key.public_key().map(|spki| SpkiPin::of(&spki)));
        PrivateKey { pkcs8: Arc::new(pkcs8), pin }
    }
}

/// RFC 5958 §2.
fn in_pkcs8(algorithm: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let version = encode(INTEGER, &[&[0]]);
    let algorithm = encode(SEQUENCE, &[algorithm]);
    encode(SEQUENCE, &[&version, &algorithm, &encode(OCTET_STRING, &[key])])
}

/// RFC 5958 §2: version 1 has the public key added.
fn is_pkcs8(der: &[u8]) -> bool {
    let shape = |whole: Element<'_>| {
        let mut children = whole.children();
        let version = children.next().and_then(|first| first.number());
        matches!(version, Some(0 | 1)) && children.next().is_some_and(|it| it.tag == SEQUENCE)
    };
    Element::only(der).is_some_and(shape)
}

/// RFC 5958 §3.
fn decrypt(der: &[u8], password: Option<&str>) -> Result<PrivateKey, Problem> {
    const WHAT: &str = "the private key";
    if !work::is_bearable(der) {
        return Err(Problem::TooCostly(WHAT));
    }
    let Ok(encrypted) = EncryptedPrivateKeyInfoRef::try_from(der) else {
        return Err(Problem::Cipher(WHAT));
    };
    let password = password.ok_or(Problem::PasswordMissing(WHAT))?;
    match encrypted.decrypt(password) {
        Ok(plain) if is_pkcs8(plain.as_bytes()) => Ok(PrivateKey::from_pkcs8(plain.as_bytes())),
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm {
            ..
        })) => Err(Problem::Cipher(WHAT)),
        // By a wrong password the padding seldom fits, and what comes out is
        // no key.
        Ok(_) | Err(_) => Err(Problem::WrongPassword(WHAT)),
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(hidden)")
    }
}
