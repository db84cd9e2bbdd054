//! The policy file (RFC 8461 §3.2), and which hosts it names (§4.1).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest that a policy may be kept (RFC 8461 §3.2), in seconds.
const MAX_AGE: u64 = 31_557_600;

/// What senders do with a server that does not satisfy the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MtaStsMode {
    /// They do not deliver to it.
    Enforce,
    /// They deliver and report.
    Testing,
    /// They deliver: the domain is taking its policy back.
    None,
}

impl MtaStsMode {
    /// The name in the policy: `enforce`, `testing` or `none`.
    pub fn as_str(self) -> &'static str {
        match self {
            MtaStsMode::Enforce => "enforce",
            MtaStsMode::Testing => "testing",
            MtaStsMode::None => "none",
        }
    }
}

impl fmt::Display for MtaStsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A domain's policy: which servers take its mail, by TLS with a certificate
/// that holds.
///
/// Read from the text of a policy file: lines of `key: value` that end in LF
/// or CRLF. The first of several equal keys counts, but for `mx`; unknown keys
/// are passed over. `Display` writes such a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MtaStsPolicy {
    /// What happens to servers that do not satisfy it.
    pub mode: MtaStsMode,
    /// The hosts, in lower case: `mail.example.org`, or `*.example.org` for
    /// every name with exactly one label more.
    pub mx: Vec<String>,
    /// How long senders keep it.
    pub max_age: Duration,
}

/// Text that is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an MTA-STS policy: {reason}")]
pub struct ParseMtaStsPolicyError {
    pub(super) reason: &'static str,
}

impl MtaStsPolicy {
    /// Whether the policy names `host`, in whichever case.
    pub fn names(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            None => pattern.eq_ignore_ascii_case(host),
            Some(parent) => host.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(parent)
            }),
        })
    }
}

impl FromStr for MtaStsPolicy {
    type Err = ParseMtaStsPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let failed = |reason| ParseMtaStsPolicyError { reason };
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once(':').ok_or(failed("a line is not key: value"))?;
            let value = value.trim();
            match key.trim_end() {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => mx.push(pattern(value).ok_or(failed("an mx is no host name"))?),
                _ => {}
            }
        }
        if version.ok_or(failed("it has no version"))? != "STSv1" {
            return Err(failed("its version is not STSv1"));
        }
        let mode = match mode.ok_or(failed("it has no mode"))? {
            "enforce" => MtaStsMode::Enforce,
            "testing" => MtaStsMode::Testing,
            "none" => MtaStsMode::None,
            _ => return Err(failed("its mode is not enforce, testing or none")),
        };
        let seconds = seconds(max_age.ok_or(failed("it has no max_age"))?)
            .ok_or(failed("its max_age is not a number of seconds up to 31557600"))?;
        if mx.is_empty() && mode != MtaStsMode::None {
            return Err(failed("it names no mx"));
        }
        Ok(MtaStsPolicy { mode, mx, max_age: Duration::from_secs(seconds) })
    }
}

/// A host name, or `*.` and one (RFC 8461 §3.2: `Domain` of RFC 5321).
fn pattern(text: &str) -> Option<String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(is_label)).then(|| text.to_ascii_lowercase())
}

fn seconds(text: &str) -> Option<u64> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seconds| digits && *seconds <= MAX_AGE)
}

impl fmt::Display for MtaStsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version: STSv1\nmode: {}\n", self.mode)?;
        self.mx.iter().try_for_each(|mx| writeln!(f, "mx: {mx}"))?;
        writeln!(f, "max_age: {}", self.max_age.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "version: STSv1\nmode: enforce\nmx: mail.example.org\nmax_age: 604800\n";

    fn policy(mx: &[&str]) -> MtaStsPolicy {
        MtaStsPolicy {
            mode: MtaStsMode::Enforce,
            mx: mx.iter().map(|mx| (*mx).to_owned()).collect(),
            max_age: Duration::from_secs(604_800),
        }
    }

    #[test]
    fn a_policy_is_read_in_every_permitted_form() {
        let good = Ok(policy(&["mail.example.org"]));
        for text in [
            GOOD.to_owned(),
            GOOD.replace('\n', "\r\n"),
            GOOD.trim_end().to_owned(),
            GOOD.replace(": ", ":"),
            GOOD.replace('\n', "  \n\n"),
            format!("{GOOD}future: a:b\nmode: none\nversion: STSv9\nmax_age: 1\n"),
            GOOD.replace("mail.example", "Mail.EXAMPLE"),
        ] {
            assert_eq!(text.parse(), good, "{text:?}");
        }
        let two = GOOD.replace("mx:", "mx: *.example.net\nmx:");
        assert_eq!(two.parse(), Ok(policy(&["*.example.net", "mail.example.org"])));
        let none = "version: STSv1\nmode: none\nmax_age: 86400";
        assert_eq!(none.parse::<MtaStsPolicy>().unwrap().mode, MtaStsMode::None);
    }

    #[test]
    fn what_is_no_policy_says_why() {
        for (text, reason) in [
            (String::new(), "no version"),
            (GOOD.replace("STSv1", "STSv2"), "not STSv1"),
            (GOOD.replace("mode: enforce\n", ""), "no mode"),
            (GOOD.replace("enforce", "Enforce"), "its mode"),
            (GOOD.replace("mx: mail.example.org\n", ""), "no mx"),
            (GOOD.replace("mail.example.org", "mail.*.org"), "no host name"),
            (GOOD.replace("mail.example.org", "192.0.2.1:25"), "no host name"),
            (GOOD.replace("mail.example.org", "-a.org"), "no host name"),
            (GOOD.replace("max_age: 604800\n", ""), "no max_age"),
            (GOOD.replace("604800", "31557601"), "max_age"),
            (GOOD.replace("604800", "+1"), "max_age"),
            (GOOD.replace("604800", ""), "max_age"),
            ("<!doctype html>".to_owned(), "not key: value"),
        ] {
            let error = text.parse::<MtaStsPolicy>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let policy = policy(&["mail.example.org", "*.example.net"]);
        for host in ["mail.example.org", "MAIL.Example.ORG.", "a.example.net", "b-c.EXAMPLE.net"] {
            assert!(policy.names(host), "{host}");
        }
        for host in [
            "example.org",
            "a.mail.example.org",
            "example.net",
            "a.b.example.net",
            ".example.net",
            "aexample.net",
            "*.example.org",
            "",
        ] {
            assert!(!policy.names(host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, value: String, host: String) {
            let _ = text.parse::<MtaStsPolicy>();
            if let Ok(policy) = format!("{GOOD}mx: {value}").parse::<MtaStsPolicy>() {
                policy.names(&host);
            }
        }

        #[test]
        fn a_written_policy_is_read_back(
            mode in prop_oneof![
                Just(MtaStsMode::Enforce), Just(MtaStsMode::Testing), Just(MtaStsMode::None)
            ],
            mx in prop::collection::vec("(\\*\\.)?[a-z0-9]{1,9}(\\.[a-z]([a-z0-9-]{0,5}[a-z])?){0,3}", 1..5),
            seconds in 0..=MAX_AGE,
        ) {
            let policy = MtaStsPolicy { mode, mx, max_age: Duration::from_secs(seconds) };
            prop_assert_eq!(policy.to_string().parse(), Ok(policy));
        }
    }
}
