//! Sends one message. This is the program of the README.
//!
//! `EVERPOST_URL=smtps://user:password@mail.example.org cargo run --example send`

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use everpost::{Mailer, Message};

#[tokio::main]
async fn main() -> Result<(), everpost::Error> {
    let url = std::env::var("EVERPOST_URL").expect("set EVERPOST_URL to smtps://user:secret@host");
    let mailer = Mailer::from_url(&url)?;
    let message = Message::builder()
        .from("app@example.org")
        .to("ann@example.com")
        .subject("Hello")
        .text("This message outlives the server's certificate.")
        .build()?;
    let receipt = mailer.send(message).await?;
    println!("{} was accepted: {}", receipt.message_id(), receipt.reply());
    mailer.close().await;
    Ok(())
}
