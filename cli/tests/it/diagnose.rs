//! `everpost diagnose`.

use everpost_rehearsal::{Chain, Refusal};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::support::{Run, World, everpost, run};

/// Diagnoses the server of the world with its login, and these options.
async fn diagnose(world: &World, more: &[&str]) -> Run {
    let (target, trust, password) = (
        format!("smtps://localhost:{}", world.port()),
        world.path("ca.pem"),
        world.path("password"),
    );
    let options =
        ["diagnose", &target, "--trust", &trust, "--user", "app", "--password-file", &password];
    run(&[&options, more].concat()).await.keeps_secrets()
}

/// The sentence after `cause:`, its lines joined.
fn sentence(run: &Run, label: &str) -> String {
    let mut lines = run.stdout.lines().skip_while(|line| !line.starts_with(label));
    let first = lines.next().unwrap_or_else(|| panic!("no {label} in {}", run.stdout));
    let rest = lines.take_while(|line| line.starts_with("      "));
    let words = std::iter::once(&first[label.len()..]).chain(rest).map(str::trim);
    words.collect::<Vec<_>>().join(" ")
}

fn cause(run: &Run) -> String {
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    assert_eq!(run.stderr, "");
    assert!(run.stdout.contains("\n  ✗ ") && run.stdout.contains("\nremedy:"), "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{}", run.stdout);
    sentence(run, "cause:")
}

#[tokio::test]
async fn a_server_in_order_holds_every_rung_and_exits_with_zero() {
    let world = World::new().await;
    let asked = ["--from", "app@example.org", "--to", "ann@example.com", "--size", "1000"];
    let run = diagnose(&world, &asked).await;
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.ends_with("\nevery rung holds\n"), "{}", run.stdout);
    for label in ["DNS", "TCP", "TLS handshake", "certificate", "login", "sender", "recipients"] {
        assert!(run.stdout.contains(&format!("\n  ✓ {label} ")), "{label}: {}", run.stdout);
    }
    assert_eq!(world.server.received_count(), 0, "no message is sent");
}

#[tokio::test]
async fn four_troubles_have_four_different_and_correct_sentences() {
    let world = World::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let target = format!("127.0.0.1:{free}");
    let wrong_port = run(&["diagnose", &target, "--no-looks"]).await;
    let wrong_port = cause(&wrong_port);
    assert!(
        wrong_port.starts_with(&format!("127.0.0.1 port {free} refuses connections")),
        "{wrong_port}"
    );

    let password = world.file("wrong", b"p4ss-wrong\n");
    let (port, trust) = (world.port(), world.path("ca.pem"));
    let server = ["diagnose", "--host", "localhost", "--port", &port, "--trust", &trust];
    let login = ["--user", "app", "--password-file", &password];
    let login = run(&[&server[..], &login].concat()).await;
    let wrong_password = cause(&login.keeps_secrets());
    assert!(
        wrong_password.contains("refuses user name or password: 535 5.7.8"),
        "{wrong_password}"
    );

    let dead_host = cause(&run(&["diagnose", "mail.nowhere.invalid", "--no-looks"]).await);
    assert!(dead_host.starts_with("cannot resolve mail.nowhere.invalid"), "{dead_host}");

    world.server.present(Chain::Expired).await.unwrap();
    let expired = cause(&diagnose(&world, &[]).await);
    assert!(expired.starts_with("certificate of localhost expired"), "{expired}");
    assert_eq!(world.server.stats().auth_ok, 0);
}

#[tokio::test]
async fn plain_text_on_a_port_taken_for_implicit_tls_is_said_with_the_right_url() {
    let world = World::new().await;
    let port = world.server.starttls_addr().port();
    let target = format!("127.0.0.1:{port}");
    let asked_for = run(&["diagnose", &target, "--tls", "implicit"]).await;
    assert!(cause(&asked_for).contains("answers in plain text (220 "), "{}", asked_for.stdout);
    let run = run(&["diagnose", &format!("smtps://{target}")]).await;
    assert!(cause(&run).contains("answers in plain text (220 "), "{}", run.stdout);
    let remedy = sentence(&run, "remedy:");
    assert_eq!(remedy, format!("use STARTTLS on this port: smtp://127.0.0.1:{port}?tls=required"));
}

#[tokio::test]
async fn a_refused_sender_recipient_and_size_are_told_apart() {
    let world = World::new().await;
    world.server.update(|settings| {
        settings.refuse_senders = vec![Refusal::new("boss@*", "553 5.7.1 not yours")];
        settings.refuse_recipients = vec![Refusal::new("no@*", "550 5.1.1 no such user")];
        settings.limits.message_size = 1000;
    });
    let sender = diagnose(&world, &["--from", "boss@example.org"]).await;
    assert!(cause(&sender).ends_with("refuses the sender: 553 5.7.1 not yours"));
    let addresses = ["--from", "app@example.org", "--to", "no@example.com"];
    let recipient = diagnose(&world, &addresses).await;
    assert!(cause(&recipient).ends_with("refuses the recipient: 550 5.1.1 no such user"));
    let size = diagnose(&world, &["--size", "5000"]).await;
    assert!(cause(&size).contains("4.9 kB is 3.9 kB larger"), "{}", size.stdout);
}

/// A plain server that greets and answers as told, for one connection.
async fn scripted(says: &[&str]) -> String {
    let says: Vec<String> = says.iter().map(|text| text.replace('\n', "\r\n")).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        for text in says {
            stream.write_all(text.as_bytes()).await.unwrap();
            if !matches!(stream.read_line(&mut String::new()).await, Ok(1..)) {
                return;
            }
        }
    });
    format!("smtp://app:p4ss-w0rd%2F%C2%A7@127.0.0.1:{port}?tls=none&allow_plaintext_auth=true")
}

#[tokio::test]
async fn every_refusal_of_a_login_has_its_own_sentence() {
    const EHLO: &str = "250-mx\n250 AUTH PLAIN\n";
    let mut sentences = std::collections::HashSet::new();
    for (says, part) in [
        (vec!["421 4.7.0 too many connections\n"], "turns this client away for now"),
        (vec!["220 mx\n", "250 mx\n", "221 bye\n"], "offers no login at all"),
        (vec!["220 mx\n", "250-mx\n250 AUTH NTLM\n", "221 bye\n"], "offers no AUTH mechanism"),
        (vec!["220 mx\n", EHLO, "530 5.7.0 TLS first\n", "221 bye\n"], "530 5.7.0 TLS first"),
        (vec!["220 mx\n", EHLO, "534 5.7.9 app password\n", "221 bye\n"], "by its policy"),
        (vec!["220 mx\n", EHLO, "535 5.7.8 no\n", "221 bye\n"], "refuses user name or password"),
        (vec!["220 mx\n", EHLO, "550 5.7.1 blocked\n", "221 bye\n"], "550 5.7.1 blocked"),
        (vec!["220 mx\n", EHLO, "454 4.7.0 later\n", "221 bye\n"], "cannot check the login"),
    ] {
        let url = scripted(&says).await;
        let run = run(&["diagnose", &url]).await.keeps_secrets();
        let cause = cause(&run);
        assert!(cause.contains(part), "{part}: {cause}");
        assert!(sentences.insert(cause));
    }
}

#[tokio::test]
async fn json_is_one_object_with_the_published_names_and_no_secret() {
    let url = scripted(&["220 mx\n", "250-mx\n250 AUTH PLAIN\n", "535 5.7.8 no\n"]).await;
    let mut command = everpost(&["diagnose", "--json", "-vv"]);
    let run = Run::from(command.env("EVERPOST_URL", &url).output().await.unwrap());
    let run = run.keeps_secrets();
    assert_eq!((run.code, run.stdout.lines().count()), (2, 1), "{}", run.stdout);
    let json = run.json();
    assert_eq!(json["schema"], "everpost.diagnosis/1");
    assert_eq!(json["cause"]["id"], "credentials-refused");
    assert_eq!(json["failed_at"], "auth");
}

#[tokio::test]
async fn a_wrong_command_line_is_64_and_shows_no_secret() {
    for args in [
        &["diagnose"][..],
        &["diagnose", "no host"],
        &["diagnose", "mail.example.org", "--to", "a@example.org"],
        &["diagnose", "mail.example.org", "--from", "nobody"],
        &["diagnose", "smtps://app:p4ss-w0rd@"],
        &["diagnose", "mail.example.org", "--nonsense"],
        &["diagnose", "mail.example.org", "--host", "mail.example.org"],
        &["diagnose", "mail.example.org", "--port", "25"],
        &["diagnose", "smtp://mail.example.org", "--tls", "implicit"],
        &["diagnose", "mail.example.org", "--trust", "nowhere.pem"],
    ] {
        let run = run(args).await.keeps_secrets();
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{args:?}: {}", run.stderr);
        assert!(!run.stderr.is_empty());
    }
}
