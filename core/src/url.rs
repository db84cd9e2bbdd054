//! SMTP URLs as configuration.
