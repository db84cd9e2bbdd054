//! The package for Node: its addon, its tests against real nodemailer and
//! mailparser, its types, and its tarball as a user installs it.
//!
//! What the tests need from npm is pinned by `bindings-node/test/package.json`
//! and its lock, and installed under `target/node`.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{Failure, cargo, run, works};
use crate::root;

/// Where the dependencies of the tests are installed.
const MODULES: &str = "target/node";

/// The command of a program of npm's, which are scripts on Windows.
fn script(name: &str) -> Command {
    if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/c", name]);
        command
    } else {
        Command::new(name)
    }
}

/// Builds the addon for the tests, and says where it is.
fn addon() -> Result<PathBuf, Failure> {
    run(cargo(&["build", "-p", "everpost-node"]))?;
    Ok(root().join("target/debug").join(format!("{DLL_PREFIX}everpost_node{DLL_SUFFIX}")))
}

/// The runner of scenarios.
pub(crate) fn scenarios() -> Result<Command, Failure> {
    let addon = addon()?;
    let mut command = Command::new("node");
    command.arg("bindings-node/test/scenarios.mjs").env("EVERPOST_LIBRARY", addon);
    Ok(command)
}

pub(crate) fn check() -> Result<(), Failure> {
    let mut node = Command::new("node");
    node.arg("--version");
    if !works(node) {
        return Err("there is no Node on PATH; 18 or newer is needed".into());
    }
    let addon = addon()?;
    install()?;
    let node = |arguments: &[&str]| {
        let mut command = Command::new("node");
        command.args(arguments).current_dir(root().join("bindings-node"));
        command.env("EVERPOST_LIBRARY", &addon);
        command.env("EVERPOST_MODULES", root().join(MODULES));
        run(command)
    };
    let tests = tests()?;
    let mut arguments = vec!["--expose-gc", "--test"];
    arguments.extend(tests.iter().map(String::as_str));
    node(&arguments)?;
    node(&["test/package.mjs"])
}

/// The files of tests, by name: what `node --test` takes differs by version.
fn tests() -> Result<Vec<String>, Failure> {
    let folder = root().join("bindings-node/test");
    let entries = fs::read_dir(&folder).map_err(|error| format!("bindings-node/test: {error}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut tests: Vec<_> = names
        .filter(|name| name.ends_with(".test.mjs") || name.ends_with(".test.cjs"))
        .map(|name| format!("test/{name}"))
        .collect();
    tests.sort();
    if tests.is_empty() { Err("bindings-node/test holds no tests".into()) } else { Ok(tests) }
}

/// Installs what the tests need, unless the same is there.
fn install() -> Result<(), Failure> {
    let modules = root().join(MODULES);
    let copy = || {
        fs::create_dir_all(&modules)?;
        let mut same = true;
        for name in ["package.json", "package-lock.json"] {
            let wanted = fs::read(root().join("bindings-node/test").join(name))?;
            let there = modules.join(name);
            same &= fs::read(&there).is_ok_and(|there| there == wanted);
            fs::write(there, wanted)?;
        }
        Ok::<_, std::io::Error>(same && modules.join("node_modules/.package-lock.json").exists())
    };
    if copy().map_err(|error| format!("{MODULES}: {error}"))? {
        return Ok(());
    }
    let mut npm = script("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(modules);
    run(npm)
}
