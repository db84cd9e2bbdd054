//! TLS: trust, pins, the captured certificate and our own resumption store.

/// How TLS is done and whom it trusts.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsOptions;
