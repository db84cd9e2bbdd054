//! `Mailer::verify`: could mail be sent?

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use everpost::{Credentials, ErrorKind, Health, TlsMode};
use everpost_rehearsal::{Chain, Rehearsal};
use support::in_memory;

fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().credentials("user", "secret").build().unwrap())
}

#[tokio::test]
async fn it_logs_in_and_tells_what_is_offered_then() {
    let server = server();
    let mailer = in_memory(&server, TlsMode::StartTls)
        .credentials(Credentials::password("user", "secret"))
        .build()
        .unwrap();
    let offered = mailer.verify().await.unwrap();
    assert!(offered.pipelining() && offered.max_size().is_some());
    assert!(!offered.starttls(), "these are the capabilities inside TLS");
    mailer.close().await;
    let commands = &server.connections()[0].commands;
    assert!(commands.iter().any(|command| command.starts_with("AUTH")), "{commands:?}");
    assert_eq!(commands.last().unwrap(), "QUIT");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_wrong_password_and_a_bad_certificate_are_told_as_a_send_would() {
    let server = server();
    let wrong = in_memory(&server, TlsMode::Implicit)
        .credentials(Credentials::password("user", "wrong"))
        .build()
        .unwrap();
    assert_eq!(wrong.verify().await.unwrap_err().kind(), ErrorKind::Auth);
    server.present(Chain::Expired).await.unwrap();
    let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
    assert_eq!(mailer.verify().await.unwrap_err().kind(), ErrorKind::Certificate);
    assert!(matches!(mailer.health(), Health::Unhealthy { .. }), "{:?}", mailer.health());
    server.rollback().unwrap();
    mailer.verify().await.unwrap();
    assert!(!matches!(mailer.health(), Health::Unhealthy { .. }), "{:?}", mailer.health());
}

#[tokio::test]
async fn a_closed_mailer_asks_nobody() {
    let server = server();
    let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
    mailer.close().await;
    assert_eq!(mailer.verify().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(server.connections().is_empty());
}
