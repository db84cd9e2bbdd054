//! AUTH exchanges with a server that says anything.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt as _;

use crate::TlsMode;
use crate::smtp::auth::{ChannelBinding, CredentialKind, Credentials, Exchange, Mechanism};
use crate::smtp::opening::{Login, Opening, Step};

/// What must not leave where it is not meant to.
const CANARY: &str = "cAnArYcAnArY";

/// The first byte chooses the mechanism, the second how the connection can be
/// bound; then come the server's lines. One that begins with `+` is a
/// challenge, which is encoded for it. Holds:
///
/// - an exchange ends after a few lines, whatever the server does;
/// - every line of the client is one line, within AUTH's limit;
/// - the secret leaves only in the mechanisms that are made to send it, and is
///   in no error;
/// - SCRAM never ends well: nobody here knows the password.
pub fn auth(mut data: &[u8]) {
    let mechanism = Mechanism::ALL[super::choice(&mut data) % Mechanism::ALL.len()];
    let bound = super::choice(&mut data);
    let Some(mut opening) = begin(mechanism, bound) else { return };
    // Errors leave characters out, and the words of a server that says the
    // secret by chance are shown.
    let letters: Vec<u8> = data.iter().copied().filter(u8::is_ascii_alphabetic).collect();
    let said = contains(&letters, CANARY);
    let mut lines = 0;
    let mut check = |opening: &mut Opening| {
        let line = opening.take_output();
        if !line.is_empty() {
            lines += 1;
            client_line(mechanism, &line, lines);
        }
    };
    check(&mut opening);
    for line in data.split(|byte| *byte == b'\n') {
        let wire = server_line(line);
        if asks_too_much(&wire) {
            return;
        }
        let result = opening.receive(&wire);
        check(&mut opening);
        if let Err(error) = result {
            let shown = format!("{error} {error:?} {:?}", error.hint());
            assert!(said || !shown.contains(CANARY), "{shown}");
            return;
        }
        assert!(said || !format!("{opening:?}").contains(CANARY));
        match opening.take_login() {
            None => assert!(matches!(opening.step(), Step::Talk)),
            Some(Login::Accepted) => {
                let scram = mechanism.name().starts_with("SCRAM");
                assert!(!scram, "{mechanism} was satisfied without a proof");
                return;
            }
            Some(Login::Refused { error, .. }) => {
                // Also where the server repeats the token.
                assert!(!error.message_text().contains(CANARY), "{error}");
                return;
            }
        }
    }
}

/// A session that is about to log in.
fn begin(mechanism: Mechanism, bound: usize) -> Option<Opening> {
    let mut opening = Opening::new(TlsMode::Implicit, "client.example", true);
    for reply in [&b"220 mx\r\n"[..], b"250 mx\r\n"] {
        opening.receive(reply).expect("a sound beginning");
        opening.take_output();
    }
    let credentials = match mechanism.credential_kind() {
        CredentialKind::Password => Credentials::password("user", CANARY),
        CredentialKind::Token => Credentials::token("user", CANARY),
        CredentialKind::External => Credentials::external(None),
    };
    let secret = credentials.resolve(false).now_or_never()?.ok()?;
    let channel = ChannelBinding {
        exporter: (bound & 1 != 0).then_some([3; 32]),
        server_end_point: (bound & 2 != 0).then(|| vec![4; 32]),
    };
    let offered = if bound & 4 != 0 { Mechanism::ALL } else { &[mechanism] };
    let host = ("server.example", 587);
    let exchange = Exchange::new(mechanism, &secret, &channel, offered, host, || [9; 18]);
    opening.authenticate(exchange.ok()?).expect("the first line fits");
    Some(opening)
}

fn client_line(mechanism: Mechanism, line: &[u8], count: usize) {
    assert!(count <= 4, "{mechanism} does not end");
    assert!(line.len() <= 12_288 + 2);
    let text = line.strip_suffix(b"\r\n").expect("a whole line");
    assert!(text.iter().all(|byte| matches!(byte, b' '..=b'~')));
    let sends_secret = matches!(
        mechanism,
        Mechanism::Plain | Mechanism::Login | Mechanism::OAuthBearer | Mechanism::XOAuth2
    );
    let last = text.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let raw = BASE64_STANDARD.decode(last).unwrap_or_default();
    assert!(sends_secret || !(contains(text, CANARY) || contains(&raw, CANARY)));
}

fn server_line(line: &[u8]) -> Vec<u8> {
    let mut wire = match line.strip_prefix(b"+") {
        Some(challenge) => format!("334 {}", BASE64_STANDARD.encode(challenge)).into_bytes(),
        None => line.to_vec(),
    };
    wire.extend_from_slice(b"\r\n");
    wire
}

/// Iterations of SCRAM that are allowed, but too slow to try often.
fn asks_too_much(wire: &[u8]) -> bool {
    let text = wire.trim_ascii().strip_prefix(b"334 ").unwrap_or_default().trim_ascii();
    let challenge = BASE64_STANDARD.decode(text).unwrap_or_else(|_| text.to_vec());
    let digits = |at: usize| challenge[at..].iter().take_while(|byte| byte.is_ascii_digit());
    challenge.windows(2).enumerate().any(|(at, pair)| pair == b"i=" && digits(at + 2).count() > 3)
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}
