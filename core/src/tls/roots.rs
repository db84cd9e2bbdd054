//! Loading trusted roots.

use std::collections::HashSet;
use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::options::TrustRoots;
use crate::Error;
use crate::certificate::{Fingerprint, RootSet};

/// All roots of `sources`, each once.
///
/// Single unreadable certificates of the system's store are passed over, as
/// every TLS client does; in what the caller gave they are errors.
pub(super) fn load(sources: &[TrustRoots]) -> Result<Vec<TrustAnchor<'static>>, Error> {
    let sources = if sources.is_empty() { &[TrustRoots::System] } else { sources };
    let mut roots = Roots::default();
    for source in sources {
        match source {
            TrustRoots::System => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    tracing::debug!(%error, "part of the system's certificate store is unreadable");
                }
                for der in &found.certs {
                    if let Err(error) = roots.add(der) {
                        tracing::debug!(%error, "a root of the system's store is unreadable");
                    }
                }
            }
            TrustRoots::Mozilla => {
                for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
                    roots.add(der).map_err(|error| bad_root("Mozilla's roots", error))?;
                }
            }
            TrustRoots::Pem(bytes) => roots.add_given(bytes, "the trusted certificates")?,
            TrustRoots::File(path) => {
                let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
                roots.add_given(&bytes, &path.display().to_string())?;
            }
        }
    }
    if roots.anchors.is_empty() {
        return Err(Error::config("the system's certificate store holds no trusted root")
            .with_hint(
                "install it (on Linux the package ca-certificates), or use Mozilla's roots: \
                 trust=mozilla",
            ));
    }
    Ok(roots.anchors)
}

impl TrustRoots {
    /// All roots of `sources` as one set, named after them; the system's store
    /// if there are none. Reads files.
    ///
    /// # Errors
    /// `invalid_config` if a file cannot be read or holds no certificate, or
    /// if the system's store is empty.
    pub fn load(sources: &[TrustRoots]) -> Result<RootSet, Error> {
        let names: Vec<String> = sources.iter().map(TrustRoots::name).collect();
        let name = if names.is_empty() { "system".to_owned() } else { names.join("+") };
        Ok(RootSet::new(name, load(sources)?))
    }

    fn name(&self) -> String {
        match self {
            TrustRoots::System => "system".to_owned(),
            TrustRoots::Mozilla => "mozilla".to_owned(),
            TrustRoots::Pem(_) => "given".to_owned(),
            TrustRoots::File(path) => path.display().to_string(),
        }
    }
}

#[derive(Default)]
struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// By fingerprint: a copy of each would be most of what loading takes.
    seen: HashSet<Fingerprint>,
}

impl Roots {
    fn add(&mut self, der: &CertificateDer<'_>) -> Result<(), webpki::Error> {
        let anchor = webpki::anchor_from_trusted_cert(der)?;
        if self.seen.insert(Fingerprint::of(der)) {
            self.anchors.push(anchor.to_owned());
        }
        Ok(())
    }

    fn add_given(&mut self, bytes: &[u8], what: &str) -> Result<(), Error> {
        let mut given: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| bad_root(what, error))?;
        // 0x30 opens every certificate in DER.
        if given.is_empty() && bytes.first() == Some(&0x30) {
            given.push(CertificateDer::from(bytes));
        }
        if given.is_empty() {
            return Err(Error::config(format!("{what}: no certificate found")).with_hint(
                "give certificates as PEM (-----BEGIN CERTIFICATE-----) or one as DER",
            ));
        }
        given.iter().try_for_each(|der| self.add(der)).map_err(|error| bad_root(what, error))
    }
}

fn bad_root(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::config(format!("{what}: a certificate is unreadable: {error}")).with_source(error)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!("cannot read the trusted certificates in {}", path.display()))
        .with_hint("check the path given as trust=FILE and who may read it")
        .with_source(error)
}
