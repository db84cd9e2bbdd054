//! Whom a connection speaks to: [`Peer`].

use std::sync::Arc;
use std::time::SystemTime;

use rustls::{ClientConnection, HandshakeKind, ProtocolVersion};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::tickets::Basis;
use crate::certificate::{Certificate, HashAlgorithm};
use crate::smtp::auth::ChannelBinding;

/// The server at the other end, as the handshake showed it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The server's own certificate; for a resumed session the one of the full
    /// handshake it rests on, which the server may have replaced since.
    pub(crate) leaf: Arc<Certificate>,
    /// Whether this handshake was full: only then is the leaf what the server
    /// has now.
    pub(crate) full: bool,
    /// When the first certificate of the verified path ends; the end of time
    /// where any certificate is accepted.
    pub(crate) earliest_not_after: SystemTime,
    /// `TLSv1.2` or `TLSv1.3`.
    pub(crate) protocol: &'static str,
    /// The cipher suite by its IANA name.
    pub(crate) cipher: String,
    /// The key exchange group; none when TLS 1.2 was resumed.
    pub(crate) group: Option<&'static str>,
    pub(crate) channel_binding: ChannelBinding,
}

impl Peer {
    pub(super) fn new(connection: &ClientConnection, basis: &Basis) -> Self {
        let Agreed { protocol, cipher, group } = Agreed::of(connection);
        Peer {
            leaf: Arc::clone(&basis.leaf),
            full: connection.handshake_kind() != Some(HandshakeKind::Resumed),
            earliest_not_after: basis.earliest_not_after,
            protocol,
            cipher,
            group,
            channel_binding: ChannelBinding {
                exporter: exporter(connection, connection.protocol_version()),
                server_end_point: server_end_point(&basis.leaf),
            },
        }
    }
}

/// What both ends agreed on.
pub(crate) struct Agreed {
    /// `TLSv1.2` or `TLSv1.3`.
    pub(crate) protocol: &'static str,
    /// The cipher suite by its IANA name.
    pub(crate) cipher: String,
    /// The key exchange group; none when TLS 1.2 was resumed.
    pub(crate) group: Option<&'static str>,
}

impl Agreed {
    /// Reads it from a finished handshake.
    pub(crate) fn of(connection: &ClientConnection) -> Self {
        let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let group = connection.negotiated_key_exchange_group();
        Agreed {
            protocol: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            cipher: suite.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1),
            group: group.and_then(|group| group.name().as_str()),
        }
    }
}

fn exporter(connection: &ClientConnection, version: Option<ProtocolVersion>) -> Option<[u8; 32]> {
    if version != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    // RFC 9266 §2: this label, an empty context, 32 bytes.
    connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
}

fn server_end_point(leaf: &Certificate) -> Option<Vec<u8>> {
    Some(match leaf.signature_hash()? {
        // MD5 and SHA-1 are replaced, RFC 5929 §4.1.
        HashAlgorithm::Md5 | HashAlgorithm::Sha1 | HashAlgorithm::Sha256 => {
            Sha256::digest(leaf.der()).to_vec()
        }
        HashAlgorithm::Sha384 => Sha384::digest(leaf.der()).to_vec(),
        HashAlgorithm::Sha512 => Sha512::digest(leaf.der()).to_vec(),
    })
}
