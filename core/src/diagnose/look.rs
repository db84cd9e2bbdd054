//! Short looks beside the ladder, once it is known to have failed: does the
//! port speak the other mode or an older TLS, do the host's usual ports answer?
//!
//! A look has no credentials to send: its settings are made without them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::overheard::{FirstBytes, Overheard, Speech};
use crate::clock::Clock;
use crate::config::Config;
use crate::finding::{Finding, FindingId};
use crate::network::Network;
use crate::probe::{Probe, ProbeBuilder, Target};
use crate::session::{Connector, say_quit};
use crate::tls::Resume;
use crate::{Error, TlsMode};

/// How long a look at the other mode may take.
const MODE_LOOK: Duration = Duration::from_secs(5);
/// How long a look at the neighbouring ports may take.
const PORT_LOOK: Duration = Duration::from_secs(3);
/// Where mail servers listen, the likelier cure first.
const USUAL_PORTS: [u16; 3] = [465, 587, 25];

/// What a plain look saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    /// Whether STARTTLS is offered; `None`: the server did not get to EHLO.
    pub(super) starttls: Option<bool>,
}

/// Whether the port speaks TLS from the first byte.
pub(super) async fn speaks_tls(
    config: &Config,
    network: &Arc<dyn Network>,
    clock: &Arc<dyn Clock>,
) -> bool {
    let first = FirstBytes::default();
    // Its own settings make no odds: whatever TLS answers, it is TLS.
    let _: Option<Result<_, Error>> =
        climb(config, TlsMode::Implicit, (network, clock), &first).await;
    Speech::of(&first.to_vec()) == Speech::Tls
}

/// Whether the port greets in plain text, and then offers STARTTLS.
pub(super) async fn speaks_plainly(
    config: &Config,
    network: &Arc<dyn Network>,
    clock: &Arc<dyn Clock>,
) -> Option<Plain> {
    let first = FirstBytes::default();
    let seen = climb(config, TlsMode::None, (network, clock), &first).await;
    match Speech::of(&first.to_vec()) {
        Speech::Smtp(..) => Some(Plain { starttls: seen.and_then(Result::ok) }),
        _ => None,
    }
}

/// Opens a session in `mode` as far as EHLO and says whether it offers
/// STARTTLS; `None` if it took too long.
async fn climb(
    config: &Config,
    mode: TlsMode,
    (network, clock): (&Arc<dyn Network>, &Arc<dyn Clock>),
    first: &FirstBytes,
) -> Option<Result<bool, Error>> {
    let mut config = Config { credentials: None, ..config.clone() };
    config.endpoint.tls = mode;
    let look = async {
        let connector = Connector::new(Arc::new(config), Arc::clone(network), Arc::clone(clock))?;
        let (stream, address) = connector.dial().await?;
        let stream = Box::new(Overheard::new(stream, first.clone()));
        let mut draft = connector.climb(connector.begin(stream, address), Resume::Never).await?;
        let starttls = draft.opening.capabilities().starttls();
        say_quit(&mut draft.io, Duration::from_secs(1)).await;
        Ok(starttls)
    };
    timeout(MODE_LOOK, look).await.ok()
}

/// Whether a hello of old gets an answer where a modern one does not; the
/// finding says to which version.
pub(super) async fn speaks_old_tls(
    config: &Config,
    network: &Arc<dyn Network>,
    clock: &Arc<dyn Clock>,
    address: SocketAddr,
) -> Option<Finding> {
    let mut builder = Probe::builder()
        .network(Arc::clone(network))
        .clock(Arc::clone(clock))
        .connect_to(address.ip())
        .deadline(MODE_LOOK);
    builder = config.tls.roots.iter().cloned().fold(builder, ProbeBuilder::trust);
    if let Some(name) = &config.tls.sni {
        builder = builder.sni(name);
    }
    if let Some(name) = &config.ehlo_name {
        builder = builder.ehlo_name(name);
    }
    let report = builder.build().ok()?.run(&Target::from(&config.endpoint)).await;
    report.all_findings().find(|finding| finding.id == FindingId::LegacyTls).cloned()
}

/// Which of the usual ports of the host take a connection, apart from the one
/// that was asked for.
pub(super) async fn neighbours(config: &Config, network: &dyn Network) -> Vec<u16> {
    let (host, asked) = (&*config.endpoint.host, config.endpoint.port);
    let look = |port: u16| async move {
        let connect = async {
            for address in network.resolve(host, port).await.ok()? {
                if network.connect(address, config.local_address).await.is_ok() {
                    return Some(port);
                }
            }
            None
        };
        timeout(PORT_LOOK, connect).await.ok().flatten()
    };
    let ports = USUAL_PORTS.into_iter().filter(|port| *port != asked);
    join_all(ports.map(look)).await.into_iter().flatten().collect()
}
