//! Certificates rotate under the mailer, in every way that servers do it.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use everpost::mailer::{Events, Fault as Blame, Retirement};
use everpost::{
    Clock, Credentials, ErrorKind, Event, Health, Mailer, MailerBuilder, PoolPolicy, TrustRoots,
};
use everpost_rehearsal::{
    Action, At, Chain, Cut, Fault, Goodbye, Rehearsal, Restart, Rotate, Signer, Which,
};
use futures_util::StreamExt;

fn builder(server: &Rehearsal) -> MailerBuilder {
    Mailer::builder(server.host())
        .port(server.implicit_addr().port())
        .trust(TrustRoots::Pem(server.ca_pem().into()))
        .credentials(Credentials::password("app", "secret"))
}

async fn server() -> Rehearsal {
    Rehearsal::builder().credentials("app", "secret").start().await.unwrap()
}

fn message(id: impl std::fmt::Display) -> String {
    format!(
        "From: app@example.org\r\nTo: ann@example.com\r\nMessage-ID: <{id}@example.org>\r\n\r\nhi\r\n"
    )
}

/// Waits for the first event that `pick` takes.
async fn event<T>(events: &mut Events, pick: impl Fn(Event) -> Option<T>) -> T {
    loop {
        if let Some(picked) = pick(events.next().await.expect("the mailer lives")) {
            return picked;
        }
    }
}

/// A clock that stands until it is told to move.
#[derive(Clone, Debug)]
struct ManualClock(Arc<Mutex<SystemTime>>);

impl ManualClock {
    fn new() -> Self {
        ManualClock(Arc::new(Mutex::new(SystemTime::now())))
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn rotations_within_the_same_trust_never_surface() {
    let server = server().await;
    let mailer = builder(&server).build().unwrap();
    let rotations = [
        Rotate::default(),
        Rotate { fresh_tickets: true, ..Rotate::default() },
        Rotate { same_key: true, ..Rotate::default() },
        Rotate { signer: Signer::NewIntermediate, ..Rotate::default() },
        Rotate { restart: Some(Restart::default()), ..Rotate::default() },
        Rotate {
            restart: Some(Restart { goodbye: Goodbye::Rst, ..Restart::default() }),
            ..Rotate::default()
        },
        Rotate {
            restart: Some(Restart { goodbye: Goodbye::Farewell, ..Restart::default() }),
            ..Rotate::default()
        },
    ];
    let mut sent = 0;
    for (round, rotation) in rotations.into_iter().enumerate() {
        let burst: Vec<_> = (0..20)
            .map(|n| {
                let mailer = mailer.clone();
                tokio::spawn(async move { mailer.send(message(format!("{round}.{n}"))).await })
            })
            .collect();
        server.rotate(rotation).await.unwrap();
        for send in burst {
            let result = send.await.unwrap();
            // A restart may cut a connection between the dot and its reply.
            if let Err(error) = &result {
                assert_eq!(error.kind(), ErrorKind::DeliveryUnknown, "{error:?}");
            }
            sent += 1;
        }
    }
    assert!(server.counts().values().all(|copies| *copies == 1));
    let stats = mailer.stats();
    assert_eq!(stats.accepted + stats.unknown, sent);
    assert!(stats.accepted <= server.received_count() as u64);
}

#[tokio::test]
async fn a_rotation_is_told_and_parked_connections_of_the_old_leaf_are_retired() {
    let server = server().await;
    // Without pipelining nothing is chained: two messages are two connections.
    let mailer = builder(&server).max_connections(2).pipelining(false).build().unwrap();
    let mut events = mailer.events();
    let old = server.leaf().sha256;
    let held = server.inject(Fault::stall(At::EndOfData).on(Which::Every)).unwrap();
    let release = async {
        held.fired_times(2).await;
        held.remove();
    };
    let (first, second, ()) =
        tokio::join!(mailer.send(message(1)), mailer.send(message(2)), release);
    assert_eq!(first.unwrap().leaf().unwrap().as_bytes(), &old);
    second.unwrap();
    server.rotate(Rotate::default()).await.unwrap();
    assert_eq!(mailer.explain().await.fault, Blame::PoolStale);
    let new = event(&mut events, |event| match event {
        Event::Rotated { old: before, new } => {
            assert_eq!(before.fingerprint.as_bytes(), &old);
            Some(new)
        }
        _ => None,
    })
    .await;
    assert_eq!(new.fingerprint.as_bytes(), &server.leaf().sha256);
    for _ in 0..2 {
        let reason = event(&mut events, |event| match event {
            Event::Retired { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(reason.await, Retirement::Rotated);
    }
    let receipt = mailer.send(message(3)).await.unwrap();
    assert_eq!(receipt.leaf().unwrap().as_bytes(), &server.leaf().sha256);
    assert_eq!(mailer.explain().await.fault, Blame::None);
    assert_eq!(mailer.stats().rotations, 1);
}

#[tokio::test]
async fn a_distrusted_certificate_behind_kept_ticket_keys_is_caught_at_the_next_connection() {
    for (what, fresh, resumption) in [
        ("pooled", false, false),
        ("one connection per send", true, false),
        ("resumed", false, true),
    ] {
        let server = server().await;
        let pool = if fresh { PoolPolicy::fresh() } else { PoolPolicy::default() };
        let mailer = builder(&server).pool(pool).resumption(resumption).build().unwrap();
        mailer.send(message("before")).await.unwrap();
        server.rotate(Rotate { chain: Chain::UntrustedCa, ..Rotate::default() }).await.unwrap();
        server.drop_connections(Cut::Fin).await;
        server.wait_closed().await;
        let error = mailer.send(message("after")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{what}: {error:?}");
        assert!(error.certificate().is_some() && error.hint().is_some());
        assert_eq!(server.copies("after@example.org"), 0, "{what}");
        assert!(matches!(mailer.health(), Health::Unhealthy { .. }));
    }
}

#[tokio::test]
async fn resumption_is_used_where_it_is_asked_for_and_ends_with_the_generation() {
    let server = server().await;
    let mailer = builder(&server).pool(PoolPolicy::fresh()).resumption(true).build().unwrap();
    for n in 0..3 {
        mailer.send(message(n)).await.unwrap();
    }
    let before = mailer.stats();
    assert_eq!((before.full_handshakes, before.resumed_handshakes), (1, 2));
    server.rotate(Rotate::default()).await.unwrap();
    // A full handshake shows the new leaf; tickets of the old one are void.
    mailer.explain().await;
    let receipt = mailer.send(message("renewed")).await.unwrap();
    assert_eq!(receipt.leaf().unwrap().as_bytes(), &server.leaf().sha256);
    assert_eq!(mailer.stats().rotations, 1);
}

#[tokio::test]
async fn a_fleet_that_is_half_rotated_never_makes_the_pool_flap() {
    let server = server().await;
    let mailer = builder(&server).max_connections(4).build().unwrap();
    mailer.send(message("first")).await.unwrap();
    // From now on connections meet the old and the new node in turn.
    server.rotate(Rotate { share: Some(0.5), ..Rotate::default() }).await.unwrap();
    server.drop_connections(Cut::Fin).await;
    for round in 0..50 {
        let sends: Vec<_> = (0..4)
            .map(|n| {
                let mailer = mailer.clone();
                tokio::spawn(async move { mailer.send(message(format!("{round}.{n}"))).await })
            })
            .collect();
        for send in sends {
            send.await.unwrap().unwrap();
        }
    }
    let stats = mailer.stats();
    assert!(stats.rotations <= 1, "{stats:?}");
    // One before, four after, and those retired by the one rotation.
    assert!(stats.opened <= 10, "{stats:?}");
}

#[tokio::test]
async fn an_older_leaf_is_an_event_of_its_own_and_moves_nothing() {
    let server = server().await;
    let mailer = builder(&server).pool(PoolPolicy::fresh()).build().unwrap();
    let mut events = mailer.events();
    mailer.send(message(1)).await.unwrap();
    server.rotate(Rotate::default()).await.unwrap();
    mailer.send(message(2)).await.unwrap();
    server.rollback().unwrap();
    for n in 3..6 {
        mailer.send(message(n)).await.unwrap();
    }
    mailer.close().await;
    let mut told = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
        told.extend(
            matches!(event, Event::Rotated { .. } | Event::RolledBack { .. }).then(|| event.name()),
        );
    }
    assert_eq!(told, ["rotated", "rolled_back"]);
}

#[tokio::test]
async fn a_leaf_that_expires_while_pooled_is_retired_before_its_margin() {
    let server = server().await;
    let clock = ManualClock::new();
    let ends = clock.now() + Duration::from_secs(3600);
    let soon = Rotate { not_after: Some(ends), ..Rotate::default() };
    server.rotate(soon).await.unwrap();
    let mailer = builder(&server)
        .clock(Arc::new(clock.clone()))
        .expiry_margin(Duration::from_secs(60))
        .build()
        .unwrap();
    let mut events = mailer.events();
    let first = mailer.send(message(1)).await.unwrap();
    // The server renews in place; nothing tells the pool.
    server.rotate(Rotate::default()).await.unwrap();
    clock.advance(Duration::from_secs(3600 - 62));
    assert_eq!(mailer.send(message(2)).await.unwrap().leaf(), first.leaf());
    clock.advance(Duration::from_secs(3));
    let third = mailer.send(message(3)).await.unwrap();
    assert_eq!(third.leaf().unwrap().as_bytes(), &server.leaf().sha256);
    assert_eq!(third.attempts(), 1);
    let reason = event(&mut events, |event| match event {
        Event::Retired { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, Retirement::Expiring);
}

#[tokio::test]
async fn a_connection_that_is_never_idle_is_retired_all_the_same() {
    let server = server().await;
    let clock = ManualClock::new();
    let ends = clock.now() + Duration::from_secs(3600);
    server.rotate(Rotate { not_after: Some(ends), ..Rotate::default() }).await.unwrap();
    let old = server.leaf().sha256;
    let mailer =
        builder(&server).clock(Arc::new(clock.clone())).max_connections(1).build().unwrap();
    // There is always a message to chain behind the one under way.
    let mut sending = mailer.send_all((0..200).map(message));
    let (_, first) = sending.next().await.unwrap();
    assert_eq!(first.unwrap().leaf().unwrap().as_bytes(), &old);
    server.rotate(Rotate::default()).await.unwrap();
    clock.advance(Duration::from_secs(3600 - 30));
    let mut last = None;
    while let Some((_, result)) = sending.next().await {
        last = Some(result.unwrap());
    }
    assert_eq!(last.unwrap().leaf().unwrap().as_bytes(), &server.leaf().sha256);
    assert_eq!(mailer.stats().opened, 2);
}

#[tokio::test]
async fn a_bad_renewal_is_reported_with_its_reason_and_recovered_from() {
    let server = server().await;
    let mailer = builder(&server).build().unwrap();
    let mut events = mailer.events();
    mailer.send(message(1)).await.unwrap();
    server.present(Chain::Expired).await.unwrap();
    server.drop_connections(Cut::Rst).await;
    server.wait_closed().await;
    let error = mailer.send(message(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Certificate);
    assert!(error.to_string().contains("expired"), "{error}");
    assert_eq!(error.attempts(), 1);
    let connections = server.stats().connections;
    let again = mailer.send(message(3)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Certificate, "the last report answers");
    assert_eq!(again.attempts(), 0);
    assert_eq!(server.stats().connections, connections, "without another connection");
    let explanation = mailer.explain().await;
    assert_eq!(explanation.fault, Blame::Certificate, "{explanation}");
    server.rotate(Rotate::default()).await.unwrap();
    event(&mut events, |event| matches!(event, Event::Unhealthy { .. }).then_some(())).await;
    // Once the pause is over a send may try again; until then it fails fast.
    while mailer.send(message("recovery")).await.is_err() {
        tokio::task::yield_now().await;
    }
    event(&mut events, |event| matches!(event, Event::Recovered).then_some(())).await;
    assert!(matches!(mailer.health(), Health::Healthy));
}

#[tokio::test]
async fn the_sentinel_notices_a_rotation_before_a_send_does() {
    let server = server().await;
    let mailer = builder(&server).probe_interval(Duration::from_millis(20)).build().unwrap();
    let mut events = mailer.events();
    mailer.send(message(1)).await.unwrap();
    let new = server.rotate(Rotate::default()).await.unwrap();
    let seen = event(&mut events, |event| match event {
        Event::Rotated { new, .. } => Some(new.fingerprint),
        _ => None,
    });
    assert_eq!(seen.await.as_bytes(), &new.sha256);
    server.present(Chain::WrongName).await.unwrap();
    let error = event(&mut events, |event| match event {
        Event::Unhealthy { error } => Some(error),
        _ => None,
    });
    assert_eq!(error.await.kind(), ErrorKind::Certificate);
    mailer.close().await;
}

#[tokio::test]
async fn a_421_to_one_chained_message_costs_the_next_one_nothing() {
    let server = server().await;
    let farewell = Action::ReplyThenCut("421 4.3.2 Restarting\r\n".into(), Cut::CloseNotify);
    let fault = server.inject(Fault::new(At::EndOfData, farewell)).unwrap();
    let mailer = builder(&server).max_connections(1).build().unwrap();
    let (first, second, third) =
        tokio::join!(mailer.send(message(1)), mailer.send(message(2)), mailer.send(message(3)));
    for result in [first, second, third] {
        result.unwrap();
    }
    assert_eq!(fault.count(), 1);
    assert_eq!(server.counts().len(), 3);
    assert!(server.counts().values().all(|copies| *copies == 1));
    assert_eq!(mailer.stats().retries, 2);
}
