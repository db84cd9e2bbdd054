//! SOCKS5 (RFC 1928, RFC 1929) and HTTP CONNECT (RFC 9110 §9.3.6) proxies.
//!
//! The proxy resolves the server's name. TLS is between this library and the
//! server, so the proxy sees addresses and amounts, and nothing of the mail.
//! Invariant: every byte after the proxy's answer belongs to the server's
//! stream; none is lost, and none is taken for the proxy's.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Buf as _, Bytes};
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use super::dial::dial;
use crate::network::{Network, Stream};
use crate::{Error, ErrorKind, Stage};

/// The longest head of an HTTP answer, in bytes.
const MAX_HEAD: usize = 8192;

/// A proxy on the way to the server, from a URL:
///
/// - `socks5://[user:password@]host[:1080]`; the proxy resolves the server's
///   name (what others call `socks5h`, which is taken as well)
/// - `http://[user:password@]host[:8080]`; CONNECT, with Basic authentication
///
/// The way to the proxy itself is not encrypted: its password can be read
/// there. `Debug` does not show the password.
#[derive(Clone)]
pub struct Proxy {
    protocol: Protocol,
    host: String,
    port: u16,
    login: Option<(String, Zeroizing<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Socks5,
    Http,
}

impl FromStr for Proxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::config("a proxy URL: socks5://host:1080 or http://host:8080");
        // The URL parser would drop line ends without a word.
        if text.chars().any(char::is_control) {
            return Err(invalid());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
        let (protocol, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            "http" => (Protocol::Http, 8080),
            _ => return Err(invalid()),
        };
        // Under a scheme of its own, since the parser hides http's port 80.
        let url = Url::parse(&format!("proxy://{rest}")).map_err(|_| invalid())?;
        let plain = matches!(url.path(), "" | "/");
        if !plain || url.query().is_some() || url.fragment().is_some() || url.port() == Some(0) {
            return Err(invalid());
        }
        let host = crate::url::host(url.host_str().unwrap_or_default()).map_err(|_| invalid())?;
        let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| invalid());
        let user = decode(url.username())?.into_owned();
        let password = Zeroizing::new(decode(url.password().unwrap_or_default())?.into_owned());
        let login = match (user.is_empty(), password.is_empty()) {
            (true, true) => None,
            (false, false) => Some((user, password)),
            _ => return Err(Error::config("a proxy URL with both user name and password")),
        };
        if let Some((user, password)) = &login {
            let fits = match protocol {
                Protocol::Socks5 => user.len() <= 255 && password.len() <= 255,
                Protocol::Http => !user.contains(':'),
            };
            if !fits {
                return Err(Error::config(
                    "a proxy URL whose user name and password fit the protocol",
                ));
            }
        }
        Ok(Proxy { protocol, host, port: url.port().unwrap_or(default_port), login })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("protocol", &self.protocol)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.login.as_ref().map(|(user, _)| user))
            .finish_non_exhaustive()
    }
}

/// A connection to `host` through the proxy, and the proxy's address.
///
/// # Errors
/// All at stage `proxy`: `dns`, `connect` and `timeout` as in [`dial()`];
/// `connect` if the proxy says no; `protocol` if
/// what answers is no such proxy.
pub(crate) async fn through(
    network: &dyn Network,
    proxy: &Proxy,
    host: &str,
    port: u16,
    bind: Option<IpAddr>,
    deadline: Duration,
) -> Result<(Box<dyn Stream>, SocketAddr), Error> {
    if host.is_empty() || host.len() > 255 || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::config("the server's host name cannot be given to a proxy"));
    }
    let negotiation = async {
        let dialled = dial(network, &proxy.host, proxy.port, bind, deadline).await;
        let (mut stream, address) = dialled.map_err(|error| {
            let message = format!("the proxy cannot be reached: {}", error.message_text());
            failed(error.kind(), message).with_hint(error.hint().unwrap_or_default())
        })?;
        let stream = match proxy.protocol {
            Protocol::Socks5 => {
                socks5(&mut stream, proxy, host, port).await?;
                stream
            }
            Protocol::Http => connect(stream, proxy, host, port).await?,
        };
        Ok((stream, address))
    };
    timeout(deadline, negotiation).await.unwrap_or_else(|_| {
        let message = format!("the proxy gave no connection within {deadline:?}");
        Err(failed(ErrorKind::Timeout, message)
            .with_hint("the proxy may be overloaded, or the server not reachable from it"))
    })
}

async fn socks5(
    stream: &mut Box<dyn Stream>,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), Error> {
    const NO_LOGIN: u8 = 0;
    const PASSWORD: u8 = 2;
    let methods: &[u8] =
        if proxy.login.is_some() { &[5, 2, NO_LOGIN, PASSWORD] } else { &[5, 1, NO_LOGIN] };
    stream.write_all(methods).await.map_err(lost)?;
    match (read::<2>(stream).await?, &proxy.login) {
        ([5, NO_LOGIN], _) => {}
        ([5, PASSWORD], Some((user, password))) => {
            let mut message = Zeroizing::new(Vec::with_capacity(3 + 255 + 255));
            message.push(1);
            for part in [user.as_bytes(), password.as_bytes()] {
                message.push(u8::try_from(part.len()).expect("checked when the URL was read"));
                message.extend_from_slice(part);
            }
            stream.write_all(&message).await.map_err(lost)?;
            if read::<2>(stream).await?[1] != 0 {
                return Err(login_refused());
            }
        }
        ([5, _], _) => return Err(login_refused()),
        _ => return Err(no_proxy("SOCKS5")),
    }

    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            request.push(3);
            request.push(u8::try_from(host.len()).expect("checked by the caller"));
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await.map_err(lost)?;

    let [version, code, _, kind] = read::<4>(stream).await?;
    if version != 5 {
        return Err(no_proxy("SOCKS5"));
    }
    if code != 0 {
        return Err(socks5_refusal(code, host, port));
    }
    // The address that the proxy connects from: of no use, but in the way.
    let length = match kind {
        1 => 4,
        3 => usize::from(read::<1>(stream).await?[0]),
        4 => 16,
        _ => return Err(no_proxy("SOCKS5")),
    };
    let mut rest = [0; 255 + 2];
    stream.read_exact(&mut rest[..length + 2]).await.map_err(lost)?;
    Ok(())
}

async fn read<const N: usize>(stream: &mut Box<dyn Stream>) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(lost)?;
    Ok(bytes)
}

fn socks5_refusal(code: u8, host: &str, port: u16) -> Error {
    let (what, hint) = match code {
        2 => ("does not allow it", "ask the proxy's administrator to allow this server and port"),
        3 => ("says the network is not reachable", "check the proxy's own network"),
        4 => ("says the host is not reachable", "check the name, and that the proxy resolves it"),
        5 => ("says the server refused", "check the port and that the service runs"),
        6 => ("says the time ran out", "check the proxy's own network"),
        _ => ("failed", "see the proxy's log"),
    };
    failed(
        ErrorKind::Connect,
        format!("the proxy {what}: {host} port {port} (SOCKS5 reply {code})"),
    )
    .with_hint(hint)
    .with_retryable(code != 2)
}

/// HTTP CONNECT; gives back the stream with what came early in front.
async fn connect(
    mut stream: Box<dyn Stream>,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<Box<dyn Stream>, Error> {
    let brackets = if host.contains(':') { ("[", "]") } else { ("", "") };
    let authority = format!("{}{host}{}:{port}", brackets.0, brackets.1);
    let mut request = Zeroizing::new(String::with_capacity(4096));
    request.push_str(&format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"));
    if let Some((user, password)) = &proxy.login {
        let pair = Zeroizing::new([user.as_bytes(), b":", password.as_bytes()].concat());
        request.push_str("Proxy-Authorization: Basic ");
        base64::engine::general_purpose::STANDARD.encode_string(pair.as_slice(), &mut request);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(lost)?;

    let mut received = Vec::with_capacity(1024);
    let mut start = 0;
    loop {
        match head(&received[start..])? {
            // Interim answers announce another (RFC 9110 §15.2); they count
            // towards the limit.
            Head::Complete { length, status: 100..=199, .. } => {
                start += length;
                continue;
            }
            Head::Complete { length, status: 200..=299, .. } => {
                let early = Bytes::from(received.split_off(start + length));
                return Ok(if early.is_empty() {
                    stream
                } else {
                    Box::new(Prefixed { early, stream })
                });
            }
            Head::Complete { status, reason, .. } => {
                return Err(http_refusal(status, &reason, &authority));
            }
            Head::Partial if received.len() >= MAX_HEAD => return Err(no_proxy("HTTP")),
            Head::Partial => {}
        }
        let room = (MAX_HEAD - received.len()) as u64;
        if (&mut stream).take(room).read_buf(&mut received).await.map_err(lost)? == 0 {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

enum Head {
    Partial,
    Complete { length: usize, status: u16, reason: String },
}

fn head(received: &[u8]) -> Result<Head, Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(received) {
        Ok(httparse::Status::Partial) => Ok(Head::Partial),
        Ok(httparse::Status::Complete(length)) => Ok(Head::Complete {
            length,
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
        }),
        Err(_) => Err(no_proxy("HTTP")),
    }
}

fn http_refusal(status: u16, reason: &str, authority: &str) -> Error {
    if status == 407 {
        return login_refused();
    }
    let (hint, retryable) = match status {
        403 | 405 => ("ask the proxy's administrator to allow CONNECT to this port", false),
        404 | 502 | 503 => ("check the name, and that the proxy can reach the server", true),
        504 => ("check that the proxy can reach the server", true),
        _ => ("check that this is an HTTP proxy that allows CONNECT", false),
    };
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(100).collect();
    failed(ErrorKind::Connect, format!("the proxy answers {status} {reason} for {authority}"))
        .with_hint(hint)
        .with_retryable(retryable)
}

fn failed(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, Stage::Proxy, message)
}

fn lost(source: io::Error) -> Error {
    failed(ErrorKind::Connect, format!("the proxy closed the connection: {source}"))
        .with_hint("check the proxy's protocol and port, and its log")
        .with_source(source)
}

fn login_refused() -> Error {
    failed(ErrorKind::Connect, "the proxy refused the login")
        .with_hint("check user name and password in the proxy's URL")
        .with_retryable(false)
}

fn no_proxy(protocol: &str) -> Error {
    failed(ErrorKind::Protocol, format!("what answers is not an {protocol} proxy"))
        .with_hint("check the proxy's URL: its scheme and port")
}

/// A stream whose first bytes have been read already.
#[derive(Debug)]
struct Prefixed {
    early: Bytes,
    stream: Box<dyn Stream>,
}

impl Stream for Prefixed {
    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        } else {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early[..length]);
            self.early.advance(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
