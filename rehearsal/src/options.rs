//! A server's beginning as one JSON object: what a program in another language
//! says before the server starts. The settings can change later; the rest is
//! for good.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;

use crate::{Builder, ClientAuth, Settings, TlsVersions};

/// What [`Builder`] takes, as JSON; unknown names are errors.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The DNS name of the server.
    pub host: String,
    /// The names in the certificates; `None`: the host, `127.0.0.1` and `::1`.
    pub names: Option<Vec<String>>,
    /// Passwords by user.
    pub credentials: HashMap<String, String>,
    /// Tokens by user, for XOAUTH2 and OAUTHBEARER.
    pub tokens: HashMap<String, String>,
    /// The TLS versions: `both`, `1.2` or `1.3`.
    pub tls: TlsVersions,
    /// Whether sessions can be resumed.
    pub resumption: bool,
    /// Whether clients are asked for a certificate: `none`, `optional` or
    /// `required`.
    pub client_auth: ClientAuth,
    /// What can also be changed later; fields left out have their defaults.
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            host: "localhost".to_owned(),
            names: None,
            credentials: HashMap::new(),
            tokens: HashMap::new(),
            tls: TlsVersions::default(),
            resumption: true,
            client_auth: ClientAuth::default(),
            settings: Settings::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No passwords and no tokens.
        f.debug_struct("Options").field("host", &self.host).finish_non_exhaustive()
    }
}

impl From<Options> for Builder {
    fn from(options: Options) -> Self {
        let mut builder = Builder::default()
            .host(options.host)
            .tls_versions(options.tls)
            .resumption(options.resumption)
            .client_auth(options.client_auth)
            .settings(options.settings);
        if let Some(names) = options.names {
            builder = builder.names(names);
        }
        for (user, password) in options.credentials {
            builder = builder.credentials(user, password);
        }
        for (user, token) in options.tokens {
            builder = builder.token(user, token);
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_name_what_they_do_not_know_and_show_no_secret() {
        let text =
            r#"{"credentials":{"u":"hunter2"},"tls":"1.2","settings":{"bare_lf_smtp":true}}"#;
        let options: Options = serde_json::from_str(text).unwrap();
        assert!(options.settings.bare_lf_smtp && options.resumption);
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = serde_json::from_str::<Options>(r#"{"password":"x"}"#).unwrap_err();
        assert!(error.to_string().contains("password"), "{error}");
    }
}
