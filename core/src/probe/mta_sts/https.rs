//! Fetching a policy by HTTPS (RFC 8461 §3.3): one request on one connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, header};
use hyper_util::rt::TokioIo;

use super::PolicyFetcher;
use super::fetch::{Failure, Fetched, PATH};
use crate::probe::records::printable;
use crate::session::dial::dial;
use crate::tls::{Resume, TlsContext, TlsOptions};
use crate::{Endpoint, Error, TlsMode};

const PORT: u16 = 443;

/// The limits of the RFC.
const MAX_SIZE: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(60);

/// How much of a response may be buffered at a time, its head included.
const MAX_BUFFER: usize = 32 * 1024;

impl PolicyFetcher {
    /// Fetches the policy of `domain`, within the limits of the RFC.
    pub(super) async fn policy(&self, domain: &str) -> Result<Fetched, Failure> {
        let silent = || Failure::Unreachable(format!("no whole answer within {DEADLINE:?}"));
        tokio::time::timeout(DEADLINE, self.get(domain)).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn get(&self, domain: &str) -> Result<Fetched, Failure> {
        let host = format!("mta-sts.{domain}");
        let tls = self.tls(&host).await?;
        let network = &*self.network;
        let (stream, _) = dial(network, &host, PORT, None, DEADLINE).await.map_err(said)?;
        let (stream, _) = tls.handshake(stream, Resume::Never).await.map_err(said)?;
        let mut http = hyper::client::conn::http1::Builder::new();
        http.max_buf_size(MAX_BUFFER);
        let (mut sender, connection) =
            http.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let exchange = async {
            let response = sender.send_request(request(&host)?).await.map_err(broken)?;
            read(response).await
        };
        // The connection only moves the exchange on, which hears of its end.
        let driven = async {
            let _ = connection.await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            fetched = exchange => fetched,
            never = driven => match never {},
        }
    }

    /// Roots are read from files: not for a busy async task.
    async fn tls(&self, host: &str) -> Result<TlsContext, Failure> {
        let endpoint = Endpoint::new(host, TlsMode::Implicit).with_port(PORT);
        let options = TlsOptions { roots: self.trust.clone(), ..Default::default() };
        let clock = Arc::clone(&self.clock);
        let made = tokio::task::spawn_blocking(move || TlsContext::new(&options, &endpoint, clock));
        match made.await {
            Ok(context) => context.map_err(said),
            Err(error) => Err(Failure::Unreachable(error.to_string())),
        }
    }
}

fn request(host: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    Request::get(PATH)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("everpost/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "text/plain")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| Failure::Unreachable(error.to_string()))
}

async fn read(response: Response<Incoming>) -> Result<Fetched, Failure> {
    let status = response.status();
    let text = |name| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    if status.is_redirection() {
        let target = text(header::LOCATION).map(|to| format!(" to {}", printable(&to)));
        return Err(Failure::Unreachable(format!(
            "the web server redirects{} (status {}), which senders must not follow",
            target.unwrap_or_default(),
            status.as_u16()
        )));
    }
    if status != StatusCode::OK {
        let message = format!("the web server answers with status {}", status.as_u16());
        return Err(Failure::Unreachable(message));
    }
    let media_type = text(header::CONTENT_TYPE)
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_owned());
    match Limited::new(response.into_body(), MAX_SIZE).collect().await {
        Ok(body) => Ok(Fetched { body: body.to_bytes().into(), media_type }),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLarge),
        Err(error) => Err(Failure::Unreachable(format!("the answer broke off: {error}"))),
    }
}

/// An error of ours without its hint, which is for mail servers.
fn said(error: Error) -> Failure {
    Failure::Unreachable(error.message_text().to_owned())
}

fn broken(error: hyper::Error) -> Failure {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    Failure::Unreachable(format!("HTTP failed: {error}{}", cause.unwrap_or_default()))
}
