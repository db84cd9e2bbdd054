//! Opening TCP connections: all addresses, happy eyeballs (RFC 8305).
//!
//! Addresses are tried in the resolver's order with the families taking turns
//! (§4). The next attempt starts when the last one fails or has been silent
//! for 250 ms (§5); earlier ones go on. The first connection wins, the other
//! attempts are dropped. One deadline covers everything from the name on.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, timeout};

use crate::network::{Network, Stream};
use crate::{Error, ErrorKind, Stage};

/// The head start of an attempt over the next (RFC 8305 §8).
const STAGGER: Duration = Duration::from_millis(250);

/// How many addresses an error lists.
const MAX_LISTED: usize = 8;

/// A connection to `host`, and the address that it goes to.
///
/// # Errors
/// `dns` if the name has no address, `connect` if no address took the
/// connection, `timeout` (with the stage that it happened in) if `deadline`
/// passed first. All of them list what was tried.
pub(crate) async fn dial(
    network: &dyn Network,
    host: &str,
    port: u16,
    bind: Option<IpAddr>,
    deadline: Duration,
) -> Result<(Box<dyn Stream>, SocketAddr), Error> {
    let started = Instant::now();
    let addresses = resolve(network, host, port, bind, deadline).await?;
    let left = deadline.saturating_sub(started.elapsed());
    connect(network, (host, port), addresses, bind, (left, deadline)).await
}

/// The addresses of `host` that can be reached from `bind`, in the order in
/// which they are to be tried; at least one.
///
/// # Errors
/// `dns` if there is none, `timeout` at stage `dns` if `deadline` passed first.
pub(crate) async fn resolve(
    network: &dyn Network,
    host: &str,
    port: u16,
    bind: Option<IpAddr>,
    deadline: Duration,
) -> Result<VecDeque<SocketAddr>, Error> {
    let resolved = match timeout(deadline, network.resolve(host, port)).await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(source)) => return Err(unresolved(host, source)),
        Err(_) => return Err(resolver_timeout(host, deadline)),
    };
    let found = resolved.len();
    let addresses = interleave(
        resolved
            .into_iter()
            .filter(|address| bind.is_none_or(|bind| bind.is_ipv4() == address.is_ipv4())),
    );
    if addresses.is_empty() { Err(no_address(host, bind, found)) } else { Ok(addresses) }
}

/// A connection to the first of `addresses` that takes one.
///
/// # Errors
/// `connect` if none did, `timeout` if what is `left` of `deadline` passed
/// first; the source is what tells most of the cause.
pub(crate) async fn connect(
    network: &dyn Network,
    (host, port): (&str, u16),
    addresses: VecDeque<SocketAddr>,
    bind: Option<IpAddr>,
    (left, deadline): (Duration, Duration),
) -> Result<(Box<dyn Stream>, SocketAddr), Error> {
    let mut attempts = Attempts { tried: Vec::new() };
    match timeout(left, attempts.race(network, addresses, bind)).await {
        Ok(Some(connection)) => Ok(connection),
        Ok(None) => Err(attempts.all_failed(host, port)),
        Err(_) => Err(attempts.timed_out(host, port, deadline)),
    }
}

/// The families take turns, beginning with the first; doubles are dropped.
fn interleave(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let (mut turn, mut other) = (VecDeque::new(), VecDeque::new());
    for address in addresses {
        let same_family =
            turn.front().is_none_or(|first: &SocketAddr| first.is_ipv4() == address.is_ipv4());
        let list = if same_family { &mut turn } else { &mut other };
        if !list.contains(&address) {
            list.push_back(address);
        }
    }
    let mut interleaved = VecDeque::with_capacity(turn.len() + other.len());
    while let Some(address) = turn.pop_front() {
        interleaved.push_back(address);
        if !other.is_empty() {
            std::mem::swap(&mut turn, &mut other);
        }
    }
    interleaved
}

/// What was tried so far; outlives the race when the deadline ends it.
struct Attempts {
    /// The error, once there is one.
    tried: Vec<(SocketAddr, Option<io::Error>)>,
}

impl Attempts {
    /// The first connection, or `None` once every address has failed.
    async fn race(
        &mut self,
        network: &dyn Network,
        mut waiting: VecDeque<SocketAddr>,
        bind: Option<IpAddr>,
    ) -> Option<(Box<dyn Stream>, SocketAddr)> {
        let mut running = FuturesUnordered::new();
        loop {
            if let Some(address) = waiting.pop_front() {
                let index = self.tried.len();
                self.tried.push((address, None));
                running.push(async move { (index, network.connect(address, bind).await) });
            }
            let head_start = async {
                // The last one may take as long as the deadline allows.
                if waiting.is_empty() {
                    std::future::pending().await
                } else {
                    tokio::time::sleep(STAGGER).await
                }
            };
            tokio::select! {
                biased;
                finished = running.next() => match finished {
                    None => return None,
                    Some((index, Ok(stream))) => return Some((stream, self.tried[index].0)),
                    Some((index, Err(error))) => self.tried[index].1 = Some(error),
                },
                () = head_start => {}
            }
        }
    }

    fn all_failed(mut self, host: &str, port: u16) -> Error {
        let hint = hint(self.tried.iter().filter_map(|(_, error)| error.as_ref()), host, port);
        let message = format!("cannot connect to {host} port {port}: {}", self.list());
        let error = Error::new(ErrorKind::Connect, Stage::Connect, message).with_hint(hint);
        match self.telling() {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    fn timed_out(mut self, host: &str, port: u16, deadline: Duration) -> Error {
        let message =
            format!("no connection to {host} port {port} within {deadline:?}: {}", self.list());
        let error =
            Error::new(ErrorKind::Timeout, Stage::Connect, message).with_hint(firewall(port));
        match self.telling() {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// The failure that tells most: a refusal is an answer; else the last.
    fn telling(&mut self) -> Option<io::Error> {
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        let failed = |(_, error): &(SocketAddr, Option<io::Error>)| error.is_some();
        let answer = self.tried.iter().position(|(_, error)| error.as_ref().is_some_and(refused));
        let index = answer.or_else(|| self.tried.iter().rposition(failed))?;
        self.tried.swap_remove(index).1
    }

    fn list(&self) -> String {
        let mut list = String::new();
        for (address, error) in self.tried.iter().take(MAX_LISTED) {
            let separator = if list.is_empty() { "" } else { "; " };
            // Writing to a String cannot fail.
            let _ = match error {
                Some(error) => write!(list, "{separator}{}: {error}", address.ip()),
                None => write!(list, "{separator}{}: no answer", address.ip()),
            };
        }
        if self.tried.len() > MAX_LISTED {
            let _ = write!(list, "; and {} more", self.tried.len() - MAX_LISTED);
        }
        list
    }
}

/// The remedy for what happened most tellingly: an answer says more than
/// silence.
fn hint<'a>(errors: impl Iterator<Item = &'a io::Error>, host: &str, port: u16) -> String {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, InvalidInput, PermissionDenied};
    let kinds: Vec<_> = errors.map(io::Error::kind).collect();
    if kinds.contains(&ConnectionRefused) {
        format!("nothing listens on {host}:{port}; check the port and that the service runs")
    } else if kinds.iter().any(|kind| matches!(kind, AddrNotAvailable | InvalidInput)) {
        "the local address to connect from does not belong to this machine".to_owned()
    } else if kinds.contains(&PermissionDenied) {
        format!("this machine does not let the program open port {port}; check its firewall")
    } else {
        firewall(port)
    }
}

fn firewall(port: u16) -> String {
    format!("a firewall or the provider may block outgoing port {port}, or the server is down")
}

fn unresolved(host: &str, source: io::Error) -> Error {
    Error::new(ErrorKind::Dns, Stage::Dns, format!("cannot resolve {host}: {source}"))
        .with_hint("check the spelling of the name and this machine's resolver")
        .with_source(source)
}

fn resolver_timeout(host: &str, deadline: Duration) -> Error {
    let message = format!("{host} was not resolved within {deadline:?}");
    Error::new(ErrorKind::Timeout, Stage::Dns, message)
        .with_hint("this machine's resolver does not answer; check the network")
}

fn no_address(host: &str, bind: Option<IpAddr>, found: usize) -> Error {
    match bind {
        Some(bind) if found > 0 => {
            let family = if bind.is_ipv4() { "IPv4" } else { "IPv6" };
            let message = format!("{host} has no {family} address to reach from {bind}");
            Error::new(ErrorKind::Dns, Stage::Dns, message)
                .with_hint("bind to an address of the family that the server has")
                .with_retryable(false)
        }
        _ => Error::new(ErrorKind::Dns, Stage::Dns, format!("{host} has no address"))
            .with_hint("the name exists without A and AAAA records: is it the mail server's?"),
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
