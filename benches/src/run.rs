//! A run: gives every client of the tables its turns, and prints what came of
//! it.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::Options;
use crate::ground::{Failure, Ground, Helper, command};
use crate::job::Job;
use crate::plan::{Program, ROUND_TRIP, Row, TABLES, Table};
use crate::table::{Results, machine, verdicts};

/// The scripts and the shim.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let begin = Instant::now();
    let bench = Bench::start(options)?;
    println!("{}", machine(bench.ground.pins));
    for missing in bench.missing() {
        println!("left out: {missing}");
    }
    let mut goals = Vec::new();
    for table in TABLES {
        if options.tables.is_empty() || options.tables.iter().any(|name| name == table.name) {
            let results = bench.measure(table)?;
            println!("\n{results}");
            goals.extend(verdicts(&results));
        }
    }
    println!("\n### Goals\n");
    goals.iter().for_each(|goal| println!("- {goal}"));
    println!("\n{} s in all", begin.elapsed().as_secs());
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    ground: Ground,
    path: Helper,
    far_port: u16,
}

impl<'a> Bench<'a> {
    fn start(options: &'a Options) -> Result<Self, Failure> {
        let ground = Ground::start()?;
        let one_way = (ROUND_TRIP / 2).as_millis().to_string();
        let delay = ["delay".to_owned(), ground.port.to_string(), one_way];
        let this = std::env::current_exe()?;
        let mut path = Helper::start(command(ground.pins, this, 1).args(delay))?;
        let far_port = path.line()?.trim().parse()?;
        Ok(Bench { options, ground, path, far_port })
    }

    /// What cannot be run here, and why.
    fn missing(&self) -> Vec<&'static str> {
        let options = self.options;
        [
            (options.python.is_none(), "smtplib and aiosmtplib: there is no Python for them"),
            (options.node_modules.is_none(), "nodemailer: it is not installed"),
            (options.nodelay.is_none(), "the peers with NODELAY: it can be forced on Linux only"),
        ]
        .into_iter()
        .filter_map(|(missing, text)| missing.then_some(text))
        .collect()
    }

    fn measure(&self, table: &'static Table) -> Result<Results, Failure> {
        let mut results = Results::new(table);
        for round in 0..self.options.rounds {
            for (index, row) in table.rows.iter().enumerate() {
                let chosen = self.options.only.is_empty()
                    || self.options.only.iter().any(|text| row.label.contains(text.as_str()));
                if !chosen {
                    continue;
                }
                let Some(command) = self.client(row) else { continue };
                eprint!("\r\x1b[K{}: round {}: {}", table.name, round + 1, row.label);
                let answer = self.ground.turn(row.label, &self.job(table, row), command)?;
                results.add(index, answer);
            }
        }
        eprint!("\r\x1b[K");
        Ok(results)
    }

    fn job(&self, table: &Table, row: &Row) -> Job {
        let seconds = table.seconds * self.options.time;
        let mut job = self.ground.job(row.how, table.size, table.connections, seconds);
        if table.far {
            job.port = self.far_port;
        }
        job
    }

    /// The command of a client, but for its job.
    fn client(&self, row: &Row) -> Option<Command> {
        let script = |name| Path::new(SCRIPTS).join(name);
        let pins = self.ground.pins;
        let rust = |name: &str| -> Option<Command> {
            let mut client = command(pins, std::env::current_exe().ok()?, 0);
            client.arg("peer").arg(name);
            Some(client)
        };
        match row.program {
            Program::Wire => rust("wire"),
            Program::Everpost => rust("everpost"),
            Program::Rust(name) => rust(name),
            Program::RustNodelay(name) => {
                let shim = self.options.nodelay.as_ref()?;
                let mut client = rust(name)?;
                client.env("LD_PRELOAD", shim);
                Some(client)
            }
            Program::Python(name) => {
                let mut client = command(pins, self.options.python.as_ref()?, 0);
                client.arg(script(name));
                Some(client)
            }
            Program::Node(name) => {
                let mut client = command(pins, "node", 0);
                client.arg(script(name)).env("BENCH_MODULES", self.options.node_modules.as_ref()?);
                Some(client)
            }
        }
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        self.path.end();
    }
}
