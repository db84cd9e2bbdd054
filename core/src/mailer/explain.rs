//! The question every ticket asks: is it the server, or is it us?

use std::fmt;

use super::event::Leaf;
use super::pool::Pool;
use crate::certificate::FindingId;
use crate::error::{Error, ErrorKind};

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
    /// The local clock is the likelier fault.
    Clock,
    /// The server cannot be reached.
    Network,
    /// The server refuses, or does not speak as configured.
    Server,
}

impl Fault {
    /// The stable name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::PoolStale => "pool_stale",
            Fault::Certificate => "certificate",
            Fault::Clock => "clock",
            Fault::Network => "network",
            Fault::Server => "server",
        }
    }
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
    /// The leaf that the server serves now; `None` in plain text or when the
    /// handshake failed.
    pub served: Option<Leaf>,
    /// The leaves that the connections of the pool carry.
    pub pooled: Vec<Leaf>,
    /// What the fresh look at the endpoint failed with, if it did.
    pub error: Option<Error>,
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
pub(crate) async fn explain(pool: &Pool) -> Explanation {
    let pooled = pool.leaves();
    match pool.connector.look().await {
        Ok(peer) => {
            if let Some(peer) = &peer {
                pool.observe(peer, tokio::time::Instant::now());
            }
            compare(pool, peer.map(|peer| Leaf::from(&*peer.leaf)), pooled)
        }
        Err(error) => blame(error, pooled),
    }
}

fn compare(pool: &Pool, served: Option<Leaf>, pooled: Vec<Leaf>) -> Explanation {
    let endpoint = &pool.config.endpoint;
    let stale = match &served {
        Some(served) => pooled.iter().filter(|leaf| *leaf != served).count(),
        None => 0,
    };
    let (fault, summary, remedy) = if stale > 0 {
        let summary = format!(
            "{endpoint} is healthy; {stale} of {} pooled connections carry an earlier certificate",
            pooled.len()
        );
        let remedy = "nothing to do: they are retired before their next use";
        (Fault::PoolStale, summary, Some(remedy.to_owned()))
    } else if let Some(error) = pool.last_error() {
        let summary = format!(
            "{endpoint} answers a fresh look, yet the last session failed: {}",
            error.message_text()
        );
        (Fault::Server, summary, error.hint().map(str::to_owned))
    } else {
        let held = pooled.len();
        (Fault::None, format!("{endpoint} is healthy, and so are {held} pooled connections"), None)
    };
    Explanation { fault, summary, remedy, served, pooled, error: None }
}

fn blame(error: Error, pooled: Vec<Leaf>) -> Explanation {
    let clock = error.certificate().is_some_and(|report| report.has(FindingId::ClockSkew));
    let fault = match error.kind() {
        _ if clock => Fault::Clock,
        ErrorKind::Certificate => Fault::Certificate,
        ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Timeout => Fault::Network,
        _ => Fault::Server,
    };
    Explanation {
        fault,
        summary: error.message_text().to_owned(),
        remedy: error.hint().map(str::to_owned),
        served: error.certificate().and_then(|report| report.leaf()).map(Leaf::from),
        pooled,
        error: Some(error),
    }
}
