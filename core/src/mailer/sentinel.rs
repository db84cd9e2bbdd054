//! The sentinel: a quiet, regular look at the endpoint, so that a rotation, a
//! nearing expiry or a bad renewal is noticed before a send meets it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pool::Pool;

/// Looks every `interval` until the mailer closes or is dropped.
pub(crate) async fn watch(pool: Weak<Pool>, closing: CancellationToken, interval: Duration) {
    loop {
        // Spread, so that a fleet of clients does not look in step.
        let pause = interval.mul_f64(0.9 + 0.2 * fastrand::f64());
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = closing.cancelled() => return,
        }
        let Some(pool) = pool.upgrade() else { return };
        tokio::select! {
            biased;
            () = look(&pool) => {}
            () = closing.cancelled() => return,
        }
    }
}

async fn look(pool: &Arc<Pool>) {
    match pool.connector.look().await {
        Ok(peer) => {
            if let Some(peer) = &peer {
                pool.observe(peer, Instant::now());
            }
            pool.seen_well();
        }
        Err(error) => pool.found_ill(&error),
    }
}
