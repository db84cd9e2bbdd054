//! Access tokens from a callback.

use std::ffi::{c_char, c_void};

use everpost_core::network::BoxFuture;
use everpost_core::{TokenError, TokenProvider};
use tokio::sync::oneshot;

use crate::error::Failure;
use crate::guard::{Handle, OwnedUserData, value, value_of};
use crate::string::text;

/// Asks for an OAuth 2.0 access token. The callee answers `request` exactly
/// once, by `everpost_token_answer` or `everpost_token_refuse`, during the
/// call or later, from any thread. It must not wait for the network itself:
/// it is called from a thread that drives other work.
pub type everpost_token_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, request: *mut everpost_token_request)>;

/// A token that is waited for; its answer takes it.
pub struct everpost_token_request {
    refresh: bool,
    answer: oneshot::Sender<Result<String, TokenError>>,
}

impl Handle for everpost_token_request {
    const NAME: &'static str = "request";
}

/// A callback as a source of tokens.
pub(crate) struct Provider {
    ask: unsafe extern "C" fn(*mut c_void, *mut everpost_token_request),
    user_data: OwnedUserData,
}

impl Provider {
    pub(crate) fn new(
        ask: unsafe extern "C" fn(*mut c_void, *mut everpost_token_request),
        user_data: OwnedUserData,
    ) -> Self {
        Provider { ask, user_data }
    }

    fn ask(&self, refresh: bool) -> BoxFuture<'_, Result<String, TokenError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let request = Box::into_raw(Box::new(everpost_token_request { refresh, answer }));
            // SAFETY: the caller gave the two together; the request is a new
            // handle that its answer takes.
            unsafe { (self.ask)(self.user_data.get(), request) };
            answered.await.unwrap_or_else(|_| Err("the request for a token was lost".into()))
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

/// Whether the server has refused the last token, so that one that is kept
/// must not be given again. False of NULL.
///
/// # Safety
/// `request` is NULL or a request that was not answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_token_request_refresh(
    request: *const everpost_token_request,
) -> bool {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(request, false, |request| request.refresh) }
}

/// Answers with a token, and takes the request. A token that is NULL or not
/// UTF-8 counts as refused. NULL as request is allowed.
///
/// # Safety
/// `request` is NULL or a request that was not answered; `token` is text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_token_answer(
    request: *mut everpost_token_request,
    token: *const c_char,
    token_len: usize,
) {
    value((), || {
        // SAFETY: the caller's promise is the same.
        let token = unsafe { text(token, token_len, "token") };
        let answer = match token {
            Ok(token) => Ok(token.to_owned()),
            Err(failure) => Err(unreadable(&failure)),
        };
        // SAFETY: the caller's promise is the same.
        unsafe { answer_with(request, answer) }
    });
}

/// Answers that there is no token, and why, and takes the request. The reason
/// becomes part of an error: it must not hold secrets; it may be absent. NULL
/// as request is allowed.
///
/// # Safety
/// `request` is NULL or a request that was not answered; `reason` is text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_token_refuse(
    request: *mut everpost_token_request,
    reason: *const c_char,
    reason_len: usize,
) {
    value((), || {
        // SAFETY: the caller's promise is the same.
        let reason = unsafe { text(reason, reason_len, "reason") };
        let reason = reason.unwrap_or("the program gave no token").to_owned();
        // SAFETY: the caller's promise is the same.
        unsafe { answer_with(request, Err(reason.into())) }
    });
}

fn unreadable(failure: &Failure) -> TokenError {
    failure.message().into()
}

/// # Safety
/// `request` is NULL or a request that was not answered.
unsafe fn answer_with(request: *mut everpost_token_request, answer: Result<String, TokenError>) {
    if !request.is_null() {
        // SAFETY: it came from `Box::into_raw`, and this is its one answer.
        let request = unsafe { Box::from_raw(request) };
        // Nobody waits any more when the session was given up.
        let _ = request.answer.send(answer);
    }
}
