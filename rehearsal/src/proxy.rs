//! A proxy in front of the server: SOCKS5 (RFC 1928, RFC 1929) and HTTP
//! CONNECT (RFC 9110 §9.3.6) on one port, told apart by the first byte.
//!
//! Whatever name it is asked for, it goes to the server, and only to the
//! server: another port than one of its three is refused. So it is no way out
//! of the machine.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// The longest head of a request, in bytes.
const HEAD: usize = 8192;

/// A proxy in front of the server, for SOCKS5 and HTTP CONNECT: whatever host
/// it is asked for, it goes to the server, and to none of another port.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyOptions {
    /// The port; 0: a free one.
    pub port: u16,
    /// Passwords by user; none: everybody may use it.
    pub credentials: HashMap<String, String>,
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No passwords.
        f.debug_struct("ProxyOptions").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Where a proxy goes, and whom it lets in.
pub(crate) struct Proxy {
    pub(crate) shared: Arc<Shared>,
    pub(crate) credentials: HashMap<String, String>,
    /// The listeners of the server.
    pub(crate) targets: [SocketAddr; 3],
}

/// Takes connections until it is cancelled.
pub(crate) async fn accept(proxy: Arc<Proxy>, socket: TcpListener, token: CancellationToken) {
    loop {
        let (client, _) = tokio::select! {
            biased;
            () = token.cancelled() => return,
            accepted = socket.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        let (proxy, token) = (Arc::clone(&proxy), token.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                // A client that goes away is nothing to tell.
                _ = proxy.serve(client) => {}
            }
        });
    }
}

impl Proxy {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut first = [0];
        client.peek(&mut first).await?;
        let wanted = match first[0] {
            5 => self.socks5(&mut client).await?,
            _ => self.connect(&mut client).await?,
        };
        let Some(mut server) = wanted else { return Ok(()) };
        self.shared.record.count(|stats| stats.proxied += 1);
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }

    /// The server's listener with this port, if it has one.
    async fn dial(&self, port: u16) -> Option<TcpStream> {
        let target = self.targets.iter().find(|target| target.port() == port)?;
        let server = TcpStream::connect(target).await.ok()?;
        server.set_nodelay(true).ok()?;
        Some(server)
    }

    fn knows(&self, user: &str, password: &str) -> bool {
        self.credentials.get(user).is_some_and(|known| known == password)
    }

    /// `None`: the client was told no.
    async fn socks5(&self, client: &mut TcpStream) -> io::Result<Option<TcpStream>> {
        const NONE: u8 = 0;
        const PASSWORD: u8 = 2;
        client.read_u8().await?;
        let methods = short(client).await?;
        let method = if self.credentials.is_empty() { NONE } else { PASSWORD };
        if !methods.contains(&method) {
            client.write_all(&[5, 0xff]).await?;
            return Ok(None);
        }
        client.write_all(&[5, method]).await?;
        if method == PASSWORD {
            client.read_u8().await?;
            let user = text(short(client).await?)?;
            let knows = self.knows(&user, &text(short(client).await?)?);
            client.write_all(&[1, u8::from(!knows)]).await?;
            if !knows {
                return Ok(None);
            }
        }
        // Version, command, reserved.
        let mut head = [0; 3];
        client.read_exact(&mut head).await?;
        let length = match client.read_u8().await? {
            1 => 4,
            3 => client.read_u8().await?.into(),
            4 => 16,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        client.read_exact(&mut vec![0; length]).await?;
        let port = client.read_u16().await?;
        // Command not supported, connection refused, or none of them.
        let (code, server) = match head[1] {
            1 => self.dial(port).await.map_or((5, None), |server| (0, Some(server))),
            _ => (7, None),
        };
        client.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        Ok(server)
    }

    /// `None`: the client was told no.
    async fn connect(&self, client: &mut TcpStream) -> io::Result<Option<TcpStream>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            head.push(client.read_u8().await?);
        }
        let head = text(head)?;
        let authority = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
        let port = authority.and_then(|it| it.rsplit_once(':')?.1.parse().ok());
        let (status, server) = match port {
            _ if !self.lets_in(&head) => ("407 Proxy Authentication Required", None),
            None => ("400 Bad Request", None),
            Some(port) => match self.dial(port).await {
                Some(server) => ("200 Connection established", Some(server)),
                None => ("502 Bad Gateway", None),
            },
        };
        client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await?;
        Ok(server)
    }

    /// Whether a request has a login that is known, or needs none.
    fn lets_in(&self, head: &str) -> bool {
        let login = || {
            let value = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim())
            })?;
            let login = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
            let login = String::from_utf8(login).ok()?;
            let (user, password) = login.split_once(':')?;
            Some(self.knows(user, password))
        };
        self.credentials.is_empty() || login() == Some(true)
    }
}

/// As many bytes as the one before them says.
async fn short(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}
