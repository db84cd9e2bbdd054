//! A handshake that trusts nobody and keeps what it was shown: [`Capture`].
//!
//! The verifier accepts any chain, so that a bad one can be looked at, and
//! records whether the server proved that it holds the key. The invariant:
//! nothing is resumed and nothing is cached, so that what was captured is
//! what the server serves now. A connection made here must never carry
//! anything that is worth protecting; the dialogue of a probe cannot.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, InvalidMessage, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::report::TlsFacts;
use crate::Error;
use crate::clock::{Clock, TlsTime};
use crate::tls::{Agreed, provider};

/// What a server showed, also in a handshake that failed later on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured {
    /// Leaf first, as sent.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) staple: Option<Vec<u8>>,
    /// Whether the server proved that it holds the key; `None`: it was not
    /// asked yet.
    pub(crate) proven: Option<bool>,
}

/// Handshakes that capture; made once.
#[derive(Debug)]
pub(crate) struct Capturer {
    config: ClientConfig,
    algorithms: WebPkiSupportedAlgorithms,
}

/// One handshake, and what it captures.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    algorithms: WebPkiSupportedAlgorithms,
    captured: Arc<Mutex<Captured>>,
}

impl Capturer {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(TlsTime(clock)))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|error| Error::config(format!("TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Capture::new(algorithms)))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Capturer { config, algorithms })
    }

    /// A capture for one handshake.
    pub(crate) fn capture(&self) -> Capture {
        Capture::new(self.algorithms)
    }

    /// Does the handshake. What was shown is in `capture`, also when this
    /// fails or is dropped.
    pub(crate) async fn connect<S>(
        &self,
        name: ServerName<'static>,
        stream: S,
        capture: &Capture,
    ) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = self.config.clone();
        config.dangerous().set_certificate_verifier(Arc::new(capture.clone()));
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

impl Capture {
    fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Capture { algorithms, captured: Arc::default() }
    }

    /// What was captured so far.
    pub(crate) fn captured(&self) -> Captured {
        self.lock().clone()
    }

    /// The facts of a finished handshake.
    pub(crate) fn facts(&self, agreed: Agreed) -> TlsFacts {
        let captured = self.lock();
        TlsFacts {
            protocol: agreed.protocol.to_owned(),
            cipher: agreed.cipher,
            group: agreed.group.map(str::to_owned),
            legacy: false,
            proven: captured.proven == Some(true),
            staple: captured.staple.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the verdict on the handshake's signature and lets it pass.
    fn record(
        &self,
        verdict: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.lock().proven = Some(verdict.is_ok());
        Ok(HandshakeSignatureValid::assertion())
    }
}

impl ServerCertVerifier for Capture {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        staple: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut captured = self.lock();
        captured.chain = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|der| der.clone().into_owned())
            .collect();
        captured.staple = (!staple.is_empty()).then(|| staple.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.record(rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.record(rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The fault of TLS in an IO error of a TLS stream; `None` if the fault is of
/// the connection below it.
pub(crate) fn tls_fault(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether a chain was announced that is larger than TLS libraries take.
pub(crate) fn is_too_large(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge
        )
    )
}

/// Whether a server that speaks only what rustls does not would fail like
/// this, so that a hand-made hello may still get a certificate out of it.
pub(crate) fn smells_of_legacy(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::IllegalParameter
                | AlertDescription::DecodeError
        ),
        rustls::Error::PeerIncompatible(_) => true,
        rustls::Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => true,
        _ => false,
    }
}
