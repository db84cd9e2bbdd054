//! What a well-behaved server serves, by every kind of chain.

use std::time::{Duration, SystemTime};

use everpost::certificate::CertificateFile;
use everpost::probe::ProbeMode;
use everpost::{FindingId, Mailer, Severity, Status, TlsMode};
use everpost_rehearsal::{Chain, ClientAuth, Closed, LeafInfo, Rehearsal, Rotate, TlsVersions};

use crate::support::{over_tcp, send, soon};
use crate::{finding, ids, only, probe, run, target};

const MODES: [ProbeMode; 2] = [ProbeMode::Implicit, ProbeMode::StartTls];

// --- What is served --------------------------------------------------------

#[tokio::test]
async fn a_healthy_server_is_healthy_by_one_connection_with_all_facts() {
    let server = Rehearsal::builder().start().await.unwrap();
    for mode in MODES {
        let before = server.stats().connections;
        let report = run(probe(&server), &target(&server, mode)).await;
        assert_eq!(report.status(), Status::Healthy, "{mode}: {:?}", report.first_finding());
        let address = only(&report);
        let tls = address.tls.as_ref().unwrap();
        assert!(tls.proven && !tls.legacy && tls.protocol == "TLSv1.3", "{tls:?}");
        assert!(tls.group.is_some());
        assert_eq!(address.mode == TlsMode::Implicit, mode == ProbeMode::Implicit);
        assert_eq!(address.before_tls.is_some(), mode == ProbeMode::StartTls);
        assert!(address.greeting.is_some() && address.capabilities.is_some());
        let timings = address.timings;
        let steps = [timings.connect, timings.greeting, timings.ehlo, timings.handshake];
        assert!(steps.iter().all(|step| step.is_some_and(|it| it <= timings.total)));
        assert_eq!(timings.starttls.is_some(), mode == ProbeMode::StartTls);
        let leaf = address.certificate.as_ref().unwrap().leaf().unwrap();
        assert_eq!(leaf.der(), server.leaf().der);
        assert_eq!(server.stats().connections, before + 1);
    }
    server.wait_closed().await;
    assert!(server.connections().iter().all(|log| log.closed == Some(Closed::Quit)));
}

#[tokio::test]
async fn a_deadline_beyond_what_the_clock_can_show_is_none_to_fail_on() {
    let server = Rehearsal::builder().start().await.unwrap();
    for mode in MODES {
        let report = run(probe(&server).deadline(Duration::MAX), &target(&server, mode)).await;
        assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
    }
}

#[tokio::test]
async fn a_probe_never_logs_in_and_never_sends_mail() {
    let server = Rehearsal::builder().credentials("user", "secret").start().await.unwrap();
    for mode in MODES {
        run(probe(&server), &target(&server, mode)).await;
    }
    server.wait_closed().await;
    for log in server.connections() {
        for command in &log.commands {
            let verb = command.split(' ').next().unwrap();
            assert!(matches!(verb, "EHLO" | "STARTTLS" | "QUIT"), "{command}");
        }
    }
}

#[tokio::test]
async fn every_kind_of_chain_is_captured_and_told_apart() {
    let server = Rehearsal::builder().start().await.unwrap();
    let cases: [(Chain, &[FindingId]); 11] = [
        (Chain::WrongName, &[FindingId::NameMismatch]),
        (Chain::SelfSigned, &[FindingId::SelfSigned]),
        (Chain::MissingIntermediate, &[FindingId::MissingIntermediate]),
        (Chain::Expired, &[FindingId::Expired]),
        (Chain::NotYetValid, &[FindingId::NotYetValid]),
        (Chain::UntrustedCa, &[FindingId::UnknownIssuer]),
        (Chain::ExpiredIntermediate, &[FindingId::Expired]),
        (Chain::CommonNameOnly, &[FindingId::NoSan]),
        (Chain::WrongPurpose, &[FindingId::WrongPurpose]),
        (Chain::LeafIsCa, &[FindingId::WrongPurpose]),
        (Chain::RootIncluded, &[]),
    ];
    for (chain, expected) in cases {
        let served = server.present(chain).await.unwrap();
        for mode in MODES {
            let report = run(probe(&server), &target(&server, mode)).await;
            let critical: Vec<FindingId> = report
                .all_findings()
                .filter(|finding| finding.severity == Severity::Critical)
                .map(|finding| finding.id)
                .collect();
            assert_eq!(critical, expected, "{chain:?} by {mode}");
            let address = only(&report);
            assert!(address.error.is_none() && address.capabilities.is_some(), "{chain:?}");
            let certificate = address.certificate.as_ref().unwrap();
            assert_eq!(certificate.leaf().unwrap().der(), served.der, "{chain:?}");
        }
    }
}

#[tokio::test]
async fn tls_1_2_alone_is_no_obstacle() {
    let server = Rehearsal::builder().tls_versions(TlsVersions::Tls12).start().await.unwrap();
    let report = run(probe(&server), &target(&server, ProbeMode::Implicit)).await;
    assert_eq!(report.status(), Status::Healthy);
    let tls = only(&report).tls.as_ref().unwrap();
    assert!(tls.protocol == "TLSv1.2" && tls.proven, "{tls:?}");
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_still_shows_its_own() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let server = Rehearsal::builder()
            .tls_versions(versions)
            .client_auth(ClientAuth::Required)
            .start()
            .await
            .unwrap();
        let report = run(probe(&server), &target(&server, ProbeMode::Implicit)).await;
        let found = finding(&report, FindingId::HandshakeFailed);
        assert!(found.message.contains("alert"), "{}", found.message);
        let certificate = only(&report).certificate.as_ref().unwrap();
        assert_eq!(certificate.leaf().unwrap().der(), server.leaf().der, "{versions:?}");
    }
}

// --- Rotation ----------------------------------------------------------------

#[tokio::test]
async fn after_a_hot_rotation_the_same_probe_shows_the_new_leaf_by_one_connection_each() {
    let server = Rehearsal::builder().start().await.unwrap();
    let probe = probe(&server).build().unwrap();
    // A mailer keeps tickets of the old certificate good the whole time.
    let mailer: Mailer = over_tcp(&server, TlsMode::Implicit).build().unwrap();
    send(&mailer, "before@rotation").await.unwrap();
    for round in 0..6 {
        let mode = MODES[round % 2];
        let target = target(&server, mode);
        let before = server.stats().connections;
        let report = soon(probe.run(&target)).await;
        assert_eq!(server.stats().connections, before + 1);
        let certificate = only(&report).certificate.as_ref().unwrap();
        assert_eq!(certificate.leaf().unwrap().der(), server.leaf().der, "round {round}");
        server.rotate(Rotate::default()).await.unwrap();
        let report = soon(probe.run(&target)).await;
        let certificate = only(&report).certificate.as_ref().unwrap();
        assert_eq!(certificate.leaf().unwrap().der(), server.leaf().der, "round {round}");
        assert_eq!(report.status(), Status::Healthy);
    }
    assert_eq!(server.stats().handshakes_resumed, 0);
    soon(mailer.close()).await;
}

// --- What is demanded -----------------------------------------------------------

#[tokio::test]
async fn judging_a_later_moment_tells_what_will_have_expired_by_then() {
    let server = Rehearsal::builder().start().await.unwrap();
    let days = |count: u64| Duration::from_secs(count * 86_400);
    let target = target(&server, ProbeMode::Implicit);
    let report = run(probe(&server).judge_after(days(80)), &target).await;
    assert_eq!(ids(&report), [FindingId::Expiring]);
    let report = run(probe(&server).judge_after(days(120)), &target).await;
    assert!(ids(&report).contains(&FindingId::Expired));
    assert_eq!(report.judged_at, report.started_at + days(120));
    // A moment that no clock can show is not judged for.
    let report = run(probe(&server).judge_after(Duration::MAX), &target).await;
    assert_eq!(report.judged_at, report.started_at);
}

#[tokio::test]
async fn pins_and_fingerprints_are_held_against_what_is_served() {
    let server = Rehearsal::builder().start().await.unwrap();
    let target = target(&server, ProbeMode::Implicit);
    let report = run(probe(&server), &target).await;
    let leaf = only(&report).certificate.as_ref().unwrap().leaf().unwrap().clone();
    let demanding = || probe(&server).pin(leaf.spki_pin()).fingerprint(leaf.fingerprint());
    assert_eq!(run(demanding(), &target).await.status(), Status::Healthy);
    server.rotate(Rotate::default()).await.unwrap();
    let found = ids(&run(demanding(), &target).await);
    assert!(found.contains(&FindingId::PinMismatch), "{found:?}");
}

#[tokio::test]
async fn sni_and_the_name_to_verify_can_be_other_than_the_host() {
    let server = Rehearsal::builder().start().await.unwrap();
    let target = target(&server, ProbeMode::Implicit);
    let report =
        run(probe(&server).sni("other.example.org").verify_name("wrong.example.org"), &target)
            .await;
    assert_eq!(ids(&report), [FindingId::NameMismatch]);
    server.wait_closed().await;
    let log = server.connections().pop().unwrap();
    assert_eq!(log.server_name.as_deref(), Some("other.example.org"));
}

// --- Comparison with a file ----------------------------------------------------

fn file(leaf: &LeafInfo) -> CertificateFile {
    let text = rcgen_pem(&leaf.der);
    CertificateFile::parse(text.as_bytes(), None).unwrap()
}

fn rcgen_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[tokio::test]
async fn a_file_tells_whether_the_server_has_loaded_it() {
    let server = Rehearsal::builder().start().await.unwrap();
    let target = target(&server, ProbeMode::StartTls);
    let old = server.leaf();
    let report = run(probe(&server).compare(file(&old)), &target).await;
    assert_eq!(report.status(), Status::Healthy);

    let new = server.rotate(Rotate::default()).await.unwrap();
    let report = run(probe(&server).compare(file(&old)), &target).await;
    let found = finding(&report, FindingId::OtherCertificate);
    assert!(found.message.contains(&old.serial) && found.message.contains(&new.serial));

    server.rollback().unwrap();
    let report = run(probe(&server).compare(file(&new)), &target).await;
    let found = finding(&report, FindingId::NotLoaded);
    assert!(found.message.contains("still serves an older certificate"), "{}", found.message);
    assert!(found.message.contains(&old.serial) && found.message.contains(&new.serial));
    assert_eq!(found.severity, Severity::Critical);
}

#[tokio::test]
async fn a_newer_file_for_other_names_is_not_taken_for_a_renewal() {
    let server = Rehearsal::builder().start().await.unwrap();
    let later = SystemTime::now() + Duration::from_secs(3600);
    let other = Rehearsal::builder()
        .host("other.example.org")
        .names(["other.example.org"])
        .now(later)
        .build()
        .unwrap();
    let target = target(&server, ProbeMode::Implicit);
    let report = run(probe(&server).compare(file(&other.leaf())), &target).await;
    assert_eq!(ids(&report), [FindingId::OtherCertificate]);
}
