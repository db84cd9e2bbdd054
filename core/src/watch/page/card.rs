//! One endpoint on the status page.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use super::{Escaped, Word, picture, severity};
use crate::certificate::when;
use crate::watch::state::{EndpointState, LastProbe, Leaf, Note, ServerState};
use crate::{Severity, Status};

/// Hosts whose bars are drawn; the rest is counted.
const SERVERS_SHOWN: usize = 8;

pub(super) fn render(out: &mut String, endpoint: &EndpointState, now: SystemTime) -> fmt::Result {
    let word = Word::of(endpoint.status());
    writeln!(out, "<article class=\"card {}\">", word.class)?;
    head(out, endpoint, word, now)?;
    if let Some(last) = &endpoint.last {
        findings(out, last)?;
    }
    let several = endpoint.servers.len() > 1;
    for server in endpoint.servers.iter().take(SERVERS_SHOWN) {
        certificate(out, server, several, now)?;
    }
    if let Some(more) = endpoint.servers.len().checked_sub(SERVERS_SHOWN).filter(|more| *more > 0) {
        writeln!(out, "<p class=\"quiet\">and {more} more servers</p>")?;
    }
    if let Some(last) = &endpoint.last {
        writeln!(
            out,
            "<p class=\"quiet foot\">{} since {} · probed {} in {} ms</p>",
            word.text,
            when::utc(last.since),
            when::relative(last.at, now),
            last.milliseconds
        )?;
    }
    out.push_str("</article>\n");
    Ok(())
}

fn head(out: &mut String, it: &EndpointState, word: Word, now: SystemTime) -> fmt::Result {
    write!(out, "<div class=\"head\">\n<div class=\"who\">\n<h2>{}</h2>\n", Escaped(&it.name))?;
    out.push_str("<p class=\"quiet\">");
    if it.name != it.target {
        write!(out, "<code>{}</code> ", Escaped(&it.target))?;
    }
    for tag in &it.tags {
        write!(out, "<span class=\"tag\">{}</span> ", Escaped(tag))?;
    }
    write!(
        out,
        "</p>\n</div>\n<p class=\"verdict\">{}<span>{}</span></p>\n",
        word.mark(18),
        word.text
    )?;
    if let Some((_, leaf)) = it.earliest() {
        let (number, unit) = left(leaf, now);
        writeln!(out, "<p class=\"left\"><b>{number}</b> <span>{unit}</span></p>")?;
    }
    out.push_str("</div>\n");
    Ok(())
}

/// What is left of a leaf's life: a number and what it counts.
fn left(leaf: &Leaf, now: SystemTime) -> (u64, &'static str) {
    let (distance, is_over) = match leaf.not_after.duration_since(now) {
        Ok(left) => (left.as_secs(), false),
        Err(over) => (over.duration().as_secs(), true),
    };
    match (distance / 86_400, distance / 3_600, is_over) {
        (1, _, false) => (1, "day left"),
        (0, 1, false) => (1, "hour left"),
        (0, 0, false) => (distance / 60, "minutes left"),
        (0, hours, false) => (hours, "hours left"),
        (days, _, false) => (days, "days left"),
        (1, _, true) => (1, "day over"),
        (0, 1, true) => (1, "hour over"),
        (0, 0, true) => (distance / 60, "minutes over"),
        (0, hours, true) => (hours, "hours over"),
        (days, _, true) => (days, "days over"),
    }
}

fn findings(out: &mut String, last: &LastProbe) -> fmt::Result {
    let (told, small): (Vec<&Note>, Vec<&Note>) =
        last.findings.iter().partition(|note| note.severity > Severity::Info);
    if !told.is_empty() {
        out.push_str("<ul class=\"findings\">\n");
        told.into_iter().try_for_each(|note| finding(out, note))?;
        out.push_str("</ul>\n");
    }
    if !small.is_empty() {
        writeln!(out, "<details><summary>{} worth knowing</summary>", small.len())?;
        out.push_str("<ul class=\"findings\">\n");
        small.into_iter().try_for_each(|note| finding(out, note))?;
        out.push_str("</ul>\n</details>\n");
    }
    Ok(())
}

fn finding(out: &mut String, note: &Note) -> fmt::Result {
    writeln!(
        out,
        "<li class=\"{}\"><p>{} <code>{}</code></p><p class=\"remedy\"><b>Remedy</b> {}</p></li>",
        severity(note.severity),
        Escaped(&note.message),
        Escaped(&note.id),
        Escaped(&note.remedy)
    )
}

/// The current certificate of a host, and those before it.
fn certificate(
    out: &mut String,
    server: &ServerState,
    several: bool,
    now: SystemTime,
) -> fmt::Result {
    if several {
        writeln!(out, "<h3>{}</h3>", Escaped(&server.host))?;
    }
    let Some(leaf) = server.current_leaf() else {
        out.push_str("<p class=\"quiet\">No certificate has been seen yet.</p>\n");
        return Ok(());
    };
    picture::life(out, server, leaf, now)?;
    write!(
        out,
        "<dl>\n<div><dt>Issuer</dt><dd>{}</dd></div>\n<div><dt>Key</dt><dd>{}</dd></div>\n\
         <div><dt>Serial</dt><dd><code>{}</code></dd></div>\n",
        Escaped(&leaf.issuer),
        Escaped(&leaf.key),
        Escaped(&shortened(&leaf.serial))
    )?;
    if let Some(address) = server.addresses.iter().find(|it| it.protocol.is_some()) {
        let protocol = address.protocol.as_deref().unwrap_or_default();
        writeln!(out, "<div><dt>Protocol</dt><dd>{}</dd></div>", Escaped(protocol))?;
    }
    writeln!(
        out,
        "<div><dt>Served</dt><dd>since {}</dd></div>\n</dl>",
        when::utc(leaf.first_seen)
    )?;
    addresses(out, server)?;
    if server.leaves.len() > 1 {
        history(out, server, now)?;
    }
    Ok(())
}

/// A serial number may have 40 digits; its ends tell it from others.
fn shortened(serial: &str) -> String {
    let chars: Vec<char> = serial.chars().collect();
    match chars.len() {
        0..=20 => serial.to_owned(),
        count => chars[..10].iter().chain(&['…']).chain(&chars[count - 8..]).collect(),
    }
}

fn addresses(out: &mut String, server: &ServerState) -> fmt::Result {
    if server.addresses.len() < 2 {
        return Ok(());
    }
    out.push_str("<ul class=\"addresses\">\n");
    for address in server.addresses.iter().take(32) {
        let (serves, at_best) = match &address.fingerprint {
            Some(it) if Some(it) == server.generation.as_ref() => ("newest certificate", None),
            Some(_) => ("another certificate", Some(Status::Degraded)),
            None => ("no certificate seen", None),
        };
        let word = Word::of(at_best.max(Some(address.status)));
        writeln!(
            out,
            "<li>{}<code>{}</code> <span>{serves}</span></li>",
            word.mark(12),
            Escaped(&address.address)
        )?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

fn history(out: &mut String, server: &ServerState, now: SystemTime) -> fmt::Result {
    let before = server.leaves.len() - 1;
    let noun = if before == 1 { "rotation" } else { "rotations" };
    let last = server.leaves.last().map_or(now, |leaf| leaf.first_seen);
    let last = when::relative(last, now);
    writeln!(out, "<div class=\"history\">\n<h4>{before} {noun}, the last {last}</h4>")?;
    picture::history(out, server, now)?;
    out.push_str(
        "<details><summary>Every certificate seen</summary>\n<table><thead><tr><th>Seen\
         <th>Issuer<th>Key<th>Valid until<th>Serial</tr></thead>\n<tbody>\n",
    );
    for leaf in server.leaves.iter().rev() {
        writeln!(
            out,
            "<tr><td>{} – {}<td>{}<td>{}<td>{}<td><code>{}</code></tr>",
            when::utc(leaf.first_seen),
            when::utc(leaf.last_seen),
            Escaped(&leaf.issuer),
            Escaped(&leaf.key),
            when::utc(leaf.not_after),
            Escaped(&shortened(&leaf.serial))
        )?;
    }
    out.push_str("</tbody></table></details>\n</div>\n");
    Ok(())
}
