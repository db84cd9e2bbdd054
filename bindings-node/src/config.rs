//! A mailer's builder from what JavaScript gathered of its options.

use std::sync::Arc;

use everpost::network::BoxFuture;
use everpost::tls::ClientIdentity;
use everpost::{Credentials, Mailer, MailerBuilder, TokenError, TokenProvider, TrustRoots};
use napi_derive::napi;
use zeroize::Zeroizing;

use crate::outcome::Failure;
use crate::port::Shared;

/// The options of a mailer.
#[napi(object)]
pub struct Settings {
    /// The SMTP URL.
    pub url: String,
    /// Options by their key in a URL: key, value, key, value, …
    pub pairs: Vec<String>,
    /// Who logs in, in place of the URL's user.
    pub user: Option<String>,
    /// With this password,
    pub password: Option<String>,
    /// or this token,
    pub token: Option<String>,
    /// or tokens that JavaScript is asked for under this id.
    pub provider: Option<i64>,
    /// Roots to trust, as PEM.
    pub roots: Vec<String>,
    /// The chain of the client's certificate, as PEM.
    pub chain: Option<String>,
    /// Its key, as PEM.
    pub key: Option<String>,
}

/// A provider of tokens in JavaScript.
struct Provider {
    shared: Arc<Shared>,
    mailer: i64,
}

impl TokenProvider for Provider {
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        Box::pin(self.shared.token(self.mailer, false))
    }

    fn refreshed_token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        Box::pin(self.shared.token(self.mailer, true))
    }
}

impl Settings {
    /// The builder for them. What is secret in them is wiped.
    pub(crate) fn builder(self, shared: &Arc<Shared>) -> Result<MailerBuilder, Failure> {
        let url = Zeroizing::new(self.url);
        let password = self.password.map(Zeroizing::new);
        let token = self.token.map(Zeroizing::new);
        let key = self.key.map(Zeroizing::new);
        // A proxy's address may have a password in it.
        let pairs = Zeroizing::new(self.pairs);

        let mut builder = Mailer::builder_from_url(&url)?;
        for pair in pairs.chunks_exact(2) {
            builder = builder.set(&pair[0], &pair[1])?;
        }
        let user = self.user.unwrap_or_default();
        if let Some(mailer) = self.provider {
            let provider = Provider { shared: Arc::clone(shared), mailer };
            builder = builder.credentials(Credentials::token_provider(user, provider));
        } else if let Some(token) = token {
            builder = builder.credentials(Credentials::token(user, token.as_str()));
        } else if let Some(password) = password {
            builder = builder.credentials(Credentials::password(user, password.as_str()));
        }
        for pem in self.roots {
            let roots = TrustRoots::Pem(pem.into_bytes());
            TrustRoots::load(std::slice::from_ref(&roots))?;
            builder = builder.trust(roots);
        }
        if let Some(chain) = self.chain {
            let key = key.as_ref().map_or("", |key| key.as_str());
            builder = builder.client_identity(ClientIdentity::from_pem(chain, key)?);
        }
        Ok(builder)
    }
}
