//! Which mechanism to use: [`select`].
//!
//! Strongest first, of what the server offers and the caller allows. CRAM-MD5
//! stands before PLAIN although it makes the server keep passwords in the
//! clear: over the wire it reveals less. PLAIN stands before LOGIN because it
//! is two round trips shorter and says the same.

use super::ChannelBinding;
use super::mechanism::{CredentialKind, Mechanism, names};
use crate::{Error, ErrorKind, Stage};

/// Which mechanisms the caller allows, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuthPolicy {
    /// Only these, in this order; `None`: all, strongest first.
    pub(crate) order: Option<Vec<Mechanism>>,
    /// Not these.
    pub(crate) excluded: Vec<Mechanism>,
}

impl AuthPolicy {
    fn allows(&self, mechanism: Mechanism) -> bool {
        !self.excluded.contains(&mechanism)
            && self.order.as_ref().is_none_or(|order| order.contains(&mechanism))
    }

    fn order(&self) -> &[Mechanism] {
        self.order.as_deref().unwrap_or(Mechanism::ALL)
    }
}

/// The mechanisms to try, in order. The next one may be tried only where
/// [`refuses_mechanism_only`](super::refuses_mechanism_only) says so.
///
/// `secure` says that a secret may be sent: TLS is up, or the caller allowed
/// AUTH without it. Where it is false nothing is tried: even a keyed digest
/// hands an eavesdropper something to guess against.
pub(crate) fn select(
    offered: &[Mechanism],
    policy: &AuthPolicy,
    kind: CredentialKind,
    channel: &ChannelBinding,
    secure: bool,
) -> Vec<Mechanism> {
    if !secure {
        return Vec::new();
    }
    let mut selected = Vec::new();
    for &mechanism in policy.order() {
        if offered.contains(&mechanism)
            && policy.allows(mechanism)
            && mechanism.credential_kind() == kind
            && (!mechanism.binds_channel() || channel.is_available())
            && !selected.contains(&mechanism)
        {
            selected.push(mechanism);
        }
    }
    selected
}

/// The error for an empty selection: what the server offers, what was
/// allowed, what to do. The arguments are those of [`select`].
pub(crate) fn no_mechanism_error(
    offered: &[Mechanism],
    policy: &AuthPolicy,
    kind: CredentialKind,
    channel: &ChannelBinding,
    secure: bool,
) -> Error {
    let error = |message: String| Error::new(ErrorKind::Auth, Stage::Auth, message);
    if !secure {
        return error("the connection is not encrypted, so no credentials are sent".to_owned())
            .with_hint(
                "use implicit TLS or STARTTLS, or set allow_plaintext_auth for a server on a \
                 trusted network",
            );
    }
    if offered.is_empty() {
        return error("the server offers no AUTH mechanism known here".to_owned()).with_hint(
            "check that this is the submission port (465 or 587); a relay on port 25 may want \
             no credentials",
        );
    }
    let usable: Vec<_> = policy
        .order()
        .iter()
        .copied()
        .filter(|mechanism| policy.allows(*mechanism) && mechanism.credential_kind() == kind)
        .collect();
    let allowed = if usable.is_empty() { "none".to_owned() } else { names(&usable) };
    let hint = if offered.iter().all(|mechanism| mechanism.credential_kind() != kind) {
        match kind {
            CredentialKind::Password => "this server does not take passwords: use a token",
            CredentialKind::Token => "this server does not take tokens: use a password",
            CredentialKind::External => {
                "this server does not log in by client certificate: use a password or a token"
            }
        }
    } else if usable.iter().all(|mechanism| mechanism.binds_channel()) && !channel.is_available() {
        "the allowed mechanisms need channel binding, which this connection does not have"
    } else {
        "allow one of the mechanisms that the server offers"
    };
    error(format!(
        "no AUTH mechanism fits: the server offers {}; with these credentials and settings \
         possible: {allowed}",
        names(offered)
    ))
    .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use Mechanism::*;

    use super::*;

    fn bound() -> ChannelBinding {
        ChannelBinding { exporter: Some([1; 32]), server_end_point: None }
    }

    fn select_password(policy: &AuthPolicy, channel: &ChannelBinding) -> Vec<Mechanism> {
        let mut offered = Mechanism::ALL.to_vec();
        offered.reverse();
        select(&offered, policy, CredentialKind::Password, channel, true)
    }

    #[test]
    fn the_strongest_offered_mechanism_comes_first() {
        assert_eq!(
            select_password(&AuthPolicy::default(), &bound()),
            [ScramSha256Plus, ScramSha256, ScramSha1Plus, ScramSha1, CramMd5, Plain, Login]
        );
    }

    #[test]
    fn a_bound_mechanism_is_not_tried_without_a_channel_to_bind_to() {
        assert_eq!(
            select_password(&AuthPolicy::default(), &ChannelBinding::default()),
            [ScramSha256, ScramSha1, CramMd5, Plain, Login]
        );
    }

    #[test]
    fn tokens_use_token_mechanisms_and_certificates_external() {
        let all = Mechanism::ALL;
        let policy = AuthPolicy::default();
        let tokens = select(all, &policy, CredentialKind::Token, &bound(), true);
        assert_eq!(tokens, [OAuthBearer, XOAuth2]);
        let external = select(all, &policy, CredentialKind::External, &bound(), true);
        assert_eq!(external, [External]);
    }

    #[test]
    fn the_callers_order_is_kept_and_is_also_the_limit() {
        let policy =
            AuthPolicy { order: Some(vec![Login, Plain, Login, ScramSha256]), excluded: vec![] };
        assert_eq!(select_password(&policy, &bound()), [Login, Plain, ScramSha256]);
    }

    #[test]
    fn an_excluded_mechanism_is_never_tried() {
        let policy = AuthPolicy { order: Some(vec![Login, Plain]), excluded: vec![Login] };
        assert_eq!(select_password(&policy, &bound()), [Plain]);
    }

    #[test]
    fn nothing_is_tried_over_an_open_connection() {
        let policy = AuthPolicy::default();
        let kind = CredentialKind::Password;
        assert!(select(Mechanism::ALL, &policy, kind, &bound(), false).is_empty());
        let error = no_mechanism_error(Mechanism::ALL, &policy, kind, &bound(), false);
        assert!(error.hint().unwrap().contains("allow_plaintext_auth"));
    }

    #[test]
    fn the_error_says_what_is_offered_what_is_possible_and_what_to_do() {
        let policy = AuthPolicy { order: Some(vec![Plain]), excluded: vec![] };
        let none = ChannelBinding::default();
        let error =
            no_mechanism_error(&[Login, XOAuth2], &policy, CredentialKind::Password, &none, true);
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(!error.is_retryable());
        assert!(error.message_text().contains("offers LOGIN, XOAUTH2"), "{error}");
        assert!(error.message_text().contains("possible: PLAIN"), "{error}");
        assert!(error.hint().unwrap().contains("allow one"), "{error}");
        let error = no_mechanism_error(
            &[XOAuth2],
            &AuthPolicy::default(),
            CredentialKind::Password,
            &none,
            true,
        );
        assert!(error.hint().unwrap().contains("token"), "{error}");
        let error = no_mechanism_error(&[], &policy, CredentialKind::Password, &none, true);
        assert!(error.hint().unwrap().contains("587"), "{error}");
    }
}
