//! What servers say around TLS, and what it means.

use std::sync::Arc;
use std::time::Duration;

use everpost::probe::{Probe, ProbeMode, Protocol, Target};
use everpost::{FindingId, Status, TlsMode, TrustRoots};
use everpost_rehearsal::{Action, At, Capabilities, Fault, Listener, Rehearsal, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::peer::{gone, over, speak, speaking};
use crate::support::Memory;
use crate::{ended_by, finding, ids, only, probe, run, target};

fn starttls() -> Target {
    Target::new("mail.example.org", 587)
}

async fn strike(fault: Fault) -> everpost::probe::ProbeReport {
    let server = Rehearsal::builder().start().await.unwrap();
    server.inject(fault).unwrap();
    run(probe(&server), &target(&server, ProbeMode::StartTls)).await
}

#[tokio::test]
async fn a_4yz_greeting_is_a_rate_limit_and_never_missing_tls() {
    for line in ["421 4.7.0 too many connections", "450 4.3.2 come back later"] {
        let report = strike(Fault::reply(At::Greeting, line)).await;
        ended_by(&report, FindingId::RateLimited, line);
        assert_eq!(ids(&report), [FindingId::RateLimited]);
    }
}

#[tokio::test]
async fn each_refusal_has_its_name() {
    let report = strike(Fault::reply(At::Greeting, "554 5.7.1 blocked, see rbl.test")).await;
    ended_by(&report, FindingId::GreetingRefused, "blocked, see rbl.test");
    let report = strike(Fault::reply(At::Ehlo, "501 5.5.4 who?")).await;
    ended_by(&report, FindingId::EhloRefused, "501 5.5.4 who?");
    let report = strike(Fault::reply(At::StartTls, "454 4.7.0 TLS not available")).await;
    ended_by(&report, FindingId::StarttlsRefused, "454 4.7.0 TLS not available");
    assert!(only(&report).before_tls.as_ref().unwrap().starttls());
}

#[tokio::test]
async fn starttls_that_is_missing_is_told_from_starttls_that_was_stripped() {
    let network =
        speaking("220 mx\r\n", &[("EHLO", "250-mx\r\n250 SIZE\r\n"), ("QUIT", "221 x\r\n")]);
    ended_by(&run(over(network), &starttls()).await, FindingId::StarttlsMissing, "STARTTLS");
    let network = speaking("220 ***\r\n", &[("EHLO", "250-mx\r\n250 XXXXXXXA\r\n")]);
    let report = run(over(network), &starttls()).await;
    ended_by(&report, FindingId::StarttlsStripped, "XXXXXXXA");
}

#[tokio::test]
async fn text_injected_after_the_go_ahead_is_found_and_the_facts_are_kept() {
    let injected = Action::Extra("250 AUTH PLAIN\r\n".into());
    let report = strike(Fault::new(At::StartTls, injected)).await;
    let found = finding(&report, FindingId::StarttlsInjection);
    assert!(found.message.contains("250 AUTH PLAIN"), "{}", found.message);
    let address = only(&report);
    assert!(address.tls.as_ref().unwrap().proven && address.certificate.is_some());
}

#[tokio::test]
async fn text_in_place_of_the_handshake_is_found_too() {
    let network = Memory::new(|_, mut stream| async move {
        let answers = [("EHLO", "250-mx\r\n250 STARTTLS\r\n")];
        let _ = speak(&mut stream, "220 mx\r\n", &answers).await;
        stream.write_all(b"220 go ahead\r\n").await.unwrap();
        // Only the hello of TLS can come now.
        stream.read_u8().await.unwrap();
        stream.write_all(b"500 5.5.1 what was that?\r\n").await.unwrap();
        gone(&mut stream).await;
    });
    let report = run(over(network), &starttls()).await;
    ended_by(&report, FindingId::StarttlsInjection, "500 5.5.1 what was that?");
}

#[tokio::test]
async fn auth_before_tls_and_starttls_inside_it_are_warnings() {
    let clear = Capabilities { auth: vec!["PLAIN".to_owned()], ..Capabilities::default() };
    let extra = vec!["STARTTLS".to_owned()];
    let settings = Settings {
        capabilities_before_tls: Some(clear),
        capabilities: Capabilities { extra, ..Capabilities::default() },
        ..Settings::default()
    };
    let server = Rehearsal::builder()
        .settings(settings)
        .credentials("user", "secret")
        .start()
        .await
        .unwrap();
    let report = run(probe(&server), &target(&server, ProbeMode::StartTls)).await;
    assert_eq!(report.status(), Status::Degraded);
    let found = finding(&report, FindingId::AuthBeforeTls);
    assert!(found.message.contains("PLAIN"), "{}", found.message);
    finding(&report, FindingId::StarttlsInsideTls);
}

#[tokio::test]
async fn other_protocols_are_named() {
    let banners = [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"),
        ("* OK [CAPABILITY IMAP4rev1] ready\r\n", "IMAP"),
        ("+OK POP3 ready\r\n", "POP3"),
        ("\u{1b}[31mgarbage\r\n", "garbage"),
    ];
    for (banner, name) in banners {
        for mode in [ProbeMode::StartTls, ProbeMode::Auto] {
            let target = starttls().with_mode(mode);
            let report = run(over(speaking(banner, &[])), &target).await;
            ended_by(&report, FindingId::NotSmtp, name);
        }
    }
    // Where TLS is begun at once, the first bytes tell as much.
    for (banner, name) in &banners[..4] {
        let target = Target::new("mail.example.org", 465);
        let report = run(over(speaking(banner, &[("", "")])), &target).await;
        ended_by(&report, FindingId::NotSmtp, name);
    }
}

// --- The wrong mode ----------------------------------------------------------

#[tokio::test]
async fn plain_text_where_tls_was_due_is_told_with_what_was_seen() {
    let server = Rehearsal::builder().start().await.unwrap();
    let plain = target(&server, ProbeMode::StartTls).with_mode(ProbeMode::Implicit);
    let report = run(probe(&server), &plain).await;
    ended_by(&report, FindingId::PlaintextOnImplicit, "220 ");
    // A server that turns us away in plain text says that before all.
    for (line, id) in [
        ("421 4.7.0 too many", FindingId::RateLimited),
        ("554 5.7.1 blocked", FindingId::GreetingRefused),
    ] {
        server.inject(Fault::reply(At::Greeting, line)).unwrap();
        let report = run(probe(&server), &plain).await;
        ended_by(&report, id, line);
    }
}

#[tokio::test(start_paused = true)]
async fn tls_where_a_greeting_was_due_is_told_with_all_facts_by_one_connection() {
    let server = Arc::new(Rehearsal::builder().build().unwrap());
    let network = Memory::to(&server, Listener::Implicit);
    let report = run(probe(&server).network(network.clone()), &starttls()).await;
    finding(&report, FindingId::TlsOnPlaintext);
    let address = only(&report);
    assert_eq!(address.mode, TlsMode::Implicit);
    assert!(address.certificate.is_some() && address.capabilities.is_some());
    assert_eq!(network.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn auto_mode_sees_how_the_server_comes_to_tls_by_one_connection() {
    let server = Arc::new(Rehearsal::builder().build().unwrap());
    let cases = [(Listener::Implicit, TlsMode::Implicit), (Listener::StartTls, TlsMode::StartTls)];
    for (listener, mode) in cases {
        let network = Memory::to(&server, listener);
        let target = starttls().with_mode(ProbeMode::Auto);
        let builder = probe(&server).network(network.clone()).deadline(Duration::from_secs(15));
        let began = Instant::now();
        let report = run(builder, &target).await;
        assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
        assert_eq!(only(&report).mode, mode);
        assert_eq!(network.connections(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_greeting_is_not_taken_for_the_wrong_mode() {
    let network = Memory::new(|_, mut stream| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let _ = speak(&mut stream, "220 patience\r\n", &[]).await;
        gone(&mut stream).await;
    });
    let report = run(over(network), &starttls().with_mode(ProbeMode::Auto)).await;
    ended_by(&report, FindingId::Stalled, "220 patience");
}

// --- Names --------------------------------------------------------------------

#[tokio::test]
async fn lmtp_is_probed_with_lhlo() {
    let answers = &[("LHLO probe.example.org", "250 SIZE\r\n"), ("QUIT", "221 x\r\n")];
    let network = speaking("220 lmtp\r\n", answers);
    let target = starttls().with_protocol(Protocol::Lmtp);
    let report = run(over(network).ehlo_name("probe.example.org"), &target).await;
    ended_by(&report, FindingId::StarttlsMissing, "STARTTLS");
}

#[test]
fn names_that_would_break_a_line_or_a_handshake_are_refused_when_built() {
    let probe = || Probe::builder().trust(TrustRoots::Mozilla);
    for name in ["", "a b", "a\r\nMAIL FROM:<>", "é"] {
        assert!(probe().ehlo_name(name).build().is_err(), "{name:?}");
    }
    assert!(probe().sni("not a name").build().is_err());
    assert!(probe().verify_name("").build().is_err());
}
