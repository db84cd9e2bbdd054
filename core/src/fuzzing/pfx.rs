//! Certificate files: PFX, and the other formats on the way.

use crate::certificate::{CertificateFile, PrivateKey};
use crate::{Error, ErrorKind};

const PASSWORD: &str = "eVeRpOsT";

/// A file, with and without a password for it. Holds:
///
/// - it is read, or refused as `invalid_config` with a remedy, in one line
///   without the password;
/// - what is read is written as PEM that is in order and reads the same;
/// - a private key is in no `Debug`.
pub fn pfx(data: &[u8]) {
    for password in [None, Some(PASSWORD)] {
        match CertificateFile::parse(data, password) {
            Ok(file) => written(&file),
            Err(error) => refused(&error),
        }
    }
    if let Err(error) = PrivateKey::parse(data, Some(PASSWORD)) {
        refused(&error);
    }
}

fn written(file: &CertificateFile) {
    assert!(!file.chain().is_empty());
    let pem = file.to_pem();
    let again = CertificateFile::parse(pem.as_bytes(), None).expect("what we wrote is PEM");
    assert_eq!(again.chain(), file.chain());
    assert_eq!((again.has_key(), again.key_matches()), (file.has_key(), file.key_matches()));
    assert_eq!(again.to_pem(), pem);
    let shown = format!("{file:?}");
    if let Some(key) = file.private_key() {
        assert!(shown.contains("PrivateKey(hidden)"));
        let matches = key.matches(file.leaf());
        assert_eq!(matches, file.key_matches());
    }
    let chain = CertificateFile::parse(file.chain_to_pem().as_bytes(), None);
    assert!(chain.is_ok_and(|chain| !chain.has_key()));
}

fn refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().is_some());
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(!error.message_text().chars().any(char::is_control), "{shown}");
}
