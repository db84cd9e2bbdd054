//! Everpost before real mail servers: Postfix and Exim from Debian, each an
//! instance of our own on loopback, and `openssl s_server`.
//!
//! `cargo xtask test-mta` installs what is missing and runs this;
//! docs/real-servers.md tells what was learned.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod authority;
mod exim;
mod openssl;
mod postfix;
mod probing;
mod rotation;
mod server;

use crate::exim::Exim;
use crate::postfix::Postfix;

/// Every scenario before every server.
macro_rules! scenarios {
    ($($name:ident $server:ty,)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn what_is_served_is_shown_on_both_ports() {
                probing::served::<$server>().await;
            }

            #[tokio::test]
            async fn an_expired_certificate_is_found_on_both_ports() {
                probing::expired::<$server>().await;
            }

            #[tokio::test]
            async fn a_renewed_file_is_told_from_what_is_served_until_the_reload() {
                rotation::renewed::<$server>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn no_mail_is_lost_doubled_or_refused_while_certificates_rotate() {
                rotation::under_load::<$server>().await;
            }
        })*
    };
}

scenarios! {
    postfix_server Postfix,
    exim_server Exim,
}

#[tokio::test]
async fn exim_notices_a_renewed_file_by_itself() {
    rotation::noticed::<Exim>().await;
}
