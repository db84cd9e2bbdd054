//! `everpost rehearse --serve`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::support::{everpost, run};

struct Server {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(more: &[&str]) -> Self {
        let mut command = everpost(&[&["rehearse", "--serve"], more].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Server { child, input, output }
    }

    async fn line(&mut self) -> Value {
        serde_json::from_str(&self.output.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.input.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let answer = self.line().await;
        assert_eq!(answer["ok"], true, "{answer}");
        answer
    }
}

#[tokio::test]
async fn the_server_is_steered_by_lines_and_reached_by_the_url_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("the ca.pem");
    let ca = ca.to_str().unwrap();
    let mut server = Server::start(&["--user", "app@x", "--password", "s/p:ace", "--ca-out", ca]);
    let listening = server.line().await;
    assert_eq!(std::fs::read_to_string(ca).unwrap(), listening["ca_pem"].as_str().unwrap());
    let mut said = BufReader::new(server.child.stderr.take().unwrap()).lines();
    for scheme in ["smtps://", "smtp://"] {
        let line = said.next_line().await.unwrap().unwrap();
        let url = line.split_whitespace().last().unwrap().to_owned();
        assert!(url.starts_with(scheme), "{line}");
        let letter = ["--from", "a@example.org", "--to", "b@example.org", "--text", "hi"];
        let run = run(&[&["send", "--url", &url], &letter[..]].concat()).await;
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    let answer = server.ask(json!({ "do": "received" })).await;
    assert_eq!(answer["received"].as_array().unwrap().len(), 2);
    let before = listening["leaf"]["sha256"].clone();
    let answer = server.ask(json!({ "do": "rotate", "id": 7 })).await;
    assert_ne!(answer["leaf"]["sha256"], before);
    assert_eq!(answer["id"], 7);
    server.ask(json!({ "do": "stop" })).await;
    assert!(server.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn the_end_of_the_input_ends_the_server_and_ports_are_kept() {
    let mut first = Server::start(&[]);
    let port = first.line().await["plain"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    drop(first.input);
    assert!(first.child.wait().await.unwrap().success());
    let mut second = Server::start(&["--plain-port", &port, "--host", "mail.example.test"]);
    let listening = second.line().await;
    assert_eq!(listening["plain"], format!("127.0.0.1:{port}"));
    assert_eq!(listening["host"], "mail.example.test");
}

#[tokio::test]
async fn all_that_the_server_is_to_be_can_be_said_as_one_object() {
    let options = json!({
        "host": "mail.example.test",
        "credentials": { "app": "secret" },
        "settings": { "limits": { "message_size": 1000 } },
    });
    let mut server = Server::start(&["--options", &options.to_string()]);
    assert_eq!(server.line().await["host"], "mail.example.test");
    let settings = server.ask(json!({ "do": "settings" })).await["settings"].clone();
    assert_eq!(settings["limits"]["message_size"], 1000);
    assert_eq!(settings["limits"]["recipients"], 1000, "what is left out has its default");

    for (bad, word) in [(r#"{"pasword":"hunter2"}"#, "pasword"), ("hunter2", "--options")] {
        let run = run(&["rehearse", "--serve", "--options", bad]).await;
        assert_ne!(run.code, 0);
        assert!(run.stderr.contains(word) && !run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}
