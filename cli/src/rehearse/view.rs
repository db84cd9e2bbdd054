//! What is seen of a run: a line per rotation, a line of status that is
//! redrawn on a terminal, a table and a sentence.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Outcome;
use super::plan::{Kind, Plan};
use crate::terminal;

/// How a part of a line looks.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Odd,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31;1",
            Style::Odd => "33",
        }
    }
}

/// Where the lines go.
pub(super) struct View {
    screen: Mutex<Screen>,
    animates: bool,
    colours: bool,
}

struct Screen {
    out: Box<dyn Write + Send>,
    /// The status that stands on the last line.
    status: String,
}

impl View {
    /// On standard output, or on standard error where that belongs to JSON.
    pub(super) fn new(json: bool) -> Self {
        if json { View::over(io::stderr()) } else { View::over(io::stdout()) }
    }

    fn over(stream: impl Write + IsTerminal + Send + 'static) -> Self {
        View {
            animates: terminal::animates(&stream),
            colours: terminal::colours(&stream),
            screen: Mutex::new(Screen { out: Box::new(stream), status: String::new() }),
        }
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a line of status is shown at all.
    pub(super) fn animates(&self) -> bool {
        self.animates
    }

    /// Text in a style, where there are styles.
    pub(super) fn paint(&self, style: Style, text: impl Into<String>) -> String {
        let text = text.into();
        if self.colours && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", style.code())
        } else {
            text
        }
    }

    /// Prints a line above the status.
    pub(super) fn line(&self, text: &str) {
        let mut screen = self.screen();
        let Screen { out, status } = &mut *screen;
        // Someone who no longer looks does not stop the run.
        let _ = if status.is_empty() {
            writeln!(out, "{text}")
        } else {
            writeln!(out, "\r\x1b[2K{text}").and_then(|()| draw(out, status))
        };
        let _ = out.flush();
    }

    /// Replaces the status; an empty one removes it.
    pub(super) fn status(&self, text: &str) {
        if !self.animates {
            return;
        }
        let mut screen = self.screen();
        screen.status.clear();
        screen.status.push_str(text);
        let Screen { out, status } = &mut *screen;
        let _ = draw(out, status);
        let _ = out.flush();
    }

    /// Says what is going to happen.
    pub(super) fn opening(&self, plan: &Plan, concurrency: u32, connections: u32, server: &str) {
        let text = format!(
            "Sending {} messages, {concurrency} at a time over up to {connections} connections, to \
             {server},\nwhile its certificate is replaced {}.\n",
            plan.messages(),
            times(plan.rotations()),
        );
        self.line(&text);
        if plan.rotations() > 0 {
            let head = format!(
                "{:>4}  {:<13}  {:<19}  {:>8}  {:>7}  {:>12}  {:>9}  {:>9}",
                "#",
                "rotation",
                "old leaf → new leaf",
                "noticed",
                "retired",
                "full/resumed",
                "in flight",
                "slowest"
            );
            self.line(&self.paint(Style::Dim, head));
        }
    }

    /// One rotation and what it cost.
    pub(super) fn rotation(&self, it: &Rotated) {
        let noticed = match it.noticed {
            Some(after) => format!("{:>8}", milliseconds(after)),
            None => self.paint(Style::Bad, format!("{:>8}", "no")),
        };
        let handshakes = format!("{}/{}", it.full, it.resumed);
        let line = format!(
            "{:>4}  {}  {} → {}  {noticed}  {:>7}  {handshakes:>12}  {:>9}  {:>9}  {}",
            it.number,
            self.paint(Style::Bold, format!("{:<13}", it.kind.name())),
            self.paint(Style::Dim, &it.old),
            self.paint(Style::Good, &it.new),
            it.retired,
            it.in_flight,
            milliseconds(it.slowest),
            self.paint(Style::Dim, &it.note),
        );
        self.line(line.trim_end());
    }

    /// The table and the sentence at the end.
    pub(super) fn closing(&self, outcome: &Outcome) {
        let sum = &outcome.sum;
        let mut table = String::new();
        let mut row = |name: &str, value: String, style: Option<Style>, note: String| {
            let value = format!("{value:>10}");
            let value = match style {
                Some(style) => self.paint(style, value),
                None => value,
            };
            let note = self.paint(Style::Dim, note);
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{}", format!("  {name:<13}{value}   {note}").trim_end());
        };
        let none = String::new;
        let zero = |count: u64| (count > 0).then_some(Style::Bad).or(Some(Style::Good));
        let total = format!("in {:.1} s, {:.0} a second", outcome.seconds(), outcome.rate());
        row("messages", sum.messages.to_string(), None, total);
        row(
            "delivered",
            sum.delivered.to_string(),
            None,
            "accepted, and the server holds it".into(),
        );
        row("lost", sum.lost.to_string(), zero(sum.lost), none());
        row("doubled", sum.doubled.to_string(), zero(sum.doubled), none());
        let apart = match sum.unknown() {
            0 => none(),
            _ => format!(
                "reported as unknown: {} had arrived, {} had not",
                sum.unknown_delivered, sum.unknown_not_delivered
            ),
        };
        row("unknown", sum.unknown().to_string(), (sum.unknown() > 0).then_some(Style::Odd), apart);
        row("failed", sum.failed.to_string(), zero(sum.failed), none());
        let noticed = format!("{} noticed by the mailer", outcome.noticed);
        row("rotations", outcome.rotations.to_string(), None, noticed);
        let stats = &outcome.stats;
        let handshakes = stats.full_handshakes + stats.resumed_handshakes;
        let kinds = format!("{} full, {} resumed", stats.full_handshakes, stats.resumed_handshakes);
        row("handshakes", handshakes.to_string(), None, kinds);
        row("retries", stats.retries.to_string(), None, "of messages provably not sent".into());
        row("connections", stats.opened.to_string(), None, none());
        let slow = format!("p99 {}, slowest {}", milliseconds(sum.p99), milliseconds(sum.max));
        row("p50", milliseconds(sum.p50), None, slow);
        self.status("");
        self.line(&format!("\n{table}"));
        for error in &outcome.errors {
            self.line(&format!("  {}", self.paint(Style::Odd, error)));
        }
        if !outcome.errors.is_empty() {
            self.line("");
        }
        let style = match (sum.is_good(), outcome.interrupted) {
            (false, _) => Style::Bad,
            (true, true) => Style::Odd,
            (true, false) => Style::Good,
        };
        self.line(&self.paint(style, outcome.verdict()));
    }
}

/// Draws the status over the last line; not wrapped, since a wrapped line could
/// not be redrawn.
fn draw(out: &mut dyn Write, status: &str) -> io::Result<()> {
    write!(out, "\r\x1b[2K\x1b[?7l{status}\x1b[?7h")
}

/// A rotation, for its line.
#[derive(Debug)]
pub(super) struct Rotated {
    pub(super) number: u64,
    pub(super) kind: Kind,
    /// Short fingerprints.
    pub(super) old: String,
    pub(super) new: String,
    /// How long it took until the mailer knew.
    pub(super) noticed: Option<Duration>,
    /// Connections that ended because of it.
    pub(super) retired: u64,
    pub(super) full: u64,
    pub(super) resumed: u64,
    /// Sends under way when it began.
    pub(super) in_flight: u64,
    pub(super) slowest: Duration,
    pub(super) note: String,
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// `once`, `twice`, `5 times`.
pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}
