//! Who logs in: [`Credentials`], and the [`TokenProvider`] behind the ones
//! whose secret expires.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::mechanism::CredentialKind;
use super::scram::{Hash, SaltedPassword};
use crate::network::BoxFuture;
use crate::{Error, ErrorKind, Stage};

/// Why a [`TokenProvider`] has no token. Its text becomes part of the error,
/// so it must not hold secrets.
pub type TokenError = Box<dyn StdError + Send + Sync>;

/// Fetches OAuth 2.0 access tokens.
///
/// It is asked for every new session, so it should keep a token while that is
/// valid. Its future may be dropped at any point; the deadline of a
/// command applies to it. Async closures are providers:
///
/// ```
/// use everpost::Credentials;
///
/// let credentials = Credentials::token_provider("ana@example.org", || async {
///     Ok("token from your identity provider".to_owned())
/// });
/// ```
pub trait TokenProvider: Send + Sync {
    /// A token that is valid now.
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>>;

    /// A token after the server has refused the last one: a provider that
    /// keeps tokens must fetch a new one here. Asks [`token`](Self::token)
    /// unless implemented.
    fn refreshed_token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        self.token()
    }
}

impl<F, Fut> TokenProvider for F
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<String, TokenError>> + Send + 'static,
{
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        Box::pin(self())
    }
}

/// Who logs in, and with what.
///
/// Cloning is cheap and shares the secret, which is wiped from memory with
/// the last clone. `Debug` shows the user's name and never the secret.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

enum Inner {
    Password { user: String, password: Zeroizing<String>, salted: SaltedPasswords },
    Token { user: String, token: Zeroizing<String> },
    Provider { user: String, provider: Box<dyn TokenProvider> },
    External { authzid: Option<String> },
}

impl Credentials {
    /// A user's name and password. Most servers want the full address as the
    /// name.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Credentials(Arc::new(Inner::Password {
            user: user.into(),
            password: Zeroizing::new(password.into()),
            salted: SaltedPasswords::default(),
        }))
    }

    /// A user's name and one OAuth 2.0 access token. Such tokens live about
    /// an hour: what runs longer needs
    /// [`token_provider`](Self::token_provider).
    pub fn token(user: impl Into<String>, token: impl Into<String>) -> Self {
        Credentials(Arc::new(Inner::Token {
            user: user.into(),
            token: Zeroizing::new(token.into()),
        }))
    }

    /// A user's name and the source of OAuth 2.0 access tokens, asked for
    /// each new session and again after a refusal.
    pub fn token_provider(user: impl Into<String>, provider: impl TokenProvider + 'static) -> Self {
        Credentials(Arc::new(Inner::Provider { user: user.into(), provider: Box::new(provider) }))
    }

    /// The TLS client certificate (SASL EXTERNAL), to act as `authzid`, or as
    /// whom the certificate names.
    pub fn external(authzid: Option<String>) -> Self {
        Credentials(Arc::new(Inner::External { authzid }))
    }

    pub(crate) fn kind(&self) -> CredentialKind {
        match &*self.0 {
            Inner::Password { .. } => CredentialKind::Password,
            Inner::Token { .. } | Inner::Provider { .. } => CredentialKind::Token,
            Inner::External { .. } => CredentialKind::External,
        }
    }

    /// Whether asking again, after a refusal, can give another secret.
    pub(crate) fn can_refresh(&self) -> bool {
        matches!(&*self.0, Inner::Provider { .. })
    }

    /// The secret for one session; `refresh` after the server refused the
    /// last one. Waits for a token provider as long as that takes: the caller
    /// sets the deadline.
    ///
    /// # Errors
    /// `auth`, not sent, when the provider fails.
    pub(crate) async fn resolve(&self, refresh: bool) -> Result<Secret, Error> {
        match &*self.0 {
            Inner::Password { user, password, salted } => Ok(Secret::Password {
                user: user.clone(),
                password: password.clone(),
                salted: salted.clone(),
            }),
            Inner::Token { user, token } => {
                Ok(Secret::Token { user: user.clone(), token: token.clone() })
            }
            Inner::Provider { user, provider } => {
                let token =
                    if refresh { provider.refreshed_token() } else { provider.token() }.await;
                let token = token.map_err(|source| {
                    Error::new(ErrorKind::Auth, Stage::Auth, "the token provider has no token")
                        .with_hint("the cause is in the error's source")
                        .with_retryable(true)
                        .with_source(ProviderFailed(source))
                })?;
                Ok(Secret::Token { user: user.clone(), token: Zeroizing::new(token) })
            }
            Inner::External { authzid } => Ok(Secret::External { authzid: authzid.clone() }),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, user) = match &*self.0 {
            Inner::Password { user, .. } => ("Password", Some(user)),
            Inner::Token { user, .. } => ("Token", Some(user)),
            Inner::Provider { user, .. } => ("TokenProvider", Some(user)),
            Inner::External { authzid } => ("External", authzid.as_ref()),
        };
        f.debug_struct(name).field("user", &user).finish_non_exhaustive()
    }
}

/// Gives the provider's boxed error the trait that it boxes.
struct ProviderFailed(TokenError);

impl fmt::Debug for ProviderFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ProviderFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for ProviderFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// The secret for one session.
pub(crate) enum Secret {
    Password { user: String, password: Zeroizing<String>, salted: SaltedPasswords },
    Token { user: String, token: Zeroizing<String> },
    External { authzid: Option<String> },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The salted passwords of the last few SCRAM exchanges, so that a reconnect
/// does not pay for the server's thousands of iterations again (RFC 5802 §3
/// foresees the same). Shared by all clones of the credentials; wiped with the
/// last one.
#[derive(Clone, Default)]
pub(crate) struct SaltedPasswords(Arc<Mutex<Vec<SaltedEntry>>>);

struct SaltedEntry {
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    salted: SaltedPassword,
}

impl SaltedPasswords {
    /// Nodes of a fleet share salt and count; several entries serve the
    /// migration from one to the next.
    const CAPACITY: usize = 4;

    /// The salted password, from memory or by `compute`, which runs without
    /// the lock: it may take long.
    pub(super) fn get_or_compute(
        &self,
        hash: Hash,
        salt: &[u8],
        iterations: u32,
        compute: impl FnOnce() -> SaltedPassword,
    ) -> SaltedPassword {
        let matches = |entry: &SaltedEntry| {
            entry.hash == hash && entry.iterations == iterations && entry.salt == salt
        };
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = lock().iter().find(|entry| matches(entry)) {
            return entry.salted.clone();
        }
        let salted = compute();
        let mut entries = lock();
        if !entries.iter().any(matches) {
            entries.truncate(Self::CAPACITY - 1);
            let entry =
                SaltedEntry { hash, salt: salt.to_vec(), iterations, salted: salted.clone() };
            entries.insert(0, entry);
        }
        salted
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn debug_shows_the_user_and_never_the_secret() {
        let all = [
            Credentials::password("ana", "canary-1"),
            Credentials::token("ana", "canary-2"),
            Credentials::token_provider("ana", || async { Ok("canary-3".to_owned()) }),
            Credentials::external(Some("ana".to_owned())),
        ];
        for credentials in all {
            let text = format!("{credentials:?} {credentials:#?}");
            assert!(text.contains("ana"), "{text}");
            assert!(!text.contains("canary"), "{text}");
            let secret = format!("{:?}", credentials.resolve(false).await.unwrap());
            assert!(!secret.contains("canary"), "{secret}");
        }
    }

    #[tokio::test]
    async fn a_token_provider_is_asked_for_every_session() {
        let calls = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&calls);
        let credentials = Credentials::token_provider("ana", move || {
            let call = counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(format!("token-{call}")) }
        });
        for expected in ["token-0", "token-1"] {
            match credentials.resolve(false).await.unwrap() {
                Secret::Token { token, .. } => assert_eq!(token.as_str(), expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_provider_learns_that_its_token_was_refused() {
        struct Caching;
        impl TokenProvider for Caching {
            fn token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
                Box::pin(async { Ok("kept".to_owned()) })
            }
            fn refreshed_token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
                Box::pin(async { Ok("new".to_owned()) })
            }
        }
        let credentials = Credentials::token_provider("ana", Caching);
        assert!(credentials.can_refresh());
        match credentials.resolve(true).await.unwrap() {
            Secret::Token { token, .. } => assert_eq!(token.as_str(), "new"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_failing_provider_is_an_auth_error_with_its_cause() {
        let credentials = Credentials::token_provider("ana", || async {
            Err("identity provider is down".into())
        });
        let error = credentials.resolve(false).await.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Auth, Stage::Auth));
        assert_eq!(error.source().unwrap().to_string(), "identity provider is down");
    }

    #[test]
    fn a_salted_password_is_computed_once_per_hash_salt_and_count() {
        let computed = Cell::new(0);
        let cache = SaltedPasswords::default();
        let compute = || {
            computed.set(computed.get() + 1);
            SaltedPassword::new(vec![1])
        };
        cache.clone().get_or_compute(Hash::Sha256, b"salt", 4096, compute);
        cache.get_or_compute(Hash::Sha256, b"salt", 4096, compute);
        assert_eq!(computed.get(), 1);
        cache.get_or_compute(Hash::Sha1, b"salt", 4096, compute);
        cache.get_or_compute(Hash::Sha256, b"salt2", 4096, compute);
        cache.get_or_compute(Hash::Sha256, b"salt", 4097, compute);
        assert_eq!(computed.get(), 4);
        for count in 1..100 {
            cache.get_or_compute(Hash::Sha1, b"other", count, compute);
        }
        assert_eq!(cache.0.lock().unwrap().len(), SaltedPasswords::CAPACITY);
    }
}
