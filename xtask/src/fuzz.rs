//! `cargo xtask fuzz`: the fuzz targets, for as long as is asked.
//!
//! Two engines: *mutate* is a test of the core, and of `ffi-c`, and works
//! wherever the tests do; *libfuzzer* looks at which code an input reaches, and so finds its way
//! into the unlikely. It is built with the options that cargo-fuzz uses,
//! which the stable compiler has as well, and needs a C++ compiler.

use std::fs;
use std::process::Command;

use clap::ValueEnum;

use crate::command::{Failure, cargo, run, run_and_keep};
use crate::root;

/// The targets: those of `everpost::fuzzing::TARGETS` in their order, then the
/// one of `ffi-c`.
pub(crate) const TARGETS: &[&str] = &[
    "reply",
    "capabilities",
    "auth",
    "message",
    "url",
    "session",
    "certificate",
    "pfx",
    "legacy",
    ABI,
];

/// The C ABI, whose test is one of `ffi-c`.
const ABI: &str = "abi";

/// What brings the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Mutations of the corpus, blindly.
    Mutate,
    /// Mutations of whatever has reached new code. Its first build takes
    /// minutes, and it needs a C++ compiler.
    Libfuzzer,
}

/// The instrumentation that libFuzzer wants, and assertions.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Cdebug-assertions -Ccodegen-units=1";

/// Where libFuzzer is built, and where it keeps what it has learned.
const BUILD: &str = "target/libfuzzer";

/// Runs the targets named, or all, each for some seconds. Returns whether all
/// of them held.
pub(crate) fn fuzz(engine: Engine, seconds: u32, chosen: &[String]) -> bool {
    let wanted = |name: &&str| chosen.is_empty() || chosen.iter().any(|other| other == name);
    let targets: Vec<_> = TARGETS.iter().copied().filter(wanted).collect();
    let result = match engine {
        Engine::Libfuzzer => libfuzzer(seconds, &targets),
        Engine::Mutate => mutate(seconds, None, &targets),
    };
    println!("\n== summary");
    match &result {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            println!("every target held");
        }
        Err(failure) => println!("FAILED: {failure}"),
    }
    result.is_ok()
}

/// A short run of every target, as a step of the tests. Its seed does not
/// change: whether a change of the code passes depends on the code alone.
pub(crate) fn check() -> Result<(), Failure> {
    mutate(5, Some(2), TARGETS).map(drop)
}

fn mutate(seconds: u32, seed: Option<u64>, targets: &[&str]) -> Result<Vec<String>, Failure> {
    let of_the_core = targets.iter().filter(|name| **name != ABI);
    let of_the_core: Vec<_> = of_the_core.map(|name| format!("{name}::")).collect();
    let mut tests = Vec::new();
    if !of_the_core.is_empty() {
        tests.push((["--test", "fuzz"].as_slice(), of_the_core));
    }
    if targets.contains(&ABI) {
        tests.push((&["--lib"], vec!["tests::fuzz::abi".to_owned()]));
    }
    let mut held = Vec::new();
    let mut failed = Vec::new();
    for (which, names) in tests {
        let mut command = cargo(&["test", "--workspace", "--all-features"]);
        command.args(which).args(["--", "--nocapture"]).args(names);
        command.env("EVERPOST_FUZZ_SECONDS", seconds.to_string());
        if let Some(seed) = seed {
            command.env("EVERPOST_FUZZ_SEED", seed.to_string());
        }
        let (result, lines) = run_and_keep(command);
        failed.extend(result.err());
        held.extend(lines.into_iter().filter(|line| line.contains(" inputs held in ")));
    }
    match failed.is_empty() {
        true => Ok(held),
        false => Err(format!("{}; what failed is kept in target/fuzz", failed.join("; "))),
    }
}

fn libfuzzer(seconds: u32, targets: &[&str]) -> Result<Vec<String>, Failure> {
    let host = host()?;
    let manifest = ["--manifest-path", "fuzz/Cargo.toml", "--target-dir", BUILD];
    let mut build = cargo(&["build", "--release", "--target", &host]);
    build.args(manifest).env("RUSTFLAGS", RUSTFLAGS);
    for name in targets {
        build.args(["--bin", name]);
    }
    run(build)?;

    let mut report = Vec::new();
    let mut failed = Vec::new();
    for name in targets {
        let learned = format!("{BUILD}/corpus/{name}");
        let kept = format!("target/fuzz/{name}/");
        for folder in [&learned, &kept] {
            fs::create_dir_all(root().join(folder)).map_err(|e| format!("{folder}: {e}"))?;
        }
        let mut command = Command::new(root().join(BUILD).join(&host).join("release").join(name));
        command.current_dir(root()).args([&learned, &format!("fuzz/corpus/{name}")]);
        command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={kept}"));
        command.args(["-max_len=4096", "-timeout=10", "-print_final_stats=1", "-verbosity=0"]);
        let (result, lines) = run_and_keep(command);
        let runs =
            lines.iter().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        report.push(format!("{name}: {} inputs held in {seconds} s", runs.unwrap_or("?").trim()));
        if result.is_err() {
            failed.push(format!("{name} (the input is in {kept})"));
        }
    }
    if failed.is_empty() { Ok(report) } else { Err(failed.join(", ")) }
}

/// The platform that is compiled for. Naming it keeps the instrumentation away
/// from build scripts.
fn host() -> Result<String, Failure> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|e| format!("rustc: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not name its host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_program_for_libfuzzer_and_a_corpus() {
        for folder in ["fuzz/fuzz_targets", "fuzz/corpus"] {
            let entries = fs::read_dir(root().join(folder)).expect("the folder");
            let name = |path: std::path::PathBuf| path.file_stem().map(|name| name.to_owned());
            let mut names: Vec<_> =
                entries.filter_map(|entry| name(entry.expect("an entry").path())).collect();
            let mut targets = TARGETS.to_vec();
            names.sort();
            targets.sort_unstable();
            assert_eq!(names, targets, "{folder}");
        }
    }
}
