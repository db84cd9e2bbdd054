//! Every AUTH mechanism by a client written here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use everpost_rehearsal::{ClientAuth, Rehearsal};
use hmac::{Hmac, KeyInit, Mac};
use rustls::ClientConfig;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::client::{Client, config, roots};

fn hmac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn challenge(reply: &str) -> String {
    let text = reply.strip_prefix("334 ").unwrap_or_else(|| panic!("{reply}")).trim_end();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

async fn server() -> Rehearsal {
    Rehearsal::builder().credentials("user", "secret").token("user", "token").start().await.unwrap()
}

#[tokio::test]
async fn mail_needs_auth_and_the_right_secret() {
    let server = server().await;
    let mut client = Client::implicit(&server).await;
    assert!(client.hello().await.contains("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 "));
    assert!(client.ask("MAIL FROM:<a@b>").await.starts_with("530 "));
    let plain = |text: &str| format!("AUTH PLAIN {}", STANDARD.encode(text));
    assert!(client.ask(&plain("\0user\0wrong")).await.starts_with("535 "));
    assert!(client.ask("AUTH PLAIN ***").await.starts_with("501 "));
    assert!(client.ask("AUTH NTLM").await.starts_with("504 "));
    assert!(client.ask("AUTH LOGIN").await.starts_with("334 "));
    assert!(client.ask("*").await.starts_with("501 "));
    assert!(client.ask(&plain("\0user\0secret")).await.starts_with("235 "));
    assert!(client.deliver("x").await.starts_with("250 "));
    assert_eq!(server.received()[0].auth_user.as_deref(), Some("user"));
    let stats = server.stats();
    assert_eq!((stats.auth_ok, stats.auth_failed), (1, 1));
    let commands = server.connections()[0].commands.join("\n");
    assert!(!commands.contains(&STANDARD.encode("\0user\0secret")), "{commands}");
}

#[tokio::test]
async fn login_cram_and_tokens_are_accepted() {
    let server = server().await;
    let oauth =
        |head: &str, token: &str| STANDARD.encode(format!("{head}\x01auth=Bearer {token}\x01\x01"));

    let mut client = Client::implicit(&server).await;
    client.hello().await;
    assert_eq!(challenge(&client.ask("AUTH LOGIN").await), "Username:");
    assert_eq!(challenge(&client.ask(&STANDARD.encode("user")).await), "Password:");
    assert!(client.ask(&STANDARD.encode("secret")).await.starts_with("235 "));

    let mut client = Client::plain(&server).await;
    client.hello().await;
    let nonce = challenge(&client.ask("AUTH CRAM-MD5").await);
    let mut mac = Hmac::<md5::Md5>::new_from_slice(b"secret").unwrap();
    mac.update(nonce.as_bytes());
    let digest: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(client.ask(&STANDARD.encode(format!("user {digest}"))).await.starts_with("235 "));

    let mut client = Client::implicit(&server).await;
    client.hello().await;
    let refused = client.ask(&format!("AUTH XOAUTH2 {}", oauth("user=user", "old"))).await;
    assert!(challenge(&refused).contains("401"));
    assert!(client.ask("").await.starts_with("535 "));
    assert!(
        client
            .ask(&format!("AUTH XOAUTH2 {}", oauth("user=user", "token")))
            .await
            .starts_with("235 ")
    );

    let mut client = Client::implicit(&server).await;
    client.hello().await;
    let head = "n,a=user,\x01host=localhost\x01port=465";
    assert!(
        client.ask(&format!("AUTH OAUTHBEARER {}", oauth(head, "token"))).await.starts_with("235 ")
    );
}

/// SCRAM-SHA-256 with the given header and binding; the last reply.
async fn scram(
    client: &mut Client,
    mechanism: &str,
    gs2: &str,
    binding: &[u8],
    password: &str,
) -> String {
    let bare = "n=user,r=fyko";
    let first =
        client.ask(&format!("AUTH {mechanism} {}", STANDARD.encode(format!("{gs2}{bare}")))).await;
    if !first.starts_with("334 ") {
        return first;
    }
    let first = challenge(&first);
    let mut fields = first.split(',');
    let nonce = fields.next().unwrap();
    let salt = STANDARD.decode(&fields.next().unwrap()[2..]).unwrap();
    let iterations: u32 = fields.next().unwrap()[2..].parse().unwrap();
    assert!(nonce.starts_with("r=fyko") && nonce.len() > 20);

    let sha1 = mechanism.starts_with("SCRAM-SHA-1");
    let hmac = if sha1 { hmac::<Hmac<Sha1>> } else { hmac::<Hmac<Sha256>> };
    let digest = |data: &[u8]| {
        if sha1 { Sha1::digest(data).to_vec() } else { Sha256::digest(data).to_vec() }
    };
    let mut salted = vec![0; if sha1 { 20 } else { 32 }];
    match sha1 {
        true => pbkdf2::pbkdf2_hmac::<Sha1>(password.as_bytes(), &salt, iterations, &mut salted),
        false => pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted),
    }
    let channel = STANDARD.encode([gs2.as_bytes(), binding].concat());
    let without_proof = format!("c={channel},{nonce}");
    let auth_message = format!("{bare},{first},{without_proof}");
    let client_key = hmac(&salted, b"Client Key");
    let signature = hmac(&digest(&client_key), auth_message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
    let last = format!("{without_proof},p={}", STANDARD.encode(proof));
    let verdict = client.ask(&STANDARD.encode(last)).await;
    if !verdict.starts_with("334 ") {
        return verdict;
    }
    let server_signature = hmac(&hmac(&salted, b"Server Key"), auth_message.as_bytes());
    assert_eq!(challenge(&verdict), format!("v={}", STANDARD.encode(server_signature)));
    client.ask("").await
}

#[tokio::test]
async fn scram_proves_both_sides_and_binds_the_channel() {
    let server = server().await;
    let bound = async || {
        let mut client = Client::implicit(&server).await;
        client.hello().await;
        let tls = client.stream.tls().unwrap();
        let exporter =
            tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
        let end_point = Sha256::digest(&tls.peer_certificates().unwrap()[0]).to_vec();
        (client, exporter.to_vec(), end_point)
    };
    let (mut client, exporter, end_point) = bound().await;
    let plus = "SCRAM-SHA-256-PLUS";
    assert!(scram(&mut client, "SCRAM-SHA-256", "n,,", b"", "wrong").await.starts_with("535 "));
    assert!(scram(&mut client, "SCRAM-SHA-256", "y,,", b"", "secret").await.starts_with("535 "));
    assert!(
        scram(&mut client, plus, "p=tls-exporter,,", &end_point, "secret")
            .await
            .starts_with("535 ")
    );
    assert!(
        scram(&mut client, plus, "p=tls-exporter,,", &exporter, "wrong").await.starts_with("535 ")
    );
    assert!(
        scram(&mut client, plus, "p=tls-exporter,,", &exporter, "secret").await.starts_with("235 ")
    );
    let (mut client, _, end_point) = bound().await;
    assert!(
        scram(&mut client, plus, "p=tls-server-end-point,,", &end_point, "secret")
            .await
            .starts_with("235 ")
    );
    let (mut client, exporter, _) = bound().await;
    let plus = "SCRAM-SHA-1-PLUS";
    assert!(
        scram(&mut client, plus, "p=tls-exporter,,", &exporter, "wrong").await.starts_with("535 ")
    );
    assert!(
        scram(&mut client, plus, "p=tls-exporter,,", &exporter, "secret").await.starts_with("235 ")
    );
    let (mut client, ..) = bound().await;
    assert!(scram(&mut client, "SCRAM-SHA-1", "n,,", b"", "secret").await.starts_with("235 "));
    let (mut client, ..) = bound().await;
    assert!(scram(&mut client, "SCRAM-SHA-256", "n,,", b"", "secret").await.starts_with("235 "));
}

#[tokio::test]
async fn external_takes_the_name_of_the_client_certificate() {
    let builder =
        Rehearsal::builder().credentials("user", "secret").client_auth(ClientAuth::Optional);
    let server = builder.start().await.unwrap();
    let made = server.client_certificate("carol").unwrap();
    let with = ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots(&server))
    .with_client_auth_cert(made.chain, made.key)
    .unwrap();
    let mut client = Client::implicit_with(&server, Arc::new(with)).await.unwrap();
    assert!(client.hello().await.contains("EXTERNAL"));
    assert!(client.ask("AUTH EXTERNAL =").await.starts_with("235 "));
    assert_eq!(server.connections()[0].auth_user.as_deref(), Some("carol"));

    let mut client = Client::implicit_with(&server, config(&server)).await.unwrap();
    assert!(!client.hello().await.contains("EXTERNAL"));
    assert!(client.ask("AUTH EXTERNAL =").await.starts_with("504 "));
}
