//! Certificates in files: [`CertificateFile`] and [`PrivateKey`].
//!
//! What a file is shows in its content; its name is not looked at. A file may
//! come from anybody, so its size and the work of decrypting it are limited
//! before anything is done.
//!
//! ```text
//!   bytes ──> PEM blocks ─┐
//!         ──> DER ────────┼─> Contents (certificates, keys) ──> CertificateFile
//!         ──> PFX ────────┘                                     leaf first, its key
//! ```

mod der;
mod key;
mod order;
mod pem;
mod pfx;
mod problem;
mod work;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use zeroize::Zeroizing;

pub use key::PrivateKey;
pub use pfx::PfxEncryption;

use self::der::{Element, OBJECT_IDENTIFIER, SEQUENCE};
use self::problem::{Instead, Problem};
use super::facts::Certificate;
use super::inspect::Inspector;
use super::report::CertificateReport;
use crate::Error;
use crate::finding::{Finding, FindingId};

/// The largest file that is read.
const MAX_FILE: u64 = 8 << 20;
/// The most certificates and keys in one file.
const MAX_PARTS: usize = 1000;

/// What a file was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// Text with `-----BEGIN CERTIFICATE-----`.
    Pem,
    /// One certificate in binary.
    Der,
    /// PFX, which is PKCS#12.
    Pfx,
}

impl FileFormat {
    /// The stable name: `pem`, `der` or `pfx`.
    pub fn as_str(self) -> &'static str {
        match self {
            FileFormat::Pem => "pem",
            FileFormat::Der => "der",
            FileFormat::Pfx => "pfx",
        }
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Certificates, and perhaps a private key, from PEM, DER or PFX (PKCS#12).
///
/// ```no_run
/// use everpost::certificate::CertificateFile;
///
/// let file = CertificateFile::load("server.pfx", Some("password"))?;
/// println!("{}, {} certificates", file.leaf().subject(), file.chain().len());
/// # Ok::<(), everpost::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CertificateFile {
    format: FileFormat,
    chain: Vec<Certificate>,
    key: Option<PrivateKey>,
    in_order: bool,
}

impl CertificateFile {
    /// Reads a file of any of the formats; `password` opens a PFX or an
    /// encrypted key in PEM. Files are limited to 8 MiB, and the
    /// rounds that their passwords go through to 2,000,000.
    ///
    /// # Errors
    /// `invalid_config` if the file cannot be read, holds no certificate, or
    /// the password does not open it.
    pub fn load(path: impl AsRef<Path>, password: Option<&str>) -> Result<Self, Error> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let bytes = read(path)?;
        Self::of(&bytes, password).map_err(|problem| problem.error(Some(&place)))
    }

    /// Reads certificates of any of the formats from memory.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(bytes: &[u8], password: Option<&str>) -> Result<Self, Error> {
        Self::of(bytes, password).map_err(|problem| problem.error(None))
    }

    fn of(bytes: &[u8], password: Option<&str>) -> Result<Self, Problem> {
        let contents = Contents::read(bytes, password)?;
        if contents.certificates.is_empty() {
            return Err(Problem::NoCertificate(contents.instead));
        }
        let matching = |certificate: &Certificate| {
            contents.keys.iter().find(|key| key.matches(certificate) == Some(true))
        };
        let owned = contents.certificates.iter().find_map(matching);
        let key = owned.or_else(|| contents.keys.first()).cloned();
        let (chain, in_order) = order::sort(contents.certificates, key.as_ref());
        Ok(CertificateFile { format: contents.format, chain, key, in_order })
    }

    /// The same certificates with this private key, in place of one that was
    /// there.
    #[must_use]
    pub fn with_key(self, key: PrivateKey) -> Self {
        let (chain, in_order) = order::sort(self.chain, Some(&key));
        CertificateFile { chain, key: Some(key), in_order: self.in_order && in_order, ..self }
    }

    /// The same certificates without a private key.
    #[must_use]
    pub fn without_key(self) -> Self {
        CertificateFile { key: None, ..self }
    }

    /// What it was read as.
    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// The certificates: the server's own first, each followed by its issuer,
    /// and what does not belong to the chain at the end.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The server's own certificate: the one whose private key is in the file
    /// too, else the first that issued none of the others.
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    /// Whether the file holds the certificates in the order of
    /// [`chain`](Self::chain), in which a server has to send them.
    pub fn is_in_order(&self) -> bool {
        self.in_order
    }

    /// The private key, if the file holds one.
    pub fn private_key(&self) -> Option<&PrivateKey> {
        self.key.as_ref()
    }

    /// Whether the file holds a private key.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the private key in the file belongs to the leaf; `None`: there
    /// is no key in it, or one of a kind that cannot be compared.
    pub fn key_matches(&self) -> Option<bool> {
        self.key.as_ref()?.matches(self.leaf())
    }

    /// Judges what a server that loads this file would show as `host`, and
    /// whether the private key belongs to it.
    pub fn judge(&self, inspector: &Inspector, host: &str, at: SystemTime) -> CertificateReport {
        let chain: Vec<_> = self.chain.iter().map(|it| it.der().to_vec()).collect();
        let mut report = inspector.inspect(&chain, host, at);
        if self.key_matches() == Some(false) {
            let message = format!(
                "the private key in the file does not belong to the certificate of {}",
                self.leaf().short_subject()
            );
            report.findings.push(Finding::new(FindingId::KeyMismatch, message));
        }
        // A PFX is a bag: whoever loads it puts it in order.
        if self.format == FileFormat::Pem && !self.in_order {
            let message = "the file does not begin with the server's own certificate, followed by \
                           its issuers one by one";
            report.findings.push(Finding::new(FindingId::WrongOrder, message));
        }
        report.findings.sort_by_key(|finding| (Reverse(finding.severity), finding.id));
        report
    }

    /// The private key, if there is one, and all certificates, in PEM. In this
    /// order Postfix takes it as one file.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut pem = self.key.as_ref().map(PrivateKey::to_pem).unwrap_or_default();
        self.write_chain(&mut pem);
        pem
    }

    /// All certificates in PEM.
    pub fn chain_to_pem(&self) -> String {
        let mut pem = Zeroizing::default();
        self.write_chain(&mut pem);
        std::mem::take(&mut *pem)
    }

    fn write_chain(&self, pem: &mut Zeroizing<String>) {
        self.chain.iter().for_each(|it| pem::write(pem, "CERTIFICATE", it.der()));
    }

    /// The leaf in DER, which holds one certificate and no key.
    pub fn to_der(&self) -> Vec<u8> {
        self.leaf().der().to_vec()
    }

    /// The private key, if there is one, and all certificates, as PFX.
    ///
    /// # Errors
    /// `invalid_config` if the password has characters that a PFX cannot have,
    /// or the private key is damaged.
    pub fn to_pfx(&self, password: &str, encryption: PfxEncryption) -> Result<Vec<u8>, Error> {
        pfx::write(self, password, encryption).map_err(|problem| problem.error(None))
    }
}

/// Reads a file as far as the limit.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |error: std::io::Error| {
        Error::config(format!("cannot read {}: {error}", path.display()))
            .with_hint("check the path and who may read it")
            .with_source(error)
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len().min(MAX_FILE);
    // Room for all of it at once: no copy of a key stays behind. `usize` holds
    // the limit.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size as usize + 1));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What is in a file, in its order.
pub(super) struct Contents {
    format: FileFormat,
    certificates: Vec<Certificate>,
    keys: Vec<PrivateKey>,
    /// What to say when there is no certificate.
    instead: Instead,
}

impl Contents {
    fn new(format: FileFormat) -> Self {
        let (certificates, keys) = (Vec::new(), Vec::new());
        Contents { format, certificates, keys, instead: Instead::Nothing }
    }

    fn read(bytes: &[u8], password: Option<&str>) -> Result<Self, Problem> {
        const JKS: &[u8] = b"\xfe\xed\xfe\xed";
        if bytes.len() as u64 > MAX_FILE {
            return Err(Problem::TooLarge);
        }
        if bytes.trim_ascii().is_empty() {
            return Err(Problem::Empty);
        }
        if let Some(text) = utf16(bytes) {
            return Contents::from_pem(text.as_bytes(), password);
        }
        // Text may begin with the digit 0, which is the tag of a SEQUENCE;
        // then a letter follows, as the length of something very short.
        let binary = bytes[0] == SEQUENCE
            && (Element::only(bytes).is_some() || bytes.get(1).is_some_and(|it| *it >= 0x80));
        if binary {
            Contents::from_der(bytes, password)
        } else if pem::is_pem(bytes) {
            Contents::from_pem(bytes, password)
        } else if bytes.starts_with(JKS) {
            Err(Problem::NoCertificate(Instead::Keystore))
        } else {
            Err(Problem::Unknown)
        }
    }

    fn from_der(bytes: &[u8], password: Option<&str>) -> Result<Self, Problem> {
        let Some(whole) = Element::first(bytes) else {
            return Err(match der::announced(bytes) {
                _ if bytes.get(1) == Some(&0x80) => Problem::Indefinite,
                Some(size) => {
                    Problem::damaged("the file", format!("{} bytes of {size}", bytes.len()))
                }
                None => Problem::damaged("the file", "its length is unreadable"),
            });
        };
        if pfx::is_pfx(&whole) {
            return pfx::read(bytes, password);
        }
        let mut contents = Contents::new(FileFormat::Der);
        if let Some(key) = PrivateKey::from_der(bytes, password) {
            contents.keys.push(key?);
            contents.instead = Instead::Key;
        } else if whole.children().next().is_some_and(|it| it.tag == OBJECT_IDENTIFIER) {
            contents.instead = Instead::Pkcs7;
        } else {
            let certificate = Certificate::from_der(bytes)
                .map_err(|error| Problem::damaged("the certificate", error))?;
            contents.certificates.push(certificate);
        }
        Ok(contents)
    }

    fn from_pem(text: &[u8], password: Option<&str>) -> Result<Self, Problem> {
        let mut contents = Contents::new(FileFormat::Pem);
        let mut instead = None;
        let blocks = pem::blocks(text)?;
        check_number(blocks.len())?;
        for block in blocks {
            let what = |what: &str| format!("{what} that begins in line {}", block.line);
            match block.label.as_str() {
                "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                    // OpenSSL appends its opinion to a trusted one.
                    let own = match Element::first(&block.der) {
                        Some(own) if block.label.starts_with('T') => own.whole,
                        _ => &block.der[..],
                    };
                    let certificate = Certificate::from_der(own)
                        .map_err(|error| Problem::damaged(what("the certificate"), error))?;
                    contents.certificates.push(certificate);
                }
                label if label.ends_with("PRIVATE KEY") => {
                    if block.encrypted {
                        return Err(match password {
                            None => Problem::PasswordMissing("the private key"),
                            Some(_) => Problem::Cipher("the private key"),
                        });
                    }
                    let unreadable =
                        || Problem::damaged(what("the private key"), "it is of no known form");
                    let key = PrivateKey::from_der(&block.der, password);
                    contents.keys.push(key.ok_or_else(unreadable)??);
                    instead.get_or_insert(Instead::Key);
                }
                label => {
                    let seen = match label {
                        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Instead::Request,
                        "X509 CRL" => Instead::Crl,
                        "PUBLIC KEY" | "RSA PUBLIC KEY" => Instead::PublicKey,
                        "PKCS7" | "CMS" => Instead::Pkcs7,
                        _ => continue,
                    };
                    instead.get_or_insert(seen);
                }
            }
        }
        contents.instead = instead.unwrap_or(Instead::Nothing);
        Ok(contents)
    }
}

fn check_number(parts: usize) -> Result<(), Problem> {
    if parts > MAX_PARTS { Err(Problem::TooMany) } else { Ok(()) }
}

/// Text as PowerShell's `>` writes it, with a byte order mark.
fn utf16(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let little = match bytes.get(..2)? {
        [0xff, 0xfe] => true,
        [0xfe, 0xff] => false,
        _ => return None,
    };
    let unit = |pair: &[u8]| match little {
        true => u16::from_le_bytes([pair[0], pair[1]]),
        false => u16::from_be_bytes([pair[0], pair[1]]),
    };
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3 / 2));
    let units = bytes[2..].chunks_exact(2).map(unit);
    text.extend(char::decode_utf16(units).map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)));
    Some(text)
}
