//! JSON: an array, or a report in a line.

use everpost::probe::ProbeReport;

use super::super::state::State;
use super::Output;

/// One report in each line.
pub(super) struct Lines;

impl Output for Lines {
    fn report(&mut self, report: ProbeReport, _: State) -> String {
        format!("{}\n", report.to_json())
    }

    fn end(&mut self, _: State) -> String {
        String::new()
    }
}

/// One array of all reports.
#[derive(Default)]
pub(super) struct Array {
    begun: bool,
}

impl Output for Array {
    fn report(&mut self, report: ProbeReport, _: State) -> String {
        let before = if std::mem::replace(&mut self.begun, true) { ",\n" } else { "[\n" };
        format!("{before}{:#}", report.to_json())
    }

    fn end(&mut self, _: State) -> String {
        if self.begun { "\n]\n".to_owned() } else { "[]\n".to_owned() }
    }
}
