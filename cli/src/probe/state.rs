//! What a report means to whoever reads exit codes: [`State`].

use everpost::probe::ProbeReport;
use everpost::{Axis, Severity};

use super::args::{ConnectFailure, FailOn, ProbeArgs};

/// The states of the Nagios plugins; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Ok,
    Warning,
    Unknown,
    Critical,
}

impl State {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            State::Ok => 0,
            State::Warning => 1,
            State::Critical => 2,
            State::Unknown => 3,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Unknown => "UNKNOWN",
            State::Critical => "CRITICAL",
        }
    }
}

/// How reports become states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    fail_on: FailOn,
    connect_failure: ConnectFailure,
}

impl From<&ProbeArgs> for Rules {
    fn from(args: &ProbeArgs) -> Self {
        Rules { fail_on: args.fail_on, connect_failure: args.connect_failure }
    }
}

impl Rules {
    pub(crate) fn state(self, report: &ProbeReport) -> State {
        let mut critical = report.all_findings().filter(|it| it.severity == Severity::Critical);
        let found = match report.severity() {
            Some(Severity::Critical)
                if self.connect_failure == ConnectFailure::Unknown
                    && critical.all(|it| it.axis() == Axis::Network) =>
            {
                State::Unknown
            }
            Some(Severity::Critical) => State::Critical,
            Some(Severity::Warning) => State::Warning,
            _ => State::Ok,
        };
        match self.fail_on {
            FailOn::Never => State::Ok,
            FailOn::Critical if found == State::Warning => State::Ok,
            FailOn::Critical | FailOn::Warning => found,
        }
    }
}
