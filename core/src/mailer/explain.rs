//! The question every ticket asks: is it the server, or is it us?
//!
//! [`explain`] gathers evidence: what each address of the endpoint serves now,
//! what the pool's connections carry, what is in the certificate file, what
//! the last session failed with. `verdict` weighs it, and is pure.

mod json;
mod verdict;

use std::fmt;
use std::net::SocketAddr;
use std::time::SystemTime;

use futures_util::future::join_all;

pub use json::EXPLANATION_SCHEMA;

use self::verdict::Evidence;
use super::event::Leaf;
use super::pool::Pool;
use crate::certificate::CertificateFile;
use crate::error::Error;
use crate::finding::Status;
use crate::tls::Peer;

/// The most addresses that are looked at.
const MOST_ADDRESSES: usize = 16;

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody: the endpoint works, and the pool holds its current certificate.
    None,
    /// The server is healthy; connections of the pool were made with an
    /// earlier certificate and are about to be retired.
    PoolStale,
    /// The server's certificate is bad.
    Certificate,
    /// The certificate was renewed on disk, and the server still serves the
    /// earlier one.
    NotLoaded,
    /// Only some addresses of the name are in order, or serve the newest
    /// certificate.
    SomeAddresses,
    /// The local clock is the likelier fault.
    Clock,
    /// The server cannot be reached.
    Network,
    /// The server refuses, or does not speak as configured.
    Server,
    /// The server is in order and refused the login.
    Credentials,
}

impl Fault {
    /// The stable name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::PoolStale => "pool_stale",
            Fault::Certificate => "certificate",
            Fault::NotLoaded => "not_loaded",
            Fault::SomeAddresses => "some_addresses",
            Fault::Clock => "clock",
            Fault::Network => "network",
            Fault::Server => "server",
            Fault::Credentials => "credentials",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What [`Mailer::explain_with`](crate::Mailer::explain_with) compares with.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ExplainOptions {
    file: Option<CertificateFile>,
}

impl ExplainOptions {
    /// The file that the server's certificate is installed from.
    pub fn certificate_file(mut self, file: CertificateFile) -> Self {
        self.file = Some(file);
        self
    }
}

/// What one address showed to a fresh look.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Look {
    /// Where; `None` behind a proxy, which chooses by itself.
    pub address: Option<SocketAddr>,
    /// The leaf that is served there, accepted or not; `None` in plain text,
    /// or if no certificate came.
    pub leaf: Option<Leaf>,
    /// What the look failed with, if it did.
    pub error: Option<Error>,
}

/// The answer of [`Mailer::explain`](crate::Mailer::explain). `Display` is
/// one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// Who is at fault.
    pub fault: Fault,
    /// The answer in one sentence.
    pub summary: String,
    /// What to do, where something is to be done.
    pub remedy: Option<String>,
    /// The newest leaf that the server serves now; `None` in plain text or if
    /// no certificate came.
    pub served: Option<Leaf>,
    /// The leaves that the connections of the pool carry.
    pub pooled: Vec<Leaf>,
    /// What each address showed.
    pub looks: Vec<Look>,
    /// The leaf in the certificate file, where one was given.
    pub file: Option<Leaf>,
    /// What the fresh look at the endpoint failed with, if it did; the most
    /// telling error of all addresses.
    pub error: Option<Error>,
    /// Why the pool could not open its last session, if none was opened
    /// since.
    pub last_error: Option<Error>,
    /// The local clock at the time.
    pub at: SystemTime,
}

impl Explanation {
    /// Healthy if nothing is to be done about it; degraded if some messages
    /// get through all the same, and unhealthy if none does.
    pub fn status(&self) -> Status {
        let works = self.looks.iter().any(|look| look.error.is_none());
        match self.fault {
            Fault::None | Fault::PoolStale => Status::Healthy,
            Fault::Server | Fault::Credentials => Status::Unhealthy,
            _ if works => Status::Degraded,
            _ => Status::Unhealthy,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// Looks at the endpoint afresh and compares with the pool.
pub(crate) async fn explain(pool: &Pool, options: ExplainOptions) -> Explanation {
    let pooled = pool.leaves();
    let last_error = pool.last_error();
    let (looks, unreached) = match look_everywhere(pool).await {
        Ok(looks) => (looks, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    verdict::weigh(Evidence {
        endpoint: &pool.config.endpoint,
        looks,
        unreached,
        pooled,
        file: options.file.map(|file| Leaf::from(file.leaf())),
        last_error,
        at: pool.now(),
    })
}

/// Where a look went, and what it saw.
type Seen = (Option<SocketAddr>, Result<Option<Peer>, Error>);

/// A look at every address, with the mailer's own trust.
async fn look_everywhere(pool: &Pool) -> Result<Vec<Look>, Error> {
    let connector = &pool.connector;
    let seen: Vec<Seen> = if pool.config.proxy.is_some() {
        vec![(None, connector.look().await)]
    } else {
        let mut addresses = connector.addresses().await?;
        addresses.truncate(MOST_ADDRESSES);
        let look = |address| async move { (Some(address), connector.look_at(address).await) };
        join_all(addresses.into_iter().map(look)).await
    };
    observe(pool, seen.iter().filter_map(|(_, seen)| seen.as_ref().ok()?.as_ref()));
    let look = |(address, seen)| match seen {
        Ok(peer) => {
            let leaf = Option::<Peer>::map(peer, |peer| Leaf::from(&*peer.leaf));
            Look { address, leaf, error: None }
        }
        Err(error) => {
            let leaf = Error::certificate(&error).and_then(|report| report.leaf());
            Look { address, leaf: leaf.map(Leaf::from), error: Some(error) }
        }
    };
    Ok(seen.into_iter().map(look).collect())
}

/// Lets the pool know, older leaves first: those of laggards are no rollback.
fn observe<'a>(pool: &Pool, peers: impl Iterator<Item = &'a Peer>) {
    let mut peers: Vec<&Peer> = peers.collect();
    peers.sort_by_key(|peer| peer.leaf.not_before());
    for peer in peers {
        pool.observe(peer, tokio::time::Instant::now());
    }
}
