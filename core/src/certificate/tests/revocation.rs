//! Staples and revocation lists.

use rcgen::{CustomExtension, SigningKey as _};
use sha1::{Digest as _, Sha1};

use super::super::testing::{Issued, Tune, root_set};
use super::*;

const HOST: &str = "mail.example.org";

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut der = der::sequence(&parts.concat());
    der[0] = tag;
    der
}

fn time(moment: SystemTime) -> Vec<u8> {
    let digits: String =
        when::stamp(moment).chars().filter(|char| !"-:T".contains(*char)).collect();
    tlv(der::GENERALIZED_TIME, &[digits.as_bytes()])
}

/// An OCSP response as a responder makes it.
struct Ocsp<'a> {
    leaf: &'a CertificateDer<'static>,
    issuer: &'a Authority,
    issuer_name: Vec<u8>,
    status: Vec<u8>,
    from: SystemTime,
    to: SystemTime,
    signer: &'a KeyPair,
    responder: Option<CertificateDer<'static>>,
}

impl<'a> Ocsp<'a> {
    fn good(leaf: &'a CertificateDer<'static>, issuer: &'a Authority) -> Self {
        Ocsp {
            leaf,
            issuer,
            issuer_name: Certificate::from_der(&issuer.der()).unwrap().subject_der().to_vec(),
            status: vec![0x80, 0],
            from: now() - hours(12),
            to: now() + days(3),
            signer: issuer.key(),
            responder: None,
        }
    }

    fn der(&self) -> Vec<u8> {
        let leaf = Certificate::from_der(self.leaf).unwrap();
        let key = Sha1::digest(self.issuer.key().public_key_raw());
        let sha1 = tlv(0x30, &[&[0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0]]);
        let id = tlv(
            0x30,
            &[
                &sha1,
                &tlv(0x04, &[&Sha1::digest(&self.issuer_name)]),
                &tlv(0x04, &[&key]),
                &tlv(0x02, &[leaf.serial_bytes()]),
            ],
        );
        let next = tlv(0xa0, &[&time(self.to)]);
        let single = tlv(0x30, &[&id, &self.status, &time(self.from), &next]);
        let responder = tlv(0xa2, &[&tlv(0x04, &[&key])]);
        let data = tlv(0x30, &[&responder, &time(self.from), &tlv(0x30, &[&single])]);
        // ecdsa-with-SHA256
        let algorithm = [0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        let signature = tlv(0x03, &[&[0], &self.signer.sign(&data).unwrap()]);
        let certs =
            self.responder.as_ref().map_or(Vec::new(), |der| tlv(0xa0, &[&tlv(0x30, &[der])]));
        let basic = tlv(0x30, &[&data, &algorithm, &signature, &certs]);
        let oid = [0x06, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
        let bytes = tlv(0xa0, &[&tlv(0x30, &[&oid, &tlv(0x04, &[&basic])])]);
        tlv(0x30, &[&[0x0a, 1, 0], &bytes])
    }
}

const MUST_STAPLE: Tune = |params| {
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
    let features = vec![0x30, 3, 2, 1, 5];
    params.custom_extensions.push(CustomExtension::from_oid_content(&oid, features));
};

fn inspector(world: &World) -> Inspector {
    Inspector::new(&root_set("given", &[&world.root.der()]))
}

fn stapled(world: &World, chain: &[CertificateDer<'_>], staple: &[u8]) -> CertificateReport {
    let staple = (!staple.is_empty()).then_some(staple);
    let shown = Shown { staple, proven: Some(true) };
    inspector(world).judge(chain, HOST, shown, now())
}

#[test]
fn must_staple_without_a_staple_is_critical_and_in_a_file_it_is_not() {
    let world = world();
    let chain = world.chain(&Leaf { tune: MUST_STAPLE, ..Leaf::good() });
    let report = stapled(&world, &chain, b"");
    assert_eq!((ids(&report), report.status()), (vec!["staple-missing"], Status::Unhealthy));
    let file = inspector(&world).judge(&chain, HOST, Shown::default(), now());
    assert_eq!(ids(&file), [""; 0]);
    assert_eq!(ids(&stapled(&world, &world.chain(&Leaf::good()), b"")), [""; 0]);
    let good = Ocsp::good(&chain[0], &world.middle).der();
    assert_eq!(ids(&stapled(&world, &chain, &good)), [""; 0]);
    // One that cannot be used is as good as none.
    let report = stapled(&world, &chain, b"rubbish");
    assert_eq!((ids(&report), report.status()), (vec!["staple-invalid"], Status::Unhealthy));
}

#[test]
fn a_good_staple_is_a_fact_and_no_finding() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let report = stapled(&world, &chain, &Ocsp::good(&chain[0], &world.middle).der());
    assert_eq!(ids(&report), [""; 0]);
    let staple = report.staple.unwrap();
    assert_eq!(staple.status, StapleStatus::Good);
    assert_eq!(
        (staple.this_update, staple.next_update),
        (now() - hours(12), Some(now() + days(3)))
    );
}

#[test]
fn a_staple_is_checked_also_when_the_issuer_is_a_root_that_was_not_sent() {
    let world = world();
    let leaf = world.root.issue(&Leaf::good()).der;
    let chain = std::slice::from_ref(&leaf);
    assert_eq!(ids(&stapled(&world, chain, &Ocsp::good(&leaf, &world.root).der())), [""; 0]);
    let key = KeyPair::generate().unwrap();
    let forged = Ocsp { signer: &key, ..Ocsp::good(&leaf, &world.root) }.der();
    assert_eq!(ids(&stapled(&world, chain, &forged)), ["staple-invalid"]);
}

#[test]
fn a_staple_that_says_revoked_is_believed_only_if_the_issuer_signed_it() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let reason = tlv(0xa0, &[&[0x0a, 1, 1]]);
    let status = tlv(0xa1, &[&time(now() - days(2)), &reason]);
    let revoked = Ocsp { status: status.clone(), ..Ocsp::good(&chain[0], &world.middle) };
    let report = stapled(&world, &chain, &revoked.der());
    assert_eq!((ids(&report), report.status()), (vec!["revoked"], Status::Unhealthy));
    assert!(report.summary().contains("2029-12-30 00:00 UTC (2 days ago)"), "{report}");
    assert!(report.summary().contains("keyCompromise"), "{report}");
    let key = KeyPair::generate().unwrap();
    let forged = Ocsp { status, signer: &key, ..Ocsp::good(&chain[0], &world.middle) };
    let report = stapled(&world, &chain, &forged.der());
    assert_eq!((ids(&report), report.status()), (vec!["staple-invalid"], Status::Degraded));
}

#[test]
fn a_responder_may_sign_if_the_issuer_certified_it_for_that() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let responder = |purpose: ExtendedKeyUsagePurpose, from, to| -> Issued {
        let names = Vec::new();
        world.middle.issue(&Leaf { purposes: vec![purpose], names, ..Leaf::between(from, to) })
    };
    let any = world.middle.issue(&Leaf { purposes: Vec::new(), ..Leaf::good() });
    let good = responder(ExtendedKeyUsagePurpose::OcspSigning, now() - days(9), now() + days(9));
    let server = responder(ExtendedKeyUsagePurpose::ServerAuth, now() - days(9), now() + days(9));
    let old = responder(ExtendedKeyUsagePurpose::OcspSigning, now() - days(9), now() - days(1));
    let other = Leaf { purposes: vec![ExtendedKeyUsagePurpose::OcspSigning], ..Leaf::good() };
    let stranger = Authority::root("Test Intermediate").issue(&other);
    for (name, issued, expected) in [
        ("good", &good, &[][..]),
        ("for servers", &server, &["staple-invalid"]),
        ("for nothing in particular", &any, &["staple-invalid"]),
        ("expired", &old, &["staple-invalid"]),
        ("of another authority", &stranger, &["staple-invalid"]),
    ] {
        let response = Ocsp {
            signer: &issued.key,
            responder: Some(issued.der.clone()),
            ..Ocsp::good(&chain[0], &world.middle)
        };
        assert_eq!(ids(&stapled(&world, &chain, &response.der())), expected, "{name}");
    }
}

#[test]
fn a_staple_that_is_stale_early_foreign_or_damaged_says_so() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let other = world.middle.issue(&Leaf::good()).der;
    let namesake = Authority::root("Test Intermediate");
    let good = || Ocsp::good(&chain[0], &world.middle);
    let rows = [
        (Ocsp { to: now() - hours(3), ..good() }.der(), "out of date since"),
        (Ocsp { from: now() + hours(3), ..good() }.der(), "not valid before"),
        (Ocsp { leaf: &other, ..good() }.der(), "about another certificate"),
        (Ocsp { issuer: &namesake, ..good() }.der(), "about another certificate"),
        (Ocsp { issuer_name: vec![0x30, 0], ..good() }.der(), "about another certificate"),
        (Ocsp { status: vec![0x82, 0], ..good() }.der(), "does not know the certificate"),
        (vec![0x30, 3, 0x0a, 1, 6], "refusal of the responder: unauthorized"),
        (b"rubbish".to_vec(), "cannot be read"),
    ];
    for (staple, expected) in rows {
        let report = stapled(&world, &chain, &staple);
        assert_eq!(ids(&report), ["staple-invalid"], "{report}");
        assert!(report.summary().contains(expected), "{report}");
    }
}

#[test]
fn a_staple_damaged_at_any_byte_is_never_a_good_one_and_never_a_panic() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let leaf = Certificate::from_der(&chain[0]).unwrap();
    let keys = [Certificate::from_der(&chain[1]).unwrap().spki().unwrap().to_vec()];
    let good = Ocsp::good(&chain[0], &world.middle).der();
    let is_good = |der: &[u8]| {
        ocsp::Response::read(der, &leaf, &keys).is_ok_and(|response| {
            response.signature(&leaf, &keys, now()) == signature::Signature::Good
        })
    };
    assert!(is_good(&good));
    for at in 0..good.len() {
        assert!(!is_good(&good[..at]), "cut at {at}");
    }
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x15;
        assert!(!is_good(&damaged), "byte {at}");
    }
}

#[test]
fn a_certificate_in_a_list_of_its_issuer_is_revoked_whatever_else_is_wrong() {
    let world = world();
    let chain = world.chain(&Leaf::expired());
    let list = world.middle.crl(&[&chain[0]], hours(1), days(7));
    let judge = |inspector: Inspector| inspector.judge(&chain, HOST, Shown::default(), now());
    let report = judge(inspector(&world).crl(&list).unwrap());
    assert_eq!(ids(&report), ["expired", "revoked"]);
    let revoked = report.findings.iter().find(|it| it.id == FindingId::Revoked).unwrap();
    assert!(revoked.message.contains("revoked on 2029-12-29 00:00 UTC (3 days ago)"), "{report}");
    assert!(revoked.message.contains("keyCompromise"), "{report}");
    let elsewhere = root_set("given", &[&Authority::root("Elsewhere").der()]);
    let report = judge(Inspector::new(&elsewhere).crl(&list).unwrap());
    assert_eq!(ids(&report), ["expired", "unknown-issuer", "revoked"]);
    let clean = world.middle.crl(&[], hours(1), days(7));
    assert_eq!(ids(&judge(inspector(&world).crl(&clean).unwrap())), ["expired"]);
}

#[test]
fn an_intermediate_may_be_revoked_by_a_root_that_was_not_sent() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let pem = |der: &[u8]| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n")
    };
    let root = world.root.crl(&[&chain[1]], hours(1), days(7));
    let middle = world.middle.crl(&[], hours(1), days(7));
    let both = pem(&root) + &pem(&middle);
    let report = inspector(&world).crl(both.as_bytes()).unwrap().judge(
        &chain,
        HOST,
        Shown::default(),
        now(),
    );
    assert_eq!(ids(&report), ["revoked"]);
    assert!(report.summary().starts_with("intermediate certificate Test Intermediate"), "{report}");
}

#[test]
fn a_list_that_is_stale_forged_or_foreign_cannot_be_used() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let judge = |list: &[u8]| {
        let inspector = inspector(&world).crl(list).unwrap();
        inspector.judge(&chain, HOST, Shown::default(), now())
    };
    let report = judge(&world.middle.crl(&[], days(9), days(7)));
    assert_eq!((ids(&report), report.status()), (vec!["crl-unusable"], Status::Degraded));
    assert!(report.summary().contains("out of date since 2029-12-30"), "{report}");
    // Out of date, it still knows what was revoked before.
    let report = judge(&world.middle.crl(&[&chain[0]], days(9), days(7)));
    assert_eq!(ids(&report), ["revoked", "crl-unusable"]);
    let impostor = Authority::root("Test Intermediate");
    let report = judge(&impostor.crl(&[&chain[0]], hours(1), days(7)));
    assert_eq!(ids(&report), ["crl-unusable"]);
    assert!(report.summary().contains("is not signed by it"), "{report}");
    let report = judge(&Authority::root("Elsewhere").crl(&[], hours(1), days(7)));
    assert_eq!(ids(&report), ["crl-unusable"]);
    assert!(report.summary().contains("no revocation list of Test Intermediate"), "{report}");
}

#[test]
fn bytes_that_are_no_list_are_a_mistake_of_the_caller() {
    let world = world();
    for bytes in [&b""[..], b"rubbish", &[0x30, 3, 2, 1, 1], &world.root.der()] {
        let error = inspector(&world).crl(bytes).err().unwrap();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidConfig);
    }
}
