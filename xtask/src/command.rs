//! Running programs: with a headline, from the root of the workspace, and with
//! the lines worth repeating at the end kept.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use crate::root;

/// Why a step failed, in one line.
pub(crate) type Failure = String;

/// The cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(root());
    if io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none() {
        // Also where the output passes through a pipe of ours.
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
}

/// As [`cargo`], with release builds that are made quickly rather than well:
/// for commands that say `--release` and whose speed is not the matter.
pub(crate) fn hasty_cargo(arguments: &[&str]) -> Command {
    let mut command = cargo(arguments);
    for (setting, value) in
        [("LTO", "off"), ("OPT_LEVEL", "1"), ("CODEGEN_UNITS", "16"), ("DEBUG", "false")]
    {
        command.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Result<(), Failure> {
    announce(&command);
    let status =
        command.stdin(Stdio::null()).status().map_err(|error| cannot_run(&command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(&command))) }
}

/// Whether a command works at all; says nothing.
pub(crate) fn works(mut command: Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// What a command writes to standard output; it says nothing else.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| cannot_run(command, &error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}: {}", shown(command), output.status))
    }
}

/// Runs a command to its end and also returns the lines of its output, without
/// order between its two streams.
pub(crate) fn run_and_keep(mut command: Command) -> (Result<(), Failure>, Vec<String>) {
    announce(&command);
    let spawned =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return (Err(cannot_run(&command, &error)), Vec::new()),
    };
    let errors = child.stderr.take().map(|pipe| thread::spawn(|| copy(pipe, io::stderr())));
    let mut lines = child.stdout.take().map(|pipe| copy(pipe, io::stdout())).unwrap_or_default();
    if let Some(Ok(more)) = errors.map(thread::JoinHandle::join) {
        lines.extend(more);
    }
    let result = match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", shown(&command))),
        Err(error) => Err(cannot_run(&command, &error)),
    };
    (result, lines)
}

/// Copies line by line and keeps what it copied.
fn copy(from: impl Read, mut to: impl Write) -> Vec<String> {
    let mut lines = Vec::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    // A pipe that breaks has been read to its end.
    while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        // Nobody may be listening; the lines count all the same.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    lines
}

/// Says what is run.
pub(crate) fn announce(command: &Command) {
    println!("   $ {}", shown(command));
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit(['/', '\\']).next().unwrap_or(&program);
    let mut text = name.strip_suffix(".exe").unwrap_or(name).to_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

fn cannot_run(command: &Command, error: &io::Error) -> Failure {
    format!("{} cannot be run: {error}", shown(command))
}
