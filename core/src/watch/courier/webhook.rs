//! Posts an event as JSON over HTTP/1.1. Certificates are verified as for
//! mail, redirects are not followed, and the answer's body is not read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::network::Network;
use crate::tls::{Resume, TlsContext, TlsOptions};
use crate::watch::config::Webhook;
use crate::{Endpoint, Error, TlsMode};

/// Posts events to one address.
pub(super) struct Poster {
    webhook: Webhook,
    network: Arc<dyn Network>,
    host: String,
    port: u16,
    /// None for plain HTTP.
    tls: Option<TlsContext>,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").field("webhook", &self.webhook).finish_non_exhaustive()
    }
}

/// Why an attempt failed, and whether another may fare better.
struct Failed {
    reason: String,
    again: bool,
}

impl From<String> for Failed {
    fn from(reason: String) -> Self {
        Failed { reason, again: true }
    }
}

impl Poster {
    /// Loads the roots, which reads files.
    pub(super) fn new(
        webhook: Webhook,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let host = webhook.url.host_str().unwrap_or_default();
        // As a name to connect to, an IPv6 address has no brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = webhook.url.port_or_known_default().unwrap_or(443);
        let tls = match webhook.url.scheme() {
            "https" => {
                let options = TlsOptions { roots: webhook.trust.clone(), ..TlsOptions::default() };
                let endpoint = Endpoint::new(host.clone(), TlsMode::Implicit).with_port(port);
                Some(TlsContext::new(&options, &endpoint, clock)?)
            }
            _ => None,
        };
        Ok(Poster { webhook, network, host, port, tls })
    }

    /// What of the address may be shown.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Posts once, and again while that may help.
    pub(super) async fn post(&self, json: &str) -> Result<(), String> {
        let mut left = self.webhook.retries;
        let mut pause = self.webhook.backoff;
        loop {
            let attempt = timeout(self.webhook.timeout, self.attempt(json)).await;
            let failed = match attempt {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::from("no answer in time".to_owned()),
            };
            if left == 0 || !failed.again {
                return Err(failed.reason);
            }
            tracing::debug!(reason = %failed.reason, "the webhook is tried again");
            left -= 1;
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
    }

    async fn attempt(&self, json: &str) -> Result<(), Failed> {
        let addresses = self.network.resolve(&self.host, self.port).await;
        let addresses = addresses.map_err(|error| format!("its name does not resolve: {error}"))?;
        let mut failure = "its name has no address".to_owned();
        for address in addresses {
            match self.network.connect(address, None).await {
                Ok(stream) => {
                    let Some(tls) = &self.tls else { return self.exchange(stream, json).await };
                    let stream = tls.handshake(stream, Resume::Never).await;
                    let (stream, _) = stream.map_err(|error| error.to_string())?;
                    return self.exchange(stream, json).await;
                }
                Err(error) => failure = format!("{address}: {error}"),
            }
        }
        Err(failure.into())
    }

    async fn exchange<S>(&self, stream: S, json: &str) -> Result<(), Failed>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let broken = |error: hyper::Error| Failed::from(error.to_string());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = self.request(json)?;
        let answering = sender.send_request(request);
        tokio::pin!(answering);
        // The connection lives as long as this future, and may end in the same
        // moment in which it hands over the answer.
        let answer = tokio::select! {
            biased;
            answer = &mut answering => answer,
            _ = connection => answering.await,
        };
        let answer = answer.map_err(broken)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let again = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        Err(Failed { reason: format!("it answered {status}"), again })
    }

    fn request(&self, json: &str) -> Result<Request<Full<Bytes>>, Failed> {
        let url = &self.webhook.url;
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("everpost/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::copy_from_slice(json.as_bytes())))
            .map_err(|error| Failed { reason: error.to_string(), again: false })
    }
}
