//! `tests/matrix.json`: what is injected where, and what must come of it.

use std::collections::BTreeMap;

use everpost_rehearsal::{Action, At, Chain};
use serde::Deserialize;

/// The file, next to the workspace.
const FILE: &str = include_str!("../../../tests/matrix.json");

/// The bytes that end the data, and those of them that end its last line.
const END_OF_DATA: u64 = 5;
const LINE_END: u64 = 2;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    #[serde(rename = "about")]
    _about: String,
    /// The message to send; `{id}` stands for its Message-ID.
    pub message: String,
    /// What the outcomes mean.
    pub outcomes: BTreeMap<String, String>,
    /// The columns.
    #[serde(rename = "faults")]
    pub columns: Vec<Column>,
    /// The rows.
    #[serde(rename = "stages")]
    pub rows: Vec<Row>,
}

/// A fault: an action of the server, a certificate or a caller that leaves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub fault: String,
    pub title: String,
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    certificate: Option<Chain>,
    #[serde(default)]
    cancel: bool,
}

/// A stage of the session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub stage: String,
    #[serde(default)]
    at: Option<Place>,
    #[serde(default)]
    pub tls: Tls,
    #[serde(default)]
    network: Option<Network>,
    /// What the server does to hold the session there while its certificate is
    /// changed, its caller leaves, or time passes.
    #[serde(default = "stall")]
    hold: Action,
    /// Whether the server keeps a message whose end-of-data is struck: each of
    /// these is tried.
    #[serde(default)]
    keep: Vec<bool>,
    /// Bytes to add to the body.
    #[serde(default)]
    pub pad: usize,
    #[serde(default)]
    pub why: Option<String>,
    cells: BTreeMap<String, CellText>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    #[default]
    Implicit,
    StartTls,
}

/// A network other than loopback: one in memory, or one whose first connection
/// fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    Memory,
    Refused,
    Silent,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Place {
    Bytes { bytes: Bytes },
    At(At),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Bytes {
    These(Vec<u64>),
    Part(Part),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Body,
    EndOfData,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CellText {
    Expect(String),
    None { none: String },
    Full(Special),
}

/// A cell that differs from its row and column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Special {
    expect: String,
    #[serde(default)]
    at: Option<Place>,
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    network: Option<Network>,
    #[serde(default)]
    keep: Option<Vec<bool>>,
    #[serde(default)]
    why: Option<String>,
}

fn stall() -> Action {
    Action::Stall
}

/// What is done to the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// The server does it.
    Act(Action),
    /// As [`Act`](Deed::Act), and time passes until a deadline ends the wait.
    Wait(Action),
    /// The server is held by the action and gets another certificate.
    Certify(Action, Chain),
    /// The server is held by the action and the caller leaves.
    Leave(Action),
}

/// A cell, ready to be run.
#[derive(Clone, Debug)]
pub struct Cell {
    pub row: usize,
    pub column: usize,
    pub expect: String,
    pub deed: Deed,
    /// `None` where the network alone is at fault.
    pub points: Vec<At>,
    pub network: Option<Network>,
    pub keep: Vec<Option<bool>>,
}

impl Matrix {
    pub fn read() -> Self {
        serde_json::from_str(FILE).expect("tests/matrix.json is well formed")
    }

    /// The message with this Message-ID.
    pub fn message(&self, row: &Row, id: &str) -> String {
        let mut message = self.message.replace("{id}", id);
        let line = "x".repeat(70) + "\r\n";
        message.push_str(&line.repeat(row.pad / line.len()));
        message
    }

    /// The cells that apply, and of the others the reason why they do not.
    pub fn cells(&self, id_length: usize) -> (Vec<Cell>, Vec<(usize, usize, &str)>) {
        let length = (self.message.len() - "{id}".len() + id_length) as u64;
        let (mut cells, mut none) = (Vec::new(), Vec::new());
        for (row, stage) in self.rows.iter().enumerate() {
            for (column, fault) in self.columns.iter().enumerate() {
                let place = (row, column);
                match stage.cells.get(&fault.fault) {
                    None => panic!("{} has no cell for {}", stage.stage, fault.fault),
                    Some(CellText::None { none: why }) => none.push((row, column, why.as_str())),
                    Some(CellText::Expect(expect)) => {
                        cells.push(cell(place, stage, fault, expect, None, length));
                    }
                    Some(CellText::Full(special)) => {
                        let expect = &special.expect;
                        cells.push(cell(place, stage, fault, expect, Some(special), length));
                    }
                }
            }
            let known = |name: &String| self.columns.iter().any(|column| column.fault == *name);
            assert!(stage.cells.keys().all(known), "{} has a cell for no fault", stage.stage);
        }
        for cell in &cells {
            let class = cell.expect.split(':').next().unwrap_or_default();
            assert!(self.outcomes.contains_key(class), "{:?} is no outcome", cell.expect);
        }
        (cells, none)
    }

    /// The reasons given for single outcomes.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.rows.iter().flat_map(|row| {
            let whole = row.why.as_deref().map(|why| (row.stage.as_str(), "", why));
            let single =
                self.columns.iter().filter_map(|column| match row.cells.get(&column.fault) {
                    Some(CellText::Full(Special { why: Some(why), .. })) => {
                        Some((row.stage.as_str(), column.title.as_str(), why.as_str()))
                    }
                    _ => None,
                });
            whole.into_iter().chain(single)
        })
    }
}

fn cell(
    (row, column): (usize, usize),
    stage: &Row,
    fault: &Column,
    expect: &str,
    special: Option<&Special>,
    length: u64,
) -> Cell {
    let hold = stage.hold.clone();
    let action = special.and_then(|special| special.action.clone());
    let deed = match (&fault.action, fault.certificate) {
        (_, Some(chain)) => Deed::Certify(hold, chain),
        _ if fault.cancel => Deed::Leave(hold),
        (Some(Action::Stall), _) => Deed::Wait(action.unwrap_or(hold)),
        (own, _) => Deed::Act(action.or_else(|| own.clone()).expect("a fault does something")),
    };
    let network = special.and_then(|special| special.network).or(stage.network);
    let place = special.and_then(|special| special.at.as_ref()).or(stage.at.as_ref());
    let points = match place {
        None => Vec::new(),
        Some(Place::At(at)) => vec![*at],
        Some(Place::Bytes { bytes }) => points(bytes, length).map(At::Body).collect(),
    };
    assert!(!points.is_empty() || network.is_some(), "{} / {}", stage.stage, fault.fault);
    let keep = special.and_then(|special| special.keep.as_ref()).unwrap_or(&stage.keep);
    let keep = match keep.as_slice() {
        [] => vec![None],
        some => some.iter().copied().map(Some).collect(),
    };
    Cell { row, column, expect: expect.to_owned(), deed, points, network, keep }
}

/// Counts of bytes processed; the line end of the last line is the first part
/// of the end-of-data.
fn points(bytes: &Bytes, length: u64) -> Box<dyn Iterator<Item = u64> + '_> {
    let end = length - LINE_END;
    match bytes {
        Bytes::These(these) => Box::new(these.iter().copied()),
        Bytes::Part(Part::Body) => Box::new(0..end),
        Bytes::Part(Part::EndOfData) => Box::new(end..end + END_OF_DATA),
    }
}
