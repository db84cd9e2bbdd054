//! Access tokens from a callable.

use std::thread;

use everpost::network::BoxFuture;
use everpost::{TokenError, TokenProvider};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// A callable as a source of tokens. It takes a [`TokenRequest`] and answers
/// it, during the call or later.
pub(crate) struct Provider {
    ask: std::sync::Arc<Py<PyAny>>,
}

impl Provider {
    pub(crate) fn new(ask: Py<PyAny>) -> Self {
        Provider { ask: std::sync::Arc::new(ask) }
    }

    fn ask(&self, refresh: bool) -> BoxFuture<'_, Result<String, TokenError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let request = TokenRequest { refresh, answer: Mutex::new(Some(answer)) };
            let ask = std::sync::Arc::clone(&self.ask);
            // A thread of its own: the callable may wait for the network, and
            // is asked but once for each session.
            thread::Builder::new().name("everpost-token".to_owned()).spawn(move || {
                Python::try_attach(|py| {
                    if let Err(error) = ask.call1(py, (request,)) {
                        error.write_unraisable(py, Some(ask.bind(py)));
                    }
                })
            })?;
            answered.await.unwrap_or_else(|_| Err("the program gave no token".into()))
        })
    }
}

impl TokenProvider for Provider {
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        self.ask(false)
    }

    fn refreshed_token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        self.ask(true)
    }
}

/// A token that is waited for; dropped without an answer, there is none.
#[pyclass(frozen, module = "everpost._native")]
pub(crate) struct TokenRequest {
    refresh: bool,
    answer: Mutex<Option<oneshot::Sender<Result<String, TokenError>>>>,
}

impl TokenRequest {
    fn settle(&self, answer: Result<String, TokenError>) -> PyResult<()> {
        let sender = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sender =
            sender.ok_or_else(|| PyRuntimeError::new_err("the request has been answered"))?;
        // Nobody waits any more when the session was given up.
        let _ = sender.send(answer);
        Ok(())
    }
}

#[pymethods]
impl TokenRequest {
    /// Whether the server has refused the last token.
    #[getter]
    fn refresh(&self) -> bool {
        self.refresh
    }

    /// Answers with a token.
    fn answer(&self, token: String) -> PyResult<()> {
        self.settle(Ok(token))
    }

    /// Answers that there is none. The reason becomes part of an error.
    fn refuse(&self, reason: String) -> PyResult<()> {
        self.settle(Err(reason.into()))
    }
}
