//! The upper rungs: AUTH, size, sender and recipients.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::{Fall, Ladder, Step, on, timed};
use crate::config::Config;
use crate::session::{Draft, Loss, within};
use crate::smtp::Reply;
use crate::smtp::command::{Mail, Rcpt};
use crate::smtp::reply::ReplyParser;
use crate::{Address, Error, ErrorKind, Stage};

impl Ladder<'_> {
    pub(super) async fn account(&mut self, draft: &mut Draft) -> Result<(), Fall> {
        self.log_in(draft).await?;
        self.weigh(draft)?;
        self.address_mail(draft).await
    }

    async fn log_in(&mut self, draft: &mut Draft) -> Result<(), Fall> {
        let started = Instant::now();
        let names: Vec<String> = draft
            .opening
            .capabilities()
            .auth_names()
            .map(|name| name.escape_debug().to_string())
            .collect();
        if self.config.credentials.is_none() {
            match names.is_empty() {
                true => self.skip(Step::AuthOffered, "no login is offered, and none was asked for"),
                false => self.held(Step::AuthOffered, started, names.join(", ")),
            }
            self.skip(Step::Auth, "no credentials were given");
            return Ok(());
        }
        let mechanisms = on(Step::AuthOffered, started, self.connector.mechanisms(draft))?;
        let detail = match mechanisms.first() {
            Some(first) => format!("{first} first, of {}", names.join(", ")),
            None => names.join(", "),
        };
        self.held(Step::AuthOffered, started, detail);
        let (mechanism, started) = timed(Step::Auth, self.connector.log_in(draft)).await?;
        let by = mechanism.map_or(String::new(), |mechanism| format!(" by {mechanism}"));
        self.held(Step::Auth, started, format!("accepted{by}"));
        Ok(())
    }

    /// Holds the size against what EHLO said.
    fn weigh(&mut self, draft: &Draft) -> Result<(), Fall> {
        let Some(size) = self.diagnosis.size else { return Ok(()) };
        let started = Instant::now();
        match draft.opening.capabilities().max_size() {
            Some(limit) if size > limit => {
                let message = format!(
                    "a message of {} is {} larger than {} port {} takes, which is {}",
                    bytes(size),
                    bytes(size - limit),
                    self.config.endpoint.host,
                    self.config.endpoint.port,
                    bytes(limit)
                );
                let error = Error::new(ErrorKind::Rejected, Stage::Mail, message);
                return on(Step::Size, started, Err(error));
            }
            Some(limit) => self.held(
                Step::Size,
                started,
                format!("{} of at most {}", bytes(size), bytes(limit)),
            ),
            None => self.held(Step::Size, started, "the server tells of no limit".to_owned()),
        }
        Ok(())
    }

    /// MAIL and RCPT, and RSET so that nothing remains of them.
    async fn address_mail(&mut self, draft: &mut Draft) -> Result<(), Fall> {
        let diagnosis = self.diagnosis;
        let Some(sender) = &diagnosis.sender else { return Ok(()) };
        let capabilities = draft.opening.capabilities();
        let everyone = std::iter::once(sender).chain(&diagnosis.recipients);
        let international = everyone.into_iter().any(|address| !address.is_ascii());
        let mail = Mail {
            reverse_path: sender.as_str(),
            size: diagnosis.size.filter(|_| capabilities.size()),
            smtputf8: international && capabilities.smtputf8(),
            ..Mail::default()
        };
        let mut command = Vec::new();
        let started = Instant::now();
        on(Step::Sender, started, mail.write(&mut command))?;
        let reply = self.positive(draft, Step::Sender, Stage::Mail, &command).await?;
        self.held(Step::Sender, started, reply.to_string());
        let taken = self.recipients(draft, &diagnosis.recipients).await;
        if taken.as_ref().err().is_none_or(|fall| fall.error.kind() == ErrorKind::Rejected) {
            // Only to leave nothing behind; QUIT would do the same.
            let _ = self.ask(draft, Stage::Reset, b"RSET\r\n").await;
        }
        taken
    }

    async fn recipients(&mut self, draft: &mut Draft, all: &[Address]) -> Result<(), Fall> {
        let started = Instant::now();
        let mut last = None;
        for address in all {
            let mut command = Vec::new();
            let rcpt = Rcpt { forward_path: address.as_str(), ..Rcpt::default() };
            on(Step::Recipients, started, rcpt.write(&mut command))?;
            let step = Step::Recipients;
            last = Some(self.positive(draft, step, Stage::Rcpt, &command).await?);
        }
        match (last, all.len()) {
            (Some(reply), 1) => self.held(Step::Recipients, started, reply.to_string()),
            (Some(_), count) => {
                self.held(Step::Recipients, started, format!("all {count} are taken"));
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// Asks, and falls unless the answer is yes.
    async fn positive(
        &self,
        draft: &mut Draft,
        step: Step,
        stage: Stage,
        command: &[u8],
    ) -> Result<Reply, Fall> {
        let started = Instant::now();
        let asked = self.ask(draft, stage, command).await;
        on(
            step,
            started,
            asked.and_then(|reply| match reply.is_positive() {
                true => Ok(reply),
                false => {
                    let text = format!("the server refused while {}: {reply}", stage.doing());
                    Err(Error::new(ErrorKind::Rejected, stage, text).with_reply(reply))
                }
            }),
        )
    }

    /// One command and its reply.
    async fn ask(&self, draft: &mut Draft, stage: Stage, command: &[u8]) -> Result<Reply, Error> {
        let Config { deadlines, .. } = self.config;
        within(deadlines.command, stage, exchange(draft, stage, command)).await
    }
}

async fn exchange(draft: &mut Draft, stage: Stage, command: &[u8]) -> Result<Reply, Error> {
    let lost = |error| Loss::Io(error).into_error(stage);
    draft.wire.sent(command);
    draft.io.write_all(command).await.map_err(lost)?;
    draft.io.flush().await.map_err(lost)?;
    let mut parser = ReplyParser::new();
    let mut space = [0; 4096];
    loop {
        let count = draft.io.read(&mut space).await.map_err(lost)?;
        if count == 0 {
            return Err(Loss::Closed.into_error(stage));
        }
        draft.wire.received(&space[..count]);
        let mut input = &space[..count];
        while !input.is_empty() {
            let (taken, reply) = parser
                .feed(input)
                .map_err(|error| Error::new(ErrorKind::Protocol, stage, error.to_string()))?;
            input = &input[taken..];
            match reply {
                Some(reply) if input.is_empty() => return Ok(reply),
                Some(_) => {
                    let text = "the server sent a reply that nothing asked for";
                    return Err(Error::new(ErrorKind::Protocol, stage, text));
                }
                None => {}
            }
        }
    }
}

/// A size as people read it.
fn bytes(size: u64) -> String {
    const MB: u64 = 1 << 20;
    match size {
        0..1024 => format!("{size} bytes"),
        1024..MB => format!("{:.1} kB", size as f64 / 1024.0),
        _ => format!("{:.1} MB", size as f64 / MB as f64),
    }
}
