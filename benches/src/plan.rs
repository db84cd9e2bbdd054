//! What is measured: tables of clients, and what Everpost is to reach.

use std::time::Duration;

/// The way there and back of the long path.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(40);

/// Clients that do the same job.
#[derive(Debug)]
pub(crate) struct Table {
    /// How it is chosen on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) size: Size,
    pub(crate) connections: usize,
    /// Whether the server is a round trip of 40 ms away.
    pub(crate) far: bool,
    /// The time of one turn, in seconds.
    pub(crate) seconds: f64,
    pub(crate) rows: &'static [Row],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

impl Size {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Size::Small => 2069,
            Size::Large => 5_240_000,
        }
    }
}

/// One client, in one of its ways to send.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) program: Program,
    pub(crate) how: &'static str,
    /// The label of the wire limit of the same shape.
    pub(crate) limit: Option<&'static str>,
    pub(crate) goals: &'static [Goal],
}

/// How a client is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Wire,
    Everpost,
    Rust(&'static str),
    /// With TCP_NODELAY set from outside.
    RustNodelay(&'static str),
    Python(&'static str),
    Node(&'static str),
}

impl Program {
    /// Whether it is one that a user would pick instead of Everpost.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Program::Wire | Program::Everpost)
    }
}

/// What a row is to reach. Said after the tables, never asserted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// This share of the wire limit at least.
    Limit(f64),
    /// So many times the best peer at least.
    BestPeer(f64),
    /// So many round trips per message at most.
    RoundTrips(f64),
    /// So many bytes of memory at most.
    Memory(u64),
}

const LIMIT: Goal = Goal::Limit(0.8);

const fn wire(label: &'static str, how: &'static str) -> Row {
    Row { label, program: Program::Wire, how, limit: None, goals: &[] }
}

const fn ours(
    label: &'static str,
    how: &'static str,
    limit: &'static str,
    goals: &'static [Goal],
) -> Row {
    Row { label, program: Program::Everpost, how, limit: Some(limit), goals }
}

const fn peer(label: &'static str, program: Program, how: &'static str) -> Row {
    Row { label, program, how, limit: None, goals: &[] }
}

const GROUPED: Row = wire("wire limit: grouped DATA", "grouped");
const CHAINED: Row = wire("wire limit: chained DATA", "chained");
const BDAT: Row = wire("wire limit: one-flight BDAT", "bdat");

/// As a large message leaves: not before its recipients are accepted.
const BDAT_LATE: Row = wire("wire limit: BDAT after the replies", "bdat-late");

const LETTRE: Row = peer("lettre, pool", Program::Rust("lettre"), "kept");
const LETTRE_NODELAY: Row = peer("lettre, pool, + NODELAY", Program::RustNodelay("lettre"), "kept");
const MAIL_SEND: Row = peer("mail-send, kept", Program::Rust("mail-send"), "kept");
const MAIL_SEND_NODELAY: Row =
    peer("mail-send, kept, + NODELAY", Program::RustNodelay("mail-send"), "kept");
const SMTPLIB: Row = peer("smtplib, kept", Program::Python("smtplib_peer.py"), "kept");
const AIOSMTPLIB: Row = peer("aiosmtplib, kept", Program::Python("aiosmtplib_peer.py"), "kept");
const NODEMAILER: Row = peer("nodemailer, pool", Program::Node("nodemailer_peer.mjs"), "kept");

const FRESH_FULL: Row = wire("wire limit: fresh, full handshake", "fresh");

/// As rustls does it unless told otherwise, and with it lettre and mail-send.
const FRESH_RESUMED: Row = wire("wire limit: fresh, TLS resumed", "fresh-resumed");

const FRESH: &[Row] = &[
    FRESH_FULL,
    ours("everpost, PoolPolicy::fresh", "fresh", FRESH_FULL.label, &[LIMIT]),
    FRESH_RESUMED,
    ours("everpost, fresh, resumption(true)", "fresh-resumed", FRESH_RESUMED.label, &[LIMIT]),
    peer("lettre, no pool", Program::Rust("lettre"), "fresh"),
    peer("lettre, no pool, + NODELAY", Program::RustNodelay("lettre"), "fresh"),
    peer("mail-send, fresh", Program::Rust("mail-send"), "fresh"),
    peer("mail-send, fresh, + NODELAY", Program::RustNodelay("mail-send"), "fresh"),
    peer("smtplib, fresh", Program::Python("smtplib_peer.py"), "fresh"),
    peer("aiosmtplib, fresh", Program::Python("aiosmtplib_peer.py"), "fresh"),
    peer("nodemailer, no pool", Program::Node("nodemailer_peer.mjs"), "fresh"),
];

const SEND: &str = "everpost, send";
const SEND_BDAT: &str = "everpost, send, chunking";
const BATCH: &str = "everpost, send_all";

pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "small",
        title: "2 KB, one connection, loopback",
        size: Size::Small,
        connections: 1,
        far: false,
        seconds: 1.0,
        rows: &[
            GROUPED,
            ours(SEND, "send", GROUPED.label, &[LIMIT, Goal::BestPeer(1.5)]),
            ours("everpost, send, two threads", "send-threads", GROUPED.label, &[]),
            CHAINED,
            ours(BATCH, "batch", CHAINED.label, &[LIMIT, Goal::BestPeer(3.0)]),
            BDAT,
            ours(SEND_BDAT, "send-bdat", BDAT.label, &[LIMIT]),
            LETTRE,
            LETTRE_NODELAY,
            MAIL_SEND,
            MAIL_SEND_NODELAY,
            SMTPLIB,
            AIOSMTPLIB,
            NODEMAILER,
        ],
    },
    Table {
        name: "small4",
        title: "2 KB, four connections, loopback",
        size: Size::Small,
        connections: 4,
        far: false,
        seconds: 1.0,
        rows: &[
            GROUPED,
            ours("everpost, send, four tasks", "send", GROUPED.label, &[LIMIT]),
            CHAINED,
            ours(BATCH, "batch", CHAINED.label, &[LIMIT]),
            LETTRE,
            LETTRE_NODELAY,
            MAIL_SEND,
            MAIL_SEND_NODELAY,
            AIOSMTPLIB,
            NODEMAILER,
        ],
    },
    Table {
        name: "fresh",
        title: "2 KB, a connection for each message, loopback",
        size: Size::Small,
        connections: 1,
        far: false,
        seconds: 1.0,
        rows: FRESH,
    },
    Table {
        name: "far",
        title: "2 KB, one connection, 40 ms",
        size: Size::Small,
        connections: 1,
        far: true,
        seconds: 2.0,
        rows: &[
            GROUPED,
            ours(SEND, "send", GROUPED.label, &[LIMIT, Goal::RoundTrips(2.1)]),
            CHAINED,
            ours(BATCH, "batch", CHAINED.label, &[LIMIT, Goal::RoundTrips(1.1)]),
            BDAT,
            ours(SEND_BDAT, "send-bdat", BDAT.label, &[LIMIT]),
            LETTRE,
            LETTRE_NODELAY,
            MAIL_SEND,
            MAIL_SEND_NODELAY,
            SMTPLIB,
            AIOSMTPLIB,
            NODEMAILER,
        ],
    },
    Table {
        name: "far4",
        title: "2 KB, four connections, 40 ms",
        size: Size::Small,
        connections: 4,
        far: true,
        seconds: 2.0,
        rows: &[
            CHAINED,
            ours(BATCH, "batch", CHAINED.label, &[LIMIT]),
            LETTRE_NODELAY,
            MAIL_SEND_NODELAY,
            AIOSMTPLIB,
            NODEMAILER,
        ],
    },
    Table {
        name: "farfresh",
        title: "2 KB, a connection for each message, 40 ms",
        size: Size::Small,
        connections: 1,
        far: true,
        seconds: 2.0,
        rows: FRESH,
    },
    Table {
        name: "large",
        title: "5 MB, one connection, loopback",
        size: Size::Large,
        connections: 1,
        far: false,
        seconds: 1.5,
        rows: &[
            GROUPED,
            ours(SEND, "send", GROUPED.label, &[LIMIT, Goal::BestPeer(2.5)]),
            ours(
                "everpost, send, from_file",
                "send-file",
                GROUPED.label,
                &[Goal::Memory(10_000_000)],
            ),
            BDAT_LATE,
            ours(SEND_BDAT, "send-bdat", BDAT_LATE.label, &[LIMIT]),
            LETTRE,
            LETTRE_NODELAY,
            MAIL_SEND,
            MAIL_SEND_NODELAY,
            SMTPLIB,
            AIOSMTPLIB,
            NODEMAILER,
        ],
    },
    Table {
        name: "farlarge",
        title: "5 MB, one connection, 40 ms without a limit of bandwidth",
        size: Size::Large,
        connections: 1,
        far: true,
        seconds: 2.0,
        rows: &[
            GROUPED,
            ours(SEND, "send", GROUPED.label, &[LIMIT]),
            BDAT_LATE,
            ours(SEND_BDAT, "send-bdat", BDAT_LATE.label, &[LIMIT]),
            LETTRE_NODELAY,
            MAIL_SEND_NODELAY,
            SMTPLIB,
            NODEMAILER,
        ],
    },
];

/// The names of all tables.
pub(crate) fn names() -> Vec<&'static str> {
    TABLES.iter().map(|table| table.name).collect()
}

/// The tables as a list for `--help`.
pub(crate) fn help() -> String {
    let lines = TABLES.iter().map(|table| format!("  {:<10}{}", table.name, table.title));
    format!("Tables:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
