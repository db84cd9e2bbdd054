//! Probes of servers that only a hello of old reaches.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use everpost::probe::{AddressReport, Probe, ProbeMode, Target};
use everpost::{FindingId, TrustRoots};
use support::Memory;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind, 3, 1], &length[..], content].concat()
}

fn with_length(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[1..], content].concat()
}

/// TLS 1.0 with RC4, and a chain of one.
fn flight(leaf: &[u8]) -> Vec<u8> {
    let hello = [&[3, 1][..], &[7; 32], &[0, 0, 5, 0]].concat();
    let chain = with_length(&with_length(leaf));
    let messages = [&[2][..], &with_length(&hello), &[11], &with_length(&chain)].concat();
    record(22, &messages)
}

async fn read_line(stream: &mut DuplexStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

/// The first hello, of rustls, is refused as a server that knows only TLS 1.0
/// does; `then` answers the second.
fn server(starttls: bool, then: Vec<u8>) -> Arc<Memory> {
    Memory::new(move |number, mut stream| {
        let answer = if number == 1 { record(21, &[2, 70]) } else { then.clone() };
        async move {
            if starttls {
                stream.write_all(b"220 mx\r\n").await.unwrap();
                assert!(read_line(&mut stream).await.starts_with("EHLO "));
                stream.write_all(b"250-mx\r\n250 STARTTLS\r\n").await.unwrap();
                assert_eq!(read_line(&mut stream).await, "STARTTLS\r\n");
                stream.write_all(b"220 go\r\n").await.unwrap();
            }
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).await.unwrap();
            assert_eq!(hello[0], 22);
            stream.write_all(&answer).await.unwrap();
            // Until the other side has gone, or says no more.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
}

async fn probe(network: &Arc<Memory>, mode: ProbeMode) -> AddressReport {
    let trust = rcgen::generate_simple_self_signed(["root".to_owned()]).unwrap();
    let probe = Probe::builder()
        .trust(TrustRoots::Pem(trust.cert.pem().into_bytes()))
        .network(network.clone())
        .build()
        .unwrap();
    let mut report = probe.run(&Target::new("mail.example.org", 2525).with_mode(mode)).await;
    report.servers.remove(0).addresses.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_server_of_old_is_probed_by_a_second_connection_in_the_same_mode() {
    let leaf = rcgen::generate_simple_self_signed(["mail.example.org".to_owned()]).unwrap();
    for mode in [ProbeMode::Implicit, ProbeMode::StartTls] {
        let network = server(mode == ProbeMode::StartTls, flight(leaf.cert.der()));
        let report = probe(&network, mode).await;
        assert_eq!(network.connections(), 2, "{mode}");
        let certificate = report.certificate.expect("the facts outlive the failure");
        assert_eq!(certificate.leaf().map(|leaf| leaf.der()), Some(&**leaf.cert.der()), "{mode}");
        let tls = report.tls.expect("facts");
        assert_eq!((&*tls.protocol, &*tls.cipher), ("TLSv1.0", "TLS_RSA_WITH_RC4_128_SHA"));
        assert!(tls.legacy && !tls.proven);
        let ids: Vec<_> = report.findings.iter().map(|finding| finding.id).collect();
        assert_eq!(ids, [FindingId::LegacyTls], "{mode}");
        assert!(report.error.is_some(), "a session did not come of it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_both_hellos_has_failed_the_handshake() {
    for second in [record(21, &[2, 40]), Vec::new()] {
        let network = server(true, second);
        let report = probe(&network, ProbeMode::StartTls).await;
        assert_eq!(network.connections(), 2);
        let ids: Vec<_> = report.findings.iter().map(|finding| finding.id).collect();
        assert_eq!(ids, [FindingId::HandshakeFailed]);
        assert!(report.tls.is_none() && report.certificate.is_none());
    }
}
