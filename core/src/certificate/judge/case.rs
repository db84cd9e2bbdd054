//! What all axes start from: [`Case`].

use std::time::SystemTime;

use rustls_pki_types::CertificateDer;

use super::{Question, Wanted};
use crate::certificate::facts::Certificate;
use crate::certificate::policy::{TrustPolicy, TrustedPath};
use crate::certificate::signature::Signature;
use crate::certificate::when;
use crate::finding::{Finding, FindingId};

/// The longest path followed by name.
const MAX_PATH: usize = 8;

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, id: FindingId, message: String) {
        self.push(Finding::new(id, message));
    }

    pub(super) fn has(&self, id: FindingId) -> bool {
        self.0.iter().any(|finding| finding.id == id)
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }
}

/// A chain whose leaf can be read, with its path laid out.
pub(super) struct Case<'a> {
    /// The host, in words.
    pub(super) host: &'a str,
    pub(super) wanted: Wanted<'a>,
    pub(super) policy: &'a TrustPolicy,
    pub(super) now: SystemTime,
    /// The server's own certificate: the first one, unless an authority's
    /// stands in its place.
    pub(super) leaf: &'a Certificate,
    /// What was sent and can be read, in that order.
    pub(super) chain: &'a [Certificate],
    /// What was sent, the leaf first.
    pub(super) ders: Vec<CertificateDer<'a>>,
    /// How many certificates were sent, and their size in bytes.
    pub(super) size: (usize, usize),
    /// The authorities above the leaf that were sent, nearest first: on the
    /// trusted path if there is one, else followed by name.
    pub(super) path: Vec<&'a Certificate>,
    /// Whether a trusted path holds now for a server.
    pub(super) serves: bool,
    /// A moment at which time is no obstacle: now if possible, else the
    /// nearest one inside all validities.
    pub(super) moment: SystemTime,
    /// The trusted path at that moment, for any purpose.
    pub(super) trusted: Result<TrustedPath, webpki::Error>,
}

impl<'a> Case<'a> {
    /// Lays out a chain, which is not empty and begins with a readable
    /// certificate.
    pub(super) fn new(question: &Question<'a>, host: &'a str, chain: &'a [Certificate]) -> Self {
        let leaf = own_certificate(chain, question.wanted);
        let first = CertificateDer::from(leaf.der());
        let others = question.sent.iter().filter(|der| der.as_ref() != leaf.der());
        let ders: Vec<CertificateDer<'a>> = std::iter::once(first)
            .chain(others.map(|der| CertificateDer::from(der.as_ref())))
            .collect();
        let by_name = linked(leaf, chain);
        let now = question.now;
        let policy = question.policy;
        let as_server = policy.trusts_server(&ders, now);
        let serves = as_server.is_ok();
        let mut trusted = as_server.or_else(|_| policy.trusts(&ders, now));
        let holds_now = trusted.is_ok();
        let moment = if holds_now { now } else { moment_inside(leaf, &by_name, now) };
        if moment != now {
            trusted = policy.trusts(&ders, moment);
        }
        let path = match &trusted {
            Ok(trusted) => trusted
                .above
                .iter()
                .filter_map(|wanted| chain.iter().find(|sent| sent.fingerprint() == *wanted))
                .collect(),
            Err(_) => by_name,
        };
        Case {
            host,
            wanted: question.wanted,
            policy,
            now,
            leaf,
            chain,
            ders,
            size: (question.sent.len(), question.sent.iter().map(|der| der.len()).sum()),
            path,
            serves,
            moment,
            trusted,
        }
    }

    /// The leaf and the authorities above it, with their depth.
    pub(super) fn certificates(&self) -> impl Iterator<Item = (usize, &'a Certificate)> + '_ {
        std::iter::once(self.leaf).chain(self.path.iter().copied()).enumerate()
    }

    /// As [`certificates`](Self::certificates), without a root that was sent
    /// along: what it says of itself is not relied on.
    pub(super) fn issued(&self) -> impl Iterator<Item = (usize, &'a Certificate)> + '_ {
        self.certificates().filter(|(depth, it)| *depth == 0 || !it.is_self_issued())
    }

    /// The certificate at the upper end of what was sent.
    pub(super) fn top(&self) -> &'a Certificate {
        self.path.last().copied().unwrap_or(self.leaf)
    }

    /// Whose certificate it is, to begin a sentence with.
    pub(super) fn whose(&self, depth: usize, certificate: &Certificate) -> String {
        match depth {
            0 => format!("certificate of {}", self.host),
            _ => format!(
                "intermediate certificate {} in the chain of {}",
                certificate.short_subject(),
                self.host
            ),
        }
    }

    /// The keys that may have issued the certificate at `depth`: of the one
    /// above it and of the roots with the issuer's name.
    pub(super) fn issuer_keys(&self, depth: usize) -> Vec<Vec<u8>> {
        let certificate =
            if depth == 0 { Some(self.leaf) } else { self.path.get(depth - 1).copied() };
        let above = self.path.get(depth).and_then(|above| above.spki()).map(<[u8]>::to_vec);
        let roots = certificate
            .into_iter()
            .flat_map(|it| self.policy.roots_named(it.issuer_der()).map(|root| root.spki));
        above.into_iter().chain(roots).collect()
    }
}

/// A finding about one certificate, with the facts that name it.
pub(super) fn about(
    id: FindingId,
    message: String,
    depth: usize,
    certificate: &Certificate,
) -> Finding {
    Finding::new(id, message)
        .with("depth", depth)
        .with("subject", certificate.subject())
        .with("issuer", certificate.issuer())
        .with("serial", certificate.serial())
        .with("not_before", when::stamp(certificate.not_before()))
        .with("not_after", when::stamp(certificate.not_after()))
}

/// The server's own certificate. Where an authority's stands first, it is the
/// one among the others that is for the host, or else one that leads to the
/// first; what is wrong with it is worth more than that an authority's
/// certificate is no server's.
fn own_certificate<'a>(chain: &'a [Certificate], wanted: Wanted<'_>) -> &'a Certificate {
    let first = &chain[0];
    if !first.is_ca() {
        return first;
    }
    let mut others = chain.iter().filter(|it| !it.is_ca());
    let for_host = others.clone().find(|it| match wanted {
        Wanted::Name(name) => it.is_for(name),
        Wanted::Impossible | Wanted::Any => false,
    });
    let below = others.find(|it| {
        linked(it, chain).iter().any(|above| above.fingerprint() == first.fingerprint())
    });
    for_host.or(below).unwrap_or(first)
}

/// The authorities above `leaf`, nearest first, followed by name. Of several
/// with the right name, one whose key fits is taken, whatever the order.
fn linked<'a>(leaf: &'a Certificate, sent: &'a [Certificate]) -> Vec<&'a Certificate> {
    let mut path: Vec<&Certificate> = Vec::new();
    let mut top = leaf;
    while path.len() < MAX_PATH && !top.is_own_issuer() {
        let is_new = |it: &&Certificate| {
            let same = |seen: &Certificate| seen.fingerprint() == it.fingerprint();
            !same(leaf) && !path.iter().any(|seen| same(seen))
        };
        let candidates: Vec<&Certificate> =
            sent.iter().filter(|it| top.is_issued_by(it)).filter(is_new).collect();
        let fit = |it: &Certificate| match top.signature_by(it) {
            Signature::Good => 2,
            Signature::Unchecked => 1,
            Signature::Bad => 0,
        };
        let next = match candidates[..] {
            [only] => Some(only),
            _ => {
                candidates.into_iter().max_by_key(|it| (fit(it), it.not_after(), it.fingerprint()))
            }
        };
        let Some(next) = next else { break };
        path.push(next);
        top = next;
    }
    path
}

/// `now` if possible, else the nearest moment inside all validities, else
/// inside the leaf's.
fn moment_inside(leaf: &Certificate, path: &[&Certificate], now: SystemTime) -> SystemTime {
    let issued = path.iter().filter(|certificate| !certificate.is_self_issued());
    let (mut start, mut end) = (leaf.not_before(), leaf.not_after());
    for certificate in issued {
        start = start.max(certificate.not_before());
        end = end.min(certificate.not_after());
    }
    if start > end {
        (start, end) = (leaf.not_before(), leaf.not_after());
    }
    now.min(end).max(start)
}
