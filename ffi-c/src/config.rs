//! How a mailer shall be: a builder from an SMTP URL, and setters.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use everpost_core::tls::ClientIdentity;
use everpost_core::{Credentials, Error, Mailer, MailerBuilder, TrustRoots};

use crate::error::{Failure, everpost_error};
use crate::event::{EventSink, everpost_event_fn};
use crate::guard::{Handle, OwnedUserData, borrow_mut, call, everpost_drop_fn, free, make};
use crate::status::everpost_status;
use crate::string::{bytes, text};
use crate::token::{Provider, everpost_token_fn};

/// How a mailer shall be. To be used by one thread at a time.
pub struct everpost_config {
    pub(crate) builder: MailerBuilder,
    pub(crate) events: Option<Arc<EventSink>>,
}

impl Handle for everpost_config {
    const NAME: &'static str = "config";
}

impl everpost_config {
    /// Changes the builder; it stays as it was if `change` fails.
    fn change(
        &mut self,
        change: impl FnOnce(MailerBuilder) -> Result<MailerBuilder, Error>,
    ) -> Result<(), Failure> {
        self.builder = change(self.builder.clone())?;
        Ok(())
    }
}

/// Makes a configuration from an SMTP URL, such as
/// `smtps://user:password@mail.example.org` (implicit TLS) or
/// `smtp://user:password@mail.example.org` (STARTTLS), with options in its
/// query.
///
/// Errors: `EVERPOST_INVALID_CONFIG`, `EVERPOST_INVALID_ARGUMENT`,
/// `EVERPOST_NULL_ARGUMENT`. None repeats any part of the URL.
///
/// # Safety
/// `url` is text as the header has it; `out` and `error` are each NULL or may
/// be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_new(
    url: *const c_char,
    url_len: usize,
    out: *mut *mut everpost_config,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let url = unsafe { text(url, url_len, "url") }?;
        Ok(everpost_config { builder: Mailer::builder_from_url(url)?, events: None })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Sets an option by its key in an SMTP URL, such as "max_connections", to a
/// value such as "8", not percent-encoded. "trust" and "pin" add; "tls" moves
/// the port with it, unless that was set.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT` if the key is not known,
/// `EVERPOST_INVALID_CONFIG` if the value is not one of its own,
/// `EVERPOST_NULL_ARGUMENT`. The configuration stays as it was.
///
/// # Safety
/// `config` is NULL or a handle that nothing else uses meanwhile; `key` and
/// `value` are texts; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_set(
    config: *mut everpost_config,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (config, key, value) = unsafe {
            (borrow_mut(config)?, text(key, key_len, "key")?, text(value, value_len, "value")?)
        };
        if !MailerBuilder::KEYS.contains(&key) {
            return Err(Failure::unknown("key", MailerBuilder::KEYS));
        }
        config.change(|builder| builder.set(key, value))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Sets who logs in, with a password, in place of the URL's.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that nothing else uses meanwhile; `user` and
/// `password` are texts; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_credentials(
    config: *mut everpost_config,
    user: *const c_char,
    user_len: usize,
    password: *const c_char,
    password_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (config, user, password) = unsafe {
            let user = text(user, user_len, "user")?;
            (borrow_mut(config)?, user, text(password, password_len, "password")?)
        };
        config.change(|builder| Ok(builder.credentials(Credentials::password(user, password))))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Sets who logs in, with one OAuth 2.0 access token. Such tokens live about
/// an hour: what runs longer needs `everpost_config_token_provider`.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that nothing else uses meanwhile; `user` and
/// `token` are texts; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_token(
    config: *mut everpost_config,
    user: *const c_char,
    user_len: usize,
    token: *const c_char,
    token_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (config, user, token) = unsafe {
            (borrow_mut(config)?, text(user, user_len, "user")?, text(token, token_len, "token")?)
        };
        config.change(|builder| Ok(builder.credentials(Credentials::token(user, token))))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Sets who logs in, with OAuth 2.0 access tokens that `ask` is asked for: for
/// each new session, and again after a refusal. `drop` (NULL allowed) runs
/// once with `user_data`, when no more requests come: after the configuration
/// and all mailers made of it are freed. Not if this call fails.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that nothing else uses meanwhile; `user` is
/// text; the functions may be called with `user_data` from any thread; `error`
/// is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_token_provider(
    config: *mut everpost_config,
    user: *const c_char,
    user_len: usize,
    ask: everpost_token_fn,
    drop: everpost_drop_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (config, user) = unsafe { (borrow_mut(config)?, text(user, user_len, "user")?) };
        let ask = ask.ok_or_else(|| Failure::null("ask"))?;
        let provider = Provider::new(ask, OwnedUserData::new(user_data, drop));
        config
            .change(|builder| Ok(builder.credentials(Credentials::token_provider(user, provider))))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Trusts the roots in a PEM text (or one certificate in DER), beside those
/// given before; with any given, the system's are not trusted.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if it holds no readable certificate,
/// `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that nothing else uses meanwhile; `pem` is
/// NULL or points at `pem_len` bytes; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_trust_pem(
    config: *mut everpost_config,
    pem: *const u8,
    pem_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (config, pem) = unsafe { (borrow_mut(config)?, bytes(pem, pem_len, "pem")?) };
        let roots = TrustRoots::Pem(pem.to_vec());
        TrustRoots::load(std::slice::from_ref(&roots))?;
        config.change(|builder| Ok(builder.trust(roots)))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Shows this certificate to servers that ask for one: its chain, own
/// certificate first, and its private key, without a password, both as PEM.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if either is unreadable, or if they do
/// not belong together; `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that nothing else uses meanwhile; `chain` and
/// `key` are each NULL or point at so many bytes; `error` is NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_client_identity(
    config: *mut everpost_config,
    chain: *const u8,
    chain_len: usize,
    key: *const u8,
    key_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (config, chain, key) = unsafe {
            (borrow_mut(config)?, bytes(chain, chain_len, "chain")?, bytes(key, key_len, "key")?)
        };
        let identity = ClientIdentity::from_pem(chain, key)?;
        config.change(|builder| Ok(builder.client_identity(identity)))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Tells `told` what happens in the mailers made of this configuration: for
/// each of them in order, from one thread at a time. `drop` (NULL allowed)
/// runs once with `user_data`, when no more calls come: after the
/// configuration and all mailers made of it are freed. Not if this call fails.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that nothing else uses meanwhile; the
/// functions may be called with `user_data` from any thread; `error` is NULL
/// or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_events(
    config: *mut everpost_config,
    told: everpost_event_fn,
    drop: everpost_drop_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let config = unsafe { borrow_mut(config) }?;
        let told = told.ok_or_else(|| Failure::null("told"))?;
        let user_data = OwnedUserData::new(user_data, drop);
        config.events = Some(Arc::new(EventSink::new(told, user_data)));
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Frees it. NULL is allowed. Mailers made of it stay.
///
/// # Safety
/// `config` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_config_free(config: *mut everpost_config) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(config) }
}
