//! Handshakes with a rustls server in memory.

#![allow(clippy::unwrap_used)]

mod failure;
mod resumption;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustls::server::{ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::certificate::testing::{Authority, Issued, Leaf, days, hours, now};
use crate::certificate::{Certificate, FindingId, Fingerprint};
use crate::clock::{Clock, TlsTime};
use crate::{Endpoint, Error, ErrorKind, Stage, TlsMode};

const GREETING: &[u8] = b"220 ready\r\n";

#[derive(Debug)]
struct TestClock(AtomicU64);

impl TestClock {
    fn new() -> Arc<Self> {
        let since = now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Arc::new(TestClock(AtomicU64::new(since.as_secs())))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    fn set_back(&self, by: Duration) {
        self.0.fetch_sub(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A server whose certificate can change while its ticket keys stay.
struct Server {
    versions: &'static [&'static rustls::SupportedProtocolVersion],
    ticket_keys: Arc<dyn ProducesTickets>,
    clock: Arc<TestClock>,
    client_roots: Option<Authority>,
}

impl Server {
    fn new(clock: &Arc<TestClock>) -> Self {
        Server {
            versions: rustls::ALL_VERSIONS,
            ticket_keys: rustls::crypto::aws_lc_rs::Ticketer::new().unwrap(),
            clock: Arc::clone(clock),
            client_roots: None,
        }
    }

    fn only(self, version: &'static [&'static rustls::SupportedProtocolVersion]) -> Self {
        Server { versions: version, ..self }
    }

    fn serve(&self, leaf: &Issued, above: &[CertificateDer<'static>]) -> Arc<ServerConfig> {
        let chain = std::iter::once(leaf.der.clone()).chain(above.iter().cloned()).collect();
        let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
        let time = Arc::new(TlsTime(Arc::<TestClock>::clone(&self.clock)));
        let provider = provider::provider();
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), time)
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match &self.client_roots {
            None => builder.with_no_client_auth(),
            Some(root) => {
                let mut roots = RootCertStore::empty();
                roots.add(root.der()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.ticketer = Arc::clone(&self.ticket_keys);
        Arc::new(config)
    }
}

struct Seen {
    sni: Option<String>,
    exporter: [u8; 32],
    client_certificates: usize,
}

fn seen(connection: &ServerConnection) -> Seen {
    let label = b"EXPORTER-Channel-Binding";
    Seen {
        sni: connection.server_name().map(str::to_owned),
        exporter: connection.export_keying_material([0; 32], label, Some(b"")).unwrap(),
        client_certificates: connection.peer_certificates().map_or(0, <[_]>::len),
    }
}

/// One connection up to the greeting, which brings the tickets along.
async fn connect(
    context: &TlsContext,
    server: &Arc<ServerConfig>,
    resume: Resume,
) -> Result<(Peer, Seen), Error> {
    let (client, far) = duplex(1 << 16);
    let serving = async {
        let mut stream = TlsAcceptor::from(Arc::clone(server)).accept(far).await?;
        stream.write_all(GREETING).await?;
        stream.flush().await?;
        let seen = seen(stream.get_ref().1);
        // Until the client leaves.
        let _ = stream.read(&mut [0]).await;
        Ok::<_, std::io::Error>(seen)
    };
    let connecting = async {
        let (mut stream, peer) = context.handshake(client, resume).await?;
        let mut greeting = [0; GREETING.len()];
        let read = stream.read_exact(&mut greeting).await;
        read.map_err(|error| context.failure(Stage::Greeting, error))?;
        assert_eq!(greeting, *GREETING);
        Ok::<_, Error>(peer)
    };
    let (served, connected) = tokio::join!(serving, connecting);
    Ok((connected?, served.expect("the client was content")))
}

async fn fails(context: &TlsContext, server: &Arc<ServerConfig>) -> Error {
    match connect(context, server, Resume::Never).await {
        Ok(_) => panic!("the handshake should fail"),
        Err(error) => error,
    }
}

fn endpoint() -> Endpoint {
    Endpoint::new("mail.example.org", TlsMode::Implicit)
}

fn trusting(root: &Authority) -> TlsOptions {
    TlsOptions {
        roots: vec![TrustRoots::Pem(root.pem())],
        resumption: true,
        ..TlsOptions::default()
    }
}

fn context(options: &TlsOptions, clock: &Arc<TestClock>) -> TlsContext {
    TlsContext::new(options, &endpoint(), Arc::<TestClock>::clone(clock)).unwrap()
}

/// A trusted authority, a context and a good server.
struct World {
    clock: Arc<TestClock>,
    root: Authority,
    context: TlsContext,
    server: Server,
    leaf: Issued,
}

impl World {
    fn new() -> Self {
        World::with(|_| {})
    }

    fn with(set: impl FnOnce(&mut TlsOptions)) -> Self {
        let clock = TestClock::new();
        let root = Authority::root("Test Root");
        let mut options = trusting(&root);
        set(&mut options);
        let leaf = root.issue(&Leaf::good());
        World { context: context(&options, &clock), server: Server::new(&clock), clock, root, leaf }
    }

    fn serving(&self) -> Arc<ServerConfig> {
        self.server.serve(&self.leaf, &[])
    }

    async fn peer(&self, server: &Arc<ServerConfig>) -> Peer {
        connect(&self.context, server, Resume::Allow).await.unwrap().0
    }
}

const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}
