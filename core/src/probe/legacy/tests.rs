//! A scripted server, record by record.

use proptest::prelude::*;
use rustls::server::Acceptor;

use super::parse::MAX_CERTIFICATES;
use super::*;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const TLS_1_0: [u8; 2] = [3, 1];
const RSA_AES_128_CBC_SHA: [u8; 2] = [0, 0x2f];
const STATUS_REQUEST: [u8; 4] = [0, 5, 0, 0];

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind, 3, 1], &length[..], content].concat()
}

fn with_length(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[1..], content].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &*with_length(body)].concat()
}

fn server_hello(version: [u8; 2], cipher: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut body = [&version[..], &[7; 32], &[4, 1, 2, 3, 4], &cipher, &[0]].concat();
    if !extensions.is_empty() {
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend_from_slice(extensions);
    }
    message(2, &body)
}

fn certificates(chain: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = chain.iter().flat_map(|der| with_length(der)).collect();
    message(11, &with_length(&list))
}

fn status(response: &[u8]) -> Vec<u8> {
    message(22, &[&[1], &*with_length(response)].concat())
}

/// A whole flight with a staple, as one string of messages.
fn flight() -> Vec<u8> {
    [
        server_hello(TLS_1_0, RSA_AES_128_CBC_SHA, &STATUS_REQUEST),
        certificates(&[b"leaf", b"intermediate"]),
        status(b"staple"),
        message(14, b""),
    ]
    .concat()
}

fn expected() -> LegacyFacts {
    LegacyFacts {
        protocol: "TLSv1.0",
        cipher: "TLS_RSA_WITH_AES_128_CBC_SHA".to_owned(),
        chain: vec![b"leaf".to_vec(), b"intermediate".to_vec()],
        staple: Some(b"staple".to_vec()),
    }
}

/// What comes of these pieces, each a read of its own, and an end after them.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<LegacyFacts, String> {
    let mut reader = Reader::default();
    for piece in pieces {
        match reader.feed(piece) {
            Ok(None) => {}
            Ok(Some(facts)) => return Ok(facts),
            Err(error) => return Err(error.to_string()),
        }
    }
    reader.end().map_err(|error| error.to_string())
}

#[test]
fn a_flight_is_read_at_every_split_of_its_bytes() {
    let wire = record(HANDSHAKE, &flight());
    for at in 0..=wire.len() {
        assert_eq!(read([&wire[..at], &wire[at..]]), Ok(expected()), "at {at}");
    }
    assert_eq!(read(wire.chunks(1)), Ok(expected()));
}

#[test]
fn messages_are_read_however_records_cut_or_join_them() {
    let warning = record(ALERT, &[1, 112]);
    for size in 1..flight().len() {
        let records = flight().chunks(size).map(|part| record(HANDSHAKE, part)).collect::<Vec<_>>();
        assert_eq!(read([&*records.concat()]), Ok(expected()), "records of {size}");
        // A server that does not know the name warns of it, between any two.
        assert_eq!(read([&*records.join(&warning[..])]), Ok(expected()), "records of {size}");
    }
}

#[test]
fn a_server_that_promises_no_staple_is_not_waited_for_after_its_chain() {
    let hello = server_hello([3, 3], [0xc0, 0x13], &[0xff, 1, 0, 1, 0]);
    let wire = record(HANDSHAKE, &[hello, certificates(&[b"leaf"])].concat());
    let facts = Reader::default().feed(&wire).unwrap().expect("all that will come");
    assert_eq!(facts.protocol, "TLSv1.2");
    assert_eq!(facts.cipher, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA");
    assert_eq!((facts.chain.len(), facts.staple), (1, None));
}

#[test]
fn a_staple_that_was_promised_and_does_not_come_is_none() {
    let hello = server_hello(TLS_1_0, RSA_AES_128_CBC_SHA, &STATUS_REQUEST);
    let flight = [hello, certificates(&[b"leaf"]), message(14, b"")].concat();
    assert_eq!(read([&*record(HANDSHAKE, &flight)]).map(|facts| facts.staple), Ok(None));
}

#[test]
fn every_version_and_unknown_suites_are_named() {
    let name = |version, cipher| {
        let flight = [server_hello(version, cipher, &[]), certificates(&[b"leaf"])].concat();
        read([&*record(HANDSHAKE, &flight)]).map(|facts| (facts.protocol, facts.cipher))
    };
    assert_eq!(name([3, 0], [0, 5]), Ok(("SSLv3", "TLS_RSA_WITH_RC4_128_SHA".to_owned())));
    assert_eq!(name([3, 2], [0, 10]), Ok(("TLSv1.1", "TLS_RSA_WITH_3DES_EDE_CBC_SHA".to_owned())));
    assert_eq!(name([3, 3], [0xfa, 0xfa]).unwrap().1, "cipher suite 0xfafa");
    assert_eq!(
        name([3, 4], [0x13, 1]),
        Err("the server chose TLSv1.3, which it was not offered".to_owned())
    );
    assert_eq!(
        name([9, 9], [0, 5]),
        Err("the server chose a version of TLS that does not exist, 0x0909".to_owned())
    );
}

#[test]
fn what_came_before_a_failure_is_kept_once_the_chain_is_there() {
    let hello = server_hello(TLS_1_0, RSA_AES_128_CBC_SHA, &STATUS_REQUEST);
    let begun = record(HANDSHAKE, &[hello.clone(), certificates(&[b"leaf"])].concat());
    for after in [&b""[..], b"garbage", &record(ALERT, &[2, 80]), &record(23, b"data")] {
        let facts = read([&*[&begun, after].concat()]).expect("the chain has been read");
        assert_eq!(facts.chain, [b"leaf"]);
    }
    let alone = record(HANDSHAKE, &hello);
    assert!(read([&*[&*alone, b"garbage"].concat()]).is_err());
    assert_eq!(
        read([&*alone]).unwrap_err(),
        "the server closed the connection in the middle of its TLS handshake"
    );
}

#[test]
fn a_server_without_a_certificate_has_an_empty_chain() {
    let hello = server_hello(TLS_1_0, [0, 0x34], &[]);
    let flight = [hello, message(12, b"key"), message(14, b"")].concat();
    let facts = read([&*record(HANDSHAKE, &flight)]).unwrap();
    assert_eq!((facts.cipher.as_str(), facts.chain.len()), ("TLS_DH_anon_WITH_AES_128_CBC_SHA", 0));
}

#[test]
fn what_is_no_tls_is_told_apart() {
    let said = |bytes: &[u8]| {
        let told = read([bytes]).unwrap_err();
        assert_eq!(read(bytes.chunks(1)), Err(told.clone()), "byte by byte");
        told
    };
    assert_eq!(said(b""), "the server closed the connection without an answer to TLS");
    assert_eq!(
        said(b"421 4.7.0 too many\x1b connections\r\n554 more\r\n"),
        "the server answered TLS in plain text: 421 4.7.0 too many\u{fffd} connections"
    );
    assert!(said(&[b'a'; 4000]).len() < 200);
    assert_eq!(said(&[0x80, 3, 0, 0, 1]), "the server answered in SSL 2.0, which is broken");
    assert_eq!(
        said(&[0, 1, 0xff, 9]),
        "the server answered TLS with something else, which begins with [00, 01, ff]"
    );
    assert_eq!(
        said(&record(ALERT, &[2, 40])),
        "the server ended TLS with the alert HandshakeFailure"
    );
    assert_eq!(said(&record(ALERT, &[2, 231])), "the server ended TLS with the alert number 231");
    assert_eq!(
        said(&[record(ALERT, &[1]), record(ALERT, &[0])].concat()),
        "the server ended TLS with the alert CloseNotify"
    );
    for early in [certificates(&[b"leaf"]), status(b"staple"), message(14, b"")] {
        assert_eq!(
            said(&record(HANDSHAKE, &early)),
            "the server's TLS handshake is broken: a message is out of order"
        );
    }
}

#[test]
fn nothing_is_read_beyond_the_limits() {
    let hello = server_hello(TLS_1_0, RSA_AES_128_CBC_SHA, &[]);
    let too_large = Err("the server's TLS handshake is too large".to_owned());
    let chain = |count| certificates(&vec![b"c".as_slice(); count]);
    let flight = |count| record(HANDSHAKE, &[hello.clone(), chain(count)].concat());
    assert_eq!(read([&*flight(MAX_CERTIFICATES)]).unwrap().chain.len(), MAX_CERTIFICATES);
    assert_eq!(read([&*flight(MAX_CERTIFICATES + 1)]), too_large);

    // A message that says how large it will be is not waited for.
    assert_eq!(read([&*record(HANDSHAKE, &[11, 0xff, 0xff, 0xff])]), too_large);
    let warnings = record(ALERT, &[1, 90]);
    assert_eq!(read(std::iter::repeat_n(&*warnings, 100_000)), too_large, "a storm of alerts");
    assert_eq!(
        read([&[HANDSHAKE, 3, 1, 0xff, 0xff][..]]),
        Err("the server's TLS handshake is broken: a record is too long".to_owned())
    );
}

#[test]
fn broken_lists_of_certificates_are_refused() {
    let hello = server_hello(TLS_1_0, RSA_AES_128_CBC_SHA, &[]);
    for body in [&b""[..], &[0, 0, 9, 1], &[0, 0, 4, 0, 0, 9, 1], &[0, 0, 0, 1]] {
        let flight = [hello.clone(), message(11, body)].concat();
        let told = read([&*record(HANDSHAKE, &flight)]).unwrap_err();
        assert!(told.ends_with("its list of certificates has wrong lengths"), "{body:?}: {told}");
    }
    for cut in 4..hello.len() {
        let body = &hello[4..cut];
        let told = read([&*record(HANDSHAKE, &message(2, body))]).unwrap_err();
        assert!(told.contains("broken: its hello") || told.contains("in the middle"), "{told}");
    }
}

proptest! {
    #[test]
    fn any_bytes_end_in_facts_or_an_error_whatever_their_split(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        step in 1usize..64,
    ) {
        let mut damaged = record(HANDSHAKE, &flight());
        for (index, byte) in flips {
            *index.get_mut(&mut damaged) = byte;
        }
        for wire in [bytes, damaged] {
            prop_assert_eq!(read(wire.chunks(step)), read([&*wire]));
        }
    }

    #[test]
    fn a_hello_is_whole_for_any_name(name: String) {
        let hello = accepted(Some(&name));
        prop_assert!(hello.is_none_or(|sent| sent.eq_ignore_ascii_case(name.trim_end_matches('.'))));
    }
}

/// Has rustls read our hello as a server does; the name it finds in it.
fn accepted(sni: Option<&str>) -> Option<String> {
    let wire = hello::client_hello(&[5; 32], sni);
    assert!(wire.len() >= 5 + 512, "{} bytes", wire.len());
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut &*wire).unwrap();
    let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().expect("a whole hello");
    let hello = accepted.client_hello();
    assert!(hello.cipher_suites().contains(&CipherSuite::TLS_RSA_WITH_3DES_EDE_CBC_SHA));
    hello.server_name().map(str::to_owned)
}

#[test]
fn the_hello_names_the_server_unless_that_is_an_address() {
    assert_eq!(accepted(Some("mail.example.org")).as_deref(), Some("mail.example.org"));
    for none in [None, Some(""), Some("192.0.2.1"), Some("2001:db8::1"), Some(&*"a".repeat(300))] {
        assert_eq!(accepted(none), None, "{none:?}");
    }
}

#[tokio::test]
async fn the_handshake_is_given_up_politely_in_the_servers_version() {
    let (mut near, mut far) = tokio::io::duplex(64 * 1024);
    far.write_all(&record(HANDSHAKE, &flight())).await.unwrap();
    let facts = capture(&mut near, Some("mail.example.org")).await.unwrap();
    assert_eq!(facts, expected());
    drop(near);
    let mut written = Vec::new();
    far.read_to_end(&mut written).await.unwrap();
    assert!(written.ends_with(&[21, 3, 1, 0, 2, 1, 90, 21, 3, 1, 0, 2, 1, 0]));
}

#[tokio::test]
async fn facts_are_not_lost_to_a_server_that_reads_no_farewell() {
    let hello = hello::client_hello(&[0; 32], None).len();
    let (mut near, mut far) = tokio::io::duplex(hello);
    let serve = async {
        far.write_all(&record(HANDSHAKE, &flight())).await.unwrap();
        far
    };
    // The pipe is full of the hello, which nobody takes out.
    let (facts, _far) = tokio::join!(capture(&mut near, None), serve);
    assert_eq!(facts.unwrap(), expected());
}

#[test]
fn the_finding_warns_of_the_applications_own_tls_and_names_what_was_agreed_on() {
    let finding = finding(&expected(), "mail.example.org");
    assert_eq!(finding.id, FindingId::LegacyTls);
    assert_eq!(
        finding.message,
        "mail.example.org refused a modern handshake and agreed to TLSv1.0 with \
         TLS_RSA_WITH_AES_128_CBC_SHA: your application's TLS stack may refuse this server"
    );
    let tls = expected().tls();
    assert!(tls.legacy && !tls.proven);
}
