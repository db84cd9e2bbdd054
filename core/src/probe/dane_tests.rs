use proptest::prelude::*;

use super::*;
use crate::certificate::testing::{Authority, Leaf, days, hours, now};
use crate::finding::Severity;

const HOST: &str = "mail.example.org";
const NAME: &str = "_25._tcp.mail.example.org";

struct World {
    root: Authority,
    middle: Authority,
}

fn world() -> World {
    let root = Authority::root("Example Root");
    let middle = root.intermediate("Example Intermediate");
    World { root, middle }
}

impl World {
    fn chain(&self, leaf: &Leaf) -> Vec<CertificateDer<'static>> {
        vec![self.middle.issue(leaf).der, self.middle.der()]
    }
}

fn key(der: &[u8]) -> Vec<u8> {
    Selected::new(der).key
}

/// The record of these three numbers that `der` fits.
fn record(usage: u8, selector: u8, matching: u8, der: &[u8]) -> Tlsa {
    let content = if selector == 0 { der.to_vec() } else { key(der) };
    let data = match matching {
        0 => content,
        1 => Sha256::digest(&content).to_vec(),
        _ => Sha512::digest(&content).to_vec(),
    };
    Tlsa { usage, selector, matching, data }
}

fn secure(records: &[Tlsa]) -> Answer<Tlsa> {
    Answer { records: records.to_vec(), security: Security::Secure }
}

fn check(answer: &Answer<Tlsa>, chain: &[CertificateDer<'_>]) -> (DaneReport, Vec<&'static str>) {
    let (report, findings) = judge(answer, NAME, HOST, chain, now());
    (report, findings.iter().map(|finding| finding.id.as_str()).collect())
}

fn matched(tlsa: Tlsa, chain: &[CertificateDer<'_>]) -> bool {
    let (report, findings) = check(&secure(&[tlsa]), chain);
    let matched = report.matched.unwrap();
    assert_eq!(findings.is_empty(), matched);
    matched
}

#[test]
fn a_record_fits_by_every_selector_and_matching_type() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let other = world.chain(&Leaf::good());
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            for (usage, depth) in [(3, 0), (2, 1)] {
                assert!(matched(record(usage, selector, matching, &chain[depth]), &chain));
            }
            assert!(!matched(record(3, selector, matching, &other[0]), &chain));
            let stranger = Authority::root("Stranger");
            assert!(!matched(record(2, selector, matching, &stranger.der()), &chain));
        }
    }
}

#[test]
fn usage_3_looks_at_neither_dates_nor_names_nor_issuers() {
    for leaf in [Leaf::expired(), Leaf::named("elsewhere.test")] {
        let own = leaf.self_signed().der;
        assert!(matched(record(3, 1, 1, &own), std::slice::from_ref(&own)));
    }
}

#[test]
fn usage_3_looks_at_the_leaf_alone() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    assert!(!matched(record(3, 1, 1, &chain[1]), &chain));
}

#[test]
fn usage_2_does_not_take_the_leaf_itself() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    assert!(!matched(record(2, 1, 1, &chain[0]), &chain));
    let own = Leaf::good().self_signed().der;
    assert!(!matched(record(2, 1, 1, &own), std::slice::from_ref(&own)));
}

#[test]
fn usage_2_demands_dates_and_names() {
    let world = world();
    for (leaf, reason) in [
        (Leaf::expired(), "expired"),
        (Leaf::between(now() + hours(1), now() + days(1)), "not valid yet"),
        (Leaf::named("elsewhere.test"), "not for mail.example.org"),
    ] {
        let chain = world.chain(&leaf);
        let answer = secure(&[record(2, 1, 1, &chain[1])]);
        let (report, findings) = judge(&answer, NAME, HOST, &chain, now());
        assert_eq!(report.matched, Some(false));
        assert_eq!(findings[0].id, FindingId::DaneMismatch);
        assert!(findings[0].message.contains(reason), "{}", findings[0].message);
    }
}

#[test]
fn usage_2_demands_a_path_to_the_certificate_and_not_its_presence() {
    let world = world();
    let stranger = Authority::root("Stranger");
    let mut chain = world.chain(&Leaf::good());
    chain.push(stranger.der());
    assert!(!matched(record(2, 0, 1, &stranger.der()), &chain));
    let (_, findings) =
        judge(&secure(&[record(2, 0, 1, &stranger.der())]), NAME, HOST, &chain, now());
    assert!(findings[0].message.contains("no path"), "{}", findings[0].message);
}

#[test]
fn usage_2_with_the_whole_certificate_needs_it_sent_no_more() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let root = world.root.der();
    assert!(matched(record(2, 0, 0, &root), &chain));
    // By its digest alone nobody can know it.
    assert!(!matched(record(2, 0, 1, &root), &chain));
}

#[test]
fn what_mail_servers_cannot_use_is_unusable() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let good = record(3, 1, 1, &chain[0]);
    let mut short = good.clone();
    short.data.pop();
    for bad in [
        Tlsa { usage: 0, ..good.clone() },
        Tlsa { usage: 1, ..good.clone() },
        Tlsa { usage: 255, ..good.clone() },
        Tlsa { selector: 2, ..good.clone() },
        Tlsa { matching: 3, ..good.clone() },
        Tlsa { matching: 2, ..good.clone() },
        Tlsa { matching: 0, data: Vec::new(), ..good.clone() },
        short,
    ] {
        let (report, findings) = check(&secure(std::slice::from_ref(&bad)), &chain);
        assert_eq!((report.matched, findings), (None, vec!["dane-unusable"]), "{bad}");
        // Beside one that fits it does no harm.
        let (report, findings) = check(&secure(&[bad, good.clone()]), &chain);
        assert_eq!((report.matched, findings), (Some(true), vec![]));
    }
}

#[test]
fn one_record_that_fits_is_enough_and_the_rest_are_a_rollover() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let next = world.chain(&Leaf::good());
    let answer = secure(&[record(3, 1, 1, &next[0]), record(3, 1, 1, &chain[0])]);
    let (report, findings) = judge(&answer, NAME, HOST, &chain, now());
    assert_eq!(report.matched, Some(true));
    let matches: Vec<bool> = report.records.iter().map(|record| record.matches).collect();
    assert_eq!(matches, [false, true]);
    assert_eq!(findings[0].id, FindingId::DaneRollover);
    assert_eq!(findings[0].severity, Severity::Info);
}

#[test]
fn a_mismatch_tells_the_record_to_publish() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let old = world.chain(&Leaf::good());
    let answer = secure(&[record(3, 1, 1, &old[0])]);
    let (_, findings) = judge(&answer, NAME, HOST, &chain, now());
    let right = record(3, 1, 1, &chain[0]);
    assert!(findings[0].message.contains(&right.to_string()), "{}", findings[0].message);
    assert!(findings[0].evidence.contains(&("would_match", right.to_string())));
    assert!(findings[0].evidence.contains(&("published", answer.records[0].to_string())));
    assert!(matched(right, &chain));
}

#[test]
fn records_without_dnssec_decide_nothing() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    let wrong = record(3, 1, 1, &world.root.der());
    let answer = Answer { records: vec![wrong], security: Security::Insecure };
    assert_eq!(check(&answer, &chain).1, ["dane-insecure"]);
}

#[test]
fn a_forged_answer_is_told_with_records_and_without() {
    let world = world();
    let chain = world.chain(&Leaf::good());
    for records in [vec![], vec![record(3, 1, 1, &chain[0])]] {
        let answer = Answer { records, security: Security::Bogus };
        assert_eq!(check(&answer, &chain).1, ["dane-bogus"]);
    }
}

#[test]
fn no_records_are_no_finding_and_no_verdict() {
    let chain = world().chain(&Leaf::good());
    for security in [Security::Secure, Security::Insecure] {
        let answer = Answer { records: Vec::new(), security };
        let (report, findings) = check(&answer, &chain);
        assert_eq!((report.matched, findings), (None, vec![]));
    }
}

#[test]
fn without_a_chain_nothing_is_said_to_mismatch() {
    let chain = world().chain(&Leaf::good());
    let (report, findings) = check(&secure(&[record(3, 1, 1, &chain[0])]), &[]);
    assert_eq!((report.matched, findings), (None, vec![]));
    assert_eq!(report.records.len(), 1);
}

#[test]
fn thousands_of_records_are_cut_short() {
    let chain = world().chain(&Leaf::good());
    let wrong = Tlsa { usage: 3, selector: 0, matching: 0, data: vec![7; 60_000] };
    let (report, findings) = judge(&secure(&vec![wrong; 1000]), NAME, HOST, &chain, now());
    assert_eq!(report.records.len(), 64);
    let size: usize = findings[0].evidence.iter().map(|(_, value)| value.len()).sum();
    assert!(size < 4_000, "{size}");
}

proptest! {
    #[test]
    fn any_records_beside_any_chain_are_judged_without_a_panic(
        records: Vec<(u8, u8, u8, Vec<u8>)>, chain: Vec<Vec<u8>>, host: String,
    ) {
        let tlsa = |(usage, selector, matching, data)| Tlsa { usage, selector, matching, data };
        let records: Vec<Tlsa> = records.into_iter().map(tlsa).collect();
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(&der[..])).collect();
        let (report, _) = judge(&secure(&records), NAME, &host, &chain, now());
        prop_assert!(report.records.iter().all(|it| it.usable || !it.matches));
    }

    /// Small numbers, so that records are usable.
    #[test]
    fn any_certificate_named_by_usage_2_is_judged_without_a_panic(der: Vec<u8>, selector in 0u8..2) {
        let chain = [CertificateDer::from(&der[..]), CertificateDer::from(&der[..])];
        let tlsa = Tlsa { usage: 2, selector, matching: 0, data: der.clone() };
        let (report, _) = judge(&secure(&[tlsa]), NAME, HOST, &chain, now());
        prop_assert!(report.matched != Some(true));
    }
}

mod lookup {
    use std::io;

    use super::*;
    use crate::network::BoxFuture;
    use crate::probe::records::Mx;

    /// Answers with what it holds, or not at all.
    #[derive(Debug)]
    struct Held(Option<Answer<Tlsa>>);

    impl Records for Held {
        fn mx<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Answer<Mx>>> {
            unreachable!("only TLSA records are asked for")
        }

        fn tlsa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Answer<Tlsa>>> {
            assert_eq!(name, NAME);
            let answer = self.0.clone().ok_or_else(|| io::Error::other("SERVFAIL"));
            Box::pin(async move { answer })
        }

        fn txt<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Answer<String>>> {
            unreachable!("only TLSA records are asked for")
        }
    }

    #[tokio::test]
    async fn a_question_without_an_answer_is_a_finding_and_no_report() {
        let (report, findings) = dane(&Held(None), HOST, 25, None, &[], now()).await;
        assert_eq!(report, None);
        assert_eq!(findings[0].id, FindingId::DaneLookupFailed);
        assert!(findings[0].message.contains("SERVFAIL"), "{}", findings[0].message);
    }

    #[tokio::test]
    async fn an_address_is_not_asked_for() {
        for host in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(dane(&Held(None), host, 25, None, &[], now()).await, (None, vec![]));
        }
    }

    #[tokio::test]
    async fn records_behind_unproven_mx_records_are_told_to_be_ignored() {
        let chain = world().chain(&Leaf::good());
        let held = Held(Some(secure(&[record(3, 1, 1, &chain[0])])));
        for (mx, expected) in [
            (None, vec![]),
            (Some(Security::Secure), vec![]),
            (Some(Security::Insecure), vec![FindingId::DaneInsecure]),
        ] {
            let (report, findings) = dane(&held, HOST, 25, mx, &chain, now()).await;
            assert_eq!(report.unwrap().matched, Some(true));
            let ids: Vec<_> = findings.iter().map(|finding| finding.id).collect();
            assert_eq!(ids, expected);
        }
    }
}
