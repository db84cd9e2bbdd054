//! What an inspector looks at and a mailer does not.

use rcgen::KeyUsagePurpose;

use super::super::testing::root_set;
use super::*;

fn ders(chain: &[CertificateDer<'_>]) -> Vec<Vec<u8>> {
    chain.iter().map(|der| der.to_vec()).collect()
}

fn inspector(world: &World) -> Inspector {
    Inspector::new(&root_set("given", &[&world.root.der()]))
}

fn inspect(world: &World, leaf: &Leaf) -> CertificateReport {
    inspector(world).inspect(&ders(&world.chain(leaf)), "mail.example.org", now())
}

fn finding(report: &CertificateReport, id: FindingId) -> &Finding {
    report.findings.iter().find(|finding| finding.id == id).unwrap()
}

fn evidence<'a>(finding: &'a Finding, name: &str) -> &'a str {
    &finding.evidence.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn an_approaching_end_is_a_warning_and_then_critical() {
    let world = world();
    for (left, expected) in [
        (days(23), None),
        (days(22), Some(Severity::Warning)),
        (days(8), Some(Severity::Warning)),
        (days(7), Some(Severity::Critical)),
        (days(0), Some(Severity::Critical)),
    ] {
        let end = now() + left;
        let report = inspect(&world, &Leaf::between(end - days(90), end));
        assert_eq!(report.severity(), expected, "{report}");
        if expected.is_some() {
            let finding = finding(&report, FindingId::Expiring);
            assert_eq!(evidence(finding, "depth"), "0");
            assert!(evidence(finding, "not_after").ends_with("T00:00:00Z"));
        }
    }
    let report = inspect(&world, &Leaf::between(now() - days(83), now() + days(7)));
    assert!(report.summary().contains("expires on 2030-01-08 00:00 UTC (in 7 days)"), "{report}");
}

#[test]
fn thresholds_can_be_set_and_the_moment_moved() {
    let world = world();
    let chain = ders(&world.chain(&Leaf::good()));
    let at = |later| inspector(&world).inspect(&chain, "mail.example.org", now() + later);
    assert_eq!(ids(&at(days(30))), [""; 0]);
    assert_eq!(ids(&at(days(40))), ["expiring"]);
    assert_eq!(ids(&at(days(61))), ["expired"]);
    let thresholds = Thresholds { warning: "61d".parse().unwrap(), ..Thresholds::default() };
    let report =
        inspector(&world).thresholds(thresholds).inspect(&chain, "mail.example.org", now());
    assert_eq!((ids(&report), report.status()), (vec!["expiring"], Status::Degraded));
    assert_eq!(evidence(&report.findings[0], "threshold"), "61d");
}

#[test]
fn an_intermediate_that_nears_its_end_is_named() {
    let root = Authority::root("Test Root");
    let middle = root.intermediate_for("Old Middle", now() - days(700), now() + days(20));
    let world = World { root, middle };
    let report = inspect(&world, &Leaf::good());
    assert_eq!(ids(&report), ["expiring"]);
    assert!(report.summary().starts_with("intermediate certificate Old Middle"), "{report}");
    assert_eq!(evidence(&report.findings[0], "depth"), "1");
}

#[test]
fn a_lifetime_is_held_against_the_limit_of_its_day_of_issue_and_only_for_public_authorities() {
    let world = world();
    let day = |iso: u64| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(iso);
    let before = day(1_773_532_800) - hours(1); // 2026-03-14 23:00
    let second = std::time::Duration::from_secs(1);
    for (issued, lifetime, long) in [
        (before, days(398) - second, false),
        (before, days(398), true),
        (before + hours(2), days(200) - second, false),
        (before + hours(2), days(200), true),
        (day(1_805_068_800), days(100), true),
        (day(1_868_227_200), days(47), true),
        (day(1_868_227_200), days(47) - second, false),
    ] {
        let leaf = world.root.issue(&Leaf::between(issued, issued + lifetime)).der;
        let at = |set: &RootSet| {
            let chain = ders(std::slice::from_ref(&leaf));
            Inspector::new(set).inspect(&chain, "mail.example.org", issued + hours(1))
        };
        let report = at(&root_set("mozilla", &[&world.root.der()]));
        assert_eq!(report.has(FindingId::LongLifetime), long, "{report}");
        assert!(!at(&root_set("given", &[&world.root.der()])).has(FindingId::LongLifetime));
    }
}

#[test]
fn a_company_root_in_the_systems_store_is_held_to_no_public_limit() {
    let world = world();
    let chain = ders(&[world.root.issue(&Leaf::between(now() - days(1), now() + days(500))).der]);
    let system = root_set("system", &[&world.root.der()]);
    let mozilla = root_set("mozilla", &[&Authority::root("Public").der()]);
    let alone = Inspector::new(&system).inspect(&chain, "mail.example.org", now());
    assert_eq!(ids(&alone), ["long-lifetime"]);
    let inspector = Inspector::new(&system).compare_roots(&mozilla);
    let report = inspector.inspect(&chain, "mail.example.org", now());
    assert_eq!((ids(&report), report.status()), (vec!["trust-store-differs"], Status::Healthy));
}

#[test]
fn each_set_of_roots_is_asked_and_one_decides() {
    let world = world();
    let chain = ders(&world.chain(&Leaf::between(now() - days(40), now() - days(1))));
    let old = root_set("system", &[&Authority::root("Old").der()]);
    let new = root_set("mozilla", &[&world.root.der()]);
    let report =
        Inspector::new(&old).compare_roots(&new).inspect(&chain, "mail.example.org", now());
    assert_eq!(ids(&report), ["expired", "unknown-issuer", "trust-store-differs"]);
    assert_eq!(finding(&report, FindingId::TrustStoreDiffers).severity, Severity::Warning);
    let said: Vec<_> = report
        .trust
        .iter()
        .map(|it| (it.roots.as_str(), it.trusted, it.decides, it.root.as_deref()))
        .collect();
    assert_eq!(said, [("system", false, true, None), ("mozilla", true, false, Some("Test Root"))]);
}

#[test]
fn an_intermediate_known_from_elsewhere_tells_a_missing_one_from_an_unknown_authority() {
    let world = world();
    let chain = ders(&world.chain(&Leaf::good())[..1]);
    let without = inspector(&world).inspect(&chain, "mail.example.org", now());
    assert_eq!(ids(&without), ["unknown-issuer"]);
    let known = inspector(&world).intermediate(&world.middle.der());
    let report = known.inspect(&chain, "mail.example.org", now());
    assert_eq!(ids(&report), ["missing-intermediate"]);
    assert!(report.summary().contains("Test Intermediate"), "{report}");
}

#[test]
fn the_leaf_can_be_expected_by_fingerprint() {
    let world = world();
    let chain = ders(&world.chain(&Leaf::good()));
    let served = Fingerprint::of(&chain[0]);
    let inspect = |inspector: Inspector| inspector.inspect(&chain, "mail.example.org", now());
    let other = Fingerprint::of(b"another");
    let report = inspect(inspector(&world).fingerprint(other).fingerprint(served));
    assert_eq!(ids(&report), [""; 0]);
    let report = inspect(inspector(&world).fingerprint(other));
    assert_eq!(ids(&report), ["fingerprint-mismatch"]);
    assert_eq!(evidence(&report.findings[0], "served"), served.to_string());
    let report = inspect(inspector(&world).pin(SpkiPin::of(b"another key")));
    assert_eq!(ids(&report), ["pin-mismatch"]);
}

#[test]
fn a_server_that_did_not_prove_its_key_is_told_of() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let judge = |chain: &[CertificateDer<'_>], proven| {
        let shown = Shown { proven, staple: None };
        inspector(&world).judge(chain, "mail.example.org", shown, now())
    };
    assert_eq!(ids(&judge(&chain, Some(true))), [""; 0]);
    assert_eq!(ids(&judge(&chain, None)), [""; 0]);
    let report = judge(&chain, Some(false));
    assert_eq!(ids(&report), ["bad-signature"]);
    assert!(report.summary().contains("did not prove"), "{report}");
    let weak = [world.middle.sign(&Leaf::good(), &WeakRsa::new()), world.middle.der()];
    assert_eq!(ids(&judge(&weak, Some(false))), ["weak-key"]);
}

#[test]
fn a_cross_signed_root_is_no_root_that_was_sent() {
    let world = world();
    let young = Authority::root("Young Root");
    let middle = young.intermediate("Middle");
    let cross = young.crossed_by(&world.root, "Young Root");
    let chain = ders(&[middle.issue(&Leaf::good()).der, middle.der(), cross]);
    for roots in [vec![&world.root], vec![&young], vec![&world.root, &young]] {
        let roots: Vec<_> = roots.iter().map(|root| root.der()).collect();
        let set = root_set("given", &roots.iter().collect::<Vec<_>>());
        let report = Inspector::new(&set).inspect(&chain, "mail.example.org", now());
        assert_eq!(ids(&report), [""; 0], "{report}");
    }
}

#[test]
fn a_chain_of_many_or_large_certificates_is_remarked_upon() {
    let world = world();
    let mut chain = world.chain(&Leaf::good());
    let stranger = Authority::root("Stranger");
    chain.extend((0..8).map(|_| stranger.intermediate("Many").der()));
    let report = inspector(&world).inspect(&ders(&chain), "mail.example.org", now());
    assert_eq!(ids(&report), ["large-chain", "unrelated-certificate"]);
    assert!(finding(&report, FindingId::UnrelatedCertificate).message.ends_with("and 4 more"));
    let names = (0..2_000).map(|number| format!("host{number}.example.org"));
    let names = names.chain(["mail.example.org".to_owned()]).collect();
    let report = inspect(&world, &Leaf { names, ..Leaf::good() });
    assert_eq!(ids(&report), ["large-chain"]);
}

#[test]
fn key_usages_that_only_strict_clients_mind_are_a_warning() {
    let world = world();
    let tune: super::super::testing::Tune =
        |params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let report = inspect(&world, &Leaf { tune, ..Leaf::good() });
    assert_eq!((ids(&report), report.status()), (vec!["wrong-purpose"], Status::Degraded));
    assert!(report.summary().contains("GnuTLS"), "{report}");
    let tune: super::super::testing::Tune =
        |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    assert_eq!(ids(&inspect(&world, &Leaf { tune, ..Leaf::good() })), [""; 0]);
    let no_signer = |params: &mut rcgen::CertificateParams| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    };
    let middle = world.root.intermediate_with("Lists only", no_signer);
    let report = inspect(&World { root: world.root, middle }, &Leaf::good());
    assert_eq!((ids(&report), report.status()), (vec!["wrong-purpose"], Status::Degraded));
    assert!(report.summary().starts_with("Lists only may not sign certificates"), "{report}");
}

#[test]
fn unreadable_certificates_are_counted_and_not_listed_without_end() {
    let world = world();
    let mut chain = ders(&world.chain(&Leaf::good()));
    let readable = chain[1].clone();
    chain.extend(std::iter::repeat_n(vec![0x30], 20));
    chain.extend(std::iter::repeat_n(readable, 10_000));
    let report = inspector(&world).inspect(&chain, "mail.example.org", now());
    assert!(report.findings.len() < 8, "{}", report.findings.len());
    assert!(report.has(FindingId::LargeChain) && report.has(FindingId::Unreadable));
    assert_eq!(report.chain.len(), 12);
}
