//! Each mechanism against its specification's example, and against servers
//! that do not keep to it.

use base64::Engine as _;
use proptest::prelude::*;

use super::super::CredentialKind;
use super::super::credentials::SaltedPasswords;
use super::super::encoding::STANDARD;
use super::*;

fn password(user: &str, password: &str) -> Secret {
    Secret::Password {
        user: user.to_owned(),
        password: Zeroizing::new(password.to_owned()),
        salted: SaltedPasswords::default(),
    }
}

fn token(user: &str, token: &str) -> Secret {
    Secret::Token { user: user.to_owned(), token: Zeroizing::new(token.to_owned()) }
}

fn begin(mechanism: Mechanism, secret: &Secret) -> Exchange {
    let channel = ChannelBinding { exporter: Some([3; 32]), server_end_point: None };
    let host = ("server.example.com", 587);
    Exchange::new(mechanism, secret, &channel, &[mechanism], host, || [9; 18]).unwrap()
}

fn command(mechanism: Mechanism, secret: &Secret) -> String {
    String::from_utf8(begin(mechanism, secret).command().unwrap().to_vec()).unwrap()
}

#[test]
fn the_example_of_rfc_4616_is_reproduced() {
    let mut exchange = begin(Mechanism::Plain, &password("tim", "tanstaaftanstaaf"));
    let first = exchange.initial_response().unwrap();
    assert_eq!(first.as_slice(), b"\0tim\0tanstaaftanstaaf");
    exchange.verify_success(None).unwrap();
}

#[test]
fn the_example_of_rfc_2195_is_reproduced() {
    let mut exchange = begin(Mechanism::CramMd5, &password("tim", "tanstaaftanstaaf"));
    assert_eq!(exchange.command().unwrap().as_slice(), b"AUTH CRAM-MD5\r\n");
    let challenge = b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
    assert_eq!(
        exchange.answer(challenge).unwrap().as_slice(),
        b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"
    );
}

#[test]
fn the_documented_form_of_xoauth2_is_reproduced() {
    let secret = token("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
    assert_eq!(
        command(Mechanism::XOAuth2, &secret),
        "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxb\
         VRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==\r\n"
    );
}

#[test]
fn the_example_of_rfc_7628_is_reproduced() {
    let secret = token("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    let mut exchange = begin(Mechanism::OAuthBearer, &secret);
    assert_eq!(
        exchange.initial_response().unwrap().as_slice(),
        b"n,a=user@example.com,\x01host=server.example.com\x01port=587\x01\
          auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
    );
}

#[test]
fn login_gives_user_and_password_in_order_whatever_the_prompts_say() {
    for prompts in [["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], ["Username:", ""]] {
        let mut exchange = begin(Mechanism::Login, &password("ana", "secret"));
        assert_eq!(exchange.command().unwrap().as_slice(), b"AUTH LOGIN\r\n");
        assert_eq!(exchange.answer(prompts[0].as_bytes()).unwrap().as_slice(), b"YW5h\r\n");
        assert_eq!(exchange.answer(prompts[1].as_bytes()).unwrap().as_slice(), b"c2VjcmV0\r\n");
        assert!(exchange.answer(b"").is_err());
    }
}

#[test]
fn external_without_a_name_is_sent_as_an_equals_sign() {
    let secret = Secret::External { authzid: None };
    assert_eq!(command(Mechanism::External, &secret), "AUTH EXTERNAL =\r\n");
    let secret = Secret::External { authzid: Some("ana".to_owned()) };
    assert_eq!(command(Mechanism::External, &secret), "AUTH EXTERNAL YW5h\r\n");
}

#[test]
fn a_first_message_that_was_not_sent_answers_the_first_challenge() {
    let mut exchange = begin(Mechanism::Plain, &password("a", "b"));
    assert_eq!(exchange.answer(b"").unwrap().as_slice(), b"AGEAYg==\r\n");
    assert!(exchange.answer(b"").is_err());
}

#[test]
fn a_refused_token_is_acknowledged_and_its_status_kept() {
    for (mechanism, expected) in
        [(Mechanism::XOAuth2, &b"\r\n"[..]), (Mechanism::OAuthBearer, b"AQ==\r\n")]
    {
        let mut exchange = begin(mechanism, &token("ana", "canary"));
        exchange.command().unwrap();
        let challenge = STANDARD.encode(r#"{"status":"401","scope":"canary"}"#);
        assert_eq!(exchange.answer(challenge.as_bytes()).unwrap().as_slice(), expected);
        assert_eq!(exchange.refusal_detail(), Some("status 401, scope <redacted>"));
        let error = exchange.refused(535);
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Auth, Stage::Auth));
        assert!(error.message_text().contains("status 401"), "{error}");
        assert!(!format!("{error} {error:?} {exchange:?}").contains("canary"));
        assert!(exchange.verify_success(None).is_err(), "success after a refusal");
        assert!(exchange.answer(challenge.as_bytes()).is_err(), "a second refusal");
    }
}

#[test]
fn a_nul_cannot_forge_a_field_of_plain() {
    let channel = ChannelBinding::default();
    for secret in [password("a\0b", "c"), password("a", "b\0canary")] {
        let new = Exchange::new(Mechanism::Plain, &secret, &channel, &[], ("h", 1), || [0; 18]);
        let error = new.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn credentials_that_do_not_fit_the_mechanism_are_refused() {
    let channel = ChannelBinding { exporter: Some([3; 32]), server_end_point: None };
    let secrets = [password("a", "b"), token("a", "b"), Secret::External { authzid: None }];
    let kinds = [CredentialKind::Password, CredentialKind::Token, CredentialKind::External];
    for (secret, kind) in secrets.iter().zip(kinds) {
        for &mechanism in Mechanism::ALL {
            let new = Exchange::new(mechanism, secret, &channel, &[], ("h", 1), || [0; 18]);
            assert_eq!(new.is_ok(), mechanism.credential_kind() == kind, "{mechanism} {kind:?}");
        }
    }
}

/// The first bytes of the SCRAM exchange: the GS2 flag.
fn gs2(mechanism: Mechanism, channel: &ChannelBinding, offered: &[Mechanism]) -> String {
    let secret = password("user", "pencil");
    let new = Exchange::new(mechanism, &secret, channel, offered, ("h", 1), || [0; 18]);
    let first = new.unwrap().initial_response().unwrap();
    String::from_utf8(first.to_vec()).unwrap().split(",,").next().unwrap().to_owned()
}

#[test]
fn the_binding_flag_says_what_client_and_server_could_have_done() {
    use Mechanism::{ScramSha256, ScramSha256Plus};
    let none = ChannelBinding::default();
    let bound = ChannelBinding { exporter: Some([3; 32]), server_end_point: None };
    let both = [ScramSha256, ScramSha256Plus];
    assert_eq!(gs2(ScramSha256Plus, &bound, &both), "p=tls-exporter");
    assert_eq!(gs2(ScramSha256, &bound, &[ScramSha256]), "y");
    assert_eq!(gs2(ScramSha256, &bound, &both), "n");
    assert_eq!(gs2(ScramSha256, &none, &[ScramSha256]), "n");
    let secret = password("user", "pencil");
    let new = Exchange::new(ScramSha256Plus, &secret, &none, &both, ("h", 1), || [0; 18]);
    assert_eq!(new.unwrap_err().kind(), ErrorKind::InvalidConfig);
}

#[test]
fn only_a_refusal_of_the_mechanism_lets_the_next_one_be_tried() {
    let codes: Vec<u16> = (200..600).filter(|code| refuses_mechanism_only(*code)).collect();
    assert_eq!(codes, [432, 504, 534]);
}

#[test]
fn only_a_transient_refusal_is_worth_a_retry() {
    let exchange = begin(Mechanism::Plain, &password("a", "b"));
    assert!(exchange.refused(454).is_retryable());
    assert!(!exchange.refused(535).is_retryable());
}

proptest! {
    #[test]
    fn no_server_makes_an_exchange_panic_or_last(
        which in 0..Mechanism::ALL.len(),
        send_first in any::<bool>(),
        challenges in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 8),
        encoded in any::<bool>(),
    ) {
        let mechanism = Mechanism::ALL[which];
        let secret = match mechanism.credential_kind() {
            CredentialKind::Password => password("ana", "secret"),
            CredentialKind::Token => token("ana", "secret"),
            CredentialKind::External => Secret::External { authzid: None },
        };
        let mut exchange = begin(mechanism, &secret);
        if send_first {
            exchange.command().unwrap();
        }
        let mut answers = 0;
        for challenge in challenges {
            let line = if encoded { STANDARD.encode(&challenge).into_bytes() } else { challenge };
            match exchange.answer(&line) {
                Ok(line) => prop_assert!(line.ends_with(b"\r\n")),
                Err(_) => break,
            }
            answers += 1;
        }
        prop_assert!(answers <= 3, "{} answers to {}", answers, mechanism);
    }
}
