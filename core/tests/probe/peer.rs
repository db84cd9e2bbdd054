//! Scripted peers, and networks made of them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use everpost::TrustRoots;
use everpost::network::{BoxFuture, Network, Stream};
use everpost::probe::{Probe, ProbeBuilder};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio_rustls::TlsAcceptor;

use crate::support::Memory;

/// Waits until the other end has gone.
pub async fn gone(stream: &mut (impl AsyncRead + Unpin)) {
    let mut space = [0; 4096];
    while stream.read(&mut space).await.is_ok_and(|count| count > 0) {}
}

/// Says `greeting`, then answers each line by the first entry of `answers`
/// that begins it; closes when there is none.
pub async fn speak<S>(stream: S, greeting: &str, answers: &[(&str, &str)]) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    stream.write_all(greeting.as_bytes()).await?;
    stream.flush().await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let answer = answers.iter().find(|(command, _)| line.starts_with(command));
        let Some((_, answer)) = answer else { return Ok(()) };
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        line.clear();
    }
    Ok(())
}

/// A server in plain text for every connection.
pub fn speaking(
    greeting: &'static str,
    answers: &'static [(&'static str, &'static str)],
) -> Arc<Memory> {
    // The client may hang up when it has heard enough.
    Memory::new(move |_, stream| async move {
        let _ = speak(stream, greeting, answers).await;
    })
}

/// Over this network, with nothing trusted that matters.
pub fn over(network: Arc<dyn Network>) -> ProbeBuilder {
    Probe::builder().network(network).trust(TrustRoots::Mozilla)
}

/// A key, and a certificate of it that signs itself.
pub fn identity(
    names: impl IntoIterator<Item = String>,
) -> (Vec<CertificateDer<'static>>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(names.into_iter().collect::<Vec<_>>()).unwrap();
    (vec![params.self_signed(&key).unwrap().der().clone()], key)
}

/// Shows whatever it was given.
#[derive(Debug)]
struct Show(Arc<CertifiedKey>);

impl ResolvesServerCert for Show {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A TLS server that shows `chain` and signs with `key`, be it the chain's or
/// not.
pub fn showing(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Show(Arc::new(CertifiedKey::new(chain, key)))));
    TlsAcceptor::from(Arc::new(config))
}

/// Implicit TLS by `acceptor`, and SMTP inside.
pub fn secured(acceptor: TlsAcceptor) -> Arc<Memory> {
    Memory::new(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let answers = [("EHLO", "250 mx\r\n"), ("QUIT", "221 bye\r\n")];
                let _ = speak(stream, "220 mx\r\n", &answers).await;
            }
        }
    })
}

/// What an address does with a connection.
#[derive(Clone, Debug)]
pub enum Answer {
    Network(Arc<dyn Network>),
    Error(io::ErrorKind),
    Silence,
}

/// Names with addresses, and what those do.
#[derive(Debug, Default)]
pub struct World {
    names: HashMap<String, Vec<IpAddr>>,
    answers: HashMap<IpAddr, Answer>,
}

impl World {
    /// Adds an address to a name.
    pub fn with(mut self, name: &str, ip: &str, answer: Answer) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        self.names.entry(name.to_owned()).or_default().push(ip);
        self.answers.insert(ip, answer);
        self
    }
}

impl Network for World {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such name");
            let ips = self.names.get(host).ok_or_else(unknown)?;
            Ok(ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            match &self.answers[&address.ip()] {
                Answer::Network(network) => network.connect(address, bind).await,
                Answer::Error(kind) => Err((*kind).into()),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}
