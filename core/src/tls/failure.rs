//! What a failed handshake means, and what to do about it.

use std::io;

use rustls::{AlertDescription, InvalidMessage, PeerIncompatible};

use crate::{Endpoint, Error, ErrorKind, Stage, TlsMode};

/// Reads an IO error of a TLS stream.
///
/// Also good for errors after the handshake: a TLS 1.3 server refuses a
/// missing client certificate only then.
pub(crate) fn read(endpoint: &Endpoint, stage: Stage, error: io::Error) -> Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    match tls {
        Some(cause) => of_tls(endpoint, stage, &cause).with_source(cause),
        None => of_io(endpoint, stage, &error).with_source(error),
    }
    .with_endpoint(endpoint)
}

fn of_io(endpoint: &Endpoint, stage: Stage, error: &io::Error) -> Error {
    let doing = stage.doing();
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the server closed the connection while {doing}"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            format!("the connection was reset while {doing}")
        }
        _ => format!("the connection failed while {doing}: {error}"),
    };
    let failure = Error::new(ErrorKind::Connect, stage, message);
    match (stage, endpoint.tls) {
        (Stage::Handshake, TlsMode::Implicit) => failure.with_hint(
            "the server may be restarting; if it always does this, check that the port is one \
             for TLS from the start (465), not for STARTTLS (587)",
        ),
        (Stage::Handshake, _) => {
            failure.with_hint("the server may be restarting; if not, its log says why it hung up")
        }
        _ => failure,
    }
}

fn of_tls(endpoint: &Endpoint, stage: Stage, cause: &rustls::Error) -> Error {
    let (message, hint) = match cause {
        // The first byte of a reply in plain text ("220 …") is no TLS record.
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)
            if stage == Stage::Handshake =>
        {
            ("the server did not answer in TLS".to_owned(), plaintext_hint(endpoint.tls))
        }
        rustls::Error::AlertReceived(alert) => {
            let name = alert.as_str().unwrap_or("unknown");
            (format!("the server ended TLS with the alert {name}"), alert_hint(*alert))
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => ("the server offers only versions of TLS that are too old".to_owned(), VERSION_HINT),
        rustls::Error::PeerIncompatible(_) => (cause.to_string(), PARAMETERS_HINT),
        rustls::Error::FailedToGetCurrentTime => (
            "this machine's clock shows a time before 1970".to_owned(),
            "set this machine's clock, then try again",
        ),
        rustls::Error::NoCertificatesPresented => (
            "the server sent no certificate".to_owned(),
            "give the mail server a certificate and key in its TLS settings",
        ),
        other => (other.to_string(), "the server's log may say more"),
    };
    Error::new(ErrorKind::Tls, stage, message).with_hint(hint)
}

fn plaintext_hint(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Implicit => {
            "the server speaks plain SMTP on this port: use starttls here, or port 465"
        }
        _ => {
            "the server agreed to STARTTLS and went on in plain text: its TLS settings, or \
             something between here and it, are broken"
        }
    }
}

const VERSION_HINT: &str = "let the server offer TLS 1.2 or 1.3; if TLS 1.3 is required here, \
                            allow 1.2 as the minimum";
const PARAMETERS_HINT: &str = "the server's TLS settings leave no cipher, group or signature in \
                               common: let it offer ECDHE with AES-GCM or ChaCha20";
const CLIENT_HINT: &str = "the server wants a client certificate that it knows: give one of the \
                           authority it trusts, still valid, with its chain";

fn alert_hint(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::ProtocolVersion => VERSION_HINT,
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            PARAMETERS_HINT
        }
        // A server has no other certificate to complain of than the client's.
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => CLIENT_HINT,
        AlertDescription::UnrecognisedName => {
            "the server does not serve this name: connect by its own name, or set the name to \
             send (SNI)"
        }
        AlertDescription::InternalError => {
            "the server has a fault of its own, often a certificate it cannot read: see its log"
        }
        _ => "the server's log says why",
    }
}
