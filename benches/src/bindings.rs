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
//!
//! The core is called in the shape that the subject has ([`CORES`]): threads
//! that wait cost as much in Rust as anywhere. What the shape itself costs is
//! told too.

use std::collections::HashMap;
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

/// The ways to call the core, which have the names of what subjects are beside:
/// from tasks of its own runtime; from threads that wait; and awaited outside of
/// its runtime, as the event loop of another language does. All are told as
/// shares of the first one too.
const CORES: [(&str, &str); 3] = [
    ("core, tasks", "send-tasks"),
    ("core, threads", "send-blocking"),
    ("core, awaited", "send-threads"),
];

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
    /// The way to call the core that has its shape.
    beside: String,
    /// Whether it is Everpost in another language, and has a goal to reach;
    /// otherwise it is what that language has instead.
    binding: bool,
    /// How long it sends before it is measured: what is compiled as it runs
    /// takes its time.
    #[serde(default)]
    warm: f64,
}

impl Subject {
    fn core((label, how): (&str, &str)) -> Result<Self, Failure> {
        let this = std::env::current_exe()?.to_str().ok_or("the path is not Unicode")?.to_owned();
        Ok(Subject {
            label: label.to_owned(),
            command: [this.as_str(), "peer", "everpost"].map(str::to_owned).into(),
            env: HashMap::new(),
            how: how.to_owned(),
            concurrent: CONCURRENT.into(),
            beside: CORES[0].0.to_owned(),
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
    let subjects: Vec<Subject> = subjects.into_iter().filter(chosen).collect();
    let cores = CORES.map(Subject::core).into_iter().collect::<Result<Vec<_>, _>>()?;
    let ground = Ground::start()?;
    println!("{}", machine(ground.pins));
    for concurrent in CONCURRENT {
        if options.concurrent.is_none_or(|only| only == concurrent) {
            let bench = Bench { ground: &ground, options, concurrent };
            let groups = cores.iter().map(|core| bench.turns(core, &cores, &subjects));
            let measured = groups.collect::<Result<Vec<_>, _>>()?;
            println!("\n{}", table(concurrent, &measured));
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

/// A way to call the core, and what is beside it.
struct Group<'a> {
    core: (&'a Subject, Turns),
    beside: Vec<(&'a Subject, Turns)>,
}

impl Bench<'_> {
    /// The turns of all that is held against a way to call the core; against
    /// the first way also the other ways.
    fn turns<'a>(
        &self,
        core: &'a Subject,
        cores: &'a [Subject],
        subjects: &'a [Subject],
    ) -> Result<Group<'a>, Failure> {
        let chosen = |it: &&Subject| {
            it.beside == core.label
                && it.label != core.label
                && it.concurrent.contains(&self.concurrent)
        };
        let subjects = cores.iter().chain(subjects).filter(chosen);
        let mut group = Group {
            core: (core, Turns::default()),
            beside: subjects.map(|subject| (subject, Turns::default())).collect(),
        };
        for round in 1..=self.options.rounds {
            let mut before = self.turn(round, core)?;
            for (subject, turns) in &mut group.beside {
                let answer = self.turn(round, subject)?;
                let after = self.turn(round, core)?;
                turns.ratios.push(rate(&answer) / ((rate(&before) + rate(&after)) / 2.0));
                turns.answers.push(answer);
                group.core.1.answers.push(std::mem::replace(&mut before, after));
            }
            group.core.1.answers.push(before);
        }
        eprint!("\r\x1b[K");
        Ok(group)
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
fn table(concurrent: usize, groups: &[Group<'_>]) -> String {
    let title = if concurrent == 1 { "one" } else { "eight" };
    let mut text = format!(
        "### 2 KB, {title} at the same time\n\n\
         | client | messages/s | of its shape | of the core | CPU each | peak memory |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for group in groups {
        let (core, turns) = &group.core;
        // What the shape costs was measured beside the first one.
        let shape = groups[0].beside.iter().find(|(it, _)| it.label == core.label);
        let shape = shape.map_or(Some(1.0), |(_, turns)| median(turns.ratios.clone()));
        text += &row(core, turns, None, shape);
        for (subject, turns) in group.beside.iter().filter(|(it, _)| !is_core(it)) {
            let ratio = median(turns.ratios.clone());
            text += &row(subject, turns, ratio, ratio.zip(shape).map(|(own, shape)| own * shape));
        }
    }
    text
}

fn is_core(subject: &Subject) -> bool {
    CORES.iter().any(|(label, _)| *label == subject.label)
}

fn row(subject: &Subject, turns: &Turns, of_shape: Option<f64>, of_core: Option<f64>) -> String {
    let answers = &turns.answers;
    let rates = answers.iter().map(rate).collect();
    let cpu = answers.iter().filter_map(|it| Some(it.cpu? / it.messages as f64)).collect();
    let memory = answers.iter().filter_map(|it| it.peak_memory).max();
    let percent = |ratio: f64| format!("{:.0} %", 100.0 * ratio);
    let of_shape = cell(of_shape, |ratio| {
        let missed = subject.binding && ratio < GOAL;
        format!("{}{}", percent(ratio), if missed { " (MISSED)" } else { "" })
    });
    format!(
        "| {} | {} | {of_shape} | {} | {} | {} |\n",
        if subject.binding { bold(&subject.label) } else { subject.label.clone() },
        cell(median(rates), |rate| format!("{rate:.0}")),
        cell(of_core, percent),
        cell(median(cpu), |seconds| format!("{:.0} µs", 1e6 * seconds)),
        cell(memory, |bytes| format!("{:.1} MB", bytes as f64 / 1e6)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(ratios: &[f64]) -> Turns {
        let answer = Answer { messages: 10, total: 10, seconds: 1.0, cpu: None, peak_memory: None };
        Turns { answers: vec![answer], ratios: ratios.to_vec() }
    }

    fn lines(binding: bool, ratios: &[f64]) -> Vec<String> {
        let cores = CORES.map(|core| Subject::core(core).unwrap());
        let subject = Subject {
            label: "C".to_owned(),
            beside: CORES[1].0.to_owned(),
            binding,
            ..Subject::core(CORES[1]).unwrap()
        };
        let groups = [
            Group {
                core: (&cores[0], turns(&[])),
                beside: vec![(&cores[1], turns(&[0.5])), (&cores[2], turns(&[0.8]))],
            },
            Group { core: (&cores[1], turns(&[])), beside: vec![(&subject, turns(ratios))] },
        ];
        table(8, &groups).lines().skip(4).map(str::to_owned).collect()
    }

    #[test]
    fn a_binding_is_marked_when_the_median_of_its_ratios_is_below_the_goal() {
        assert!(lines(true, &[0.5, 0.95, 0.91])[2].contains(" 91 % |"));
        assert!(lines(true, &[0.5, 0.95, 0.89])[2].contains(" 89 % (MISSED) |"));
        assert!(lines(false, &[0.1])[2].contains(" 10 % |"), "others have no goal");
    }

    #[test]
    fn what_the_shape_costs_is_told_with_the_share_of_the_core() {
        let lines = lines(true, &[0.9]);
        assert!(lines[0].contains("core, tasks") && lines[0].contains(" 100 % |"), "{lines:?}");
        assert!(lines[1].contains("core, threads") && lines[1].contains(" 50 % |"), "{lines:?}");
        assert!(lines[2].contains("**C**") && lines[2].contains(" 90 % | 45 % |"), "{lines:?}");
        assert_eq!(lines.len(), 3, "the other shapes have rows of their own");
    }
}
