//! PFX (PKCS#12, RFC 7292): how Windows and Java keep certificate and key.
//!
//! Reading takes what is found in the wild: AES with SHA-256 (OpenSSL 3,
//! Windows), RC2 and triple DES with SHA-1 (everything older), an empty
//! password, no MAC, nothing encrypted, certificates without a key.

use p12_keystore::error::Error as P12Error;
use p12_keystore::{
    Certificate as P12Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm,
    Pkcs12Archive, PrivateKey as P12Key, PrivateKeyChain,
};

use super::der::{Element, INTEGER, SEQUENCE};
use super::problem::{Instead, Problem};
use super::{CertificateFile, Contents, FileFormat, PrivateKey, work};
use crate::certificate::Certificate;

/// How a PFX is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PfxEncryption {
    /// AES-256 and SHA-256: OpenSSL since 1.1, Windows since 10 and Server
    /// 2019, Java since 8u301.
    #[default]
    Modern,
    /// Triple DES and SHA-1, for what is older. Weak: such a file needs to be
    /// kept as secret as a key that is not encrypted.
    Legacy,
}

const WHAT: &str = "the PFX";

/// `SEQUENCE { 3, SEQUENCE … }` is nothing else.
pub(super) fn is_pfx(whole: &Element<'_>) -> bool {
    let mut children = whole.children();
    children.next().is_some_and(|version| version.tag == INTEGER && version.number() == Some(3))
        && children.next().is_some_and(|contents| contents.tag == SEQUENCE)
}

pub(super) fn read(der: &[u8], password: Option<&str>) -> Result<Contents, Problem> {
    if !work::is_bearable(der) {
        return Err(Problem::TooCostly(WHAT));
    }
    let given = password.unwrap_or_default();
    check_characters(given)?;
    let archive = Pkcs12Archive::from_pkcs12(der, given).map_err(|error| match error {
        P12Error::MacError(_) | P12Error::UnpadError | P12Error::Pkcs5Error(_) => match password {
            None => Problem::PasswordMissing(WHAT),
            Some(_) => Problem::WrongPassword(WHAT),
        },
        P12Error::InvalidParameters => Problem::TooCostly(WHAT),
        P12Error::UnsupportedEncryptionScheme
        | P12Error::UnsupportedContentType
        | P12Error::UnsupportedMacAlgorithm => Problem::Cipher(WHAT),
        other => Problem::damaged(WHAT, other),
    })?;
    super::check_number(archive.certs.len() + archive.keys.len())?;
    let mut contents = Contents::new(FileFormat::Pfx);
    for bag in archive.certs {
        let certificate = Certificate::from_der(bag.cert.as_der());
        contents.certificates.push(
            certificate.map_err(|error| Problem::damaged("a certificate in the PFX", error))?,
        );
    }
    contents.keys.extend(archive.keys.iter().map(|bag| PrivateKey::from_pkcs8(bag.key.as_der())));
    contents.instead = if contents.keys.is_empty() { Instead::Nothing } else { Instead::Key };
    Ok(contents)
}

pub(super) fn write(
    file: &CertificateFile,
    password: &str,
    encryption: PfxEncryption,
) -> Result<Vec<u8>, Problem> {
    let failed = |error: P12Error| Problem::Unwritable(error.to_string());
    check_characters(password)?;
    let certificates: Vec<_> = file
        .chain()
        .iter()
        .map(|certificate| P12Certificate::from_der(certificate.der()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let mut store = KeyStore::new();
    match file.private_key() {
        Some(key) => {
            let key = P12Key::from_der(key.pkcs8()).map_err(failed)?;
            // Ties the key to its certificate; any bytes will do.
            let id = file.leaf().fingerprint();
            let chain = PrivateKeyChain::new(&id.as_bytes()[..20], key, certificates);
            store.add_entry(&friendly(file.leaf()), KeyStoreEntry::PrivateKeyChain(chain));
        }
        None => {
            for (number, certificate) in certificates.into_iter().enumerate() {
                let name = format!("{} {}", number + 1, friendly(&file.chain()[number]));
                store.add_entry(&name, KeyStoreEntry::Certificate(certificate));
            }
        }
    }
    // .NET opens nothing that takes more than 600,000 rounds in all, and each
    // count is used about three times.
    let (cipher, mac, rounds) = match encryption {
        PfxEncryption::Modern => {
            (EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256, 100_000)
        }
        PfxEncryption::Legacy => {
            (EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1, 2_000)
        }
    };
    let writer = store.writer(password).encryption_algorithm(cipher).mac_algorithm(mac);
    writer.encryption_iterations(rounds).mac_iterations(rounds).write().map_err(failed)
}

/// A PFX has its text in UCS-2 (RFC 7292 §B.1).
fn check_characters(password: &str) -> Result<(), Problem> {
    let fits = password.chars().all(|char| u32::from(char) <= 0xffff);
    if fits { Ok(()) } else { Err(Problem::PasswordCharacters) }
}

/// The name that Windows and Java show.
fn friendly(certificate: &Certificate) -> String {
    let narrow = |char: &char| u32::from(*char) <= 0xffff;
    certificate.short_subject().chars().filter(narrow).collect()
}
