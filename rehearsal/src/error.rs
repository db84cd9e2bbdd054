//! What can go wrong with the server itself, as opposed to on command.

use std::io;

/// The error of starting or steering a rehearsal server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A socket could not be opened, or opened again.
    #[error("the rehearsal server cannot listen: {0}")]
    Io(#[from] io::Error),
    /// A certificate could not be made.
    #[error("the certificate cannot be made: {0}")]
    Certificate(String),
    /// TLS could not be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Error::Certificate(error.to_string())
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        Error::Tls(error.to_string())
    }
}
