//! What came of a table: medians, ratios and goals, in Markdown.

use std::fmt;
use std::fs;

use crate::job::Answer;
use crate::plan::{Goal, ROUND_TRIP, Row, Size, Table};

/// The answers of a table's clients, by row and round.
pub(crate) struct Results {
    table: &'static Table,
    answers: Vec<Vec<Answer>>,
}

impl Results {
    pub(crate) fn new(table: &'static Table) -> Self {
        Results { table, answers: vec![Vec::new(); table.rows.len()] }
    }

    pub(crate) fn add(&mut self, row: usize, answer: Answer) {
        self.answers[row].push(answer);
    }

    fn median(&self, row: usize, of: impl Fn(&Answer) -> Option<f64>) -> Option<f64> {
        median(self.answers[row].iter().filter_map(of).collect())
    }

    fn rate(&self, row: usize) -> Option<f64> {
        self.median(row, |answer| Some(rate(answer)))
    }

    /// How many times as fast as another row, round by round.
    fn ratio(&self, row: usize, other: usize) -> Option<f64> {
        let rounds = self.answers[row].iter().zip(&self.answers[other]);
        median(rounds.map(|(ours, theirs)| rate(ours) / rate(theirs)).collect())
    }

    fn of_limit(&self, row: usize) -> Option<f64> {
        let limit = self.table.rows[row].limit?;
        let other = self.table.rows.iter().position(|row| row.label == limit)?;
        self.ratio(row, other)
    }

    fn best_peer(&self) -> Option<usize> {
        let peers =
            (0..self.table.rows.len()).filter(|&row| self.table.rows[row].program.is_peer());
        let rated = peers.filter_map(|row| Some((row, self.rate(row)?)));
        rated.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(row, _)| row)
    }

    fn round_trips(&self, row: usize) -> Option<f64> {
        let each = self.table.connections as f64 / self.rate(row)?;
        self.table.far.then(|| each / ROUND_TRIP.as_secs_f64())
    }

    fn memory(&self, row: usize) -> Option<u64> {
        self.answers[row].iter().filter_map(|answer| answer.peak_memory).max()
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table;
        let shape = match (table.far, table.size) {
            (true, _) => " round trips each |",
            (false, Size::Large) => " MB/s |",
            (false, Size::Small) => "",
        };
        let rule = if shape.is_empty() { "" } else { " ---: |" };
        writeln!(f, "### {} (`{}`)\n", table.title, table.name)?;
        writeln!(
            f,
            "| client | messages/s |{shape} of its wire limit | × best peer | CPU each | peak memory |"
        )?;
        writeln!(f, "| --- | ---: |{rule} ---: | ---: | ---: | ---: |")?;
        let best = self.best_peer();
        for (index, row) in table.rows.iter().enumerate() {
            let Some(rate) = self.rate(index) else { continue };
            let shape = match (self.round_trips(index), table.size) {
                (Some(trips), _) => format!(" {trips:.2} |"),
                (None, Size::Large) => format!(" {:.0} |", rate * table.size.bytes() as f64 / 1e6),
                (None, Size::Small) => String::new(),
            };
            let limit = cell(self.of_limit(index), |ratio| format!("{:.0} %", 100.0 * ratio));
            let peer = best.and_then(|best| self.ratio(index, best));
            let peer = cell(peer, |ratio| format!("{ratio:.2}"));
            let cpu = self.median(index, |answer| Some(answer.cpu? / answer.messages as f64));
            let cpu = cell(cpu, |seconds| format!("{:.0} µs", 1e6 * seconds));
            let memory = cell(self.memory(index), |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
            let name = if row.goals.is_empty() { row.label.to_owned() } else { bold(row.label) };
            let rate = if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
            writeln!(f, "| {name} | {rate} |{shape} {limit} | {peer} | {cpu} | {memory} |")?;
        }
        Ok(())
    }
}

/// For each goal of a table whether it is reached, in a line.
pub(crate) fn verdicts(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, row) in results.table.rows.iter().enumerate() {
        lines.extend(row.goals.iter().filter_map(|goal| verdict(results, index, row, *goal)));
    }
    lines
}

fn verdict(results: &Results, index: usize, row: &Row, goal: Goal) -> Option<String> {
    let (reached, found, wanted) = match goal {
        Goal::Limit(least) => {
            let ratio = results.of_limit(index)?;
            let found = format!("{:.0} % of the wire limit", 100.0 * ratio);
            (ratio >= least, found, format!("at least {:.0} %", 100.0 * least))
        }
        Goal::BestPeer(least) => {
            let best = results.best_peer()?;
            let ratio = results.ratio(index, best)?;
            let found = format!("{ratio:.2} × {}", results.table.rows[best].label);
            (ratio >= least, found, format!("at least {least:.1} ×"))
        }
        Goal::RoundTrips(most) => {
            let trips = results.round_trips(index)?;
            (trips <= most, format!("{trips:.2} round trips"), format!("at most {most:.1}"))
        }
        Goal::Memory(most) => {
            let bytes = results.memory(index)?;
            let found = format!("{:.1} MB of memory", bytes as f64 / 1e6);
            (bytes <= most, found, format!("at most {:.0} MB", most as f64 / 1e6))
        }
    };
    let word = if reached { "held" } else { "MISSED" };
    Some(format!("{word}: {}, {}: {found}, {wanted}", results.table.name, row.label))
}

/// The machine, in a line.
pub(crate) fn machine(pins: bool) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or(std::env::consts::ARCH);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let pinned = if pins { ", clients on the first, the server on the second" } else { "" };
    let load = if load.is_empty() { String::new() } else { format!(", load {load} at the start") };
    format!("{}: {processors} × {model}{pinned}{load}", std::env::consts::OS)
}

/// Messages per second.
pub(crate) fn rate(answer: &Answer) -> f64 {
    answer.messages as f64 / answer.seconds
}

pub(crate) fn bold(text: &str) -> String {
    format!("**{text}**")
}

pub(crate) fn cell<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map(show).unwrap_or_default()
}

/// Of an even number the lower of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Program, TABLES};

    fn answer(messages: u64) -> Answer {
        Answer { messages, total: messages, seconds: 1.0, cpu: None, peak_memory: None }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_the_rounds() {
        let mut results = Results::new(&TABLES[0]);
        for (ours, theirs) in [(10, 100), (60, 100), (40, 50)] {
            results.add(1, answer(ours));
            results.add(0, answer(theirs));
        }
        assert_eq!(results.of_limit(1), Some(0.6));
    }

    #[test]
    fn every_limit_is_a_wire_row_of_the_same_table() {
        for table in TABLES {
            for limit in table.rows.iter().filter_map(|row| row.limit) {
                let found = table.rows.iter().find(|row| row.label == limit);
                assert!(found.is_some_and(|row| row.program == Program::Wire), "{limit}");
            }
        }
    }

    #[test]
    fn the_best_peer_is_neither_everpost_nor_the_wire() {
        let mut results = Results::new(&TABLES[0]);
        (0..TABLES[0].rows.len()).for_each(|row| results.add(row, answer(100 - row as u64)));
        let best = results.best_peer().map(|row| TABLES[0].rows[row].label);
        assert_eq!(best, Some("lettre, pool"));
    }
}
