//! `openssl s_server`, which can still be told to speak what is gone elsewhere.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use everpost::FindingId;
use everpost::TlsMode;

use crate::authority::{Authority, Leaf};
use crate::postfix::Postfix;
use crate::probing::{bad, probe, shown, shows};
use crate::server::{Place, Server as _};

struct Openssl {
    server: Child,
    input: ChildStdin,
}

impl Openssl {
    /// Returns once it listens on the place's port for implicit TLS.
    fn start(place: &Place, leaf: &Leaf, options: &[&str]) -> Self {
        leaf.install(&place.certificate());
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", &format!("127.0.0.1:{}", place.implicit), "-cert"]);
        command.arg(place.certificate()).args(options);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = pipes.spawn().expect("openssl is installed by cargo xtask test-mta");
        let input = server.stdin.take().unwrap();
        let mut output = BufReader::new(server.stdout.take().unwrap()).lines();
        let listens = output.any(|line| line.unwrap().starts_with("ACCEPT"));
        assert!(listens, "openssl s_server {options:?} does not listen");
        Openssl { server, input }
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        // It has ended already, or does now.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// One kind of old server: its options, and what it agrees to.
const OLD: &[(&[&str], &str, &str)] = &[
    (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "TLSv1.0", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "TLSv1.1", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (&["-tls1_2", "-cipher", "AES128-SHA"], "TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
        "TLSv1.2",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    ),
    (
        &["-tls1_2", "-cipher", "DHE-RSA-AES256-SHA256"],
        "TLSv1.2",
        "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    ),
];

#[tokio::test]
async fn a_server_of_old_shows_its_certificate_version_and_cipher() {
    let authority = Authority::new();
    let leaf = authority.issue_rsa();
    for (options, protocol, cipher) in OLD {
        let place = Place::new(&[]);
        let _server = Openssl::start(&place, &leaf, options);
        let report = probe(&authority, place.implicit, TlsMode::Implicit, None).await;
        assert_eq!(shown(&report), leaf.der, "{options:?}");
        assert_eq!(bad(&report), [FindingId::LegacyTls], "{options:?}");
        let tls = report.tls.expect("facts");
        assert_eq!((&*tls.protocol, &*tls.cipher), (*protocol, *cipher));
        assert!(tls.legacy && !tls.proven, "{tls:?}");
    }
}

#[tokio::test]
async fn a_postfix_of_old_shows_its_certificate_on_both_ports() {
    let authority = Authority::new();
    let leaf = authority.issue_rsa();
    // The mandatory ones are for the port of implicit TLS.
    let old = "smtpd_tls_protocols = TLSv1\nsmtpd_tls_mandatory_protocols = TLSv1\n\
               tls_medium_cipherlist = ALL:@SECLEVEL=0\n";
    let server = Postfix::start_with(&leaf, false, old).await;
    for (port, mode) in server.place().ports() {
        let report = probe(&authority, port, mode, None).await;
        assert_eq!(shown(&report), leaf.der, "{mode}");
        assert_eq!(bad(&report), [FindingId::LegacyTls], "{mode}");
        assert_eq!(report.tls.map(|tls| tls.protocol).as_deref(), Some("TLSv1.0"), "{mode}");
    }
}

#[tokio::test]
async fn a_server_that_is_restarted_with_a_new_certificate_shows_it() {
    let authority = Authority::new();
    let place = Place::new(&[]);
    for days_ago in [30, 1] {
        let leaf = authority.issue(days_ago);
        let mut server = Openssl::start(&place, &leaf, &[]);
        // What is typed into it goes to the client.
        server.input.write_all(b"554 no mail here\r\n").unwrap();
        let report = probe(&authority, place.implicit, TlsMode::Implicit, None).await;
        assert!(shows(&report, &leaf));
        assert_eq!(bad(&report), [FindingId::GreetingRefused]);
    }
}
