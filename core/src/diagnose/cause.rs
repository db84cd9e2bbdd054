//! From an error to one sentence of cause and one of remedy: [`cause`].

use std::error::Error as _;
use std::io;

use rustls::{AlertDescription, PeerIncompatible};

use super::overheard::Speech;
use super::replies;
use super::report::Step;
use crate::finding::{Finding, FindingId};
use crate::smtp::Capabilities;
use crate::tls::TlsVersion;
use crate::{Endpoint, Error, ErrorKind, Stage, TlsMode};

/// Why a rung failed, and what to do.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub(super) finding: Finding,
    pub(super) remedy: String,
}

impl Cause {
    pub(super) fn new(id: FindingId, message: impl Into<String>) -> Self {
        Cause { finding: Finding::new(id, message), remedy: id.remedy().to_owned() }
    }

    pub(super) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

/// What the error alone does not tell.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) step: Step,
    /// What the server said first.
    pub(super) speech: Speech,
    /// What the last EHLO offered, if one was answered.
    pub(super) offered: Option<&'a Capabilities>,
    /// Whether credentials were given.
    pub(super) logs_in: bool,
    pub(super) minimum_version: TlsVersion,
}

/// Judges by the step, the server's reply, and what it said first.
pub(super) fn cause(error: &Error, scene: &Scene<'_>) -> Cause {
    if let Some(finding) = error.certificate().and_then(|report| report.findings.first()) {
        return Cause { finding: finding.clone(), remedy: finding.remedy().to_owned() };
    }
    match scene.step {
        Step::Dns => Cause::new(FindingId::DnsFailed, error.message_text()),
        Step::Tcp => connection(error, scene),
        Step::Handshake | Step::Certificate => handshake(error, scene),
        Step::Greeting => greeting(error, scene),
        Step::StartTls => starttls(error, scene),
        Step::Ehlo | Step::EhloInTls => replied(error, scene, |_| FindingId::EhloRefused)
            .unwrap_or_else(|| broken(error, scene)),
        Step::AuthOffered => unfitting(error, scene),
        Step::Auth => login(error, scene),
        Step::Size => Cause::new(FindingId::SizeLimit, error.message_text()),
        Step::Sender => {
            replied(error, scene, replies::sender).unwrap_or_else(|| broken(error, scene))
        }
        Step::Recipients => {
            let anonymous = !scene.logs_in
                && scene.offered.is_some_and(|offered| offered.auth_names().next().is_some());
            replied(error, scene, |reply| replies::recipient(reply, anonymous))
                .unwrap_or_else(|| broken(error, scene))
        }
    }
}

/// `mail.example.org port 587`.
pub(super) fn place(endpoint: &Endpoint) -> String {
    format!("{} port {}", endpoint.host, endpoint.port)
}

fn connection(error: &Error, scene: &Scene<'_>) -> Cause {
    if error.stage() == Stage::Proxy {
        return Cause::new(FindingId::ProxyFailed, error.message_text());
    }
    let place = place(scene.endpoint);
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            let message = format!("{place} refuses connections: nothing listens there");
            Cause::new(FindingId::Refused, message)
        }
        Some(kind) if kind != io::ErrorKind::TimedOut && error.kind() != ErrorKind::Timeout => {
            use io::ErrorKind::{AddrNotAvailable, InvalidInput, PermissionDenied};
            let cause = Cause::new(FindingId::Unreachable, error.message_text());
            // The fault is on this machine, and the error knows which.
            match (kind, error.hint()) {
                (AddrNotAvailable | InvalidInput | PermissionDenied, Some(hint)) => {
                    cause.with_remedy(hint)
                }
                _ => cause,
            }
        }
        _ => {
            let message = format!(
                "{}; not even a refusal, which is what a firewall looks like",
                error.message_text()
            );
            Cause::new(FindingId::Silent, message)
        }
    }
}

fn handshake(error: &Error, scene: &Scene<'_>) -> Cause {
    let place = place(scene.endpoint);
    if scene.endpoint.tls == TlsMode::Implicit
        && let Some(cause) = plain_where_tls_was_due(scene)
    {
        return cause;
    }
    let text = error.message_text();
    let tls = error.source().and_then(|source| source.downcast_ref::<rustls::Error>());
    use rustls::Error::{AlertReceived, NoCertificatesPresented};
    match tls {
        Some(
            AlertReceived(AlertDescription::ProtocolVersion)
            | rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ),
        ) => match scene.minimum_version {
            TlsVersion::Tls12 => Cause::new(
                FindingId::LegacyTls,
                format!("{place} speaks only versions of TLS older than 1.2: {text}"),
            ),
            TlsVersion::Tls13 => Cause::new(
                FindingId::HandshakeFailed,
                format!("{place} does not speak TLS 1.3, which is the least allowed here: {text}"),
            )
            .with_remedy("allow TLS 1.2 (min_tls=1.2), or switch TLS 1.3 on in the server"),
        },
        Some(NoCertificatesPresented) => {
            Cause::new(FindingId::NoCertificate, format!("{place} sent no certificate"))
        }
        Some(AlertReceived(alert)) if wants_client_certificate(*alert) => Cause::new(
            FindingId::ClientCertificateWanted,
            format!("{place} wants a client certificate: {text}"),
        ),
        Some(_) => {
            let cause = Cause::new(FindingId::HandshakeFailed, format!("{place}: {text}"));
            match error.hint() {
                Some(hint) => cause.with_remedy(hint),
                None => cause,
            }
        }
        None => broken(error, scene),
    }
}

fn wants_client_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// What a server that speaks first says of a port for implicit TLS.
fn plain_where_tls_was_due(scene: &Scene<'_>) -> Option<Cause> {
    let place = place(scene.endpoint);
    match &scene.speech {
        Speech::Smtp(code, line) if code / 100 == 4 => {
            let message = format!("{place} turns connections away for now: {line}");
            Some(Cause::new(FindingId::RateLimited, message))
        }
        Speech::Smtp(_, line) => Some(plaintext_on_implicit(scene.endpoint, Some(line))),
        Speech::Other(name, line) => Some(not_smtp(scene.endpoint, name, line)),
        Speech::None | Speech::Tls => None,
    }
}

pub(super) fn plaintext_on_implicit(endpoint: &Endpoint, line: Option<&str>) -> Cause {
    let said = line.map_or(String::new(), |line| format!(" ({line:.60})"));
    let message = format!(
        "{} answers in plain text{said} where TLS from the first byte was expected",
        place(endpoint)
    );
    let remedy = format!("use STARTTLS on this port: {}", url(endpoint, TlsMode::StartTls));
    Cause::new(FindingId::PlaintextOnImplicit, message).with_remedy(remedy)
}

pub(super) fn tls_on_plaintext(endpoint: &Endpoint) -> Cause {
    let message = format!(
        "{} speaks TLS from the first byte, where a greeting in plain text was expected",
        place(endpoint)
    );
    let remedy = format!("use implicit TLS on this port: {}", url(endpoint, TlsMode::Implicit));
    Cause::new(FindingId::TlsOnPlaintext, message).with_remedy(remedy)
}

fn not_smtp(endpoint: &Endpoint, name: &str, line: &str) -> Cause {
    let what = match name {
        "" => "something that is not SMTP".to_owned(),
        name => format!("{name}, not SMTP"),
    };
    let message = format!("{} speaks {what}: {line:.60}", place(endpoint));
    Cause::new(FindingId::NotSmtp, message)
}

/// How to name the same server in another mode.
pub(super) fn url(endpoint: &Endpoint, mode: TlsMode) -> String {
    let host = match endpoint.host.contains(':') {
        true => format!("[{}]", endpoint.host),
        false => endpoint.host.clone(),
    };
    match mode {
        TlsMode::Implicit => format!("smtps://{host}:{}", endpoint.port),
        _ => format!("smtp://{host}:{}?tls=required", endpoint.port),
    }
}

fn greeting(error: &Error, scene: &Scene<'_>) -> Cause {
    if scene.speech == Speech::Tls && scene.endpoint.tls != TlsMode::Implicit {
        return tls_on_plaintext(scene.endpoint);
    }
    let refused = |reply: &crate::smtp::Reply| match reply.is_transient() {
        true => FindingId::RateLimited,
        false => FindingId::GreetingRefused,
    };
    if let Some(cause) = replied(error, scene, refused) {
        return cause;
    }
    match &scene.speech {
        Speech::Other(name, line) if error.kind() == ErrorKind::Protocol => {
            not_smtp(scene.endpoint, name, line)
        }
        _ => broken(error, scene),
    }
}

fn starttls(error: &Error, scene: &Scene<'_>) -> Cause {
    let place = place(scene.endpoint);
    match error.kind() {
        ErrorKind::Unsupported if scene.offered.is_some_and(is_masked) => Cause::new(
            FindingId::StarttlsStripped,
            format!("{place} shows a capability of crossed-out letters where STARTTLS would be"),
        ),
        ErrorKind::Unsupported => Cause::new(
            FindingId::StarttlsMissing,
            format!("{place} does not offer STARTTLS, and TLS is required"),
        ),
        ErrorKind::Protocol => {
            Cause::new(FindingId::StarttlsInjection, format!("{place}: {}", error.message_text()))
        }
        _ => replied(error, scene, |_| FindingId::StarttlsRefused)
            .unwrap_or_else(|| broken(error, scene)),
    }
}

/// Firewalls that inspect SMTP write X over what they do not let through, as
/// in `XXXXXXXA` for STARTTLS.
pub(super) fn is_masked(offered: &Capabilities) -> bool {
    offered.iter().any(|(keyword, _)| {
        keyword.len() == "STARTTLS".len() && keyword[..7].bytes().all(|byte| byte == b'X')
    })
}

fn unfitting(error: &Error, scene: &Scene<'_>) -> Cause {
    let place = place(scene.endpoint);
    let offered = scene.offered.map_or(0, |offered| offered.auth_names().count());
    let id = match error.message_text() {
        text if text.contains("not encrypted") => FindingId::AuthNeedsTls,
        _ if offered == 0 => FindingId::AuthNotOffered,
        _ => FindingId::MechanismNotOffered,
    };
    let message = match id {
        FindingId::AuthNotOffered => format!("{place} offers no login at all"),
        _ => format!("{place}: {}", error.message_text()),
    };
    let cause = Cause::new(id, message);
    match error.hint() {
        Some(hint) if id == FindingId::MechanismNotOffered => cause.with_remedy(hint),
        _ => cause,
    }
}

fn login(error: &Error, scene: &Scene<'_>) -> Cause {
    if let Some(cause) = replied(error, scene, replies::login) {
        return cause;
    }
    if error.kind() != ErrorKind::Auth {
        return broken(error, scene);
    }
    // Without a reply it was this side that gave up: a proof that is wrong, or
    // a provider without a token.
    let id = match error.is_retryable() {
        true => FindingId::AuthTransient,
        false => FindingId::ServerUnproven,
    };
    let cause = Cause::new(id, format!("{}: {}", place(scene.endpoint), error.message_text()));
    match error.hint() {
        Some(hint) => cause.with_remedy(hint),
        None => cause,
    }
}

/// The cause where a reply is one.
fn replied(
    error: &Error,
    scene: &Scene<'_>,
    id: impl FnOnce(&crate::smtp::Reply) -> FindingId,
) -> Option<Cause> {
    let reply = error.reply()?;
    let id = if reply.code() == 421 { FindingId::RateLimited } else { id(reply) };
    let place = place(scene.endpoint);
    let what = match id {
        FindingId::RateLimited => "turns this client away for now",
        FindingId::GreetingRefused => "refuses to talk to this address",
        FindingId::EhloRefused => "refuses EHLO",
        FindingId::StarttlsRefused => "offers STARTTLS and then refuses it",
        FindingId::CredentialsRefused => "refuses user name or password",
        FindingId::AuthPolicy => "refuses the login by its policy, and not for the password alone",
        FindingId::AuthTransient => "cannot check the login just now",
        FindingId::AuthRequired if scene.step == Step::Auth => "wants more before a login",
        FindingId::AuthRequired => "wants a login first",
        FindingId::MechanismNotOffered => "does not take the mechanism of the login",
        FindingId::SizeLimit => "takes no message of that size",
        FindingId::SenderRefused => "refuses the sender",
        FindingId::RecipientRefused if reply.is_transient() => "puts the recipient off for now",
        FindingId::RecipientRefused => "refuses the recipient",
        _ => "says no",
    };
    let cause = Cause::new(id, format!("{place} {what}: {reply}"));
    Some(match (id, scene.step) {
        (FindingId::AuthRequired, Step::Auth) => cause
            .with_remedy("read the server's reply: TLS is what it usually wants before a login"),
        (FindingId::RecipientRefused, _) if reply.is_transient() => cause.with_remedy(
            "try again in some minutes: servers that do not know the sender yet put it off so",
        ),
        _ => cause,
    })
}

/// The conversation ended: silence, the end of the connection, or nonsense.
fn broken(error: &Error, scene: &Scene<'_>) -> Cause {
    let id = match error.kind() {
        ErrorKind::Timeout => FindingId::Stalled,
        ErrorKind::Connect => FindingId::ConnectionLost,
        ErrorKind::Tls => return handshake_late(error, scene),
        _ => FindingId::NotSmtp,
    };
    Cause::new(id, format!("{}: {}", place(scene.endpoint), error.message_text()))
}

/// Under TLS 1.3 a server complains of the client's certificate only after
/// the handshake.
fn handshake_late(error: &Error, scene: &Scene<'_>) -> Cause {
    let tls = error.source().and_then(|source| source.downcast_ref::<rustls::Error>());
    let id = match tls {
        Some(rustls::Error::AlertReceived(alert)) if wants_client_certificate(*alert) => {
            FindingId::ClientCertificateWanted
        }
        _ => FindingId::HandshakeFailed,
    };
    Cause::new(id, format!("{}: {}", place(scene.endpoint), error.message_text()))
}
