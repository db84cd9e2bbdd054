//! The proxy in front of the server.

use std::net::SocketAddr;

use everpost_rehearsal::{Builder, Rehearsal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, soon};

async fn start(proxy: &str) -> (Rehearsal, SocketAddr) {
    let options = format!(r#"{{"proxy":{proxy}}}"#);
    let server = Builder::from_json(&options).unwrap().start().await.unwrap();
    let address = server.proxy_addr().unwrap();
    (server, address)
}

/// Says each line of the script and reads as many bytes as its answer has.
async fn talk(address: SocketAddr, script: &[(&[u8], &[u8])]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for (said, expected) in script {
        stream.write_all(said).await.unwrap();
        let mut answer = vec![0; expected.len()];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
    stream
}

fn socks_request(port: u16) -> Vec<u8> {
    [&b"\x05\x01\x00\x03\x10mail.example.org"[..], &port.to_be_bytes()].concat()
}

const SOCKS_YES: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const SOCKS_NO: &[u8] = &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0];
const HTTP_YES: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

#[tokio::test]
async fn both_protocols_lead_to_the_server_whatever_host_is_asked_for() {
    let (server, proxy) = start("{}").await;
    let port = server.plain_addr().port();
    let socks = talk(proxy, &[(&[5, 1, 0], &[5, 0]), (&socks_request(port), SOCKS_YES)]).await;
    let request = format!("CONNECT mail.example.org:{port} HTTP/1.1\r\nHost: x\r\n\r\n");
    let http = talk(proxy, &[(request.as_bytes(), HTTP_YES)]).await;
    for stream in [socks, http] {
        Client::over(stream).hello().await;
    }
    assert_eq!((server.stats().proxied, server.stats().connections), (2, 2));
}

#[tokio::test]
async fn the_proxy_leads_nowhere_else() {
    let (server, proxy) = start("{}").await;
    let port = proxy.port();
    talk(proxy, &[(&[5, 1, 0], &[5, 0]), (&socks_request(port), SOCKS_NO)]).await;
    let request = format!("CONNECT localhost:{port} HTTP/1.1\r\n\r\n");
    talk(proxy, &[(request.as_bytes(), b"HTTP/1.1 502 ")]).await;
    talk(proxy, &[(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 ")]).await;
    assert_eq!(server.stats().proxied, 0);
}

#[tokio::test]
async fn a_proxy_with_passwords_lets_in_nobody_else() {
    let (server, proxy) = start(r#"{"credentials":{"app":"secret"}}"#).await;
    let port = server.plain_addr().port();
    talk(proxy, &[(&[5, 1, 0], &[5, 0xff])]).await;
    talk(proxy, &[(&[5, 1, 2], &[5, 2]), (b"\x01\x03app\x05wrong", &[1, 1])]).await;
    let login = (&b"\x01\x03app\x06secret"[..], &[1, 0][..]);
    talk(proxy, &[(&[5, 1, 2], &[5, 2]), login, (&socks_request(port), SOCKS_YES)]).await;

    let connect = |login: &str| format!("CONNECT x:{port} HTTP/1.1\r\n{login}\r\n");
    talk(proxy, &[(connect("").as_bytes(), b"HTTP/1.1 407 ")]).await;
    let wrong = connect("Proxy-Authorization: Basic YXBwOndyb25n\r\n");
    talk(proxy, &[(wrong.as_bytes(), b"HTTP/1.1 407 ")]).await;
    let right = connect("proxy-authorization: Basic YXBwOnNlY3JldA==\r\n");
    talk(proxy, &[(right.as_bytes(), HTTP_YES)]).await;
    assert_eq!(server.stats().proxied, 2);
}

#[tokio::test]
async fn a_restart_of_the_server_leaves_the_proxy_alone() {
    let (server, proxy) = start("{}").await;
    server.restart(everpost_rehearsal::Restart::default()).await.unwrap();
    let request = socks_request(server.plain_addr().port());
    let stream = talk(proxy, &[(&[5, 1, 0], &[5, 0]), (&request, SOCKS_YES)]).await;
    Client::over(stream).hello().await;
}
