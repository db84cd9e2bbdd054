//! OAuth 2.0 bearer tokens: OAUTHBEARER (RFC 7628) and XOAUTH2.

use serde_json::Value;
use zeroize::Zeroizing;

use super::SecretBytes;
use crate::Error;

/// How much of the server's words goes into an error, in characters.
const MAX_DETAIL: usize = 200;

/// XOAUTH2: `user=` name, `auth=Bearer ` token, each ended by 0x01, and one
/// more at the end.
pub(super) fn xoauth2(user: &str, token: &str) -> Result<SecretBytes, Error> {
    check(user, token)?;
    Ok(joined(&["user=", user, "\x01auth=Bearer ", token, "\x01\x01"]))
}

/// OAUTHBEARER: a GS2 header with the user's name, then key-value pairs.
pub(super) fn bearer(user: &str, token: &str, host: &str, port: u16) -> Result<SecretBytes, Error> {
    check(user, token)?;
    let user = user.replace('=', "=3D").replace(',', "=2C");
    let port = port.to_string();
    Ok(joined(&[
        "n,a=",
        &user,
        ",\x01host=",
        host,
        "\x01port=",
        &port,
        "\x01auth=Bearer ",
        token,
        "\x01\x01",
    ]))
}

/// One allocation, so that no copy of the token stays behind.
fn joined(parts: &[&str]) -> SecretBytes {
    let mut message = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        message.extend_from_slice(part.as_bytes());
    }
    message
}

/// Neither may hold what ends a field.
fn check(user: &str, token: &str) -> Result<(), Error> {
    if user.chars().any(char::is_control) {
        return Err(Error::config("the user name cannot hold control characters"));
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::config("the token is empty or holds characters no token has")
            .with_hint("give the access token alone, without \"Bearer\" and line ends"));
    }
    Ok(())
}

/// What the server says about a token that it refuses (RFC 7628 §3.2.2), fit
/// for an error: bounded, printable and without the token.
pub(super) fn refusal(challenge: &[u8], token: &str) -> String {
    let detail = match serde_json::from_slice::<Value>(challenge) {
        Ok(Value::Object(fields)) => ["status", "error", "error_description", "scope"]
            .iter()
            .filter_map(|name| match fields.get(*name)? {
                Value::String(text) => Some(format!("{name} {text}")),
                Value::Number(number) => Some(format!("{name} {number}")),
                _ => None,
            })
            .collect::<Vec<_>>()
            .join(", "),
        _ => String::from_utf8_lossy(challenge).into_owned(),
    };
    // What is left out goes first: without it the token could stand there.
    let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
    let detail: String = detail.replace(token, "<redacted>").chars().take(MAX_DETAIL).collect();
    if detail.trim().is_empty() { "no reason given".to_owned() } else { detail }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_status_of_a_refused_token_is_kept() {
        let json = br#"{"status":"invalid_token","scope":"mail","openid-configuration":"x"}"#;
        assert_eq!(refusal(json, "t0ken"), "status invalid_token, scope mail");
        assert_eq!(refusal(br#"{"status":400}"#, "t0ken"), "status 400");
        assert_eq!(refusal(b"", "t0ken"), "no reason given");
    }

    #[test]
    fn a_server_that_echoes_the_token_does_not_get_it_into_the_error() {
        assert!(!refusal(br#"{"status":"bad t0ken-canary"}"#, "t0ken-canary").contains("canary"));
        assert!(!refusal(b"bad t0ken-canary", "t0ken-canary").contains("canary"));
        // Nor one that breaks it with what an error leaves out.
        assert_eq!(refusal(b"bad t0\0ken-\x01canary", "t0ken-canary"), "bad <redacted>");
    }

    #[test]
    fn a_token_or_user_that_would_forge_a_field_is_refused() {
        for (user, token) in
            [("a\x01b", "t"), ("a", "t\x01"), ("a", "t t"), ("a", ""), ("a", "t\n")]
        {
            assert!(xoauth2(user, token).is_err());
            assert!(bearer(user, token, "h", 1).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_refusal_is_bounded_and_printable(
            challenge in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let detail = refusal(&challenge, "t0ken");
            prop_assert!(detail.chars().count() <= MAX_DETAIL);
            prop_assert!(!detail.chars().any(char::is_control));
        }
    }
}
