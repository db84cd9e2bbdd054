//! Certificates: facts, fingerprints and verdicts. Pure: no network, and time
//! is passed in.

use std::fmt;

/// What was found on a server's certificate chain.
#[derive(Clone, Debug)]
pub struct CertificateReport;

impl fmt::Display for CertificateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificate report")
    }
}
