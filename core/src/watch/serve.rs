//! The window into a watch over HTTP/1.1: status page, metrics and health.
//!
//! It only shows. GET and HEAD are all that is understood; a request is
//! bounded in size and time, and so are the connections in number.

mod health;
mod metrics;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Inner;
use super::page;
use crate::Status;

/// How many connections are served at once; others wait to be accepted.
const MAX_CONNECTIONS: usize = 64;

/// How long a request may take to arrive, and a connection in all.
const HEADER_TIME: Duration = Duration::from_secs(10);
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// The page may not load, run, embed or send anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Serves until it is dropped, and then ends every connection.
pub(super) async fn serve(inner: Arc<Inner>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = connection(Arc::clone(&inner), stream);
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, more often than not: others may end.
                tracing::warn!(%error, "a connection to the status page cannot be accepted");
                sleep(Duration::from_millis(200)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(inner: Arc<Inner>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let response = respond(&inner, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIME, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the status page broke"),
        Err(_) => tracing::debug!("a connection to the status page took too long"),
    }
}

fn respond<B>(inner: &Inner, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let state = || inner.state().clone();
    match request.uri().path() {
        "/" => {
            let html = page::render(&state(), inner.clock.now());
            answer(StatusCode::OK, "text/html; charset=utf-8", html)
        }
        "/metrics" => {
            let metrics = metrics::render(&state(), &inner.counts, inner.clock.now());
            answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics)
        }
        "/healthz" => {
            let (status, json) = health::render(&state());
            let code = match status {
                Status::Healthy | Status::Degraded => StatusCode::OK,
                Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
            };
            answer(code, "application/json", json)
        }
        "/api/state" => match serde_json::to_string(&state()) {
            Ok(json) => answer(StatusCode::OK, "application/json", json),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /, /metrics, /healthz and /api/state\n"),
    }
}

fn text(code: StatusCode, body: &str) -> Response<Full<Bytes>> {
    answer(code, "text/plain; charset=utf-8", body.to_owned())
}

fn answer(code: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
