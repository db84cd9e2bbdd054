//! Reports for machines: JSON and Prometheus text.
//!
//! Invariant: facts outlive failures here too. Whatever a report holds is
//! rendered, also when the chain is expired or untrusted or the session broke.

mod json;
mod prometheus;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use json::SCHEMA;
pub use prometheus::prometheus;
