//! The status page: one HTML document without scripts, pictures or anything
//! else from elsewhere, so that it can be saved, mailed and read anywhere.
//!
//! The invariant: every text that is not written here passes [`Escaped`].

mod card;
mod picture;

use std::fmt::{self, Display, Write};
use std::time::SystemTime;

use super::event::Event;
use super::state::{EndpointState, State};
use crate::certificate::when;
use crate::{Severity, Status};

const STYLE: &str = include_str!("page/style.css");

/// How often a browser asks again, in seconds.
const REFRESH: u32 = 30;

/// The newest events that are shown.
const EVENTS_SHOWN: usize = 12;

/// Text for HTML, in elements and in quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Nothing in here turns the direction of what follows it.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_str("\u{fffd}")?,
                char if char.is_control() => f.write_str("\u{fffd}")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// The whole document.
pub(super) fn render(state: &State, now: SystemTime) -> String {
    let mut html = String::with_capacity(16 * 1024 + state.endpoints.len() * 4096);
    // Writing to a string does not fail.
    let _ = document(&mut html, state, now);
    html
}

fn document(out: &mut String, state: &State, now: SystemTime) -> fmt::Result {
    let count = Summary::of(state);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n\
         <title>{count} · Everpost</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )?;
    header(out, state, &count, now)?;
    let mut sorted: Vec<&EndpointState> = state.endpoints.iter().collect();
    // What needs eyes stands first; within it, what ends first.
    sorted.sort_by_key(|it| {
        let end = it.earliest().map(|(_, leaf)| leaf.not_after);
        (std::cmp::Reverse(it.status()), end.is_none(), end)
    });
    out.push_str("<section class=\"cards\" aria-label=\"Endpoints\">\n");
    sorted.into_iter().try_for_each(|endpoint| card::render(out, endpoint, now))?;
    out.push_str("</section>\n");
    events(out, state, now)?;
    write!(
        out,
        "<footer>Seen at {}. This page asks again every {REFRESH} seconds. \
         <a href=\"/metrics\">Metrics</a> <a href=\"/healthz\">Health</a> \
         <a href=\"/api/state\">State</a> <span>Everpost {}</span></footer>\n\
         </main>\n</body>\n</html>\n",
        when::utc(now),
        env!("CARGO_PKG_VERSION")
    )
}

fn header(out: &mut String, state: &State, count: &Summary, now: SystemTime) -> fmt::Result {
    let word = Word::of(state.status());
    write!(
        out,
        "<header class=\"{}\">\n<p class=\"brand\">Everpost watch</p>\n<h1>{} {count}</h1>\n",
        word.class,
        word.mark(28)
    )?;
    picture::proportions(out, count)?;
    if let Some((endpoint, leaf)) = state
        .endpoints
        .iter()
        .filter_map(|it| Some((it, it.earliest()?.1)))
        .min_by_key(|(_, leaf)| leaf.not_after)
    {
        writeln!(
            out,
            "<p class=\"next\">{}: <strong>{}</strong>, {} <span>({})</span></p>",
            if leaf.not_after < now { "Ended" } else { "First to end" },
            Escaped(&endpoint.name),
            when::relative(leaf.not_after, now),
            when::utc(leaf.not_after)
        )?;
    }
    out.push_str("</header>\n");
    Ok(())
}

fn events(out: &mut String, state: &State, now: SystemTime) -> fmt::Result {
    if state.events.is_empty() {
        return Ok(());
    }
    out.push_str("<section class=\"events\">\n<h2>What happened</h2>\n<ol>\n");
    for event in state.events.iter().rev().take(EVENTS_SHOWN) {
        writeln!(
            out,
            "<li class=\"{}\">{}<div><p><strong>{}</strong> <span class=\"kind\">{}</span> \
             <time title=\"{}\">{}</time></p><p>{}</p></div></li>",
            severity(event.severity),
            mark_of(event).mark(14),
            Escaped(&event.endpoint),
            event.kind.as_str().replace('_', " "),
            when::utc(event.at),
            when::relative(event.at, now),
            Escaped(&event.message)
        )?;
    }
    out.push_str("</ol>\n</section>\n");
    Ok(())
}

fn mark_of(event: &Event) -> Word {
    match event.severity {
        Severity::Info => Word::of(Some(Status::Healthy)),
        Severity::Warning => Word::of(Some(Status::Degraded)),
        Severity::Critical => Word::of(Some(Status::Unhealthy)),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "degraded",
        Severity::Critical => "unhealthy",
    }
}

/// How many endpoints are how.
struct Summary {
    counts: [(Word, usize); 4],
}

impl Summary {
    fn of(state: &State) -> Self {
        let all = [Some(Status::Healthy), Some(Status::Degraded), Some(Status::Unhealthy), None];
        let count = |status| state.endpoints.iter().filter(|it| it.status() == status).count();
        Summary { counts: all.map(|status| (Word::of(status), count(status))) }
    }

    fn total(&self) -> usize {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

/// `12 healthy, 1 degraded, 1 unhealthy`.
impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (word, count) in self.counts.iter().filter(|(_, count)| *count > 0) {
            write!(f, "{}{count} {}", if first { "" } else { ", " }, word.text)?;
            first = false;
        }
        Ok(())
    }
}

/// A status as word, colour and shape: never by colour alone.
#[derive(Clone, Copy)]
struct Word {
    text: &'static str,
    class: &'static str,
    shape: &'static str,
}

impl Word {
    fn of(status: Option<Status>) -> Self {
        match status {
            Some(Status::Healthy) => Word {
                text: "healthy",
                class: "healthy",
                shape: "<circle cx=\"8\" cy=\"8\" r=\"7\"/>\
                        <path class=\"ink\" d=\"M4.6 8.3l2.3 2.3 4.5-4.8\"/>",
            },
            Some(Status::Degraded) => Word {
                text: "degraded",
                class: "degraded",
                shape: "<path d=\"M8 1.2L15.4 14.6H.6z\"/>\
                        <path class=\"ink\" d=\"M8 6v4M8 12v.6\"/>",
            },
            Some(Status::Unhealthy) => Word {
                text: "unhealthy",
                class: "unhealthy",
                shape: "<path d=\"M4.9.9h6.2l4 4v6.2l-4 4H4.9l-4-4V4.9z\"/>\
                        <path class=\"ink\" d=\"M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2\"/>",
            },
            None => Word {
                text: "waiting",
                class: "unknown",
                shape: "<circle class=\"hollow\" cx=\"8\" cy=\"8\" r=\"6\"/>",
            },
        }
    }

    /// Its shape, so many pixels wide.
    fn mark(self, size: u32) -> String {
        format!(
            "<svg class=\"mark {}\" width=\"{size}\" height=\"{size}\" viewBox=\"0 0 16 16\" \
             aria-hidden=\"true\">{}</svg>",
            self.class, self.shape
        )
    }
}

#[cfg(test)]
mod tests;
