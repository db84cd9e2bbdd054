//! What fetching a policy may come to, and from where it is fetched.

#![cfg_attr(not(feature = "http"), allow(dead_code, reason = "nothing is fetched without HTTP"))]

/// Where the policy is, below its host.
pub(super) const PATH: &str = "/.well-known/mta-sts.txt";

/// What the web server gave.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    /// The media type without parameters.
    pub(super) media_type: Option<String>,
}

/// Why there is nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer that counts; said for a sentence.
    Unreachable(String),
    /// More than a policy may be.
    TooLarge,
}

/// Where the policy of `domain` is.
pub(super) fn url(domain: &str) -> String {
    format!("https://mta-sts.{domain}{PATH}")
}

#[cfg(not(feature = "http"))]
impl super::PolicyFetcher {
    /// Nothing: a policy comes by HTTPS alone.
    pub(super) async fn policy(&self, _domain: &str) -> Result<Fetched, Failure> {
        Err(Failure::Unreachable("this build has no HTTP client (feature http)".to_owned()))
    }
}
