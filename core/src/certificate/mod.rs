//! Certificates: facts, fingerprints and verdicts.
//!
//! Everything here is pure: no network, and time is passed in. The invariant
//! of a verdict is that its axes are independent. A path library stops at one
//! error and so hides the others (an expired leaf of an unknown issuer reads
//! as expired only); a [`CertificateReport`] judges time, name, trust,
//! purpose, strength and pins each on its own and lists all that is wrong.
//!
//! ```text
//!   DER ──> Certificate (facts)  ─┐
//!   TrustPolicy (roots, pins) ────┼─> judge ──> CertificateReport
//!   host, now ────────────────────┘             └─ Finding: what, evidence, remedy
//! ```
//!
//! A mailer judges the chains that it refuses; an [`Inspector`] judges any
//! chain, and looks further: at what nears its end, at what was sent too much
//! or out of order, at staples and revocation lists, and at what other sets of
//! roots say.

mod algorithm;
mod der;
mod digest;
mod facts;
mod file;
mod inspect;
mod judge;
mod ocsp;
mod policy;
mod report;
mod revocation;
mod signature;
mod threshold;
pub(crate) mod when;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use digest::{Fingerprint, ParseDigestError, SpkiPin};
pub use facts::{Certificate, ParseCertificateError, SignedTimestamp};
pub use file::{CertificateFile, FileFormat, PfxEncryption, PrivateKey};
pub use inspect::{Inspector, RootSet};
pub use ocsp::{Staple, StapleStatus};
pub use report::{CertificateReport, TrustVerdict};
pub use threshold::{ParseThresholdError, Threshold, Thresholds};

pub use crate::finding::{Axis, Finding, FindingId, Severity, Status};

pub(crate) use algorithm::HashAlgorithm;
pub(crate) use inspect::Shown;
pub(crate) use judge::{Judgement, judge, judge_unproven};
pub(crate) use policy::{Refusal, TrustPolicy};
pub(crate) use threshold::Nearness;
pub(crate) use when::utc;
