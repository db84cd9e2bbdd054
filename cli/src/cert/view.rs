//! A certificate file for people, in at most 100 columns.

use std::io::Write;
use std::time::{Duration, SystemTime};

use everpost::certificate::Certificate;
use everpost::{Severity, Status};

use super::show::Shown;
use super::style::Style;
use crate::moment;
use crate::send::report::say;

const WIDTH: usize = 100;
/// Where what is said begins.
const INDENT: usize = 15;
const BAR: usize = 30;
/// The most names shown.
const NAMES: usize = 50;

pub(super) fn show(out: &mut impl Write, style: Style, shown: &Shown<'_>, at: SystemTime) {
    let Shown { path, file, report, .. } = shown;
    let leaf = file.leaf();
    let status = report.status();
    let count = match file.chain().len() {
        1 => "one certificate".to_owned(),
        count => format!("{count} certificates"),
    };
    let format = file.format().as_str().to_uppercase();
    say(
        out,
        &format!(
            "{}  {}  {}",
            style.bold(&path.display().to_string()),
            style.status(status, status.as_str()),
            style.dim(&format!("({format}, {count})"))
        ),
    );
    let mut row = |name: &str, text: &str| {
        let mut label = name;
        for line in wrap(text, WIDTH - INDENT) {
            let padding = " ".repeat(INDENT - 2 - label.chars().count());
            say(out, &format!("  {}{padding}{line}", style.dim(label)));
            label = "";
        }
    };
    row("subject", leaf.subject());
    row("names", &names(leaf));
    row("issuer", leaf.issuer());
    row(
        "valid",
        &format!("{} to {}", moment::utc(leaf.not_before()), moment::utc(leaf.not_after())),
    );
    let life = time_status(shown);
    row("", &format!("{}  {}", style.status(life, &bar(leaf, at)), left(leaf, at)));
    row("key", &key(leaf));
    row("signed with", leaf.signature_algorithm());
    if let Some(purposes) = leaf.extended_key_usage() {
        row("for", &purposes.join(", "));
    }
    row("serial", leaf.serial());
    row("SHA-256", &leaf.fingerprint().to_string());
    row("key pin", &leaf.spki_pin().to_string());
    let (text, good) = match (file.has_key(), file.key_matches()) {
        (false, _) => ("not in the file", Status::Healthy),
        (true, Some(true)) => ("in the file, belongs to the certificate", Status::Healthy),
        (true, Some(false)) => {
            ("in the file, DOES NOT BELONG to the certificate", Status::Unhealthy)
        }
        (true, None) => ("in the file, of a kind that cannot be compared", Status::Degraded),
    };
    let text = if file.has_key() { style.status(good, text) } else { text.to_owned() };
    row("private key", &text);
    for (depth, certificate) in file.chain().iter().enumerate().skip(1) {
        let name = if depth == 1 { "chain" } else { "" };
        row(name, &link(certificate, at));
    }
    if shown.trust {
        for verdict in &report.trust {
            let (status, word) = match verdict.trusted {
                true => (Status::Healthy, "trusted"),
                false => (Status::Unhealthy, "not trusted"),
            };
            row("trust", &format!("{} by {}", style.status(status, word), verdict.roots));
        }
    } else {
        row("trust", &style.dim("not asked: --host NAME judges name and trust"));
    }
    if !report.findings.is_empty() {
        say(out, "");
    }
    for finding in &report.findings {
        let status = match finding.severity {
            Severity::Critical => Status::Unhealthy,
            Severity::Warning => Status::Degraded,
            _ => Status::Healthy,
        };
        let word = finding.severity.as_str();
        say(out, &format!("  {}: {}", style.status(status, word), style.bold(finding.id.as_str())));
        for line in wrap(&finding.message, WIDTH - 4) {
            say(out, &format!("    {line}"));
        }
        for (number, line) in wrap(finding.remedy(), WIDTH - 11).into_iter().enumerate() {
            let label = if number == 0 { "to do: " } else { "       " };
            say(out, &format!("    {}{line}", style.dim(label)));
        }
    }
}

fn names(leaf: &Certificate) -> String {
    let dns = leaf.dns_names().iter().cloned();
    let all: Vec<String> = dns.chain(leaf.ip_addresses().iter().map(ToString::to_string)).collect();
    match all.len() {
        0 if leaf.is_ca() => "none".to_owned(),
        0 => "none: clients refuse it for any server".to_owned(),
        count if count > NAMES => {
            format!("{} and {} more", all[..NAMES].join(", "), count - NAMES)
        }
        _ => all.join(", "),
    }
}

fn key(certificate: &Certificate) -> String {
    match certificate.key_bits() {
        Some(bits) if certificate.key_algorithm() == "RSA" => format!("RSA, {bits} bits"),
        _ => certificate.key_algorithm().to_owned(),
    }
}

/// An issuer in one or two lines.
fn link(certificate: &Certificate, at: SystemTime) -> String {
    let name = certificate.common_name().unwrap_or(certificate.subject());
    let kind = if certificate.is_self_issued() { ", a root" } else { "" };
    let until = moment::utc(certificate.not_after());
    let over = if certificate.not_after() < at { ", EXPIRED" } else { "" };
    format!("{name}{kind}, until {until}{over}")
}

/// How the time axis alone stands.
fn time_status(shown: &Shown<'_>) -> Status {
    let time = shown.report.findings.iter().filter(|it| it.axis() == everpost::Axis::Time);
    Status::of(time)
}

/// The life of a certificate, the part that is over filled.
fn bar(leaf: &Certificate, at: SystemTime) -> String {
    let life = leaf.not_after().duration_since(leaf.not_before()).unwrap_or_default();
    let over = at.duration_since(leaf.not_before()).unwrap_or_default();
    let share = match life {
        Duration::ZERO => 1.0,
        life => over.div_duration_f64(life).clamp(0.0, 1.0),
    };
    // Between 0 and BAR.
    let filled = (share * BAR as f64).round() as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled))
}

fn left(leaf: &Certificate, at: SystemTime) -> String {
    let life = leaf.not_after().duration_since(leaf.not_before()).unwrap_or_default();
    if let Ok(early) = leaf.not_before().duration_since(at) {
        return format!("begins in {}", moment::span(early));
    }
    match leaf.not_after().duration_since(at) {
        Ok(left) => format!("{} left of {}", moment::span(left), moment::span(life)),
        Err(over) => format!("EXPIRED {} ago", moment::span(over.duration())),
    }
}

/// Breaks at blanks; a word that is longer than a line, anywhere.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + visible(&word) > width {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
            used += 1;
        }
        while used == 0 && visible(&word) > width {
            let rest = word.split_off(width);
            lines.last_mut().into_iter().for_each(|line| line.extend(&word));
            lines.push(String::new());
            word = rest;
        }
        lines.last_mut().into_iter().for_each(|line| line.extend(&word));
        used += visible(&word);
    }
    lines
}

/// Columns that a word takes: colours take none.
fn visible(word: &[char]) -> usize {
    let mut inside = false;
    let shown = word.iter().filter(|char| {
        let counts = !inside && **char != '\x1b';
        inside = **char == '\x1b' || (inside && **char != 'm');
        counts
    });
    shown.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("\x1b[32mone\x1b[0m two", 7), ["\x1b[32mone\x1b[0m two"]);
    }
}
