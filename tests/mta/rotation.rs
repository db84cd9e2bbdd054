//! Certificates that are renewed while a server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use everpost::certificate::CertificateFile;
use everpost::probe::AddressReport;
use everpost::{FindingId, Mailer, Message, PoolPolicy, RateLimit, TlsMode};
use tokio::task::JoinSet;

use crate::authority::{Authority, Leaf};
use crate::probing::{bad, probe, shows};
use crate::server::{Server, until};

/// How soon a server serves a new certificate.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages between two renewals, at least.
const MESSAGES: usize = 50;
/// How many send them at once.
const SENDERS: usize = 4;

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
            let file = Some(server.place().on_disk());
            let report = loaded(&authority, port, mode, file, &renewed).await;
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
        loaded(&authority, port, mode, None, &renewed).await;
    }
}

/// The first report that shows `leaf`. Also a reload may be logged before the
/// last process of old has taken note of it.
async fn loaded(
    authority: &Authority,
    port: u16,
    mode: TlsMode,
    file: Option<CertificateFile>,
    leaf: &Leaf,
) -> AddressReport {
    let begin = Instant::now();
    loop {
        let report = probe(authority, port, mode, file.clone()).await;
        if shows(&report, leaf) {
            return report;
        }
        assert!(begin.elapsed() < PATIENCE, "{mode}: the old certificate is still served");
    }
}

pub async fn under_load<S: Server>() {
    let authority = Authority::new();
    let mut server = S::start(&authority.issue(60), false).await;
    let mut sent = 0;
    for (port, mode) in server.place().ports() {
        for resumption in [true, false] {
            let mailer = Mailer::builder("127.0.0.1").tls(mode).port(port);
            let mailer = mailer.trust(authority.trust()).resumption(resumption).pool(policy());
            let mailer = Arc::new(mailer.build().unwrap());
            sent += stream(&mut server, &authority, &mailer, port, mode).await;
            let stats = mailer.stats();
            // Resumed handshakes show the old certificate as long as they may.
            assert!(resumption || stats.rotations > 0, "{mode}: no new certificate: {stats:?}");

            let place = server.place();
            let mut seen = 0;
            while seen < sent || !server.idle() {
                // It may take its time, as long as it goes on.
                let more = || place.delivered().len() > seen || (seen >= sent && server.idle());
                until(more, || format!("{seen} of {sent} delivered:\n{}", place.tail(S::LOG)))
                    .await;
                seen = place.delivered().len();
            }
            let delivered = place.delivered();
            assert_eq!(delivered.len(), sent, "{mode}: every message, and no other");
            assert!(delivered.values().all(|times| *times == 1), "{mode}: {delivered:?}");
        }
    }
}

/// A steady stream over connections that end often, so that new ones meet the
/// new certificate.
fn policy() -> PoolPolicy {
    let mut policy = PoolPolicy::default();
    policy.max_messages = Some(5);
    policy.rate_limit = Some(RateLimit::new(100, Duration::from_secs(1)));
    policy
}

/// Sends messages by several senders at once, while two renewals come and are
/// loaded. Returns how many were accepted: all that were sent.
async fn stream<S: Server>(
    server: &mut S,
    authority: &Authority,
    mailer: &Arc<Mailer>,
    port: u16,
    mode: TlsMode,
) -> usize {
    let accepted = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(AtomicBool::new(false));
    let mut sending = JoinSet::new();
    for _ in 0..SENDERS {
        let (mailer, accepted, enough) = (mailer.clone(), accepted.clone(), enough.clone());
        sending.spawn(async move {
            while !enough.load(Ordering::Relaxed) {
                mailer.send(message()).await?;
                accepted.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, everpost::Error>(())
        });
    }
    for _ in 0..2 {
        more(&accepted, &mut sending).await;
        let renewed = authority.issue_later();
        renewed.install(&server.place().certificate());
        server.reload().await;
        loaded(authority, port, mode, None, &renewed).await;
    }
    more(&accepted, &mut sending).await;
    enough.store(true, Ordering::Relaxed);
    while let Some(sender) = sending.join_next().await {
        sender.unwrap().unwrap_or_else(|error| panic!("{mode}: {error:?}"));
    }
    accepted.load(Ordering::Relaxed)
}

/// Waits until more messages have been accepted, over new connections too.
async fn more(accepted: &AtomicUsize, sending: &mut JoinSet<Result<(), everpost::Error>>) {
    let begin = accepted.load(Ordering::Relaxed);
    let reached = || {
        // No sender ends before it is told to, but by an error.
        if let Some(ended) = sending.try_join_next() {
            panic!("a sender ended: {ended:?}");
        }
        accepted.load(Ordering::Relaxed) >= begin + MESSAGES
    };
    until(reached, || format!("{} were sent", accepted.load(Ordering::Relaxed))).await;
}

fn message() -> Message {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let id = COUNT.fetch_add(1, Ordering::Relaxed);
    Message::from(format!(
        "From: a@everpost.test\r\nTo: b@everpost.test\r\nMessage-ID: <{id}@everpost.test>\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nSubject: test\r\n\r\nHello\r\n"
    ))
}
