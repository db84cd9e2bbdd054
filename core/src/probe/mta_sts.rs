//! MTA-STS (RFC 8461): record, policy, and whether the servers satisfy it.

/// What MTA-STS says about one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MtaStsReport {
    /// The domain.
    pub domain: String,
    /// The id of its record, if there is one.
    pub id: Option<String>,
}
