//! Against an HTTPS server on loopback.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::SystemTime;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as crypto;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as crypto;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::certificate::testing::{Authority, Issued, Leaf, now};
use crate::certificate::{Inspector, RootSet};
use crate::network::{BoxFuture, Stream, Tcp};
use crate::probe::records::{Answer, Mx, Security, Tlsa};
use crate::tls::TrustRoots as Roots;

const DOMAIN: &str = "example.org";
const HOST: &str = "mta-sts.example.org";
const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: *.example.org\r\nmax_age: 604800\r\n";

/// Texts by name; nothing at any other.
#[derive(Debug, Default)]
struct Texts(HashMap<&'static str, Vec<&'static str>>);

impl Texts {
    fn announced() -> Self {
        Texts(HashMap::from([("_mta-sts.example.org", vec!["v=STSv1; id=20300101;"])]))
    }
}

impl Records for Texts {
    fn mx<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Answer<Mx>>> {
        unreachable!("only TXT records are asked for")
    }

    fn tlsa<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Answer<Tlsa>>> {
        unreachable!("only TXT records are asked for")
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Answer<String>>> {
        Box::pin(async move {
            let texts = self.0.get(name).cloned().unwrap_or_default();
            if texts == ["SERVFAIL"] {
                return Err(io::Error::other("the DNS server answers SERVFAIL"));
            }
            let records = texts.into_iter().map(str::to_owned).collect();
            Ok(Answer { records, security: Security::Insecure })
        })
    }
}

/// The policy host is at this address, whatever its port.
#[derive(Debug)]
struct Mapped(SocketAddr);

impl Network for Mapped {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        assert_eq!((host, port), (HOST, 443));
        Box::pin(async { Ok(vec![self.0]) })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Tcp.connect(address, bind)
    }
}

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> SystemTime {
        now()
    }
}

/// The policy host is at the other end of a pipe.
#[derive(Debug)]
struct Piped(Mutex<Option<DuplexStream>>);

impl Network for Piped {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 443))]) })
    }

    fn connect<'a>(
        &'a self,
        _: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        let pipe = self.0.lock().unwrap().take().unwrap();
        Box::pin(async { Ok(Box::new(pipe) as Box<dyn Stream>) })
    }
}

/// What the web server does once the handshake is done.
enum Answered {
    With(Vec<u8>),
    Silently,
}

struct Web {
    fetcher: PolicyFetcher,
    task: JoinHandle<io::Result<String>>,
}

/// A web server's TLS with a certificate for `leaf`, and the authority to
/// trust for it.
fn tls(leaf: &Leaf) -> (TlsAcceptor, Roots) {
    let root = Authority::root("Example Root");
    let Issued { der, key } = root.issue(leaf);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(crypto::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), Roots::Pem(root.pem()))
}

/// Serves one request, and returns it.
async fn serve(
    acceptor: TlsAcceptor,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answered,
) -> io::Result<String> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    match answer {
        Answered::With(bytes) => {
            // The client may have seen enough before the end.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answered::Silently => std::future::pending().await,
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}

fn fetcher(network: impl Network + 'static, trust: Roots) -> PolicyFetcher {
    PolicyFetcher { network: Arc::new(network), trust: vec![trust], clock: Arc::new(Fixed) }
}

impl Web {
    async fn start(leaf: Leaf, answer: Answered) -> Web {
        let (acceptor, trust) = tls(&leaf);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            serve(acceptor, stream, answer).await
        });
        Web { fetcher: fetcher(Mapped(address), trust), task }
    }

    async fn good(answer: Answered) -> Web {
        Web::start(Leaf::named(HOST), answer).await
    }

    async fn fetch(&self) -> (MtaStsReport, Vec<Finding>) {
        MtaStsReport::fetch(&Texts::announced(), &self.fetcher, DOMAIN).await
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn ok(media_type: &str, body: &str) -> Answered {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    Answered::With((head + body).into_bytes())
}

fn only(findings: &[Finding]) -> (FindingId, &str) {
    match findings {
        [one] => (one.id, &one.message),
        other => panic!("one finding expected: {other:?}"),
    }
}

#[tokio::test]
async fn an_announced_policy_is_fetched_and_read() {
    for body in [POLICY, &POLICY.replace("\r\n", "\n")] {
        let mut web = Web::good(ok("text/plain; charset=utf-8", body)).await;
        let (report, findings) = web.fetch().await;
        assert_eq!(findings, []);
        assert_eq!(report.id.as_deref(), Some("20300101"));
        assert_eq!(report.policy, Some(POLICY.parse().unwrap()));
        assert!(report.fetch_time.is_some());
        let request = (&mut web.task).await.unwrap().unwrap();
        assert!(request.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("host: mta-sts.example.org\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_and_one_that_ends_with_the_connection_are_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{POLICY}\r\n0\r\n\r\n",
        POLICY.len()
    );
    let unsized_ = format!("{head}\r\n{POLICY}");
    for answer in [chunked, unsized_] {
        let web = Web::good(Answered::With(answer.into_bytes())).await;
        let (report, findings) = web.fetch().await;
        assert_eq!(findings, []);
        assert!(report.policy.is_some());
    }
}

#[tokio::test]
async fn without_a_record_nothing_is_fetched_and_nothing_found() {
    let web = Web::good(ok("text/plain", POLICY)).await;
    let (report, findings) = MtaStsReport::fetch(&Texts::default(), &web.fetcher, DOMAIN).await;
    assert_eq!((report.id, report.policy, findings), (None, None, vec![]));
    assert!(!web.task.is_finished());
}

#[tokio::test]
async fn a_record_that_is_broken_or_not_answered_is_told() {
    let web = Web::good(ok("text/plain", POLICY)).await;
    for (text, id) in
        [("v=STSv1;", FindingId::MtaStsInvalid), ("SERVFAIL", FindingId::MtaStsUnreachable)]
    {
        let texts = Texts(HashMap::from([("_mta-sts.example.org", vec![text])]));
        let (report, findings) = MtaStsReport::fetch(&texts, &web.fetcher, DOMAIN).await;
        assert_eq!(only(&findings).0, id);
        assert_eq!(report.policy, None);
    }
}

#[tokio::test]
async fn where_reports_go_is_told_beside_it() {
    let web = Web::good(ok("text/plain", POLICY)).await;
    let rua = vec!["v=TLSRPTv1; rua=mailto:tls@example.org"];
    let texts = Texts(HashMap::from([("_smtp._tls.example.org", rua)]));
    let (report, findings) = MtaStsReport::fetch(&texts, &web.fetcher, DOMAIN).await;
    assert_eq!((report.report_to, findings), (vec!["mailto:tls@example.org".to_owned()], vec![]));
}

#[tokio::test]
async fn a_policy_host_with_a_bad_certificate_is_not_believed() {
    for (leaf, reason) in [
        (Leaf::named(DOMAIN), "example.org"),
        (Leaf { names: vec![HOST.to_owned()], ..Leaf::expired() }, "expired"),
    ] {
        let web = Web::start(leaf, ok("text/plain", POLICY)).await;
        let (report, findings) = web.fetch().await;
        let (id, message) = only(&findings);
        assert_eq!(id, FindingId::MtaStsUnreachable);
        assert!(message.contains(reason), "{message}");
        assert_eq!(report.policy, None);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer = "HTTP/1.1 301 Moved Permanently\r\nLocation: https://example.org/x\r\n\r\n";
    let web = Web::good(Answered::With(answer.into())).await;
    let (report, findings) = web.fetch().await;
    let (id, message) = only(&findings);
    assert_eq!((id, report.policy), (FindingId::MtaStsUnreachable, None));
    assert!(message.contains("redirects to https://example.org/x (status 301)"), "{message}");
}

#[tokio::test]
async fn any_other_answer_is_no_policy() {
    for (answer, reason) in [
        (format!("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n{POLICY}"), "404"),
        (format!("HTTP/1.1 204 No Content\r\n\r\n{POLICY}"), "204"),
        ("220 mail.example.org ESMTP\r\n".to_owned(), "HTTP failed"),
        (String::new(), "HTTP failed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nversion".to_owned(), "broke off"),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)), "HTTP failed"),
    ] {
        let web = Web::good(Answered::With(answer.into_bytes())).await;
        let (report, findings) = web.fetch().await;
        let (id, message) = only(&findings);
        assert_eq!((id, report.policy), (FindingId::MtaStsUnreachable, None));
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn a_policy_of_more_than_64_kib_is_refused() {
    let line = "x: padding\n";
    let fitting = format!("{POLICY}{}", line.repeat((64 * 1024 - POLICY.len()) / line.len()));
    let web = Web::good(ok("text/plain", &fitting)).await;
    assert_eq!(web.fetch().await.1, []);
    let web = Web::good(ok("text/plain", &(fitting + line))).await;
    let (report, findings) = web.fetch().await;
    assert_eq!((only(&findings).0, report.policy), (FindingId::MtaStsInvalid, None));
}

#[tokio::test]
async fn a_file_that_is_no_policy_says_why() {
    let web = Web::good(ok("text/plain", "version: STSv1\nmode: enforce\n")).await;
    let (report, findings) = web.fetch().await;
    let (id, message) = only(&findings);
    assert_eq!((id, report.policy), (FindingId::MtaStsInvalid, None));
    assert!(message.contains("no max_age"), "{message}");
}

#[tokio::test]
async fn a_policy_of_another_media_type_is_read_and_remarked_upon() {
    let web = Web::good(ok("text/html", POLICY)).await;
    let (report, findings) = web.fetch().await;
    assert_eq!(only(&findings).0, FindingId::MtaStsInvalid);
    assert!(report.policy.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_silent_web_server_ends_the_wait_after_a_minute() {
    let (acceptor, trust) = tls(&Leaf::named(HOST));
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let fetcher = fetcher(Piped(Mutex::new(Some(ours))), trust);
    let task = tokio::spawn(serve(acceptor, theirs, Answered::Silently));
    let began = Instant::now();
    let failure = fetcher.policy(DOMAIN).await.unwrap_err();
    assert!(matches!(&failure, Failure::Unreachable(why) if why.contains("60s")), "{failure:?}");
    assert_eq!(began.elapsed().as_secs(), 60);
    task.abort();
}

fn report(mode: MtaStsMode) -> MtaStsReport {
    let policy = MtaStsPolicy { mode, ..POLICY.parse().unwrap() };
    MtaStsReport {
        domain: DOMAIN.to_owned(),
        id: Some("1".to_owned()),
        policy: Some(policy),
        fetch_time: None,
        report_to: Vec::new(),
    }
}

/// The verdict on a leaf of an authority that is trusted.
fn verdict(leaf: &Leaf) -> CertificateReport {
    let root = Authority::root("Example Root");
    let anchor = webpki::anchor_from_trusted_cert(&root.der()).unwrap().to_owned();
    let inspector = Inspector::new(&RootSet::new("test", vec![anchor]));
    inspector.inspect(&[root.issue(leaf).der.to_vec()], "mail.example.org", now())
}

#[test]
fn a_server_that_the_policy_does_not_name_is_told_as_severely_as_its_mode() {
    for (mode, severity) in [
        (MtaStsMode::Enforce, Some(Severity::Critical)),
        (MtaStsMode::Testing, Some(Severity::Warning)),
        (MtaStsMode::None, None),
    ] {
        let report = report(mode);
        let findings = report.judge(&[("mail.example.net", None), ("mail.example.org", None)]);
        let severities: Vec<_> = findings.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, severity.into_iter().collect::<Vec<_>>());
        assert!(findings.iter().all(|finding| finding.message.starts_with("mail.example.net ")));
    }
}

#[test]
fn a_server_must_show_a_certificate_that_holds() {
    let good = verdict(&Leaf::good());
    let mut spoken_of = good.clone();
    for id in [FindingId::Expiring, FindingId::PinMismatch, FindingId::NotLoaded] {
        spoken_of.findings.push(Finding::new(id, "").with_severity(Severity::Critical));
    }
    let report = report(MtaStsMode::Enforce);
    for verdict in [&good, &spoken_of] {
        assert_eq!(report.judge(&[("mail.example.org", Some(verdict))]), []);
    }
    for bad in [Leaf::expired(), Leaf::named("elsewhere.test")] {
        let findings = report.judge(&[("mail.example.org", Some(&verdict(&bad)))]);
        assert_eq!(only(&findings).0, FindingId::MtaStsMismatch);
    }
}

#[test]
fn without_a_policy_servers_satisfy_it() {
    let report = MtaStsReport { policy: None, ..report(MtaStsMode::Enforce) };
    assert_eq!(report.judge(&[("mail.example.net", None)]), []);
}
