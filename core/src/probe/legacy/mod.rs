//! Servers that rustls cannot talk to: TLS 1.0 and 1.1, CBC and RSA key
//! exchange only.
//!
//! Up to TLS 1.2 a server shows version, cipher suite, chain and staple in
//! plain sight, before any key is agreed on (RFC 5246 §7.3). So a hello that
//! offers everything old gets them, and nothing of the old cryptography has to
//! be here: the handshake is given up once they are read, and the server's key
//! remains unproven. A session cannot come of it.
//!
//! ```text
//! [hello]  ClientHello ──────▶
//! [parse]              ◀────── ServerHello, Certificate, CertificateStatus
//!          user_canceled ────▶
//! ```

mod hello;
mod parse;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use rustls::{AlertDescription, CipherSuite, ProtocolVersion};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) use self::parse::Reader;
use super::capture::Captured;
use super::report::TlsFacts;
use crate::finding::{Finding, FindingId};
use crate::tls::provider;

/// What a server shows to a hello of old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LegacyFacts {
    /// `SSLv3` to `TLSv1.2`.
    pub(crate) protocol: &'static str,
    /// The cipher suite by its IANA name, or its number if it has none.
    pub(crate) cipher: String,
    /// The certificates in DER, as sent; at most [`parse::MAX_CERTIFICATES`].
    pub(crate) chain: Vec<Vec<u8>>,
    /// The stapled OCSP response in DER, as sent.
    pub(crate) staple: Option<Vec<u8>>,
}

impl LegacyFacts {
    /// As part of a probe's report.
    pub(crate) fn tls(&self) -> TlsFacts {
        TlsFacts {
            protocol: self.protocol.to_owned(),
            cipher: self.cipher.clone(),
            group: None,
            legacy: true,
            proven: false,
            staple: self.staple.clone(),
        }
    }
}

impl From<LegacyFacts> for Captured {
    fn from(facts: LegacyFacts) -> Self {
        let chain = facts.chain.into_iter().map(CertificateDer::from).collect();
        Captured { chain, staple: facts.staple, proven: None }
    }
}

/// What to say of a server that only a hello of old reaches.
pub(crate) fn finding(facts: &LegacyFacts, host: &str) -> Finding {
    let LegacyFacts { protocol, cipher, .. } = facts;
    let message = format!(
        "{host} refused a modern handshake and agreed to {protocol} with {cipher}: your \
         application's TLS stack may refuse this server"
    );
    Finding::new(FindingId::LegacyTls, message).with("protocol", protocol).with("cipher", cipher)
}

/// Why a hello of old got nothing either.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LegacyError {
    #[error("the connection failed in the TLS handshake: {0}")]
    Io(#[from] io::Error),
    #[error("the server closed the connection without an answer to TLS")]
    Closed,
    #[error("the server closed the connection in the middle of its TLS handshake")]
    ClosedAmid,
    #[error("the server ended TLS with the alert {}", alert_name(.0))]
    Alert(AlertDescription),
    #[error("the server answered in SSL 2.0, which is broken")]
    Ssl2,
    #[error("the server answered TLS in plain text: {0}")]
    PlainText(String),
    #[error("the server answered TLS with something else, which begins with {0:02x?}")]
    NotTls([u8; 3]),
    #[error("the server chose {}", version_name(.0))]
    Version(ProtocolVersion),
    #[error("the server's TLS handshake is broken: {0}")]
    Broken(&'static str),
    #[error("the server's TLS handshake is too large")]
    TooLarge,
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// Shakes hands as far as the server's chain, and takes leave. Time is the
/// caller's business; the future may be dropped at any point.
pub(crate) async fn capture<S>(
    stream: &mut S,
    sni: Option<&str>,
) -> Result<LegacyFacts, LegacyError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut random = [0; 32];
    provider().secure_random.fill(&mut random).map_err(|_| LegacyError::NoRandom)?;
    stream.write_all(&hello::client_hello(&random, sni)).await?;
    stream.flush().await?;
    let mut reader = Reader::default();
    let result = read(stream, &mut reader).await;
    take_leave(stream, reader.version()).await;
    result
}

async fn read<S>(stream: &mut S, reader: &mut Reader) -> Result<LegacyFacts, LegacyError>
where
    S: AsyncRead + Unpin,
{
    let mut buffer = vec![0; 4096];
    loop {
        let count = match stream.read(&mut buffer).await {
            Ok(0) => return reader.end(),
            Ok(count) => count,
            Err(error) => return reader.settle(error.into()),
        };
        if let Some(facts) = reader.feed(&buffer[..count])? {
            return Ok(facts);
        }
    }
}

/// Says that we go on purpose, so that the server logs no failure of ours
/// (RFC 5246 §7.2). Never waits: what has been read must not be lost to a
/// server that does not.
async fn take_leave<S: AsyncWrite + Unpin>(stream: &mut S, version: ProtocolVersion) {
    let [major, minor] = version.to_array();
    let [canceled, closing] = [AlertDescription::UserCanceled, AlertDescription::CloseNotify]
        .map(|alert| [21, major, minor, 0, 2, 1, u8::from(alert)]);
    let alerts = [canceled, closing].concat();
    poll_fn(|context| {
        let _ = Pin::new(&mut *stream).poll_write(context, &alerts);
        let _ = Pin::new(&mut *stream).poll_flush(context);
        Poll::Ready(())
    })
    .await;
}

fn alert_name(alert: &AlertDescription) -> String {
    match alert.as_str() {
        Some(name) => name.to_owned(),
        None => format!("number {}", u8::from(*alert)),
    }
}

fn version_name(version: &ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3, which it was not offered".to_owned(),
        other => format!("a version of TLS that does not exist, {:#06x}", u16::from(*other)),
    }
}

fn cipher_name(cipher: CipherSuite) -> String {
    match cipher.as_str() {
        Some(name) => name.to_owned(),
        None => format!("cipher suite {:#06x}", u16::from(cipher)),
    }
}
