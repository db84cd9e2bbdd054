//! Reports in the forms that people and programs ask for: [`Output`].

mod json;
mod junit;
mod nagios;
mod table;
mod text;

use everpost::probe::{ProbeReport, prometheus};

use super::args::{Format, ProbeArgs};
use super::state::State;

/// Takes reports in order, and gives text to print as soon as it is known.
pub(super) trait Output {
    /// One more report.
    fn report(&mut self, report: ProbeReport, state: State) -> String;

    /// That was all.
    fn end(&mut self, worst: State) -> String;
}

/// The form that was asked for.
pub(super) fn new(args: &ProbeArgs) -> Box<dyn Output> {
    match args.format {
        Format::Table => Box::new(table::Table::new(args)),
        Format::Json => Box::new(json::Array::default()),
        Format::Jsonl => Box::new(json::Lines),
        Format::Prometheus => Box::new(Exposition(Vec::new())),
        Format::Nagios => Box::new(nagios::Plugin::new(args)),
        Format::Junit => Box::new(junit::Suite::new(args)),
    }
}

/// Prometheus' text: a name and all its series stand together, so that there
/// is nothing to print before the last report.
struct Exposition(Vec<ProbeReport>);

impl Output for Exposition {
    fn report(&mut self, report: ProbeReport, _: State) -> String {
        self.0.push(report);
        String::new()
    }

    fn end(&mut self, _: State) -> String {
        // A comment to Prometheus, and the end to OpenMetrics.
        prometheus(&self.0) + "# EOF\n"
    }
}
