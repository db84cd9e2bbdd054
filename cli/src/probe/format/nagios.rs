//! A line as the Nagios plugins write it, performance data included; further
//! lines for several targets.
//!
//! <https://www.monitoring-plugins.org/doc/guidelines.html>: everything up to
//! `|` is shown, what follows is `'label'=value[unit];warn;crit;min;max`.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use everpost::certificate::Threshold;
use everpost::probe::ProbeReport;

use super::super::args::ProbeArgs;
use super::super::state::State;
use super::Output;

/// What monitoring shows.
pub(super) struct Plugin {
    warning: Threshold,
    critical: Threshold,
    targets: Vec<(State, String)>,
    data: String,
}

impl Plugin {
    pub(super) fn new(args: &ProbeArgs) -> Self {
        let (warning, critical) = (args.warn, args.crit);
        Plugin { warning, critical, targets: Vec::new(), data: String::new() }
    }

    /// The time of the probe, and what is left of each leaf. A range ends
    /// with a colon: an alert is for less than that.
    fn measure(&mut self, report: &ProbeReport) {
        let target = label(&report.target.to_string());
        let took = report.duration.as_secs_f64();
        // Writing to a string cannot fail.
        let _ = write!(self.data, " '{target} time'={took:.6}s;;;0;");
        for (_, address) in report.addresses() {
            let Some(leaf) = address.certificate.as_ref().and_then(|it| it.leaf()) else {
                continue;
            };
            let lifetime = leaf.not_after().duration_since(leaf.not_before()).unwrap_or_default();
            let left = seconds_until(leaf.not_after(), report.judged_at);
            let [warning, critical] =
                [self.warning, self.critical].map(|it| it.of(lifetime).as_secs());
            let _ = write!(
                self.data,
                " '{target} {} left'={left}s;{warning}:;{critical}:;;{}",
                address.address.ip(),
                lifetime.as_secs()
            );
        }
    }
}

impl Output for Plugin {
    fn report(&mut self, report: ProbeReport, state: State) -> String {
        self.measure(&report);
        let mut text = format!("{}: {}", report.target, report.summary());
        if let Some(finding) = report.first_finding().filter(|_| state != State::Ok) {
            let _ = write!(text, "; {}", finding.remedy());
        }
        self.targets.push((state, plain(&text)));
        String::new()
    }

    fn end(&mut self, worst: State) -> String {
        let data = self.data.trim_start();
        let word = worst.as_str();
        if let [(_, text)] = &self.targets[..] {
            return format!("SMTP TLS {word} - {text} | {data}\n");
        }
        let all = self.targets.len();
        let as_bad = self.targets.iter().filter(|(state, _)| *state == worst).count();
        let mut out = match worst {
            State::Ok => format!("SMTP TLS {word} - all {all} targets"),
            _ => {
                let first = self.targets.iter().find(|(state, _)| *state == worst);
                let first = first.map_or("", |(_, text)| text);
                format!("SMTP TLS {word} - {as_bad} of {all} targets; {first}")
            }
        };
        let _ = writeln!(out, " | {data}");
        for (state, text) in self.targets.iter().filter(|(state, _)| *state != State::Ok) {
            let _ = writeln!(out, "{}: {text}", state.as_str());
        }
        out
    }
}

fn seconds_until(end: SystemTime, now: SystemTime) -> i64 {
    let whole = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => whole(left),
        Err(past) => -whole(past.duration()),
    }
}

/// Text without what ends it: a bar begins the performance data.
fn plain(text: &str) -> String {
    text.replace('|', "/").replace(['\n', '\r'], " ")
}

fn label(text: &str) -> String {
    plain(text).replace('\'', "''").replace('=', "-")
}
