//! Reports as Prometheus text.
//!
//! Two families of names: `probe_*` as blackbox_exporter has them, one series
//! per target, so that existing dashboards and alerts go on working; and
//! `everpost_probe_*` for what those lack, one series per address. Series stay
//! when a certificate expires or is not trusted: an alert on
//! `probe_ssl_earliest_cert_expiry` must fire then, not fall silent.
//!
//! The text is Prometheus' exposition format 0.0.4, and OpenMetrics once
//! `# EOF` is put below it: gauges alone, each family in one piece.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::certificate::Certificate;
use crate::finding::{Axis, Finding, Severity, Status};
use crate::probe::{AddressReport, ProbeReport, ServerReport};

/// Renders reports as Prometheus text, each target with all that is known of
/// it. Reports of the same target make the same series: pass the newest.
pub fn prometheus<'a>(reports: impl IntoIterator<Item = &'a ProbeReport>) -> String {
    let reports: Vec<Seen<'_>> = reports.into_iter().map(Seen::new).collect();
    let mut out = String::new();
    for family in FAMILIES {
        let mut lines = Lines { name: family.name, text: String::new(), seen: BTreeSet::new() };
        reports.iter().for_each(|report| (family.render)(report, &mut lines));
        if !lines.text.is_empty() {
            let Family { name, help, .. } = family;
            // Writing to a string cannot fail.
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{}", lines.text);
        }
    }
    out
}

/// A report with its name as a label.
struct Seen<'a> {
    target: String,
    report: &'a ProbeReport,
}

/// One address with the labels that name it.
struct At<'a> {
    address: &'a AddressReport,
    labels: [(&'static str, String); 3],
}

impl<'a> Seen<'a> {
    fn new(report: &'a ProbeReport) -> Self {
        Seen { target: report.target.to_string(), report }
    }

    fn addresses(&self) -> impl Iterator<Item = At<'a>> {
        self.report.addresses().map(|(server, address)| At {
            address,
            labels: [
                ("target", self.target.clone()),
                ("server", server.host.clone()),
                ("address", address.address.ip().to_string()),
            ],
        })
    }

    /// The address whose certificate ends first: it speaks for the target.
    fn first_to_end(&self) -> Option<&'a AddressReport> {
        let with_leaf = self.report.addresses().filter_map(|(_, address)| {
            let leaf = address.certificate.as_ref()?.leaf()?;
            Some((leaf.not_after(), address))
        });
        with_leaf.min_by_key(|(end, _)| *end).map(|(_, address)| address)
    }

    fn chain(&self) -> &'a [Certificate] {
        self.first_to_end().and_then(|it| it.certificate.as_ref()).map_or(&[], |it| &it.chain)
    }
}

/// One name with its series.
struct Family {
    name: &'static str,
    help: &'static str,
    render: fn(&Seen<'_>, &mut Lines),
}

const FAMILIES: &[Family] = &[
    Family {
        name: "probe_success",
        help: "Whether everything works: 1 unless the status is unhealthy.",
        render: |it, lines| lines.of(it, f64::from(it.report.status() != Status::Unhealthy)),
    },
    Family {
        name: "probe_duration_seconds",
        help: "How long the probe took.",
        render: |it, lines| lines.of(it, it.report.duration.as_secs_f64()),
    },
    Family {
        name: "probe_dns_lookup_time_seconds",
        help: "How long the names took to resolve.",
        render: |it, lines| {
            let each: Vec<Duration> = it.report.servers.iter().filter_map(|it| it.dns).collect();
            if !each.is_empty() {
                lines.of(it, each.iter().sum::<Duration>().as_secs_f64());
            }
        },
    },
    Family {
        name: "probe_ip_protocol",
        help: "The IP version of the address whose certificate ends first: 4 or 6.",
        render: |it, lines| {
            let first = it.report.addresses().next().map(|(_, address)| address);
            if let Some(address) = it.first_to_end().or(first) {
                let version = if matches!(address.address.ip(), IpAddr::V4(_)) { 4.0 } else { 6.0 };
                lines.of(it, version);
            }
        },
    },
    Family {
        name: "probe_ssl_earliest_cert_expiry",
        help: "When the first of all certificates that were sent ends, in Unix seconds.",
        render: |it, lines| {
            let reports = it.report.addresses().filter_map(|(_, it)| it.certificate.as_ref());
            if let Some(end) = reports.flat_map(|it| &it.chain).map(Certificate::not_after).min() {
                lines.of(it, unix(end));
            }
        },
    },
    Family {
        name: "probe_ssl_last_chain_expiry_timestamp_seconds",
        help: "When the first certificate on the leaf's own path ends, in Unix seconds.",
        render: |it, lines| {
            if let Some(end) = path(it.chain()).map(Certificate::not_after).min() {
                lines.of(it, unix(end));
            }
        },
    },
    Family {
        name: "probe_ssl_last_chain_info",
        help: "The leaf, of the address whose certificate ends first.",
        render: |it, lines| {
            let Some(leaf) = it.chain().first() else { return };
            let addresses = leaf.ip_addresses().iter().map(IpAddr::to_string);
            let names: Vec<String> = leaf.dns_names().iter().cloned().chain(addresses).collect();
            lines.add(
                &[
                    ("target", &it.target),
                    ("fingerprint_sha256", &leaf.fingerprint()),
                    ("subject", &leaf.subject()),
                    ("issuer", &leaf.issuer()),
                    ("subjectalternative", &names.join(",")),
                    ("serialnumber", &leaf.serial()),
                ],
                1.0,
            );
        },
    },
    Family {
        name: "probe_tls_version_info",
        help: "The TLS version, of the address whose certificate ends first.",
        render: |it, lines| {
            if let Some(tls) = it.first_to_end().and_then(|it| it.tls.as_ref()) {
                // As Go spells it, and so blackbox_exporter.
                let version = tls.protocol.replace("TLSv", "TLS ");
                lines.add(&[("target", &it.target), ("version", &version)], 1.0);
            }
        },
    },
    Family {
        name: "probe_tls_cipher_info",
        help: "The cipher suite, of the address whose certificate ends first.",
        render: |it, lines| {
            if let Some(tls) = it.first_to_end().and_then(|it| it.tls.as_ref()) {
                lines.add(&[("target", &it.target), ("cipher", &tls.cipher)], 1.0);
            }
        },
    },
    Family {
        name: "everpost_probe_status",
        help: "The status in three words: 1 for the one that holds.",
        render: |it, lines| {
            for status in [Status::Healthy, Status::Degraded, Status::Unhealthy] {
                let holds = f64::from(it.report.status() == status);
                lines.add(&[("target", &it.target), ("status", &status)], holds);
            }
        },
    },
    Family {
        name: "everpost_probe_finding",
        help: "What was found; server and address are empty where it is about all of them.",
        render: |it, lines| {
            let (of_target, nothing) = (&it.target, String::new());
            let mut add = |server: &str, address: &str, finding: &Finding| {
                lines.add(
                    &[
                        ("target", of_target),
                        ("server", &server),
                        ("address", &address),
                        ("id", &finding.id),
                        ("axis", &finding.axis()),
                        ("severity", &finding.severity),
                    ],
                    1.0,
                );
            };
            it.report.findings.iter().for_each(|finding| add(&nothing, &nothing, finding));
            for server in &it.report.servers {
                server.findings.iter().for_each(|finding| add(&server.host, &nothing, finding));
            }
            for (server, address) in it.report.addresses() {
                let ip = address.address.ip().to_string();
                address.all_findings().for_each(|finding| add(&server.host, &ip, finding));
            }
        },
    },
    Family {
        name: "everpost_probe_verdict",
        help: "The verdict on each axis that was judged: 0 good, 1 warning, 2 critical.",
        render: |it, lines| {
            for ((server, address), at) in it.report.addresses().zip(it.addresses()) {
                for axis in judged(it.report, server, address) {
                    let found = address.all_findings().chain(&server.findings);
                    let found = found.chain(&it.report.findings).filter(|it| it.axis() == axis);
                    let verdict = match Status::of(found) {
                        Status::Healthy => 0.0,
                        Status::Degraded => 1.0,
                        Status::Unhealthy => 2.0,
                    };
                    lines.at(&at, &[("axis", &axis)], verdict);
                }
            }
        },
    },
    Family {
        name: "everpost_probe_trusted",
        help: "Whether a path leads to one of these roots, apart from dates and names.",
        render: |it, lines| {
            for at in it.addresses() {
                let verdicts = at.address.certificate.iter().flat_map(|report| &report.trust);
                verdicts.for_each(|it| {
                    lines.at(&at, &[("roots", &it.roots)], f64::from(it.trusted));
                });
            }
        },
    },
    Family {
        name: "everpost_probe_stage_seconds",
        help: "How long each step took.",
        render: |it, lines| {
            for at in it.addresses() {
                let timings = &at.address.timings;
                let stages = [
                    ("connect", timings.connect),
                    ("greeting", timings.greeting),
                    ("ehlo", timings.ehlo),
                    ("starttls", timings.starttls),
                    ("handshake", timings.handshake),
                    ("total", Some(timings.total)),
                ];
                for (stage, took) in stages {
                    if let Some(took) = took {
                        lines.at(&at, &[("stage", &stage)], took.as_secs_f64());
                    }
                }
            }
        },
    },
    Family {
        name: "everpost_probe_certificate_not_before_timestamp_seconds",
        help: "When a certificate begins, in Unix seconds; depth 0 is the leaf.",
        render: |it, lines| lines.certificates(it, |it, _| unix(it.not_before())),
    },
    Family {
        name: "everpost_probe_certificate_not_after_timestamp_seconds",
        help: "When a certificate ends, in Unix seconds; depth 0 is the leaf.",
        render: |it, lines| lines.certificates(it, |it, _| unix(it.not_after())),
    },
    Family {
        name: "everpost_probe_certificate_lifetime_remaining_ratio",
        help: "What is left of a certificate's lifetime: 1 when issued, 0 when expired.",
        render: |it, lines| lines.certificates(it, |it, now| it.lifetime_left(now)),
    },
    Family {
        name: "everpost_probe_certificate_info",
        help: "Each certificate that was sent; depth 0 is the leaf.",
        render: |it, lines| {
            for at in it.addresses() {
                let chain = at.address.certificate.iter().flat_map(|report| &report.chain);
                for (depth, certificate) in chain.enumerate() {
                    let labels: [(&str, &dyn fmt::Display); 7] = [
                        ("depth", &depth),
                        ("sha256", &certificate.fingerprint()),
                        ("spki_pin", &certificate.spki_pin()),
                        ("serial", &certificate.serial()),
                        ("subject", &certificate.subject()),
                        ("issuer", &certificate.issuer()),
                        ("key", &certificate.key_algorithm()),
                    ];
                    lines.at(&at, &labels, 1.0);
                }
            }
        },
    },
];

/// The axes that there is a verdict on: what could not be looked at is left
/// out rather than called good.
fn judged(report: &ProbeReport, server: &ServerReport, address: &AddressReport) -> Vec<Axis> {
    let mut axes = vec![Axis::Network, Axis::Session];
    if address.certificate.is_some() {
        axes.extend([Axis::Time, Axis::Name, Axis::Trust, Axis::Purpose, Axis::Strength]);
        axes.extend([Axis::Chain, Axis::Revocation, Axis::Pin]);
    }
    if address.dane.is_some() {
        axes.push(Axis::Dane);
    }
    if report.mta_sts.is_some() {
        axes.push(Axis::MtaSts);
    }
    if server.addresses.len() > 1 {
        axes.push(Axis::Addresses);
    }
    let found = address.all_findings().chain(&server.findings).chain(&report.findings);
    for axis in found.filter(|it| it.severity > Severity::Info).map(Finding::axis) {
        if !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    axes
}

/// From the leaf upwards, as far as issuers were sent: what else was sent does
/// not end the leaf's own path.
fn path(chain: &[Certificate]) -> impl Iterator<Item = &Certificate> {
    let above = |below: &&Certificate| {
        let issuer = below.issuer();
        chain.iter().find(|it| !below.is_self_issued() && it.subject() == issuer)
    };
    // Two that issued each other must not be walked round for ever.
    std::iter::successors(chain.first(), above).take(chain.len())
}

/// The series of one family.
struct Lines {
    name: &'static str,
    text: String,
    /// A series may stand there once; the same thing found twice is found.
    seen: BTreeSet<String>,
}

impl Lines {
    fn of(&mut self, it: &Seen<'_>, value: f64) {
        self.add(&[("target", &it.target)], value);
    }

    fn at(&mut self, at: &At<'_>, more: &[(&str, &dyn fmt::Display)], value: f64) {
        let labels = at.labels.iter().map(|(name, text)| (*name, text as &dyn fmt::Display));
        let labels: Vec<_> = labels.chain(more.iter().copied()).collect();
        self.add(&labels, value);
    }

    fn certificates(&mut self, it: &Seen<'_>, value: fn(&Certificate, SystemTime) -> f64) {
        for at in it.addresses() {
            let chain = at.address.certificate.iter().flat_map(|report| &report.chain);
            for (depth, certificate) in chain.enumerate() {
                let value = value(certificate, it.report.judged_at);
                self.at(&at, &[("depth", &depth)], value);
            }
        }
    }

    fn add(&mut self, labels: &[(&str, &dyn fmt::Display)], value: f64) {
        let mut series = String::new();
        for (index, (name, text)) in labels.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(series, "{comma}{name}=\"{}\"", escaped(&text.to_string()));
        }
        if !self.seen.contains(&series) {
            let _ = writeln!(self.text, "{}{{{series}}} {value}", self.name);
            self.seen.insert(series);
        }
    }
}

/// A label's value as the exposition format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn unix(at: SystemTime) -> f64 {
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}
