//! Whatever a server does, the probe ends within its deadline, in bounded
//! memory, with a verdict and with the facts that there were.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use everpost::probe::{ProbeMode, Target};
use everpost::{FindingId, Severity, Stage, Status};
use everpost_rehearsal::{Action, At, Cut, Fault, Listener, Rehearsal};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::peer::{gone, identity, over, secured, showing, speak};
use crate::support::{Memory, soon};
use crate::{ended_by, finding, ids, only, probe, run, target};

const DEADLINE: Duration = Duration::from_secs(10);

fn implicit() -> Target {
    Target::new("mail.example.org", 465)
}

fn starttls() -> Target {
    Target::new("mail.example.org", 587)
}

// --- Silence -------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_stall_at_any_stage_ends_at_the_deadline_and_is_named_by_its_stage() {
    let stages = [
        (At::Accept, Listener::StartTls, "said nothing"),
        (At::Greeting, Listener::StartTls, "said nothing"),
        (At::Ehlo, Listener::StartTls, "sending EHLO"),
        (At::StartTls, Listener::StartTls, "sending STARTTLS"),
        (At::Handshake, Listener::StartTls, "TLS handshake"),
        (At::Accept, Listener::Implicit, "TLS handshake"),
        (At::Handshake, Listener::Implicit, "TLS handshake"),
        (At::Greeting, Listener::Implicit, "waiting for the greeting"),
        (At::Ehlo, Listener::Implicit, "sending EHLO"),
        (At::RawSent(300), Listener::Implicit, "TLS handshake"),
    ];
    for (at, listener, text) in stages {
        let server = Arc::new(Rehearsal::builder().build().unwrap());
        server.inject(Fault::stall(at)).unwrap();
        let network = Memory::to(&server, listener);
        let target = match listener {
            Listener::Implicit => implicit(),
            _ => starttls(),
        };
        let began = Instant::now();
        let report = run(probe(&server).network(network).deadline(DEADLINE), &target).await;
        ended_by(&report, FindingId::Stalled, text);
        assert_eq!(began.elapsed(), DEADLINE, "{at:?}");
        assert!(report.duration <= DEADLINE);
        server.clear_faults();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_captured_before_a_stall_is_reported() {
    let server = Arc::new(Rehearsal::builder().build().unwrap());
    server.inject(Fault::stall(At::Greeting)).unwrap();
    let network = Memory::to(&server, Listener::Implicit);
    let report = run(probe(&server).network(network), &implicit()).await;
    let address = only(&report);
    assert!(address.tls.is_some() && address.certificate.is_some());
    assert_eq!(address.error.as_ref().unwrap().stage(), Stage::Greeting);
    assert_eq!(ids(&report), [FindingId::Stalled]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_quit_costs_a_second_and_no_finding() {
    let server = Arc::new(Rehearsal::builder().build().unwrap());
    server.inject(Fault::stall(At::Quit)).unwrap();
    let network = Memory::to(&server, Listener::Implicit);
    let began = Instant::now();
    let report = run(probe(&server).network(network), &implicit()).await;
    assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
    assert!(began.elapsed() <= Duration::from_secs(1));
    assert!(only(&report).timings.total < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn one_byte_at_a_time_is_not_for_ever() {
    let network = Memory::new(|_, mut stream: DuplexStream| async move {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let report = run(over(network).deadline(DEADLINE), &starttls()).await;
    assert_eq!(report.status(), Status::Unhealthy);
    assert!(report.duration <= DEADLINE);
}

// --- The end of the connection --------------------------------------------------

#[tokio::test]
async fn a_connection_that_ends_is_lost_at_a_stage() {
    let server = Rehearsal::builder().start().await.unwrap();
    let cases = [
        (At::Accept, ProbeMode::StartTls, "waiting for the greeting"),
        (At::Ehlo, ProbeMode::StartTls, "sending EHLO"),
        (At::StartTls, ProbeMode::StartTls, "sending STARTTLS"),
        (At::Handshake, ProbeMode::StartTls, "TLS handshake"),
        (At::Handshake, ProbeMode::Implicit, "TLS handshake"),
        (At::Greeting, ProbeMode::Implicit, "waiting for the greeting"),
        (At::Ehlo, ProbeMode::Implicit, "sending EHLO"),
    ];
    for (at, mode, text) in cases {
        for cut in [Cut::Rst, Cut::Fin] {
            server.inject(Fault::cut(at, cut)).unwrap();
            let report = run(probe(&server), &target(&server, mode)).await;
            ended_by(&report, FindingId::ConnectionLost, text);
        }
    }
}

#[tokio::test]
async fn a_port_on_which_nothing_listens_is_refused() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = Target::new(address.ip().to_string(), address.port());
    let report = run(everpost::probe::Probe::builder(), &target).await;
    ended_by(&report, FindingId::Refused, &format!("nothing listens on port {}", address.port()));
    assert_eq!(only(&report).timings.connect, None);
}

// --- Too much --------------------------------------------------------------------

#[tokio::test]
async fn endless_replies_are_cut_off() {
    let server = Rehearsal::builder().start().await.unwrap();
    let cases = [
        (At::Greeting, ProbeMode::StartTls),
        (At::Ehlo, ProbeMode::StartTls),
        (At::StartTls, ProbeMode::StartTls),
        (At::Greeting, ProbeMode::Implicit),
        (At::Ehlo, ProbeMode::Implicit),
    ];
    for (at, mode) in cases {
        for action in [Action::EndlessLine, Action::EndlessReply] {
            server.inject(Fault::new(at, action)).unwrap();
            let report = run(probe(&server), &target(&server, mode)).await;
            ended_by(&report, FindingId::MalformedReply, "rules of SMTP");
        }
    }
}

#[tokio::test]
async fn replies_that_break_the_rules_are_no_verdict_on_tls() {
    for answer in ["250-mx\r\n550 mixed\r\n", "250 mx\n", "999 what\r\n"] {
        let network = Memory::new(move |_, stream| async move {
            let _ = speak(stream, "220 mx\r\n", &[("EHLO", answer)]).await;
        });
        let report = run(over(network), &starttls()).await;
        assert_eq!(ids(&report), [FindingId::MalformedReply], "{answer:?}");
    }
}

/// A peer that answers the first bytes with `start`, then says `storm` for as
/// long as anybody listens.
fn storming(start: &'static [u8], storm: &'static [u8]) -> Arc<Memory> {
    Memory::new(move |_, mut stream: DuplexStream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(start).await;
        while stream.write_all(storm).await.is_ok() {}
    })
}

#[tokio::test]
async fn storms_of_records_end_in_a_verdict() {
    let storms: [(&[u8], &[u8]); 5] = [
        // Warnings: user_canceled.
        (b"", &[21, 3, 3, 0, 2, 1, 90]),
        // Empty handshake records.
        (b"", &[22, 3, 3, 0, 0]),
        // Hello requests.
        (b"", &[22, 3, 3, 0, 4, 0, 0, 0, 0]),
        // A ServerHello of 16 MB that goes on and on.
        (&[22, 3, 3, 0, 4, 2, 255, 255, 255], &[22, 3, 3, 0, 4, 1, 1, 1, 1]),
        // Change of cipher, again and again.
        (b"", &[20, 3, 3, 0, 1, 1]),
    ];
    for (start, storm) in storms {
        let report =
            run(over(storming(start, storm)).deadline(Duration::from_secs(2)), &implicit()).await;
        assert_eq!(report.status(), Status::Unhealthy);
        let first = report.first_finding().unwrap();
        assert_ne!(first.id, FindingId::Stalled, "{storm:?} goes on until the deadline");
    }
}

#[tokio::test]
async fn an_alert_is_told_by_its_name() {
    let network = storming(b"", &[21, 3, 3, 0, 2, 2, 40]);
    let report = run(over(network), &implicit()).await;
    ended_by(&report, FindingId::HandshakeFailed, "HandshakeFailure");
}

// --- Certificates -----------------------------------------------------------------

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_a_finding_and_no_failure() {
    let (_, key) = identity(["mail.example.org".to_owned()]);
    for der in [&b""[..], b"\x30", b"\x30\x82\xff\xff", b"no certificate"] {
        let chain = vec![CertificateDer::from(der.to_vec())];
        let report = run(over(secured(showing(chain, &key))), &implicit()).await;
        assert_eq!(report.status(), Status::Unhealthy, "{der:?}");
        let address = only(&report);
        assert!(!address.tls.as_ref().unwrap().proven);
        assert!(address.capabilities.is_some());
        finding(&report, FindingId::Unreadable);
    }
}

#[tokio::test]
async fn a_server_that_does_not_hold_the_key_is_not_proven() {
    let (chain, key) = identity(["mail.example.org".to_owned()]);
    let (_, other) = identity(["mail.example.org".to_owned()]);
    for (key, proven) in [(&key, true), (&other, false)] {
        let report = run(over(secured(showing(chain.clone(), key))), &implicit()).await;
        assert_eq!(only(&report).tls.as_ref().unwrap().proven, proven);
    }
}

#[tokio::test]
async fn a_chain_of_60_kb_is_captured_and_one_of_100_kb_is_too_large() {
    let (leaf, key) = identity(["mail.example.org".to_owned()]);
    let (padding, _) = identity((0..150).map(|it| format!("padding-{it}.example.org")));
    let times = |size: usize| std::iter::repeat_n(padding[0].clone(), size / padding[0].len());
    let chain: Vec<_> = leaf.iter().cloned().chain(times(60_000)).collect();
    let report = run(over(secured(showing(chain, &key))), &implicit()).await;
    let certificate = only(&report).certificate.as_ref().unwrap();
    assert_eq!(certificate.leaf().unwrap().der(), &leaf[0][..]);

    let chain: Vec<_> = leaf.iter().cloned().chain(times(100_000)).collect();
    let report = run(over(secured(showing(chain, &key))), &implicit()).await;
    let found = finding(&report, FindingId::LargeChain);
    assert!(found.message.contains("64 KB"), "{}", found.message);
    assert_eq!(found.severity, Severity::Critical);
    assert!(only(&report).error.is_some());
}

#[tokio::test]
async fn ten_thousand_names_end_in_a_verdict() {
    // As short as names can be, so that they fit into a handshake.
    let (chain, key) = identity((0..10_000).map(|it| format!("{it:x}")));
    assert!(chain[0].len() < 65_000, "{}", chain[0].len());
    let report = run(over(secured(showing(chain.clone(), &key))), &implicit()).await;
    finding(&report, FindingId::NameMismatch);
    let certificate = only(&report).certificate.as_ref().unwrap();
    assert_eq!(certificate.leaf().unwrap().der(), &chain[0][..]);
    // No message repeats them all.
    assert!(report.all_findings().all(|finding| finding.message.len() < 2_000));
}

// --- Leaving early ------------------------------------------------------------------

#[tokio::test]
async fn a_probe_that_is_dropped_leaves_nothing_behind() {
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let network = Memory::new(move |_, mut stream: DuplexStream| {
        let arrived = arrived.clone();
        async move {
            arrived.send(()).unwrap();
            gone(&mut stream).await;
            arrived.send(()).unwrap();
        }
    });
    let probe = over(network).build().unwrap();
    let running = tokio::spawn(async move { probe.run(&starttls()).await });
    soon(arrivals.recv()).await.unwrap();
    running.abort();
    soon(arrivals.recv()).await.unwrap();
}
