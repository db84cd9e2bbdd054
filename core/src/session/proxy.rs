//! SOCKS5 and HTTP CONNECT proxies.

/// A proxy on the way to the server.
#[derive(Clone, Debug)]
pub(crate) struct Proxy;
