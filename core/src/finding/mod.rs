//! What was found, on which axis, how bad it is and what to do: [`Finding`].
//!
//! One vocabulary for certificates, probes, diagnosis and watching. Every kind
//! of finding has a stable kebab-case name ([`FindingId`]), listed with its
//! meaning in `docs/findings.md`.

mod table;

use std::fmt;

pub use table::FindingId;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Works now, and may not for long or elsewhere.
    Warning,
    /// Not acceptable.
    Critical,
}

impl Severity {
    /// The stable name: `info`, `warning` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How something is doing, in one of three words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Nothing worse than information was found.
    Healthy,
    /// It works, and something needs attention.
    Degraded,
    /// It cannot be used as it is.
    Unhealthy,
}

impl Status {
    /// The status that the worst of `findings` means.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        match findings.into_iter().map(|finding| finding.severity).max() {
            Some(Severity::Critical) => Status::Unhealthy,
            Some(Severity::Warning) => Status::Degraded,
            Some(Severity::Info) | None => Status::Healthy,
        }
    }

    /// The stable name: `healthy`, `degraded` or `unhealthy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a finding speaks about. Axes are judged apart: none hides another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Axis {
    /// Validity dates, and the clock they are held against.
    Time,
    /// The names of the leaf.
    Name,
    /// The path to a trusted root.
    Trust,
    /// What the certificates may be used for.
    Purpose,
    /// Keys, signatures, protocol versions and ciphers.
    Strength,
    /// Which certificates were sent, and in what order.
    Chain,
    /// Staples, must-staple and revocation lists.
    Revocation,
    /// Pins and fingerprints.
    Pin,
    /// DANE TLSA (RFC 7672).
    Dane,
    /// MTA-STS (RFC 8461).
    MtaSts,
    /// What is served, beside what is on disk and in the pool.
    Comparison,
    /// The addresses of one name, beside each other.
    Addresses,
    /// Names, routes and ports.
    Network,
    /// The SMTP session and its STARTTLS.
    Session,
    /// Credentials, senders, recipients and limits.
    Account,
}

impl Axis {
    /// The stable name, in kebab case.
    pub fn as_str(self) -> &'static str {
        match self {
            Axis::Time => "time",
            Axis::Name => "name",
            Axis::Trust => "trust",
            Axis::Purpose => "purpose",
            Axis::Strength => "strength",
            Axis::Chain => "chain",
            Axis::Revocation => "revocation",
            Axis::Pin => "pin",
            Axis::Dane => "dane",
            Axis::MtaSts => "mta-sts",
            Axis::Comparison => "comparison",
            Axis::Addresses => "addresses",
            Axis::Network => "network",
            Axis::Session => "session",
            Axis::Account => "account",
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub id: FindingId,
    /// How bad it is: [`FindingId::severity`] unless the case is milder or
    /// worse than usual.
    pub severity: Severity,
    /// What was seen, with dates and names, in one line.
    pub message: String,
    /// The facts behind the message by name, such as `not_after`, for
    /// programs.
    pub evidence: Vec<(&'static str, String)>,
}

impl Finding {
    /// A finding of the usual severity.
    pub(crate) fn new(id: FindingId, message: impl Into<String>) -> Self {
        Finding { id, severity: id.severity(), message: message.into(), evidence: Vec::new() }
    }

    /// The same, milder or worse than usual.
    pub(crate) fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds a fact. Text of the other side is made printable by whoever has
    /// it.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.evidence.push((name, value.to_string()));
        self
    }

    /// What it speaks about.
    pub fn axis(&self) -> Axis {
        self.id.axis()
    }

    /// What to do about it, in one sentence.
    pub fn remedy(&self) -> &'static str {
        self.id.remedy()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_finding_has_a_stable_name_of_its_own_in_kebab_case() {
        let mut names = HashSet::new();
        for id in FindingId::ALL {
            let name = id.as_str();
            assert!(names.insert(name), "{name} twice");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }

    /// Name and text of each section of the page, of the given depth.
    fn sections<'a>(page: &'a str, marks: &str) -> Vec<(&'a str, &'a str)> {
        let sections = page.split(marks).skip(1);
        sections.filter_map(|section| section.split_once('\n')).collect()
    }

    #[test]
    fn the_page_of_findings_lists_each_one_in_its_axis_as_the_table_has_it() {
        let page = include_str!("../../../docs/findings.md").replace("\r\n", "\n");
        let mut missing: HashSet<FindingId> = FindingId::ALL.iter().copied().collect();
        for (axis, text) in sections(&page, "\n## ") {
            for (title, text) in sections(text, "\n### ") {
                let id = missing.iter().find(|id| title == format!("`{id}`")).copied();
                let id = id.unwrap_or_else(|| panic!("{title} is twice on the page, or unknown"));
                missing.remove(&id);
                let name = id.axis().as_str();
                let same = axis.to_lowercase().trim_end_matches('s') == name.trim_end_matches('s');
                assert!(same, "{title} belongs to {name} and stands under {axis}");
                let severity = format!("{:?}", id.severity());
                let (meaning, seen, remedy) = match text.trim().split("\n\n").collect::<Vec<_>>()[..]
                {
                    [meaning, seen, remedy] => (meaning, seen, remedy),
                    _ => panic!("{title}: meaning, example and remedy, with empty lines between"),
                };
                assert_eq!(meaning, format!("{} *{severity}.*", id.meaning()), "{title}");
                assert!(seen.starts_with("> ") && !seen.contains('\n'), "{title}: {seen}");
                assert_eq!(remedy, format!("**To do:** {}.", id.remedy()), "{title}");
            }
        }
        let wanted = |id: &FindingId| {
            format!(
                "under {}:\n\n### `{id}`\n\n{} *{:?}.*\n\n> what is seen\n\n**To do:** {}.\n",
                id.axis(),
                id.meaning(),
                id.severity(),
                id.remedy()
            )
        };
        let wanted: Vec<String> = missing.iter().map(wanted).collect();
        assert!(wanted.is_empty(), "missing in docs/findings.md, {}", wanted.join("\n"));
    }

    #[test]
    fn the_worst_finding_decides_the_status() {
        let info = Finding::new(FindingId::Expired, "").with_severity(Severity::Info);
        let warning = Finding::new(FindingId::Expired, "").with_severity(Severity::Warning);
        let critical = Finding::new(FindingId::Expired, "");
        assert_eq!(Status::of([]), Status::Healthy);
        assert_eq!(Status::of([&info]), Status::Healthy);
        assert_eq!(Status::of([&info, &warning]), Status::Degraded);
        assert_eq!(Status::of([&critical, &warning]), Status::Unhealthy);
    }
}
