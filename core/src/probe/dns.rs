//! A resolver that validates DNSSEC itself: [`Resolver`], with the feature
//! `dns`.
//!
//! It trusts nobody for the proof: signatures are checked here, from the root's
//! keys down (RFC 4035), and the server asked only has to pass them on. Some do
//! not (home routers, some captive networks); then every signed zone looks
//! forged. So before an answer is called bogus the zone of the trust anchor is
//! asked for: if that cannot be proven either, it is the server's fault, and
//! TLSA records are an error while mail exchangers and texts come as insecure.
//!
//! ```text
//!   question ──> validating ── proven, or proven insecure ──> Answer
//!                     └─ bogus ──> trust anchor proven? ── yes ──> Answer { Bogus }
//!                                          └─ no ──> plain ──> Answer { Insecure }
//! ```

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::dnssec::{DnssecSummary, TrustAnchors};
use hickory_resolver::proto::rr::rdata::{CNAME, MX, TLSA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::txt::trust_anchor;
use tokio::time::timeout;

use super::records::{Answer, Mx, Records, Security, Tlsa};
use crate::Error;
use crate::network::BoxFuture;

/// How long a server may take for one question.
const QUERY: Duration = Duration::from_secs(5);

/// How long one lookup may take in all: a proof takes several questions.
const LOOKUP: Duration = Duration::from_secs(20);

/// How many names an answer may lead through.
const MAX_ALIASES: usize = 16;

/// Looks up MX, TLSA and TXT records, and proves them by DNSSEC.
///
/// ```no_run
/// use std::sync::Arc;
/// use everpost::probe::{Probe, Resolver};
///
/// # fn main() -> Result<(), everpost::Error> {
/// let probe = Probe::builder().dane(true).records(Arc::new(Resolver::system()?)).build()?;
/// # Ok(())
/// # }
/// ```
///
/// Every question is asked anew. May be shared by threads; must be used from
/// within a tokio runtime.
pub struct Resolver {
    config: ResolverConfig,
    validating: TokioResolver,
    plain: TokioResolver,
    /// The zones whose keys are trusted.
    apexes: Vec<Name>,
}

impl Resolver {
    /// Asks the servers that the operating system is set to use.
    ///
    /// # Errors
    /// `invalid_config` if the system's settings cannot be read or name no
    /// server.
    pub fn system() -> Result<Self, Error> {
        let (config, _) = hickory_resolver::system_conf::read_system_conf().map_err(|error| {
            Error::config(format!("the system's DNS settings cannot be read: {error}"))
                .with_hint("name a DNS server to ask, such as 9.9.9.9")
                .with_source(error)
        })?;
        // Names are always whole here: the system's search list must not
        // lengthen them.
        Self::build(ResolverConfig::from_name_servers(config.name_servers().to_vec()), None)
    }

    /// Asks these servers, over UDP, and over TCP where an answer is too long.
    ///
    /// # Errors
    /// `invalid_config` if there is none.
    pub fn at(servers: impl IntoIterator<Item = SocketAddr>) -> Result<Self, Error> {
        let server = |address: SocketAddr| {
            let on_port = |mut connection: ConnectionConfig| {
                connection.port = address.port();
                connection
            };
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(on_port);
            NameServerConfig::new(address.ip(), true, connections.into())
        };
        let servers: Vec<_> = servers.into_iter().map(server).collect();
        if servers.is_empty() {
            return Err(Error::config("no DNS server to ask"));
        }
        Self::build(ResolverConfig::from_name_servers(servers), None)
    }

    /// Trusts these keys in place of the root's: DNSKEY records as in a zone
    /// file, one a line (`example. IN DNSKEY 257 3 13 …`), as unbound and BIND
    /// read them too. For private roots, and for tests.
    ///
    /// # Errors
    /// `invalid_config` if they cannot be read, or if there is none.
    pub fn with_trust_anchors(self, dnskeys: &str) -> Result<Self, Error> {
        let unreadable = |reason: String| {
            Error::config(format!("the DNSSEC trust anchors cannot be read: {reason}"))
                .with_hint("give DNSKEY records, one a line: NAME IN DNSKEY 257 3 ALGORITHM KEY")
        };
        let anchors: TrustAnchors =
            dnskeys.parse().map_err(|error| unreadable(format!("{error}")))?;
        let entries = trust_anchor::Parser::new(dnskeys).parse();
        let entries = entries.map_err(|error| unreadable(format!("{error}")))?;
        let apex = |entry: &trust_anchor::Entry| match entry {
            trust_anchor::Entry::DNSKEY(record) => Some(record.name().clone()),
            _ => None,
        };
        let apexes: Vec<Name> = entries.iter().filter_map(apex).collect();
        if apexes.is_empty() {
            return Err(unreadable("there is none".to_owned()));
        }
        Self::build(self.config, Some((anchors, apexes)))
    }

    fn build(
        config: ResolverConfig,
        anchors: Option<(TrustAnchors, Vec<Name>)>,
    ) -> Result<Self, Error> {
        let (anchors, apexes) =
            anchors.unwrap_or_else(|| (TrustAnchors::default(), vec![Name::root()]));
        let resolver = |validate| {
            let mut builder =
                TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default())
                    .with_options(options(validate));
            if validate {
                builder = builder.with_trust_anchor(Arc::new(anchors.clone()));
            }
            builder.build().map_err(|error| Error::config(format!("DNS resolver: {error}")))
        };
        let (validating, plain) = (resolver(true)?, resolver(false)?);
        Ok(Resolver { validating, plain, apexes, config })
    }

    /// The records of one kind at a name that `read` takes, and what DNSSEC
    /// says of the answer.
    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: fn(&RData) -> Option<T>,
    ) -> io::Result<Answer<T>> {
        let name = absolute(name)?;
        bounded(async {
            let mut lookup = self.validating.lookup(name.clone(), kind).await;
            if matches!(lookup, Err(NetError::Dns(DnsError::DnssecBogus))) {
                // A question of the proof that got lost looks the same.
                lookup = self.validating.lookup(name.clone(), kind).await;
            }
            match lookup {
                Err(NetError::Dns(DnsError::DnssecBogus)) if self.can_prove().await => {
                    Ok(Answer { records: Vec::new(), security: Security::Bogus })
                }
                // An unproven TLSA record is worth nothing, and would be
                // mistaken for one of an unsigned zone.
                Err(NetError::Dns(DnsError::DnssecBogus)) if kind == RecordType::TLSA => {
                    Err(io::Error::other(
                        "the DNS server passes no DNSSEC signatures on, so nothing can be proven",
                    ))
                }
                Err(NetError::Dns(DnsError::DnssecBogus)) => {
                    let lookup = self.plain.lookup(name.clone(), kind).await;
                    let answer = answered(&name, lookup, read)?;
                    Ok(Answer { security: Security::Insecure, ..answer })
                }
                lookup => answered(&name, lookup, read),
            }
        })
        .await
    }

    /// Whether the keys that are trusted can be proven by way of the server:
    /// if not, it passes no signatures on.
    async fn can_prove(&self) -> bool {
        for apex in &self.apexes {
            let keys = self.validating.lookup(apex.clone(), RecordType::DNSKEY).await;
            let secure = |keys: &[Record]| summary(keys.iter()) == Security::Secure;
            if keys.is_ok_and(|keys| secure(keys.answers())) {
                return true;
            }
        }
        false
    }

    pub(super) async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let name = absolute(host)?;
        bounded(async {
            match self.plain.lookup_ip(name).await {
                Ok(found) => Ok(found.iter().collect()),
                Err(error) if error.is_no_records_found() => Ok(Vec::new()),
                Err(error) => Err(failed(error)),
            }
        })
        .await
    }
}

/// Servers only.
impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.config.name_servers().iter().map(|server| server.ip);
        f.debug_struct("Resolver")
            .field("servers", &servers.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn options(validate: bool) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.validate = validate;
    options.timeout = QUERY;
    options.attempts = 2;
    // Of an alias whose target is in the cache, only the target would come
    // back: with a proof of its own, and without one for the alias.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    // The answer is the server's, as with `dig @server`.
    options.use_hosts_file = ResolveHosts::Never;
    options
}

/// The name with the root at its end, so that nothing is appended to it.
fn absolute(name: &str) -> io::Result<Name> {
    let invalid = |error| {
        let message =
            format!("{:?} is no DNS name: {error}", name.chars().take(80).collect::<String>());
        io::Error::new(io::ErrorKind::InvalidInput, message)
    };
    let mut name = Name::from_ascii(name).map_err(invalid)?;
    name.set_fqdn(true);
    Ok(name)
}

async fn bounded<T>(lookup: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(LOOKUP, lookup).await.unwrap_or_else(|_| Err(silent()))
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the DNS server does not answer in time")
}

/// An answer of what was found; that there is nothing is one too.
fn answered<T>(
    name: &Name,
    lookup: Result<Lookup, NetError>,
    read: fn(&RData) -> Option<T>,
) -> io::Result<Answer<T>> {
    match lookup {
        Ok(lookup) => {
            let path = path(name, lookup.answers());
            // Every alias on the way has to be proven as well.
            let security = summary(path.iter().copied());
            let records = path.iter().filter_map(|record| read(&record.data)).collect();
            Ok(Answer { records, security })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords { authorities, .. }))) => {
            let proof = authorities.as_deref().unwrap_or_default();
            Ok(Answer { records: Vec::new(), security: summary(proof.iter()) })
        }
        // Absence that is proven to be unprovable: an unsigned zone, or one
        // that opts out (RFC 5155 §6).
        Err(NetError::Dns(DnsError::Nsec { proof, .. })) if proof.is_insecure() => {
            Ok(Answer { records: Vec::new(), security: Security::Insecure })
        }
        Err(error) => Err(failed(error)),
    }
}

/// The records that answer for `name`: its aliases, and what is at their end.
/// Whatever else was sent along, though it may be proven, is not asked for.
fn path<'a>(name: &'a Name, found: &'a [Record]) -> Vec<&'a Record> {
    let mut path = Vec::new();
    let mut owner = name;
    for _ in 0..MAX_ALIASES {
        let before = path.len();
        path.extend(found.iter().filter(|record| record.name == *owner));
        let alias = path[before..].iter().find_map(|record| match &record.data {
            RData::CNAME(CNAME(target)) => Some(target),
            _ => None,
        });
        match alias {
            Some(target) => owner = target,
            None => break,
        }
    }
    path
}

fn summary<'a>(records: impl Iterator<Item = &'a Record>) -> Security {
    match DnssecSummary::from_records(records) {
        DnssecSummary::Secure => Security::Secure,
        DnssecSummary::Insecure => Security::Insecure,
        DnssecSummary::Bogus => Security::Bogus,
    }
}

fn failed(error: NetError) -> io::Error {
    use hickory_resolver::proto::op::ResponseCode;
    match error {
        NetError::Timeout => silent(),
        NetError::Io(error) => io::Error::new(error.kind(), error),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => io::Error::other(
            "the DNS server answers SERVFAIL: the zone's servers fail, or its DNSSEC is broken",
        ),
        NetError::Dns(DnsError::ResponseCode(code)) => {
            io::Error::other(format!("the DNS server answers {code}"))
        }
        other => io::Error::other(other),
    }
}

impl Records for Resolver {
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, io::Result<Answer<Mx>>> {
        Box::pin(async move {
            let mut answer = self.ask(domain, RecordType::MX, read_mx).await?;
            answer.records.sort();
            Ok(answer)
        })
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Answer<Tlsa>>> {
        Box::pin(self.ask(name, RecordType::TLSA, read_tlsa))
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Answer<String>>> {
        Box::pin(self.ask(name, RecordType::TXT, read_txt))
    }
}

fn read_mx(data: &RData) -> Option<Mx> {
    let RData::MX(MX { preference, exchange, .. }) = data else { return None };
    let exchange = exchange.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    Some(Mx { preference: *preference, exchange })
}

fn read_tlsa(data: &RData) -> Option<Tlsa> {
    let RData::TLSA(TLSA { cert_usage, selector, matching, cert_data, .. }) = data else {
        return None;
    };
    Some(Tlsa {
        usage: (*cert_usage).into(),
        selector: (*selector).into(),
        matching: (*matching).into(),
        data: cert_data.clone(),
    })
}

fn read_txt(data: &RData) -> Option<String> {
    let RData::TXT(TXT { txt_data, .. }) = data else { return None };
    Some(String::from_utf8_lossy(&txt_data.concat()).into_owned())
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
