//! SMTP URLs as configuration.
//!
//! ```text
//! smtps://user:password@host:465?key=value&…      implicit TLS
//! smtp://user:password@host:587?tls=required      STARTTLS (the default)
//! smtp://host:25?tls=opportunistic                or tls=none
//! ```
//!
//! User, password and values are percent-encoded; a `+` is a plus. Invariant:
//! no error repeats any part of the URL but the names of known keys, because a
//! mistyped URL can have its password anywhere.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::config::{Config, OnUnknown, RateLimit};
use crate::smtp::auth::{Credentials, Mechanism};
use crate::tls::TlsVersion;
use crate::{Endpoint, Error, TlsMode};

/// Every key of the query.
pub(crate) const KEYS: &[&str] = &[
    "allow_plaintext_auth",
    "auth",
    "auth_exclude",
    "bind",
    "checkout_timeout",
    "chunking",
    "command_timeout",
    "connect_timeout",
    "danger_accept_any_certificate",
    "data_timeout",
    "ehlo",
    "end_of_data_timeout",
    "expiry_margin",
    "fresh",
    "full_handshake_interval",
    "greeting_timeout",
    "handshake_timeout",
    "max_age",
    "max_attachment_size",
    "max_attempts",
    "max_connections",
    "max_idle",
    "max_message_size",
    "max_messages",
    "min_tls",
    "on_unknown",
    "pin",
    "pipelining",
    "probe_interval",
    "proxy",
    "rate",
    "require_all_recipients",
    "resumption",
    "retry_transient",
    "send_timeout",
    "sni",
    "tls",
    "trust",
    "verify_name",
];

/// The keys that may stand more than once.
const REPEATABLE: &[&str] = &["pin", "trust"];

/// No setting means more than this; it keeps sums with dates in range.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads an SMTP URL; what it does not set has the default of the design.
///
/// # Errors
/// `invalid_config`, which names the key at fault and what it takes.
pub(crate) fn parse(text: &str) -> Result<Config, Error> {
    if text.chars().any(char::is_control) {
        return Err(Error::config("the URL holds control characters"));
    }
    let url = Url::parse(text).map_err(|error| unreadable(&error))?;
    let implicit = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(Error::config("the URL does not begin with smtp:// or smtps://")),
    };
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(Error::config("the URL has a path or a fragment, which mean nothing here")
            .with_hint(RESERVED));
    }
    let host = host(url.host_str().unwrap_or_default())?;
    let parameters = parameters(url.query().unwrap_or_default())?;
    let mode = tls_mode(implicit, &parameters)?;
    let mut endpoint = Endpoint::new(host, mode);
    match url.port() {
        Some(0) => return Err(Error::config("port 0 is no port")),
        Some(port) => endpoint.port = port,
        None => {}
    }

    let mut config = Config::new(endpoint);
    for (key, value) in &parameters {
        set(&mut config, key, value)
            .map_err(|expected| Error::config(format!("{key} in the URL must be {expected}")))?;
    }
    config.credentials = credentials(&url, &config)?;
    Ok(config)
}

const RESERVED: &str = "in user name and password, percent-encode what has a meaning in URLs: \
                        % as %25, / as %2F, ? as %3F, # as %23, : as %3A, @ as %40";

fn unreadable(error: &url::ParseError) -> Error {
    // The crate's words are fixed texts: nothing of the URL is in them.
    Error::config(format!("not an SMTP URL: {error}")).with_hint(RESERVED)
}

/// A name as A-labels, or an address without brackets, from a URL's host.
pub(crate) fn host(text: &str) -> Result<String, Error> {
    let invalid = || Error::config("the URL's host is not valid").with_hint(RESERVED);
    let text = percent_decode_str(text).decode_utf8().map_err(|_| invalid())?;
    match Host::parse(&text).map_err(|_| invalid())? {
        Host::Domain(name) if name.is_empty() => Err(invalid()),
        Host::Domain(name) => Ok(name),
        Host::Ipv4(address) => Ok(address.to_string()),
        Host::Ipv6(address) => Ok(address.to_string()),
    }
}

/// The query as known keys and decoded values.
fn parameters(query: &str) -> Result<Vec<(&'static str, String)>, Error> {
    let mut parameters: Vec<(&'static str, String)> = Vec::new();
    let parts = query.split('&').filter(|part| !part.is_empty());
    for (index, part) in parts.enumerate() {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let key = KEYS.iter().copied().find(|key| *key == name).ok_or_else(|| {
            Error::config(format!("parameter {} of the URL is not known", index + 1))
                .with_hint(format!("known are {}", KEYS.join(", ")))
        })?;
        if !REPEATABLE.contains(&key) && parameters.iter().any(|(other, _)| *other == key) {
            return Err(Error::config(format!("{key} stands twice in the URL")));
        }
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| Error::config(format!("{key} in the URL is not UTF-8")))?;
        if value.chars().any(char::is_control) {
            return Err(Error::config(format!("{key} in the URL holds control characters")));
        }
        parameters.push((key, value.into_owned()));
    }
    Ok(parameters)
}

fn tls_mode(implicit: bool, parameters: &[(&str, String)]) -> Result<TlsMode, Error> {
    let tls = parameters.iter().find(|(key, _)| *key == "tls").map(|(_, value)| value.as_str());
    match (implicit, tls) {
        (true, None | Some("implicit")) => Ok(TlsMode::Implicit),
        (true, Some(_)) => Err(Error::config("smtps:// means implicit TLS; tls cannot change it")
            .with_hint("use smtp:// for STARTTLS")),
        (false, None | Some("required" | "starttls")) => Ok(TlsMode::StartTls),
        (false, Some("opportunistic")) => Ok(TlsMode::Opportunistic),
        (false, Some("none")) => Ok(TlsMode::None),
        (false, Some(_)) => {
            Err(Error::config("tls in the URL must be required, opportunistic or none")
                .with_hint("use smtps:// for implicit TLS"))
        }
    }
}

fn credentials(url: &Url, config: &Config) -> Result<Option<Credentials>, Error> {
    let decode = |text, what| match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(Zeroizing::new(decoded.into_owned())),
        Err(_) => Err(Error::config(format!("the URL's {what} is not UTF-8"))),
    };
    let user = decode(url.username(), "user name")?;
    let external = matches!(config.auth.order.as_deref(), Some([Mechanism::External]));
    match url.password() {
        Some(password) if !user.is_empty() => {
            let password = decode(password, "password")?;
            Ok(Some(Credentials::password(user.as_str(), password.as_str())))
        }
        Some(_) => Err(Error::config("the URL has a password and no user name")),
        None if external => {
            let authzid = (!user.is_empty()).then(|| user.to_string());
            Ok(Some(Credentials::external(authzid)))
        }
        None if user.is_empty() => Ok(None),
        None => Err(Error::config("the URL has a user name and no password")
            .with_hint("leave the name out and set the credentials by their own setter")),
    }
}

/// Sets one parameter that did not come with a URL.
///
/// # Errors
/// `invalid_config`, which names the key if it is known, and what it takes.
pub(crate) fn set_alone(config: &mut Config, key: &str, value: &str) -> Result<(), Error> {
    let key = KEYS.iter().copied().find(|known| *known == key).ok_or_else(|| {
        Error::config("the key is not known").with_hint(format!("known are {}", KEYS.join(", ")))
    })?;
    if value.chars().any(char::is_control) {
        return Err(Error::config(format!("{key} holds control characters")));
    }
    let result = if key == "tls" {
        mode(value).map(|mode| {
            let Endpoint { port, tls, .. } = &mut config.endpoint;
            if *port == tls.default_port() {
                *port = mode.default_port();
            }
            *tls = mode;
        })
    } else {
        set(config, key, value)
    };
    result.map_err(|expected| Error::config(format!("{key} must be {expected}")))
}

fn mode(value: &str) -> Result<TlsMode, Cow<'static, str>> {
    match value {
        "implicit" => Ok(TlsMode::Implicit),
        "required" | "starttls" => Ok(TlsMode::StartTls),
        "opportunistic" => Ok(TlsMode::Opportunistic),
        "none" => Ok(TlsMode::None),
        _ => Err("implicit, required, opportunistic or none".into()),
    }
}

/// Sets one parameter but the TLS mode, which a URL has in its scheme too.
///
/// # Errors
/// What the value must be.
fn set(config: &mut Config, key: &str, value: &str) -> Result<(), Cow<'static, str>> {
    match key {
        "tls" => {}
        "trust" => {
            let roots = value.parse().map_err(|_| "system, mozilla or the path of a PEM file")?;
            config.tls.roots.push(roots);
        }
        "pin" => config.tls.pins.push(value.parse().map_err(|_| "the SHA-256 of a public key")?),
        "min_tls" => {
            config.tls.minimum_version = match value {
                "1.2" => TlsVersion::Tls12,
                "1.3" => TlsVersion::Tls13,
                _ => return Err("1.2 or 1.3".into()),
            }
        }
        "sni" => config.tls.sni = Some(name(value)?),
        "verify_name" => config.tls.verify_name = Some(name(value)?),
        "danger_accept_any_certificate" => {
            config.tls.danger_accept_any_certificate = flag(value)?;
        }
        "ehlo" => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
            if value.is_empty() || value.len() > 255 || !value.bytes().all(fits) {
                return Err("a host name or an address in brackets".into());
            }
            config.ehlo_name = Some(value.to_owned());
        }
        "auth" => config.auth.order = Some(mechanisms(value)?),
        "auth_exclude" => config.auth.excluded = mechanisms(value)?,
        "allow_plaintext_auth" => config.allow_plaintext_auth = flag(value)?,
        "proxy" => {
            let proxy = value.parse().map_err(|error: Error| error.message_text().to_owned())?;
            config.proxy = Some(proxy);
        }
        "bind" => {
            let address: IpAddr = value.parse().map_err(|_| "an IP address of this machine")?;
            config.local_address = Some(address);
        }
        "connect_timeout" => config.deadlines.connect = duration(value)?,
        "handshake_timeout" => config.deadlines.handshake = duration(value)?,
        "greeting_timeout" => config.deadlines.greeting = duration(value)?,
        "command_timeout" => config.deadlines.command = duration(value)?,
        "data_timeout" => config.deadlines.data_block = duration(value)?,
        "end_of_data_timeout" => config.deadlines.end_of_data = duration(value)?,
        "checkout_timeout" => config.deadlines.checkout = duration(value)?,
        "send_timeout" => config.deadlines.send = Some(duration(value)?),
        "max_connections" => config.pool.max_connections = count(value)?,
        "max_idle" => config.pool.max_idle = duration(value)?,
        "max_age" => config.pool.max_age = duration(value)?,
        "max_messages" => config.pool.max_messages = Some(count(value)?),
        "fresh" => {
            if flag(value)? {
                config.pool.max_messages = Some(1);
            }
        }
        "rate" => config.pool.rate_limit = Some(rate(value)?),
        "max_attempts" => config.retry.max_attempts = count(value)?,
        "retry_transient" => config.retry.transient_replies = flag(value)?,
        "on_unknown" => {
            config.retry.on_unknown = match value {
                "report" => OnUnknown::Report,
                "resend" => OnUnknown::Resend,
                _ => return Err("report or resend".into()),
            }
        }
        "max_message_size" => config.max_message_size = size(value)?,
        "max_attachment_size" => config.max_attachment_size = size(value)?,
        "pipelining" => config.pipelining = flag(value)?,
        "resumption" => config.tls.resumption = flag(value)?,
        "chunking" => config.chunking = flag(value)?,
        "require_all_recipients" => config.require_all_recipients = flag(value)?,
        "probe_interval" => config.probe_interval = Some(duration(value)?),
        "full_handshake_interval" => config.tls.full_handshake_interval = duration(value)?,
        "expiry_margin" => config.tls.expiry_margin = duration(value)?,
        _ => return Err("one of the known keys".into()),
    }
    Ok(())
}

pub(crate) fn flag(value: &str) -> Result<bool, &'static str> {
    match value {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("true or false"),
    }
}

/// A positive number.
fn count<T: FromStr + Default + PartialEq>(value: &str) -> Result<T, &'static str> {
    let number = digits(value).and_then(|digits| digits.parse().ok());
    number.filter(|number| *number != T::default()).ok_or("a positive number")
}

/// Seconds, or a number and `ms`, `s`, `m` or `h`.
fn duration(value: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split_unit(value);
    let read = || {
        let number: u64 = digits(number)?.parse().ok()?;
        let milliseconds = match unit {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let duration = Duration::from_millis(number.checked_mul(milliseconds)?);
        (!duration.is_zero() && duration <= LONGEST).then_some(duration)
    };
    read().ok_or("a positive time such as 30, 30s, 500ms, 2m or 1h, of a year at most")
}

/// Bytes, or a number and `KB`, `MB` or `GB`, which count in 1024s.
pub(crate) fn size(value: &str) -> Result<u64, &'static str> {
    let (number, unit) = split_unit(value);
    let read = || {
        let number: u64 = digits(number)?.parse().ok()?;
        let bytes = match unit.to_ascii_uppercase().as_str() {
            "" | "B" => 1,
            "KB" | "KIB" => 1 << 10,
            "MB" | "MIB" => 1 << 20,
            "GB" | "GIB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(bytes).filter(|size| *size > 0)
    };
    read().ok_or("a positive size such as 1000000, 500KB or 50MB")
}

/// `100/60s`: messages in a time.
fn rate(value: &str) -> Result<RateLimit, &'static str> {
    const EXPECTED: &str = "messages and a time, such as 100/60s";
    let (messages, per) = value.split_once('/').ok_or(EXPECTED)?;
    let messages = count(messages).map_err(|_| EXPECTED)?;
    Ok(RateLimit::new(messages, duration(per).map_err(|_| EXPECTED)?))
}

fn mechanisms(value: &str) -> Result<Vec<Mechanism>, String> {
    let parsed: Result<Vec<_>, _> = value.split(',').map(|name| name.trim().parse()).collect();
    parsed.map_err(|_: Error| {
        let known: Vec<_> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
        format!("a list, with commas, of {}", known.join(", "))
    })
}

/// A host name for TLS.
fn name(value: &str) -> Result<String, &'static str> {
    host(value).map_err(|_| "a host name or an IP address")
}

fn split_unit(value: &str) -> (&str, &str) {
    value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()))
}

/// Digits alone: the standard parsers take a sign as well.
fn digits(value: &str) -> Option<&str> {
    (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())).then_some(value)
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
