//! How many messages a second the server takes, from a client that does
//! nothing but write what was encoded before.
//!
//! `cargo run --release -p everpost-rehearsal --example throughput [MESSAGES]`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use everpost_rehearsal::Rehearsal;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

type Tls = StreamOwned<ClientConnection, TcpStream>;

const ENVELOPE: &[u8] =
    b"MAIL FROM:<a@client.test> BODY=8BITMIME\r\nRCPT TO:<b@server.test>\r\nDATA\r\n";

fn main() {
    let messages: usize = std::env::args().nth(1).map_or(40_000, |text| text.parse().unwrap());
    let messages = messages / 4 * 4;
    // One thread for the server, so one core at most.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Rehearsal::builder().start()).unwrap();

    let mut body = b"Message-ID: <throughput@client.test>\r\nSubject: 2 KB\r\n\r\n".to_vec();
    while body.len() < 2048 {
        body.extend_from_slice(
            b"The quick brown fox jumps over the lazy dog, and once more for good measure.\r\n",
        );
    }
    body.extend_from_slice(b".\r\n");
    let chained = [body.as_slice(), ENVELOPE].concat();
    let chunk = format!("BDAT {} LAST\r\n", body.len() - 3).into_bytes();
    let chunked =
        [ENVELOPE.strip_suffix(b"DATA\r\n").unwrap(), chunk.as_slice(), &body[..body.len() - 3]]
            .concat();

    let report = |what: &str, run: &dyn Fn()| {
        let start = Instant::now();
        run();
        let rate = messages as f64 / start.elapsed().as_secs_f64();
        assert_eq!(server.received_count(), messages);
        server.clear_received();
        println!("{what:<36} {rate:>8.0} messages/s");
    };
    report("two flights each", &|| {
        let mut client = connect(&server);
        for _ in 0..messages {
            ask(&mut client, ENVELOPE, 3);
            ask(&mut client, &body, 1);
        }
    });
    report("chained, one flight each", &|| {
        let mut client = connect(&server);
        ask(&mut client, ENVELOPE, 3);
        for _ in 1..messages {
            ask(&mut client, &chained, 4);
        }
        ask(&mut client, &body, 1);
    });
    report("BDAT, one flight each", &|| {
        let mut client = connect(&server);
        for _ in 0..messages {
            ask(&mut client, &chunked, 3);
        }
    });
    report("two flights each, four connections", &|| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut client = connect(&server);
                    for _ in 0..messages / 4 {
                        ask(&mut client, ENVELOPE, 3);
                        ask(&mut client, &body, 1);
                    }
                });
            }
        });
    });
}

fn connect(server: &Rehearsal) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(server.host().to_owned()).unwrap();
    let tcp = TcpStream::connect(server.implicit_addr()).unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut client = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp);
    ask(&mut client, b"", 1);
    ask(&mut client, b"EHLO client.test\r\n", 1);
    client
}

/// Writes, and waits for so many complete replies.
fn ask(client: &mut Tls, bytes: &[u8], replies: usize) {
    client.write_all(bytes).unwrap();
    client.flush().unwrap();
    let (mut seen, mut line) = (0, Vec::new());
    let mut block = [0; 4096];
    while seen < replies {
        let read = client.read(&mut block).unwrap();
        for &byte in &block[..read] {
            line.push(byte);
            if byte == b'\n' {
                assert!(matches!(line[0], b'2' | b'3'), "{}", String::from_utf8_lossy(&line));
                seen += usize::from(line[3] == b' ');
                line.clear();
            }
        }
    }
}
