//! `everpost probe`.

use std::time::{Duration, SystemTime};

use everpost_rehearsal::{At, Chain, Cut, Fault, LeafInfo, Rehearsal, Rotate, Which};
use serde_json::Value;

use crate::support::{Run, run, run_with};

const DAY: Duration = Duration::from_secs(86_400);

/// A server, and a folder with its root.
struct World {
    server: Rehearsal,
    folder: tempfile::TempDir,
    ca: String,
}

impl World {
    async fn new() -> Self {
        let server = Rehearsal::builder().start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem").to_str().unwrap().to_owned();
        std::fs::write(&ca, server.ca_pem()).unwrap();
        World { server, folder, ca }
    }

    /// The target with implicit TLS.
    fn implicit(&self) -> String {
        format!("localhost:{}", self.server.implicit_addr().port())
    }

    fn starttls(&self) -> String {
        format!("localhost:{}", self.server.starttls_addr().port())
    }

    /// A target where nothing listens.
    async fn dead(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Probes by STARTTLS, trusting the server's root.
    async fn probe(&self, words: &[&str]) -> Run {
        run(&[&["probe", "--starttls", "--trust", &self.ca], words].concat()).await
    }

    /// Serves a certificate that ends in so many of its so many days.
    async fn ending(&self, left: u32, of: u32) -> LeafInfo {
        let end = SystemTime::now() + left * DAY + DAY / 2;
        let rotate =
            Rotate { not_before: Some(end - of * DAY), not_after: Some(end), ..Rotate::default() };
        self.server.rotate(rotate).await.unwrap()
    }
}

fn ids(report: &Value) -> Vec<&str> {
    let servers = report["servers"].as_array().unwrap().iter();
    let addresses = servers.clone().flat_map(|it| it["addresses"].as_array().unwrap());
    let certificates = addresses.clone().map(|it| &it["certificate"]);
    let levels = [report].into_iter().chain(servers).chain(addresses).chain(certificates);
    let findings = levels.flat_map(|it| it["findings"].as_array().into_iter().flatten());
    findings.map(|it| it["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_healthy_server_exits_0_and_shows_its_certificate_by_one_connection() {
    let world = World::new().await;
    let run = world.probe(&[&world.starttls()]).await;
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let fingerprint = world.server.leaf().fingerprint();
    for text in ["healthy", "127.0.0.1", "TLSv1.3 by STARTTLS", &fingerprint, "89 of 91 days left"]
    {
        assert!(run.stdout.contains(text), "{text}: {}", run.stdout);
    }
    assert!(!run.stdout.contains('\x1b'), "no colours but on a terminal");
    assert_eq!(world.server.stats().connections, 1);
    let implicit = ["probe", "--implicit", "--trust", &world.ca, &world.implicit()];
    assert_eq!(crate::support::run(&implicit).await.code, 0);
    assert_eq!(world.server.stats().connections, 2);
    assert_eq!(world.server.received_count(), 0);
}

#[tokio::test]
async fn an_expired_certificate_exits_2_and_says_since_when_and_what_to_do() {
    let world = World::new().await;
    world.server.present(Chain::Expired).await.unwrap();
    let run = world.probe(&[&world.starttls()]).await;
    assert_eq!(run.code, 2);
    for text in ["unhealthy", "✗ expired", "24 hours ago", "→ renew the certificate"] {
        assert!(run.stdout.contains(text), "{text}: {}", run.stdout);
    }
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[tokio::test]
async fn after_a_rotation_the_new_certificate_is_shown() {
    let world = World::new().await;
    for _ in 0..3 {
        let run = world.probe(&[&world.starttls(), "--format", "jsonl"]).await;
        let leaf = &run.json()["servers"][0]["addresses"][0]["certificate"]["chain"][0];
        assert_eq!(leaf["sha256"], world.server.leaf().fingerprint().as_str());
        world.server.rotate(Rotate::default()).await.unwrap();
    }
}

#[tokio::test]
async fn thresholds_and_fail_on_decide_what_an_approaching_end_exits_with() {
    let world = World::new().await;
    world.ending(20, 90).await;
    let target = world.starttls();
    for (more, code) in [
        (&[][..], 1),
        (&["--warn", "10d"], 0),
        (&["--warn", "50%", "--crit", "21d"], 2),
        (&["--fail-on", "critical"], 0),
        (&["--at", "+14d"], 2),
        (&["--at", "14d", "--fail-on", "never"], 0),
        (&["--at", "30d", "--fail-on", "critical"], 2),
    ] {
        let run = world.probe(&[&[&*target], more].concat()).await;
        assert_eq!(run.code, code, "{more:?}: {}", run.stdout);
    }
    let later = world.probe(&[&target, "--at", "+30d", "--format", "jsonl"]).await.json();
    assert_eq!((ids(&later), &later["status"]), (vec!["expired"], &"unhealthy".into()));
}

#[tokio::test]
async fn no_connection_is_critical_and_unknown_where_asked_for() {
    let world = World::new().await;
    let dead = world.dead().await;
    let run = world.probe(&[&dead]).await;
    assert_eq!(run.code, 2);
    assert!(
        run.stdout.contains("no connection") && run.stdout.contains("refused"),
        "{}",
        run.stdout
    );
    assert_eq!(world.probe(&[&dead, "--connect-failure", "unknown"]).await.code, 3);
    // Critical is worse than unknown, and unknown worse than a warning.
    world.ending(20, 90).await;
    let target = world.starttls();
    assert_eq!(world.probe(&[&target, &dead, "--connect-failure", "unknown"]).await.code, 3);
    world.server.present(Chain::Expired).await.unwrap();
    assert_eq!(world.probe(&[&dead, &target, "--connect-failure", "unknown"]).await.code, 2);
}

#[tokio::test]
async fn the_wrong_port_is_told_by_what_speaks_there() {
    let world = World::new().await;
    let plain = format!("localhost:{}", world.server.plain_addr().port());
    let found = world.probe(&[&plain, "--format", "jsonl"]).await;
    assert_eq!((found.code, ids(&found.json())), (2, vec!["starttls-missing"]));
    let implicit = ["probe", "--implicit", &world.starttls(), "--format", "jsonl"];
    let found = run(&implicit).await;
    assert_eq!((found.code, ids(&found.json())), (2, vec!["plaintext-on-implicit"]));
}

#[tokio::test]
async fn names_pins_and_fingerprints_are_demanded() {
    let world = World::new().await;
    let leaf = world.server.leaf().fingerprint();
    let (target, other) = (world.starttls(), "0".repeat(64));
    for (more, expected) in [
        (&["--name", "mail.example.org"][..], "name-mismatch"),
        (&["--pin", &other], "pin-mismatch"),
    ] {
        let run = world.probe(&[&[&*target, "--format", "jsonl"], more].concat()).await;
        assert_eq!(run.code, 2, "{more:?}: {}", run.stdout);
        assert!(ids(&run.json()).contains(&expected), "{}", run.stdout);
    }
    let kept = ["--fingerprint", &leaf, "--fingerprint", &other, "--ehlo", "probe.example.org"];
    assert_eq!(world.probe(&[&[&*target], &kept[..]].concat()).await.code, 0);
    let ip = ["mail.example.org:1", "--connect", "127.0.0.1"];
    assert!(world.probe(&ip).await.stdout.contains("(127.0.0.1) refused"));
}

#[tokio::test]
async fn a_certificate_that_is_renewed_on_disk_and_not_served_is_told() {
    let world = World::new().await;
    let old = world.server.leaf().fingerprint();
    let leaf = world.server.rotate(Rotate::default()).await.unwrap();
    let renewed = world.file("renewed.pem", &pem(&leaf.der));
    let target = world.starttls();
    assert_eq!(world.probe(&[&target, "--compare", &renewed]).await.code, 0);
    world.server.rollback().unwrap();
    let run = world.probe(&[&target, "--compare", &renewed, "--format", "jsonl"]).await;
    assert_eq!((run.code, ids(&run.json())), (2, vec!["not-loaded"]));
    assert_eq!(run.json()["servers"][0]["addresses"][0]["certificate"]["chain"][0]["sha256"], old);
}

fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for digit in 0..4 {
                let sextet = (bits >> (18 - 6 * digit)) & 63;
                let padding = digit > three.len();
                text.push(if padding { '=' } else { DIGITS[sextet as usize].into() });
            }
        }
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[tokio::test]
async fn json_is_one_array_and_jsonl_a_report_in_each_line_in_the_order_of_the_targets() {
    let world = World::new().await;
    let targets = [world.dead().await, world.starttls(), world.dead().await];
    let [one, two, three] = targets.each_ref().map(String::as_str);
    let array = world.probe(&[one, two, three, "--format", "json"]).await;
    let array: Vec<Value> = serde_json::from_str(&array.stdout).unwrap();
    let lines = world.probe(&[one, two, three, "--format", "jsonl"]).await;
    let lines: Vec<Value> =
        lines.stdout.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    for reports in [array, lines] {
        let names = reports.iter().map(|it| {
            assert_eq!(it["schema"], "everpost.probe/1");
            let target = &it["target"];
            format!("{}:{}", target["host"].as_str().unwrap(), target["port"])
        });
        assert_eq!(names.collect::<Vec<_>>(), targets);
        assert_eq!(reports[0]["servers"][0]["addresses"][0]["error"]["stage"], "connect");
        assert_eq!(reports[1]["status"], "healthy");
    }
}

#[tokio::test]
async fn prometheus_text_is_read_by_a_parser_also_when_the_chain_is_bad() {
    let world = World::new().await;
    let leaf = world.server.present(Chain::Expired).await.unwrap();
    let (target, dead) = (world.starttls(), world.dead().await);
    let options = ["probe", "--starttls", &target, &dead, "--format", "prometheus"];
    let run = run(&options).await;
    assert_eq!(run.code, 2);
    assert!(run.stdout.ends_with("# EOF\n"), "{}", run.stdout);
    let lines = run.stdout.lines().map(|line| Ok(line.to_owned()));
    let parsed = prometheus_parse::Scrape::parse(lines).unwrap();
    let comments = run.stdout.lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(parsed.samples.len(), run.stdout.lines().count() - comments, "every line is read");
    let value = |family: &str, labels: &[(&str, &str)]| {
        let samples = parsed.samples.iter().filter(|sample| {
            sample.metric == family
                && labels.iter().all(|(name, value)| sample.labels.get(name) == Some(value))
        });
        let values: Vec<f64> = samples
            .map(|sample| match &sample.value {
                prometheus_parse::Value::Gauge(number) => *number,
                other => panic!("{family}: {other:?}"),
            })
            .collect();
        assert_eq!(values.len(), 1, "{family} {labels:?}: {}", run.stdout);
        values[0]
    };
    let of = [("target", &*target)];
    let end = leaf.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert_eq!(value("probe_success", &of), 0.0);
    assert_eq!(value("probe_success", &[("target", &dead)]), 0.0);
    assert_eq!(value("probe_ssl_earliest_cert_expiry", &of), end.floor());
    for (axis, verdict) in [("time", 2.0), ("trust", 2.0), ("name", 0.0)] {
        assert_eq!(value("everpost_probe_verdict", &[of[0], ("axis", axis)]), verdict, "{axis}");
    }
}

#[tokio::test]
async fn a_nagios_line_has_its_state_its_text_and_performance_data() {
    let world = World::new().await;
    world.ending(20, 90).await;
    let (target, dead) = (world.starttls(), world.dead().await);
    let nagios = ["--format", "nagios"];
    let run = world.probe(&[&[&*target], &nagios[..]].concat()).await;
    assert_eq!((run.code, run.stdout.lines().count()), (1, 1));
    let (text, data) = run.stdout.trim_end().split_once(" | ").unwrap();
    assert!(text.starts_with(&format!("SMTP TLS WARNING - {target}: ")), "{text}");
    assert!(text.contains("; renew the certificate") && !data.contains('|'), "{text}");
    let left = data.split(" '").nth(1).unwrap();
    let (label, values) = left.split_once("'=").unwrap();
    assert_eq!(label, format!("{target} 127.0.0.1 left"));
    let values: Vec<&str> = values.split(';').collect();
    let seconds: u64 = values[0].strip_suffix('s').unwrap().parse().unwrap();
    assert!((20 * 86_400..21 * 86_400).contains(&seconds), "{values:?}");
    // 25 % of 90 days are fewer than 30, and 7 are fewer than 10 %.
    assert_eq!(values[1..], ["1944000:", "604800:", "", "7776000"]);

    let both = world.probe(&[&[&*target, &*dead], &nagios[..]].concat()).await;
    assert_eq!(both.code, 2);
    let mut lines = both.stdout.lines();
    assert!(lines.next().unwrap().starts_with("SMTP TLS CRITICAL - 1 of 2 targets; 127.0.0.1:"));
    assert!(lines.next().unwrap().starts_with(&format!("WARNING: {target}: ")));
    assert!(lines.next().unwrap().starts_with(&format!("CRITICAL: {dead}: ")));
    let words = [&[&*dead, "--connect-failure", "unknown"], &nagios[..]].concat();
    let unknown = world.probe(&words).await;
    assert!(unknown.code == 3 && unknown.stdout.starts_with("SMTP TLS UNKNOWN - "));
}

#[tokio::test]
async fn junit_fails_the_case_of_the_address_that_is_bad() {
    let world = World::new().await;
    let (target, dead) = (world.starttls(), world.dead().await);
    let run = world.probe(&[&target, &dead, "nowhere.invalid:25", "--format", "junit"]).await;
    let document = roxmltree::Document::parse(&run.stdout).unwrap();
    let root = document.root_element();
    assert_eq!((root.attribute("tests"), root.attribute("failures")), (Some("3"), Some("2")));
    let cases: Vec<_> = root.descendants().filter(|it| it.has_tag_name("testcase")).collect();
    assert_eq!(cases[0].attribute("classname"), Some(&*target));
    let failure = |case: usize| cases[case].children().find(|it| it.has_tag_name("failure"));
    assert_eq!(failure(0), None);
    assert_eq!(failure(1).unwrap().attribute("type"), Some("refused"));
    assert!(failure(1).unwrap().text().unwrap().contains("remedy: "));
    assert_eq!(failure(2).unwrap().attribute("type"), Some("dns-failed"));

    world.ending(20, 90).await;
    for (fail_on, failures) in [("warning", "2"), ("critical", "1"), ("never", "0")] {
        let words = [&target, &*dead, "--fail-on", fail_on, "--format", "junit"];
        let run = world.probe(&words).await;
        let document = roxmltree::Document::parse(&run.stdout).unwrap();
        let found = document.root_element().attribute("failures");
        assert_eq!(found, Some(failures), "{fail_on}: a warning fails its case beside worse ones");
    }
}

#[tokio::test]
async fn hundreds_of_targets_from_a_file_and_from_a_pipe_keep_their_order() {
    let world = World::new().await;
    let (target, dead) = (world.starttls(), world.dead().await);
    let list: Vec<&str> =
        (0..200).map(|index| if index % 10 == 7 { &*dead } else { &*target }).collect();
    let text = format!("# all of them\n{}\n", list.join(" # one\n\n"));
    let file = format!("@{}", world.file("list", &text));
    let expected: Vec<bool> = list.iter().map(|it| *it == target).collect();
    let of_file = world.probe(&[&file, "--parallel", "16", "--format", "jsonl"]).await;
    let options = ["probe", "--starttls", "--trust", &world.ca, "@-", "--format", "jsonl"];
    let of_pipe = run_with(&options, &text).await;
    for run in [of_file, of_pipe] {
        assert_eq!(run.code, 2);
        let healthy = run.stdout.lines().map(|line| {
            let report: Value = serde_json::from_str(line).unwrap();
            report["status"] == "healthy"
        });
        assert_eq!(healthy.collect::<Vec<_>>(), expected);
    }
    assert_eq!(world.server.stats().connections, 2 * 180, "one each");
    let table = world.probe(&[&file]).await.stdout;
    assert!(table.ends_with("\n200 targets: 180 healthy, 0 degraded, 20 unhealthy\n"), "{table}");
}

#[tokio::test]
async fn a_report_is_printed_as_soon_as_those_before_it_are() {
    let world = World::new().await;
    let stalled = world.server.inject(Fault::stall(At::Greeting).on(Which::Nth(2))).unwrap();
    let target = world.starttls();
    let options =
        ["probe", "--starttls", "--trust", &world.ca, &target, &target, "--parallel", "1"];
    let mut command = crate::support::everpost(&[&options[..], &["--format", "jsonl"]].concat());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let output = tokio::io::BufReader::new(child.stdout.take().unwrap());
    let mut lines = tokio::io::AsyncBufReadExt::lines(output);
    let first: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(first["status"], "healthy", "while the second is still waiting");
    stalled.fired().await;
    stalled.release();
    let second: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(second["status"], "healthy");
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_verdict_with_what_was_seen_before() {
    let world = World::new().await;
    world.server.inject(Fault::cut(At::StartTls, Cut::Rst)).unwrap();
    let run = world.probe(&[&world.starttls(), "--format", "jsonl"]).await;
    assert_eq!(run.code, 2);
    let report = run.json();
    assert_eq!(ids(&report), ["connection-lost"]);
    let address = &report["servers"][0]["addresses"][0];
    assert_eq!(address["greeting"]["code"], 220);
    assert_eq!(address["capabilities_before_tls"]["starttls"], true);
    assert_eq!(address["tls"], Value::Null);
}

#[tokio::test]
async fn a_wrong_command_line_exits_64_and_3_as_a_plugin() {
    for words in [
        &["h", "--no-such-option"][..],
        &[],
        &["h", "--implicit", "--starttls"],
        &["h", "--warn", "soon"],
        &["a b"],
        &["http://h"],
        &["@/does/not/exist"],
        &["h", "--trust", "/does/not/exist"],
        &["h", "--compare", "/does/not/exist"],
        &["h", "--sni", "not a name"],
    ] {
        let text = run(&[&["probe"], words].concat()).await;
        assert_eq!((text.code, text.stdout.as_str()), (64, ""), "{words:?}: {}", text.stderr);
        assert!(!text.stderr.is_empty());
        let plugin = run(&[&["probe", "--format", "nagios"], words].concat()).await;
        assert_eq!((plugin.code, plugin.stdout.lines().count()), (3, 1), "{words:?}");
        assert!(plugin.stdout.starts_with("SMTP TLS UNKNOWN - "), "{}", plugin.stdout);
    }
    let help = run(&["probe", "--help"]).await;
    assert_eq!(help.code, 0);
    for word in ["Exit codes", "--fail-on", "@FILE", "nagios", "everpost probe --mx example.org"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
}
