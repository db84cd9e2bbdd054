//! The ladder, against a rehearsal server and against scripted ones: every
//! fault has its own cause and its own remedy.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everpost::diagnose::{Diagnosis, DiagnosisReport, Outcome, Step};
use everpost::network::{BoxFuture, Network, Stream};
use everpost::{
    Credentials, Deadlines, FindingId, Mailer, MailerBuilder, Mechanism, Status, TlsMode,
    TrustRoots,
};
use everpost_rehearsal::{At, Chain, Fault, Listener, Rehearsal, Which};
use support::Memory;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

const PASSWORD: &str = "canary-9f3";

async fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().credentials("app", PASSWORD).build().unwrap())
}

fn mailer(server: &Arc<Rehearsal>, mode: TlsMode) -> MailerBuilder {
    support::in_memory(server, mode).credentials(Credentials::password("app", PASSWORD))
}

/// Runs a diagnosis, and holds what must hold of every one.
async fn diagnose(diagnosis: Diagnosis) -> DiagnosisReport {
    let mut told = Vec::new();
    let report = diagnosis.run_with(|rung| told.push(rung.clone())).await.unwrap();
    assert_eq!(told, report.rungs, "every rung is told once, in order");
    assert_eq!(report.cause.is_some(), report.failed().is_some());
    assert_eq!(report.cause.is_some(), report.remedy.is_some());
    let json = report.to_json().to_string();
    for text in [report.to_string(), format!("{report:?}"), json] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    report
}

fn cause(report: &DiagnosisReport) -> (FindingId, Step) {
    let cause = report.cause.as_ref().unwrap_or_else(|| panic!("all holds: {report}"));
    (cause.id, report.failed().unwrap().step)
}

fn steps(report: &DiagnosisReport, outcome: Outcome) -> Vec<Step> {
    report.rungs.iter().filter(|rung| rung.outcome == outcome).map(|rung| rung.step).collect()
}

#[tokio::test]
async fn a_server_in_order_holds_every_rung_over_one_connection_and_gets_no_mail() {
    use Step::*;
    let server = server().await;
    let network = Memory::to(&server, Listener::Implicit);
    let network_too: Arc<dyn Network> = network.clone();
    let diagnosis = Diagnosis::of(mailer(&server, TlsMode::Implicit).network(network_too))
        .sender("app@example.org".parse().unwrap())
        .recipient("ann@example.com".parse().unwrap())
        .recipient("bob@example.com".parse().unwrap())
        .size(10_000);
    let report = diagnose(diagnosis).await;
    assert!(report.holds(), "{report}");
    let all = [
        Dns,
        Tcp,
        Handshake,
        Certificate,
        Greeting,
        Ehlo,
        AuthOffered,
        Auth,
        Size,
        Sender,
        Recipients,
    ];
    assert_eq!(steps(&report, Outcome::Held), all);
    assert!(report.rung(Certificate).unwrap().detail.starts_with("valid until "), "{report}");
    assert!(report.rung(Handshake).unwrap().detail.starts_with("TLSv1.3, TLS_"), "{report}");
    assert!(report.certificate.is_some());
    assert_eq!(network.connections(), 1);
    assert_eq!(server.received_count(), 0);
}

#[tokio::test]
async fn starttls_is_climbed_in_its_own_order() {
    use Step::*;
    let server = server().await;
    let report = diagnose(Diagnosis::of(mailer(&server, TlsMode::StartTls))).await;
    assert!(report.holds(), "{report}");
    assert_eq!(report.status(), Status::Healthy, "{report}");
    let all =
        [Dns, Tcp, Greeting, Ehlo, StartTls, Handshake, Certificate, EhloInTls, AuthOffered, Auth];
    assert_eq!(steps(&report, Outcome::Held), all);
}

#[tokio::test]
async fn without_credentials_the_login_is_skipped_and_says_why() {
    let server = server().await;
    let report = diagnose(Diagnosis::of(support::in_memory(&server, TlsMode::Implicit))).await;
    assert!(report.holds(), "{report}");
    assert_eq!(steps(&report, Outcome::Skipped), [Step::Auth]);
    assert!(report.rung(Step::AuthOffered).unwrap().detail.contains("PLAIN"));
}

/// A network without servers: resolves to one address, and each port does
/// as told.
#[derive(Debug)]
struct Ports {
    resolves: bool,
    does: fn(u16) -> Port,
    tried: Mutex<Vec<u16>>,
}

enum Port {
    Refuses,
    Ignores,
    Answers,
}

impl Ports {
    fn new(resolves: bool, does: fn(u16) -> Port) -> Arc<Self> {
        Arc::new(Ports { resolves, does, tried: Mutex::default() })
    }

    fn tried(&self) -> Vec<u16> {
        let mut tried = self.tried.lock().unwrap().clone();
        tried.sort_unstable();
        tried
    }
}

impl Network for Ports {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            match self.resolves {
                true => Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]),
                false => Err(io::Error::other("no such host is known")),
            }
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            self.tried.lock().unwrap().push(address.port());
            match (self.does)(address.port()) {
                Port::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
                Port::Ignores => std::future::pending().await,
                Port::Answers => Ok(Box::new(tokio::io::duplex(1).0) as Box<dyn Stream>),
            }
        })
    }
}

fn anywhere(network: Arc<Ports>, mode: TlsMode) -> Diagnosis {
    let mailer = Mailer::builder("mail.example.org").tls(mode).network(network);
    Diagnosis::of(mailer.trust(TrustRoots::Mozilla))
}

#[tokio::test]
async fn a_name_that_does_not_resolve_falls_on_the_first_rung() {
    let network = Ports::new(false, |_| Port::Answers);
    let report = diagnose(anywhere(network.clone(), TlsMode::Implicit)).await;
    assert_eq!(cause(&report), (FindingId::DnsFailed, Step::Dns));
    assert!(report.summary().contains("mail.example.org"), "{report}");
    assert!(network.tried().is_empty());
    let skipped = steps(&report, Outcome::Skipped);
    assert_eq!(skipped.first(), Some(&Step::Tcp));
    assert!(report.rungs[1..].iter().all(|rung| rung.detail == "not reached"));
}

#[tokio::test]
async fn a_refused_port_names_the_neighbour_that_answers() {
    let network = Ports::new(true, |port| match port {
        465 => Port::Answers,
        _ => Port::Refuses,
    });
    let report = diagnose(anywhere(network.clone(), TlsMode::StartTls)).await;
    assert_eq!(cause(&report), (FindingId::Refused, Step::Tcp));
    assert_eq!(
        report.summary(),
        "mail.example.org port 587 refuses connections: nothing listens there; port 465 of the \
         same host answers"
    );
    let remedy = report.remedy.as_deref().unwrap();
    assert_eq!(remedy, "use port 465, which answers: smtps://mail.example.org:465");
    assert_eq!(network.tried(), [25, 465, 587]);
}

#[tokio::test]
async fn a_refused_port_without_looks_touches_no_other_port() {
    let network = Ports::new(true, |_| Port::Refuses);
    let report = diagnose(anywhere(network.clone(), TlsMode::StartTls).looks(false)).await;
    assert_eq!(cause(&report), (FindingId::Refused, Step::Tcp));
    assert_eq!(network.tried(), [587]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_port_is_told_from_a_refused_one() {
    let network = Ports::new(true, |_| Port::Ignores);
    let report = diagnose(anywhere(network, TlsMode::Implicit)).await;
    assert_eq!(cause(&report), (FindingId::Silent, Step::Tcp));
    assert!(report.summary().contains("firewall"), "{report}");
    assert_eq!(report.failed().unwrap().elapsed, Deadlines::default().connect);
}

#[tokio::test]
async fn plain_text_on_a_port_for_implicit_tls_is_quoted_and_starttls_is_the_remedy() {
    let server = server().await;
    let network = Memory::to(&server, Listener::StartTls);
    let mailer = mailer(&server, TlsMode::Implicit).network(network.clone());
    let report = diagnose(Diagnosis::of(mailer)).await;
    assert_eq!(cause(&report), (FindingId::PlaintextOnImplicit, Step::Handshake));
    assert!(report.summary().contains("answers in plain text (220 "), "{report}");
    let remedy = report.remedy.as_deref().unwrap();
    assert_eq!(remedy, "use STARTTLS on this port: smtp://localhost:465?tls=required");
    assert_eq!(network.connections(), 2, "one climb, one look");
}

#[tokio::test]
async fn plain_text_without_starttls_on_a_port_for_implicit_tls_has_another_remedy() {
    let server = server().await;
    let mailer = mailer(&server, TlsMode::Implicit).network(Memory::to(&server, Listener::Plain));
    let report = diagnose(Diagnosis::of(mailer)).await;
    assert_eq!(cause(&report), (FindingId::PlaintextOnImplicit, Step::Handshake));
    assert!(report.remedy.as_deref().unwrap().contains("no TLS at all"), "{report}");
}

#[tokio::test]
async fn a_server_that_hangs_up_on_tls_is_looked_at_in_plain_text() {
    let network = Memory::new(|number, mut stream: DuplexStream| async move {
        if number == 1 {
            let _ = stream.read(&mut [0; 4096]).await;
            return;
        }
        let _ = stream.write_all(b"220 mx\r\n").await;
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"250-mx\r\n250 STARTTLS\r\n").await;
        let _ = stream.read(&mut [0; 4096]).await;
    });
    let mailer = Mailer::builder("mail.example.org").network(network).trust(TrustRoots::Mozilla);
    let report = diagnose(Diagnosis::of(mailer)).await;
    assert_eq!(cause(&report), (FindingId::PlaintextOnImplicit, Step::Handshake));
}

#[tokio::test(start_paused = true)]
async fn a_silent_greeting_is_found_to_be_a_port_for_implicit_tls() {
    let server = server().await;
    let network = Memory::to(&server, Listener::Implicit);
    let mailer = mailer(&server, TlsMode::StartTls).network(network.clone());
    let report = diagnose(Diagnosis::of(mailer)).await;
    assert_eq!(cause(&report), (FindingId::TlsOnPlaintext, Step::Greeting));
    let remedy = report.remedy.as_deref().unwrap();
    assert_eq!(remedy, "use implicit TLS on this port: smtps://localhost:587");
    assert_eq!(network.connections(), 2);
    assert!(report.duration < Duration::from_secs(10), "well before the greeting's deadline");
}

/// A server that reads a line and says the next thing; the first thing it says
/// at once. What it read is kept.
fn scripted(says: &[&str]) -> (Arc<Memory>, Arc<Mutex<Vec<String>>>) {
    let says: Vec<String> = says.iter().map(|text| text.replace('\n', "\r\n")).collect();
    let read = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&read);
    let network = Memory::new(move |_, stream: DuplexStream| {
        let (says, log) = (says.clone(), Arc::clone(&log));
        async move {
            let mut stream = BufReader::new(stream);
            for text in says {
                stream.write_all(text.as_bytes()).await.unwrap();
                let mut line = String::new();
                if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                    return;
                }
                log.lock().unwrap().push(line.trim_end().to_owned());
            }
        }
    });
    (network, read)
}

/// In plain text, so that scripts are readable.
fn plain(network: Arc<Memory>) -> Diagnosis {
    let mailer = Mailer::builder("mail.example.org").tls(TlsMode::None).network(network);
    Diagnosis::of(
        mailer.credentials(Credentials::password("app", PASSWORD)).allow_plaintext_auth(true),
    )
}

async fn with_script(says: &[&str]) -> DiagnosisReport {
    diagnose(plain(scripted(says).0)).await
}

#[tokio::test(start_paused = true)]
async fn a_slow_greeting_is_waited_for() {
    let network = Memory::new(|_, mut stream: DuplexStream| async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let _ = stream.write_all(b"554 go away\r\n").await;
        let _ = stream.read(&mut [0; 512]).await;
    });
    let report = diagnose(plain(network)).await;
    assert_eq!(cause(&report), (FindingId::GreetingRefused, Step::Greeting));
}

#[tokio::test]
async fn a_greeting_that_says_no_tells_limits_from_refusals() {
    let busy = with_script(&["421 4.7.0 too many connections\n"]).await;
    assert_eq!(cause(&busy), (FindingId::RateLimited, Step::Greeting));
    assert!(busy.summary().contains("421 4.7.0 too many connections"), "{busy}");
    let blocked = with_script(&["554 5.7.1 listed at rbl.example\n"]).await;
    assert_eq!(cause(&blocked), (FindingId::GreetingRefused, Step::Greeting));
}

#[tokio::test]
async fn a_server_of_another_protocol_is_named() {
    let report = with_script(&["* OK IMAP4rev1 ready\n"]).await;
    assert_eq!(cause(&report), (FindingId::NotSmtp, Step::Greeting));
    assert!(report.summary().contains("speaks IMAP, not SMTP"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_answering_or_hangs_up_is_said_to() {
    let silent = Memory::new(|_, mut stream: DuplexStream| async move {
        stream.write_all(b"220 mx\r\n").await.unwrap();
        while stream.read(&mut [0; 512]).await.is_ok_and(|count| count > 0) {}
    });
    assert_eq!(cause(&diagnose(plain(silent)).await), (FindingId::Stalled, Step::Ehlo));
    let gone = with_script(&["220 mx\n"]).await;
    assert_eq!(cause(&gone), (FindingId::ConnectionLost, Step::Ehlo));
}

#[tokio::test]
async fn a_missing_starttls_is_told_from_one_that_was_crossed_out() {
    let starttls = |says: &[&str]| {
        let (network, read) = scripted(says);
        let mailer = Mailer::builder("mail.example.org").tls(TlsMode::StartTls).network(network);
        (Diagnosis::of(mailer.trust(TrustRoots::Mozilla)), read)
    };
    let (diagnosis, read) = starttls(&["220 mx\n", "250-mx\n250 SIZE\n", "221 bye\n"]);
    let report = diagnose(diagnosis).await;
    assert_eq!(cause(&report), (FindingId::StarttlsMissing, Step::StartTls));
    assert_eq!(report.rung(Step::Ehlo).unwrap().outcome, Outcome::Held);
    assert_eq!(read.lock().unwrap().last().unwrap(), "QUIT");
    let (diagnosis, _) = starttls(&["220 mx\n", "250-mx\n250-XXXXXXXA\n250 SIZE\n", "221 bye\n"]);
    assert_eq!(cause(&diagnose(diagnosis).await), (FindingId::StarttlsStripped, Step::StartTls));
    let (diagnosis, _) =
        starttls(&["220 mx\n", "250-mx\n250 STARTTLS\n", "454 4.7.0 no TLS now\n", "221 bye\n"]);
    assert_eq!(cause(&diagnose(diagnosis).await), (FindingId::StarttlsRefused, Step::StartTls));
    let (diagnosis, _) =
        starttls(&["220 mx\n", "250-mx\n250 STARTTLS\n", "220 go\n250 injected\n"]);
    assert_eq!(cause(&diagnose(diagnosis).await), (FindingId::StarttlsInjection, Step::StartTls));
}

#[tokio::test]
async fn opportunistic_tls_goes_on_without_and_says_so() {
    let (network, _) = scripted(&["220 mx\n", "250-mx\n250 SIZE\n", "221 bye\n"]);
    let mailer = Mailer::builder("mx.example.org").tls(TlsMode::Opportunistic).network(network);
    let report = diagnose(Diagnosis::of(mailer.trust(TrustRoots::Mozilla))).await;
    assert!(report.holds(), "{report}");
    assert_eq!(report.status(), Status::Degraded);
    assert_eq!(report.notes[0].id, FindingId::StarttlsMissing);
}

#[tokio::test]
async fn credentials_are_not_tried_where_opportunistic_tls_stayed_plain() {
    let (network, read) = scripted(&["220 mx\n", EHLO, "221 bye\n"]);
    let mailer = Mailer::builder("mx.example.org")
        .tls(TlsMode::Opportunistic)
        .network(network)
        .credentials(Credentials::password("app", PASSWORD))
        .trust(TrustRoots::Mozilla);
    let report = diagnose(Diagnosis::of(mailer)).await;
    assert_eq!(cause(&report), (FindingId::AuthNeedsTls, Step::AuthOffered));
    assert_eq!(read.lock().unwrap()[1..], ["QUIT"]);
}

#[tokio::test]
async fn a_server_with_old_tls_only_is_said_to_have_it() {
    let network = Memory::new(|_, mut stream: DuplexStream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        // An alert: fatal, protocol_version.
        stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46").await.unwrap();
        let _ = stream.read(&mut [0; 16]).await;
    });
    let mailer = Mailer::builder("mail.example.org").network(network).trust(TrustRoots::Mozilla);
    let report = diagnose(Diagnosis::of(mailer)).await;
    assert_eq!(cause(&report), (FindingId::LegacyTls, Step::Handshake));
}

#[tokio::test]
async fn credentials_never_go_over_a_connection_whose_certificate_is_bad() {
    for (mode, listener) in
        [(TlsMode::Implicit, Listener::Implicit), (TlsMode::StartTls, Listener::StartTls)]
    {
        for (chain, id) in [
            (Chain::Expired, FindingId::Expired),
            (Chain::WrongName, FindingId::NameMismatch),
            (Chain::SelfSigned, FindingId::SelfSigned),
            (Chain::MissingIntermediate, FindingId::MissingIntermediate),
        ] {
            let server = server().await;
            server.present(chain).await.unwrap();
            let network = Memory::to(&server, listener);
            let report =
                diagnose(Diagnosis::of(mailer(&server, mode).network(network.clone()))).await;
            assert_eq!(cause(&report), (id, Step::Certificate), "{chain:?}");
            assert_eq!(report.rung(Step::Handshake).unwrap().outcome, Outcome::Held);
            assert_eq!(report.rung(Step::Auth).unwrap().detail, "not reached");
            assert!(report.certificate.as_ref().unwrap().has(id));
            assert_eq!(network.connections(), 1);
            assert_eq!(server.stats().auth_ok + server.stats().auth_failed, 0);
        }
    }
}

const EHLO: &str = "250-mx\n250-SIZE 1000\n250 AUTH PLAIN\n";

#[tokio::test]
async fn a_refused_login_has_a_cause_for_each_kind_of_refusal() {
    use FindingId::*;
    let mut sentences = std::collections::HashSet::new();
    for (refusal, id) in [
        ("535 5.7.8 authentication failed\n", CredentialsRefused),
        ("530 5.7.0 Must issue a STARTTLS command first\n", AuthRequired),
        ("550 5.7.1 this account is blocked\n", AuthPolicy),
        ("454 4.7.0 try later\n", AuthTransient),
        ("421 4.7.0 too many failures\n", RateLimited),
    ] {
        let report = with_script(&["220 mx\n", EHLO, refusal, "221 bye\n"]).await;
        assert_eq!(cause(&report), (id, Step::Auth), "{refusal}");
        assert!(report.summary().contains(refusal.trim_end()), "{report}");
        assert!(sentences.insert(report.remedy.clone()), "{report}");
    }
    // 534 refuses the mechanism, and there is no other.
    let refusal = "534 5.7.9 application-specific password required\n";
    let report = with_script(&["220 mx\n", EHLO, refusal, "221 bye\n"]).await;
    assert_eq!(cause(&report), (AuthPolicy, Step::Auth));
}

#[tokio::test]
async fn a_server_without_a_fitting_login_is_told_before_any_is_tried() {
    let (network, read) = scripted(&["220 mx\n", "250 mx\n", "221 bye\n"]);
    assert_eq!(
        cause(&diagnose(plain(network)).await),
        (FindingId::AuthNotOffered, Step::AuthOffered)
    );
    assert_eq!(read.lock().unwrap().last().unwrap(), "QUIT");
    let odd = "250-mx\n250 AUTH GSSAPI NTLM\n";
    assert_eq!(
        cause(&with_script(&["220 mx\n", odd, "221 bye\n"]).await),
        (FindingId::MechanismNotOffered, Step::AuthOffered)
    );
    let server = server().await;
    let mailer = mailer(&server, TlsMode::Implicit).auth_mechanisms([Mechanism::OAuthBearer]);
    let report = diagnose(Diagnosis::of(mailer)).await;
    assert_eq!(cause(&report), (FindingId::MechanismNotOffered, Step::AuthOffered));
    assert!(report.summary().contains("PLAIN"), "says what is offered: {report}");
}

#[tokio::test]
async fn sender_and_recipient_are_asked_about_and_taken_back() {
    let addressed = |network| {
        let mailer = Mailer::builder("mail.example.org").tls(TlsMode::None).network(network);
        Diagnosis::of(mailer)
            .sender("app@example.org".parse().unwrap())
            .recipient("ann@example.com".parse().unwrap())
    };
    let ehlo = "250-mx\n250 AUTH PLAIN\n";
    let refused = "553 5.7.1 not owned by user\n";
    let (network, read) = scripted(&["220 mx\n", ehlo, refused, "221 bye\n"]);
    let report = diagnose(addressed(network)).await;
    assert_eq!(cause(&report), (FindingId::SenderRefused, Step::Sender));
    assert_eq!(read.lock().unwrap()[1..], ["MAIL FROM:<app@example.org>", "QUIT"]);

    let relay = "554 5.7.1 Relay access denied\n";
    let (network, read) = scripted(&["220 mx\n", ehlo, "250 ok\n", relay, "250 ok\n", "221 bye\n"]);
    let report = diagnose(addressed(network)).await;
    assert_eq!(cause(&report), (FindingId::AuthRequired, Step::Recipients));
    assert_eq!(read.lock().unwrap()[2..], ["RCPT TO:<ann@example.com>", "RSET", "QUIT"]);

    let later = "450 4.2.0 greylisted\n";
    let (network, _) = scripted(&["220 mx\n", ehlo, "250 ok\n", later, "250 ok\n", "221 bye\n"]);
    let report = diagnose(addressed(network)).await;
    assert_eq!(cause(&report), (FindingId::RecipientRefused, Step::Recipients));
    assert!(report.remedy.as_deref().unwrap().contains("again"), "{report}");
}

#[tokio::test]
async fn a_size_above_the_servers_limit_falls_without_a_word_of_mail() {
    let (network, read) = scripted(&["220 mx\n", EHLO, "235 ok\n", "221 bye\n"]);
    let sender = "app@example.org".parse().unwrap();
    let report = diagnose(plain(network).size(3000).sender(sender)).await;
    assert_eq!(cause(&report), (FindingId::SizeLimit, Step::Size));
    assert!(report.summary().contains("2.9 kB is 2.0 kB larger"), "{report}");
    assert_eq!(read.lock().unwrap().len(), 3, "EHLO, AUTH, QUIT");
}

#[tokio::test]
async fn a_handshake_that_is_cut_falls_on_the_handshake() {
    let server = server().await;
    let cut = Fault::cut(At::Handshake, everpost_rehearsal::Cut::Rst).on(Which::Every);
    server.inject(cut).unwrap();
    let report = diagnose(Diagnosis::of(mailer(&server, TlsMode::Implicit))).await;
    assert_eq!(cause(&report), (FindingId::ConnectionLost, Step::Handshake));
}

#[tokio::test]
async fn recipients_need_a_sender() {
    let diagnosis = Diagnosis::of_url("smtps://mail.example.org").unwrap();
    let error = diagnosis.recipient("ann@example.com".parse().unwrap()).run().await.unwrap_err();
    assert_eq!(error.kind(), everpost::ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn the_json_has_every_key_and_the_names_of_the_table() {
    let report = with_script(&["220 mx\n", EHLO, "535 5.7.8 no\n", "221 bye\n"]).await;
    let json = report.to_json();
    assert_eq!(json["schema"], "everpost.diagnosis/1");
    assert_eq!(json["status"], "unhealthy");
    assert_eq!(json["holds"], false);
    assert_eq!(json["failed_at"], "auth");
    assert_eq!(json["cause"]["id"], "credentials-refused");
    assert_eq!(json["reply"]["code"], 535);
    assert_eq!(json["rungs"][0]["step"], "dns");
    assert_eq!(json["rungs"][0]["outcome"], "held");
    assert!(json["remedy"].is_string() && json["certificate"].is_null());
}
