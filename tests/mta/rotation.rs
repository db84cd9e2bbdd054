//! Certificates that are renewed while a server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use everpost::{FindingId, Mailer, Message};
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::probing::{bad, probe, shows};
use crate::server::{Server, until};

/// How soon a server that watches its file serves a new one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages of one stream.
const MESSAGES: usize = 300;

pub async fn renewed<S: Server>() {
    let authority = Authority::new();
    let mut current = authority.issue(40);
    let mut server = S::start(&current, true).await;
    for days_ago in [20, 1] {
        for (port, mode) in server.place().ports() {
            let report = probe(&authority, port, mode, None).await;
            assert!(shows(&report, &current), "{mode}");
        }

        let renewed = authority.issue(days_ago);
        renewed.install(&server.place().certificate());
        for (port, mode) in server.place().ports() {
            let report = probe(&authority, port, mode, Some(server.place().on_disk())).await;
            if S::CACHES {
                assert!(shows(&report, &current), "{mode}");
                assert_eq!(bad(&report), [FindingId::NotLoaded], "{mode}");
            } else {
                // Whichever it serves just now, the report goes with it.
                let loaded = shows(&report, &renewed);
                let expected: &[_] = if loaded { &[] } else { &[FindingId::NotLoaded] };
                assert_eq!(bad(&report), expected, "{mode}");
            }
        }

        server.reload().await;
        for (port, mode) in server.place().ports() {
            let report = probe(&authority, port, mode, Some(server.place().on_disk())).await;
            assert!(shows(&report, &renewed), "{mode}");
            assert_eq!(bad(&report), [], "{mode}");
        }
        current = renewed;
    }
}

/// Nobody reloads it.
pub async fn noticed<S: Server>() {
    let authority = Authority::new();
    let server = S::start(&authority.issue(40), true).await;
    let renewed = authority.issue(1);
    renewed.install(&server.place().certificate());
    for (port, mode) in server.place().ports() {
        let begin = Instant::now();
        while !shows(&probe(&authority, port, mode, None).await, &renewed) {
            assert!(begin.elapsed() < PATIENCE, "{mode}: it still serves the old one");
        }
    }
}

pub async fn under_load<S: Server>() {
    let authority = Authority::new();
    let mut server = S::start(&authority.issue(60), false).await;
    let mut sent = 0;
    for (port, mode) in server.place().ports() {
        let mailer = Mailer::builder("127.0.0.1").tls(mode).port(port).trust(authority.trust());
        let mailer = Arc::new(mailer.max_connections(4).build().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut sending = JoinSet::new();
        for lane in 0..4 {
            let (mailer, accepted) = (mailer.clone(), accepted.clone());
            sending.spawn(async move {
                for number in 0..MESSAGES / 4 {
                    mailer.send(message(&format!("{mode}-{lane}-{number}"))).await?;
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, everpost::Error>(())
            });
        }
        // Two renewals in the middle of it.
        for (at, days_ago) in [(MESSAGES / 4, 30), (MESSAGES / 2, 2)] {
            let reached = || accepted.load(Ordering::Relaxed) >= at || sending.is_empty();
            until(reached, || format!("{} were sent", accepted.load(Ordering::Relaxed))).await;
            let renewed = authority.issue(days_ago);
            renewed.install(&server.place().certificate());
            server.reload().await;
            let report = probe(&authority, port, mode, None).await;
            assert!(shows(&report, &renewed), "{mode}");
        }
        while let Some(lane) = sending.join_next().await {
            lane.unwrap().unwrap_or_else(|error| panic!("{mode}: {error:?}"));
        }
        sent += accepted.load(Ordering::Relaxed);
        let place = server.place();
        let settled = || place.delivered().len() >= sent && server.idle();
        until(settled, || format!("{} of {sent} were delivered", place.delivered().len())).await;
        let delivered = place.delivered();
        assert_eq!(delivered.len(), sent, "{mode}: every message, and no other");
        assert!(delivered.values().all(|times| *times == 1), "{mode}: {delivered:?}");
    }
    assert_eq!(sent, 2 * MESSAGES);
}

fn message(id: &str) -> Message {
    Message::from(format!(
        "From: a@everpost.test\r\nTo: b@everpost.test\r\nMessage-ID: <{id}@everpost.test>\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nSubject: test\r\n\r\nHello\r\n"
    ))
}
