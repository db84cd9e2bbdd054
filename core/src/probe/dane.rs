//! DANE for SMTP (RFC 7672): TLSA records, and whether a chain fits them.

/// What DANE says about one server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DaneReport {
    /// The name asked for: `_25._tcp.mail.example.org`.
    pub name: String,
    /// How many TLSA records there are.
    pub records: usize,
    /// Whether one of them fits the chain; `None` if there is none that can be
    /// used.
    pub matched: Option<bool>,
}
