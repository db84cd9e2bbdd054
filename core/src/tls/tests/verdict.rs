//! What is accepted, and what is said of what is not.

use super::*;

#[tokio::test]
async fn the_peer_is_described_by_the_names_people_know() {
    let mut world = World::new();
    let peer = world.peer(&world.serving()).await;
    assert_eq!(peer.protocol, "TLSv1.3");
    assert!(peer.cipher.starts_with("TLS_AES_"), "{}", peer.cipher);
    assert!(peer.group.is_some());
    world.server = world.server.only(TLS12);
    let peer = connect(&world.context, &world.serving(), Resume::Never).await.unwrap().0;
    assert_eq!(peer.protocol, "TLSv1.2");
    assert!(peer.cipher.starts_with("TLS_ECDHE_ECDSA_"), "{}", peer.cipher);
}

#[tokio::test]
async fn concurrent_handshakes_each_get_their_own_report() {
    let world = World::new();
    let expired = world.server.serve(&world.root.issue(&Leaf::expired()), &[]);
    let wrong = world.server.serve(&world.root.issue(&Leaf::named("other.test")), &[]);
    let good = world.serving();
    let (expired, wrong, good) = tokio::join!(
        fails(&world.context, &expired),
        fails(&world.context, &wrong),
        connect(&world.context, &good, Resume::Never),
    );
    assert!(good.is_ok());
    let only = |error: &Error, id| {
        let findings = &error.certificate().unwrap().findings;
        findings.len() == 1 && findings[0].id == id
    };
    assert!(only(&expired, FindingId::Expired), "{expired:?}");
    assert!(only(&wrong, FindingId::NameMismatch), "{wrong:?}");
    assert!(expired.message_text().contains("expired on 2029-12-31 03:00 UTC"), "{expired}");
    assert!(expired.hint().unwrap().contains("certbot"));
    assert!(wrong.message_text().contains("other.test"), "{wrong}");
    assert!(!expired.is_retryable());
}

#[tokio::test]
async fn the_server_is_told_by_alert_what_is_wrong_with_its_certificate() {
    let world = World::new();
    let expired = world.server.serve(&world.root.issue(&Leaf::expired()), &[]);
    let (client, far) = duplex(1 << 16);
    let accept = TlsAcceptor::from(expired).accept(far);
    let (client, server) = tokio::join!(world.context.handshake(client, Resume::Never), accept);
    assert!(client.is_err());
    let error = server.err().unwrap().to_string();
    assert!(error.contains("CertificateExpired"), "{error}");
}

#[tokio::test]
async fn pins_hold_in_addition_to_trust_and_a_backup_pin_saves_a_change_of_key() {
    let first = World::new();
    let pin = Certificate::from_der(&first.leaf.der).unwrap().spki_pin();
    let backup = SpkiPin::of(b"the next key");
    let server = first.serving();
    for (pins, fine) in [(vec![pin, backup], true), (vec![backup], false)] {
        let options = TlsOptions { pins, ..trusting(&first.root) };
        let context = context(&options, &first.clock);
        let result = connect(&context, &server, Resume::Allow).await;
        assert_eq!(result.is_ok(), fine);
        if let Err(error) = result {
            assert!(error.certificate().unwrap().has(FindingId::PinMismatch), "{error}");
            assert!(error.message_text().contains(&pin.to_string()), "{error}");
        }
    }
}

#[tokio::test]
async fn accepting_any_certificate_still_captures_it_and_still_holds_pins() {
    let clock = TestClock::new();
    let own = Leaf { names: vec!["other.test".to_owned()], ..Leaf::expired() }.self_signed();
    let server = Server::new(&clock).serve(&own, &[]);
    let pin = Certificate::from_der(&own.der).unwrap().spki_pin();
    let any = TlsOptions { danger_accept_any_certificate: true, ..TlsOptions::default() };
    let peer = connect(&context(&any, &clock), &server, Resume::Allow).await.unwrap().0;
    assert_eq!(peer.leaf.spki_pin(), pin);
    let held = TlsOptions { pins: vec![pin], ..any.clone() };
    assert!(connect(&context(&held, &clock), &server, Resume::Allow).await.is_ok());
    let missed = TlsOptions { pins: vec![SpkiPin::of(b"")], ..any };
    let error = fails(&context(&missed, &clock), &server).await;
    assert!(error.certificate().unwrap().has(FindingId::PinMismatch), "{error}");
}

#[tokio::test]
async fn accepting_any_certificate_still_wants_proof_of_its_key() {
    /// Shows one certificate and signs with the key of another.
    #[derive(Debug)]
    struct Impostor(Arc<rustls::sign::CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Impostor {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let clock = TestClock::new();
    let any = TlsOptions { danger_accept_any_certificate: true, ..TlsOptions::default() };
    let (shown, held) = (Leaf::good().self_signed(), Leaf::good().self_signed());
    let key = PrivateKeyDer::try_from(held.key.serialize_der()).unwrap();
    let key = provider::signing_key(&key).unwrap();
    let pair = Arc::new(rustls::sign::CertifiedKey::new(vec![shown.der], key));
    for versions in [TLS12, TLS13] {
        let server = ServerConfig::builder_with_provider(provider::provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Impostor(Arc::clone(&pair))));
        let error = fails(&context(&any, &clock), &Arc::new(server)).await;
        assert_eq!(error.kind(), ErrorKind::Certificate);
        assert!(error.certificate().unwrap().has(FindingId::BadSignature), "{error}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_absence_explained() {
    let clients = Authority::root("Client Root");
    let purposes = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let own = clients.issue(&Leaf { purposes, ..Leaf::named("client.test") });
    let chain = pem("CERTIFICATE", &own.der);
    let identity = ClientIdentity::from_pem(chain, own.key.serialize_pem()).unwrap();
    assert_eq!(format!("{identity:?}"), "ClientIdentity(1 certificates, key hidden)");
    for versions in [TLS12, TLS13] {
        let mut world = World::with(|options| options.client_identity = Some(identity.clone()));
        world.server.versions = versions;
        world.server.client_roots = Some(Authority::root("Other Root"));
        let stranger = fails(&world.context, &world.serving()).await;
        assert_eq!(stranger.kind(), ErrorKind::Tls, "{stranger:?}");
        assert!(stranger.hint().unwrap().contains("client certificate"), "{stranger}");

        world.server.client_roots = None;
        let mut roots = RootCertStore::empty();
        roots.add(clients.der()).unwrap();
        let server = serve_clients(&world, roots);
        let (_, seen) = connect(&world.context, &server, Resume::Never).await.unwrap();
        assert_eq!(seen.client_certificates, 1);

        let without = context(&trusting(&world.root), &world.clock);
        let error = fails(&without, &server).await;
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.hint().unwrap().contains("client certificate"), "{error}");
    }
}

fn serve_clients(world: &World, roots: RootCertStore) -> Arc<ServerConfig> {
    let provider = provider::provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::try_from(world.leaf.key.serialize_der()).unwrap();
    let time = Arc::new(TlsTime(Arc::<TestClock>::clone(&world.clock)));
    let config = ServerConfig::builder_with_details(provider, time)
        .with_protocol_versions(world.server.versions)
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![world.leaf.der.clone()], key)
        .unwrap();
    Arc::new(config)
}

#[tokio::test]
async fn the_name_sent_and_the_name_verified_can_each_be_set() {
    let world = World::with(|options| {
        options.sni = Some("sni.test".to_owned());
        options.verify_name = Some("cert.test".to_owned());
    });
    let leaf = world.root.issue(&Leaf::named("cert.test"));
    let server = world.server.serve(&leaf, &[]);
    let (_, seen) = connect(&world.context, &server, Resume::Never).await.unwrap();
    assert_eq!(seen.sni.as_deref(), Some("sni.test"));
    assert!(fails(&world.context, &world.serving()).await.certificate().is_some());
}

#[tokio::test]
async fn an_ip_address_as_host_is_verified_as_such_and_sends_no_name() {
    let world = World::new();
    for (address, other) in [("192.0.2.7", "192.0.2.8"), ("2001:db8::7", "2001:db8::8")] {
        let endpoint = Endpoint::new(address, TlsMode::Implicit);
        let clock = Arc::<TestClock>::clone(&world.clock);
        let context = TlsContext::new(&trusting(&world.root), &endpoint, clock).unwrap();
        let server = world.server.serve(&world.root.issue(&Leaf::named(address)), &[]);
        let (_, seen) = connect(&context, &server, Resume::Never).await.unwrap();
        assert_eq!(seen.sni, None);
        let wrong = world.server.serve(&world.root.issue(&Leaf::named(other)), &[]);
        let error = fails(&context, &wrong).await;
        assert!(error.certificate().unwrap().has(FindingId::NameMismatch));
        assert!(error.message_text().contains(other), "{error}");
    }
}

#[tokio::test]
async fn both_ends_agree_on_the_channel_binding() {
    let mut world = World::new();
    world.server = world.server.only(TLS13);
    let (peer, seen) = connect(&world.context, &world.serving(), Resume::Never).await.unwrap();
    assert_eq!(peer.channel_binding.exporter, Some(seen.exporter));
    let leaf_hash = Sha256::digest(&world.leaf.der).to_vec();
    assert_eq!(peer.channel_binding.server_end_point, Some(leaf_hash));
    world.server = world.server.only(TLS12);
    let (peer, _) = connect(&world.context, &world.serving(), Resume::Never).await.unwrap();
    assert_eq!(peer.channel_binding.exporter, None);
    assert!(peer.channel_binding.server_end_point.is_some());
}

#[tokio::test]
async fn trust_may_come_from_a_file_and_from_several_places_at_once() {
    let world = World::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &*world.root.der()).unwrap();
    let other = Authority::root("Other Root");
    let options = TlsOptions {
        roots: vec![TrustRoots::Pem(other.pem()), TrustRoots::File(file.path().to_owned())],
        ..TlsOptions::default()
    };
    let context = context(&options, &world.clock);
    for root in [&world.root, &other] {
        let server = world.server.serve(&root.issue(&Leaf::good()), &[]);
        assert!(connect(&context, &server, Resume::Never).await.is_ok());
    }
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let world = World::new();
    let text = format!("{:?} {:?}", world.context, trusting(&world.root));
    assert!(text.len() < 6_000, "{text}");
    assert!(text.contains("Pem(") && !text.contains("BEGIN"));
}
