//! URLs that are right, URLs that are wrong, and what errors must not repeat.

use proptest::prelude::*;

use super::*;
use crate::ErrorKind;
use crate::TrustRoots;
use crate::smtp::auth::{Secret, select};

fn ok(url: &str) -> Config {
    parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refused(url: &str) -> String {
    let error = parse(url).err().unwrap_or_else(|| panic!("{url} is taken"));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    error.to_string()
}

/// The user and password that the URL gives.
async fn login(url: &str) -> (String, String) {
    match ok(url).credentials.unwrap().resolve(false).await.unwrap() {
        Secret::Password { user, password, .. } => (user, password.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn scheme_and_tls_give_mode_and_port() {
    for (url, mode, port) in [
        ("smtps://h.example", TlsMode::Implicit, 465),
        ("smtps://h.example/?tls=implicit", TlsMode::Implicit, 465),
        ("smtp://h.example", TlsMode::StartTls, 587),
        ("smtp://h.example?tls=required", TlsMode::StartTls, 587),
        ("smtp://h.example?tls=opportunistic", TlsMode::Opportunistic, 25),
        ("smtp://h.example?tls=none", TlsMode::None, 25),
        ("smtp://h.example:2525?tls=none", TlsMode::None, 2525),
        ("SMTPS://h.example:4465", TlsMode::Implicit, 4465),
    ] {
        let endpoint = ok(url).endpoint;
        assert_eq!((endpoint.tls, endpoint.port), (mode, port), "{url}");
    }
}

#[test]
fn tls_cannot_be_weakened_under_smtps() {
    for tls in ["none", "opportunistic", "required", ""] {
        assert!(refused(&format!("smtps://h.example?tls={tls}")).contains("implicit"));
    }
    refused("smtp://h.example?tls=maybe");
}

#[test]
fn hosts_become_a_labels_or_addresses_without_brackets() {
    for (url, host) in [
        ("smtps://Mail.Example.ORG", "mail.example.org"),
        ("smtps://bücher.example", "xn--bcher-kva.example"),
        ("smtps://192.0.2.1", "192.0.2.1"),
        ("smtps://[2001:db8::1]:465", "2001:db8::1"),
    ] {
        assert_eq!(ok(url).endpoint.host, host);
    }
}

#[tokio::test]
async fn user_and_password_are_percent_decoded() {
    let (user, password) = login("smtps://ana%40example.org:p%40ss%2Fw%3Ard+%F0%9F%98%80@h").await;
    assert_eq!((user.as_str(), password.as_str()), ("ana@example.org", "p@ss/w:rd+\u{1f600}"));
    let (_, password) = login("smtps://ana:p@ss@h.example").await;
    assert_eq!(password, "p@ss");
    assert!(ok("smtps://h.example").credentials.is_none());
}

#[test]
fn half_a_login_is_refused() {
    refused("smtps://ana@h.example");
    refused("smtps://:secret@h.example");
}

#[test]
fn external_needs_no_password() {
    let config = ok("smtps://ana@h.example?auth=external");
    let text = format!("{:?}", config.credentials.unwrap());
    assert!(text.starts_with("External") && text.contains("ana"), "{text}");
}

#[test]
fn every_parameter_reaches_its_setting() {
    let config = ok("smtp://h.example?trust=mozilla&trust=/etc/ca%20root.pem&min_tls=1.3\
        &sni=sni.example&verify_name=verify.example&danger_accept_any_certificate=true\
        &ehlo=client.example&auth=plain,SCRAM-SHA-256&auth_exclude=login&allow_plaintext_auth=yes\
        &proxy=socks5://u:p@proxy.example&bind=192.0.2.7\
        &connect_timeout=1&handshake_timeout=2s&greeting_timeout=3000ms&command_timeout=4\
        &data_timeout=5&end_of_data_timeout=6m&checkout_timeout=7&send_timeout=1h\
        &max_connections=9&max_idle=10&max_age=11&max_messages=12&rate=100/60s\
        &max_attempts=4&retry_transient=on&on_unknown=resend\
        &max_message_size=50MB&max_attachment_size=1000\
        &pipelining=off&chunking=1&require_all_recipients=true\
        &probe_interval=5m&full_handshake_interval=30m&expiry_margin=90s");
    let seconds = Duration::from_secs;
    assert!(matches!(&config.tls.roots[..],
        [TrustRoots::Mozilla, TrustRoots::File(path)] if path.ends_with("ca root.pem")));
    assert!(matches!(config.tls.minimum_version, TlsVersion::Tls13));
    assert_eq!(config.tls.sni.as_deref(), Some("sni.example"));
    assert_eq!(config.tls.verify_name.as_deref(), Some("verify.example"));
    assert!(config.tls.danger_accept_any_certificate);
    assert_eq!(config.ehlo_name.as_deref(), Some("client.example"));
    assert_eq!(config.auth.order, Some(vec![Mechanism::Plain, Mechanism::ScramSha256]));
    assert_eq!(config.auth.excluded, [Mechanism::Login]);
    assert!(config.allow_plaintext_auth);
    assert!(config.proxy.is_some());
    assert_eq!(config.local_address, Some("192.0.2.7".parse().unwrap()));
    let deadlines = &config.deadlines;
    assert_eq!(deadlines.connect, seconds(1));
    assert_eq!(deadlines.handshake, seconds(2));
    assert_eq!(deadlines.greeting, seconds(3));
    assert_eq!(deadlines.command, seconds(4));
    assert_eq!(deadlines.data_block, seconds(5));
    assert_eq!(deadlines.end_of_data, seconds(360));
    assert_eq!(deadlines.checkout, seconds(7));
    assert_eq!(deadlines.send, Some(seconds(3600)));
    assert_eq!(config.pool.max_connections, 9);
    assert_eq!(config.pool.max_idle, seconds(10));
    assert_eq!(config.pool.max_age, seconds(11));
    assert_eq!(config.pool.max_messages, Some(12));
    assert_eq!(config.pool.rate_limit, Some(RateLimit::new(100, seconds(60))));
    assert_eq!(config.retry.max_attempts, 4);
    assert!(config.retry.transient_replies);
    assert_eq!(config.retry.on_unknown, OnUnknown::Resend);
    assert_eq!(config.max_message_size, 52_428_800);
    assert_eq!(config.max_attachment_size, 1000);
    assert!(!config.pipelining);
    assert!(config.chunking);
    assert!(config.require_all_recipients);
    assert_eq!(config.probe_interval, Some(seconds(300)));
    assert_eq!(config.tls.full_handshake_interval, seconds(1800));
    assert_eq!(config.tls.expiry_margin, seconds(90));
    assert_eq!(ok("smtp://h?fresh=true").pool.max_messages, Some(1));
    assert_eq!(ok("smtp://h?fresh=false").pool.max_messages, None);
}

#[test]
fn every_listed_key_is_implemented() {
    for key in KEYS {
        if let Err(expected) = set(&mut ok("smtp://h"), key, "") {
            assert_ne!(expected, "one of the known keys", "{key}");
        }
    }
    assert!(KEYS.is_sorted());
}

#[test]
fn a_wrong_value_is_refused_by_the_name_of_its_key() {
    for (key, value) in [
        ("trust", ""),
        ("trust", "a%00b"),
        ("pin", ""),
        ("min_tls", "1.1"),
        ("sni", ""),
        ("verify_name", "a b"),
        ("ehlo", "a b"),
        ("ehlo", "a%0D%0AQUIT"),
        ("auth", "plain,ntlm"),
        ("auth", ""),
        ("auth_exclude", "x"),
        ("allow_plaintext_auth", "maybe"),
        ("proxy", "ftp://h"),
        ("bind", "h.example"),
        ("connect_timeout", "0"),
        ("connect_timeout", "-1"),
        ("connect_timeout", "10w"),
        ("connect_timeout", "99999999999999999999"),
        ("connect_timeout", "18446744073709551615h"),
        ("max_age", "367000h"),
        ("max_connections", "0"),
        ("max_connections", "+5"),
        ("max_messages", "4294967296"),
        ("rate", "100"),
        ("rate", "0/60s"),
        ("rate", "100/0"),
        ("on_unknown", "guess"),
        ("max_message_size", "0"),
        ("max_message_size", "50XB"),
        ("max_message_size", "18446744073709551615GB"),
        ("chunking", ""),
    ] {
        let text = refused(&format!("smtp://h.example?{key}={value}"));
        assert!(text.contains(key), "{text}");
    }
}

#[test]
fn an_unknown_or_doubled_key_is_refused() {
    let text = refused("smtp://h.example?chunking=on&chunks=off");
    assert!(text.contains("parameter 2") && text.contains("chunking"), "{text}");
    assert!(refused("smtp://h?chunking=on&chunking=on").contains("twice"));
    refused("smtp://h?token=abc");
}

#[test]
fn what_is_no_smtp_url_is_refused() {
    for url in [
        "",
        "h.example",
        "http://h.example",
        "smtp:h.example",
        "smtp://",
        "smtp:///x",
        "smtp://h.example/path",
        "smtp://h.example#fragment",
        "smtp://h.example:0",
        "smtp://h.example:70000",
        "smtp://h\n.example",
        "smtp://a b",
        "smtp://[::1",
        "smtp://%FF",
    ] {
        refused(url);
    }
}

#[test]
fn a_password_that_was_not_encoded_is_not_repeated() {
    for url in [
        "smtps://ana:can/ary@h.example",
        "smtps://ana:12/canary@h.example",
        "smtps://ana:12?canary@h.example",
        "smtps://ana:12?canary=x@h.example",
        "smtps://ana:12?chunking=canary@h.example",
        "smtps://ana:12#canary@h.example",
        "smtps://ana:canary@h.example:port",
        "smtps://ana:canary@h%00.example",
        "smtps://ana:canary@h.example?rate=canary",
        "smtps://ana:canary%FF@h.example",
        "smtps://h.example?proxy=socks5://u:canary@:99999",
        "smtpx://ana:canary@h.example",
    ] {
        let error = parse(url).err().unwrap_or_else(|| panic!("{url} is taken"));
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

#[test]
fn debug_of_the_configuration_does_not_show_the_secrets() {
    let config = ok("smtps://ana:canary@h.example?proxy=http://u:canary@p.example");
    assert!(!format!("{config:?} {config:#?}").contains("canary"));
}

#[test]
fn the_order_of_mechanisms_is_what_selection_sees() {
    let config = ok("smtps://ana:x@h.example?auth=login,plain");
    let kind = config.credentials.as_ref().unwrap().kind();
    let selected = select(Mechanism::ALL, &config.auth, kind, &Default::default(), true);
    assert_eq!(selected, [Mechanism::Login, Mechanism::Plain]);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,80}") {
        let _ = parse(&text);
        let _ = parse(&format!("smtps://{text}"));
        let _ = parse(&format!("smtp://h?{text}"));
    }

    #[test]
    fn no_error_holds_the_password(
        before in "[ -~]{0,20}",
        after in "[ -~]{0,20}",
        place in 0..4,
    ) {
        let url = match place {
            0 => format!("smtps://ana:{before}CaNaRy{after}@h.example"),
            1 => format!("smtp://{before}:CaNaRy@{after}"),
            2 => format!("smtp://ana:CaNaRy@h.example{before}?{after}"),
            _ => format!("{before}CaNaRy{after}"),
        };
        if let Err(error) = parse(&url) {
            let text = format!("{error} {error:?}").to_lowercase();
            prop_assert!(!text.contains("canary"));
        }
    }

    #[test]
    fn every_value_of_every_key_is_taken_or_refused(which in 0..KEYS.len(), value in ".{0,30}") {
        let _ = set(&mut parse("smtp://h").unwrap(), KEYS[which], &value);
    }
}

#[test]
fn a_key_that_is_set_alone_means_what_it_means_in_a_url() {
    let builder = crate::Mailer::builder("mail.example.org");
    let set = builder.clone().set("max_connections", "8").unwrap().set("send_timeout", "2m");
    let config = set.unwrap().config;
    assert_eq!(config.pool.max_connections, 8);
    assert_eq!(config.deadlines.send, Some(Duration::from_secs(120)));
    let moved = builder.clone().set("tls", "required").unwrap().config.endpoint;
    assert_eq!((moved.tls, moved.port), (TlsMode::StartTls, 587));
    let kept = builder.clone().port(2525).set("tls", "none").unwrap().config.endpoint;
    assert_eq!(kept.port, 2525, "a port that was set stays");
    for (key, value) in [("max_connections", "0"), ("tls", "maybe"), ("sni", "a\nb"), ("ttl", "1")]
    {
        let error = builder.clone().set(key, value).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidConfig, "{key}");
    }
}
