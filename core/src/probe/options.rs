//! What a probe can be told: [`ProbeBuilder`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Probe;
use super::records::Records;
use super::text::Unread;
use crate::certificate::{CertificateFile, Fingerprint, SpkiPin, Thresholds};
use crate::clock::{Clock, SystemClock};
use crate::network::{Network, Tcp};
use crate::{Error, TrustRoots};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) trust: Vec<TrustRoots>,
    pub(crate) pins: Vec<SpkiPin>,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) compare: Option<Arc<CertificateFile>>,
    pub(crate) thresholds: Thresholds,
    pub(crate) judge_after: Duration,
    pub(crate) sni: Option<String>,
    pub(crate) verify_name: Option<String>,
    pub(crate) ehlo_name: Option<String>,
    pub(crate) connect_to: Option<IpAddr>,
    pub(crate) all_addresses: bool,
    pub(crate) deadline: Duration,
    pub(crate) dane: bool,
    pub(crate) mta_sts: bool,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) records: Option<Arc<dyn Records>>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Configures a [`Probe`]; every option has a default.
#[derive(Clone, Debug)]
pub struct ProbeBuilder {
    pub(super) options: Options,
    /// The file to compare with that is yet to be read.
    pub(super) unread: Unread,
}

impl Default for ProbeBuilder {
    fn default() -> Self {
        ProbeBuilder {
            options: Options {
                trust: Vec::new(),
                pins: Vec::new(),
                fingerprints: Vec::new(),
                compare: None,
                thresholds: Thresholds::default(),
                judge_after: Duration::ZERO,
                sni: None,
                verify_name: None,
                ehlo_name: None,
                connect_to: None,
                all_addresses: false,
                deadline: Duration::from_secs(30),
                dane: false,
                mta_sts: false,
                network: Arc::new(Tcp),
                records: None,
                clock: Arc::new(SystemClock),
            },
            unread: Unread::default(),
        }
    }
}

impl ProbeBuilder {
    /// Whose certificates to trust; several add up. The system's store unless
    /// set, and then what Mozilla's roots say is told beside it.
    #[must_use]
    pub fn trust(mut self, roots: TrustRoots) -> Self {
        self.options.trust.push(roots);
        self
    }

    /// Demands one of the pinned keys; several are alternatives.
    #[must_use]
    pub fn pin(mut self, pin: SpkiPin) -> Self {
        self.options.pins.push(pin);
        self
    }

    /// Demands one of the leaves with these fingerprints; several are
    /// alternatives.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.options.fingerprints.push(fingerprint);
        self
    }

    /// Holds what is served against a certificate file.
    #[must_use]
    pub fn compare(mut self, file: CertificateFile) -> Self {
        self.options.compare = Some(Arc::new(file));
        self.unread = Unread::default();
        self
    }

    /// When an approaching end is a warning, and when it is critical.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.options.thresholds = thresholds;
        self
    }

    /// Judges as of so much later than now: what will have expired by then?
    #[must_use]
    pub fn judge_after(mut self, later: Duration) -> Self {
        self.options.judge_after = later;
        self
    }

    /// The name sent to the server (SNI): the host unless set.
    #[must_use]
    pub fn sni(mut self, name: impl Into<String>) -> Self {
        self.options.sni = Some(name.into());
        self
    }

    /// The name that the certificate must be for: the host unless set.
    #[must_use]
    pub fn verify_name(mut self, name: impl Into<String>) -> Self {
        self.options.verify_name = Some(name.into());
        self
    }

    /// The name to introduce ourselves with: our address unless set.
    #[must_use]
    pub fn ehlo_name(mut self, name: impl Into<String>) -> Self {
        self.options.ehlo_name = Some(name.into());
        self
    }

    /// Connects to this address in place of the host's own.
    #[must_use]
    pub fn connect_to(mut self, address: IpAddr) -> Self {
        self.options.connect_to = Some(address);
        self
    }

    /// Probes every address of the host (up to 32), and not only the first
    /// that takes a connection.
    #[must_use]
    pub fn all_addresses(mut self, all: bool) -> Self {
        self.options.all_addresses = all;
        self
    }

    /// How long one address may take in all: 30 s, and a day at most.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        // Sums with it must stay moments that the clock can show.
        self.options.deadline = deadline.min(Duration::from_secs(86_400));
        self
    }

    /// Asks for TLSA records and judges by them (RFC 7672).
    #[must_use]
    pub fn dane(mut self, dane: bool) -> Self {
        self.options.dane = dane;
        self
    }

    /// Asks for the domain's MTA-STS policy and judges by it (RFC 8461).
    #[must_use]
    pub fn mta_sts(mut self, mta_sts: bool) -> Self {
        self.options.mta_sts = mta_sts;
        self
    }

    /// Another network than the operating system's.
    #[must_use]
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.options.network = network;
        self
    }

    /// Where MX, TLSA and TXT records come from.
    #[must_use]
    pub fn records(mut self, records: Arc<dyn Records>) -> Self {
        self.options.records = Some(records);
        self
    }

    /// Another clock than the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.options.clock = clock;
        self
    }

    /// Loads the roots, which reads files: not for a busy async task.
    ///
    /// # Errors
    /// `invalid_config` if the roots or the file to compare with cannot be
    /// loaded, or a name is none.
    pub fn build(mut self) -> Result<Probe, Error> {
        if let Some(file) = self.unread.load()? {
            self.options.compare = Some(Arc::new(file));
        }
        Probe::new(self.options)
    }
}
