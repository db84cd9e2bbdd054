//! JUnit's XML: a test case for each address, for continuous integration.
//!
//! Information never fails a case; what fails it is what the exit code tells
//! of.

use std::fmt::Write as _;
use std::time::Duration;

use everpost::probe::ProbeReport;
use everpost::{Finding, Severity};

use super::super::args::{FailOn, ProbeArgs};
use super::super::state::State;
use super::Output;

/// All cases so far, each target a suite.
pub(super) struct Suite {
    /// What fails a case.
    fail_on: FailOn,
    suites: String,
    cases: usize,
    failures: usize,
    time: Duration,
}

impl Suite {
    pub(super) fn new(args: &ProbeArgs) -> Self {
        let (cases, failures, time) = (0, 0, Duration::ZERO);
        Suite { fail_on: args.fail_on, suites: String::new(), cases, failures, time }
    }
}

impl Output for Suite {
    fn report(&mut self, report: ProbeReport, _: State) -> String {
        let target = escaped(&report.target.to_string());
        let (mut cases, mut count, mut failures) = (String::new(), 0, 0);
        let fail_on = self.fail_on;
        let mut case = |name: String, time: Duration, findings: Vec<&Finding>| {
            let fails = findings.iter().any(|it| match fail_on {
                FailOn::Warning => it.severity >= Severity::Warning,
                FailOn::Critical => it.severity >= Severity::Critical,
                FailOn::Never => false,
            });
            count += 1;
            failures += usize::from(fails);
            let name = escaped(&name);
            let time = time.as_secs_f64();
            // Writing to a string cannot fail.
            let _ = writeln!(
                cases,
                "    <testcase classname=\"{target}\" name=\"{name}\" time=\"{time:.6}\">"
            );
            let worst = findings.iter().max_by_key(|it| it.severity);
            let text: String = findings.iter().map(|it| lines(it)).collect();
            let text = escaped(&text);
            match worst.filter(|_| fails) {
                Some(worst) => {
                    let (id, message) = (worst.id, escaped(&worst.message));
                    let _ = writeln!(
                        cases,
                        "      <failure type=\"{id}\" message=\"{message}\">{text}</failure>"
                    );
                }
                None if !text.is_empty() => {
                    let _ = writeln!(cases, "      <system-out>{text}</system-out>");
                }
                None => {}
            }
            cases.push_str("    </testcase>\n");
        };
        for (server, address) in report.addresses() {
            let ip = address.address.ip().to_string();
            let name = if server.host == ip { ip } else { format!("{} {ip}", server.host) };
            case(name, address.timings.total, address.all_findings().collect());
        }
        // What belongs to no address, and a target without any.
        let whole = report.servers.iter().flat_map(|server| &server.findings);
        let whole: Vec<_> = whole.chain(&report.findings).collect();
        if !whole.is_empty() || report.addresses().next().is_none() {
            case(report.target.host.clone(), Duration::ZERO, whole);
        }
        let time = report.duration.as_secs_f64();
        let _ = write!(
            self.suites,
            "  <testsuite name=\"{target}\" tests=\"{count}\" failures=\"{failures}\" \
             errors=\"0\" time=\"{time:.6}\">\n{cases}  </testsuite>\n"
        );
        self.cases += count;
        self.failures += failures;
        self.time += report.duration;
        String::new()
    }

    fn end(&mut self, _: State) -> String {
        let Suite { suites, cases, failures, time, .. } = self;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"everpost probe\" \
             tests=\"{cases}\" failures=\"{failures}\" errors=\"0\" time=\"{:.6}\">\n{suites}\
             </testsuites>\n",
            time.as_secs_f64()
        )
    }
}

fn lines(finding: &Finding) -> String {
    let Finding { severity, id, message, .. } = finding;
    format!("{severity}: {id}: {message}\n  remedy: {}\n", finding.remedy())
}

/// Text for an element or an attribute of XML 1.0, which has no place for
/// control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            control if control.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(other),
        }
    }
    out
}
