//! Certificates: what each change keeps and what it changes.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use everpost_rehearsal::{
    Chain, ClientAuth, Closed, Cut, Goodbye, Handshake, Rehearsal, Restart, Rotate, Signer,
    TlsVersions,
};
use sha2::{Digest, Sha256};

use crate::client::{Client, config, config_with, soon};

/// The fingerprint that a fresh client is shown.
async fn shown(server: &Rehearsal) -> Result<[u8; 32], String> {
    let client =
        Client::implicit_with(server, config(server)).await.map_err(|error| error.to_string())?;
    Ok(Sha256::digest(&client.stream.tls().unwrap().peer_certificates().unwrap()[0]).into())
}

#[tokio::test]
async fn a_rotation_in_place_changes_the_leaf_and_nothing_else() {
    let server = Rehearsal::builder().start().await.unwrap();
    let first = server.leaf();
    assert_eq!(shown(&server).await, Ok(first.sha256));
    let mut client = Client::implicit(&server).await;
    client.hello().await;
    let second = server.rotate(Rotate::default()).await.unwrap();
    assert_eq!(shown(&server).await, Ok(second.sha256));
    assert!(second.not_before > first.not_before);
    assert_ne!((second.spki_sha256, &second.serial), (first.spki_sha256, &first.serial));
    assert!(client.deliver("m@x").await.starts_with("250 "));
    let same_key = server.rotate(Rotate { same_key: true, ..Rotate::default() }).await.unwrap();
    assert_eq!(same_key.spki_sha256, second.spki_sha256);
    assert_ne!(same_key.sha256, second.sha256);
    server.rotate(Rotate { signer: Signer::NewIntermediate, ..Rotate::default() }).await.unwrap();
    assert!(shown(&server).await.is_ok());
    assert_eq!(server.rollback().unwrap(), same_key);
    assert_eq!(shown(&server).await, Ok(same_key.sha256));
}

#[tokio::test]
async fn sessions_resume_across_a_rotation_unless_ticket_keys_are_fresh() {
    for (versions, list) in [
        (TlsVersions::Tls13, &[&rustls::version::TLS13]),
        (TlsVersions::Tls12, &[&rustls::version::TLS12]),
    ] {
        let server = Rehearsal::builder().tls_versions(versions).start().await.unwrap();
        let config = config_with(&server, list);
        for (rotate, expected) in [
            (None, Handshake::Full),
            (None, Handshake::Resumed),
            (Some(Rotate::default()), Handshake::Resumed),
            (Some(Rotate { chain: Chain::UntrustedCa, ..Rotate::default() }), Handshake::Resumed),
            (Some(Rotate { fresh_tickets: true, ..Rotate::default() }), Handshake::Full),
        ] {
            if let Some(rotate) = rotate.clone() {
                server.rotate(rotate).await.unwrap();
            }
            let mut client = Client::implicit_with(&server, config.clone()).await.unwrap();
            // Tickets of TLS 1.3 come with the first bytes.
            client.hello().await;
            let log = server.connections().pop().unwrap();
            assert_eq!(log.handshake, Some(expected), "{versions:?} {rotate:?}");
        }
        let stats = server.stats();
        assert_eq!((stats.handshakes_full, stats.handshakes_resumed), (2, 3));
    }
}

#[tokio::test]
async fn without_resumption_each_handshake_is_full() {
    let server = Rehearsal::builder().resumption(false).start().await.unwrap();
    let config = config(&server);
    for _ in 0..2 {
        Client::implicit_with(&server, config.clone()).await.unwrap().hello().await;
    }
    assert_eq!((server.stats().handshakes_full, server.stats().handshakes_resumed), (2, 0));
}

#[tokio::test]
async fn each_bad_chain_is_refused_for_its_own_reason_and_the_good_one_comes_back() {
    let server = Rehearsal::builder().start().await.unwrap();
    for (chain, reason) in [
        (Chain::WrongName, "not valid for name"),
        (Chain::SelfSigned, "UnknownIssuer"),
        (Chain::MissingIntermediate, "UnknownIssuer"),
        (Chain::Expired, "expired"),
        (Chain::NotYetValid, "not valid yet"),
        (Chain::UntrustedCa, "UnknownIssuer"),
        (Chain::ExpiredIntermediate, "expired"),
        (Chain::CommonNameOnly, "not valid for"),
        (Chain::WrongPurpose, "xtended key usage"),
        (Chain::LeafIsCa, "CaUsedAsEndEntity"),
    ] {
        server.present(chain).await.unwrap();
        let error = shown(&server).await.unwrap_err();
        assert!(error.contains(reason), "{chain:?}: {error}");
    }
    soon(server.wait_closed()).await;
    assert_eq!(server.stats().handshakes_failed, 10);
    for chain in [Chain::RootIncluded, Chain::Good] {
        let leaf = server.present(chain).await.unwrap();
        assert_eq!(shown(&server).await, Ok(leaf.sha256));
    }
}

#[tokio::test]
async fn the_validity_and_the_clock_are_ours_to_set() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let server = Rehearsal::builder().now(now).build().unwrap();
    let leaf = server.leaf();
    assert!(leaf.not_before < now && now < leaf.not_after);
    let not_after = now + Duration::from_secs(60);
    let leaf =
        server.rotate(Rotate { not_after: Some(not_after), ..Rotate::default() }).await.unwrap();
    assert_eq!(leaf.not_after, not_after);
    let backwards =
        Rotate { not_before: Some(not_after), not_after: Some(now), ..Rotate::default() };
    assert!(server.rotate(backwards).await.is_err());
    assert_eq!(server.leaf(), leaf);
}

#[tokio::test]
async fn a_fleet_alternates_between_the_old_leaf_and_the_new() {
    let server = Rehearsal::builder().start().await.unwrap();
    let old = server.leaf().sha256;
    let new = server.rotate(Rotate { share: Some(0.5), ..Rotate::default() }).await.unwrap().sha256;
    for expected in [old, new, old, new] {
        assert_eq!(shown(&server).await, Ok(expected));
    }
    assert!(server.rotate(Rotate { share: Some(1.5), ..Rotate::default() }).await.is_err());
}

#[tokio::test]
async fn a_restart_keeps_the_ports_and_ends_connections_as_told() {
    let server = Rehearsal::builder().start().await.unwrap();
    let ports = (server.implicit_addr(), server.starttls_addr(), server.plain_addr());
    for (goodbye, said, how) in [
        (Goodbye::Farewell, "421 4.3.2 Service shutting down\r\n", None),
        (Goodbye::CloseNotify, "", None),
        (Goodbye::Fin, "", Some(ErrorKind::UnexpectedEof)),
        (Goodbye::Rst, "", Some(ErrorKind::ConnectionReset)),
    ] {
        let mut client = Client::implicit(&server).await;
        client.hello().await;
        let restart = Some(Restart { goodbye, down: Duration::from_millis(1) });
        let leaf = server.rotate(Rotate { restart, ..Rotate::default() }).await.unwrap();
        let (rest, end) = client.rest().await;
        assert_eq!(
            (String::from_utf8(rest).unwrap().as_str(), end.err().map(|error| error.kind())),
            (said, how),
            "{goodbye:?}"
        );
        assert_eq!(shown(&server).await, Ok(leaf.sha256));
    }
    assert_eq!(ports, (server.implicit_addr(), server.starttls_addr(), server.plain_addr()));
}

#[tokio::test]
async fn a_wave_of_421_reaches_idle_connections_only() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mut idle = Client::implicit(&server).await;
    idle.hello().await;
    let mut busy = Client::implicit(&server).await;
    busy.hello().await;
    busy.ask("MAIL FROM:<a@b>").await;
    assert_eq!(server.wave_of_421().await, 1);
    assert!(idle.reply().await.starts_with("421 "));
    assert!(busy.ask("RCPT TO:<c@d>").await.starts_with("250 "));
    assert_eq!(server.connections()[0].closed, Some(Closed::Farewell));
    assert_eq!(server.drop_connections(Cut::Rst).await, 1);
    assert!(busy.rest().await.1.is_err());
}

#[tokio::test]
async fn a_required_client_certificate_is_verified() {
    let server = Rehearsal::builder().client_auth(ClientAuth::Required).start().await.unwrap();
    let mut client = Client::implicit_with(&server, config(&server)).await.unwrap();
    // In TLS 1.3 the refusal comes after the client's own handshake.
    assert!(client.try_reply().await.is_none());
    soon(server.wait_closed()).await;
    assert_eq!(server.connections()[0].handshake, Some(Handshake::Failed));
}

#[tokio::test]
async fn stopping_ends_everything() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mut client = Client::implicit(&server).await;
    client.hello().await;
    server.stop().await;
    assert!(client.try_reply().await.is_none());
    assert!(tokio::net::TcpStream::connect(server.plain_addr()).await.is_err());
    assert_eq!(server.connections()[0].closed, Some(Closed::Stopped));
}
