//! What a process costs: it is run below a process that does nothing else, so
//! that what the system says of children is about it, and about what it starts
//! itself.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// What one process cost, its children included.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Seconds from its start to its end.
    pub(crate) wall: f64,
    /// Seconds of CPU, where the system tells.
    pub(crate) cpu: Option<f64>,
    /// The most memory that a single process held, in bytes, where the system
    /// tells.
    pub(crate) peak_memory: Option<f64>,
    /// Its exit code; -1 if it has none.
    pub(crate) exit: i32,
}

/// Runs a command, and says what it cost.
pub(super) fn cost_of(command: &Command) -> Result<Cost, Box<dyn Error>> {
    let mut measuring = Command::new(std::env::current_exe()?);
    measuring.arg("measure").arg(command.get_program()).args(command.get_args());
    let output = measuring.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process in between.
pub(crate) fn measure(words: &[String]) -> Result<(), Box<dyn Error>> {
    let (program, arguments) = words.split_first().ok_or("there is nothing to run")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = command.status()?;
    let wall = begin.elapsed().as_secs_f64();
    let (cpu, peak_memory) = children();
    let cost = Cost { wall, cpu, peak_memory, exit: status.code().unwrap_or(-1) };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

#[cfg(unix)]
fn children() -> (Option<f64>, Option<f64>) {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;

    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return (None, None) };
    let cpu = usage.user_time() + usage.system_time();
    // Kilobytes, but bytes on macOS.
    let unit = if cfg!(target_vendor = "apple") { 1.0 } else { 1024.0 };
    (Some(cpu.num_microseconds() as f64 / 1e6), Some(usage.max_rss() as f64 * unit))
}

#[cfg(not(unix))]
fn children() -> (Option<f64>, Option<f64>) {
    (None, None)
}
