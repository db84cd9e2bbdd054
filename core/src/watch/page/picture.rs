//! The pictures of the status page, as inline SVG. Positions are shares of the
//! width, so that a picture fits any screen without being distorted.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use super::{Escaped, Summary};
use crate::certificate::when;
use crate::watch::state::{Leaf, ServerState};

/// The endpoints by status, as parts of one bar.
pub(super) fn proportions(out: &mut String, summary: &Summary) -> fmt::Result {
    let total = summary.total();
    if total == 0 {
        return Ok(());
    }
    write!(
        out,
        "<svg class=\"proportions\" width=\"100%\" height=\"10\" role=\"img\" \
         aria-label=\"{summary}\">"
    )?;
    let mut before = 0;
    for (word, count) in summary.counts.iter().filter(|(_, count)| *count > 0) {
        let (from, to) = (share(before, total), share(before + count, total));
        let class = word.class;
        write!(
            out,
            "<rect class=\"{class}\" x=\"{from:.2}%\" width=\"{:.2}%\" height=\"10\"/>",
            to - from
        )?;
        if before > 0 {
            write!(out, "<line class=\"gap\" x1=\"{from:.2}%\" x2=\"{from:.2}%\" y2=\"10\"/>")?;
        }
        before += count;
    }
    out.push_str("</svg>\n");
    Ok(())
}

fn share(part: usize, total: usize) -> f64 {
    100.0 * part as f64 / total as f64
}

/// A stretch of time that is drawn from edge to edge.
struct Axis {
    from: SystemTime,
    seconds: f64,
}

impl Axis {
    fn new(from: SystemTime, to: SystemTime) -> Self {
        let seconds = to.duration_since(from).unwrap_or_default().as_secs_f64();
        Axis { from, seconds: seconds.max(1.0) }
    }

    /// Where a moment stands, in percent; what lies outside stands at the edge.
    fn place(&self, moment: SystemTime) -> f64 {
        let since = moment.duration_since(self.from).unwrap_or_default().as_secs_f64();
        (100.0 * since / self.seconds).clamp(0.0, 100.0)
    }
}

/// The life of a certificate: how much has passed, where the zones of warning
/// and alarm begin, and *now*.
pub(super) fn life(
    out: &mut String,
    server: &ServerState,
    leaf: &Leaf,
    now: SystemTime,
) -> fmt::Result {
    let axis = Axis::new(leaf.not_before, leaf.not_after);
    let at = axis.place(now);
    let has_ended = now > leaf.not_after;
    let warning = server.warning_at.map_or(100.0, |moment| axis.place(moment));
    let critical = server.critical_at.map_or(100.0, |moment| axis.place(moment)).max(warning);
    write!(
        out,
        "<svg class=\"life{}\" width=\"100%\" height=\"58\" role=\"img\" aria-label=\"Valid from {} \
         until {}; now at {at:.0} percent of its life\">\n\
         <g class=\"bar\"><rect class=\"track\" y=\"22\" width=\"100%\" height=\"14\"/>\n\
         <rect class=\"warning\" x=\"{warning:.2}%\" y=\"22\" width=\"{:.2}%\" height=\"14\"/>\n\
         <rect class=\"critical\" x=\"{critical:.2}%\" y=\"22\" width=\"{:.2}%\" height=\"14\"/>\n\
         <rect class=\"passed\" y=\"22\" width=\"{at:.2}%\" height=\"14\"/></g>\n\
         <line class=\"now\" x1=\"{at:.2}%\" x2=\"{at:.2}%\" y1=\"16\" y2=\"42\"/>\n",
        if has_ended { " ended" } else { "" },
        when::utc(leaf.not_before),
        when::utc(leaf.not_after),
        critical - warning,
        100.0 - critical,
    )?;
    let word = if has_ended { "ended" } else { "now" };
    let anchor = anchor(at);
    write!(
        out,
        "<text class=\"here\" x=\"{at:.2}%\" y=\"11\" text-anchor=\"{anchor}\">{word}</text>\n\
         <text x=\"0\" y=\"55\">{}</text>\n\
         <text x=\"100%\" y=\"55\" text-anchor=\"end\">{}</text>\n</svg>\n",
        day(leaf.not_before),
        day(leaf.not_after)
    )
}

/// Text at the edges stays inside.
fn anchor(at: f64) -> &'static str {
    match at {
        at if at < 6.0 => "start",
        at if at > 94.0 => "end",
        _ => "middle",
    }
}

/// The date alone.
fn day(moment: SystemTime) -> String {
    when::utc(moment).chars().take(10).collect()
}

/// Which certificate was served when: a stretch for each, a dot at each
/// rotation.
pub(super) fn history(out: &mut String, server: &ServerState, now: SystemTime) -> fmt::Result {
    let Some(first) = server.leaves.iter().map(|leaf| leaf.first_seen).min() else {
        return Ok(());
    };
    let axis = Axis::new(first, now);
    out.push_str(
        "<svg class=\"timeline\" width=\"100%\" height=\"42\" role=\"img\" \
         aria-label=\"Certificates over time\">\n\
         <line class=\"axis\" x1=\"0\" x2=\"100%\" y1=\"12\" y2=\"12\"/>\n",
    );
    for (index, leaf) in server.leaves.iter().enumerate() {
        let next = server.leaves.get(index + 1).map(|next| next.first_seen);
        let is_current = server.current.as_ref() == Some(&leaf.fingerprint);
        let from = axis.place(leaf.first_seen);
        let to = axis.place(if is_current { now } else { next.unwrap_or(leaf.last_seen) });
        let class = if is_current { "current" } else { "past" };
        writeln!(
            out,
            "<g class=\"{class}\"><title>{}, valid until {}, seen from {} to {}</title>\
             <line x1=\"{from:.2}%\" x2=\"{to:.2}%\" y1=\"12\" y2=\"12\"/>\
             <circle cx=\"{from:.2}%\" cy=\"12\" r=\"5\"/></g>",
            Escaped(&leaf.issuer),
            when::utc(leaf.not_after),
            when::utc(leaf.first_seen),
            when::utc(leaf.last_seen),
        )?;
    }
    write!(
        out,
        "<text x=\"0\" y=\"37\">{}</text>\n\
         <text x=\"100%\" y=\"37\" text-anchor=\"end\">now</text>\n</svg>\n",
        day(first)
    )
}
