//! The steps of `cargo xtask test`: a table, run from top to bottom. A step
//! that fails does not keep the others from running, so that one run shows
//! every failure.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{Failure, cargo, run as execute, run_and_keep, works};
use crate::{c, dotnet, fuzz, mta, node, page, promises, python, readme, scenarios, simulation};

/// One step.
struct Step {
    /// How it is chosen on the command line.
    name: &'static str,
    /// What it makes sure of.
    what: &'static str,
    run: fn(&mut Closing) -> Result<(), Failure>,
}

/// Lines of a runner's output that are repeated at the end.
type Closing = Vec<String>;

const STEPS: &[Step] = &[
    Step { name: "fmt", what: "the code is formatted", run: fmt },
    Step { name: "clippy", what: "no lint complains, with all features", run: clippy },
    Step { name: "ring", what: "the core builds with ring alone", run: ring },
    Step {
        name: "docs",
        what: "the documentation builds, and its links lead somewhere",
        run: docs,
    },
    Step { name: "unit", what: "unit, property and integration tests pass", run: unit },
    Step {
        name: "matrix",
        what: "every fault at every stage is told as it is, shown as a grid",
        run: matrix,
    },
    Step {
        name: scenarios::NAME,
        what: "every scenario comes out the same in every language",
        run: scenarios::check,
    },
    Step { name: "fuzz", what: "the fuzz targets hold for a few seconds", run: short_fuzz },
    Step { name: "doctest", what: "examples in the documentation compile and pass", run: doctest },
    Step {
        name: "readme",
        what: "the README's commands and program work as printed",
        run: readme::check,
    },
    Step {
        name: "c",
        what: "the C library keeps what its header says, under valgrind and sanitizers too",
        run: |_| c::check(),
    },
    Step {
        name: "page",
        what: "the status page shows a rotation in Chromium, without scripts",
        run: |_| page::check(),
    },
    Step {
        name: "dotnet",
        what: "the .NET package works on CoreCLR and Mono, or with the SDK",
        run: |_| dotnet::check(),
    },
    Step {
        name: "python",
        what: "the Python package keeps its promises, on every interpreter at hand",
        run: |_| python::check(),
    },
    Step {
        name: "node",
        what: "the Node package works with nodemailer, and as it is installed",
        run: |_| node::check(),
    },
    Step {
        name: simulation::NAME,
        what: "every promise holds through simulated hours of faults",
        run: simulation::check,
    },
    Step {
        name: mta::NAME,
        what: "Postfix, Exim and openssl renew their certificates before our eyes",
        run: mta::check,
    },
];

/// Steps that run only when they are named: other steps do the same, briefly,
/// or they install mail servers.
const ON_REQUEST: &[&str] = &[simulation::NAME, mta::NAME];

/// A library that only an interpreter can load: it is tested from Python.
const PYTHON: &str = "everpost-python";

/// The names of all steps.
pub(crate) fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// The steps as a list for `--help`.
pub(crate) fn help() -> String {
    let lines = STEPS.iter().map(|step| format!("  {:<11}{}", step.name, step.what));
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("Steps:\n{lines}\nOnly when named: {}", ON_REQUEST.join(", "))
}

/// Runs the steps named, or all, and `mta` too if asked. Returns whether all of
/// them passed.
pub(crate) fn run(chosen: &[String], with_mta: bool) -> bool {
    let mut closing = Closing::new();
    let mut results = Vec::new();
    let begin = Instant::now();
    for step in STEPS {
        let named = chosen.iter().any(|name| name == step.name);
        let by_default = chosen.is_empty() && !ON_REQUEST.contains(&step.name);
        let asked_for = with_mta && step.name == mta::NAME;
        if !named && !by_default && !asked_for {
            continue;
        }
        println!("\n== {}: {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)(&mut closing);
        let took = start.elapsed();
        match &result {
            Ok(()) => println!("== {}: ok, {}", step.name, seconds(took)),
            Err(failure) => println!("== {}: FAILED, {}: {failure}", step.name, seconds(took)),
        }
        results.push((step, result, took));
    }

    if !closing.is_empty() {
        println!("\n== the test runner's closing lines");
        closing.iter().for_each(|line| println!("{line}"));
    }
    println!("\n== summary");
    for (step, result, took) in &results {
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{:<11}{word:<8}{:>9}  {}", step.name, seconds(*took), step.what);
    }
    let failed: Vec<_> = results
        .iter()
        .filter(|(_, result, _)| result.is_err())
        .map(|(step, ..)| step.name)
        .collect();
    let total = seconds(begin.elapsed());
    if failed.is_empty() {
        println!("passed: {} of {} steps in {total}", results.len(), results.len());
    } else {
        println!(
            "FAILED: {} ({} of {} steps) in {total}",
            failed.join(", "),
            failed.len(),
            results.len()
        );
    }
    failed.is_empty()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn fmt(_: &mut Closing) -> Result<(), Failure> {
    have_component("fmt", "rustfmt")?;
    execute(cargo(&["fmt", "--all", "--check", "--message-format", "short"]))
        .map_err(|failure| format!("{failure}; run cargo fmt --all"))?;
    // A workspace of its own.
    let benches = ["fmt", "--manifest-path", "benches/Cargo.toml"];
    let mut check = cargo(&benches);
    check.args(["--check", "--message-format", "short"]);
    execute(check).map_err(|failure| format!("{failure}; run cargo {}", benches.join(" ")))
}

fn clippy(_: &mut Closing) -> Result<(), Failure> {
    have_component("clippy", "clippy")?;
    execute(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        // Not among all targets: it runs only when named.
        "--test",
        "mta",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))
}

fn ring(_: &mut Closing) -> Result<(), Failure> {
    execute(cargo(&["check", "-p", "everpost", "--no-default-features", "--features", "ring"]))
}

fn docs(_: &mut Closing) -> Result<(), Failure> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    execute(command)?;
    promises::check()
}

fn unit(closing: &mut Closing) -> Result<(), Failure> {
    let nextest = works(cargo(&["nextest", "--version"]));
    let (result, lines) = if nextest {
        let mut command = cargo(&["nextest", "run", "--workspace", "--all-features"]);
        command.args(["--no-fail-fast", "--exclude", PYTHON]);
        run_and_keep(command)
    } else {
        println!("   cargo-nextest is not installed: cargo test runs the tests, and is slower");
        let mut command = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
        // Not the documentation's examples, which have their own step.
        command.args(["--lib", "--bins", "--tests", "--exclude", PYTHON]);
        run_and_keep(command)
    };
    closing.extend(closing_lines(&lines));
    result
}

/// Again, for its grid, which the runner of all tests does not show.
fn matrix(_: &mut Closing) -> Result<(), Failure> {
    let mut command = cargo(&["test", "--workspace", "--all-features", "--test", "matrix"]);
    command.args(["--", "--nocapture"]);
    execute(command)
}

fn short_fuzz(_: &mut Closing) -> Result<(), Failure> {
    fuzz::check()
}

fn doctest(_: &mut Closing) -> Result<(), Failure> {
    execute(cargo(&["test", "--doc", "--workspace", "--all-features", "--exclude", PYTHON]))
}

/// Makes sure of a component that a minimal toolchain lacks.
fn have_component(subcommand: &str, component: &str) -> Result<(), Failure> {
    if works(cargo(&[subcommand, "--version"])) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", component]);
    execute(rustup).map_err(|failure| format!("{component} is missing ({failure})"))
}

/// From nextest's summary on; of `cargo test` the result of each binary that
/// had tests.
fn closing_lines(lines: &[String]) -> Vec<String> {
    let summary = |line: &String| line.contains("Summary") && line.contains("tests run");
    match lines.iter().rposition(summary) {
        Some(from) => lines[from..].to_vec(),
        None => {
            let result = |line: &&String| line.starts_with("test result:");
            let empty = |line: &&String| line.contains(" 0 passed; 0 failed");
            lines.iter().filter(|line| result(line) && !empty(line)).cloned().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_closing_lines_of_nextest_begin_with_its_summary() {
        let output =
            "  PASS [ 0.1s] a\n  Summary [ 0.3s] 2 tests run: 1 passed, 1 failed\n  FAIL b";
        assert_eq!(closing_lines(&lines(output)), lines(output)[1..]);
    }

    #[test]
    fn the_closing_lines_of_cargo_test_are_the_results_of_what_had_tests() {
        let output = "test a ... ok\ntest result: ok. 1 passed; 0 failed;\n\
                      test result: ok. 0 passed; 0 failed;\nnoise";
        assert_eq!(closing_lines(&lines(output)), ["test result: ok. 1 passed; 0 failed;"]);
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
