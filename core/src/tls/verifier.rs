//! The verifier: says yes or no to a server's chain, and keeps what it saw.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::attempt::ATTEMPT;
use super::tickets::Basis;
use crate::certificate::{
    Certificate, CertificateReport, FindingId, Judgement, Refusal, TrustPolicy, judge,
    judge_unproven,
};

/// 9999-12-31 23:59:59 UTC, which RFC 5280 §4.1.2.5 reserves for "never".
const NEVER: u64 = 253_402_300_799;

/// Shared by all connections of a mailer: rustls resumes a session only under
/// the verifier it began with.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pub(super) policy: TrustPolicy,
    /// The name the certificate must be for, whatever was sent as SNI.
    pub(super) host: ServerName<'static>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) accept_any: bool,
}

impl ServerVerifier {
    fn check(
        &self,
        chain: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<Basis, Box<CertificateReport>> {
        let case = Judgement { chain, host: &self.host, policy: &self.policy, now };
        let verified = if self.accept_any {
            self.accept(chain)
        } else {
            self.policy.verify(chain, &self.host, now)
        };
        let refused = |refusal: &Refusal| Box::new(judge(case, Some(refusal)));
        let earliest_not_after = verified.map_err(|refusal| refused(&refusal))?;
        let leaf = chain.first().and_then(|der| Certificate::from_der(der).ok());
        Ok(Basis {
            leaf: Arc::new(leaf.ok_or_else(|| refused(&Refusal::Empty))?),
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
            earliest_not_after,
            verified_at: now,
        })
    }

    /// Accepts any chain, but for pins. Only the leaf's key is proved by the
    /// handshake, so only it may be the pinned one. Nothing was trusted, so
    /// nothing lapses.
    fn accept(&self, chain: &[CertificateDer<'_>]) -> Result<SystemTime, Refusal> {
        let leaf = chain.first().and_then(|der| Certificate::from_der(der).ok());
        let pins = &self.policy.pins;
        match leaf {
            None => Err(Refusal::Empty),
            Some(leaf) if pins.is_empty() || pins.contains(&leaf.spki_pin()) => {
                Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(NEVER))
            }
            Some(_) => Err(Refusal::Unpinned),
        }
    }

    /// Keeps a report when the server's signature over the handshake fails.
    fn unproven(&self) {
        let _ = ATTEMPT.try_with(|attempt| {
            if let Some(basis) = attempt.basis() {
                attempt.refused(judge_unproven(Judgement {
                    chain: &basis.chain,
                    host: &self.host,
                    policy: &self.policy,
                    now: basis.verified_at,
                }));
            }
        });
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|der| CertificateDer::from(der.as_ref()))
            .collect();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        let checked = self.check(&chain, now);
        let error = checked.as_ref().err().map(|report| for_alert(report));
        // Outside of a handshake of ours there is nobody to tell.
        let _ = ATTEMPT.try_with(|attempt| match checked {
            Ok(basis) => attempt.verified(basis),
            Err(report) => attempt.refused(*report),
        });
        error.map_or(Ok(ServerCertVerified::assertion()), |error| Err(error.into()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
            .inspect_err(|_| self.unproven())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
            .inspect_err(|_| self.unproven())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The error from which rustls makes the alert that the server logs.
fn for_alert(report: &CertificateReport) -> CertificateError {
    match report.findings.first().map(|finding| finding.id) {
        Some(FindingId::Expired) => CertificateError::Expired,
        Some(FindingId::NotYetValid | FindingId::ClockSkew) => CertificateError::NotValidYet,
        Some(FindingId::NameMismatch | FindingId::NoSan) => CertificateError::NotValidForName,
        Some(
            FindingId::SelfSigned
            | FindingId::PrivateRoot
            | FindingId::MissingIntermediate
            | FindingId::UnknownIssuer,
        ) => CertificateError::UnknownIssuer,
        Some(FindingId::Unreadable) => CertificateError::BadEncoding,
        Some(FindingId::BadSignature) => CertificateError::BadSignature,
        Some(FindingId::WrongPurpose) => CertificateError::InvalidPurpose,
        Some(FindingId::PinMismatch) => CertificateError::ApplicationVerificationFailure,
        _ => CertificateError::Other(OtherError(Arc::new(std::io::Error::other(report.summary())))),
    }
}
