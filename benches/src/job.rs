//! What a peer is told and what it answers: one argument and one line of JSON,
//! the same in every language.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The addresses and the login that every peer uses.
pub(crate) const SENDER: &str = "app@example.org";
pub(crate) const RECIPIENT: &str = "ann@example.com";
pub(crate) const USER: &str = "app";
pub(crate) const PASSWORD: &str = "secret";
/// The server's address, which its certificate names.
pub(crate) const HOST: &str = "127.0.0.1";

/// What a peer is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// In which of its ways it sends.
    pub(crate) how: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// A file with the server's root certificate.
    pub(crate) ca: PathBuf,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) sender: String,
    pub(crate) recipient: String,
    /// A file with the message, lines ended by CRLF.
    pub(crate) message: PathBuf,
    /// How long to send before anything is measured, in seconds.
    pub(crate) warm: f64,
    /// How long to send while it is measured, in seconds.
    pub(crate) seconds: f64,
    pub(crate) connections: usize,
}

impl Job {
    /// Whether each message has a connection of its own.
    pub(crate) fn is_fresh(&self) -> bool {
        self.how.starts_with("fresh")
    }
}

/// What a peer found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Messages sent in the measured stretch.
    pub(crate) messages: u64,
    /// Messages sent at all.
    pub(crate) total: u64,
    /// How long the stretch took.
    pub(crate) seconds: f64,
    /// Seconds of CPU in the stretch, where the system tells.
    pub(crate) cpu: Option<f64>,
    /// The most memory the process ever held, in bytes, where the system tells.
    pub(crate) peak_memory: Option<u64>,
}

/// A stretch of sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    cpu: Option<f64>,
    begin: Instant,
    end: Instant,
}

impl Stretch {
    pub(crate) fn begin(seconds: f64) -> Self {
        let begin = Instant::now();
        Stretch { cpu: cpu(), begin, end: begin + Duration::from_secs_f64(seconds) }
    }

    pub(crate) fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// The answer of a peer that sent `messages` in this stretch, after `warm`
    /// before it.
    pub(crate) fn answer(&self, messages: u64, warm: u64) -> Answer {
        Answer {
            messages,
            total: messages + warm,
            seconds: self.begin.elapsed().as_secs_f64(),
            cpu: cpu().zip(self.cpu).map(|(now, before)| now - before),
            peak_memory: peak_memory(),
        }
    }
}

/// The CPU time of this process so far, in seconds.
#[cfg(unix)]
fn cpu() -> Option<f64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(not(unix))]
fn cpu() -> Option<f64> {
    None
}

/// As Linux tells it: `getrusage` would count the parent's memory too.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
