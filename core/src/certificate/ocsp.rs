//! Stapled OCSP responses (RFC 6960): [`Staple`].
//!
//! Read within bounds and never trusted before its signature is checked, which
//! the issuer's key made, or that of a responder whose certificate the issuer
//! signed for this purpose (§4.2.2.2).

use std::time::SystemTime;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::der::{self, Reader, Signed};
use super::facts::Certificate;
use super::signature::{self, Signature};

/// How many answers of a response are looked at.
const MAX_ANSWERS: usize = 64;

/// How many certificates of responders are looked at.
const MAX_RESPONDERS: usize = 8;

/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
const BASIC: [u8; 9] = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
const SHA1: [u8; 5] = [0x2b, 0x0e, 3, 2, 0x1a];
const SHA256: [u8; 9] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

/// What a stapled OCSP response says of the leaf.
///
/// Whether it may be believed is in the findings: `staple-invalid` if not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Staple {
    /// What became of the certificate.
    pub status: StapleStatus,
    /// When the responder knew this.
    pub this_update: SystemTime,
    /// When it will know more; `None`: it always does.
    pub next_update: Option<SystemTime>,
}

/// What an OCSP responder says of a certificate (RFC 6960 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StapleStatus {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// Since when.
        at: SystemTime,
        /// Why, such as `keyCompromise`, if it says so.
        reason: Option<&'static str>,
    },
    /// The responder does not know the certificate.
    Unknown,
}

/// A revocation, from a response or a list.
pub(super) struct Revocation {
    pub(super) at: SystemTime,
    pub(super) reason: Option<&'static str>,
}

/// Why a response says nothing of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Unreadable,
    /// The responder refused to answer: OCSPResponseStatus.
    Refused(&'static str),
    OtherCertificate,
}

/// A response that is about the certificate asked for.
pub(super) struct Response<'a> {
    pub(super) staple: Staple,
    signed: Signed<'a>,
    responders: Vec<Certificate>,
}

impl<'a> Response<'a> {
    /// Reads the answer about `leaf`. `issuer_keys` are the keys that may have
    /// issued it; if there are any, the answer must be of one of them.
    pub(super) fn read(
        der: &'a [u8],
        leaf: &Certificate,
        issuer_keys: &[Vec<u8>],
    ) -> Result<Self, Unusable> {
        let (status, basic) = outer(der).ok_or(Unusable::Unreadable)?;
        if let Some(refusal) = refusal(status) {
            return Err(Unusable::Refused(refusal));
        }
        let mut signed = basic.and_then(Signed::read).ok_or(Unusable::Unreadable)?;
        let answers = answers(signed.message).ok_or(Unusable::Unreadable)?;
        let answer = answers
            .into_iter()
            .find(|answer| answer.is_about(leaf, issuer_keys))
            .ok_or(Unusable::OtherCertificate)?;
        let responders = responders(&mut signed.rest);
        Ok(Response { staple: answer.staple, signed, responders })
    }

    /// Whether the issuer or a responder of the issuer's signed it, as of
    /// `now`.
    pub(super) fn signature(
        &self,
        leaf: &Certificate,
        issuer_keys: &[Vec<u8>],
        now: SystemTime,
    ) -> Signature {
        let direct = signature::check_any(&self.signed, issuer_keys);
        if direct == Signature::Good || issuer_keys.is_empty() {
            return direct;
        }
        let delegated = self.responders.iter().filter(|responder| {
            responder.issuer_der() == leaf.issuer_der()
                && responder.extended_key_usage().is_some()
                && responder.allows("OCSPSigning")
                && (responder.not_before()..=responder.not_after()).contains(&now)
                && issuer_keys.iter().any(|key| responder.signature_by_key(key) == Signature::Good)
        });
        let mut keys = delegated.filter_map(|responder| responder.spki());
        match keys.any(|key| signature::check(&self.signed, key) == Signature::Good) {
            true => Signature::Good,
            false => direct,
        }
    }
}

/// Status and BasicOCSPResponse.
fn outer(der: &[u8]) -> Option<(u8, Option<&[u8]>)> {
    let mut response = Reader::new(der).enter(der::SEQUENCE)?;
    let &[status] = response.take(der::ENUMERATED)? else { return None };
    let Some(bytes) = response.optional(der::explicit(0)) else { return Some((status, None)) };
    let mut bytes = Reader::new(bytes).enter(der::SEQUENCE)?;
    if bytes.take(der::OBJECT_IDENTIFIER)? != BASIC {
        return None;
    }
    Some((status, Some(bytes.take(der::OCTET_STRING)?)))
}

fn refusal(status: u8) -> Option<&'static str> {
    match status {
        0 => None,
        1 => Some("malformed request"),
        2 => Some("internal error"),
        3 => Some("try later"),
        5 => Some("signature required"),
        6 => Some("unauthorized"),
        _ => Some("unknown status"),
    }
}

struct Answer<'a> {
    hash: &'a [u8],
    name_hash: &'a [u8],
    key_hash: &'a [u8],
    serial: &'a [u8],
    staple: Staple,
}

fn answers(response_data: &[u8]) -> Option<Vec<Answer<'_>>> {
    let mut data = Reader::new(response_data).enter(der::SEQUENCE)?;
    data.optional(der::explicit(0));
    // Responder and time of production.
    data.any()?;
    data.take(der::GENERALIZED_TIME)?;
    let mut list = data.enter(der::SEQUENCE)?;
    let mut answers = Vec::new();
    while !list.is_empty() && answers.len() < MAX_ANSWERS {
        answers.push(answer(list.enter(der::SEQUENCE)?)?);
    }
    Some(answers)
}

fn answer(mut fields: Reader<'_>) -> Option<Answer<'_>> {
    let mut id = fields.enter(der::SEQUENCE)?;
    let hash = id.enter(der::SEQUENCE)?.take(der::OBJECT_IDENTIFIER)?;
    let name_hash = id.take(der::OCTET_STRING)?;
    let key_hash = id.take(der::OCTET_STRING)?;
    let serial = id.take(der::INTEGER)?;
    let status = fields.any()?;
    let status = match status.tag {
        0x80 => StapleStatus::Good,
        0xa1 => revoked(Reader::new(status.content))?,
        0x82 => StapleStatus::Unknown,
        _ => return None,
    };
    let this_update = der::generalized_time(fields.take(der::GENERALIZED_TIME)?)?;
    let next_update = match fields.optional(der::explicit(0)) {
        None => None,
        Some(time) => {
            let time = Reader::new(time).take(der::GENERALIZED_TIME)?;
            Some(der::generalized_time(time)?)
        }
    };
    let staple = Staple { status, this_update, next_update };
    Some(Answer { hash, name_hash, key_hash, serial, staple })
}

fn revoked(mut info: Reader<'_>) -> Option<StapleStatus> {
    let at = der::generalized_time(info.take(der::GENERALIZED_TIME)?)?;
    let reason = match info.optional(der::explicit(0)) {
        Some(reason) => Reader::new(reason).take(der::ENUMERATED)?.first().copied().map(reason_of),
        None => None,
    };
    Some(StapleStatus::Revoked { at, reason })
}

/// CRLReason by its name in RFC 5280 §5.3.1.
pub(super) fn reason_of(code: u8) -> &'static str {
    match code {
        1 => "keyCompromise",
        2 => "cACompromise",
        3 => "affiliationChanged",
        4 => "superseded",
        5 => "cessationOfOperation",
        6 => "certificateHold",
        8 => "removeFromCRL",
        9 => "privilegeWithdrawn",
        10 => "aACompromise",
        _ => "unspecified",
    }
}

fn responders(rest: &mut Reader<'_>) -> Vec<Certificate> {
    let mut found = Vec::new();
    let Some(list) = rest.optional(der::explicit(0)) else { return found };
    let Some(mut list) = Reader::new(list).enter(der::SEQUENCE) else { return found };
    while found.len() < MAX_RESPONDERS
        && let Some(element) = list.any()
    {
        found.extend(Certificate::from_der(element.whole).ok());
    }
    found
}

impl Answer<'_> {
    /// By serial number and by the hashes of the issuer's name and key.
    fn is_about(&self, leaf: &Certificate, issuer_keys: &[Vec<u8>]) -> bool {
        let digest: fn(&[u8]) -> Vec<u8> = match self.hash {
            hash if hash == SHA1 => |bytes| Sha1::digest(bytes).to_vec(),
            hash if hash == SHA256 => |bytes| Sha256::digest(bytes).to_vec(),
            _ => return self.serial == leaf.serial_bytes(),
        };
        let mut keys = issuer_keys.iter().filter_map(|spki| key_bytes(spki));
        self.serial == leaf.serial_bytes()
            && self.name_hash == digest(leaf.issuer_der())
            && (issuer_keys.is_empty() || keys.any(|key| self.key_hash == digest(key)))
    }
}

/// The key of a SubjectPublicKeyInfo without what kind of key it is.
fn key_bytes(spki: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(spki).enter(der::SEQUENCE)?;
    fields.take(der::SEQUENCE)?;
    der::whole_bytes(fields.take(der::BIT_STRING)?)
}
