//! What holds of any chain.

use std::sync::LazyLock;

use super::super::testing::root_set;
use super::*;

/// One world for all cases: keys take time to make.
struct Made {
    inspector: Inspector,
    chain: Vec<Vec<u8>>,
    list: Vec<u8>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let root = Authority::root("Test Root");
    let upper = root.intermediate("Upper");
    let lower = upper.intermediate("Lower");
    let stranger = Authority::root("Stranger");
    let leaf = lower.issue(&Leaf::good()).der;
    let again = lower.der();
    let list = lower.crl(&[&leaf], hours(1), days(7));
    let inspector = Inspector::new(&root_set("system", &[&root.der()]))
        .compare_roots(&root_set("mozilla", &[&stranger.der()]))
        .crl(&list)
        .unwrap();
    let chain = [leaf, lower.der(), upper.der(), root.der(), stranger.der(), again];
    Made { inspector, chain: chain.iter().map(|der| der.to_vec()).collect(), list }
});

fn inspect(chain: &[Vec<u8>]) -> CertificateReport {
    MADE.inspector.inspect(chain, "mail.example.org", now())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_what_follows_the_leaf_changes_nothing_but_the_finding_on_order(
        order in Just((1..6usize).collect::<Vec<_>>()).prop_shuffle(),
        untrusted: bool,
    ) {
        // Without the upper intermediate nothing leads to the root.
        let kept = |index: &usize| !untrusted || *index != 2;
        let sorted: Vec<usize> = (1..6).filter(kept).collect();
        let shuffled: Vec<usize> = order.into_iter().filter(kept).collect();
        let chain = |order: &[usize]| -> Vec<Vec<u8>> {
            std::iter::once(0).chain(order.iter().copied()).map(|at| MADE.chain[at].clone()).collect()
        };
        let ids = |chain: &[Vec<u8>]| {
            let report = inspect(chain);
            let findings = report.findings.into_iter();
            let kept = findings.filter(|finding| finding.id != FindingId::WrongOrder);
            kept.map(|finding| (finding.id, finding.severity)).collect::<Vec<_>>()
        };
        prop_assert_eq!(ids(&chain(&shuffled)), ids(&chain(&sorted)));
    }

    #[test]
    fn a_chain_with_damage_anywhere_is_inspected_without_a_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
        staple: Vec<u8>,
    ) {
        let mut chain = MADE.chain.clone();
        for (which, at, byte) in &damage {
            let der = which.get(&MADE.chain).len();
            let which = which.index(chain.len());
            chain[which][at.index(der)] = *byte;
        }
        let ders: Vec<_> = chain.iter().map(|der| CertificateDer::from(&der[..])).collect();
        let shown = Shown { staple: Some(&staple), proven: Some(false) };
        let report = MADE.inspector.judge(&ders, "mail.example.org", shown, now());
        prop_assert_eq!(report.status(), Status::Unhealthy);
        prop_assert!(report.to_string().len() < 40_000);
        prop_assert!(!report.to_string().replace('\n', "").contains(char::is_control));
    }

    #[test]
    fn a_damaged_revocation_list_is_refused_or_judged_without_a_panic(
        at: prop::sample::Index, byte: u8,
    ) {
        let mut list = MADE.list.clone();
        let at = at.index(list.len());
        list[at] = byte;
        let roots = root_set("given", &[&CertificateDer::from(&MADE.chain[3][..])]);
        if let Ok(inspector) = Inspector::new(&roots).crl(&list) {
            let report = inspector.inspect(&MADE.chain, "mail.example.org", now());
            // What was not signed revokes nothing.
            prop_assert!(list == MADE.list || !report.has(FindingId::Revoked), "byte {}", at);
        }
    }

    #[test]
    fn any_host_is_judged_without_a_panic_and_shown_without_control_characters(host: String) {
        let report = MADE.inspector.inspect(&MADE.chain, &host, now());
        prop_assert!(!report.to_string().replace('\n', "").contains(char::is_control));
    }
}
