//! For people: a block for each target, at most 100 columns wide.
//!
//! ```text
//! ✗ mail.example.org:465  unhealthy
//!   192.0.2.10               TLSv1.3, implicit, X25519MLKEM768, 23 ms
//!   ███████████░░░░░░░░░░░░  41 of 90 days left, until 2027-01-01 09:12 UTC
//!                            mail.example.org, issued by R11; trusted by system, mozilla
//!   ! auth-before-tls        AUTH is offered before TLS …
//!                            → offer AUTH only inside TLS …
//! ```

use std::io;
use std::time::SystemTime;

use everpost::certificate::{Certificate, CertificateReport, Fingerprint, Threshold};
use everpost::probe::{AddressReport, ProbeReport, ServerReport};
use everpost::{Finding, Severity, Status, TlsMode};

use super::super::args::ProbeArgs;
use super::super::state::State;
use super::Output;
use super::text::{Paint, Style, harmless, padded, width, wrap};
use crate::moment::{short, span, utc};
use crate::terminal;

/// Columns in all.
const COLUMNS: usize = 100;
/// Columns of the left side, which fits the longest name of a finding.
const LEFT: usize = 23;
/// Where the right side begins.
const RIGHT: usize = 2 + LEFT + 2;

/// The blocks and the count below them.
pub(super) struct Table {
    paint: Paint,
    warning: Threshold,
    critical: Threshold,
    later: bool,
    counts: [usize; 3],
}

impl Table {
    pub(super) fn new(args: &ProbeArgs) -> Self {
        Table {
            paint: Paint(terminal::colours(&io::stdout())),
            warning: args.warn,
            critical: args.crit,
            later: args.at.is_some(),
            counts: [0; 3],
        }
    }
}

impl Output for Table {
    fn report(&mut self, report: ProbeReport, _: State) -> String {
        let first = self.counts.iter().sum::<usize>() == 0;
        let status = report.status();
        self.counts[match status {
            Status::Healthy => 0,
            Status::Degraded => 1,
            Status::Unhealthy => 2,
        }] += 1;
        let mut block = Block { table: self, at: report.judged_at, out: String::new() };
        if !first {
            block.out.push('\n');
        }
        block.target(&report);
        block.out
    }

    fn end(&mut self, _: State) -> String {
        let [healthy, degraded, unhealthy] = self.counts;
        let all = healthy + degraded + unhealthy;
        if all < 2 {
            return String::new();
        }
        let count = |style, count: usize, word| match count {
            0 => self.paint.text(Style::Dim, format!("{count} {word}")),
            _ => self.paint.text(style, format!("{count} {word}")),
        };
        format!(
            "\n{all} targets: {}, {}, {}\n",
            count(Style::Good, healthy, Status::Healthy),
            count(Style::Odd, degraded, Status::Degraded),
            count(Style::Bad, unhealthy, Status::Unhealthy)
        )
    }
}

/// The lines of one target.
struct Block<'a> {
    table: &'a Table,
    at: SystemTime,
    out: String,
}

impl Block<'_> {
    fn target(&mut self, report: &ProbeReport) {
        let mx = if report.target.mx { "MX of " } else { "" };
        let name = harmless(&report.target.to_string());
        let at = if self.table.later { format!("as of {}", utc(self.at)) } else { String::new() };
        self.heading("", report.status(), &format!("{mx}{name}"), &at);
        for server in &report.servers {
            self.server(report, server);
        }
        if let Some(policy) = &report.mta_sts {
            let id = policy.id.as_ref().map_or("no policy".to_owned(), |id| format!("policy {id}"));
            self.entry("MTA-STS", Style::Plain, &[(Style::Plain, id)]);
        }
        self.findings(report.findings.iter().map(|it| (it, String::new())).collect());
    }

    fn heading(&mut self, indent: &str, status: Status, name: &str, more: &str) {
        let paint = self.table.paint;
        let (style, mark) = look(status);
        let text = format!(
            "{indent}{} {}  {}  {}",
            paint.text(style, mark),
            paint.text(Style::Bold, name),
            paint.text(style, status),
            paint.text(Style::Dim, more)
        );
        self.line(text.trim_end());
    }

    fn server(&mut self, report: &ProbeReport, server: &ServerReport) {
        if report.target.mx {
            let preference =
                server.preference.map_or(String::new(), |it| format!("preference {it}"));
            let name = harmless(&server.host);
            self.heading("  ", server.status(), &name, &preference);
        }
        let mut seen: Option<Fingerprint> = None;
        for address in &server.addresses {
            self.address(address);
            let Some(certificate) = &address.certificate else { continue };
            let leaf = certificate.leaf();
            let fingerprint = leaf.map(Certificate::fingerprint);
            if fingerprint.is_some() && fingerprint == seen {
                self.right(&[(Style::Dim, "the same certificate".to_owned())]);
            } else if let Some(leaf) = leaf {
                self.certificate(certificate, leaf);
            }
            seen = fingerprint.or(seen);
        }
        self.findings(together(server));
    }

    fn address(&mut self, address: &AddressReport) {
        let mut facts = Vec::new();
        match &address.tls {
            Some(tls) => {
                facts.push(match address.mode {
                    TlsMode::Implicit => format!("{}, implicit", tls.protocol),
                    _ => format!("{} by STARTTLS", tls.protocol),
                });
                facts.extend(tls.group.clone());
            }
            None if address.timings.connect.is_none() => facts.push("no connection".to_owned()),
            None => facts.push("connected, no TLS".to_owned()),
        }
        facts.push(short(address.timings.total));
        let mut facts = vec![(Style::Plain, facts.join(", "))];
        if let Some(dane) = &address.dane {
            let says = match dane.matched {
                Some(true) => "matches",
                Some(false) => "does not match",
                None => "cannot be used",
            };
            facts.push((Style::Dim, format!("DANE {says}, {} records", dane.records.len())));
        }
        self.entry(&address.address.ip().to_string(), Style::Plain, &facts);
    }

    fn certificate(&mut self, report: &CertificateReport, leaf: &Certificate) {
        let (style, bar) = self.bar(leaf);
        let (empty, full): (String, String) = (
            bar.chars().filter(|cell| *cell == '░').collect(),
            bar.chars().filter(|cell| *cell == '█').collect(),
        );
        let paint = self.table.paint;
        let bar = format!("{}{}", paint.text(style, full), paint.text(Style::Dim, empty));
        let style = if matches!(style, Style::Good) { Style::Plain } else { style };
        self.out.push_str(&format!("  {bar}  {}\n", paint.text(style, self.life(leaf))));
        let names = match leaf.dns_names() {
            [] => leaf.common_name().unwrap_or("no name").to_owned(),
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        };
        let said = |trusted| {
            let sets = report.trust.iter().filter(move |it| it.trusted == trusted);
            sets.map(|it| it.roots.as_str()).collect::<Vec<_>>().join(", ")
        };
        let trust = match (said(true), said(false)) {
            (yes, no) if no.is_empty() && yes.is_empty() => String::new(),
            (yes, no) if no.is_empty() => format!("; trusted by {yes}"),
            (yes, no) if yes.is_empty() => format!("; not trusted by {no}"),
            (yes, no) => format!("; trusted by {yes}, not by {no}"),
        };
        let text = format!("{names}, issued by {}{trust}", short_name(leaf.issuer()));
        self.right(&[(Style::Plain, harmless(&text))]);
        let sha256 = leaf.fingerprint().to_string();
        self.right(&[(Style::Dim, format!("sha256 {sha256}"))]);
    }

    /// How much is left of a certificate's life, as a bar.
    fn bar(&self, leaf: &Certificate) -> (Style, String) {
        let lifetime = leaf.not_after().duration_since(leaf.not_before()).unwrap_or_default();
        let left = leaf.not_after().duration_since(self.at).unwrap_or_default();
        let style = match () {
            () if self.at < leaf.not_before() => Style::Bad,
            () if left <= self.table.critical.of(lifetime) => Style::Bad,
            () if left <= self.table.warning.of(lifetime) => Style::Odd,
            () => Style::Good,
        };
        let share = leaf.lifetime_left(self.at);
        // The share is 0 to 1, so neither sign nor size is lost.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let full = (share * LEFT as f64).ceil() as usize;
        (style, "█".repeat(full.min(LEFT)) + &"░".repeat(LEFT.saturating_sub(full)))
    }

    fn life(&self, leaf: &Certificate) -> String {
        let (begin, end) = (leaf.not_before(), leaf.not_after());
        if let Ok(ahead) = begin.duration_since(self.at) {
            return format!("valid in {}, from {}", span(ahead), utc(begin));
        }
        match end.duration_since(self.at) {
            Ok(left) => {
                let lifetime = end.duration_since(begin).unwrap_or_default();
                let (left, lifetime) = (span(left), span(lifetime));
                // "41 of 90 days", and "30 hours of 7 days".
                let unit = lifetime.split(' ').next_back().unwrap_or_default();
                let left = left.strip_suffix(&format!(" {unit}")).unwrap_or(&left);
                format!("{left} of {lifetime} left, until {}", utc(end))
            }
            Err(past) => format!("expired {} ago, at {}", span(past.duration()), utc(end)),
        }
    }

    /// What was found, each with where, the worst first.
    fn findings(&mut self, mut found: Vec<(&Finding, String)>) {
        found.sort_by_key(|(it, _)| (std::cmp::Reverse(it.severity), it.id));
        let mut remedy = "";
        for (finding, place) in found {
            let (style, mark) = match finding.severity {
                Severity::Critical => (Style::Bad, "✗"),
                Severity::Warning => (Style::Odd, "!"),
                _ => (Style::Dim, "·"),
            };
            let mut text = vec![(
                if finding.severity == Severity::Info { Style::Dim } else { Style::Plain },
                harmless(&format!("{}{place}", finding.message)),
            )];
            if finding.severity > Severity::Info && finding.remedy() != remedy {
                remedy = finding.remedy();
                text.push((Style::Dim, format!("→ {remedy}")));
            }
            self.entry(&format!("{mark} {}", finding.id), style, &text);
        }
    }

    /// A name on the left side, and lines on the right.
    fn entry(&mut self, name: &str, style: Style, text: &[(Style, String)]) {
        let paint = self.table.paint;
        let left = paint.text(style, name);
        if width(name) > LEFT {
            self.line(&format!("  {left}"));
            return self.right(text);
        }
        let mut first = format!("  {left}{}", padded("", LEFT + 2 - width(name)));
        for (style, text) in text {
            for line in wrap(text, COLUMNS - RIGHT) {
                let line = format!("{first}{}", paint.text(*style, line));
                self.line(line.trim_end());
                first = " ".repeat(RIGHT);
            }
        }
    }

    /// Lines on the right side alone.
    fn right(&mut self, text: &[(Style, String)]) {
        self.entry("", Style::Plain, text);
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }
}

fn look(status: Status) -> (Style, &'static str) {
    match status {
        Status::Healthy => (Style::Good, "✓"),
        Status::Degraded => (Style::Odd, "!"),
        Status::Unhealthy => (Style::Bad, "✗"),
    }
}

/// What was found about a server and its addresses, each thing once: with the
/// addresses that it is about, where it is not about all.
fn together(server: &ServerReport) -> Vec<(&Finding, String)> {
    let mut found: Vec<(&Finding, Vec<String>)> = Vec::new();
    for finding in &server.findings {
        found.push((finding, Vec::new()));
    }
    for address in &server.addresses {
        let ip = address.address.ip().to_string();
        for finding in address.all_findings() {
            let same = |it: &&mut (&Finding, Vec<String>)| {
                it.0.id == finding.id && it.0.message == finding.message && !it.1.is_empty()
            };
            match found.iter_mut().find(same) {
                Some((_, places)) if places.contains(&ip) => {}
                Some((_, places)) => places.push(ip.clone()),
                None => found.push((finding, vec![ip.clone()])),
            }
        }
    }
    let all = server.addresses.len();
    let place = |finding: &Finding, places: &[String]| {
        let named = places.iter().all(|ip| finding.message.contains(ip.as_str()));
        if places.is_empty() || places.len() == all || named {
            String::new()
        } else {
            format!(" (at {})", places.join(", "))
        }
    };
    found.into_iter().map(|(it, places)| (it, place(it, &places))).collect()
}

/// The common name out of a distinguished name, or all of it.
fn short_name(name: &str) -> &str {
    let parts = name.split(", ").filter_map(|part| part.strip_prefix("CN="));
    parts.last().unwrap_or(name)
}
