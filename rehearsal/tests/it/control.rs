//! The JSON control over a pipe.

use std::sync::Arc;

use base64::Engine as _;
use everpost_rehearsal::Rehearsal;
use everpost_rehearsal::control::{self, Control};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::client::{Client, soon};

struct Remote {
    lines: tokio::io::Lines<BufReader<tokio::io::ReadHalf<tokio::io::DuplexStream>>>,
    out: tokio::io::WriteHalf<tokio::io::DuplexStream>,
}

impl Remote {
    async fn next(&mut self) -> Value {
        serde_json::from_str(&soon(self.lines.next_line()).await.unwrap().unwrap()).unwrap()
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.out.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        self.next().await
    }
}

async fn start() -> (Remote, Value, tokio::task::JoinHandle<std::io::Result<()>>) {
    let server = Rehearsal::builder().start().await.unwrap();
    let (ours, theirs) = tokio::io::duplex(1024);
    let (reader, writer) = tokio::io::split(theirs);
    let serving = tokio::spawn(control::serve(server, BufReader::new(reader), writer));
    let (reader, out) = tokio::io::split(ours);
    let mut remote = Remote { lines: BufReader::new(reader).lines(), out };
    let listening = remote.next().await;
    (remote, listening, serving)
}

async fn dial(address: &Value) -> Client {
    Client::over(tokio::net::TcpStream::connect(address.as_str().unwrap()).await.unwrap())
}

#[tokio::test]
async fn a_message_a_rotation_and_a_fault_by_remote_control() {
    let (mut remote, listening, serving) = start().await;
    assert_eq!(listening["event"], "listening");
    assert_eq!(listening["host"], "localhost");
    assert!(listening["ca_pem"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    let leaf = listening["leaf"]["pem"].as_str().unwrap();
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let der = listening["leaf"]["der_base64"].as_str().unwrap();
    assert_eq!(base64::engine::general_purpose::STANDARD.encode(&leaf), der);

    let rotated = remote.ask(json!({"id": 1, "do": "rotate", "restart": true})).await;
    assert_eq!((&rotated["id"], &rotated["ok"]), (&json!(1), &json!(true)));
    assert_ne!(rotated["leaf"]["sha256"], listening["leaf"]["sha256"]);
    let back = remote.ask(json!({"id": "x", "do": "rollback"})).await;
    assert_eq!((&back["id"], &back["leaf"]), (&json!("x"), &listening["leaf"]));
    assert_eq!(remote.ask(json!({"do": "present", "chain": "expired"})).await["ok"], true);

    let mut client = dial(&listening["plain"]).await;
    client.hello().await;
    let fault =
        json!({"do": "inject", "at": {"rcpt": 1}, "action": {"reply": "450 4.2.0 later\r\n"}});
    let fault = remote.ask(fault).await["fault"].clone();
    client.ask("MAIL FROM:<a@b>").await;
    assert_eq!(client.ask("RCPT TO:<c@d>").await, "450 4.2.0 later\r\n");
    assert_eq!(remote.ask(json!({"do": "fault", "fault": fault})).await["fired"], 1);
    client.ask("RSET").await;
    client.deliver("m@x").await;
    assert_eq!(remote.ask(json!({"do": "wait", "messages": 1})).await["ok"], true);
    assert_eq!(remote.ask(json!({"do": "copies", "message_id": "<m@x>"})).await["copies"], 1);
    assert_eq!(remote.ask(json!({"do": "counts"})).await["counts"], json!({"m@x": 1}));
    let received =
        remote.ask(json!({"do": "received", "bodies": true})).await["received"][0].clone();
    assert_eq!(received["recipients"], json!(["b@server.test"]));
    assert!(received["data_base64"].is_string());
    assert_eq!(remote.ask(json!({"do": "stats"})).await["stats"]["messages"], 1);
    let log = remote.ask(json!({"do": "connections"})).await["connections"][0].clone();
    assert_eq!(
        (&log["listener"], &log["commands"][1]),
        (&json!("plain"), &json!("MAIL FROM:<a@b>"))
    );

    let set = json!({"do": "settings", "set": {"limits": {"recipients": 3}}});
    assert_eq!(remote.ask(set).await["settings"]["limits"]["recipients"], 3);
    assert_eq!(remote.ask(json!({"do": "wave421"})).await["connections"], 1);
    assert!(client.reply().await.starts_with("421 "));
    assert_eq!(remote.ask(json!({"do": "wait", "closed": true})).await["ok"], true);
    assert_eq!(remote.ask(json!({"do": "stats"})).await["stats"]["open"], 0);
    assert_eq!(remote.ask(json!({"do": "clear"})).await["ok"], true);
    assert_eq!(remote.ask(json!({"do": "received"})).await["received"], json!([]));
    assert_eq!(remote.ask(json!({"id": 9, "do": "stop"})).await, json!({"id": 9, "ok": true}));
    soon(serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_understood_is_answered_with_an_error_that_names_it() {
    let (mut remote, ..) = start().await;
    for (request, word) in [
        (json!({"id": 1, "do": "dance"}), "dance"),
        (json!({"id": 1, "do": "rotate", "sideways": true}), "sideways"),
        (json!({"id": 1, "do": "present", "chain": "rusty"}), "rusty"),
        (json!({"id": 1, "do": "rotate", "not_after": "soon"}), "soon"),
        (json!({"id": 1, "do": "rotate", "share": 2.0}), "share"),
        (json!({"id": 1, "do": "release", "fault": 77}), "77"),
        (json!({"id": 1, "do": "settings", "set": {"limit": 1}}), "limit"),
        (json!({"id": 1, "do": "stats", "extra": 1}), "extra"),
        (json!({"id": 1, "do": "inject", "at": "mail", "action": "wrong_mode"}), "WrongMode"),
        (json!({"id": 1}), "do"),
    ] {
        let answer = remote.ask(request).await;
        assert_eq!((&answer["id"], &answer["ok"]), (&json!(1), &json!(false)));
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
    assert_eq!(remote.ask(json!([1])).await["ok"], false);
}

#[tokio::test]
async fn the_end_of_the_input_stops_the_server() {
    let (mut remote, listening, serving) = start().await;
    let mut client = dial(&listening["plain"]).await;
    client.hello().await;
    remote.out.shutdown().await.unwrap();
    soon(serving).await.unwrap().unwrap();
    assert!(client.rest().await.0.is_empty());
    assert!(tokio::net::TcpStream::connect(listening["plain"].as_str().unwrap()).await.is_err());
}

async fn request(control: &Control, request: Value) -> Value {
    serde_json::from_str(&soon(control.request(&request.to_string())).await).unwrap()
}

#[tokio::test]
async fn requests_one_at_a_time_are_answered_as_lines_are() {
    let control = Control::new(Rehearsal::builder().start().await.unwrap());
    let rotated = request(&control, json!({"id": [1], "do": "rotate"})).await;
    assert_eq!((&rotated["id"], &rotated["ok"]), (&json!([1]), &json!(true)));
    assert_eq!(rotated["leaf"]["serial"], control.server().leaf().serial);
    let unknown = request(&control, json!({"id": 2, "do": "dance"})).await;
    assert_eq!((&unknown["id"], &unknown["ok"]), (&json!(2), &json!(false)));
    assert!(unknown["error"].as_str().unwrap().contains("dance"), "{unknown}");
    for text in ["", "[]", "{", "\u{0}"] {
        let answer: Value = serde_json::from_str(&control.request(text).await).unwrap();
        assert_eq!(answer["ok"], false, "{text}");
    }
    let plain = json!(control.server().plain_addr().to_string());
    assert_eq!(request(&control, json!({"do": "stop"})).await, json!({"ok": true}));
    assert!(tokio::net::TcpStream::connect(plain.as_str().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_request_that_waits_does_not_shut_the_others_out() {
    let control = Arc::new(Control::new(Rehearsal::builder().start().await.unwrap()));
    let fault = json!({"do": "inject", "at": "greeting", "action": "stall", "on": "next"});
    let fault = request(&control, fault).await["fault"].clone();
    let waiting = tokio::spawn({
        let (control, wait) = (Arc::clone(&control), json!({"do": "wait", "fault": fault}));
        async move { request(&control, wait).await }
    });
    // Its first poll has it wait.
    tokio::task::yield_now().await;
    assert_eq!(request(&control, json!({"do": "fault", "fault": fault})).await["fired"], 0);
    assert!(!waiting.is_finished());
    let plain = control.server().plain_addr();
    let stream = tokio::net::TcpStream::connect(plain).await.unwrap();
    assert_eq!(waiting.await.unwrap()["ok"], true);
    assert_eq!(request(&control, json!({"do": "release"})).await["ok"], true);
    drop(stream);
}
