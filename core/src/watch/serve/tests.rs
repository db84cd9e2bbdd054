use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::certificate::testing::Authority;
use crate::watch::Watch;
use crate::watch::config::Config;
use crate::watch::testing::{Script, day, leaf, report, with};
use crate::{FindingId, Severity};

/// A watch of three endpoints of which the second is as bad as `severity`, and
/// where it is served.
async fn served(severity: Option<Severity>) -> (Watch, SocketAddr, JoinSet<()>) {
    let authority = Authority::root("R \"1\"");
    let leaf = leaf(&authority, 0, 90);
    let script = Script::new(move |index, _| {
        let report = report(day(45), &[Some(&leaf)]);
        match severity {
            Some(severity) if index == 1 => with(report, FindingId::Expiring, severity),
            _ => report,
        }
    });
    let watch = script.watch(Config::from_list("a\nb\nc").unwrap());
    watch.round().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    let serving = watch.clone();
    tasks.spawn(async move { serving.serve(listener).await });
    (watch, address, tasks)
}

/// Head and body of the answer to a request.
async fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> (String, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
}

#[tokio::test]
async fn health_is_200_until_something_is_unhealthy_and_says_what_with_a_tag() {
    for (severity, code, word) in [
        (None, "200", "Healthy"),
        (Some(Severity::Warning), "200", "Degraded"),
        (Some(Severity::Critical), "503", "Unhealthy"),
    ] {
        let (_watch, address, _tasks) = served(severity).await;
        let (head, body) = get(address, "/healthz").await;
        assert!(head.starts_with(&format!("http/1.1 {code}")), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], word);
        assert_eq!(body["totalDuration"], "00:00:00.0360000");
        let entry = &body["entries"]["b:465"];
        assert_eq!(entry["status"], word);
        assert_eq!(entry["tags"][0], "tls");
        assert_eq!(entry["data"]["not_after"], "2030-04-01T00:00:00Z");
        assert_eq!(body["entries"]["a:465"]["status"], "Healthy");
        if severity.is_some() {
            assert_eq!(entry["description"], "expiring was found");
            assert_eq!(entry["data"]["findings"][0], "expiring");
        }
    }
}

#[tokio::test]
async fn what_has_not_been_looked_at_is_degraded_and_not_an_outage() {
    let watch = Script::new(|_, _| report(day(0), &[])).watch(Config::from_list("a").unwrap());
    let (status, body) = health::render(&watch.state());
    assert_eq!(status, Status::Degraded);
    assert!(body.contains("not looked at yet"));
}

#[tokio::test]
async fn metrics_have_each_family_once_and_facts_of_a_bad_certificate() {
    let (watch, address, _tasks) = served(Some(Severity::Critical)).await;
    let (head, body) = get(address, "/metrics").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    for expected in [
        "everpost_watch_endpoints{status=\"healthy\"} 2",
        "everpost_watch_events_total{event=\"unhealthy\"} 1",
        "probe_success{target=\"a:465\"} 1",
        "probe_success{target=\"b:465\"} 0",
        "everpost_probe_status{target=\"b:465\",status=\"unhealthy\"} 1",
        "probe_tls_version_info{target=\"b:465\",version=\"TLS 1.3\"} 1",
        "probe_ssl_earliest_cert_expiry{target=\"b:465\"} 1901232000",
        "everpost_watch_findings{target=\"b:465\",id=\"expiring\",severity=\"critical\"} 1",
        "issuer=\"R \\\"1\\\"\",key=\"ECDSA P-256\"",
    ] {
        assert!(body.contains(expected), "{expected} in {body}");
    }
    let helps: Vec<&str> = body.lines().filter(|line| line.starts_with("# HELP")).collect();
    let mut once = helps.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), helps.len());
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() && !name.is_empty(), "{line}");
    }
    // Half of its life is left, whatever its verdict.
    let later = metrics::render(&watch.state(), &Default::default(), day(45));
    assert!(later.contains(
        "everpost_watch_certificate_lifetime_remaining_ratio{target=\"b:465\",\
         server=\"mail.example.org\"} 0.5\n"
    ));
}

#[tokio::test]
async fn the_page_and_the_state_are_served_with_headers_that_forbid_all_else() {
    let (watch, address, _tasks) = served(None).await;
    let (head, body) = get(address, "/").await;
    for expected in [
        "http/1.1 200",
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; style-src 'unsafe-inline'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(head.contains(expected), "{expected} in {head}");
    }
    assert!(body.contains("<h2>a:465</h2>"));
    let (_, body) = get(address, "/api/state").await;
    let state: crate::watch::State = serde_json::from_str(&body).unwrap();
    assert_eq!(state, watch.state());
}

#[tokio::test]
async fn only_reading_is_understood() {
    let (_watch, address, _tasks) = served(None).await;
    let (head, body) = ask(address, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(body.is_empty());
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let (head, _) = ask(address, post).await;
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
    let (head, _) = get(address, "/../etc/passwd").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let (_watch, address, _tasks) = served(None).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nX: ").await;
    let block = [b'a'; 4096];
    let mut sent = 0;
    // Until the server has had enough.
    while sent < 64 * MAX_HEAD && stream.write_all(&block).await.is_ok() {
        sent += block.len();
        let mut byte = [0];
        if stream.try_read(&mut byte).is_ok() {
            break;
        }
    }
    assert!(sent < 64 * MAX_HEAD, "{sent}");
}

#[tokio::test]
async fn the_guide_names_every_metric_and_every_event() {
    let guide = include_str!("../../../../docs/watch.md");
    let (watch, ..) = served(None).await;
    let metrics = metrics::render(&watch.state(), &Default::default(), day(45));
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
    for kind in crate::watch::EventKind::ALL {
        assert!(guide.contains(&format!("| `{}` |", kind.as_str())), "{kind:?}");
    }
}
