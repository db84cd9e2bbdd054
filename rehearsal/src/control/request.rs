//! What can be asked for, as it is written in JSON.

use serde::Deserialize;
use serde_json::Value;

use super::seconds;
use crate::{Action, At, Chain, Cut, Goodbye, Signer, Which};

/// A request, without its `id`.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    Rotate {
        #[serde(default)]
        chain: Chain,
        #[serde(default)]
        signer: Signer,
        #[serde(default)]
        same_key: bool,
        #[serde(default)]
        fresh_tickets: bool,
        not_before: Option<String>,
        not_after: Option<String>,
        share: Option<f64>,
        #[serde(default)]
        restart: bool,
        #[serde(default)]
        goodbye: Goodbye,
        #[serde(default)]
        down: f64,
    },
    Present {
        chain: Chain,
    },
    Rollback {},
    Restart {
        #[serde(default)]
        goodbye: Goodbye,
        #[serde(default)]
        down: f64,
    },
    Wave421 {},
    Drop {
        how: Cut,
    },
    Inject {
        at: At,
        action: Action,
        #[serde(default)]
        on: Which,
        keep: Option<bool>,
    },
    Fault {
        fault: u64,
    },
    Release {
        fault: Option<u64>,
    },
    Remove {
        fault: Option<u64>,
    },
    Wait {
        messages: Option<usize>,
        fault: Option<u64>,
        #[serde(default)]
        closed: bool,
        #[serde(default = "half_a_minute")]
        seconds: f64,
    },
    Received {
        #[serde(default)]
        bodies: bool,
    },
    Copies {
        message_id: String,
    },
    Counts {},
    Stats {},
    Connections {},
    Leaf {},
    ClientCertificate {
        name: String,
    },
    Settings {
        set: Option<Value>,
    },
    Clear {},
    Stop {},
}

fn half_a_minute() -> f64 {
    30.0
}

/// An [`Action`] as it is written: text for bytes, seconds for durations.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionText {
    Cut(Cut),
    CutReply(usize, Cut),
    Stall,
    StallReply(usize),
    ShutWindow,
    Reply(String),
    ReplyThenCut(String, Cut),
    Extra(String),
    Drip(f64),
    EndlessLine,
    EndlessReply,
    SlowRead(usize, f64),
    WrongMode,
}

impl TryFrom<ActionText> for Action {
    type Error = String;

    fn try_from(text: ActionText) -> Result<Action, String> {
        Ok(match text {
            ActionText::Cut(cut) => Action::Cut(cut),
            ActionText::CutReply(bytes, cut) => Action::CutReply(bytes, cut),
            ActionText::Stall => Action::Stall,
            ActionText::StallReply(bytes) => Action::StallReply(bytes),
            ActionText::ShutWindow => Action::ShutWindow,
            ActionText::Reply(text) => Action::Reply(text.into()),
            ActionText::ReplyThenCut(text, cut) => Action::ReplyThenCut(text.into(), cut),
            ActionText::Extra(text) => Action::Extra(text.into()),
            ActionText::Drip(pause) => Action::Drip(seconds(pause)?),
            ActionText::EndlessLine => Action::EndlessLine,
            ActionText::EndlessReply => Action::EndlessReply,
            ActionText::SlowRead(bytes, pause) => Action::SlowRead(bytes, seconds(pause)?),
            ActionText::WrongMode => Action::WrongMode,
        })
    }
}
