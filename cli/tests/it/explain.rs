//! `everpost explain`.

use std::net::Ipv4Addr;

use everpost_rehearsal::{Chain, Rotate};

use crate::support::{Run, World, run};

async fn explain(world: &World, more: &[&str]) -> Run {
    let target = format!("{}:{}", Ipv4Addr::LOCALHOST, world.port());
    let trust = world.path("ca.pem");
    run(&[&["explain", &target, "--trust", &trust][..], more].concat()).await
}

#[tokio::test]
async fn a_server_in_order_is_well_and_an_expired_one_is_at_fault() {
    let world = World::new().await;
    let well = explain(&world, &[]).await;
    assert_eq!(well.code, 0, "{}{}", well.stdout, well.stderr);
    assert!(well.stdout.contains("\n  ✓ 127.0.0.1       serial "), "{}", well.stdout);
    assert!(well.stdout.contains("\nall well:"), "{}", well.stdout);
    world.server.present(Chain::Expired).await.unwrap();
    let expired = explain(&world, &[]).await;
    assert_eq!(expired.code, 2);
    assert!(expired.stdout.contains("\n  ✗ 127.0.0.1       certificate of 127.0.0.1 expired"));
    assert!(expired.stdout.contains("\nserver:") && expired.stdout.contains("\nremedy:"));
    assert!(expired.stdout.lines().all(|line| line.chars().count() <= 100), "{}", expired.stdout);
}

#[tokio::test]
async fn a_renewed_file_that_is_not_served_asks_for_a_reload() {
    let world = World::new().await;
    let renewed = world.server.rotate(Rotate::default()).await.unwrap();
    let file = world.file("renewed.pem", pem(&renewed.der).as_bytes());
    let loaded = explain(&world, &["--compare", &file, "--json"]).await;
    assert_eq!((loaded.code, loaded.json()["fault"].as_str()), (0, Some("none")));
    world.server.rollback().unwrap();
    let run = explain(&world, &["--compare", &file, "--json"]).await;
    let json = run.json();
    assert_eq!(run.code, 2);
    assert_eq!(json["schema"], "everpost.explanation/1");
    assert_eq!(json["fault"], "not_loaded");
    assert_eq!(json["file"]["serial"], renewed.serial);
    assert_ne!(json["served"]["serial"], renewed.serial);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_64() {
    let world = World::new().await;
    let missing = world.path("missing.pem");
    assert_eq!(explain(&world, &["--compare", &missing]).await.code, 64);
}

/// Base64 by hand: this crate has no other need of it.
fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for chunk in der.chunks(3) {
        let mut bytes = [0; 4];
        bytes[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(bytes);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { digit.into() } else { '=' });
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}
