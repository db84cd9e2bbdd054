//! `everpost probe` beside the programs that people look at certificates with:
//! same server, same minute, a process each.
//!
//! The programs take turns, round after round, over STARTTLS, which all of
//! them speak. What is told is the median of the rounds, and connections as
//! the server counts them.

mod measure;
mod programs;
mod server;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

pub(crate) use self::measure::measure;
use self::measure::{Cost, cost_of};
use self::programs::{Program, Scene};
pub(crate) use self::server::serve;
use crate::ground::Helper;
use crate::table::{bold, cell, machine, median};

type Failure = Box<dyn Error>;

/// How many loopback endpoints one process probes.
const MANY: usize = 1000;
/// The goals: what a process may need, and what the many may.
const MEMORY: f64 = 8.0 * 1024.0 * 1024.0;
const CPU: f64 = 2.0;

/// What to measure, and where it is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The `everpost` command
    #[arg(long, value_name = "PROGRAM")]
    everpost: PathBuf,
    /// The folder of programs that Python installed, where sslyze is
    #[arg(long, value_name = "FOLDER")]
    python_programs: Option<PathBuf>,
    /// Only programs whose name contains one of these, beside Everpost
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each program has its turn; those that take seconds have one
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let this = std::env::current_exe()?;
    let folder = this.with_file_name("bench-files");
    fs::create_dir_all(&folder)?;
    let mut server = Helper::start(std::process::Command::new(&this).arg("serve-probes"))?;
    let listening: serde_json::Value = serde_json::from_str(&server.line()?)?;
    let port: u16 = listening["port"].as_u64().ok_or("the server names no port")?.try_into()?;
    let ca = folder.join("probe-ca.pem");
    fs::write(&ca, listening["ca"].as_str().ok_or("the server has no certificate")?)?;
    let targets = folder.join("probe-targets.txt");
    fs::write(&targets, many(port).join("\n"))?;
    let scene = Scene {
        everpost: &options.everpost,
        python_programs: options.python_programs.as_deref(),
        port,
        ca: &ca,
        targets: &targets,
    };

    println!("{}", machine(false));
    let rows = table(options, &scene, &server);
    let goals = match rows {
        Ok(rows) => {
            println!("\n{}", shown(&rows));
            goals(&rows)
        }
        Err(error) => {
            server.end();
            return Err(error);
        }
    };
    server.end();
    println!("### Goals\n");
    goals.iter().for_each(|goal| println!("- {goal}"));
    Ok(())
}

/// Endpoints of their own, where the system has more than one loopback address.
fn many(port: u16) -> Vec<String> {
    let address = |index: usize| match cfg!(target_os = "linux") {
        true => format!("127.0.{}.{}:{port}", 1 + index / 250, 1 + index % 250),
        false => format!("127.0.0.1:{port}"),
    };
    (0..MANY).map(address).collect()
}

/// One program and what its turns cost.
struct Row {
    program: &'static Program,
    turns: Vec<(Cost, usize)>,
}

impl Row {
    fn median(&self, of: impl Fn(&Cost) -> Option<f64>) -> Option<f64> {
        median(self.turns.iter().filter_map(|(cost, _)| of(cost)).collect())
    }

    /// The most connections that a turn made.
    fn connections(&self) -> usize {
        self.turns.iter().map(|(_, connections)| *connections).max().unwrap_or(0)
    }
}

fn table(options: &Options, scene: &Scene<'_>, server: &Helper) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for program in programs::ALL {
        let chosen = options.only.is_empty()
            || options.only.iter().any(|it| program.name.contains(it.as_str()));
        if !chosen && !program.ours {
            continue;
        }
        // The first turn warms the caches, and shows that there is one.
        match (program.command)(scene).map(|command| cost_of(&command)) {
            Some(Ok(cost)) if program.exits.contains(&cost.exit) => {
                rows.push(Row { program, turns: Vec::new() });
            }
            Some(Ok(cost)) => println!("left out: {}: it ends with {}", program.name, cost.exit),
            _ => println!("left out: {}: it is not installed", program.name),
        }
    }
    for round in 0..options.rounds.max(1) {
        for row in rows.iter_mut().filter(|row| round == 0 || !row.program.slow) {
            let Some(command) = (row.program.command)(scene) else { continue };
            eprint!("\r\x1b[Kround {}: {}", round + 1, row.program.name);
            server.ask()?;
            let cost = cost_of(&command)?;
            if !row.program.exits.contains(&cost.exit) {
                let (name, exit) = (row.program.name, cost.exit);
                return Err(format!("{name} ended with {exit}: {command:?}").into());
            }
            row.turns.push((cost, server.ask()?.trim().parse()?));
        }
    }
    eprint!("\r\x1b[K");
    Ok(rows)
}

fn shown(rows: &[Row]) -> String {
    let mut out = "### A certificate, looked at (`probe`)\n\n\
                   | program | wall | CPU | peak memory | connections |\n\
                   | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for row in rows {
        let name =
            if row.program.ours { bold(row.program.name) } else { row.program.name.to_owned() };
        let time = |seconds: f64| match seconds {
            short if short < 0.0995 => format!("{:.1} ms", 1e3 * short),
            long if long < 1.0 => format!("{:.0} ms", 1e3 * long),
            long => format!("{long:.2} s"),
        };
        let wall = cell(row.median(|cost| Some(cost.wall)), time);
        let cpu = cell(row.median(|cost| cost.cpu), time);
        let memory =
            cell(row.median(|cost| cost.peak_memory), |it| format!("{:.1} MiB", it / 1048576.0));
        out.push_str(&format!("| {name} | {wall} | {cpu} | {memory} | {} |\n", row.connections()));
    }
    if let Some(row) = rows.iter().find(|row| row.program.name == programs::MANY) {
        let rate = row.median(|cost| Some(MANY as f64 / cost.wall));
        let rate = cell(rate, |rate| format!("{rate:.0} probes/s"));
        out.push_str(&format!(
            "\n{}: {rate}, handshakes of the server included.\n",
            programs::MANY
        ));
    }
    out
}

/// For each goal whether it is reached, in a line.
fn goals(rows: &[Row]) -> Vec<String> {
    let find = |name: &str| rows.iter().find(|row| row.program.name == name);
    let mut lines = Vec::new();
    let mut say = |reached: bool, text: String| {
        lines.push(format!("{}: probe, {text}", if reached { "held" } else { "MISSED" }));
    };
    if let (Some(ours), Some(openssl)) = (find(programs::EVERPOST), find(programs::OPENSSL)) {
        let rounds = ours.turns.iter().zip(&openssl.turns);
        let ratio =
            median(rounds.map(|((ours, _), (theirs, _))| ours.wall / theirs.wall).collect());
        if let Some(ratio) = ratio {
            say(ratio <= 1.0, format!("wall: {ratio:.2} × openssl s_client, at most 1.00 ×"));
        }
    }
    for row in rows.iter().filter(|row| row.program.ours && row.program.targets == 1) {
        let name = row.program.name;
        if let Some(bytes) = row.median(|cost| cost.peak_memory) {
            let mib = bytes / 1048576.0;
            say(bytes < MEMORY, format!("{name}: {mib:.1} MiB of memory, less than 8"));
        }
    }
    if let Some(seconds) = find(programs::MANY).and_then(|row| row.median(|cost| cost.cpu)) {
        say(seconds < CPU, format!("{MANY} endpoints: {seconds:.2} s of CPU, less than 2"));
    }
    for row in rows.iter().filter(|row| row.program.ours && row.program.targets > 0) {
        let (name, made, wanted) = (row.program.name, row.connections(), row.program.targets);
        say(made == wanted, format!("{name}: {made} connections, exactly {wanted}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_many_are_as_many_endpoints() {
        let distinct: HashSet<_> = many(2525).into_iter().collect();
        assert_eq!(distinct.len(), if cfg!(target_os = "linux") { MANY } else { 1 });
    }

    #[test]
    fn every_goal_speaks_of_a_program_that_is_run() {
        for name in [programs::EVERPOST, programs::OPENSSL, programs::MANY] {
            assert!(programs::ALL.iter().any(|program| program.name == name), "{name}");
        }
    }
}
