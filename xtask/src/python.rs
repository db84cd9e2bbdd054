//! Python: a virtual environment under `target/python` with the package in it,
//! as a wheel; the step that checks and tests it; and a short try with every
//! other interpreter at hand, since one wheel is for all of them.

mod consumers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use crate::command::{Failure, cargo, run};
use crate::root;

/// The environment, from the root of the workspace.
const ENVIRONMENT: &str = "target/python";
const PACKAGE: &str = "bindings-python";
/// What is asked of an interpreter.
const VERSION: &str = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)";
/// The oldest that the package is for.
const OLDEST: (u32, u32) = (3, 10);

/// The tests and checks.
pub(crate) fn check() -> Result<(), Failure> {
    let wheel = installed()?;
    let package = root().join(PACKAGE);
    for arguments in [
        &["-m", "ruff", "check", "."][..],
        &["-m", "ruff", "format", "--check", "."],
        &["-m", "mypy"],
        &["-m", "mypy.stubtest", "everpost"],
        &["-m", "pytest", "-q"],
    ] {
        let mut command = Command::new(python(ENVIRONMENT));
        command.args(arguments).current_dir(&package);
        run(command)?;
    }
    others()?.into_iter().try_for_each(|(version, interpreter)| {
        let folder = format!("{ENVIRONMENT}/python{version}");
        let mut make = Command::new(interpreter);
        run_in_root(make.args(["-m", "venv", "--clear", "--without-pip", &folder]))?;
        let mut install = pip(ENVIRONMENT);
        install.args(["--python", &folder, "install", "--quiet", "--no-deps"]).arg(&wheel);
        run(install)?;
        run_in_root(Command::new(python(&folder)).arg(package.join("tests/smoke.py")))
    })?;
    consumers::check(&wheel)
}

/// A runner of the scenarios, by one of the two interfaces.
pub(crate) fn scenarios(interface: &str) -> Result<Command, Failure> {
    installed()?;
    let mut command = Command::new(python(ENVIRONMENT));
    command.arg(Path::new(PACKAGE).join("tests/scenarios.py")).args(["--api", interface]);
    Ok(command)
}

/// Puts the package into the environment, once; returns the path of its wheel.
fn installed() -> Result<PathBuf, Failure> {
    static INSTALLED: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Result<PathBuf, Failure> {
    make_environment()?;
    let wheels = root().join(ENVIRONMENT).join("wheels");
    // One that is there from before would be in the way of the new one.
    if wheels.exists() {
        fs::remove_dir_all(&wheels).map_err(|error| format!("{}: {error}", wheels.display()))?;
    }
    let mut build = Command::new(python(ENVIRONMENT));
    build.args(["-m", "maturin", "build", "--quiet", "--profile", "dev", "--strip"]);
    build.arg("--manifest-path").arg(Path::new(PACKAGE).join("Cargo.toml"));
    // The cargo that runs this, whatever else is on PATH.
    if let Some(folder) = Path::new(cargo(&[]).get_program()).parent().filter(|it| it.is_absolute())
    {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&path));
        build.env("PATH", env::join_paths(folders).map_err(|error| error.to_string())?);
    }
    run_in_root(build.arg("--out").arg(&wheels))?;
    let wheel = fs::read_dir(&wheels)
        .map_err(|error| format!("{}: {error}", wheels.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    let wheel = wheel.ok_or("maturin has built no wheel")?;
    let mut install = pip(ENVIRONMENT);
    install.args(["install", "--quiet", "--no-deps", "--force-reinstall"]).arg(&wheel);
    run(install)?;
    Ok(wheel)
}

/// The environment with what tests need.
fn make_environment() -> Result<(), Failure> {
    let interpreters = interpreters();
    let newest = || interpreters.last_key_value().map(|(_, path)| path.clone());
    let usual = version_of("python3").or_else(|| version_of("python"));
    let interpreter = usual
        .filter(|(version, _)| *version >= OLDEST)
        .map(|(_, path)| path)
        .or_else(newest)
        .ok_or("Python 3.10 or newer is missing")?;
    prepared(ENVIRONMENT, &interpreter, &Path::new(PACKAGE).join("requirements-dev.txt"))
}

/// An environment with what a file names, made anew when that changes.
fn prepared(environment: &str, interpreter: &Path, wanted: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(root().join(wanted))
        .map_err(|error| format!("{}: {error}", wanted.display()))?;
    let stamp = root().join(environment).join("made-of");
    let made_of = format!("{}\n{text}", interpreter.display());
    if fs::read_to_string(&stamp).is_ok_and(|before| before == made_of) {
        return Ok(());
    }
    run_in_root(Command::new(interpreter).args(["-m", "venv", "--clear", environment]))?;
    let mut install = pip(environment);
    install.args(["install", "--quiet", "--requirement"]).arg(wanted);
    run(install)?;
    fs::write(&stamp, made_of).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// The interpreter of an environment.
fn python(environment: &str) -> PathBuf {
    let program = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    root().join(environment).join(program)
}

fn pip(environment: &str) -> Command {
    let mut command = Command::new(python(environment));
    command.args(["-m", "pip", "--disable-pip-version-check"]).current_dir(root());
    command
}

fn run_in_root(command: &mut Command) -> Result<(), Failure> {
    command.current_dir(root());
    run(std::mem::replace(command, Command::new("")))
}

type Version = (u32, u32);

/// The interpreters at hand but that of the environment: one of each version.
fn others() -> Result<Vec<(String, PathBuf)>, Failure> {
    let (own, _) = version_of(python(ENVIRONMENT)).ok_or("the environment does not run")?;
    let others = interpreters().into_iter().filter(|(version, _)| *version != own);
    Ok(others.map(|((major, minor), path)| (format!("{major}.{minor}"), path)).collect())
}

/// One interpreter of each version: on PATH, or among pyenv's.
fn interpreters() -> BTreeMap<Version, PathBuf> {
    let named = (OLDEST.1..OLDEST.1 + 10).map(|minor| PathBuf::from(format!("python3.{minor}")));
    let program = if cfg!(windows) { "python.exe" } else { "bin/python3" };
    let candidates = named.chain(pyenv().into_iter().map(|folder| folder.join(program)));
    let mut found = BTreeMap::new();
    for (version, path) in candidates.filter_map(version_of) {
        if version >= OLDEST {
            found.entry(version).or_insert(path);
        }
    }
    found
}

/// Where pyenv, if there is one, has its interpreters.
fn pyenv() -> Vec<PathBuf> {
    let output = Command::new("pyenv").arg("root").output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return Vec::new();
    };
    let versions = Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("versions");
    let entries = fs::read_dir(versions).into_iter().flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

/// The version of an interpreter that runs, and its own path: what is on PATH
/// may be a script that chooses.
fn version_of(program: impl AsRef<Path>) -> Option<(Version, PathBuf)> {
    let output = Command::new(program.as_ref()).args(["-c", VERSION]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    read_version(&String::from_utf8_lossy(&output.stdout))
}

fn read_version(text: &str) -> Option<(Version, PathBuf)> {
    let (version, path) = text.trim().split_once(' ')?;
    let (major, minor) = version.split_once('.')?;
    Some(((major.parse().ok()?, minor.parse().ok()?), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_an_interpreter_is_read_with_its_path() {
        let read = read_version("3.10 /opt/my python/bin/python\n");
        assert_eq!(read, Some(((3, 10), PathBuf::from("/opt/my python/bin/python"))));
        assert_eq!(read_version("Python was not found"), None);
    }
}
