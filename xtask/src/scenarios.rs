//! One behaviour, every language: the scenarios of `tests/scenarios` are handed
//! to each language's runner, and what the runners saw is held against what
//! must come out. `docs/scenarios.md` has the format.
//!
//! Runners only report. All judging is here ([`judge`]), so that no language
//! can be judged more kindly than another.

mod file;
mod judge;

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use self::file::Scenario;
use crate::command::{Failure, announce, cargo, run};
use crate::dotnet::{self, Runtime};
use crate::{c, node, python, root};

/// The step's name.
pub(crate) const NAME: &str = "scenarios";

/// The scenarios as runners read them, from the root of the workspace.
const HANDED_OUT: &str = "target/xtask/scenarios.json";

/// A language's runner.
struct Runner {
    language: &'static str,
    /// Whether it is written for this system.
    here: bool,
    /// Builds it, and returns the command that takes the path of the scenarios.
    build: fn() -> Result<Command, Failure>,
}

const RUNNERS: &[Runner] = &[
    Runner { language: "rust", here: true, build: rust },
    Runner { language: "c", here: cfg!(unix), build: c::scenarios },
    Runner { language: "csharp", here: true, build: || dotnet::program(Runtime::CoreClr, CSHARP) },
    Runner { language: "mono", here: cfg!(unix), build: || dotnet::program(Runtime::Mono, CSHARP) },
    Runner { language: "python", here: true, build: || python::scenarios("sync") },
    Runner { language: "asyncio", here: true, build: || python::scenarios("async") },
    Runner { language: "node", here: true, build: node::scenarios },
];

/// The runner in C#, from the root of the workspace.
const CSHARP: &str = "bindings-dotnet/tests/Everpost.Scenarios";

/// Which languages.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Languages {
    /// Of the scenarios: run these languages, with commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(RUNNERS.iter().map(|it| it.language)))]
    lang: Vec<String>,
}

static LANGUAGES: OnceLock<Languages> = OnceLock::new();

/// Notes what was asked for; returns the steps to run. Languages without a
/// step mean the scenarios.
pub(crate) fn choose(languages: Languages, mut steps: Vec<String>) -> Vec<String> {
    if steps.is_empty() && !languages.lang.is_empty() {
        steps.push(NAME.to_owned());
    }
    // The command line is read once.
    let _ = LANGUAGES.set(languages);
    steps
}

pub(crate) fn check(_: &mut Vec<String>) -> Result<(), Failure> {
    let chosen = LANGUAGES.get().map_or(&[][..], |languages| &languages.lang);
    let scenarios = file::read_all(&root().join("tests/scenarios"))?;
    let path = root().join(HANDED_OUT);
    let write = || {
        fs::create_dir_all(root().join("target/xtask"))?;
        fs::write(&path, file::handed_out(&scenarios).to_string())
    };
    write().map_err(|error| format!("{HANDED_OUT}: {error}"))?;

    let runners = RUNNERS.iter().filter(|runner| {
        chosen.is_empty() || chosen.iter().any(|language| language == runner.language)
    });
    let mut columns = Vec::new();
    for runner in runners {
        if !runner.here {
            println!("   {}: the runner is not written for this system", runner.language);
            continue;
        }
        let mut command = (runner.build)()?;
        command.arg(HANDED_OUT).current_dir(root());
        let begin = Instant::now();
        let lines = carry_out(command)?;
        println!("   {}: {:.1} s", runner.language, begin.elapsed().as_secs_f64());
        columns.push((runner.language, verdicts(&scenarios, &lines)?));
    }
    print_grid(&scenarios, &columns);
    let wrong = columns.iter().flat_map(|(_, verdicts)| verdicts).filter(|it| it.is_err()).count();
    match wrong {
        0 => Ok(()),
        _ => Err(format!("{wrong} scenarios came out otherwise than they must")),
    }
}

/// The example `scenarios` of the core, as the unit tests build it: once.
fn rust() -> Result<Command, Failure> {
    run(cargo(&["build", "--workspace", "--all-features", "--example", "scenarios"]))?;
    let example = format!("target/debug/examples/scenarios{}", std::env::consts::EXE_SUFFIX);
    Ok(Command::new(root().join(example)))
}

/// Runs a runner to its end and returns what it printed.
fn carry_out(mut command: Command) -> Result<String, Failure> {
    announce(&command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("the runner cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("the runner ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "the runner does not write UTF-8".to_owned())
}

/// What became of a scenario: `Err` says what differs.
type Verdict = Result<(), String>;

/// The verdict on each scenario, in their order.
fn verdicts(scenarios: &[Scenario], lines: &str) -> Result<Vec<Verdict>, Failure> {
    let mut reports = HashMap::new();
    for line in lines.lines() {
        let report: Value =
            serde_json::from_str(line).map_err(|error| format!("{error} in: {line}"))?;
        let name = report["scenario"].as_str().unwrap_or_default().to_owned();
        if !scenarios.iter().any(|scenario| scenario.name == name) {
            return Err(format!("there is no scenario {name:?}"));
        }
        if reports.insert(name.clone(), report).is_some() {
            return Err(format!("{name:?} was reported twice"));
        }
    }
    let verdict = |scenario: &Scenario| match reports.get(&scenario.name) {
        None => Err("the runner left it out".to_owned()),
        Some(report) if report["ok"] != true => {
            Err(report["why"].as_str().unwrap_or("the runner does not say why").to_owned())
        }
        Some(report) => judge::judge(scenario, &report["seen"]),
    };
    Ok(scenarios.iter().map(verdict).collect())
}

fn print_grid(scenarios: &[Scenario], columns: &[(&str, Vec<Verdict>)]) {
    let head: String = columns.iter().map(|(language, _)| format!("{language:<8}")).collect();
    println!("   {head}{} scenarios", scenarios.len());
    for (row, scenario) in scenarios.iter().enumerate() {
        let cells = columns.iter().map(|(_, verdicts)| match verdicts[row] {
            Ok(()) => format!("{:<8}", "ok"),
            Err(_) => format!("{:<8}", "FAILED"),
        });
        println!("   {}{} {:?}", cells.collect::<String>(), scenario.name, scenario.promises);
    }
    for (language, verdicts) in columns {
        for (scenario, verdict) in scenarios.iter().zip(verdicts) {
            if let Err(why) = verdict {
                println!("   {language}: {}: {why}", scenario.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one() -> Vec<Scenario> {
        let text = "[[scenario]]\nname = 'a'\npromises = [1]\nurl = 'x'\n\
                    step = [{ do = 'close' }]\nend = { copies = {} }";
        file::read(text).unwrap()
    }

    fn told(line: Value) -> Result<(), String> {
        verdicts(&one(), &line.to_string()).unwrap().remove(0)
    }

    #[test]
    fn a_scenario_that_is_missing_or_was_not_carried_out_has_failed() {
        assert!(verdicts(&one(), "").unwrap()[0].is_err());
        let why = told(json!({ "scenario": "a", "ok": false, "why": "no server" }));
        assert_eq!(why.unwrap_err(), "no server");
        let seen = json!({ "client": {}, "steps": [{}], "end": { "copies": {}, "server": {} } });
        let line = json!({ "scenario": "a", "ok": true, "seen": seen });
        told(line.clone()).unwrap();
        assert!(verdicts(&one(), &format!("{line}\n{line}")).is_err(), "twice");
        assert!(verdicts(&one(), r#"{"scenario":"b","ok":true}"#).is_err(), "unknown");
        assert!(verdicts(&one(), "panicked").is_err());
    }

    #[test]
    fn languages_alone_mean_the_scenarios() {
        let rust = Languages { lang: vec!["rust".to_owned()] };
        assert_eq!(choose(rust, Vec::new()), [NAME]);
        assert!(choose(Languages::default(), Vec::new()).is_empty());
    }

    #[test]
    fn the_scenarios_hold_every_promise_and_bring_about_every_kind_of_error() {
        let scenarios = file::read_all(&root().join("tests/scenarios")).unwrap();
        assert!(scenarios.len() >= 40, "{}", scenarios.len());
        for promise in 1..=10 {
            assert!(scenarios.iter().any(|it| it.promises.contains(&promise)), "{promise}");
        }
        // An internal error is a defect: no scenario brings one about.
        for kind in [
            "invalid_config",
            "invalid_message",
            "dns",
            "connect",
            "timeout",
            "tls",
            "certificate",
            "auth",
            "rejected",
            "unsupported",
            "protocol",
            "delivery_unknown",
            "cancelled",
            "closed",
        ] {
            let expects = |it: &Value| it["kind"] == kind;
            let expected = scenarios.iter().any(|it| {
                let steps = it.step.iter().filter_map(|step| step.expect.as_ref());
                steps.chain(&it.refused).any(expects)
            });
            assert!(expected, "no scenario ends in {kind}");
        }
    }
}
