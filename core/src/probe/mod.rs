//! Probing: what a server shows, judged afterwards.
//!
//! A probe completes a handshake *without* trusting it, keeps everything it
//! saw and judges that by rules that are pure. Its invariants: one connection
//! per address; no resumption; it cannot log in or send mail, because nothing
//! here has a way to; and it ends within its deadline whatever the server
//! does.
//!
//! ```no_run
//! # async fn example() -> Result<(), everpost::Error> {
//! use everpost::probe::{Target, probe};
//!
//! let report = probe(Target::new("mail.example.org", 465)).await?;
//! println!("{}: {}", report.status(), report.summary());
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//!   Target ──> engine: servers (MX), addresses
//!                 └─> visit, one for each address
//!                       ├─ dialogue: greeting, EHLO, STARTTLS, QUIT
//!                       ├─ capture: a handshake that accepts any chain
//!                       └─ ending: what ended it early, in words
//!   ProbeReport <── verdicts on chains, comparisons between addresses
//! ```

mod capture;
mod compare;
mod dane;
mod dialogue;
#[cfg(feature = "dns")]
mod dns;
mod ending;
mod engine;
// Called by the engine, where rustls fails.
#[allow(dead_code)]
pub(crate) mod legacy;
mod mta_sts;
mod options;
mod published;
mod records;
mod render;
mod report;
#[cfg(feature = "dns")]
mod resolved_by;
mod spoken;
mod target;
mod text;
mod visit;
mod wire;

use std::sync::{Arc, OnceLock};

use rustls_pki_types::ServerName;

pub use dane::{DaneRecord, DaneReport};
#[cfg(feature = "dns")]
pub use dns::Resolver;
pub use mta_sts::{MtaStsMode, MtaStsPolicy, MtaStsReport, ParseMtaStsPolicyError};
pub use options::ProbeBuilder;
pub use records::{Answer, Mx, Records, Security, Tlsa};
pub use render::{SCHEMA, prometheus};
pub use report::{AddressReport, ProbeReport, ServerReport, Timings, TlsFacts};
#[cfg(feature = "dns")]
pub use resolved_by::ResolvedBy;
pub use target::{ParseTargetError, ProbeMode, Protocol, Target};
pub use text::{ParseDurationError, parse_duration};

use self::capture::Capturer;
use self::options::Options;
use crate::certificate::Inspector;
use crate::finding::{Finding, FindingId};
use crate::{Error, Severity, TrustRoots};

/// Probes servers; made once, used for many. May be shared by threads.
#[derive(Debug)]
pub struct Probe {
    options: Options,
    inspector: Inspector,
    capturer: Capturer,
    /// Where MX, TLSA and TXT records come from, once somebody has asked.
    records: OnceLock<Option<Arc<dyn Records>>>,
    /// What every report is to say.
    notes: Vec<Finding>,
}

impl Probe {
    /// A builder with every default.
    pub fn builder() -> ProbeBuilder {
        ProbeBuilder::default()
    }

    fn new(options: Options) -> Result<Self, Error> {
        for name in [&options.sni, &options.verify_name].into_iter().flatten() {
            if ServerName::try_from(name.as_str()).is_err() {
                let text = format!("{name:?} is no host name and no IP address");
                return Err(Error::config(text));
            }
        }
        if let Some(name) = &options.ehlo_name
            && (name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Error::config(format!("{name:?} is no name for EHLO"))
                .with_hint("give a fully qualified host name, or an address as in [192.0.2.1]"));
        }
        let (inspector, notes) = inspector(&options)?;
        let inspector = options.pins.iter().fold(inspector, |inspector, pin| inspector.pin(*pin));
        let inspector = options
            .fingerprints
            .iter()
            .fold(inspector, |inspector, fingerprint| inspector.fingerprint(*fingerprint))
            .thresholds(options.thresholds);
        let capturer = Capturer::new(options.clock.clone())?;
        let probe = Probe { options, inspector, capturer, records: OnceLock::new(), notes };
        if (probe.options.dane || probe.options.mta_sts) && probe.records().is_none() {
            return Err(Error::config(
                "DANE and MTA-STS need DNS records, and nothing looks them up",
            )
            .with_hint("set `records`, or build with the feature `dns`"));
        }
        Ok(probe)
    }

    /// Probes one target. What goes wrong is in the report; the future may be
    /// dropped at any point.
    pub async fn run(&self, target: &Target) -> ProbeReport {
        engine::run(self, target).await
    }

    /// Where records come from; `None` if nothing can look them up.
    fn records(&self) -> Option<&Arc<dyn Records>> {
        let chosen = || self.options.records.clone().or_else(system_records);
        self.records.get_or_init(chosen).as_ref()
    }
}

/// Probes one server with every default: see [`Probe`], which is made once
/// for many.
///
/// # Errors
/// `invalid_config` if no roots can be loaded. What is wrong with the server
/// is in the report.
pub async fn probe(target: impl Into<Target>) -> Result<ProbeReport, Error> {
    Ok(Probe::builder().build()?.run(&target.into()).await)
}

/// The records that the operating system's resolver finds.
#[cfg(feature = "dns")]
fn system_records() -> Option<Arc<dyn Records>> {
    let found = Resolver::system().inspect_err(|error| tracing::debug!(%error, "no resolver"));
    found.ok().map(|resolver| Arc::new(resolver) as Arc<dyn Records>)
}

/// Nothing but what was set looks records up.
#[cfg(not(feature = "dns"))]
fn system_records() -> Option<Arc<dyn Records>> {
    None
}

/// Judges by the roots that were asked for, or else by the system's, with
/// Mozilla's beside them.
fn inspector(options: &Options) -> Result<(Inspector, Vec<Finding>), Error> {
    let mut notes = Vec::new();
    if let Some(file) = &options.compare
        && file.key_matches() == Some(false)
    {
        let text = "the private key in the file does not belong to the certificate beside it";
        notes.push(Finding::new(FindingId::KeyMismatch, text));
    }
    if !options.trust.is_empty() {
        return Ok((Inspector::new(&TrustRoots::load(&options.trust)?), notes));
    }
    let mozilla = TrustRoots::load(&[TrustRoots::Mozilla])?;
    Ok(match TrustRoots::load(&[]) {
        Ok(system) => (Inspector::new(&system).compare_roots(&mozilla), notes),
        Err(error) => {
            let text = format!("{}: judged by Mozilla's roots instead", error.message_text());
            let note = Finding::new(FindingId::TrustStoreDiffers, text);
            notes.push(note.with_severity(Severity::Info));
            (Inspector::new(&mozilla), notes)
        }
    })
}
