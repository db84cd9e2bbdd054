//! Each kind of chain, and what is found on it.

#![allow(clippy::unwrap_used)]

mod beyond;
mod facts;
mod properties;
mod revocation;
mod truth;

use std::time::SystemTime;

use proptest::prelude::*;
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::{CertificateDer, ServerName};

use super::testing::{Authority, Leaf, WeakRsa, days, hours, now, policy};
use super::*;

fn host() -> ServerName<'static> {
    ServerName::try_from("mail.example.org").unwrap()
}

/// What the handshake would say of `chain`, and the report on it.
fn check_at(
    chain: &[CertificateDer<'_>],
    host: &ServerName<'_>,
    policy: &TrustPolicy,
    now: SystemTime,
) -> (Result<SystemTime, Refusal>, CertificateReport) {
    let verified = policy.verify(chain, host, now);
    let report = judge(Judgement { chain, host, policy, now }, verified.as_ref().err());
    // The verdict and the report never disagree.
    assert_eq!(verified.is_err(), report.severity() == Some(Severity::Critical), "{report}");
    (verified, report)
}

fn check(chain: &[CertificateDer<'_>], policy: &TrustPolicy) -> CertificateReport {
    check_at(chain, &host(), policy, now()).1
}

fn ids(report: &CertificateReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.id.as_str()).collect()
}

struct World {
    root: Authority,
    middle: Authority,
}

fn world() -> World {
    let root = Authority::root("Test Root");
    let middle = root.intermediate("Test Intermediate");
    World { root, middle }
}

impl World {
    fn chain(&self, leaf: &Leaf) -> Vec<CertificateDer<'static>> {
        vec![self.middle.issue(leaf).der, self.middle.der()]
    }

    fn report(&self, leaf: &Leaf) -> CertificateReport {
        check(&self.chain(leaf), &policy(&[&self.root], &[]))
    }
}

#[test]
fn a_good_chain_has_no_findings_and_its_facts_are_read() {
    let report = world().report(&Leaf::good());
    assert_eq!(ids(&report), [""; 0]);
    assert_eq!(report.remedy(), None);
    let leaf = report.leaf().unwrap();
    assert_eq!(leaf.subject(), "CN=mail.example.org");
    assert_eq!(leaf.issuer(), "CN=Test Intermediate");
    assert_eq!(leaf.dns_names(), ["mail.example.org"]);
    assert_eq!(leaf.not_after(), now() + days(60));
    assert_eq!((leaf.key_algorithm(), leaf.key_bits()), ("ECDSA P-256", Some(256)));
    assert_eq!(leaf.signature_algorithm(), "ECDSA with SHA-256");
    assert_eq!(leaf.extended_key_usage(), Some(&["serverAuth".to_owned()][..]));
    assert_eq!(leaf.fingerprint(), Fingerprint::of(leaf.der()));
    assert!(!leaf.is_ca() && !leaf.is_self_issued());
    assert!(report.summary().contains("valid until 2030-03-02 00:00 UTC"), "{report}");
}

#[test]
fn an_expired_leaf_is_reported_with_its_date_its_age_and_a_remedy() {
    let report = world().report(&Leaf::expired());
    assert_eq!(ids(&report), ["expired"]);
    let serial = report.leaf().unwrap().serial();
    assert_eq!(
        report.summary(),
        format!(
            "certificate of mail.example.org expired on 2029-12-31 03:00 UTC (21 hours ago); \
             serial {serial}"
        )
    );
    assert!(report.remedy().unwrap().contains("certbot"));
    let text = report.to_string();
    for part in ["CN=Test Intermediate", "remedy: ", &report.chain[1].fingerprint().to_string()] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_expired_untrusted_leaf_for_another_name_is_reported_as_all_three() {
    let world = world();
    let leaf = Leaf { names: vec!["other.test".to_owned()], ..Leaf::expired() };
    let report = check(&world.chain(&leaf), &policy(&[&Authority::root("Other Root")], &[]));
    assert_eq!(ids(&report), ["expired", "name-mismatch", "unknown-issuer"]);
    assert!(report.summary().ends_with("; also name-mismatch, unknown-issuer"), "{report}");
}

#[test]
fn a_leaf_from_the_future_is_not_yet_valid_and_the_clock_is_not_blamed_for_it() {
    let report = world().report(&Leaf::between(now() + days(3), now() + days(90)));
    assert_eq!(ids(&report), ["not-yet-valid"]);
    assert!(report.summary().contains("2030-01-04 00:00 UTC (in 3 days)"), "{report}");
}

#[test]
fn the_clock_is_blamed_when_the_authority_is_not_valid_yet_either() {
    let root = Authority::root("Root");
    let middle = root.intermediate_for("Middle", now() + days(10), now() + days(900));
    let leaf = Leaf::between(now() + days(400), now() + days(490));
    let chain = [middle.issue(&leaf).der, middle.der()];
    let report = check(&chain, &policy(&[&root], &[]));
    assert_eq!(ids(&report), ["clock-skew", "not-yet-valid", "not-yet-valid"]);
    assert!(report.remedy().unwrap().contains("clock"));
    assert!(report.summary().contains("clock shows 2030-01-01 00:00 UTC"), "{report}");
}

#[test]
fn the_clock_is_blamed_when_it_shows_a_time_before_this_software_was_made() {
    let world = world();
    let early = SystemTime::UNIX_EPOCH + days(365 * 50);
    let trust = policy(&[&world.root], &[]);
    let chain = [world.root.issue(&Leaf::good()).der];
    let (_, report) = check_at(&chain, &host(), &trust, early);
    assert_eq!(ids(&report), ["clock-skew", "not-yet-valid"]);
}

#[test]
fn an_expired_intermediate_is_named() {
    let root = Authority::root("Root");
    let middle = root.intermediate_for("Old Middle", now() - days(800), now() - days(2));
    let chain = [middle.issue(&Leaf::good()).der, middle.der()];
    let report = check(&chain, &policy(&[&root], &[]));
    assert_eq!(ids(&report), ["expired"]);
    assert!(report.summary().starts_with("intermediate certificate Old Middle"), "{report}");
}

#[test]
fn an_expired_certificate_that_no_path_needs_neither_fails_nor_ages_the_chain() {
    let world = world();
    let stale = world.root.intermediate_for("Stale", now() - days(800), now() - days(2));
    let mut chain = world.chain(&Leaf::good());
    chain.push(stale.der());
    let (verified, report) = check_at(&chain, &host(), &policy(&[&world.root], &[]), now());
    assert_eq!(ids(&report), [""; 0]);
    assert_eq!(verified.unwrap(), now() + days(60));
}

#[test]
fn an_expired_intermediate_does_no_harm_where_a_root_of_its_name_and_key_is_trusted() {
    let root = Authority::root("Root");
    let middle = root.intermediate_for("Middle", now() - days(800), now() - days(2));
    let chain = [middle.issue(&Leaf::good()).der, middle.der()];
    let (verified, report) = check_at(&chain, &host(), &policy(&[&middle], &[]), now());
    assert_eq!(ids(&report), [""; 0]);
    assert_eq!(verified.unwrap(), now() + days(60));
}

#[test]
fn the_earliest_end_is_that_of_the_intermediate_when_it_ends_first() {
    let root = Authority::root("Root");
    let middle = root.intermediate_for("Middle", now() - days(9), now() + days(9));
    let chain = [middle.issue(&Leaf::good()).der, middle.der()];
    let verified = policy(&[&root], &[]).verify(&chain, &host(), now());
    assert_eq!(verified.unwrap(), now() + days(9));
}

#[test]
fn a_leaf_for_other_names_is_reported_with_the_names_it_carries() {
    let leaf = Leaf {
        names: vec!["a.test".to_owned(), "*.b.test".to_owned(), "192.0.2.7".to_owned()],
        ..Leaf::good()
    };
    let report = world().report(&leaf);
    assert_eq!(ids(&report), ["name-mismatch"]);
    assert!(report.summary().contains("is for a.test, *.b.test, 192.0.2.7, not for"), "{report}");
}

#[test]
fn a_leaf_with_only_a_common_name_is_reported_as_without_names() {
    let report = world().report(&Leaf { names: Vec::new(), ..Leaf::good() });
    assert_eq!(ids(&report), ["no-san"]);
    assert!(report.summary().contains("its common name mail.example.org"), "{report}");
}

#[test]
fn an_ip_address_is_judged_by_the_addresses_of_the_certificate() {
    let world = world();
    let trust = policy(&[&world.root], &[]);
    let address = ServerName::try_from("192.0.2.7").unwrap();
    let fits = world.chain(&Leaf::named("192.0.2.7"));
    assert_eq!(ids(&check_at(&fits, &address, &trust, now()).1), [""; 0]);
    let (_, report) = check_at(&world.chain(&Leaf::good()), &address, &trust, now());
    assert_eq!(ids(&report), ["name-mismatch"]);
}

#[test]
fn each_kind_of_missing_trust_has_its_own_finding() {
    let world = world();
    let elsewhere = policy(&[&Authority::root("Elsewhere")], &[]);
    let own = Leaf::good().self_signed().der;
    assert_eq!(ids(&check(&[own], &elsewhere)), ["self-signed"]);

    let mut with_root = world.chain(&Leaf::good());
    with_root.push(world.root.der());
    let report = check(&with_root, &elsewhere);
    assert_eq!(ids(&report), ["private-root"]);
    assert!(report.summary().contains("Test Root"), "{report}");

    let report = check(&world.chain(&Leaf::good()), &elsewhere);
    assert_eq!(ids(&report), ["unknown-issuer"]);
    assert!(report.summary().contains("Test Root"), "{report}");

    let public = Leaf { names_issuer_url: true, ..Leaf::good() };
    let alone = [world.middle.issue(&public).der];
    let report = check(&alone, &policy(&[&world.root], &[]));
    assert_eq!(ids(&report), ["missing-intermediate"]);
    assert!(report.summary().contains("Test Intermediate"), "{report}");
    assert!(report.remedy().unwrap().contains("fullchain.pem"));
}

#[test]
fn a_self_signed_leaf_that_is_a_root_itself_is_trusted() {
    let own = Leaf::good().self_signed().der;
    let trust = TrustPolicy {
        roots: vec![webpki::anchor_from_trusted_cert(&own).unwrap().to_owned()],
        ..policy(&[], &[])
    };
    let report = check(std::slice::from_ref(&own), &trust);
    assert_eq!(ids(&report), [""; 0]);
    assert!(report.leaf().unwrap().is_self_signed());
}

#[test]
fn an_authoritys_certificate_is_not_a_servers() {
    let own = Leaf { is_ca: true, ..Leaf::good() }.self_signed().der;
    let report = check(std::slice::from_ref(&own), &policy(&[], &[]));
    assert_eq!(ids(&report), ["self-signed", "wrong-purpose"]);
    // Trusted as a root, it is still none: that axis alone remains.
    let trust = TrustPolicy {
        roots: vec![webpki::anchor_from_trusted_cert(&own).unwrap().to_owned()],
        ..policy(&[], &[])
    };
    let report = check(&[own], &trust);
    assert_eq!(ids(&report), ["wrong-purpose"]);
    assert!(report.summary().contains("CA:TRUE"), "{report}");
}

#[test]
fn a_clients_certificate_is_not_a_servers() {
    let purposes = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let report = world().report(&Leaf { purposes, ..Leaf::good() });
    assert_eq!(ids(&report), ["wrong-purpose"]);
    assert!(report.summary().contains("only for: clientAuth"), "{report}");
}

#[test]
fn a_chain_that_begins_with_the_intermediate_is_in_the_wrong_order() {
    let world = world();
    let mut chain = world.chain(&Leaf::good());
    chain.reverse();
    let report = check(&chain, &policy(&[&world.root], &[]));
    assert_eq!(ids(&report)[0], "wrong-order");
    assert!(report.remedy().unwrap().contains("first"));
}

#[test]
fn a_forged_signature_is_told_from_an_unknown_issuer() {
    let world = world();
    let mut chain = world.chain(&Leaf::good());
    let mut forged = chain[0].to_vec();
    *forged.last_mut().unwrap() ^= 1;
    chain[0] = forged.into();
    let report = check(&chain, &policy(&[&world.root], &[]));
    assert_eq!(ids(&report), ["bad-signature"]);
}

#[test]
fn a_short_key_is_reported_although_the_path_is_good() {
    let world = world();
    let chain = [world.middle.sign(&Leaf::good(), &WeakRsa::new()), world.middle.der()];
    let trust = policy(&[&world.root], &[]);
    let (host, now) = (host(), now());
    let report = judge(Judgement { chain: &chain, host: &host, policy: &trust, now }, None);
    assert_eq!(ids(&report), ["weak-key"]);
    assert!(report.summary().contains("the RSA-1024 key of mail.example.org"), "{report}");
}

#[test]
fn a_sha1_signature_is_reported_by_name() {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "mail.example.org");
    let issuer = rcgen::Issuer::new(rcgen::CertificateParams::new(Vec::new()).unwrap(), key);
    let leaf_key = KeyPair::generate().unwrap();
    let der = with_sha1(&params.signed_by(&leaf_key, &issuer).unwrap());
    let report = check(&[der], &policy(&[], &[]));
    assert!(report.has(FindingId::WeakSignature), "{report}");
    assert!(report.to_string().contains("RSA with SHA-1"), "{report}");
}

/// The certificate, signed with RSA and SHA-256, as if it were with SHA-1.
fn with_sha1(certificate: &rcgen::Certificate) -> CertificateDer<'static> {
    let mut der = certificate.der().to_vec();
    // sha256WithRSAEncryption becomes sha1WithRSAEncryption, in both places.
    let sha256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    for at in 0..der.len() - sha256.len() {
        if der[at..at + sha256.len()] == sha256 {
            der[at + sha256.len() - 1] = 0x05;
        }
    }
    der.into()
}

#[test]
fn a_pin_may_be_the_key_of_the_leaf_of_the_intermediate_or_of_the_root() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let pin = |der: &[u8]| Certificate::from_der(der).unwrap().spki_pin();
    let other = SpkiPin::of(b"a backup key that is not in use");
    for held in [pin(&chain[0]), pin(&world.middle.der()), pin(&world.root.der())] {
        assert_eq!(ids(&check(&chain, &policy(&[&world.root], &[other, held]))), [""; 0]);
    }
    let report = check(&chain, &policy(&[&world.root], &[other]));
    assert_eq!(ids(&report), ["pin-mismatch"]);
    assert!(report.summary().contains(&pin(&chain[0]).to_string()), "{report}");
}

#[test]
fn a_pinned_certificate_that_is_sent_and_not_in_the_path_does_not_count() {
    let world = world();
    let stranger = Authority::root("Stranger");
    let mut chain = world.chain(&Leaf::good());
    chain.push(stranger.der());
    let pin = Certificate::from_der(&stranger.der()).unwrap().spki_pin();
    assert_eq!(ids(&check(&chain, &policy(&[&world.root], &[pin]))), ["pin-mismatch"]);
}

#[test]
fn a_pinned_root_is_found_also_above_an_expired_leaf() {
    let world = world();
    let pin = Certificate::from_der(&world.root.der()).unwrap().spki_pin();
    let report = check(&world.chain(&Leaf::expired()), &policy(&[&world.root], &[pin]));
    assert_eq!(ids(&report), ["expired"]);
}

#[test]
fn a_pin_does_not_replace_trust() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let pin = Certificate::from_der(&chain[0]).unwrap().spki_pin();
    assert_eq!(ids(&check(&chain, &policy(&[], &[pin]))), ["unknown-issuer"]);
}

#[test]
fn nothing_and_rubbish_are_reported_as_such() {
    let world = world();
    let trust = policy(&[&world.root], &[]);
    assert_eq!(ids(&check(&[], &trust)), ["no-certificate"]);
    let rubbish = CertificateDer::from(b"not a certificate".as_slice());
    assert_eq!(ids(&check(std::slice::from_ref(&rubbish), &trust)), ["unreadable"]);
    // Behind a good chain it is only remarked upon.
    let mut chain = world.chain(&Leaf::good());
    chain.push(rubbish);
    let report = check(&chain, &trust);
    assert_eq!((ids(&report), report.severity()), (vec!["unreadable"], Some(Severity::Warning)));
}

#[test]
fn text_of_a_certificate_cannot_break_a_log_line() {
    let leaf = Leaf { common_name: "evil\r\nFrom: x\u{1b}[2J".to_owned(), ..Leaf::good() };
    let own = Leaf { names: Vec::new(), ..leaf }.self_signed().der;
    let report = check(&[own], &policy(&[], &[]));
    assert!(!report.summary().contains(char::is_control), "{:?}", report.summary());
    let long = Leaf { common_name: "x".repeat(60_000), ..Leaf::good() }.self_signed().der;
    assert!(check(&[long], &policy(&[], &[])).to_string().len() < 4_000);
}

#[test]
fn moments_are_shown_in_utc_and_ages_in_the_unit_that_fits() {
    assert_eq!(when::utc(when::from_unix(253_402_300_799)), "9999-12-31 23:59 UTC");
    assert_eq!(when::utc(when::from_unix(0)), "1970-01-01 00:00 UTC");
    assert_eq!(when::relative(now() - hours(47), now()), "47 hours ago");
    assert_eq!(when::relative(now() + hours(48), now()), "in 2 days");
    assert_eq!(when::relative(now(), now()), "0 seconds ago");
}

proptest! {
    #[test]
    fn any_bytes_as_a_chain_are_judged_without_a_panic(
        chain: Vec<Vec<u8>>, seconds: i64, refused: bool,
    ) {
        let chain: Vec<CertificateDer<'_>> =
            chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let trust = policy(&[], &[SpkiPin::of(b"")]);
        let (host, now) = (host(), when::from_unix(seconds));
        let case = Judgement { chain: &chain, host: &host, policy: &trust, now };
        let report = judge(case, refused.then_some(&Refusal::Empty));
        prop_assert!(!refused || report.severity() == Some(Severity::Critical));
        prop_assert!(!report.to_string().is_empty());
    }
}

#[test]
fn a_chain_damaged_at_any_byte_is_judged_without_a_panic_and_never_accepted_silently() {
    let world = world();
    let trust = policy(&[&world.root], &[]);
    let good = world.chain(&Leaf::good());
    for at in 0..good[0].len() {
        let mut damaged = good[0].to_vec();
        damaged[at] ^= 0x41;
        let chain = [damaged.into(), good[1].clone()];
        let (verified, report) = check_at(&chain, &host(), &trust, now());
        assert!(verified.is_err(), "byte {at}");
        assert!(!report.findings.is_empty());
    }
}
