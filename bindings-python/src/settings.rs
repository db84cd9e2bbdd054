//! How a mailer shall be: a URL, or a host; options by their keys; and what
//! cannot be written as text.

use everpost::tls::ClientIdentity;
use everpost::{Credentials, Mailer, MailerBuilder, TrustRoots};
use pyo3::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::token::Provider;

/// The builder behind `Mailer` and `diagnose`. Nothing is connected.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Settings {
    url: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    /// Options, by their keys in the URL.
    options: Vec<(String, String)>,
    username: Option<String>,
    password: Option<String>,
    /// A callable that is asked for access tokens.
    token: Option<Py<PyAny>>,
    /// Roots, in PEM or DER.
    trust_pem: Vec<Vec<u8>>,
    /// Chain and key, in PEM.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Settings {
    pub(crate) fn builder(self) -> Outcome<MailerBuilder> {
        let mut builder = match (self.url, self.host) {
            (Some(url), None) => Mailer::builder_from_url(&url)?,
            (None, Some(host)) => Mailer::builder(host),
            _ => {
                return Err(Failure::config(
                    "a mailer needs either a URL or a host",
                    "give smtps://user:password@host, or host=…",
                ));
            }
        };
        for (key, value) in &self.options {
            builder = builder.set(key, value)?;
        }
        if let Some(port) = self.port {
            builder = builder.port(port);
        }
        for pem in self.trust_pem {
            let roots = TrustRoots::Pem(pem);
            TrustRoots::load(std::slice::from_ref(&roots))?;
            builder = builder.trust(roots);
        }
        if let Some((chain, key)) = &self.identity {
            builder = builder.client_identity(ClientIdentity::from_pem(chain, key)?);
        }
        match (self.username, self.password, self.token) {
            (None, None, None) => Ok(builder),
            (Some(user), Some(password), None) => {
                Ok(builder.credentials(Credentials::password(user, password)))
            }
            (Some(user), None, Some(ask)) => {
                Ok(builder.credentials(Credentials::token_provider(user, Provider::new(ask))))
            }
            (None, ..) => Err(Failure::config("there is no username", "give username=…")),
            (Some(_), ..) => Err(Failure::config(
                "a username needs either a password or a token",
                "give password=… or token=…",
            )),
        }
    }
}
