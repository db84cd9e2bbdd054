//! What a refusal means: replies to AUTH, MAIL and RCPT (RFC 4954 §6,
//! RFC 5321 §4.2, RFC 3463), and what large providers make of them.

use crate::finding::FindingId;
use crate::smtp::Reply;

fn enhanced(reply: &Reply) -> Option<(u16, u16)> {
    reply.enhanced().map(|code| (code.subject, code.detail))
}

/// A refused AUTH.
pub(super) fn login(reply: &Reply) -> FindingId {
    match (reply.code(), enhanced(reply)) {
        (421, _) => FindingId::RateLimited,
        (504, _) => FindingId::MechanismNotOffered,
        // A password transition is not cured by waiting.
        (432, _) => FindingId::AuthPolicy,
        (400..=499, _) => FindingId::AuthTransient,
        (530, _) => FindingId::AuthRequired,
        // Encryption, transition, disabled account, trust relation; 139 is
        // Microsoft's for a tenant that has switched SMTP AUTH off.
        (535, Some((7, 9..=15 | 139))) => FindingId::AuthPolicy,
        (535, _) | (_, Some((7, 8))) => FindingId::CredentialsRefused,
        _ => FindingId::AuthPolicy,
    }
}

/// A refused MAIL.
pub(super) fn sender(reply: &Reply) -> FindingId {
    match (reply.code(), enhanced(reply)) {
        (421, _) => FindingId::RateLimited,
        (530, _) => FindingId::AuthRequired,
        (552, _) | (_, Some((3, 4) | (2, 3))) => FindingId::SizeLimit,
        // Exchange: the client was not authenticated to send as anybody.
        (550 | 554, Some((7, 57 | 60))) => FindingId::AuthRequired,
        (450 | 451, Some((7, _))) => FindingId::RateLimited,
        _ => FindingId::SenderRefused,
    }
}

/// A refused RCPT; `anonymous`: nobody logged in although it was offered.
pub(super) fn recipient(reply: &Reply, anonymous: bool) -> FindingId {
    match (reply.code(), enhanced(reply)) {
        (421, _) => FindingId::RateLimited,
        (530, _) => FindingId::AuthRequired,
        (_, Some((3, 4) | (2, 3))) => FindingId::SizeLimit,
        // "Relaying denied".
        (550 | 551 | 553 | 554, Some((7, _))) if anonymous => FindingId::AuthRequired,
        _ => FindingId::RecipientRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply::reply;

    #[test]
    fn a_refused_login_tells_the_password_from_policy_and_outage() {
        use FindingId::*;
        for (text, id) in [
            ("535 5.7.8 authentication failed", CredentialsRefused),
            ("535 no", CredentialsRefused),
            ("535 5.7.3 Authentication unsuccessful", CredentialsRefused),
            ("535 5.7.139 SmtpClientAuthentication is disabled for the Tenant", AuthPolicy),
            ("534 5.7.9 Application-specific password required", AuthPolicy),
            ("534 5.7.14 Please log in with your web browser", AuthPolicy),
            ("538 5.7.11 Encryption required", AuthPolicy),
            ("525 5.7.13 User account disabled", AuthPolicy),
            ("550 5.7.1 Your address is blocked", AuthPolicy),
            ("554 5.7.8 bad login", CredentialsRefused),
            ("432 4.7.12 A password transition is needed", AuthPolicy),
            ("454 4.7.0 Temporary authentication failure", AuthTransient),
            ("451 4.3.0 no backend", AuthTransient),
            ("421 4.7.0 Too many failed logins", RateLimited),
            ("504 5.5.4 Unrecognized authentication type", MechanismNotOffered),
            ("530 5.7.0 Must issue a STARTTLS command first", AuthRequired),
        ] {
            assert_eq!(login(&reply(text)), id, "{text}");
        }
    }

    #[test]
    fn a_refused_sender_tells_the_address_from_login_limit_and_size() {
        use FindingId::*;
        for (text, id) in [
            ("530 5.7.0 Authentication required", AuthRequired),
            ("550 5.7.60 Client does not have permissions to send as this sender", AuthRequired),
            ("553 5.7.1 Sender address rejected: not owned by user", SenderRefused),
            ("550 5.1.8 domain not found", SenderRefused),
            ("552 5.3.4 Message size exceeds fixed limit", SizeLimit),
            ("451 4.7.1 too many messages", RateLimited),
            ("421 4.3.2 closing", RateLimited),
        ] {
            assert_eq!(sender(&reply(text)), id, "{text}");
        }
    }

    #[test]
    fn relaying_denied_asks_for_a_login_only_where_nobody_logged_in() {
        let denied = reply("554 5.7.1 Relay access denied");
        assert_eq!(recipient(&denied, true), FindingId::AuthRequired);
        assert_eq!(recipient(&denied, false), FindingId::RecipientRefused);
        let unknown = reply("550 5.1.1 no such user");
        assert_eq!(recipient(&unknown, true), FindingId::RecipientRefused);
    }
}
