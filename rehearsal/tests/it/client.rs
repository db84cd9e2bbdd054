//! A client that says exactly what it is told.

use std::sync::Arc;
use std::time::Duration;

use everpost_rehearsal::Rehearsal;
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// No step of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    fn tls(&self) -> Option<&ClientConnection> {
        None
    }
}

impl Stream for TcpStream {}
impl Stream for tokio::io::DuplexStream {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for tokio_rustls::client::TlsStream<S> {
    fn tls(&self) -> Option<&ClientConnection> {
        Some(self.get_ref().1)
    }
}

pub struct Client {
    pub stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

pub fn roots(server: &Rehearsal) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap()).unwrap();
    roots
}

pub fn config(server: &Rehearsal) -> Arc<ClientConfig> {
    config_with(server, rustls::ALL_VERSIONS)
}

pub fn config_with(
    server: &Rehearsal,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(server))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes no time")
}

impl Client {
    pub fn over(stream: impl Stream + 'static) -> Self {
        Client { stream: Box::new(stream), buffer: Vec::new() }
    }

    pub async fn plain(server: &Rehearsal) -> Self {
        Client::over(TcpStream::connect(server.plain_addr()).await.unwrap())
    }

    pub async fn implicit(server: &Rehearsal) -> Self {
        Client::implicit_with(server, config(server)).await.unwrap()
    }

    pub async fn implicit_with(
        server: &Rehearsal,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(server.implicit_addr()).await?;
        tcp.set_nodelay(true)?;
        Client::tls(tcp, server.host(), config).await
    }

    pub async fn tls(
        stream: impl Stream + 'static,
        host: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        Ok(Client::over(soon(TlsConnector::from(config).connect(name, stream)).await?))
    }

    pub async fn starttls(server: &Rehearsal) -> Self {
        let mut tcp = Client::over(TcpStream::connect(server.starttls_addr()).await.unwrap());
        assert!(tcp.reply().await.starts_with("220 "));
        assert!(tcp.ask("EHLO client.test").await.contains("STARTTLS"));
        assert!(tcp.ask("STARTTLS").await.starts_with("220 "));
        assert!(tcp.buffer.is_empty());
        let name = ServerName::try_from(server.host().to_owned()).unwrap();
        let connector = TlsConnector::from(config(server));
        Client::over(soon(connector.connect(name, Unboxed(tcp.stream))).await.unwrap())
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        soon(self.stream.write_all(text.as_ref())).await.unwrap();
        soon(self.stream.flush()).await.unwrap();
    }

    /// One complete reply.
    pub async fn reply(&mut self) -> String {
        self.try_reply().await.expect("a reply")
    }

    pub async fn try_reply(&mut self) -> Option<String> {
        loop {
            let mut end = 0;
            for line in self.buffer.split_inclusive(|&byte| byte == b'\n') {
                end += line.len();
                if line.ends_with(b"\n") && line.get(3) != Some(&b'-') {
                    let reply = self.buffer.drain(..end).collect();
                    return Some(String::from_utf8(reply).unwrap());
                }
            }
            let mut block = [0; 4096];
            match soon(self.stream.read(&mut block)).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.buffer.extend_from_slice(&block[..read]),
            }
        }
    }

    pub async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Everything until the end, and how it ended.
    pub async fn rest(&mut self) -> (Vec<u8>, std::io::Result<()>) {
        let mut rest = std::mem::take(&mut self.buffer);
        let end = soon(self.stream.read_to_end(&mut rest)).await.map(drop);
        (rest, end)
    }

    /// The greeting and EHLO.
    pub async fn hello(&mut self) -> String {
        assert!(self.reply().await.starts_with("220 "));
        self.ask("EHLO client.test").await
    }

    /// One message, command by command.
    pub async fn deliver(&mut self, id: &str) -> String {
        assert!(self.ask("MAIL FROM:<a@client.test>").await.starts_with("250 "));
        assert!(self.ask("RCPT TO:<b@server.test>").await.starts_with("250 "));
        assert!(self.ask("DATA").await.starts_with("354 "));
        self.ask(&format!("Message-ID: <{id}>\r\n\r\nhello\r\n.")).await
    }
}

/// A boxed stream as a stream.
pub struct Unboxed(pub Box<dyn Stream>);

impl Stream for Unboxed {}

impl AsyncRead for Unboxed {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Unboxed {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
