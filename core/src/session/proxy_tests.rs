//! The two protocols against scripted proxies, friendly and not.

use std::sync::Mutex;

use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::*;
use crate::network::BoxFuture;

/// Gives out one end of a pipe; the script has the other.
#[derive(Debug)]
struct Pipe(Mutex<Option<DuplexStream>>);

impl Network for Pipe {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        assert_eq!(host, "proxy.example", "only the proxy's name is resolved here");
        Box::pin(async move { Ok(vec![SocketAddr::new([192, 0, 2, 1].into(), port)]) })
    }

    fn connect<'a>(
        &'a self,
        _: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        let stream = self.0.lock().unwrap().take();
        Box::pin(async move {
            let stream = stream.ok_or(io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// What the proxy expects, and what it answers.
type Step<'a> = (&'a [u8], &'a [u8]);

/// Runs the script and then ends the proxy's side, but for `hold`.
async fn run(
    url: &str,
    host: &str,
    script: &[Step<'_>],
    hold: bool,
) -> Result<Box<dyn Stream>, Error> {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let network = Pipe(Mutex::new(Some(ours)));
    let proxy: Proxy = url.parse().unwrap();
    let serve = async move {
        for (expected, answer) in script {
            let mut received = vec![0; expected.len()];
            theirs.read_exact(&mut received).await.unwrap();
            assert_eq!(received.escape_ascii().to_string(), expected.escape_ascii().to_string());
            // A client that has seen enough hangs up.
            let _ = theirs.write_all(answer).await;
        }
        if hold {
            std::future::pending::<()>().await;
        }
    };
    let dialled = through(&network, &proxy, host, 465, None, Duration::from_secs(30));
    if hold {
        tokio::select! {
            dialled = dialled => dialled.map(|(stream, _)| stream),
            () = serve => unreachable!("it holds"),
        }
    } else {
        let (dialled, ()) = tokio::join!(dialled, serve);
        dialled.map(|(stream, _)| stream)
    }
}

async fn rest(mut stream: Box<dyn Stream>) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    rest
}

const SOCKS: &str = "socks5://proxy.example";
const SOCKS_LOGIN: &str = "socks5://ana:canary@proxy.example";
const HTTP: &str = "http://proxy.example";
const ASK: &[u8] = b"CONNECT mail.example:465 HTTP/1.1\r\nHost: mail.example:465\r\n\r\n";
const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0cmail.example\x01\xd1";
const GRANTED: &[u8] = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";

#[test]
fn proxy_urls_are_read() {
    let proxy = |url: &str| url.parse::<Proxy>().unwrap();
    let socks = proxy("SOCKS5h://ana:p%40ss@[2001:db8::1]");
    assert_eq!((socks.protocol, socks.port), (Protocol::Socks5, 1080));
    assert_eq!(socks.host, "2001:db8::1");
    assert_eq!(socks.login.unwrap().1.as_str(), "p@ss");
    assert_eq!(proxy("http://h.example").port, 8080);
    assert_eq!(proxy("http://h.example:80/").port, 80);
    let long = format!("socks5://a:{}@h", "x".repeat(256));
    for url in [
        "",
        "h:1080",
        "https://h",
        "socks4://h",
        "socks5://",
        "http://h/path",
        "http://h?a=b",
        "http://h:0",
        "socks5://ana@h",
        "http://a%3Ab:c@h",
        long.as_str(),
    ] {
        let error = url.parse::<Proxy>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{url}");
    }
}

#[test]
fn debug_does_not_show_the_password() {
    let text = format!("{:?}", SOCKS_LOGIN.parse::<Proxy>().unwrap());
    assert!(text.contains("ana") && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn socks5_leaves_the_name_to_the_proxy_and_takes_nothing_of_the_server() {
    let answer = [GRANTED, b"220 hello"].concat();
    let script: &[Step<'_>] = &[(b"\x05\x01\x00", b"\x05\x00"), (REQUEST, &answer)];
    let stream = run(SOCKS, "mail.example", script, false).await.unwrap();
    assert_eq!(rest(stream).await, "220 hello");
}

#[tokio::test]
async fn socks5_gives_addresses_as_addresses() {
    for (host, request) in [
        ("192.0.2.9", &b"\x05\x01\x00\x01\xc0\x00\x02\x09\x01\xd1"[..]),
        ("::1", b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xd1"),
    ] {
        let script = [(&b"\x05\x01\x00"[..], &b"\x05\x00"[..]), (request, GRANTED)];
        run(SOCKS, host, &script, false).await.unwrap();
    }
}

#[tokio::test]
async fn socks5_reads_past_an_address_of_any_kind() {
    for bound in [
        &b"\x05\x00\x00\x03\x03abc\x00\x00"[..],
        b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        let answer = [bound, b"220 hello"].concat();
        let script: &[Step<'_>] = &[(b"\x05\x01\x00", b"\x05\x00"), (REQUEST, &answer)];
        let stream = run(SOCKS, "mail.example", script, false).await.unwrap();
        assert_eq!(rest(stream).await, "220 hello");
    }
}

#[tokio::test]
async fn socks5_logs_in_only_where_it_is_asked_to() {
    let hello = &b"\x05\x02\x00\x02"[..];
    let login = &b"\x01\x03ana\x06canary"[..];
    let script = [(hello, &b"\x05\x02"[..]), (login, b"\x01\x00"), (REQUEST, GRANTED)];
    run(SOCKS_LOGIN, "mail.example", &script, false).await.unwrap();
    let script = [(hello, &b"\x05\x00"[..]), (REQUEST, GRANTED)];
    run(SOCKS_LOGIN, "mail.example", &script, false).await.unwrap();
    let script = [(hello, &b"\x05\x02"[..]), (login, b"\x01\x01")];
    let error = run(SOCKS_LOGIN, "mail.example", &script, false).await.unwrap_err();
    assert!(error.message_text().contains("refused the login"), "{error}");
    assert!(!error.is_retryable());
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn socks5_refusals_say_what_to_do() {
    for (code, said, retryable) in
        [(2, "does not allow", false), (4, "not reachable", true), (5, "refused", true)]
    {
        let answer = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let script: &[Step<'_>] = &[(b"\x05\x01\x00", b"\x05\x00"), (REQUEST, &answer)];
        let error = run(SOCKS, "mail.example", script, false).await.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Connect, Stage::Proxy));
        assert!(error.message_text().contains(said), "{error}");
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn socks5_that_wants_what_was_not_offered_is_refused() {
    for answer in [b"\x05\x02", b"\x05\xff", b"\x05\x01"] {
        let script = [(&b"\x05\x01\x00"[..], &answer[..])];
        let error = run(SOCKS, "mail.example", &script, false).await.unwrap_err();
        assert!(error.message_text().contains("refused the login"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_no_proxy_is_named_as_such() {
    let script = [(&b"\x05\x01\x00"[..], &b"220 mail.example ESMTP\r\n"[..])];
    let error = run(SOCKS, "mail.example", &script, false).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Protocol, Stage::Proxy));
    let script = [(ASK, &b"220 mail.example ESMTP\r\n"[..])];
    let error = run(HTTP, "mail.example", &script, false).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Protocol, Stage::Proxy));
}

#[tokio::test]
async fn http_connect_keeps_the_bytes_that_come_early() {
    for answer in [
        "HTTP/1.1 200 OK\r\n\r\n220 hello",
        "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n220 hello",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n220 hello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\n\r\n220 hello",
    ] {
        let script = [(ASK, answer.as_bytes())];
        let stream = run(HTTP, "mail.example", &script, false).await.unwrap();
        assert_eq!(rest(stream).await, "220 hello");
    }
}

#[tokio::test]
async fn early_bytes_come_out_in_pieces_of_any_size() {
    let (ours, mut theirs) = tokio::io::duplex(64);
    theirs.write_all(b"cdef").await.unwrap();
    drop(theirs);
    let mut stream = Prefixed { early: Bytes::from_static(b"ab"), stream: Box::new(ours) };
    for expected in [b'a', b'b', b'c'] {
        assert_eq!(stream.read_u8().await.unwrap(), expected);
    }
    assert_eq!(rest(Box::new(stream)).await, "def");
}

#[tokio::test]
async fn http_connect_logs_in_and_brackets_addresses() {
    let request = b"CONNECT [::1]:465 HTTP/1.1\r\nHost: [::1]:465\r\n\
        Proxy-Authorization: Basic YW5hOmNhbmFyeQ==\r\n\r\n";
    let script = [(&request[..], &b"HTTP/1.1 200 OK\r\n\r\n"[..])];
    run("http://ana:canary@proxy.example", "::1", &script, false).await.unwrap();
}

#[tokio::test]
async fn http_refusals_say_what_to_do() {
    for (status, said, retryable) in [
        ("407 Auth", "refused the login", false),
        ("403 No", "403 No", false),
        ("502 Bad", "502", true),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\n\r\n");
        let script = [(ASK, answer.as_bytes())];
        let error = run(HTTP, "mail.example", &script, false).await.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Connect, Stage::Proxy));
        assert!(error.message_text().contains(said), "{error}");
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let answer = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000));
    let script = [(ASK, answer.as_bytes())];
    let error = run(HTTP, "mail.example", &script, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let answer = "HTTP/1.1 100 Continue\r\n\r\n".repeat(2_000);
    let script = [(ASK, answer.as_bytes())];
    let error = run(HTTP, "mail.example", &script, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_proxy_that_hangs_up_is_an_error_at_every_step() {
    let refused = [(&b"\x05\x01\x00"[..], &b"\x05"[..])];
    let cut = [(&b"\x05\x01\x00"[..], &b"\x05\x00"[..]), (REQUEST, &GRANTED[..7])];
    for script in [&refused[..], &cut] {
        let error = run(SOCKS, "mail.example", script, false).await.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Connect, Stage::Proxy));
    }
    let script = [(ASK, &b"HTTP/1.1 200 OK\r\n"[..])];
    let error = run(HTTP, "mail.example", &script, false).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Connect, Stage::Proxy));
}

#[tokio::test(start_paused = true)]
async fn a_silent_proxy_is_ended_by_the_deadline() {
    for (url, script) in [(SOCKS, (&b"\x05\x01\x00"[..], &b""[..])), (HTTP, (ASK, b""))] {
        let started = Instant::now();
        let error = run(url, "mail.example", &[script], true).await.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Timeout, Stage::Proxy));
        assert_eq!(started.elapsed().as_secs(), 30);
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_an_error_of_the_proxy() {
    let network = Pipe(Mutex::new(None));
    let proxy: Proxy = SOCKS.parse().unwrap();
    let dialled = through(&network, &proxy, "mail.example", 465, None, Duration::from_secs(30));
    let error = dialled.await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Connect, Stage::Proxy));
    assert!(error.hint().unwrap().contains("proxy.example:1080"), "{error}");
}

#[tokio::test]
async fn a_host_name_cannot_forge_a_header() {
    for host in ["a\r\nX: y", "a b", "", "b\u{fc}cher", &"x".repeat(256)] {
        let error = run(HTTP, host, &[], false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }
}

proptest! {
    #[test]
    fn no_head_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = head(&bytes);
        let _ = head(&[b"HTTP/1.1 200 ", bytes.as_slice()].concat());
    }

    #[test]
    fn no_text_makes_the_url_panic(text in ".{0,60}") {
        let _ = text.parse::<Proxy>();
        let _ = format!("socks5://{text}").parse::<Proxy>();
    }
}
