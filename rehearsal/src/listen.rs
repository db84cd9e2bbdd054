//! From a port to sessions.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::session::{Books, Session};
use crate::shared::{Listener, Shared};
use crate::wire::Transport;

/// Attempts to listen on a port again after a restart, and the wait between.
const REBIND: (u32, Duration) = (50, Duration::from_millis(20));

pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let mut attempt = 0;
    loop {
        match TcpListener::bind(address).await {
            Ok(socket) => return Ok(socket),
            Err(_) if address.port() != 0 && attempt < REBIND.0 => {
                attempt += 1;
                tokio::time::sleep(REBIND.1).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) async fn accept(
    shared: Arc<Shared>,
    socket: TcpListener,
    kind: Listener,
    token: CancellationToken,
) {
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = token.cancelled() => return,
            accepted = socket.accept() => match accepted {
                Ok(accepted) => accepted,
                // Too many open files, or a client that went at once.
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        // Without it a reply would wait for the client's ACK; it cannot fail
        // on a socket that is alive.
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(shared.clone(), Box::new(stream), Some(peer), kind));
    }
}

/// Opens the books for a connection now, and runs it when polled.
pub(crate) fn serve(
    shared: Arc<Shared>,
    transport: Box<dyn Transport>,
    peer: Option<SocketAddr>,
    listener: Listener,
) -> impl Future<Output = ()> + Send + use<> {
    let (conn, open) = shared.record.open(listener, peer);
    let limit = shared.settings().limits.connections;
    let crowded = limit.is_some_and(|limit| open > limit);
    Session::serve(Books { shared, conn }, listener, transport, crowded)
}
