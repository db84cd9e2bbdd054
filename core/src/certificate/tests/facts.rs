//! What is read of a certificate.

use rcgen::{
    BasicConstraints, CrlDistributionPoint, CustomExtension, IsCa, KeyUsagePurpose, SanType,
};

use super::*;

fn read(leaf: &Leaf) -> Certificate {
    let world = world();
    Certificate::from_der(&world.middle.issue(leaf).der).unwrap()
}

#[test]
fn every_extension_that_matters_is_read() {
    let leaf = Leaf {
        names_issuer_url: true,
        tune: |params| {
            params.key_usages =
                vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
            let uris = vec!["http://crl.test/a.crl".to_owned(), "http://crl.test/b.crl".to_owned()];
            params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
            params.use_authority_key_identifier_extension = true;
            params.is_ca = IsCa::ExplicitNoCa;
            let san = &mut params.subject_alt_names;
            san.push(SanType::Rfc822Name("postmaster@example.org".try_into().unwrap()));
            san.push(SanType::URI("sip:mail.example.org".try_into().unwrap()));
            san.push(SanType::IpAddress("192.0.2.7".parse().unwrap()));
            // status_request, RFC 7633 §4.
            let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
            let features = vec![0x30, 6, 2, 1, 17, 2, 1, 5];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, features));
        },
        ..Leaf::good()
    };
    let leaf = read(&leaf);
    assert_eq!(leaf.version(), 3);
    assert_eq!(leaf.key_usage(), Some(&["digitalSignature", "keyEncipherment"][..]));
    assert_eq!(leaf.crl_urls(), ["http://crl.test/a.crl", "http://crl.test/b.crl"]);
    assert_eq!(leaf.issuer_urls(), ["http://ca.test/ca.crt"]);
    assert_eq!(leaf.ocsp_urls(), [""; 0]);
    assert_eq!(leaf.email_addresses(), ["postmaster@example.org"]);
    assert_eq!(leaf.uris(), ["sip:mail.example.org"]);
    assert_eq!(leaf.ip_addresses(), ["192.0.2.7".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(leaf.name_count(), 4);
    assert_eq!(leaf.authority_key_id().map(str::len), Some(40));
    assert!(leaf.must_staple());
    assert_eq!(leaf.sha1_fingerprint().len(), 40);
    assert_eq!(read(&Leaf::good()).key_usage(), None);
    assert!(!read(&Leaf::good()).must_staple());
}

#[test]
fn an_authority_says_how_many_may_stand_below_it_and_which_key_it_has() {
    let root = Authority::root_with("Root", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(3));
    });
    let root = Certificate::from_der(&root.der()).unwrap();
    assert!(root.is_ca());
    assert_eq!(root.path_length(), Some(3));
    assert_eq!(root.subject_key_id().map(str::len), Some(40));
    assert!(root.is_self_signed());
    assert_eq!(root.spki().map(SpkiPin::of), Some(root.spki_pin()));
}

#[test]
fn the_proofs_of_transparency_are_read_with_log_and_time() {
    let leaf = Leaf {
        tune: |params| {
            let mut sct = vec![0];
            sct.extend([0xab; 32]);
            sct.extend(1_893_456_000_123_u64.to_be_bytes());
            sct.extend([0, 0, 4, 3, 0, 2, 7, 7]);
            let mut list = vec![0x04, 53, 0, 51, 0, 49];
            list.extend(sct);
            let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, list));
        },
        ..Leaf::good()
    };
    let leaf = read(&leaf);
    let [timestamp] = leaf.signed_timestamps() else { panic!("{:?}", leaf.signed_timestamps()) };
    assert_eq!(timestamp.log_id, "ab".repeat(32));
    assert_eq!(timestamp.at, now());
}

#[test]
fn of_ten_thousand_names_a_hundred_are_kept_and_all_are_judged() {
    let world = world();
    let names = |last: &str| {
        let many = (0..10_000).map(|number| number.to_string());
        many.chain([last.to_owned()]).collect()
    };
    let report = world.report(&Leaf { names: names("mail.example.org"), ..Leaf::good() });
    assert_eq!(ids(&report), [""; 0]);
    let leaf = report.leaf().unwrap();
    assert_eq!((leaf.dns_names().len(), leaf.name_count()), (100, 10_001));
    let report = world.report(&Leaf { names: names("other.test"), ..Leaf::good() });
    assert_eq!(ids(&report), ["name-mismatch"]);
    assert!(report.summary().contains("and 9993 more"), "{report}");
    assert!(report.to_string().len() < 4_000);
}

#[test]
fn a_certificate_too_large_for_tls_is_judged_and_said_to_be_so() {
    let world = world();
    let names = (0..10_000).map(|number| format!("h{number}.test"));
    let names = names.chain(["mail.example.org".to_owned()]).collect();
    let report = world.report(&Leaf { names, ..Leaf::expired() });
    assert_eq!(ids(&report), ["expired", "invalid-path"]);
    assert!(report.to_string().contains("larger than 64 KiB"), "{report}");
}

#[test]
fn text_that_turns_a_line_around_is_made_plain() {
    let leaf = Leaf { common_name: "a\u{202e}gpj.exe\u{2028}".to_owned(), ..Leaf::good() };
    assert_eq!(read(&leaf).common_name(), Some("a\u{fffd}gpj.exe\u{fffd}"));
}
