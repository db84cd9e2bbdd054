//! The AUTH command around the mechanisms (RFC 4954).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Flow, Mode, Session};
use crate::auth::{Exchange, Step};
use crate::fault::At;
use crate::lock;

impl Session {
    /// The mechanisms that this connection may use now.
    pub(super) fn mechanisms(&self) -> Vec<String> {
        let mut list = self.capabilities().auth;
        list.retain(|name| match name.as_str() {
            "EXTERNAL" => self.channel.client_name.is_some(),
            name if name.ends_with("-PLUS") => self.tls,
            _ => true,
        });
        if self.shared.accounts.is_empty() {
            list.retain(|name| name == "EXTERNAL");
        }
        list
    }

    pub(super) async fn auth(&mut self, rest: &str) -> Flow<bool> {
        let (name, initial) = match rest.split_once(' ') {
            Some((name, initial)) => (name, Some(initial)),
            None => (rest, None),
        };
        let name = name.to_ascii_uppercase();
        if self.user.is_some() || self.transaction.from.is_some() {
            return self.say(503, "5.5.1", "Not now").await;
        }
        let offered = self.mechanisms();
        if offered.is_empty() {
            return self.say(502, "5.5.1", "AUTH not available").await;
        }
        self.channel.plus_offered = offered.iter().any(|name| name.ends_with("-PLUS"));
        let known = offered.iter().any(|it| it.eq_ignore_ascii_case(&name));
        let Some(mut exchange) = Exchange::new(&name).filter(|_| known) else {
            self.answer(At::Auth, 504, "5.5.4", "Mechanism not available").await?;
            return Ok(true);
        };
        match initial {
            Some("=") => self.auth_step(exchange, b"").await,
            Some(initial) => match STANDARD.decode(initial) {
                Ok(initial) => self.auth_step(exchange, &initial).await,
                Err(_) => self.answer(At::Auth, 501, "5.5.2", "Not base64").await,
            },
            None => {
                let challenge = exchange.begin(&self.shared.host);
                self.auth_challenge(exchange, &challenge).await
            }
        }
    }

    pub(super) async fn auth_line(&mut self, exchange: Exchange, line: &[u8]) -> Flow<bool> {
        self.note("<auth response>");
        if line == b"*" {
            return self.answer(At::Auth, 501, "5.0.0", "AUTH cancelled").await;
        }
        match STANDARD.decode(line) {
            Ok(input) => self.auth_step(exchange, &input).await,
            Err(_) => self.answer(At::Auth, 501, "5.5.2", "Not base64").await,
        }
    }

    async fn auth_challenge(&mut self, exchange: Exchange, challenge: &[u8]) -> Flow<bool> {
        let reply = format!("334 {}\r\n", STANDARD.encode(challenge));
        if self.answer_with(At::Auth, reply.as_bytes()).await? {
            self.mode = Mode::Auth(exchange);
        }
        Ok(true)
    }

    async fn auth_step(&mut self, mut exchange: Exchange, input: &[u8]) -> Flow<bool> {
        let step = exchange.step(input, &self.shared.accounts, &self.channel);
        match step {
            Step::Challenge(challenge) => self.auth_challenge(exchange, &challenge).await,
            Step::Accept(user) => {
                if self.answer(At::Auth, 235, "2.7.0", "Authentication successful").await? {
                    self.shared.record.count(|stats| stats.auth_ok += 1);
                    lock(&self.conn.log).auth_user = Some(user.clone());
                    self.user = Some(user);
                }
                Ok(true)
            }
            Step::Reject => {
                self.shared.record.count(|stats| stats.auth_failed += 1);
                self.answer(At::Auth, 535, "5.7.8", "Authentication failed").await
            }
        }
    }
}
