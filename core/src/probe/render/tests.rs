//! Both renderings, of reports made by hand.

use std::collections::{BTreeMap, HashSet};

use super::prometheus;
use super::testing::{alive, dead, expired, full, report, server};
use crate::certificate::testing::{Leaf, days, now};
use crate::finding::Status;
use crate::json::schema;
use crate::probe::ProbeReport;

const SCHEMA: &str = include_str!("../../../../docs/schema/probe.schema.json");

#[test]
fn the_json_of_every_report_is_as_the_published_schema_says() {
    let healthy = server("mail.example.org", vec![alive("192.0.2.1:465", &Leaf::good())]);
    let refused = server("mail.example.org", vec![dead("192.0.2.1:465")]);
    for report in [
        full(),
        report("mail.example.org", vec![healthy]),
        report("mail.example.org", vec![refused]),
        report("[2001:db8::1]:587", Vec::new()),
    ] {
        assert_eq!(schema::faults(SCHEMA, &report.to_json()), [""; 0]);
    }
}

#[test]
fn a_report_that_lost_a_fact_is_no_longer_as_the_schema_says() {
    let mut json = full().to_json();
    let leaf = &mut json["servers"][0]["addresses"][0]["certificate"]["chain"][0];
    leaf.as_object_mut().unwrap().remove("not_after");
    leaf["more"] = 1.into();
    json["status"] = "well".into();
    assert_eq!(schema::faults(SCHEMA, &json).len(), 3, "{:?}", schema::faults(SCHEMA, &json));
}

#[test]
fn json_holds_facts_and_findings_where_they_belong() {
    let json = full().to_json();
    assert_eq!(json["schema"], "everpost.probe/1");
    assert_eq!(json["started_at"], "2030-01-01T00:00:00Z");
    assert_eq!(json["judged_at"], "2030-01-15T00:00:00Z");
    assert_eq!((&json["status"], &json["severity"]), (&"unhealthy".into(), &"critical".into()));
    assert_eq!(json["duration_seconds"], 0.012345);
    let server = &json["servers"][0];
    assert_eq!((&server["preference"], &server["dns_seconds"]), (&10.into(), &0.002.into()));
    let [good, bad, dead] = [0, 1, 2].map(|index| &server["addresses"][index]);
    assert_eq!(good["findings"][0]["evidence"]["mechanism"], "PLAIN, LOGIN");
    assert_eq!(good["certificate"]["chain"][0]["not_after"], "2030-03-02T00:00:00Z");
    assert_eq!(bad["ip"], "2001:db8::1");
    let finding = &bad["certificate"]["findings"][0];
    assert_eq!((&finding["id"], &finding["axis"]), (&"expired".into(), &"time".into()));
    assert!(finding["remedy"].as_str().unwrap().contains("renew"));
    assert_eq!(bad["certificate"]["chain"].as_array().unwrap().len(), 2, "facts outlive failure");
    assert_eq!((&dead["tls"], &dead["certificate"]), (&().into(), &().into()));
    assert_eq!(dead["error"]["kind"], "connect");
}

/// Every series by its name and labels, after the text was found to be as the
/// exposition format and OpenMetrics have it.
fn series(reports: &[ProbeReport]) -> BTreeMap<String, f64> {
    let text = prometheus(reports);
    let mut families = HashSet::new();
    let mut series = BTreeMap::new();
    let mut lines = text.lines();
    let mut family = String::new();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(family.clone()), "{family} is in one piece");
            assert_eq!(lines.next(), Some(&*format!("# TYPE {family} gauge")));
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(name.split('{').next(), Some(&*family), "{line}");
        assert!(name.ends_with("\"}"), "{line}");
        let value: f64 = value.parse().unwrap();
        assert_eq!(series.insert(name.to_owned(), value), None, "{name} twice");
    }
    series
}

#[test]
fn the_series_of_blackbox_stay_when_the_certificate_is_expired_and_untrusted() {
    let bad = server("mail.example.org", vec![expired("192.0.2.1:465")]);
    let series = series(&[report("mail.example.org:465", vec![bad])]);
    let of = |name: &str| series[&format!("{name}{{target=\"mail.example.org:465\"}}")];
    assert_eq!(of("probe_success"), 0.0);
    assert_eq!(of("probe_duration_seconds"), 0.012345);
    assert_eq!(of("probe_ip_protocol"), 4.0);
    assert_eq!(of("probe_ssl_earliest_cert_expiry"), 1_893_456_000.0 - 21.0 * 3600.0);
    let last = "probe_ssl_last_chain_expiry_timestamp_seconds";
    assert_eq!(of(last), of("probe_ssl_earliest_cert_expiry"));
    let has = |start: &str, rest: &str| {
        series.keys().any(|name| name.starts_with(start) && name.contains(rest))
    };
    assert!(has("probe_ssl_last_chain_info{", "subjectalternative=\"mail.example.org\""));
    assert!(has("probe_tls_version_info{", "version=\"TLS 1.3\""));
    assert!(has("probe_tls_cipher_info{", "cipher=\"TLS_AES_128_GCM_SHA256\""));
    let at = "target=\"mail.example.org:465\",server=\"mail.example.org\",address=\"192.0.2.1\"";
    let own = |name: &str, more: &str| series[&format!("everpost_probe_{name}{{{at},{more}}}")];
    assert_eq!(own("verdict", "axis=\"time\""), 2.0);
    assert_eq!(own("verdict", "axis=\"trust\""), 2.0);
    assert_eq!(own("verdict", "axis=\"name\""), 0.0, "one axis does not speak for another");
    assert_eq!(own("trusted", "roots=\"system\""), 0.0);
    assert_eq!(own("certificate_lifetime_remaining_ratio", "depth=\"0\""), 0.0);
    assert!(own("certificate_lifetime_remaining_ratio", "depth=\"1\"") > 0.4);
    let end = own("certificate_not_after_timestamp_seconds", "depth=\"0\"");
    assert_eq!(end - own("certificate_not_before_timestamp_seconds", "depth=\"0\""), 7_700_400.0);
    assert_eq!(own("stage_seconds", "stage=\"handshake\""), 0.0017);
    assert_eq!(own("finding", "id=\"expired\",axis=\"time\",severity=\"critical\""), 1.0);
    let status = |word: &str| {
        series
            [&format!("everpost_probe_status{{target=\"mail.example.org:465\",status=\"{word}\"}}")]
    };
    assert_eq!((status("unhealthy"), status("healthy")), (1.0, 0.0));
}

#[test]
fn a_server_that_is_down_is_told_from_one_whose_certificate_is_bad() {
    let down = server("mail.example.org", vec![dead("192.0.2.1:465")]);
    let series = series(&[report("mail.example.org:465", vec![down])]);
    assert!(series.keys().any(|name| name.contains("id=\"refused\",axis=\"network\"")));
    assert!(series.keys().all(|name| !name.contains("ssl") && !name.contains("certificate")));
    let judged = |axis: &str| {
        let verdict = |name: &&String| name.starts_with("everpost_probe_verdict");
        series.keys().filter(verdict).any(|name| name.contains(&format!("axis=\"{axis}\"")))
    };
    assert!(judged("network") && !judged("time"), "what was not seen is not called good");
}

#[test]
fn a_degraded_server_is_a_success_and_an_unhealthy_one_is_none() {
    let good = || server("a", vec![alive("192.0.2.1:465", &Leaf::good())]);
    let mut degraded = report("degraded:465", vec![good()]);
    let warning = crate::Finding::new(crate::FindingId::Expiring, "soon");
    degraded.servers[0].addresses[0].findings.push(warning);
    assert_eq!(degraded.status(), Status::Degraded);
    let series = series(&[degraded, report("good:465", vec![good()]), full()]);
    let success = |target: &str| series[&format!("probe_success{{target=\"{target}\"}}")];
    assert_eq!(success("degraded:465"), 1.0);
    assert_eq!(success("good:465"), 1.0);
    assert_eq!(success("example.org:25"), 0.0);
}

#[test]
fn the_path_ends_with_its_own_certificates_and_not_with_others_that_were_sent() {
    let mut address = alive("192.0.2.1:465", &Leaf::between(now() - days(1), now() + days(50)));
    let stranger = alive("192.0.2.1:465", &Leaf::between(now() - days(9), now() - days(2)));
    let stranger = stranger.certificate.unwrap().chain.swap_remove(0);
    address.certificate.as_mut().unwrap().chain.push(stranger);
    let series = series(&[report("a:465", vec![server("a", vec![address])])]);
    let left =
        |name: &str| (series[&format!("{name}{{target=\"a:465\"}}")] - 1_893_456_000.0) / 86_400.0;
    assert_eq!(left("probe_ssl_last_chain_expiry_timestamp_seconds"), 50.0);
    assert_eq!(left("probe_ssl_earliest_cert_expiry"), -2.0);
}

#[test]
fn text_of_the_other_side_cannot_break_out_of_a_label() {
    let mut report = full();
    report.servers[0].host = "a\"} 1\nprobe_success{x=\"\\".to_owned();
    let text = prometheus([&report]);
    assert!(text.contains(r#"server="a\"} 1\nprobe_success{x=\"\\","#), "{text}");
    series(&[report]);
}

#[test]
fn no_report_renders_as_no_text() {
    assert_eq!(prometheus([]), "");
}
