//! Everpost through each binding, beside its core: what share of the messages
//! is left when another language sends them.
//!
//! ```text
//! round: core ─ C ─ core ─ .NET ─ core ─ Python ─ core …
//!          └─ ratio ─┘ └─ ratio ──┘
//! ```
//!
//! A subject is a command that takes one job and answers with one line, as
//! every client here does. It stands between two turns of the core, and its
//! ratio is that to the mean of its two neighbours: a minute in which the
//! machine has other work hits all three.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde::Deserialize;

use crate::ground::{Failure, Ground, command};
use crate::job::{Answer, Job};
use crate::plan::Size;
use crate::table::{bold, cell, machine, median, rate};

/// What a binding is to reach of the core. Said, never asserted.
const GOAL: f64 = 0.9;

/// How many messages are under way at the same time.
const CONCURRENT: [usize; 2] = [1, 8];

/// The core, as a program under `#[tokio::main]` calls it, in the share of
/// which all are told; and as one thread does everything.
const CORE: &str = "core";
const CORE_ONE_THREAD: &str = "core, one thread";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A file with the subjects: a list in JSON
    #[arg(long, value_name = "FILE")]
    subjects: PathBuf,
    /// Only subjects whose label contains one of these
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each subject has its turn
    #[arg(long, value_name = "N", default_value_t = 7)]
    rounds: usize,
    /// The time of a turn, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.7)]
    seconds: f64,
    /// Only so many messages at the same time
    #[arg(long, value_name = "N")]
    concurrent: Option<usize>,
}

/// A client in some language, in one of its ways to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    label: String,
    /// The program and its arguments; the job comes after them.
    command: Vec<String>,
    #[serde(default)]
    env: HashMap<String, String>,
    how: String,
    /// With how many messages at the same time it is measured.
    concurrent: Vec<usize>,
    /// Whether it is Everpost in another language, and has a goal to reach;
    /// otherwise it is what that language has instead.
    binding: bool,
    /// How long it sends before it is measured: what is compiled as it runs
    /// takes its time.
    #[serde(default)]
    warm: f64,
}

impl Subject {
    fn core(label: &str, how: &str) -> Result<Self, Failure> {
        let this = std::env::current_exe()?.to_str().ok_or("the path is not Unicode")?.to_owned();
        Ok(Subject {
            label: label.to_owned(),
            command: [this.as_str(), "peer", "everpost"].map(str::to_owned).into(),
            env: HashMap::new(),
            how: how.to_owned(),
            concurrent: CONCURRENT.into(),
            binding: false,
            warm: 0.0,
        })
    }

    fn command(&self, pins: bool) -> Option<Command> {
        let (program, arguments) = self.command.split_first()?;
        let mut client = command(pins, program, 0);
        client.args(arguments).envs(&self.env);
        Some(client)
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let begin = Instant::now();
    let subjects: Vec<Subject> = serde_json::from_slice(&fs::read(&options.subjects)?)?;
    let chosen = |subject: &Subject| {
        options.only.is_empty() || options.only.iter().any(|text| subject.label.contains(text))
    };
    let mut subjects: Vec<Subject> = subjects.into_iter().filter(chosen).collect();
    subjects.insert(0, Subject::core(CORE_ONE_THREAD, "send")?);
    let core = Subject::core(CORE, "send-tasks")?;
    let ground = Ground::start()?;
    println!("{}", machine(ground.pins));
    for concurrent in CONCURRENT {
        if options.concurrent.is_none_or(|only| only == concurrent) {
            let subjects = subjects.iter().filter(|it| it.concurrent.contains(&concurrent));
            let bench = Bench { ground: &ground, options, concurrent };
            println!("\n{}", bench.measure(&core, &subjects.collect::<Vec<_>>())?);
        }
    }
    println!("{} s in all", begin.elapsed().as_secs());
    Ok(())
}

struct Bench<'a> {
    ground: &'a Ground,
    options: &'a Options,
    concurrent: usize,
}

/// A subject's turns, and of each its ratio to the core beside it.
#[derive(Default)]
struct Turns {
    answers: Vec<Answer>,
    ratios: Vec<f64>,
}

impl Bench<'_> {
    fn measure(&self, core: &Subject, subjects: &[&Subject]) -> Result<String, Failure> {
        let mut cores = Turns::default();
        let mut turns: Vec<Turns> = subjects.iter().map(|_| Turns::default()).collect();
        for round in 1..=self.options.rounds {
            let mut before = self.turn(round, core)?;
            for (subject, turns) in subjects.iter().zip(&mut turns) {
                let answer = self.turn(round, subject)?;
                let after = self.turn(round, core)?;
                turns.ratios.push(rate(&answer) / ((rate(&before) + rate(&after)) / 2.0));
                turns.answers.push(answer);
                cores.answers.push(std::mem::replace(&mut before, after));
            }
            cores.answers.push(before);
        }
        eprint!("\r\x1b[K");
        let rows = std::iter::once((core, &cores)).chain(subjects.iter().copied().zip(&turns));
        Ok(table(self.concurrent, rows))
    }

    fn turn(&self, round: usize, subject: &Subject) -> Result<Answer, Failure> {
        eprint!("\r\x1b[K{} at once: round {round}: {}", self.concurrent, subject.label);
        let client = subject.command(self.ground.pins).ok_or("a subject without a command")?;
        let job = self.ground.job(&subject.how, Size::Small, self.concurrent, self.options.seconds);
        let job = Job { warm: job.warm.max(subject.warm), ..job };
        self.ground.turn(&subject.label, &job, client)
    }
}

/// The figures in Markdown; what is below the goal is marked.
fn table<'a>(concurrent: usize, rows: impl Iterator<Item = (&'a Subject, &'a Turns)>) -> String {
    let title = if concurrent == 1 { "one" } else { "eight" };
    let mut text = format!(
        "### 2 KB, {title} at the same time\n\n\
         | client | messages/s | of the core | CPU each | peak memory |\n\
         | --- | ---: | ---: | ---: | ---: |\n"
    );
    for (subject, Turns { answers, ratios }) in rows {
        let rates = answers.iter().map(rate).collect();
        let cpu = answers.iter().filter_map(|it| Some(it.cpu? / it.messages as f64)).collect();
        let memory = answers.iter().filter_map(|it| it.peak_memory).max();
        let name = if subject.binding { bold(&subject.label) } else { subject.label.clone() };
        let ratio = cell(median(ratios.clone()), |ratio| {
            let mark = if subject.binding && ratio < GOAL { " (MISSED)" } else { "" };
            format!("{:.0} %{mark}", 100.0 * ratio)
        });
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "| {name} | {} | {ratio} | {} | {} |",
            cell(median(rates), |rate| format!("{rate:.0}")),
            cell(median(cpu), |seconds| format!("{:.0} µs", 1e6 * seconds)),
            cell(memory, |bytes| format!("{:.1} MB", bytes as f64 / 1e6)),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(binding: bool) -> Subject {
        Subject { binding, ..Subject::core("C", "started").unwrap() }
    }

    fn row(subject: &Subject, ratios: &[f64]) -> String {
        let answer = Answer { messages: 10, total: 10, seconds: 1.0, cpu: None, peak_memory: None };
        let turns = Turns { answers: vec![answer], ratios: ratios.to_vec() };
        table(8, std::iter::once((subject, &turns))).lines().last().unwrap().to_owned()
    }

    #[test]
    fn a_binding_is_marked_when_the_median_of_its_ratios_is_below_the_goal() {
        assert!(row(&subject(true), &[0.5, 0.95, 0.91]).contains(" 91 % |"));
        assert!(row(&subject(true), &[0.5, 0.95, 0.89]).contains(" 89 % (MISSED) |"));
        assert!(row(&subject(false), &[0.1]).contains(" 10 % |"), "others have no goal");
    }
}
