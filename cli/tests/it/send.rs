//! `everpost send`.

use everpost_rehearsal::{Action, At, Chain, Cut, Fault, Refusal};

use crate::support::{PASSWORD, World, everpost, run, run_with};

const LETTER: [&str; 8] = [
    "--from",
    "App <app@example.org>",
    "--to",
    "ann@example.com",
    "--subject",
    "Grüße",
    "--text",
    "Hello Ann",
];

#[tokio::test]
async fn a_message_by_flags_is_accepted_and_says_by_whom() {
    let world = World::new().await;
    let attachment = world.file("report.pdf", b"%PDF-1.7");
    let bcc = ["--cc", "bob@example.com", "--bcc", "cy@example.com", "--html", "<p>Hello</p>"];
    let run = world.send(&[&LETTER[..], &bcc, &["--attach", &attachment]].concat()).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.starts_with("accepted by localhost (127.0.0.1:"), "{}", run.stdout);
    assert!(run.stdout.contains("): 250 2.0.0 Queued as") && run.stdout.contains("; Message-ID <"));
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (1, ""));
    assert_eq!(
        world.server.received()[0].recipients,
        ["ann@example.com", "bob@example.com", "cy@example.com"]
    );
    let text = world.only();
    assert!(
        text.contains("application/pdf") && text.contains("report.pdf") && text.contains("<p>")
    );
    assert!(!text.contains("cy@example.com"));
}

#[tokio::test]
async fn a_message_by_url_from_the_environment_needs_nothing_on_the_command_line() {
    let world = World::new().await;
    let port = world.server.starttls_addr().port();
    let trust = world.path("ca.pem").replace('/', "%2F").replace('\\', "%5C");
    let url = format!("smtp://app:p4ss-w0rd%2F%C2%A7@localhost:{port}?tls=required&trust={trust}");
    let mut command = everpost(&[&["send", "--json"], &LETTER[..]].concat());
    let run = crate::support::Run::from(command.env("EVERPOST_URL", &url).output().await.unwrap());
    let run = run.keeps_secrets();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let json = run.json();
    assert_eq!(json["ok"], true);
    assert_eq!(json["delivery"], "accepted");
    assert_eq!(json["accepted"][0], "ann@example.com");
    assert_eq!(json["reply"]["code"], 250);
    assert_eq!(json["reply"]["enhanced"], "2.0.0");
    assert_eq!(json["attempts"], 1);
    let fingerprint = world.server.leaf().fingerprint();
    assert_eq!(json["leaf_sha256"], fingerprint.as_str());
    assert_eq!(world.server.copies(json["message_id"].as_str().unwrap()), 1);
}

#[tokio::test]
async fn a_complete_message_goes_to_its_header_or_to_the_envelope_given() {
    let world = World::new().await;
    let letter = "From: app@example.org\r\nTo: ann@example.com\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n";
    let path = world.file("letter.eml", letter.as_bytes());
    assert_eq!(world.send(&["--eml", &path]).await.code, 0);
    let given = ["--eml", &path, "--from", "<>", "--to", "bob@example.com"];
    assert_eq!(world.send(&given).await.code, 0);
    let received = world.server.received();
    assert_eq!(received[0].recipients, ["ann@example.com"]);
    assert_eq!(received[1].recipients, ["bob@example.com"]);
    assert_eq!(
        (received[0].envelope_from.as_str(), received[1].envelope_from.as_str()),
        ("app@example.org", "")
    );
    let half = world.send(&["--eml", &path, "--to", "bob@example.com"]).await;
    assert_eq!(half.code, 2);
    assert!(half.stderr.contains("give both or none"), "{}", half.stderr);
}

#[tokio::test]
async fn message_text_and_password_can_come_from_standard_input() {
    let world = World::new().await;
    let (port, trust) = (world.port(), world.path("ca.pem"));
    let server = ["send", "--host", "localhost", "--port", &port, "--trust", &trust];
    let file = world.path("password");
    let login = ["--user", "app", "--password-file", &file];
    let letter = "From: app@example.org\nTo: ann@example.com\nMessage-ID: <in@x>\n\nhi\n";
    let run = run_with(&[&server[..], &login, &["--eml", "-"]].concat(), letter).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(world.server.copies("in@x"), 1);
    let address = ["--from", "a@example.org", "--to", "b@example.org"];
    let text = [&server[..], &login, &address, &["--text", "-"]].concat();
    assert_eq!(run_with(&text, "From a pipe\n").await.code, 0);
    let received = world.server.received();
    assert!(String::from_utf8_lossy(&received[1].data).contains("From a pipe"));
    let secret = ["--user", "app", "--password-file", "-", "--text", "hi"];
    let secret = run_with(&[&server[..], &secret, &address].concat(), PASSWORD).await;
    assert_eq!(secret.keeps_secrets().code, 0);
    let both = [&server[..], &["--user", "app", "--password-file", "-", "--eml", "-"]].concat();
    assert_eq!(run_with(&both, "x").await.code, 2);
}

#[tokio::test]
async fn a_wrong_password_is_not_sent_and_never_shown() {
    let world = World::new().await;
    let (port, trust) = (world.port(), world.path("ca.pem"));
    for (more, wrong) in [(["-vv"], "p4ss-wrong"), (["--json"], "p4ss-wrong")] {
        let options =
            ["send", "--host", "localhost", "--port", &port, "--trust", &trust, "--user", "app"];
        let mut command = everpost(&[&options[..], &LETTER, &more].concat());
        let output = command.env("EVERPOST_PASSWORD", wrong).output().await.unwrap();
        let run = crate::support::Run::from(output).keeps_secrets();
        assert_eq!(run.code, 1);
        if more == ["--json"] {
            let json = run.json();
            assert_eq!((&json["kind"], &json["stage"]), (&"auth".into(), &"auth".into()));
            assert_eq!(
                (&json["delivery"], &json["retryable"]),
                (&"not_sent".into(), &false.into())
            );
            assert_eq!(json["reply"]["code"], 535);
            assert!(!json["hint"].as_str().unwrap().is_empty());
        } else {
            assert!(run.stderr.contains("everpost: not sent: "), "{}", run.stderr);
            assert!(run.stderr.contains("535") && run.stderr.contains("to do:"), "{}", run.stderr);
            assert!(run.stderr.contains("EHLO"), "-vv shows the dialogue: {}", run.stderr);
        }
    }
    assert_eq!(world.server.received_count(), 0);
}

#[tokio::test]
async fn an_untrusted_certificate_is_named_with_what_to_do() {
    let world = World::new().await;
    let (port, file) = (world.port(), world.path("password"));
    let options = [
        "send",
        "--host",
        "localhost",
        "--port",
        &port,
        "--trust",
        "mozilla",
        "--user",
        "app",
        "--password-file",
        &file,
    ];
    let text = run(&[&options[..], &LETTER].concat()).await.keeps_secrets();
    assert_eq!((text.code, text.stdout.as_str()), (1, ""));
    assert!(text.stderr.contains("everpost: not sent: "), "{}", text.stderr);
    assert!(text.stderr.contains("nor trusted here"), "{}", text.stderr);
    assert!(text.stderr.contains("to do:") && text.stderr.contains("trust"), "{}", text.stderr);
    assert!(text.stderr.contains("safe"), "{}", text.stderr);
    let json = run(&[&options[..], &LETTER, &["--json"]].concat()).await.keeps_secrets().json();
    assert_eq!((&json["kind"], &json["stage"]), (&"certificate".into(), &"handshake".into()));
    let certificate = &json["certificate"];
    assert_eq!(certificate["host"], "localhost");
    assert!(!certificate["findings"][0]["remedy"].as_str().unwrap().is_empty());
    let leaf = world.server.leaf().fingerprint();
    assert_eq!(certificate["chain"][0]["sha256"], leaf.as_str());
}

#[tokio::test]
async fn an_expired_certificate_is_told_with_its_finding() {
    let world = World::new().await;
    world.server.present(Chain::Expired).await.unwrap();
    let run = world.send(&[&LETTER[..], &["--json"]].concat()).await;
    assert_eq!(run.code, 1);
    assert_eq!(run.json()["certificate"]["findings"][0]["id"], "expired");
}

#[tokio::test]
async fn an_unknown_host_is_not_sent_and_retryable() {
    let options = ["send", "--host", "nowhere.invalid", "--json"];
    let run = run(&[&options[..], &LETTER].concat()).await;
    assert_eq!(run.code, 1);
    let json = run.json();
    assert_eq!((&json["kind"], &json["delivery"]), (&"dns".into(), &"not_sent".into()));
    assert_eq!(json["retryable"], true);
}

#[tokio::test]
async fn refusals_in_whole_and_in_part_have_their_own_exit_codes() {
    let world = World::new().await;
    let refusal = Refusal::new("no*@example.com", "550 5.1.1 No such user");
    world.server.update(|settings| settings.refuse_recipients.push(refusal));
    let part = world.send(&[&LETTER[..], &["--to", "nobody@example.com"]].concat()).await;
    assert_eq!(part.code, 5);
    assert!(part.stdout.starts_with("accepted by"), "{}", part.stdout);
    assert!(part.stderr.contains("nobody@example.com: 550 5.1.1"), "{}", part.stderr);
    let whole = ["--from", "app@example.org", "--to", "nobody@example.com", "--json"];
    let whole = world.send(&whole).await;
    assert_eq!(whole.code, 3);
    let json = whole.json();
    assert_eq!((&json["kind"], &json["delivery"]), (&"rejected".into(), &"refused".into()));
    assert_eq!(json["rejected"][0]["address"], "nobody@example.com");
    assert_eq!(json["rejected"][0]["reply"]["enhanced"], "5.1.1");
}

#[tokio::test]
async fn a_send_cut_after_the_final_dot_is_unknown_with_its_message_id() {
    let world = World::new().await;
    let fault = Fault::new(At::EndOfData, Action::Cut(Cut::Rst)).keep(true);
    world.server.inject(fault).unwrap();
    let run = world.send(&LETTER).await;
    assert_eq!(run.code, 4);
    assert!(run.stderr.contains("everpost: delivery unknown: "), "{}", run.stderr);
    let id = world.server.received()[0].message_id.clone().unwrap();
    assert!(run.stderr.contains(&id), "{}", run.stderr);
}

#[tokio::test]
async fn what_is_wrong_before_any_network_exits_as_usage_and_says_so_in_json() {
    for (args, words) in [
        (&["send", "--json", "--eml", "-"][..], "no server is named"),
        (
            &["send", "--host", "h", "--json", "--eml", "/does/not/exist.eml"],
            "cannot read the message",
        ),
        (&["send", "--host", "h", "--user", "u", "--json", "--eml", "-"], "needs a password"),
        (&["send", "--url", "http://h", "--json", "--eml", "-"], "smtp://"),
        (&["send", "--host", "h", "--json", "--from", "a", "--to", "b@c.d"], "mailbox"),
    ] {
        let run = run(args).await;
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        let json = run.json();
        assert_eq!((&json["ok"], &json["delivery"]), (&false.into(), &"not_sent".into()));
        assert!(json["message"].as_str().unwrap().contains(words), "{args:?}: {json}");
    }
    assert_eq!(run(&["send", "--no-such-option"]).await.code, 2);
}

#[tokio::test]
async fn version_and_help_are_the_manual() {
    let version = run(&["--version"]).await;
    assert_eq!(
        (version.code, version.stdout.trim()),
        (0, concat!("everpost ", env!("CARGO_PKG_VERSION")))
    );
    let help = run(&["send", "--help"]).await.stdout;
    for word in ["Exit codes:", "Examples:", "EVERPOST_URL", "EVERPOST_PASSWORD", "WARNING"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let help = run(&["rehearse", "--help"]).await.stdout;
    for word in ["kept-tickets", "fresh-tickets", "restart", "wave-421", "cut", "130"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
