//! Events and statuses as lines.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::SystemTime;

use everpost::watch::{Event, EventKind, State};
use everpost::{Severity, Status};
use serde_json::json;
use time::OffsetDateTime;

use crate::send::report::say;
use crate::terminal;

/// Writes lines for a person, or JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    json: bool,
    colours: bool,
}

const RED: &str = "31;1";
const YELLOW: &str = "33";
const GREEN: &str = "32";
const FAINT: &str = "2";

impl Show {
    pub(super) fn new(json: bool) -> Self {
        Show::on(json, &io::stdout())
    }

    fn on(json: bool, out: &impl IsTerminal) -> Self {
        Show { json, colours: !json && terminal::colours(out) }
    }

    pub(super) fn event(self, event: &Event) {
        let text = if self.json { event.to_json() } else { self.line(event) };
        say(&mut io::stdout(), &text);
    }

    fn line(self, event: &Event) -> String {
        let style = match (event.kind, event.severity) {
            (_, Severity::Critical) => RED,
            (_, Severity::Warning) => YELLOW,
            (EventKind::Rotated | EventKind::Recovered | EventKind::FirstSeen, _) => GREEN,
            _ => FAINT,
        };
        let mut line = format!(
            "{}  {}  {}: {}",
            self.paint(FAINT, &moment(event.at)),
            self.paint(style, &format!("{:<16}", event.kind.as_str())),
            event.endpoint,
            event.message
        );
        if let Some(remedy) = &event.remedy {
            let _ = write!(line, "\n{:22}{:16}  remedy: {remedy}", "", "");
        }
        line
    }

    /// How everything is, after one round.
    pub(super) fn state(self, state: &State, worst: Status) {
        if self.json {
            let counts = [Status::Healthy, Status::Degraded, Status::Unhealthy]
                .map(|status| (status.as_str().to_owned(), json!(state.count(status))));
            let object = json!({
                "schema": "everpost.watch.round/1",
                "status": worst.as_str(),
                "counts": serde_json::Map::from_iter(counts),
                "endpoints": state.endpoints,
            });
            say(&mut io::stdout(), &object.to_string());
            return;
        }
        for endpoint in &state.endpoints {
            let Some(last) = &endpoint.last else { continue };
            let style = match last.status {
                Status::Healthy => GREEN,
                Status::Degraded => YELLOW,
                Status::Unhealthy => RED,
            };
            let word = self.paint(style, &format!("{:<9}", last.status.as_str()));
            say(&mut io::stdout(), &format!("{word}  {}: {}", endpoint.name, last.summary));
            let worse = last.findings.iter().filter(|note| note.severity > Severity::Info);
            for note in worse {
                say(&mut io::stdout(), &format!("{:11}{}: {}", "", note.id, note.remedy));
            }
        }
    }

    fn paint(self, style: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `2026-11-21 09:12:05Z`.
fn moment(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}
