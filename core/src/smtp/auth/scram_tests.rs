//! The client against the RFCs' examples, and against a server of its own.

use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

const NONCE: [u8; 18] = *b"eighteen byte salt";

fn client(hash: Hash, binding: Binding, password: &str) -> Scram {
    Scram::new(hash, binding, "user", password, SaltedPasswords::default(), NONCE).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Replaces the random nonce by the one of an example.
fn with_nonce(mut scram: Scram, nonce: &str) -> Scram {
    scram.nonce = nonce.to_owned();
    scram.client_first_bare = format!("n=user,r={nonce}");
    scram
}

#[test]
fn the_example_of_rfc_5802_is_reproduced() {
    let mut nonce = [0; 18];
    nonce.copy_from_slice(&STANDARD.decode("fyko+d2lbbFgONRv9qkxdawL").unwrap());
    let salted = SaltedPasswords::default();
    let mut scram = Scram::new(Hash::Sha1, Binding::None, "user", "pencil", salted, nonce).unwrap();
    assert_eq!(text(&scram.client_first()), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    let server_first = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
    assert_eq!(
        text(&scram.respond(server_first).unwrap()),
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    );
    assert!(scram.respond(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=").unwrap().is_empty());
    scram.verify_success(None).unwrap();
}

#[test]
fn the_example_of_rfc_7677_is_reproduced() {
    let mut scram =
        with_nonce(client(Hash::Sha256, Binding::None, "pencil"), "rOprNGfwEbeRWgbNEkqO");
    let server_first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(
        text(&scram.respond(server_first).unwrap()),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
    scram.verify_success(None).unwrap();
}

/// The server's side of RFC 5802, with what the mutual proof needs.
struct Server {
    hash: Hash,
    password: &'static str,
    /// What its own TLS connection binds to, if it offers a -PLUS mechanism.
    binding: Option<Binding>,
    first: String,
    client_first_bare: String,
    gs2_header: String,
}

impl Server {
    fn new(hash: Hash, password: &'static str, binding: Option<Binding>) -> Self {
        let empty = String::new;
        Server {
            hash,
            password,
            binding,
            first: empty(),
            client_first_bare: empty(),
            gs2_header: empty(),
        }
    }

    /// The first message, or the `e=` that refuses the client's.
    fn first(&mut self, client_first: &[u8]) -> Result<String, String> {
        let message = text(client_first);
        let bare = message.find("n=").unwrap();
        self.gs2_header = message[..bare].to_owned();
        self.client_first_bare = message[bare..].to_owned();
        if self.binding.is_some() && self.gs2_header == "y,," {
            return Err("e=server-does-support-channel-binding".to_owned());
        }
        let nonce = self.client_first_bare.split("r=").nth(1).unwrap();
        self.first = format!("r={nonce}theirs,s={},i=64", STANDARD.encode("pepper"));
        Ok(self.first.clone())
    }

    fn last(&self, client_final: &[u8]) -> String {
        let message = text(client_final);
        let (without_proof, proof) = message.split_once(",p=").unwrap();
        let mut binding = self.gs2_header.clone().into_bytes();
        if self.gs2_header.starts_with('p') {
            binding.extend_from_slice(self.binding.as_ref().map_or(&[], |bound| bound.data()));
        }
        if !without_proof.starts_with(&format!("c={},", STANDARD.encode(binding))) {
            return "e=channel-bindings-dont-match".to_owned();
        }
        let signed = format!("{},{},{without_proof}", self.client_first_bare, self.first);
        let salted = self.hash.salt(self.password.as_bytes(), b"pepper", 64);
        let client_key = self.hash.hmac(&salted.0, b"Client Key");
        let mask = self.hash.hmac(&self.hash.digest(&client_key), signed.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(mask.iter()).map(|(a, b)| a ^ b).collect();
        if STANDARD.decode(proof).unwrap() != expected {
            return "e=invalid-proof".to_owned();
        }
        let server_key = self.hash.hmac(&salted.0, b"Server Key");
        format!("v={}", STANDARD.encode(self.hash.hmac(&server_key, signed.as_bytes())))
    }
}

fn tls(data: &[u8]) -> Binding {
    Binding::Bound { kind: "tls-exporter", data: data.to_vec() }
}

/// The whole exchange, as the client sees it.
fn run(mut client: Scram, mut server: Server) -> Result<(), Error> {
    let first = match server.first(&client.client_first()) {
        Ok(first) | Err(first) => first,
    };
    let proof = client.respond(first.as_bytes())?;
    client.respond(server.last(&proof).as_bytes())?;
    client.verify_success(None)
}

#[test]
fn client_and_server_with_one_password_prove_it_to_each_other() {
    for hash in [Hash::Sha1, Hash::Sha256] {
        for (ours, theirs) in [
            (Binding::None, None),
            (Binding::NotOffered, None),
            (Binding::None, Some(tls(b"one"))),
            (tls(b"one"), Some(tls(b"one"))),
        ] {
            run(client(hash, ours, "pencil"), Server::new(hash, "pencil", theirs)).unwrap();
        }
    }
}

#[test]
fn a_wrong_password_is_refused_with_the_servers_reason() {
    let server = Server::new(Hash::Sha256, "pencil", None);
    let error = run(client(Hash::Sha256, Binding::None, "pen"), server).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.message_text().contains("invalid-proof"), "{error}");
}

#[test]
fn a_man_in_the_middle_who_relays_a_bound_exchange_is_found_out() {
    let server = Server::new(Hash::Sha256, "pencil", Some(tls(b"his connection")));
    let error = run(client(Hash::Sha256, tls(b"our connection"), "pencil"), server).unwrap_err();
    assert!(error.message_text().contains("channel-bindings-dont-match"), "{error}");
    assert!(error.hint().unwrap().contains("between"), "{error}");
}

#[test]
fn a_man_in_the_middle_who_hides_the_bound_mechanism_is_found_out() {
    let server = Server::new(Hash::Sha256, "pencil", Some(tls(b"his connection")));
    let error = run(client(Hash::Sha256, Binding::NotOffered, "pencil"), server).unwrap_err();
    assert!(error.message_text().contains("server-does-support-channel-binding"), "{error}");
}

/// A client that has sent its proof, and the signature it waits for.
fn before_signature() -> (Scram, String) {
    let mut client = client(Hash::Sha256, Binding::None, "pencil");
    let mut server = Server::new(Hash::Sha256, "pencil", None);
    let first = server.first(&client.client_first()).unwrap();
    let proof = client.respond(first.as_bytes()).unwrap();
    let signature = server.last(&proof);
    assert!(signature.starts_with("v="));
    (client, signature)
}

#[test]
fn success_without_the_servers_signature_is_refused() {
    for said in [None, Some(&b""[..]), Some(b"2.7.0 ok"), Some(b"v=AAAA"), Some(b"dj1BQUFB")] {
        let (mut client, _) = before_signature();
        let error = client.verify_success(said).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(client.verify_success(said).is_err(), "a second try changes nothing");
    }
    let mut early = client(Hash::Sha256, Binding::None, "pencil");
    assert!(early.verify_success(Some(b"2.7.0 ok")).is_err());
}

#[test]
fn a_wrong_signature_is_refused_even_if_success_follows() {
    let (mut client, signature) = before_signature();
    assert!(client.respond(b"v=AAAA").is_err());
    assert!(client.verify_success(Some(signature.as_bytes())).is_err());
}

#[test]
fn a_signature_in_the_text_of_the_success_is_believed() {
    let (mut client, signature) = before_signature();
    let text = format!("2.7.0 {} welcome", STANDARD.encode(&signature));
    client.verify_success(Some(text.as_bytes())).unwrap();
    let (mut client, signature) = before_signature();
    client.verify_success(Some(signature.as_bytes())).unwrap();
}

#[test]
fn one_challenge_too_many_is_refused() {
    let (mut client, signature) = before_signature();
    client.respond(signature.as_bytes()).unwrap();
    assert!(client.respond(signature.as_bytes()).is_err());
}

#[test]
fn a_hostile_first_message_is_refused() {
    let ours = STANDARD.encode(NONCE);
    let salt = STANDARD.encode("pepper");
    for hostile in [
        String::new(),
        "garbage".to_owned(),
        format!("m=ext,r={ours}x,s={salt},i=64"),
        format!("r={ours},s={salt},i=64"),
        format!("r=other{ours},s={salt},i=64"),
        format!("r={ours}\u{e9},s={salt},i=64"),
        format!("r={ours}x,s=,i=64"),
        format!("r={ours}x,s=***,i=64"),
        format!("r={ours}x,s={salt},i=0"),
        format!("r={ours}x,s={salt},i=-1"),
        format!("r={ours}x,s={salt},i=+64"),
        format!("r={ours}x,s={salt},i=1000001"),
        format!("r={ours}x,s={salt},i=99999999999999999999"),
        format!("s={salt},r={ours}x,i=64"),
        format!("r={ours}x,s={salt}"),
        "e=unknown-user".to_owned(),
    ] {
        let mut client = client(Hash::Sha256, Binding::None, "pencil");
        assert!(client.respond(hostile.as_bytes()).is_err(), "{hostile}");
    }
}

#[test]
fn the_user_name_is_escaped_and_prepared() {
    let salted = SaltedPasswords::default;
    let scram =
        |user, password| Scram::new(Hash::Sha1, Binding::None, user, password, salted(), NONCE);
    let first = scram("a=b,c", "x").unwrap().client_first();
    assert!(text(&first).starts_with("n,,n=a=3Db=2Cc,r="), "{first:?}");
    // RFC 4013 §3: a soft hyphen vanishes, a roman numeral becomes letters.
    let first = scram("I\u{ad}X\u{2168}", "x").unwrap().client_first();
    assert!(text(&first).starts_with("n,,n=IXIX,r="), "{first:?}");
    let error = scram("ana", "canary\u{7}").err().unwrap();
    assert!(!format!("{error} {error:?}").contains("canary"));
    // Newer than Unicode 3.2, and in people's passwords.
    scram("ana", "pass\u{1f600}word").unwrap();
}

#[test]
fn the_exporter_is_preferred_for_binding() {
    let both = ChannelBinding { exporter: Some([1; 32]), server_end_point: Some(vec![2; 32]) };
    let expected = Binding::Bound { kind: "tls-exporter", data: vec![1; 32] };
    assert_eq!(Binding::bound(&both), Some(expected));
    let old = ChannelBinding { exporter: None, server_end_point: Some(vec![2; 32]) };
    assert_eq!(Binding::bound(&old).unwrap().gs2_header(), "p=tls-server-end-point,,");
    assert_eq!(Binding::bound(&ChannelBinding::default()), None);
}

proptest! {
    #[test]
    fn no_challenge_makes_the_client_panic(
        first in proptest::collection::vec(any::<u8>(), 0..200),
        second in ".{0,200}",
        said in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut scram = client(Hash::Sha256, Binding::None, "pencil");
        let _ = scram.respond(&first);
        prop_assert!(scram.verify_success(Some(&said)).is_err());
        let mut scram = client(Hash::Sha256, Binding::None, "pencil");
        let _ = scram.respond(format!("r={}{second}", STANDARD.encode(NONCE)).as_bytes());
        let (mut scram, _) = before_signature();
        let _ = scram.respond(second.as_bytes());
        prop_assert!(scram.verify_success(Some(&said)).is_err());
    }
}
