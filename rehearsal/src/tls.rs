//! From an issued chain to what a handshake serves.
//!
//! The ticket keys live outside the configuration, so that they outlast a
//! rotation unless fresh ones are asked for: resumption across a rotation is
//! what clients get wrong.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::authority::{Issued, LeafInfo};
use crate::shared::Clock;

/// The protocol versions that the server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "both")]
    Both,
    /// TLS 1.2 only.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 only.
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersions {
    fn list(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            TlsVersions::Both => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersions::Tls12 => vec![&rustls::version::TLS12],
            TlsVersions::Tls13 => vec![&rustls::version::TLS13],
        }
    }
}

/// Whether clients are asked for a certificate of the server's CA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not asked.
    #[default]
    None,
    /// Asked, and let in without one.
    Optional,
    /// Asked, and refused without one.
    Required,
}

/// One certificate that is or was served.
pub(crate) struct Identity {
    pub(crate) leaf: LeafInfo,
    pub(crate) key: Vec<u8>,
    pub(crate) config: Arc<ServerConfig>,
}

/// What a configuration is made of besides the certificate.
pub(crate) struct Parts {
    pub(crate) versions: TlsVersions,
    pub(crate) resumption: bool,
    pub(crate) client_auth: ClientAuth,
    pub(crate) roots: CertificateDer<'static>,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let now = self.0.now().duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(now))
    }
}

pub(crate) fn fresh_ticketer() -> Result<Arc<dyn ProducesTickets>, Error> {
    Ok(aws_lc_rs::Ticketer::new()?)
}

impl Parts {
    pub(crate) fn identity(
        &self,
        issued: Issued,
        ticketer: &Arc<dyn ProducesTickets>,
    ) -> Result<Arc<Identity>, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_details(
            provider.clone(),
            Arc::new(Time(self.clock.clone())),
        )
        .with_protocol_versions(&self.versions.list())?;
        let builder = if self.client_auth == ClientAuth::None {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            roots.add(self.roots.clone())?;
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if self.client_auth == ClientAuth::Optional {
                verifier = verifier.allow_unauthenticated();
            }
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| Error::Tls(error.to_string()))?,
            )
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.key.clone()));
        let mut config = builder.with_single_cert(issued.chain, key)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if self.resumption {
            config.ticketer = ticketer.clone();
        } else {
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(Identity { leaf: issued.info, key: issued.key, config: Arc::new(config) }))
    }
}
