//! What a change of certificate, and a restart, can be like.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::authority::Chain;
use crate::fault::Cut;
use crate::record::Order;

/// Who signs a new leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// The same intermediate as before.
    #[default]
    Same,
    /// A new intermediate under the same root.
    NewIntermediate,
}

/// How live connections end in a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goodbye {
    /// A 421 and an orderly close, in the middle of whatever it is.
    #[default]
    Farewell,
    /// A TCP reset.
    Rst,
    /// The end of the stream without close_notify.
    Fin,
    /// close_notify and the end of the stream.
    CloseNotify,
}

impl Goodbye {
    pub(crate) fn order(self) -> Order {
        match self {
            Goodbye::Farewell => Order::Farewell,
            Goodbye::Rst => Order::Cut(Cut::Rst),
            Goodbye::Fin => Order::Cut(Cut::Fin),
            Goodbye::CloseNotify => Order::Cut(Cut::CloseNotify),
        }
    }
}

/// A restart: every connection ends, the same ports listen again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// How live connections end.
    pub goodbye: Goodbye,
    /// How long nothing listens in between.
    pub down: Duration,
}

/// A change of certificate. The default is what a renewal does: a new key and
/// leaf under the same intermediate, in place, ticket keys kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rotate {
    /// What to serve.
    pub chain: Chain,
    /// Who signs it.
    pub signer: Signer,
    /// Keep the private key, as a renewal with `--reuse-key` does.
    pub same_key: bool,
    /// Forget the ticket keys, so that no earlier session resumes.
    pub fresh_tickets: bool,
    /// The leaf's validity, where it shall not be the chain's own.
    pub not_before: Option<SystemTime>,
    /// See [`not_before`](Self::not_before).
    pub not_after: Option<SystemTime>,
    /// Serve the new leaf to this share of new connections only, evenly
    /// spread, and the old one to the others: 0.5 alternates.
    pub share: Option<f64>,
    /// Restart the server with it.
    pub restart: Option<Restart>,
}
