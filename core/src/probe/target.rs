//! What to probe: [`Target`].

use std::fmt;
use std::str::FromStr;

use crate::TlsMode;

/// How the probe comes to TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProbeMode {
    /// By what the server does: if it greets, STARTTLS; if it waits, TLS. One
    /// connection all the same.
    #[default]
    Auto,
    /// TLS from the first byte.
    Implicit,
    /// EHLO (LHLO for LMTP), then STARTTLS.
    StartTls,
}

impl ProbeMode {
    /// The stable name: `auto`, `implicit` or `starttls`.
    pub fn as_str(self) -> &'static str {
        match self {
            ProbeMode::Auto => "auto",
            ProbeMode::Implicit => "implicit",
            ProbeMode::StartTls => "starttls",
        }
    }

    /// The mode that goes with a port: implicit on 465, STARTTLS on 24, 25,
    /// 587 and 2525, and to be seen on any other.
    pub fn of_port(port: u16) -> Self {
        match port {
            465 => ProbeMode::Implicit,
            24 | 25 | 587 | 2525 => ProbeMode::StartTls,
            _ => ProbeMode::Auto,
        }
    }
}

impl fmt::Display for ProbeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<TlsMode> for ProbeMode {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::Implicit => ProbeMode::Implicit,
            TlsMode::StartTls | TlsMode::Opportunistic | TlsMode::None => ProbeMode::StartTls,
        }
    }
}

/// What the server speaks once it speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033): LHLO in place of EHLO.
    Lmtp,
}

impl Protocol {
    /// The stable name: `smtp` or `lmtp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Smtp => "smtp",
            Protocol::Lmtp => "lmtp",
        }
    }
}

/// A server to probe.
///
/// Read from `host`, `host:port`, `[v6]`, `[v6]:port`, a bare IPv6 address,
/// `smtp://host[:port]` (STARTTLS, 587 unless given), `smtps://host[:port]`
/// (implicit TLS, 465), `lmtp://host[:port]` (STARTTLS, 24), or
/// `mx://domain[:port]` (every MX of the domain, 25). Without a scheme the port
/// decides the mode ([`ProbeMode::of_port`]) and is 465 unless given.
/// User name, password and query of a URL are passed over: a probe never logs
/// in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// A DNS name (A-labels) or an IP address without brackets; with
    /// [`mx`](Self::mx), a domain.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How TLS comes about.
    pub mode: ProbeMode,
    /// What is spoken.
    pub protocol: Protocol,
    /// Probe each MX of the domain `host` (up to 16) instead of the host.
    pub mx: bool,
}

impl Target {
    /// A host on a port, in the mode that goes with the port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let mode = ProbeMode::of_port(port);
        let protocol = if port == 24 { Protocol::Lmtp } else { Protocol::Smtp };
        Target { host: host.into(), port, mode, protocol, mx: false }
    }

    /// Every MX of a domain, on port 25 by STARTTLS.
    pub fn mx_of(domain: impl Into<String>) -> Self {
        Target { mx: true, ..Target::new(domain, 25) }
    }

    /// The same in another mode.
    #[must_use]
    pub fn with_mode(mut self, mode: ProbeMode) -> Self {
        self.mode = mode;
        self
    }

    /// The same in another protocol.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }
}

impl From<&crate::Endpoint> for Target {
    fn from(endpoint: &crate::Endpoint) -> Self {
        Target::new(&*endpoint.host, endpoint.port).with_mode(endpoint.tls.into())
    }
}

impl From<crate::Endpoint> for Target {
    fn from(endpoint: crate::Endpoint) -> Self {
        Target::from(&endpoint)
    }
}

/// `host:port`, with brackets around an IPv6 address.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a target: {reason}")]
pub struct ParseTargetError {
    reason: &'static str,
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let failed = |reason| ParseTargetError { reason };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), authority(rest)),
            None => (None, text),
        };
        let (host, port) = split_port(rest).ok_or(failed("a port is a number from 1 to 65535"))?;
        let host = host_name(host).ok_or(failed("no host name and no IP address"))?;
        let (default_port, mode, protocol) = match scheme {
            None => {
                let target = Target::new(host, port.unwrap_or(465));
                return Ok(target);
            }
            Some("smtp") => (587, ProbeMode::StartTls, Protocol::Smtp),
            Some("smtps") => (465, ProbeMode::Implicit, Protocol::Smtp),
            Some("lmtp") => (24, ProbeMode::StartTls, Protocol::Lmtp),
            Some("mx") => {
                let port = port.unwrap_or(25);
                return Ok(Target { mx: true, ..Target::new(host, port) });
            }
            Some(_) => return Err(failed("the schemes are smtp, smtps, lmtp and mx")),
        };
        let target = Target::new(host, port.unwrap_or(default_port));
        Ok(target.with_mode(mode).with_protocol(protocol))
    }
}

/// What of a URL names the server.
fn authority(rest: &str) -> &str {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Host and port; `None` if the port is none.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            match after {
                "" => return Some((host, None)),
                _ => (host, after.strip_prefix(':')?),
            }
        }
        // More than one colon and no brackets: an IPv6 address.
        None if text.matches(':').count() != 1 => return Some((text, None)),
        None => text.split_once(':')?,
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port != 0).map(|port| (host, Some(port)))
}

fn host_name(text: &str) -> Option<String> {
    let name = rustls_pki_types::ServerName::try_from(text).ok()?;
    Some(match name {
        rustls_pki_types::ServerName::DnsName(name) => name.as_ref().to_ascii_lowercase(),
        _ => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (String, u16, ProbeMode, Protocol) {
        let target: Target = text.parse().unwrap();
        (target.host, target.port, target.mode, target.protocol)
    }

    #[test]
    fn a_target_is_read_from_every_spelling() {
        use ProbeMode::{Auto, Implicit, StartTls};
        use Protocol::{Lmtp, Smtp};
        let mail = "mail.example.org".to_owned();
        assert_eq!(read("mail.example.org"), (mail.clone(), 465, Implicit, Smtp));
        assert_eq!(read("Mail.Example.ORG:587"), (mail.clone(), 587, StartTls, Smtp));
        assert_eq!(read("mail.example.org:8465"), (mail.clone(), 8465, Auto, Smtp));
        assert_eq!(read("smtp://mail.example.org"), (mail.clone(), 587, StartTls, Smtp));
        assert_eq!(
            read("smtps://u%40x:p@mail.example.org/?a=b"),
            (mail.clone(), 465, Implicit, Smtp)
        );
        assert_eq!(read("lmtp://mail.example.org"), (mail, 24, StartTls, Lmtp));
        assert_eq!(read("[2001:db8::1]:25"), ("2001:db8::1".to_owned(), 25, StartTls, Smtp));
        assert_eq!(read("2001:db8::1"), ("2001:db8::1".to_owned(), 465, Implicit, Smtp));
        assert_eq!(read("192.0.2.1:465"), ("192.0.2.1".to_owned(), 465, Implicit, Smtp));
    }

    #[test]
    fn the_exchangers_of_a_domain_have_a_scheme_of_their_own() {
        assert_eq!("mx://example.org".parse(), Ok(Target::mx_of("example.org")));
        let other: Target = "mx://example.org:2525".parse().unwrap();
        assert_eq!((other.port, other.mx), (2525, true));
        assert!(!"mx:25".parse::<Target>().unwrap().mx, "a host may be called mx");
    }

    #[test]
    fn what_names_no_server_is_refused() {
        for text in
            ["", ":25", "a b", "host:0", "host:65536", "host:+25", "[::1", "[::1]25", "http://h"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            if let Ok(target) = text.parse::<Target>() {
                prop_assert_eq!(target.to_string().parse::<Target>().map(|it| it.host), Ok(target.host));
            }
        }
    }
}
