//! The cryptography: aws-lc-rs, or ring, by cargo feature. Always passed
//! explicitly; the process-wide default of rustls is neither read nor set.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;

use crate::error::{Error, ErrorKind, Stage};

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as chosen;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("everpost needs one of its features `aws-lc-rs` (the default) and `ring` for TLS");

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(chosen::default_provider())
}

/// Reads a private key without taking it, so that the caller can wipe it.
pub(crate) fn signing_key(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    chosen::sign::any_supported_type(key)
}

/// Unpredictable bytes, for SCRAM.
///
/// # Errors
/// If the operating system has none to give.
pub(crate) fn random_nonce() -> Result<[u8; 18], Error> {
    let mut nonce = [0; 18];
    chosen::default_provider().secure_random.fill(&mut nonce).map_err(|_| {
        Error::new(ErrorKind::Internal, Stage::Auth, "the system gives no random numbers")
    })?;
    Ok(nonce)
}
