//! What a mailer can be told about TLS.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroize as _;

use super::provider;
use crate::Error;
use crate::certificate::SpkiPin;

/// Where trusted roots come from. Several may be given; a server is trusted
/// if any of them trusts it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustRoots {
    /// The operating system's store (or what `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name).
    System,
    /// Mozilla's roots, as compiled in.
    Mozilla,
    /// Certificates in PEM, or one in DER: roots of authorities, or a server's
    /// own self-signed certificate that is not marked as an authority's.
    Pem(Vec<u8>),
    /// A file of such certificates, read once when the mailer is built.
    File(PathBuf),
}

/// As configuration names them: `system`, `mozilla`, or the path of a file.
impl FromStr for TrustRoots {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "system" => Ok(TrustRoots::System),
            "mozilla" => Ok(TrustRoots::Mozilla),
            "" => Err(Error::config("no roots are named")
                .with_hint("name system, mozilla or the path of a PEM file")),
            path => Ok(TrustRoots::File(path.into())),
        }
    }
}

/// Sources, not contents.
impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustRoots::System => f.write_str("System"),
            TrustRoots::Mozilla => f.write_str("Mozilla"),
            TrustRoots::Pem(pem) => write!(f, "Pem({} bytes)", pem.len()),
            TrustRoots::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// A version of TLS. Older ones are not spoken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl TlsVersion {
    /// `1.2` or `1.3`.
    pub fn as_str(self) -> &'static str {
        match self {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A certificate and key with which this client identifies itself, for
/// servers that ask (SASL EXTERNAL, or relays that only serve known clients).
///
/// Cloning is cheap. The key appears in no `Debug` output.
#[derive(Clone)]
pub struct ClientIdentity {
    key: Arc<CertifiedKey>,
}

impl ClientIdentity {
    /// From PEM: the chain, own certificate first, and its private key
    /// (PKCS#8, PKCS#1 or SEC1, not encrypted).
    ///
    /// # Errors
    /// `invalid_config` when either is missing or unreadable, or when they do
    /// not belong together.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_ref())
            .collect::<Result<_, _>>()
            .map_err(|error| Error::config(format!("client certificate: {error}")))?;
        if chain.is_empty() {
            return Err(Error::config("client certificate: no certificate in PEM")
                .with_hint("give the chain as PEM (-----BEGIN CERTIFICATE-----)"));
        }
        let mut der = PrivateKeyDer::from_pem_slice(key.as_ref()).map_err(|_| {
            Error::config("client key: no readable private key in PEM").with_hint(
                "give the key as PEM without a password (openssl pkey -in key.pem takes it off)",
            )
        })?;
        let signing = provider::signing_key(&der);
        der.zeroize();
        let signing = signing
            .map_err(|_| Error::config("client key: not a usable RSA, ECDSA or Ed25519 key"))?;
        let key = CertifiedKey::new(chain, signing);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(ClientIdentity { key: Arc::new(key) })
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(Error::config("client key does not belong to the client certificate")
                    .with_hint("put the client's own certificate first in its chain"))
            }
            Err(error) => Err(Error::config(format!("client certificate: {error}"))),
        }
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({} certificates, key hidden)", self.key.cert.len())
    }
}

/// How TLS is done and whom it trusts.
#[derive(Clone, Debug)]
pub(crate) struct TlsOptions {
    /// Empty means [`TrustRoots::System`].
    pub(crate) roots: Vec<TrustRoots>,
    /// If there are any, one of them must be the key of the leaf, of an
    /// intermediate or of the root of the *verified* path, as in RFC 7469
    /// §2.6: in addition to path validation, never instead of it. Give a
    /// backup pin of a key not in use yet, or a change of key locks you out.
    pub(crate) pins: Vec<SpkiPin>,
    pub(crate) client_identity: Option<ClientIdentity>,
    pub(crate) minimum_version: TlsVersion,
    /// The name sent to the server (SNI); the endpoint's host by default.
    pub(crate) sni: Option<String>,
    /// The name the certificate must be for; the endpoint's host by default.
    pub(crate) verify_name: Option<String>,
    /// Accepts any certificate of anybody: expired, for other names, of
    /// unknown issuers. Pins, if given, must then be the leaf's own key.
    pub(crate) danger_accept_any_certificate: bool,
    /// Whether sessions may be resumed at all: off, since a resumed session
    /// says nothing of the certificate that the server has now.
    pub(crate) resumption: bool,
    /// How long before the earliest notAfter of its path a ticket dies: 60 s.
    pub(crate) expiry_margin: Duration,
    /// How old the full handshake may be that a resumed session rests on:
    /// 60 min.
    pub(crate) full_handshake_interval: Duration,
}

impl Default for TlsOptions {
    fn default() -> Self {
        TlsOptions {
            roots: Vec::new(),
            pins: Vec::new(),
            client_identity: None,
            minimum_version: TlsVersion::default(),
            sni: None,
            verify_name: None,
            danger_accept_any_certificate: false,
            resumption: false,
            expiry_margin: Duration::from_secs(60),
            full_handshake_interval: Duration::from_secs(3600),
        }
    }
}
