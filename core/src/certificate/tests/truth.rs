//! The truth table: one chain per row, and exactly what is found on it.
//!
//! A path library gives one error for each and masks the rest; the comments
//! say which, where that misleads.

use rcgen::{BasicConstraints, CustomExtension, GeneralSubtree, IsCa, NameConstraints};

use super::super::testing::{Tune, root_set};
use super::*;

const HOST: &str = "mail.example.org";

struct Row {
    name: &'static str,
    host: &'static str,
    chain: Vec<CertificateDer<'static>>,
    trusted: Vec<CertificateDer<'static>>,
    expected: &'static [&'static str],
}

/// An authority with one intermediate, and another one that is not trusted.
struct Table {
    root: Authority,
    middle: Authority,
    elsewhere: Authority,
    rows: Vec<Row>,
}

impl Table {
    fn new() -> Self {
        let root = Authority::root("Test Root");
        let middle = root.intermediate("Test Intermediate");
        Table { root, middle, elsewhere: Authority::root("Elsewhere"), rows: Vec::new() }
    }

    fn leaf(&self, leaf: &Leaf) -> CertificateDer<'static> {
        self.middle.issue(leaf).der
    }

    fn chain(&self, leaf: &Leaf) -> Vec<CertificateDer<'static>> {
        vec![self.leaf(leaf), self.middle.der()]
    }

    fn add(
        &mut self,
        name: &'static str,
        chain: Vec<CertificateDer<'static>>,
        expected: &'static [&'static str],
    ) {
        let trusted = vec![self.root.der()];
        self.rows.push(Row { name, host: HOST, chain, trusted, expected });
    }

    fn for_host(mut self, host: &'static str) -> Self {
        if let Some(row) = self.rows.last_mut() {
            row.host = host;
        }
        self
    }

    fn trusting(&mut self, roots: &[&CertificateDer<'static>]) {
        let roots = roots.iter().map(|root| (*root).clone()).collect();
        self.rows.last_mut().unwrap().trusted = roots;
    }

    /// Each row: exactly these findings, and a mailer refuses it for no other
    /// reason and never without one.
    fn check(self) {
        assert!(!self.rows.is_empty());
        for row in self.rows {
            let set = root_set("given", &row.trusted.iter().collect::<Vec<_>>());
            let chain: Vec<Vec<u8>> = row.chain.iter().map(|der| der.to_vec()).collect();
            let report = Inspector::new(&set).inspect(&chain, row.host, now());
            assert_eq!(ids(&report), row.expected, "{}: {report}", row.name);

            let Ok(host) = ServerName::try_from(row.host) else { continue };
            let anchors = row.trusted.iter();
            let roots =
                anchors.map(|der| webpki::anchor_from_trusted_cert(der).unwrap().to_owned());
            let trust = TrustPolicy { roots: roots.collect(), ..policy(&[], &[]) };
            let refusal = trust.verify(&row.chain, &host, now()).err();
            let case = Judgement { chain: &row.chain, host: &host, policy: &trust, now: now() };
            let told = judge(case, refusal.as_ref());
            let critical = told.severity() == Some(Severity::Critical);
            assert!(refusal.is_none() || critical, "{}: {told}", row.name);
            let known = |finding: &Finding| report.findings.contains(finding);
            assert!(told.findings.iter().all(known), "{}: {told}", row.name);
        }
    }
}

#[test]
fn chains_that_work_are_only_remarked_upon() {
    let mut table = Table::new();
    let good = table.chain(&Leaf::good());
    table.add("good", good.clone(), &[]);
    table.add("root sent", [good.clone(), vec![table.root.der()]].concat(), &["root-sent"]);
    let twice = [good.clone(), vec![table.middle.der()]].concat();
    table.add("duplicate", twice, &["duplicate-certificate"]);
    let leaf_twice = vec![good[0].clone(), good[0].clone(), good[1].clone()];
    table.add("leaf twice", leaf_twice, &["duplicate-certificate"]);
    let stranger = [good.clone(), vec![table.elsewhere.intermediate("Stranger").der()]].concat();
    table.add("unrelated", stranger, &["unrelated-certificate"]);
    let lower = table.middle.intermediate("Lower");
    let leaf = lower.issue(&Leaf::good()).der;
    let shuffled = vec![leaf, table.middle.der(), lower.der()];
    table.add("intermediates out of order", shuffled, &["wrong-order"]);
    let no_eku = Leaf { purposes: Vec::new(), ..Leaf::good() };
    table.add("no EKU", table.chain(&no_eku), &[]);
    table.check();
}

#[test]
fn time_hides_neither_name_nor_trust() {
    let mut table = Table::new();
    let elsewhere = table.elsewhere.der();
    let expired = Leaf::expired();
    table.add("expired leaf", table.chain(&expired), &["expired"]);
    // The path library says expired only, OpenSSL untrusted only.
    table.add("expired and untrusted", table.chain(&expired), &["expired", "unknown-issuer"]);
    table.trusting(&[&elsewhere]);
    let with_root = [table.chain(&expired), vec![table.root.der()]].concat();
    let all = &["expired", "private-root", "root-sent"];
    table.add("expired below a private root", with_root, all);
    table.trusting(&[&elsewhere]);
    let own = vec![expired.self_signed().der];
    table.add("expired and self-signed", own, &["expired", "self-signed"]);
    let other = Leaf { names: vec!["other.test".to_owned()], ..Leaf::expired() };
    table.add("expired and wrong name", table.chain(&other), &["expired", "name-mismatch"]);
    let future = Leaf::between(now() + days(3), now() + days(90));
    table.add("not yet valid", table.chain(&future), &["not-yet-valid"]);
    let minutes = Leaf::between(now() + hours(1) / 2, now() + days(90));
    table.add("valid in a moment", table.chain(&minutes), &["not-yet-valid", "clock-skew"]);
    table.check();
}

#[test]
fn an_expired_intermediate_hides_no_unknown_root_even_if_it_never_overlapped_the_leaf() {
    let mut table = Table::new();
    let elsewhere = table.elsewhere.der();
    for (name, end) in [("overlapping", days(2)), ("never overlapping", days(90))] {
        let old = table.root.intermediate_for("Old", now() - days(800), now() - end);
        let chain = vec![old.issue(&Leaf::good()).der, old.der()];
        table.add(name, chain.clone(), &["expired"]);
        table.add(name, chain.clone(), &["expired", "unknown-issuer"]);
        table.trusting(&[&elsewhere]);
        let mut forged = chain[0].to_vec();
        *forged.last_mut().unwrap() ^= 1;
        table.add(name, vec![forged.into(), chain[1].clone()], &["expired", "bad-signature"]);
    }
    table.check();
}

#[test]
fn names_are_judged_by_the_rules_of_tls() {
    let named = |name: &str| Leaf { names: vec![name.to_owned()], ..Leaf::good() };
    let rows: [(&str, &'static str, &'static [&'static str]); 17] = [
        ("other.test", HOST, &["name-mismatch"]),
        ("*.example.org", HOST, &[]),
        ("*.example.org", "MAIL.Example.ORG", &[]),
        ("*.example.org", "mail.example.org.", &[]),
        ("*.example.org", "example.org", &["name-mismatch"]),
        ("*.example.org", "a.mail.example.org", &["name-mismatch"]),
        ("*.test", "mail.test", &["name-mismatch"]),
        ("mail_1.example.org", "mail_1.example.org", &[]),
        ("_smtp.example.org", "_smtp.example.org", &[]),
        ("192.0.2.7", "192.0.2.7", &[]),
        ("192.0.2.7", "192.0.2.8", &["name-mismatch"]),
        ("2001:db8::7", "2001:db8::7", &[]),
        ("2001:db8::7", "[2001:db8::7]", &[]),
        (HOST, "192.0.2.7", &["name-mismatch"]),
        (HOST, "mail example.org", &["name-mismatch"]),
        (HOST, "0.0.0.0", &["name-mismatch"]),
        ("other.test", "", &[]),
    ];
    let table = Table::new();
    let chains: Vec<_> = rows.iter().map(|(name, ..)| table.chain(&named(name))).collect();
    rows.into_iter()
        .zip(chains)
        .fold(table, |mut table, ((name, host, expected), chain)| {
            let name: &'static str = Box::leak(format!("{name} for {host}").into_boxed_str());
            table.add(name, chain, expected);
            table.for_host(host)
        })
        .check();
}

#[test]
fn a_common_name_alone_is_no_name() {
    let mut table = Table::new();
    // OpenSSL accepts it by its fallback.
    let chain = table.chain(&Leaf { names: Vec::new(), ..Leaf::good() });
    let report = report_of(&chain, &table.root);
    assert!(report.summary().contains("though clients that still use it"), "{report}");
    table.add("CN only", chain, &["no-san"]);
    table.check();
}

#[test]
fn each_way_of_being_untrusted_has_its_own_name() {
    let mut table = Table::new();
    let own = Leaf::good().self_signed().der;
    table.add("self-signed", vec![own.clone()], &["self-signed"]);
    table.add("self-signed and trusted", vec![own.clone()], &[]);
    table.trusting(&[&own]);
    let ca = Leaf { is_ca: true, ..Leaf::good() };
    let own = ca.self_signed().der;
    table.add("self-signed CA:TRUE", vec![own.clone()], &["self-signed", "wrong-purpose"]);
    // What `openssl req -x509` makes; refused even as its own anchor.
    table.add("trusted CA:TRUE", vec![own.clone()], &["wrong-purpose"]);
    table.trusting(&[&own]);
    // By name and key it is the anchor, yet nobody signed this.
    let end = own.len() - 1;
    let altered = CertificateDer::from([&own[..end], &[own[end] ^ 1]].concat());
    table.add("an anchor's copy, altered", vec![altered], &["bad-signature", "wrong-purpose"]);
    table.trusting(&[&own]);
    table.add("CA:TRUE leaf below a root", table.chain(&ca), &["wrong-purpose"]);
    let tune: Tune = |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let own = Leaf { tune, ..Leaf::good() }.self_signed().der;
    table.add("self-signed with a path length", vec![own], &["self-signed", "wrong-purpose"]);

    let public = Leaf { names_issuer_url: true, ..Leaf::good() };
    let leaf = table.leaf(&public);
    table.add("missing intermediate", vec![leaf.clone()], &["missing-intermediate"]);
    let stranger = table.elsewhere.intermediate("Stranger").der();
    let both = &["missing-intermediate", "unrelated-certificate"];
    table.add("only an unrelated intermediate", vec![leaf, stranger], both);
    let alone = vec![table.leaf(&Leaf::good())];
    table.add("issuer neither sent nor public", alone, &["unknown-issuer"]);

    let elsewhere = table.elsewhere.der();
    table.add("root not sent", table.chain(&Leaf::good()), &["unknown-issuer"]);
    table.trusting(&[&elsewhere]);
    let with_root = [table.chain(&Leaf::good()), vec![table.root.der()]].concat();
    table.add("root sent", with_root, &["private-root", "root-sent"]);
    table.trusting(&[&elsewhere]);

    // One name for authority and server: a mistake that OpenSSL's examples
    // invite.
    let same = Authority::root("mail.example.org");
    let leaf = same.issue(&Leaf::good()).der;
    table.add(
        "same name, root sent",
        vec![leaf.clone(), same.der()],
        &["private-root", "root-sent"],
    );
    let alone = report_of(std::slice::from_ref(&leaf), &table.root);
    assert!(alone.summary().contains("were given one name"), "{alone}");
    table.add("same name, alone", vec![leaf.clone()], &["unknown-issuer"]);
    table.add("same name, trusted", vec![leaf], &[]);
    table.trusting(&[&same.der()]);

    // A renewed root of the same name is another root.
    let renewed = Authority::root("Test Root");
    let chain = vec![renewed.issue(&Leaf::good()).der, renewed.der()];
    table.add("renewed root", chain, &["private-root", "root-sent"]);
    table.check();
}

#[test]
fn a_leaf_that_is_not_first_is_judged_in_spite_of_it() {
    let mut table = Table::new();
    let reversed = |leaf: &Leaf| table.chain(leaf).into_iter().rev().collect::<Vec<_>>();
    let good = reversed(&Leaf::good());
    let expired = reversed(&Leaf::expired());
    let other = reversed(&Leaf::named("other.test"));
    let public = Leaf { names_issuer_url: true, ..Leaf::good() };
    let stranger = vec![table.elsewhere.der(), table.leaf(&public)];
    // The path library: an authority used as a server, and no name.
    table.add("good", good, &["wrong-order"]);
    table.add("expired", expired, &["wrong-order", "expired"]);
    table.add("for another host", other, &["wrong-order", "name-mismatch"]);
    let all = &["wrong-order", "missing-intermediate", "unrelated-certificate"];
    table.add("behind a stranger", stranger, all);
    let alone = vec![table.middle.der()];
    table.add("no leaf at all", alone, &["no-san", "wrong-purpose"]);
    table.check();
}

#[test]
fn purposes_are_told_from_trust() {
    let mut table = Table::new();
    let elsewhere = table.elsewhere.der();
    let client = Leaf { purposes: vec![ExtendedKeyUsagePurpose::ClientAuth], ..Leaf::good() };
    table.add("clientAuth only", table.chain(&client), &["wrong-purpose"]);
    let both = &["unknown-issuer", "wrong-purpose"];
    table.add("clientAuth only, untrusted", table.chain(&client), both);
    table.trusting(&[&elsewhere]);
    let clients = table.root.intermediate_with("Clients", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let chain = vec![clients.issue(&Leaf::good()).der, clients.der()];
    table.add("below an authority for clients", chain, &["wrong-purpose"]);
    // What a root says of itself is for those who trust it.
    let root = Authority::root_with("Root for clients", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let chain = vec![root.issue(&Leaf::good()).der, root.der()];
    table.add("root for clients", chain, &["private-root", "root-sent"]);
    let no_ca = table.root.intermediate_with("No CA", |params| params.is_ca = IsCa::ExplicitNoCa);
    let chain = vec![no_ca.issue(&Leaf::good()).der, no_ca.der()];
    table.add("issuer is not an authority", chain.clone(), &["wrong-purpose"]);
    table.add("issuer is not an authority, untrusted", chain, both);
    table.trusting(&[&elsewhere]);
    table.check();
}

#[test]
fn constraints_are_told_from_trust() {
    let mut table = Table::new();
    let elsewhere = table.elsewhere.der();
    let narrow = table.root.intermediate_with("Narrow", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.net".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    let chain = vec![narrow.issue(&Leaf::good()).der, narrow.der()];
    table.add("name constraint", chain.clone(), &["constraint-violated"]);
    let both = &["unknown-issuer", "constraint-violated"];
    table.add("name constraint, untrusted", chain, both);
    table.trusting(&[&elsewhere]);

    let last = table.root.intermediate_with("Last", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let lower = last.intermediate("Lower");
    let chain = vec![lower.issue(&Leaf::good()).der, lower.der(), last.der()];
    table.add("path length", chain.clone(), &["constraint-violated"]);
    table.add("path length, untrusted", chain, both);
    table.trusting(&[&elsewhere]);
    let fits = vec![last.issue(&Leaf::good()).der, last.der()];
    table.add("path length kept", fits, &[]);

    let strange = Leaf {
        tune: |params| {
            let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        },
        ..Leaf::good()
    };
    // The path library does not even read it, so that every axis must do
    // without.
    table.add("unknown critical extension", table.chain(&strange), &["unknown-extension"]);
    let other = Leaf { names: vec!["*.example.net".to_owned()], ..strange.clone() };
    let all = &["name-mismatch", "unknown-issuer", "unknown-extension"];
    table.add("and a wrong name, untrusted", table.chain(&other), all);
    table.trusting(&[&elsewhere]);
    let wildcard = Leaf { names: vec!["*.example.org".to_owned()], ..strange.clone() };
    table.add("and a wildcard", table.chain(&wildcard), &["unknown-extension"]);
    let wide = Leaf { names: vec!["*.org".to_owned()], ..strange.clone() };
    let both = &["name-mismatch", "unknown-extension"];
    table.add("and a wildcard too wide", table.chain(&wide), both);
    table = table.for_host("example.org");
    let address = Leaf { names: vec!["192.0.2.7".to_owned()], ..strange };
    table.add("and an address", table.chain(&address), &["unknown-extension"]);
    table = table.for_host("192.0.2.7");
    table.check();
}

/// Made by `testdata/make.sh`.
macro_rules! made {
    ($name:literal) => {
        CertificateDer::from(include_bytes!(concat!("../testdata/", $name)).as_slice())
    };
}

#[test]
fn weakness_is_told_from_forgery() {
    let mut table = Table::new();
    let weak = vec![table.middle.sign(&Leaf::good(), &WeakRsa::new()), table.middle.der()];
    table.add("RSA-1024 leaf", weak, &["weak-key"]);

    // The path library gives the error of a forged signature.
    let (leaf, root) = (made!("rsa1024-leaf.der"), made!("rsa1024-root.der"));
    table.add("RSA-1024 root", vec![leaf.clone()], &["weak-key"]);
    table.trusting(&[&root]);
    table.add("RSA-1024 root sent", vec![leaf.clone(), root.clone()], &["weak-key", "root-sent"]);
    table.trusting(&[&root]);
    let all = &["private-root", "weak-key", "root-sent"];
    table.add("RSA-1024 root, untrusted", vec![leaf, root], all);

    let (leaf, root) = (made!("secp256k1-leaf.der"), made!("secp256k1-root.der"));
    table.add("secp256k1 root", vec![leaf], &["weak-key"]);
    table.trusting(&[&root]);

    let (leaf, root) = (made!("sha1-leaf.der"), made!("sha1-root.der"));
    table.add("SHA-1", vec![leaf.clone()], &["weak-signature"]);
    table.trusting(&[&root]);
    table.add("SHA-1, untrusted", vec![leaf], &["unknown-issuer", "weak-signature"]);
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let own = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let own = with_sha1(&own.self_signed(&key).unwrap());
    table.add("SHA-1, self-signed", vec![own], &["self-signed"]);

    // Another authority that took the name.
    let impostor = Authority::root("Test Intermediate");
    let forged = impostor.issue(&Leaf::good()).der;
    table.add("forged", vec![forged.clone(), table.middle.der()], &["bad-signature"]);
    let elsewhere = table.elsewhere.der();
    let both = &["unknown-issuer", "bad-signature"];
    table.add("forged and untrusted", vec![forged, table.middle.der()], both);
    table.trusting(&[&elsewhere]);
    // Of two with the right name, the one whose key fits is meant.
    let namesake = table.elsewhere.intermediate_for("Test Intermediate", now(), now() + days(999));
    let mut chain = table.chain(&Leaf::good());
    chain.insert(1, namesake.der());
    table.add("a namesake", chain, &["unknown-issuer"]);
    let other = Authority::root("Other").der();
    table.trusting(&[&other]);
    let below_root = Authority::root("Test Root").issue(&Leaf::good()).der;
    table.add("forged below the root", vec![below_root], &["bad-signature"]);
    table.check();
}

fn report_of(chain: &[CertificateDer<'_>], root: &Authority) -> CertificateReport {
    let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
    Inspector::new(&root_set("given", &[&root.der()])).inspect(&chain, HOST, now())
}

#[test]
fn what_other_stacks_make_of_it_is_said() {
    let table = Table::new();
    let report = report_of(&table.chain(&Leaf { is_ca: true, ..Leaf::good() }), &table.root);
    assert!(report.summary().contains("OpenSSL, .NET and Node accept"), "{report}");
    let leaf = Leaf { names: vec!["*.example.org".to_owned()], ..Leaf::good() };
    let chain: Vec<Vec<u8>> = table.chain(&leaf).iter().map(|der| der.to_vec()).collect();
    let inspector = Inspector::new(&root_set("given", &[&table.root.der()]));
    let report = inspector.inspect(&chain, "a.mail.example.org", now());
    assert!(report.summary().contains("a wildcard stands for exactly one label"), "{report}");
    let report = inspector.inspect(&chain, "192.0.2.7", now());
    assert!(report.summary().contains("connect by a name"), "{report}");
    let report = inspector.inspect(&chain, "mail\u{1b}[2J example", now());
    assert!(report.summary().contains("neither a host name nor an IP address"), "{report}");
    assert!(!report.to_string().contains('\u{1b}'), "{report}");
}

#[test]
fn without_a_host_the_report_speaks_of_the_subject() {
    let table = Table::new();
    let chain: Vec<Vec<u8>> =
        table.chain(&Leaf::expired()).iter().map(|der| der.to_vec()).collect();
    let report =
        Inspector::new(&root_set("given", &[&table.root.der()])).inspect(&chain, "", now());
    assert!(report.summary().starts_with("certificate of mail.example.org expired"), "{report}");
}
