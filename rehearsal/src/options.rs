//! A server's beginning as one JSON object: what a program in another language
//! says before the server starts. The settings can change later; the rest is
//! for good.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Builder, ClientAuth, Error, ProxyOptions, Settings, TlsVersions};

/// What [`Builder`] takes, as JSON; unknown names are errors.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The DNS name of the server.
    pub host: String,
    /// The names in the certificates; `None`: the host, `127.0.0.1` and `::1`.
    pub names: Option<Vec<String>>,
    /// Where to listen.
    pub address: IpAddr,
    /// The port of implicit TLS; 0: a free one.
    pub implicit_port: u16,
    /// The port of STARTTLS; 0: a free one.
    pub starttls_port: u16,
    /// The port without TLS; 0: a free one.
    pub plain_port: u16,
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
    /// A proxy in front of the server; `None`: there is none.
    pub proxy: Option<ProxyOptions>,
    /// What can also be changed later; fields left out have their defaults.
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            host: "localhost".to_owned(),
            names: None,
            address: Ipv4Addr::LOCALHOST.into(),
            implicit_port: 0,
            starttls_port: 0,
            plain_port: 0,
            credentials: HashMap::new(),
            tokens: HashMap::new(),
            tls: TlsVersions::default(),
            resumption: true,
            client_auth: ClientAuth::default(),
            proxy: None,
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
            .address(options.address)
            .ports(options.implicit_port, options.starttls_port, options.plain_port)
            .tls_versions(options.tls)
            .resumption(options.resumption)
            .client_auth(options.client_auth)
            .settings(options.settings);
        if let Some(proxy) = options.proxy {
            builder = builder.proxy(proxy);
        }
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

impl Builder {
    /// A server as an object of JSON describes it, in which every field may be
    /// left out: [`Options`].
    ///
    /// ```
    /// use everpost_rehearsal::Builder;
    ///
    /// let server = Builder::from_json(r#"{"credentials":{"app":"secret"},"tls":"1.3"}"#)?;
    /// # Ok::<(), everpost_rehearsal::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is no such object.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        // By way of a map: a list would do for a structure.
        let options: Options = serde_json::from_str(json)
            .and_then(|fields: Map<String, Value>| serde_json::from_value(fields.into()))
            .map_err(|error| Error::Invalid(format!("the options of the server: {error}")))?;
        Ok(options.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn everything_in_the_object_is_taken_and_what_is_not_known_refused() {
        let builder = Builder::from_json(
            r#"{"host":"mail.test","names":["mail.test"],"address":"::1","plain_port":2525,
                "credentials":{"a":"p"},"tokens":{"b":"t"},"tls":"1.3",
                "resumption":false,"client_auth":"optional",
                "settings":{"limits":{"recipients":3}}}"#,
        );
        let builder = builder.unwrap();
        assert_eq!(builder.host, "mail.test");
        assert_eq!(builder.names.as_deref(), Some(&["mail.test".to_owned()][..]));
        assert_eq!(builder.address, "::1".parse::<IpAddr>().unwrap());
        assert_eq!(builder.ports, [0, 0, 2525]);
        assert_eq!(builder.credentials["a"], "p");
        assert_eq!(builder.tokens["b"], "t");
        assert_eq!(builder.versions, TlsVersions::Tls13);
        assert!(!builder.resumption);
        assert_eq!(builder.client_auth, ClientAuth::Optional);
        assert_eq!(builder.settings.limits.recipients, 3);
        for text in ["", "[]", "{\"hosts\":\"a\"}", "{\"tls\":\"1.1\"}"] {
            assert!(Builder::from_json(text).is_err(), "{text}");
        }
        assert!(Builder::from_json("{}").is_ok());
    }
}
