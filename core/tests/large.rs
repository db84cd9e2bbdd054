//! Large messages.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use everpost::{Mailer, TlsMode, TrustRoots};
use everpost_rehearsal::Rehearsal;

#[tokio::test]
async fn a_large_message_arrives_whole_by_data_and_by_bdat() {
    let server = Rehearsal::builder().start().await.unwrap();
    let line = "x".repeat(70) + "\r\n";
    let text = format!(
        "From: a@x.org\r\nTo: b@x.org\r\nMessage-ID: <large@x>\r\nDate: now\r\n\r\n{}",
        line.repeat(5_240_000 / 72)
    );
    for tls in [TlsMode::None, TlsMode::Implicit] {
        for chunking in [false, true] {
            let port = match tls {
                TlsMode::None => server.plain_addr().port(),
                _ => server.implicit_addr().port(),
            };
            let mailer = Mailer::builder(server.host())
                .tls(tls)
                .port(port)
                .trust(TrustRoots::Pem(server.ca_pem().into()))
                .chunking(chunking)
                .build()
                .unwrap();
            for _ in 0..3 {
                mailer.send(text.clone()).await.unwrap();
                let received = server.received();
                assert!(received.last().unwrap().data == text.as_bytes());
            }
        }
    }
}
