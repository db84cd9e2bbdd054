use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::certificate::testing::{Authority, Leaf};
use crate::watch::Watch;
use crate::watch::config::{Config, Hook, Webhook};
use crate::watch::testing::{Script, day, leaf, report};
use crate::{Clock, TrustRoots};

/// A watch of one endpoint whose first look is an event, and what it tells as
/// trouble.
fn watch(hook: Option<Hook>, webhook: Option<Webhook>) -> (Watch, Arc<Mutex<Vec<String>>>) {
    let authority = Authority::root("R1");
    let leaf = leaf(&authority, 0, 90);
    let script = Script::new(move |_, _| report(day(0), &[Some(&leaf)]));
    let mut config = Config::from_list("mail.example.org").unwrap();
    config.entries[0].tags = vec!["prod".to_owned(), "eu".to_owned()];
    (config.hook, config.webhook) = (hook, webhook);
    let told = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let builder = Watch::builder(config);
    let builder = builder.on_trouble(move |text| to.lock().unwrap().push(text.to_owned()));
    (script.build(builder), told)
}

fn webhook(url: &str) -> Webhook {
    let mut webhook = Webhook::new(url).unwrap();
    webhook.trust = vec![TrustRoots::Mozilla];
    webhook.backoff = Duration::from_millis(1);
    webhook
}

/// Reads one request with a body and answers it.
async fn take<S>(mut stream: S, answer: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    let mut block = [0; 4096];
    // The body ends the JSON object.
    while !request.ends_with(b"}") {
        let count = stream.read(&mut block).await.unwrap();
        assert!(count > 0, "the request ended early");
        request.extend_from_slice(&block[..count]);
    }
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    let _ = stream.shutdown().await;
    String::from_utf8(request).unwrap()
}

/// A server that gives these answers, one a connection.
async fn server(answers: &'static [&'static str]) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            requests.push(take(stream, answer).await);
        }
        requests
    });
    (port, requests)
}

#[cfg(unix)]
#[tokio::test]
async fn a_hook_gets_the_event_as_json_and_in_variables_and_no_shell_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let script =
        "cat > \"$1\"; echo \"$EVERPOST_EVENT|$EVERPOST_ENDPOINT|$EVERPOST_TAGS|$2\" >> \"$1\"";
    let path = out.to_str().unwrap();
    let hook = Hook::new(["/bin/sh", "-c", script, "hook", path, "$(touch x); `id`"]);
    let (watch, told) = watch(Some(hook), None);
    watch.round().await;
    assert_eq!(told.lock().unwrap().as_slice(), [""; 0]);
    let text = std::fs::read_to_string(out).unwrap();
    let (json, variables) = text.split_once('\n').unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["schema"], "everpost.watch.event/1");
    assert_eq!(json["event"], "first_seen");
    assert_eq!(json["tags"][1], "eu");
    assert_eq!(json["severity"], "info");
    assert_eq!(json["status"], "healthy");
    assert_eq!(variables.trim(), "first_seen|mail.example.org:465|prod,eu|$(touch x); `id`");
}

#[cfg(unix)]
#[tokio::test]
async fn a_hook_that_fails_or_does_not_end_is_told_and_ended() {
    let (failing, told) = watch(Some(Hook::new(["/bin/false"])), None);
    failing.round().await;
    assert!(told.lock().unwrap()[0].contains("/bin/false failed on first_seen"), "{told:?}");
    let (missing, told) = watch(Some(Hook::new(["/nowhere/hook"])), None);
    missing.round().await;
    assert!(told.lock().unwrap()[0].contains("/nowhere/hook"), "{told:?}");
    let mut hook = Hook::new(["/bin/sleep", "1000"]);
    hook.timeout = Duration::from_millis(50);
    let (endless, told) = watch(Some(hook), None);
    endless.round().await;
    assert!(told.lock().unwrap()[0].contains("was ended"), "{told:?}");
    assert_eq!(endless.inner.counts.failed()[0], ("hook", 1));
}

#[tokio::test]
async fn a_webhook_gets_the_event_as_json_with_path_and_query() {
    let (port, requests) = server(&["204 No Content"]).await;
    let url = format!("http://127.0.0.1:{port}/T0/secret?a=b");
    let (watch, told) = watch(None, Some(webhook(&url)));
    watch.round().await;
    let requests = requests.await.unwrap();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /T0/secret?a=b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["event"], &body["endpoint"]),
        (&serde_json::json!("first_seen"), &serde_json::json!("mail.example.org:465"))
    );
    assert!(told.lock().unwrap().is_empty());
}

/// What is told as trouble once an event has been posted, or not.
async fn posted(url: &str) -> Vec<String> {
    let (watch, told) = watch(None, Some(webhook(url)));
    watch.round().await;
    let told = told.lock().unwrap().clone();
    assert_eq!(watch.inner.counts.failed()[1].1, told.len() as u64);
    told
}

#[tokio::test]
async fn a_webhook_is_tried_again_after_a_fault_of_the_server_and_not_after_a_refusal() {
    let (port, requests) = server(&["503 Busy", "200 OK"]).await;
    let told = posted(&format!("http://127.0.0.1:{port}/secret")).await;
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(requests.await.unwrap().len(), 2);
    let (port, requests) = server(&["403 No"]).await;
    let told = posted(&format!("http://127.0.0.1:{port}/secret")).await;
    assert_eq!(requests.await.unwrap().len(), 1);
    assert!(told[0].contains("at 127.0.0.1 did not take first_seen"), "{told:?}");
    assert!(told[0].contains("403") && !told[0].contains("secret"), "{told:?}");
}

#[tokio::test]
async fn a_redirect_of_a_webhook_is_not_followed() {
    let (port, requests) = server(&["302 Found\r\nLocation: /elsewhere"]).await;
    let told = posted(&format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(requests.await.unwrap().len(), 1);
    assert!(told[0].contains("302"), "{told:?}");
}

#[tokio::test]
async fn a_webhook_over_https_is_verified() {
    let authority = Authority::root("Hook CA");
    let issued = authority.issue(&Leaf::named("localhost"));
    let key = rustls_pki_types::PrivateKeyDer::try_from(issued.key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.der], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        let refused = acceptor.accept(first).await.is_err();
        let (second, _): (TcpStream, _) = listener.accept().await.unwrap();
        (refused, take(acceptor.accept(second).await.unwrap(), "200 OK").await)
    });
    let mut hook = webhook(&format!("https://localhost:{port}/"));
    hook.retries = 0;
    let clock: Arc<dyn Clock> = crate::watch::testing::PausedClock::new();
    let poster =
        |hook: Webhook| super::Poster::new(hook, Arc::new(crate::Tcp), Arc::clone(&clock)).unwrap();
    let refusal = poster(hook.clone()).post("{}").await.unwrap_err();
    assert!(refusal.contains("localhost"), "{refusal}");
    hook.trust = vec![TrustRoots::Pem(authority.pem())];
    poster(hook).post("{}").await.unwrap();
    let (refused, request) = serving.await.unwrap();
    assert!(refused);
    assert!(request.ends_with("{}"), "{request}");
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut hook = webhook(&url);
    hook.timeout = Duration::from_millis(20);
    hook.retries = 1;
    let (watch, told) = watch(None, Some(hook));
    watch.round().await;
    assert!(told.lock().unwrap()[0].contains("no answer in time"), "{told:?}");
}
