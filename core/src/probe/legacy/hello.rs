//! A ClientHello for the servers that time forgot (RFC 5246 §7.4.1.2).
//!
//! It offers TLS 1.0 to 1.2 (and a server may answer in SSL 3.0), and every
//! cipher suite with a certificate that was ever in wide use. What it offers
//! is not what we can do, since it is never followed by a handshake.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};
use rustls_pki_types::DnsName;

/// The suites, the best first: most servers choose by the client's order.
const SUITES: &[CipherSuite] = &[
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_DHE_DSS_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_DHE_DSS_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA256,
    CipherSuite::TLS_DHE_DSS_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_DHE_DSS_WITH_AES_256_CBC_SHA256,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_DHE_DSS_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DHE_DSS_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_SEED_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_CAMELLIA_128_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_CAMELLIA_256_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_SEED_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_IDEA_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_RC4_128_SHA,
    CipherSuite::TLS_RSA_WITH_RC4_128_SHA,
    CipherSuite::TLS_RSA_WITH_RC4_128_MD5,
    CipherSuite::TLS_DHE_RSA_WITH_DES_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_DES_CBC_SHA,
];

/// Without the finite-field groups of RFC 7919: a server that knows them would
/// have to refuse its own instead of using them.
const GROUPS: &[NamedGroup] =
    &[NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1, NamedGroup::secp521r1];
/// secp256k1, brainpoolP256r1 to P512r1, secp224r1, secp192r1.
const OLD_GROUPS: &[u16] = &[22, 26, 27, 28, 21, 19];

const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::RSA_PKCS1_SHA1,
];
/// RSA-PSS with its own kind of key, DSA with SHA-256 and SHA-1, RSA with MD5.
const OLD_SCHEMES: &[u16] = &[0x0809, 0x080a, 0x080b, 0x0402, 0x0202, 0x0101];

/// The whole record. A name that is none, or an address, is left out.
pub(super) fn client_hello(random: &[u8; 32], sni: Option<&str>) -> Vec<u8> {
    let mut hello = ProtocolVersion::TLSv1_2.to_array().to_vec();
    hello.extend_from_slice(random);
    hello.push(0); // no session to resume
    hello.extend(prefixed_u16(&pairs(SUITES.iter().map(|suite| u16::from(*suite)))));
    hello.extend([1, 0]); // no compression
    let before = 4 + hello.len() + 2; // with the message's header, and their own length
    hello.extend(prefixed_u16(&extensions(sni, before)));

    let mut message = vec![1, 0]; // client_hello, and its length in 24 bits
    message.extend(prefixed_u16(&hello));
    // The version of the record is one that every server knows (RFC 5246 §E.1).
    let mut record = vec![22, 3, 1];
    record.extend(prefixed_u16(&message));
    record
}

/// All extensions of a hello whose message has `before` bytes ahead of them.
fn extensions(sni: Option<&str>, before: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |number: u16, content: &[u8]| {
        all.extend(number.to_be_bytes());
        all.extend(prefixed_u16(content));
    };
    if let Some(name) = sni.and_then(host_name) {
        let entry = [&[0], &*prefixed_u16(name.as_bytes())].concat();
        add(0, &prefixed_u16(&entry)); // server_name
    }
    add(23, &[]); // extended_master_secret
    add(0xff01, &[0]); // renegotiation_info
    let groups = GROUPS.iter().map(|group| u16::from(*group)).chain(OLD_GROUPS.iter().copied());
    add(10, &prefixed_u16(&pairs(groups))); // supported_groups
    add(11, &[1, 0]); // ec_point_formats: uncompressed
    add(5, &[1, 0, 0, 0, 0]); // status_request: OCSP, any responder
    let schemes = SCHEMES.iter().map(|it| u16::from(*it)).chain(OLD_SCHEMES.iter().copied());
    add(13, &prefixed_u16(&pairs(schemes))); // signature_algorithms
    // Some old terminators hang at 256 to 511 bytes (RFC 7685), and some
    // servers do not like the last extension to be empty: this one is neither.
    let padding = 512usize.saturating_sub(before + all.len() + 4).max(1);
    all.extend(21u16.to_be_bytes());
    all.extend(prefixed_u16(&vec![0; padding]));
    all
}

/// What may stand in the server_name extension (RFC 6066 §3): a DNS name
/// without a dot at its end.
fn host_name(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    DnsName::try_from(name).is_ok().then_some(name)
}

fn pairs(numbers: impl Iterator<Item = u16>) -> Vec<u8> {
    numbers.flat_map(u16::to_be_bytes).collect()
}

fn prefixed_u16(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a hello is much shorter than 64 KB");
    [&length.to_be_bytes(), content].concat()
}
