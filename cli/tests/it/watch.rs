//! `everpost watch`.

use std::process::Stdio;

use everpost_rehearsal::{Chain, Rotate};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdout};

use crate::support::{World, everpost, run};

/// A watch that runs.
struct Watching {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
    /// Held open for what it may say.
    _errors: Lines<BufReader<ChildStderr>>,
    page: String,
}

impl Watching {
    /// Starts it and waits until it says where its page is.
    async fn start(config: &str) -> Self {
        let mut command = everpost(&["watch", config, "--json", "--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = errors.next_line().await.unwrap().unwrap();
        let (_, page) = line.split_once("http://").unwrap_or_else(|| panic!("{line}"));
        let page = page.split('/').next().unwrap().to_owned();
        Watching { child, events, _errors: errors, page }
    }

    /// The next event of this kind; those before it are passed over.
    async fn event(&mut self, kind: &str) -> Value {
        loop {
            let line = self.events.next_line().await.unwrap().unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// Head and body of a page.
    async fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.page).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// Asks it to end, and returns the names of the events that came last.
    #[cfg(unix)]
    async fn end(mut self) -> Vec<String> {
        let id = self.child.id().unwrap().to_string();
        let asked = tokio::process::Command::new("kill").arg(id).status().await.unwrap();
        assert!(asked.success());
        let mut rest = Vec::new();
        while let Some(line) = self.events.next_line().await.unwrap() {
            let event: Value = serde_json::from_str(&line).unwrap();
            rest.push(event["event"].as_str().unwrap().to_owned());
        }
        assert_eq!(self.child.wait().await.unwrap().code(), Some(0));
        rest
    }
}

/// A configuration that looks ten times a second.
fn config(world: &World, more: &str) -> String {
    let port = world.port();
    let text = format!(
        "state = 'state.json'\nmin_gap = '1ms'\n\
         [defaults]\ninterval = '100ms'\ntrust = 'ca.pem'\n{more}\n\
         [[endpoint]]\nname = 'Submission'\ntarget = 'smtps://127.0.0.1:{port}'\ntags = ['prod']\n"
    );
    world.file("watch.toml", text.as_bytes())
}

#[cfg(unix)]
#[tokio::test]
async fn a_rotation_shows_on_the_page_in_the_metrics_and_to_the_hook_and_once_only() {
    let world = World::new().await;
    let told = world.path("told");
    let hook = format!(
        "[hook]\ncommand = ['/bin/sh', '-c', 'echo \"$EVERPOST_EVENT $EVERPOST_TAGS\" >> \"$0\"', \
         '{told}']"
    );
    let config = config(&world, &hook);
    let mut watching = Watching::start(&config).await;
    let first = watching.event("first_seen").await;
    assert_eq!((&first["endpoint"], &first["status"]), (&"Submission".into(), &"healthy".into()));

    let leaf = world.server.rotate(Rotate::default()).await.unwrap();
    let rotated = watching.event("rotated").await;
    let fingerprint = leaf.fingerprint();
    assert_eq!(rotated["new"]["fingerprint"], fingerprint);
    let (_, page) = watching.get("/").await;
    for expected in ["1 healthy", "<h2>Submission</h2>", "1 rotation", "class=\"timeline\""] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    let (_, metrics) = watching.get("/metrics").await;
    assert!(metrics.contains("everpost_watch_rotations_total{target=\"Submission\"} 1"));
    assert!(metrics.contains(&format!("fingerprint_sha256=\"{fingerprint}\"")), "{metrics}");
    let (head, health) = watching.get("/healthz").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["entries"]["Submission"]["tags"], serde_json::json!(["tls", "prod"]));

    world.server.present(Chain::Expired).await.unwrap();
    let unhealthy = watching.event("unhealthy").await;
    assert!(unhealthy["message"].as_str().unwrap().contains("expired"), "{unhealthy}");
    assert!(unhealthy["remedy"].as_str().unwrap().contains("renew"), "{unhealthy}");
    let (head, _) = watching.get("/healthz").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    watching.end().await;

    let told = std::fs::read_to_string(told).unwrap();
    let count = |kind| told.lines().filter(|line| *line == format!("{kind} prod")).count();
    assert_eq!((count("first_seen"), count("rotated"), count("unhealthy")), (1, 1, 1), "{told}");
    let state = std::fs::read_to_string(world.path("state.json")).unwrap();
    assert!(state.contains("everpost.watch/1") && state.contains(&fingerprint));

    // What was told before the restart is not told again.
    world.server.rotate(Rotate::default()).await.unwrap();
    let mut again = Watching::start(&config).await;
    let line = again.events.next_line().await.unwrap().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["event"], "rotated");
    again.event("recovered").await;
    assert!(again.end().await.is_empty());
}

#[tokio::test]
async fn once_tells_how_everything_is_and_exits_by_the_worst() {
    let world = World::new().await;
    let (ca, port) = (world.path("ca.pem"), world.port());
    let target = format!("smtps://127.0.0.1:{port}");
    let plain = ["watch", &target, "--trust", &ca, "--once"];
    let healthy = run(&plain).await;
    assert_eq!(healthy.code, 0, "{}", healthy.stderr);
    assert!(
        healthy.stdout.contains(&format!("healthy    127.0.0.1:{port}: ")),
        "{}",
        healthy.stdout
    );

    world.server.present(Chain::Expired).await.unwrap();
    let unhealthy = run(&[&plain[..], &["--json"]].concat()).await;
    assert_eq!(unhealthy.code, 2, "{}", unhealthy.stdout);
    let summary = unhealthy.json();
    assert_eq!(summary["status"], "unhealthy");
    assert_eq!(summary["counts"]["unhealthy"], 1);
    assert_eq!(summary["endpoints"][0]["last"]["findings"][0]["id"], "expired");
    let text = run(&plain).await;
    assert!(text.stdout.contains("remedy: renew the certificate"), "{}", text.stdout);
}

#[tokio::test]
async fn what_is_wrong_in_a_file_is_said_with_its_line_and_exits_64() {
    let world = World::new().await;
    let list = world.file("hosts.txt", b"# ours\nmail.example.org\nnot a host\n");
    let wrong = run(&["watch", &list, "--once"]).await;
    assert_eq!(wrong.code, 64);
    assert!(wrong.stderr.contains(&format!("{list}:3: not a target")), "{}", wrong.stderr);
    let missing = run(&["watch", "nowhere/watch.toml"]).await;
    assert_eq!(missing.code, 64);
    assert!(missing.stderr.contains("nowhere/watch.toml: cannot be read"), "{}", missing.stderr);
    let secret = run(&["watch", "h", "--once", "--webhook", "ftp://h/s3cret", "--json"]).await;
    assert_eq!(secret.code, 64);
    assert_eq!(secret.json()["kind"], "invalid_config");
    assert!(!secret.stderr.contains("s3cret") && !secret.stdout.contains("s3cret"));
}

#[tokio::test]
async fn a_damaged_state_is_told_and_set_aside() {
    let world = World::new().await;
    let config = config(&world, "");
    world.file("state.json", b"{");
    let run = run(&["watch", &config, "--once"]).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("was set aside as"), "{}", run.stderr);
    assert_eq!(std::fs::read(world.path("state.json.damaged")).unwrap(), b"{");
}
