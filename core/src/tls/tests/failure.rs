//! Failures that are not the certificate's.

use super::*;

#[test]
fn a_client_identity_that_cannot_work_is_refused_with_a_reason() {
    let (one, other) = (Leaf::good().self_signed(), Leaf::good().self_signed());
    let chain = pem("CERTIFICATE", &one.der);
    let reason = |chain: &str, key: &str| {
        let error = ClientIdentity::from_pem(chain, key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        error.message_text().to_owned()
    };
    assert!(reason("", &one.key.serialize_pem()).contains("no certificate"));
    assert!(reason(&chain, "").contains("no readable private key"));
    assert!(reason(&chain, &other.key.serialize_pem()).contains("does not belong"));
}

async fn talk_to(context: &TlsContext, answer: &[u8]) -> Error {
    let (client, mut far): (DuplexStream, DuplexStream) = duplex(1 << 16);
    far.write_all(answer).await.unwrap();
    let hang_up = async {
        let mut hello = [0; 5];
        let _ = far.read_exact(&mut hello).await;
        drop(far);
    };
    let (result, ()) = tokio::join!(context.handshake(client, Resume::Never), hang_up);
    result.err().unwrap()
}

#[tokio::test]
async fn a_server_that_speaks_plain_text_on_an_implicit_port_is_named_as_such() {
    let world = World::new();
    for answer in ["220 mail ESMTP\r\n", "421 busy\r\n", "554 5.7.1 no\r\n", "500 what?\r\n"] {
        let error = talk_to(&world.context, answer.as_bytes()).await;
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Tls, Stage::Handshake));
        assert!(error.hint().unwrap().contains("plain SMTP on this port: use starttls"), "{error}");
        assert!(error.to_string().contains("mail.example.org:465/implicit"), "{error}");
    }
    let starttls = Endpoint::new("mail.example.org", TlsMode::StartTls);
    let clock = Arc::<TestClock>::clone(&world.clock);
    let context = TlsContext::new(&trusting(&world.root), &starttls, clock).unwrap();
    let error = talk_to(&context, b"220 go on\r\n").await;
    assert!(error.hint().unwrap().contains("STARTTLS"), "{error}");
}

#[tokio::test]
async fn a_connection_lost_in_the_handshake_is_a_connect_error_worth_a_retry() {
    let world = World::new();
    let error = talk_to(&world.context, b"").await;
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Connect, Stage::Handshake));
    assert!(error.is_retryable());
    assert!(error.hint().unwrap().contains("465"), "{error}");
}

#[tokio::test]
async fn alerts_of_the_server_come_with_what_to_do() {
    let world = World::new();
    let alert = |description: u8| [0x15, 0x03, 0x03, 0, 2, 2, description];
    let hint = async |description: u8| {
        let error = talk_to(&world.context, &alert(description)).await;
        assert_eq!(error.kind(), ErrorKind::Tls);
        error.hint().unwrap().to_owned()
    };
    assert!(hint(70).await.contains("TLS 1.2"));
    assert!(hint(40).await.contains("cipher"));
    assert!(hint(112).await.contains("SNI"));
    assert!(hint(116).await.contains("client certificate"));
}

#[tokio::test]
async fn the_minimum_version_holds() {
    let mut world = World::with(|options| options.minimum_version = TlsVersion::Tls13);
    assert_eq!(world.peer(&world.serving()).await.protocol, "TLSv1.3");
    world.server = world.server.only(TLS12);
    let error = fails(&world.context, &world.serving()).await;
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.hint().unwrap().contains("minimum"), "{error}");
}

#[test]
fn trust_that_cannot_work_is_refused_when_the_context_is_made() {
    let refuse = |roots: TrustRoots| {
        let options = TlsOptions { roots: vec![roots], ..TlsOptions::default() };
        let error = TlsContext::new(&options, &endpoint(), TestClock::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.hint().is_some() || error.message_text().contains("unreadable"));
        error.message_text().to_owned()
    };
    assert!(refuse(TrustRoots::Pem(Vec::new())).contains("no certificate"));
    assert!(refuse(TrustRoots::Pem(pem("CERTIFICATE", b"rubbish").into())).contains("unreadable"));
    assert!(refuse(TrustRoots::File("no/such/file.pem".into())).contains("no/such/file.pem"));
    let bad_host = Endpoint::new("mail example", TlsMode::Implicit);
    let mozilla = TlsOptions { roots: vec![TrustRoots::Mozilla], ..TlsOptions::default() };
    let error = TlsContext::new(&mozilla, &bad_host, TestClock::new()).unwrap_err();
    assert!(error.message_text().contains("mail example"));
    assert!(TlsContext::new(&mozilla, &endpoint(), TestClock::new()).is_ok());
}

proptest::proptest! {
    #[test]
    fn whatever_a_server_answers_is_an_error_and_never_a_panic(answer: Vec<u8>, kind in 20..24_u8) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // As it is, and as the content of a TLS record.
        let size = u16::try_from(answer.len()).unwrap().to_be_bytes();
        let record = [&[kind, 3, 3], &size[..], &answer].concat();
        let world = World::new();
        for bytes in [answer, record] {
            let error = runtime.block_on(talk_to(&world.context, &bytes));
            assert_eq!(error.stage(), Stage::Handshake);
            assert!(error.hint().is_some());
        }
    }
}
