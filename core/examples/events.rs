//! Sends a message a second and shows what a mailer tells meanwhile: events as
//! they happen, then health, counters, and who would be at fault.
//!
//! `EVERPOST_URL=smtps://user:password@mail.example.org cargo run --example events -- 30`
//!
//! Renew the server's certificate while it runs and watch.

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::time::Duration;

use everpost::{Event, Health, Mailer, Message};

#[tokio::main]
async fn main() -> Result<(), everpost::Error> {
    let url = std::env::var("EVERPOST_URL").expect("set EVERPOST_URL to smtps://user:secret@host");
    let count: u32 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(3);

    let mailer = Mailer::builder_from_url(&url)?
        // Looks at the certificate between sends, too.
        .probe_interval(Duration::from_secs(10))
        .build()?;
    let mut events = mailer.events();
    let listener = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            show(&event);
        }
    });

    for number in 1..=count {
        let message = Message::builder()
            .from("app@example.org")
            .to("ann@example.com")
            .subject(format!("Message {number} of {count}"))
            .text("Watched on its way.")
            .build()?;
        match mailer.send(message).await {
            Ok(receipt) => println!("sent     {number}: {}", receipt.reply()),
            // The error says what is known of the message: see `delivery`.
            Err(error) => println!("failed   {number}: {error}"),
        }
        if number < count {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    println!("health   {}", health(&mailer));
    println!("explain  {}", mailer.explain().await);
    print!("{}", mailer.stats().to_prometheus(&mailer.endpoint().to_string()));
    mailer.close().await;
    drop(mailer);
    // The last handle is gone, so the stream has ended.
    let _ = listener.await;
    Ok(())
}

fn show(event: &Event) {
    match event {
        Event::Rotated { old, new } => {
            println!("event    rotated: {} gave way to {}", old.fingerprint, new.fingerprint);
        }
        Event::Retired { reason, age } => {
            println!("event    retired: {}, after {age:.1?}", reason.as_str());
        }
        Event::Retried { message_id, attempt, error } => {
            println!("event    retried: {message_id}, attempt {attempt}, because {error}");
        }
        Event::Unhealthy { error } => println!("event    unhealthy: {error}"),
        // Event may grow: name those you do not handle.
        other => println!("event    {}", other.name()),
    }
}

fn health(mailer: &Mailer) -> String {
    match mailer.health() {
        Health::Unhealthy { error, .. } => format!("unhealthy: {error}"),
        Health::Degraded { leaf, .. } => format!("degraded: {} is near its end", leaf.serial),
        health => health.as_str().to_owned(),
    }
}
