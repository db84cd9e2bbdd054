//! What may be resumed, and until when.

use super::*;

#[tokio::test]
async fn full_and_resumed_are_told_apart_and_the_leaf_is_known_in_both() {
    for versions in [TLS12, TLS13] {
        let mut world = World::new();
        world.server = world.server.only(versions);
        let server = world.serving();
        let first = world.peer(&server).await;
        assert!(first.full);
        world.clock.advance(hours(1) / 2);
        let second = world.peer(&server).await;
        assert!(!second.full, "{versions:?}");
        assert!(Arc::ptr_eq(&first.leaf, &second.leaf), "parsed once");
        assert_eq!(
            second.leaf.fingerprint(),
            Certificate::from_der(&world.leaf.der).unwrap().fingerprint()
        );
        assert_eq!(second.earliest_not_after, now() + days(60));
    }
}

#[tokio::test]
async fn a_rotation_to_an_untrusted_authority_is_seen_as_soon_as_nothing_is_resumed() {
    for versions in [TLS12, TLS13] {
        let mut world = World::new();
        world.server = world.server.only(versions);
        world.peer(&world.serving()).await;
        let rogue = Authority::root("Rogue Root");
        let rotated = world.server.serve(&rogue.issue(&Leaf::good()), &[]);
        // The ticket keys stayed: TLS itself notices nothing.
        assert!(!world.peer(&rotated).await.full);
        let error = fails(&world.context, &rotated).await;
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Certificate, Stage::Handshake));
        let report = error.certificate().unwrap();
        assert!(report.has(FindingId::UnknownIssuer), "{report}");
        assert!(error.to_string().contains("Rogue Root"), "{error}");
        // The failure dropped the tickets: nothing is resumed from now on.
        assert_eq!(world.context.tickets_held(), 0);
        let again = connect(&world.context, &rotated, Resume::Allow).await;
        assert_eq!(again.err().unwrap().kind(), ErrorKind::Certificate);
    }
}

#[tokio::test]
async fn tickets_of_an_older_leaf_die_when_the_generation_moves_and_only_forward() {
    for versions in [TLS12, TLS13] {
        let mut world = World::new();
        world.server = world.server.only(versions);
        let server = world.serving();
        world.peer(&server).await;
        let older = Certificate::from_der(
            &world.root.issue(&Leaf::between(now() - days(60), now() + days(30))).der,
        );
        world.context.set_generation(&older.unwrap());
        assert!(!world.peer(&server).await.full, "an older leaf changes nothing");
        let newer = Certificate::from_der(
            &world.root.issue(&Leaf::between(now() - days(1), now() + days(89))).der,
        );
        world.context.set_generation(&newer.unwrap());
        assert!(world.peer(&server).await.full);
        // What that older node issued is not kept.
        assert_eq!(world.context.tickets_held(), 0);
        assert!(world.peer(&server).await.full);
    }
}

#[tokio::test]
async fn a_full_handshake_with_a_newer_leaf_is_resumed_at_once_and_retires_the_old_tickets() {
    for versions in [TLS12, TLS13] {
        let mut world = World::new();
        world.server = world.server.only(versions);
        let old = world.serving();
        world.peer(&old).await;
        let renewed = world.root.issue(&Leaf::between(now() - hours(1), now() + days(90)));
        let new = world.server.serve(&renewed, &[]);
        let peer = connect(&world.context, &new, Resume::Never).await.unwrap().0;
        assert!(peer.full);
        let peer = world.peer(&new).await;
        assert!(!peer.full);
        assert_eq!(peer.leaf.not_after(), now() + days(90));
    }
}

#[tokio::test]
async fn a_ticket_is_refused_from_the_margin_before_its_leaf_expires() {
    for versions in [TLS12, TLS13] {
        let mut world = World::with(|options| {
            options.expiry_margin = Duration::from_secs(60);
            options.full_handshake_interval = days(400);
        });
        world.server = world.server.only(versions);
        // Shorter than the lifetime of a ticket, which ends it by itself.
        world.leaf = world.root.issue(&Leaf::between(now() - hours(1), now() + hours(2)));
        let server = world.serving();
        world.peer(&server).await;
        world.clock.advance(hours(2) - Duration::from_secs(61));
        assert!(!world.peer(&server).await.full);
        world.clock.advance(Duration::from_secs(1));
        assert!(world.peer(&server).await.full);
        assert_eq!(world.context.tickets_held(), 0, "nothing new is kept within the margin");
    }
}

#[tokio::test]
async fn resumed_sessions_rest_on_a_full_handshake_of_the_last_hour_however_often_resumed() {
    for versions in [TLS12, TLS13] {
        let mut world = World::new();
        world.server = world.server.only(versions);
        let server = world.serving();
        world.peer(&server).await;
        for _ in 0..2 {
            world.clock.advance(Duration::from_secs(20 * 60));
            assert!(!world.peer(&server).await.full);
        }
        world.clock.advance(Duration::from_secs(20 * 60));
        assert!(world.peer(&server).await.full);
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_the_next_handshake_full() {
    let world = World::new();
    let server = world.serving();
    world.peer(&server).await;
    world.clock.set_back(hours(1));
    assert!(world.peer(&server).await.full);
}

#[tokio::test]
async fn a_tls13_ticket_is_used_once_and_the_store_is_bounded() {
    let mut world = World::new();
    world.server = world.server.only(TLS13);
    let server = world.serving();
    world.peer(&server).await;
    let held = world.context.tickets_held();
    assert!(held > 0);
    // A client that hangs up before the server's answer has used up a ticket.
    for left in (0..held).rev() {
        let (near, far) = duplex(1 << 14);
        drop(far);
        let handshake = world.context.handshake(near, Resume::Allow);
        assert_eq!(handshake.await.err().unwrap().kind(), ErrorKind::Connect);
        assert!(world.context.tickets_held() <= left);
    }
    for _ in 0..9 {
        connect(&world.context, &server, Resume::Never).await.unwrap();
    }
    assert_eq!(world.context.tickets_held(), 8);
}

#[tokio::test]
async fn tickets_that_arrive_on_connections_from_before_a_drop_are_not_kept() {
    let mut world = World::new();
    world.server = world.server.only(TLS13);
    let (client, far) = duplex(1 << 16);
    let acceptor = TlsAcceptor::from(world.serving());
    let (client, server) =
        tokio::join!(world.context.handshake(client, Resume::Allow), acceptor.accept(far));
    let (mut client, mut server) = (client.unwrap().0, server.unwrap());
    world.context.drop_tickets();
    server.write_all(GREETING).await.unwrap();
    server.flush().await.unwrap();
    client.read_exact(&mut [0; GREETING.len()]).await.unwrap();
    assert_eq!(world.context.tickets_held(), 0);
}

#[tokio::test]
async fn without_resumption_every_handshake_is_full() {
    let world = World::with(|options| options.resumption = false);
    let server = world.serving();
    for _ in 0..2 {
        assert!(world.peer(&server).await.full);
        assert_eq!(world.context.tickets_held(), 0);
    }
}

#[tokio::test]
async fn a_certificate_that_expires_between_two_connections_fails_the_second() {
    let world = World::new();
    let server = world.serving();
    world.peer(&server).await;
    world.clock.advance(days(60) + Duration::from_secs(1));
    let error = connect(&world.context, &server, Resume::Allow).await.err().unwrap();
    assert!(error.certificate().unwrap().has(FindingId::Expired), "{error}");
}

#[tokio::test]
async fn a_server_that_declines_a_ticket_is_known_by_the_certificate_it_shows() {
    for versions in [TLS12, TLS13] {
        let mut world = World::new();
        world.server = world.server.only(versions);
        world.peer(&world.serving()).await;
        assert!(world.context.tickets_held() > 0);
        let restarted = Server::new(&world.clock).only(versions);
        let renewed = world.root.issue(&Leaf::between(now() - hours(1), now() + days(90)));
        let peer = world.peer(&restarted.serve(&renewed, &[])).await;
        assert!(peer.full);
        assert_eq!(peer.leaf.fingerprint(), Fingerprint::of(&renewed.der));
        assert_eq!(peer.earliest_not_after, now() + days(90));
    }
}
