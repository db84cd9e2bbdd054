//! Addresses from a [`Resolver`] of one's own: [`ResolvedBy`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::dns::Resolver;
use crate::network::{BoxFuture, Network, Stream};

/// A network that finds addresses by way of a [`Resolver`], and connects by
/// way of another network.
#[derive(Debug)]
pub struct ResolvedBy<N> {
    resolver: Arc<Resolver>,
    network: N,
}

impl<N: Network> ResolvedBy<N> {
    /// Resolves by `resolver`, connects by `network`.
    pub fn new(resolver: Arc<Resolver>, network: N) -> Self {
        ResolvedBy { resolver, network }
    }
}

impl<N: Network> Network for ResolvedBy<N> {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let addresses = match host.parse() {
                Ok(address) => vec![address],
                Err(_) => self.resolver.addresses(host).await?,
            };
            Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        self.network.connect(address, bind)
    }
}
