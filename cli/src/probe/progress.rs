//! A line on a terminal that says how far a long run has come.

use std::io::{self, Write as _};
use std::time::Duration;

use everpost::Status;
use everpost::probe::ProbeReport;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::terminal;

/// A run that is shorter needs no such line.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is redrawn.
const FRAME: Duration = Duration::from_millis(200);

/// How far a run has come.
pub(super) struct Progress {
    total: usize,
    done: usize,
    unhealthy: usize,
    /// `None`: nobody looks.
    frames: Option<Interval>,
    drawn: bool,
}

impl Progress {
    /// Shown for several targets, where standard error is a terminal.
    pub(super) fn new(total: usize) -> Self {
        let frames = (total > 1 && terminal::animates(&io::stderr())).then(|| {
            let mut frames = interval_at(Instant::now() + PATIENCE, FRAME);
            frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
            frames
        });
        Progress { total, done: 0, unhealthy: 0, frames, drawn: false }
    }

    /// Ends when the line should be drawn.
    pub(super) async fn frame(&mut self) {
        match &mut self.frames {
            Some(frames) => _ = frames.tick().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn count(&mut self, report: &ProbeReport) {
        self.done += 1;
        self.unhealthy += usize::from(report.status() == Status::Unhealthy);
    }

    pub(super) fn draw(&mut self) {
        let Progress { total, done, unhealthy, .. } = self;
        // Whether anybody sees it changes nothing.
        let _ = write!(io::stderr(), "\r\x1b[2K{done} of {total} probed, {unhealthy} unhealthy");
        self.drawn = true;
    }

    /// Makes room for what stays.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
