//! One mailer's TLS: [`TlsContext`] and its handshake.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::attempt::{ATTEMPT, Attempt};
use super::options::{TlsOptions, TlsVersion};
use super::peer::Peer;
use super::tickets::TicketStore;
use super::verifier::ServerVerifier;
use super::{failure, provider, roots};
use crate::certificate::{Certificate, CertificateReport, TrustPolicy};
use crate::clock::{Clock, TlsTime};
use crate::{Endpoint, Error, ErrorKind, Stage};

/// Whether a handshake may take up an earlier session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// If the store holds a ticket that is still good.
    Allow,
    /// The server must show its certificate.
    Never,
}

/// Everything TLS of one mailer. New trust settings need a new one, and with
/// it an empty ticket store.
#[derive(Debug)]
pub(crate) struct TlsContext {
    config: ClientConfig,
    endpoint: Endpoint,
    sni: ServerName<'static>,
    tickets: Arc<TicketStore>,
    resumption: bool,
}

impl TlsContext {
    /// Loads the roots, which reads files: not for a busy async task.
    pub(crate) fn new(
        options: &TlsOptions,
        endpoint: &Endpoint,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let provider = provider::provider();
        let algorithms = provider.signature_verification_algorithms;
        let accept_any = options.danger_accept_any_certificate;
        if accept_any {
            tracing::warn!(%endpoint, "accepting any certificate: anybody can read this mail");
        }
        let verifier = ServerVerifier {
            policy: TrustPolicy {
                roots: if accept_any { Vec::new() } else { roots::load(&options.roots)? },
                pins: options.pins.clone(),
                algorithms: algorithms.all,
            },
            host: server_name(options.verify_name.as_ref().unwrap_or(&endpoint.host))?,
            algorithms,
            accept_any,
        };
        let versions: &[&rustls::SupportedProtocolVersion] = match options.minimum_version {
            TlsVersion::Tls12 => &[&rustls::version::TLS12, &rustls::version::TLS13],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let time = Arc::new(TlsTime(Arc::clone(&clock)));
        let builder = ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(versions)
            .map_err(|error| Error::config(format!("TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &options.client_identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
                identity.certified_key(),
            ))),
            None => builder.with_no_client_auth(),
        };
        Ok(TlsContext {
            config,
            endpoint: endpoint.clone(),
            sni: server_name(options.sni.as_ref().unwrap_or(&endpoint.host))?,
            tickets: Arc::new(TicketStore::new(
                clock,
                options.expiry_margin,
                options.full_handshake_interval,
            )),
            resumption: options.resumption,
        })
    }

    /// Does the TLS handshake over `stream`. Has no deadline of its own, and
    /// may be dropped at any point.
    ///
    /// # Errors
    /// At stage `handshake`: `certificate` with the report on what the server
    /// sent; `tls` for other faults of TLS; `connect`, which is retryable,
    /// when the connection was lost. Any of them drops all tickets.
    pub(crate) async fn handshake<S>(
        &self,
        stream: S,
        resume: Resume,
    ) -> Result<(TlsStream<S>, Peer), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let offer = self.resumption && resume == Resume::Allow;
        let attempt = Arc::new(Attempt::new(Arc::clone(&self.tickets), offer, self.resumption));
        let mut config = self.config.clone();
        config.resumption = Resumption::store(Arc::<Attempt>::clone(&attempt));
        let connecting = TlsConnector::from(Arc::new(config)).connect(self.sni.clone(), stream);
        match ATTEMPT.scope(Arc::clone(&attempt), connecting).await {
            Ok(stream) => {
                let basis = attempt.basis().ok_or_else(|| {
                    let message = "a handshake ended without a certificate";
                    Error::new(ErrorKind::Internal, Stage::Handshake, message)
                })?;
                let peer = Peer::new(stream.get_ref().1, &basis);
                Ok((stream, peer))
            }
            Err(error) => {
                self.tickets.drop_all();
                Err(match attempt.report() {
                    Some(report) => self.refused(report, error),
                    None => self.failure(Stage::Handshake, error),
                })
            }
        }
    }

    /// What an IO error of a TLS stream of this context means.
    pub(crate) fn failure(&self, stage: Stage, error: io::Error) -> Error {
        failure::read(&self.endpoint, stage, error)
    }

    /// Tells that the server has `leaf` now: tickets that rest on another leaf
    /// are dropped. Only a leaf with a later notBefore moves the generation.
    /// Full handshakes of this context do this by themselves.
    pub(crate) fn set_generation(&self, leaf: &Certificate) {
        self.tickets.set_generation(leaf);
    }

    /// Forgets all tickets, and those still to come on earlier connections.
    pub(crate) fn drop_tickets(&self) {
        self.tickets.drop_all();
    }

    fn refused(&self, report: Arc<CertificateReport>, source: io::Error) -> Error {
        let error = Error::new(ErrorKind::Certificate, Stage::Handshake, report.summary())
            .with_endpoint(&self.endpoint)
            .with_source(source);
        let error = match report.remedy() {
            Some(remedy) => error.with_hint(remedy),
            None => error,
        };
        error.with_certificate(report)
    }

    #[cfg(test)]
    pub(super) fn tickets_held(&self) -> usize {
        self.tickets.count()
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned()).map_err(|_| {
        Error::config(format!("{host:?} is no host name and no IP address"))
            .with_hint("give a name such as mail.example.org, in A-label form, or an IP address")
    })
}
