//! Every way to reach a server, to log in and to send, end to end.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everpost::certificate::{FindingId, SpkiPin};
use everpost::message::{DsnReturn, Notify};
use everpost::tls::{ClientIdentity, TlsVersion};
use everpost::{
    Credentials, Delivery, Envelope, Error, ErrorKind, Event, Health, Mailer, Mechanism, Message,
    Stage, TlsMode,
};
use everpost_rehearsal::{
    Capabilities, Chain, ClientAuth, Limits, Listener, Refusal, Rehearsal, Rotate, TlsVersions,
};
use support::{Memory, in_memory, message, message_with, over_tcp, send, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn open_server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().build().unwrap())
}

fn server() -> Arc<Rehearsal> {
    let builder = Rehearsal::builder().credentials("user", "secret").token("user", "token");
    Arc::new(builder.build().unwrap())
}

fn commands(server: &Rehearsal) -> Vec<String> {
    server.connections().into_iter().flat_map(|log| log.commands).collect()
}

// --- TLS --------------------------------------------------------------------

#[tokio::test]
async fn each_mode_encrypts_as_it_says() {
    for (mode, encrypted) in [
        (TlsMode::Implicit, true),
        (TlsMode::StartTls, true),
        (TlsMode::Opportunistic, true),
        (TlsMode::None, false),
    ] {
        let server = open_server();
        let mailer = in_memory(&server, mode).build().unwrap();
        let receipt = send(&mailer, "m").await.unwrap();
        assert_eq!((server.received()[0].tls, receipt.leaf().is_some()), (encrypted, encrypted));
    }
    let server = open_server();
    server.update(|settings| settings.capabilities.starttls = false);
    let mailer = in_memory(&server, TlsMode::Opportunistic).build().unwrap();
    send(&mailer, "m").await.unwrap();
    assert!(!server.received()[0].tls);
}

#[tokio::test]
async fn each_bad_chain_is_named_with_its_remedy_and_nothing_is_sent() {
    for (chain, finding) in [
        (Chain::WrongName, FindingId::NameMismatch),
        (Chain::SelfSigned, FindingId::SelfSigned),
        (Chain::MissingIntermediate, FindingId::MissingIntermediate),
        (Chain::Expired, FindingId::Expired),
        (Chain::NotYetValid, FindingId::NotYetValid),
        (Chain::UntrustedCa, FindingId::UnknownIssuer),
        (Chain::ExpiredIntermediate, FindingId::Expired),
        (Chain::CommonNameOnly, FindingId::NoSan),
        (Chain::WrongPurpose, FindingId::WrongPurpose),
    ] {
        for mode in [TlsMode::Implicit, TlsMode::StartTls, TlsMode::Opportunistic] {
            let server = server();
            server.present(chain).await.unwrap();
            let credentials = Credentials::password("user", "secret");
            let mailer = in_memory(&server, mode).credentials(credentials).build().unwrap();
            let error = send(&mailer, "m").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Certificate, "{chain:?} {mode}: {error:?}");
            assert_eq!((error.stage(), error.delivery()), (Stage::Handshake, Delivery::NotSent));
            let report = error.certificate().unwrap();
            assert!(report.has(finding), "{chain:?}: {report}");
            assert!(!error.hint().unwrap().is_empty() && !report.chain.is_empty());
            assert_eq!(server.stats().auth_ok + server.stats().auth_failed, 0);
        }
    }
    for chain in [Chain::Good, Chain::RootIncluded] {
        let server = open_server();
        server.present(chain).await.unwrap();
        send(&in_memory(&server, TlsMode::Implicit).build().unwrap(), "m").await.unwrap();
    }
}

#[tokio::test]
async fn any_certificate_is_accepted_only_where_that_was_asked_for_loudly() {
    let server = open_server();
    server.present(Chain::SelfSigned).await.unwrap();
    let builder = in_memory(&server, TlsMode::Implicit).danger_accept_any_certificate(true);
    send(&builder.build().unwrap(), "m").await.unwrap();
}

#[tokio::test]
async fn a_pin_lets_in_its_key_its_backup_and_nothing_else() {
    let server = open_server();
    let pin = || SpkiPin::from_bytes(server.leaf().spki_sha256);
    let other = SpkiPin::of(b"a key kept in a safe");
    let mailer = in_memory(&server, TlsMode::Implicit).pin(other).pin(pin()).build().unwrap();
    send(&mailer, "match").await.unwrap();

    let mailer = in_memory(&server, TlsMode::Implicit).pin(other).build().unwrap();
    let error = send(&mailer, "mismatch").await.unwrap_err();
    assert!(error.certificate().unwrap().has(FindingId::PinMismatch), "{error:?}");

    let old = pin();
    server.rotate(Rotate::default()).await.unwrap();
    let backup = pin();
    let builder = || in_memory(&server, TlsMode::Implicit).pin(old);
    send(&builder().build().unwrap(), "rotated").await.unwrap_err();
    send(&builder().pin(backup).build().unwrap(), "backup").await.unwrap();
}

#[tokio::test]
async fn the_name_asked_for_and_the_name_expected_can_be_set_apart() {
    let server = Rehearsal::builder().host("mail.inside.example").build().unwrap();
    let server = Arc::new(server);
    let builder = || in_memory(&server, TlsMode::Implicit);
    let error = send(&builder().build().unwrap(), "m").await;
    assert!(error.is_err_and(|e| e.certificate().unwrap().has(FindingId::NameMismatch)));
    let mailer = builder().verify_name("mail.inside.example").sni("front.example").build();
    send(&mailer.unwrap(), "m").await.unwrap();
    let log = server.connections().pop().unwrap();
    assert_eq!(log.server_name.as_deref(), Some("front.example"));
}

#[tokio::test]
async fn versions_below_the_minimum_are_not_spoken() {
    for (versions, minimum, spoken) in [
        (TlsVersions::Both, TlsVersion::Tls12, Some("TLSv1_3")),
        (TlsVersions::Tls12, TlsVersion::Tls12, Some("TLSv1_2")),
        (TlsVersions::Tls13, TlsVersion::Tls13, Some("TLSv1_3")),
        (TlsVersions::Tls12, TlsVersion::Tls13, None),
    ] {
        let server = Arc::new(Rehearsal::builder().tls_versions(versions).build().unwrap());
        let builder = in_memory(&server, TlsMode::Implicit).minimum_tls_version(minimum);
        let result = send(&builder.build().unwrap(), "m").await;
        match spoken {
            Some(version) => {
                result.unwrap();
                assert_eq!(server.connections()[0].tls_version.as_deref(), Some(version));
            }
            None => {
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.stage()), (ErrorKind::Tls, Stage::Handshake));
                assert!(error.hint().unwrap().contains("1.2"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_logs_in_by_external() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let server = Rehearsal::builder().client_auth(ClientAuth::Required).tls_versions(versions);
        let server = Arc::new(server.credentials("robot", "unused").build().unwrap());
        let made = server.client_certificate("robot").unwrap();
        let identity = ClientIdentity::from_pem(&made.chain_pem, &made.key_pem).unwrap();
        let builder = || in_memory(&server, TlsMode::Implicit);
        let mailer = builder().client_identity(identity);
        send(&mailer.credentials(Credentials::external(None)).build().unwrap(), "m").await.unwrap();
        assert_eq!(server.received()[0].auth_user.as_deref(), Some("robot"));

        let error = send(&builder().build().unwrap(), "without").await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, Delivery::NotSent));
        assert!(error.hint().unwrap().contains("client certificate"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_endpoint_fails_fast_for_a_growing_while_and_recovers() {
    let server = open_server();
    let network = Memory::to(&server, Listener::Implicit);
    let builder = in_memory(&server, TlsMode::Implicit).network(network.clone());
    let mailer = builder.build().unwrap();
    let mut events = mailer.events();
    server.present(Chain::Expired).await.unwrap();
    send(&mailer, "one").await.unwrap_err();
    assert_eq!(network.connections(), 2, "once more in full, and no more");
    assert!(
        matches!(events.next().await, Some(Event::Unhealthy { error }) if error.certificate().is_some())
    );
    assert!(matches!(mailer.health(), Health::Unhealthy { .. }));

    let error = send(&mailer, "two").await.unwrap_err();
    assert!(error.certificate().unwrap().has(FindingId::Expired));
    assert_eq!((error.message_id(), network.connections()), (Some("<two>"), 2));

    tokio::time::sleep(Duration::from_millis(1100)).await;
    send(&mailer, "three").await.unwrap_err();
    assert_eq!(network.connections(), 4);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    send(&mailer, "four").await.unwrap_err();
    assert_eq!(network.connections(), 4, "the pause has grown");

    server.present(Chain::Good).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    send(&mailer, "five").await.unwrap();
    assert!(matches!(events.next().await, Some(Event::Recovered)));
    assert!(matches!(mailer.health(), Health::Healthy));
}

// --- AUTH -------------------------------------------------------------------

#[tokio::test]
async fn each_mechanism_logs_in() {
    for mechanism in Mechanism::ALL.iter().copied() {
        let credentials = match mechanism {
            Mechanism::External => continue,
            Mechanism::XOAuth2 | Mechanism::OAuthBearer => Credentials::token("user", "token"),
            _ => Credentials::password("user", "secret"),
        };
        for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
            let server = Rehearsal::builder().credentials("user", "secret").token("user", "token");
            let server = Arc::new(server.tls_versions(versions).build().unwrap());
            let mailer = in_memory(&server, TlsMode::Implicit)
                .credentials(credentials.clone())
                .auth_mechanisms([mechanism])
                .build()
                .unwrap();
            send(&mailer, "m").await.unwrap();
            assert_eq!(server.received()[0].auth_user.as_deref(), Some("user"));
            let asked = format!("AUTH {mechanism} <redacted>");
            assert!(commands(&server).contains(&asked), "{mechanism} {versions:?}");
        }
    }
}

/// The mechanisms that the server was asked for.
fn asked(server: &Rehearsal) -> Vec<String> {
    let auth = |command: String| Some(command.strip_prefix("AUTH ")?.split(' ').next()?.to_owned());
    commands(server).into_iter().filter_map(auth).collect()
}

#[tokio::test]
async fn the_strongest_mechanism_is_used_unless_ordered_or_excluded() {
    let server = server();
    let builder = || {
        let credentials = Credentials::password("user", "secret");
        in_memory(&server, TlsMode::Implicit).credentials(credentials)
    };
    send(&builder().build().unwrap(), "a").await.unwrap();
    let plus = Mechanism::ScramSha256Plus;
    send(&builder().exclude_auth_mechanism(plus).build().unwrap(), "b").await.unwrap();
    let order = [Mechanism::Login, Mechanism::ScramSha256];
    send(&builder().auth_mechanisms(order).build().unwrap(), "c").await.unwrap();
    let order = [Mechanism::Login, Mechanism::Plain];
    let mailer = builder().auth_mechanisms(order).exclude_auth_mechanism(Mechanism::Login);
    send(&mailer.build().unwrap(), "d").await.unwrap();
    assert_eq!(asked(&server), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "LOGIN", "PLAIN"]);

    let mailer = builder().auth_mechanisms([Mechanism::XOAuth2]).build().unwrap();
    let error = send(&mailer, "e").await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Auth, Stage::Auth));
    assert_eq!(asked(&server).len(), 4, "nothing was tried");
}

#[tokio::test]
async fn a_wrong_password_is_tried_exactly_once() {
    for mechanism in [Mechanism::ScramSha256Plus, Mechanism::Plain, Mechanism::Login] {
        let server = server();
        let mailer = in_memory(&server, TlsMode::Implicit)
            .credentials(Credentials::password("user", "wrong"))
            .auth_mechanisms([mechanism, Mechanism::CramMd5])
            .build()
            .unwrap();
        let error = send(&mailer, "m").await.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Auth, Stage::Auth), "{error}");
        assert_eq!((error.delivery(), error.is_retryable()), (Delivery::NotSent, false));
        assert_eq!(error.reply().unwrap().code(), 535);
        // Those that come at once after it are not let through to the server.
        send(&mailer, "next").await.unwrap_err();
        assert_eq!(asked(&server), [mechanism.name()]);
        assert_eq!((server.stats().auth_failed, server.stats().connections), (1, 1));
    }
}

#[tokio::test]
async fn tokens_are_asked_for_again_after_a_refusal_and_for_each_session() {
    for mechanism in [Mechanism::XOAuth2, Mechanism::OAuthBearer] {
        let server = server();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let provider = move || {
            let call = counter.fetch_add(1, Ordering::Relaxed);
            let token = if call == 0 { "expired" } else { "token" };
            async move { Ok(token.to_owned()) }
        };
        let mailer = in_memory(&server, TlsMode::Implicit)
            .credentials(Credentials::token_provider("user", provider))
            .auth_mechanisms([mechanism])
            .build()
            .unwrap();
        send(&mailer, "a").await.unwrap();
        assert_eq!((calls.load(Ordering::Relaxed), server.stats().connections), (2, 1));
        server.wave_of_421().await;
        send(&mailer, "b").await.unwrap();
        assert_eq!((calls.load(Ordering::Relaxed), server.stats().connections), (3, 2));
    }
    let server = server();
    let provider = || async { Ok("never-right".to_owned()) };
    let credentials = Credentials::token_provider("user", provider);
    let mailer = in_memory(&server, TlsMode::Implicit).credentials(credentials).build().unwrap();
    let error = send(&mailer, "c").await.unwrap_err();
    assert_eq!((error.kind(), server.stats().auth_failed), (ErrorKind::Auth, 2));
}

// --- Network ----------------------------------------------------------------

/// What the proxy was asked for.
type Asked = Arc<std::sync::Mutex<Vec<String>>>;

/// A proxy for one protocol that goes to `target` whatever it is asked for.
async fn proxy(socks: bool, target: std::net::SocketAddr) -> (u16, Asked) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let book = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(target).await.unwrap();
            let book = Arc::clone(&book);
            tokio::spawn(async move {
                let wanted = match socks {
                    true => socks5(&mut client).await,
                    false => connect(&mut client).await,
                };
                book.lock().unwrap().push(wanted);
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, asked)
}

async fn socks5(client: &mut TcpStream) -> String {
    let count = client.read_u16().await.unwrap() & 0xff;
    let mut methods = vec![0; count.into()];
    client.read_exact(&mut methods).await.unwrap();
    client.write_all(&[5, 0]).await.unwrap();
    let mut head = [0; 5];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(head[..4], [5, 1, 0, 3], "CONNECT to a name");
    let mut name = vec![0; head[4].into()];
    client.read_exact(&mut name).await.unwrap();
    let port = client.read_u16().await.unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    format!("{}:{port}", String::from_utf8(name).unwrap())
}

async fn connect(client: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(client.read_u8().await.unwrap());
    }
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let request = String::from_utf8(request).unwrap();
    request.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn mail_goes_through_socks5_and_http_proxies() {
    for (socks, scheme) in [(true, "socks5"), (false, "http")] {
        for mode in [TlsMode::Implicit, TlsMode::StartTls] {
            let server = Rehearsal::builder().host("mail.inside.example").start().await.unwrap();
            let target = match mode {
                TlsMode::Implicit => server.implicit_addr(),
                _ => server.starttls_addr(),
            };
            let (port, asked) = proxy(socks, target).await;
            let mailer = Mailer::builder("mail.inside.example")
                .tls(mode)
                .trust(everpost::TrustRoots::Pem(server.ca_pem().into()))
                .proxy(&format!("{scheme}://127.0.0.1:{port}"))
                .unwrap()
                .build()
                .unwrap();
            soon(send(&mailer, "m")).await.unwrap();
            assert_eq!(server.copies("m"), 1);
            let expected = format!("mail.inside.example:{}", mode.default_port());
            assert_eq!(*asked.lock().unwrap(), [expected]);
        }
    }
}

/// Linux has all of 127.0.0.0/8; elsewhere only the address that is there.
const LOCAL: Ipv4Addr =
    if cfg!(target_os = "linux") { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST };

#[tokio::test]
async fn connections_leave_from_the_local_address() {
    let server = Rehearsal::builder().start().await.unwrap();
    let mailer = over_tcp(&server, TlsMode::Implicit).local_address(IpAddr::V4(LOCAL));
    soon(send(&mailer.build().unwrap(), "m")).await.unwrap();
    let log = &server.connections()[0];
    assert_eq!(log.peer.unwrap().ip(), IpAddr::V4(LOCAL));
    assert_eq!(log.commands[0], format!("EHLO [{LOCAL}]"));
}

#[tokio::test]
async fn a_url_alone_sends_mail() {
    let server = Rehearsal::builder().credentials("me@x.example", "p@ss/w:rd").start();
    let server = server.await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), server.ca_pem()).unwrap();
    let trust: String =
        file.path().to_str().unwrap().bytes().map(|byte| format!("%{byte:02x}")).collect();
    for (scheme, address, tls) in [
        ("smtps", server.implicit_addr(), ""),
        ("smtp", server.starttls_addr(), ""),
        ("smtp", server.starttls_addr(), "&tls=required"),
        ("smtp", server.starttls_addr(), "&tls=opportunistic"),
        ("smtp", server.plain_addr(), "&tls=none&allow_plaintext_auth=true"),
    ] {
        let url = format!(
            "{scheme}://me%40x.example:p%40ss%2Fw%3Ard@{address}?trust={trust}&ehlo=me.example{tls}"
        );
        let mailer = Mailer::from_url(&url).unwrap();
        soon(send(&mailer, "m")).await.unwrap();
        let log = server.connections().pop().unwrap();
        assert_eq!(log.auth_user.as_deref(), Some("me@x.example"), "{scheme} {tls}");
        assert_eq!(log.commands[0], "EHLO me.example");
    }
    assert_eq!(server.received_count(), 5);
}

// --- Extensions and limits --------------------------------------------------

fn without(change: impl FnOnce(&mut Capabilities)) -> Arc<Rehearsal> {
    let mut capabilities = Capabilities::default();
    change(&mut capabilities);
    Arc::new(Rehearsal::builder().capabilities(capabilities).build().unwrap())
}

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.com"]).unwrap()
}

/// Sends in both cases: what the MAIL and RCPT commands hold where the
/// extension is offered, and the error where it is not.
async fn offered_or_not(
    message: impl Fn() -> Message,
    expected: &[&str],
    take_away: impl FnOnce(&mut Capabilities),
) {
    let server = open_server();
    let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
    mailer.send(message()).await.unwrap();
    let said = commands(&server).join("\n");
    for part in expected {
        assert!(said.contains(part), "{part} in {said}");
    }

    let server = without(take_away);
    let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
    let error = mailer.send(message()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unsupported, Delivery::NotSent));
    assert!(error.hint().is_some());
    assert!(!commands(&server).iter().any(|command| command.starts_with("MAIL")));
    // The connection is as good as before.
    send(&mailer, "plain").await.unwrap();
    assert_eq!(server.stats().connections, 1);
}

#[tokio::test]
async fn extensions_are_used_when_offered_and_missed_before_a_byte_is_sent() {
    let dsn = || {
        let envelope = envelope().with_envid("id+1").unwrap().with_return(DsnReturn::Headers);
        message("m").with_envelope(envelope.with_notify(Notify::FAILURE | Notify::DELAY))
    };
    offered_or_not(dsn, &["RET=HDRS", "ENVID=id+2B1", "NOTIFY="], |c| c.dsn = false).await;
    let utf8 =
        || message("m").with_envelope(Envelope::new("a@x.example", ["jö@x.example"]).unwrap());
    offered_or_not(utf8, &["SMTPUTF8", "jö@"], |c| c.smtp_utf8 = false).await;
    let eight = || message_with("m", "Grüße\r\n");
    offered_or_not(eight, &["BODY=8BITMIME"], |c| c.eight_bit_mime = false).await;
    let tls = || message("m").with_envelope(envelope().require_tls());
    offered_or_not(tls, &["REQUIRETLS"], |c| c.require_tls = false).await;
}

#[tokio::test]
async fn a_message_too_large_for_either_side_costs_no_byte_of_body() {
    let server = open_server();
    let network = Memory::to(&server, Listener::Implicit);
    let builder = in_memory(&server, TlsMode::Implicit).network(network.clone());
    let mailer = builder.max_message_size(1000).build().unwrap();
    let large = || message_with("large", &"0123456789\r\n".repeat(100));
    let error = mailer.send(large()).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::InvalidMessage, Stage::Prepare));
    assert_eq!(network.connections(), 0);

    let limits = Limits { message_size: 1000, ..Limits::default() };
    let server = Arc::new(Rehearsal::builder().limits(limits).build().unwrap());
    let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
    let error = mailer.send(large()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidMessage, Delivery::NotSent));
    assert!(error.to_string().contains("1000"), "{error}");
    assert!(!commands(&server).iter().any(|command| command.starts_with("MAIL")));
}

#[tokio::test]
async fn recipients_are_answered_one_by_one() {
    let server = open_server();
    server.update(|settings| {
        settings.refuse_recipients = vec![
            Refusal::new("no*@*", "550 5.1.1 unknown"),
            Refusal::new("full@*", "452 4.2.2 full"),
        ];
    });
    let to = |addresses: &[&str]| {
        message("m")
            .with_envelope(Envelope::new("a@example.org", addresses.iter().copied()).unwrap())
    };
    for chunking in [false, true] {
        let builder = || in_memory(&server, TlsMode::Implicit).chunking(chunking);
        let mailer = builder().build().unwrap();
        let some = ["no1@x.example", "yes1@x.example", "full@x.example", "yes2@x.example"];
        let receipt = mailer.send(to(&some)).await.unwrap();
        let accepted: Vec<_> = receipt.accepted().iter().map(|a| a.as_str()).collect();
        let rejected: Vec<_> =
            receipt.rejected().iter().map(|r| (r.address.as_str(), r.reply.code())).collect();
        assert_eq!(accepted, ["yes1@x.example", "yes2@x.example"]);
        assert_eq!(rejected, [("no1@x.example", 550), ("full@x.example", 452)]);
        assert_eq!(server.received().pop().unwrap().recipients, accepted);

        // All of them, on servers that notice at DATA and after the 354.
        for late in [false, true] {
            server.update(|settings| settings.data_without_recipients = late);
            let before = server.received_count();
            let error = mailer.send(to(&["no1@x.example", "no2@x.example"])).await.unwrap_err();
            assert_eq!((error.kind(), error.stage()), (ErrorKind::Rejected, Stage::Rcpt));
            assert_eq!((error.delivery(), error.reply().unwrap().code()), (Delivery::Refused, 550));
            assert_eq!(error.rejected_recipients().len(), 2);
            assert_eq!(server.received_count(), before);
            send(&mailer, "next").await.unwrap();
        }

        let mailer = builder().require_all_recipients(true).build().unwrap();
        let before = server.received_count();
        let error = mailer.send(to(&some)).await.unwrap_err();
        assert_eq!((error.stage(), error.delivery()), (Stage::Rcpt, Delivery::Refused));
        assert_eq!((server.received_count(), error.rejected_recipients().len()), (before, 2));
        send(&mailer, "next").await.unwrap();
    }
    assert!(server.connections().iter().all(|log| log.unanswered_end_of_data_max <= 1));
}

#[tokio::test]
async fn a_refused_sender_is_reported_and_the_connection_kept() {
    let server = open_server();
    server.update(|settings| {
        settings.refuse_senders = vec![Refusal::new("bad@*", "553 5.7.1 not yours")];
    });
    let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
    let bad = Envelope::new("bad@x.example", ["b@example.com"]).unwrap();
    let error: Error = mailer.send(message("m").with_envelope(bad)).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Rejected, Stage::Mail));
    assert_eq!((error.delivery(), error.is_retryable()), (Delivery::Refused, false));
    send(&mailer, "next").await.unwrap();
    assert_eq!((server.stats().connections, server.received_count()), (1, 1));
}

#[cfg(feature = "lettre-transport")]
#[tokio::test]
async fn a_mailer_is_a_transport_of_lettre() {
    use lettre::AsyncTransport;

    let server = open_server();
    let mailer = in_memory(&server, TlsMode::Implicit).build().unwrap();
    let email = lettre::Message::builder()
        .from("a@example.org".parse().unwrap())
        .to("b@example.com".parse().unwrap())
        .bcc("c@example.com".parse().unwrap())
        .subject("from lettre")
        .body("Hello".to_owned())
        .unwrap();
    let receipt = AsyncTransport::send(&mailer, email).await.unwrap();
    assert_eq!(receipt.accepted().len(), 2);
    let received = server.received().pop().unwrap();
    assert_eq!(received.recipients, ["b@example.com", "c@example.com"]);
    assert!(!String::from_utf8_lossy(&received.data).contains("c@example.com"));
}
