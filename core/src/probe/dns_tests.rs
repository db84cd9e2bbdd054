//! Against a DNS server on loopback that signs its zone, the root, with a key
//! of its own.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{DnssecSigner, PublicKey as _, SigningKey as _};
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_resolver::proto::rr::{DNSClass, RecordSet};
use time::OffsetDateTime;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::*;
use crate::certificate::testing::{Leaf, now};
use crate::finding::FindingId;
use crate::network::{Network as _, Tcp};
use crate::probe::ResolvedBy;
use crate::probe::dane::dane;

/// How the server misbehaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Good,
    /// Leaves the signatures out.
    Stripping,
    /// Adds a record that is another name's, and signed.
    Crowding,
    /// Fails when asked for its key, until asked for the rest once more.
    Stumbling,
    Failing,
    Silent,
}

/// What is in `unsigned.test` is not signed, and what is in `forged.test` is
/// changed after it was; everything else is of the root's zone.
struct Zone {
    records: Vec<(Name, RData)>,
    signer: DnssecSigner,
    manner: Manner,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn tlsa(data: u8) -> RData {
    tlsa_of(vec![data; 32])
}

fn tlsa_of(data: Vec<u8>) -> RData {
    RData::TLSA(TLSA::new(CertUsage::DaneEe, Selector::Spki, Matching::Sha256, data))
}

impl Zone {
    fn new(manner: Manner) -> Self {
        let key = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Ed25519SigningKey::from_pkcs8(&key).unwrap();
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        let day = Duration::from_secs(86_400);
        let signer = DnssecSigner::new(dnskey.clone(), Box::new(key), Name::root(), day);
        let mut zone = Zone { records: Vec::new(), signer, manner };
        zone.add(".", RData::DNSSEC(DNSSECRData::DNSKEY(dnskey)));
        zone.add("unsigned.test.", RData::NS(NS(name("ns.unsigned.test."))));
        zone
    }

    fn add(&mut self, owner: &str, data: RData) {
        self.records.push((name(owner), data));
    }

    fn with(mut self, owner: &str, data: RData) -> Self {
        self.add(owner, data);
        self
    }

    fn trust_anchor(&self) -> String {
        let key = STANDARD.encode(self.signer.dnskey().public_key().public_bytes());
        format!("; the key of this test\n. 3600 IN DNSKEY 257 3 15 {key}\n")
    }

    fn signs(&self, query: &Query) -> bool {
        let unsigned = name("unsigned.test.").zone_of(query.name());
        self.manner != Manner::Stripping && (!unsigned || query.query_type() == RecordType::DS)
    }

    /// The records of one name and kind, and their signature.
    fn signed(&self, owner: &Name, data: Vec<RData>, sign: bool) -> Vec<Record> {
        let record = |data| Record::from_rdata(owner.clone(), 60, data);
        let mut records: Vec<Record> = data.into_iter().map(record).collect();
        if !sign {
            return records;
        }
        let mut set = RecordSet::new(owner.clone(), records[0].record_type(), 0);
        for record in &records {
            set.insert(record.clone(), 0);
        }
        let since = OffsetDateTime::now_utc() - Duration::from_secs(3600);
        let signature = RRSIG::from_rrset(&set, DNSClass::IN, since, &self.signer).unwrap();
        if name("forged.test.").zone_of(owner) {
            records[0].data = tlsa(0xee);
        }
        records.push(record(RData::DNSSEC(DNSSECRData::RRSIG(signature))));
        records
    }

    fn answer(&self, query: &Query) -> (Vec<Record>, Vec<Record>) {
        let (owner, sign) = (query.name(), self.signs(query));
        let here = || self.records.iter().filter(|(it, _)| it == owner).map(|(_, data)| data);
        let alias = here().any(|data| data.record_type() == RecordType::CNAME);
        let kind = if alias { RecordType::CNAME } else { query.query_type() };
        let found: Vec<_> = here().filter(|data| data.record_type() == kind).cloned().collect();
        if let [RData::CNAME(CNAME(target))] = &found[..]
            && owner.to_ascii().contains("whole")
        {
            // As recursive servers do: the target along with the alias.
            let mut answers = self.signed(owner, found.clone(), sign);
            let query = Query::query(target.clone(), query.query_type());
            answers.extend(self.answer(&query).0);
            return (answers, Vec::new());
        }
        if !found.is_empty() {
            return (self.signed(owner, found, sign), Vec::new());
        }
        let apex = if sign { Name::root() } else { name("unsigned.test.") };
        let soa = SOA::new(apex.clone(), apex.clone(), 1, 60, 60, 60, 60);
        let mut proof = self.signed(&apex, vec![RData::SOA(soa)], sign);
        if sign {
            // That this very name exists, with only these types (RFC 9824).
            let types: BTreeSet<_> = here().map(RData::record_type).collect();
            let next = owner.prepend_label("next").unwrap();
            let nsec = NSEC::new_cover_self(next, types);
            proof.extend(self.signed(owner, vec![RData::DNSSEC(DNSSECRData::NSEC(nsec))], true));
        }
        (Vec::new(), proof)
    }

    async fn serve(self, socket: UdpSocket) {
        let mut asked = 0;
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let request = Message::from_vec(&buffer[..length]).unwrap();
            let mut response = Message::response(request.id, request.op_code);
            response.metadata.recursion_available = true;
            let query = request.queries[0].clone();
            let (answers, authorities) = self.answer(&query);
            let about_key = query.query_type() == RecordType::DNSKEY;
            asked += usize::from(!about_key);
            let stumbles = self.manner == Manner::Stumbling && about_key && asked < 2;
            response.add_query(query);
            match self.manner {
                Manner::Silent => continue,
                _ if stumbles => response.metadata.response_code = ResponseCode::ServFail,
                Manner::Failing => response.metadata.response_code = ResponseCode::ServFail,
                _ => {
                    response.add_answers(answers);
                    if self.manner == Manner::Crowding {
                        let other = name("_25._tcp.other.test.");
                        response.add_answers(self.signed(&other, vec![tlsa(9)], true));
                    }
                    response.add_authorities(authorities);
                }
            }
            socket.send_to(&response.to_vec().unwrap(), client).await.unwrap();
        }
    }

    /// Serves until the guard is dropped.
    async fn start(self) -> (Resolver, Guard) {
        let anchor = self.trust_anchor();
        let (resolver, guard) = self.start_untrusted().await;
        (resolver.with_trust_anchors(&anchor).unwrap(), guard)
    }

    async fn start_untrusted(self) -> (Resolver, Guard) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let guard = Guard(tokio::spawn(self.serve(socket)));
        (Resolver::at([address]).unwrap(), guard)
    }
}

struct Guard(JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn expected(data: u8) -> Tlsa {
    Tlsa { usage: 3, selector: 1, matching: 1, data: vec![data; 32] }
}

fn mx(preference: u16, exchange: &str) -> RData {
    RData::MX(MX::new(preference, name(exchange)))
}

#[tokio::test]
async fn a_signed_record_is_secure() {
    let zone = Zone::new(Manner::Good).with("_25._tcp.mail.test.", tlsa(1));
    let (resolver, _guard) = zone.start().await;
    let answer = resolver.tlsa("_25._tcp.mail.test").await.unwrap();
    assert_eq!(answer, Answer { records: vec![expected(1)], security: Security::Secure });
}

#[tokio::test]
async fn a_record_of_an_unsigned_zone_is_insecure() {
    let zone = Zone::new(Manner::Good).with("_25._tcp.mail.unsigned.test.", tlsa(1));
    let (resolver, _guard) = zone.start().await;
    let answer = resolver.tlsa("_25._tcp.mail.unsigned.test").await.unwrap();
    assert_eq!(answer, Answer { records: vec![expected(1)], security: Security::Insecure });
}

#[tokio::test]
async fn a_record_changed_on_the_way_is_bogus() {
    let zone = Zone::new(Manner::Good).with("_25._tcp.mail.forged.test.", tlsa(1));
    let (resolver, _guard) = zone.start().await;
    let answer = resolver.tlsa("_25._tcp.mail.forged.test").await.unwrap();
    assert_eq!(answer, Answer { records: Vec::new(), security: Security::Bogus });
}

#[tokio::test]
async fn absence_is_an_answer_with_a_proof_of_its_own() {
    let (resolver, _guard) = Zone::new(Manner::Good).start().await;
    for (name, security) in [
        ("_25._tcp.mail.test", Security::Secure),
        ("_25._tcp.mail.unsigned.test", Security::Insecure),
    ] {
        let answer = resolver.tlsa(name).await.unwrap();
        assert_eq!(answer, Answer { records: Vec::new(), security }, "{name}");
    }
}

#[tokio::test]
async fn an_alias_in_an_unsigned_zone_makes_the_answer_insecure() {
    let target = name("_25._tcp.mail.test.");
    let zone = Zone::new(Manner::Good)
        .with("_25._tcp.mail.test.", tlsa(1))
        .with("_25._tcp.alias.test.", RData::CNAME(CNAME(target.clone())))
        .with("_25._tcp.whole.test.", RData::CNAME(CNAME(target.clone())))
        .with("_25._tcp.alias.unsigned.test.", RData::CNAME(CNAME(target.clone())))
        .with("_25._tcp.whole.unsigned.test.", RData::CNAME(CNAME(target)));
    let (resolver, _guard) = zone.start().await;
    for (name, security) in [
        ("_25._tcp.alias.test", Security::Secure),
        ("_25._tcp.whole.test", Security::Secure),
        ("_25._tcp.alias.unsigned.test", Security::Insecure),
        ("_25._tcp.whole.unsigned.test", Security::Insecure),
    ] {
        let answer = resolver.tlsa(name).await.unwrap();
        assert_eq!(answer, Answer { records: vec![expected(1)], security }, "{name}");
    }
}

#[tokio::test]
async fn a_proven_record_of_another_name_is_no_answer() {
    let zone = Zone::new(Manner::Crowding).with("_25._tcp.mail.test.", tlsa(1));
    let (resolver, _guard) = zone.start().await;
    let answer = resolver.tlsa("_25._tcp.mail.test").await.unwrap();
    assert_eq!(answer, Answer { records: vec![expected(1)], security: Security::Secure });
}

#[tokio::test]
async fn mail_exchangers_come_in_order_in_lower_case_and_without_a_dot() {
    let zone = Zone::new(Manner::Good)
        .with("example.test.", mx(20, "Backup.Example.test."))
        .with("example.test.", mx(10, "mail.example.test."))
        .with("none.test.", mx(0, "."));
    let (resolver, _guard) = zone.start().await;
    let answer = resolver.mx("example.test").await.unwrap();
    let host = |preference, exchange: &str| Mx { preference, exchange: exchange.to_owned() };
    let hosts = vec![host(10, "mail.example.test"), host(20, "backup.example.test")];
    assert_eq!(answer, Answer { records: hosts, security: Security::Secure });
    // RFC 7505.
    assert_eq!(resolver.mx("none.test").await.unwrap().records, [host(0, "")]);
}

#[tokio::test]
async fn the_strings_of_a_text_are_joined() {
    let text = TXT::from_bytes(vec![b"v=STSv1; ".as_slice(), b"id=2026;", b"\xff"]);
    let zone = Zone::new(Manner::Good).with("_mta-sts.example.test.", RData::TXT(text));
    let (resolver, _guard) = zone.start().await;
    let answer = resolver.txt("_mta-sts.example.test").await.unwrap();
    assert_eq!(answer.records, ["v=STSv1; id=2026;\u{fffd}"]);
}

#[tokio::test]
async fn a_server_that_strips_signatures_is_not_taken_for_forged_zones() {
    let zone = Zone::new(Manner::Stripping)
        .with("_25._tcp.mail.test.", tlsa(1))
        .with("example.test.", mx(10, "mail.example.test."));
    // Its key is held up too without a signature, and would be believed.
    let stranger = Zone::new(Manner::Good).trust_anchor();
    let (resolver, _guard) = zone.start_untrusted().await;
    let resolver = resolver.with_trust_anchors(&stranger).unwrap();
    let error = resolver.tlsa("_25._tcp.mail.test").await.unwrap_err();
    assert!(error.to_string().contains("passes no DNSSEC signatures on"), "{error}");
    let answer = resolver.mx("example.test").await.unwrap();
    assert_eq!((answer.records.len(), answer.security), (1, Security::Insecure));
}

#[tokio::test]
async fn keys_that_are_not_trusted_prove_nothing() {
    let zone = Zone::new(Manner::Good).with("_25._tcp.mail.test.", tlsa(1));
    let (resolver, _guard) = zone.start_untrusted().await;
    assert!(resolver.tlsa("_25._tcp.mail.test").await.is_err());
}

#[tokio::test]
async fn a_proof_that_failed_to_arrive_once_is_not_taken_for_a_forgery() {
    let zone = Zone::new(Manner::Stumbling).with("_25._tcp.mail.test.", tlsa(1));
    let (resolver, _guard) = zone.start().await;
    let answer = resolver.tlsa("_25._tcp.mail.test").await.unwrap();
    assert_eq!(answer, Answer { records: vec![expected(1)], security: Security::Secure });
}

#[tokio::test]
async fn a_failing_server_is_an_error_and_not_an_absence() {
    let (resolver, _guard) = Zone::new(Manner::Failing).start().await;
    let error = resolver.tlsa("_25._tcp.mail.test").await.unwrap_err();
    assert!(error.to_string().contains("SERVFAIL"), "{error}");
    assert!(resolver.mx("example.test").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_ends_the_wait() {
    let (resolver, _guard) = Zone::new(Manner::Silent).start().await;
    let began = tokio::time::Instant::now();
    let error = resolver.tlsa("_25._tcp.mail.test").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    assert!(began.elapsed() <= LOOKUP);
}

#[tokio::test]
async fn names_and_addresses_are_resolved_by_the_given_server() {
    let zone = Zone::new(Manner::Good)
        .with("mail.unsigned.test.", RData::A(A(Ipv4Addr::new(192, 0, 2, 1))))
        .with("mail.unsigned.test.", RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)));
    let (resolver, _guard) = zone.start().await;
    let network = ResolvedBy::new(Arc::new(resolver), Tcp);
    let resolved = network.resolve("mail.unsigned.test", 25).await.unwrap();
    assert_eq!(resolved, ["[::1]:25".parse().unwrap(), "192.0.2.1:25".parse().unwrap()]);
    assert_eq!(network.resolve("gone.unsigned.test", 25).await.unwrap(), []);
    let resolved = network.resolve("192.0.2.7", 465).await.unwrap();
    assert_eq!(resolved, ["192.0.2.7:465".parse().unwrap()]);
}

#[tokio::test]
async fn what_is_no_dns_name_is_refused_without_a_question() {
    let resolver = Resolver::at([SocketAddr::from((Ipv4Addr::LOCALHOST, 9))]).unwrap();
    for name in ["a..b", &"x".repeat(64), &"long.".repeat(60)] {
        let error = resolver.tlsa(name).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
    }
}

#[test]
fn trust_anchors_that_cannot_be_read_are_a_fault_of_the_configuration() {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
    for text in ["", "; nothing", ". IN DS 20326 8 2 E06D", ". IN DNSKEY 257 3 15 %", "rubbish"] {
        let error = Resolver::at([server]).unwrap().with_trust_anchors(text).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidConfig, "{text}");
    }
    assert!(Resolver::at([]).is_err());
}

#[tokio::test]
async fn a_chain_is_judged_by_what_the_zone_proves() {
    let leaf = Leaf::expired().self_signed().der;
    let key = crate::certificate::Certificate::from_der(&leaf).unwrap().spki_pin();
    let zone = Zone::new(Manner::Good)
        .with("_25._tcp.mail.test.", tlsa_of(key.as_bytes().to_vec()))
        .with("_25._tcp.old.test.", tlsa(1))
        .with("_25._tcp.mail.forged.test.", tlsa(1))
        .with("_25._tcp.mail.unsigned.test.", tlsa(1));
    let (resolver, _guard) = zone.start().await;
    let at: SystemTime = now();
    for (host, matched, finding) in [
        ("mail.test", Some(true), None),
        ("old.test", Some(false), Some(FindingId::DaneMismatch)),
        ("mail.forged.test", None, Some(FindingId::DaneBogus)),
        ("mail.unsigned.test", Some(false), Some(FindingId::DaneInsecure)),
        ("none.test", None, None),
    ] {
        let (report, findings) =
            dane(&resolver, host, 25, None, std::slice::from_ref(&leaf), at).await;
        assert_eq!(report.unwrap().matched, matched, "{host}");
        assert_eq!(findings.first().map(|finding| finding.id), finding, "{host}");
    }
}
