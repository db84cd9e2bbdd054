//! The words of a probe, without IO: [`Dialogue`].
//!
//! ```text
//!   greeting ──> EHLO ──> STARTTLS ──> Handshake ──> EHLO ──> Done
//!       ^                                  │
//!       └────────── implicit TLS ──────────┘
//! ```
//!
//! Bytes come in by [`receive`](Dialogue::receive) in any split, and go out
//! by [`take_output`](Dialogue::take_output). The invariant: it knows EHLO,
//! LHLO, STARTTLS and QUIT and nothing else, so that no probe can log in or
//! send mail; and nothing that was said before TLS is believed inside it
//! (RFC 3207 §4.2).

use super::spoken::{LOOKED_AT, Spoken};
use super::target::Protocol;
use crate::Stage;
use crate::smtp::reply::{ReplyError, ReplyParser};
use crate::smtp::{Capabilities, Reply};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Ehlo,
    StartTls,
    /// The server agreed to TLS.
    Handshake,
    Done,
}

/// What ended a dialogue early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 4yz as a greeting, or 421 to EHLO.
    TurnedAway(Reply),
    /// 5yz as a greeting.
    GreetingRefused(Reply),
    /// EHLO (LHLO) is refused.
    EhloRefused(Reply),
    /// STARTTLS is not offered; with what stands in its place if something
    /// took it out.
    NotOffered(Option<String>),
    /// STARTTLS is offered and refused.
    StartTlsRefused(Reply),
    /// The first bytes are those of another protocol.
    NotSmtp(Spoken, Vec<u8>),
    /// Replies that break the rules.
    Malformed(ReplyError),
    /// More replies than commands.
    Unasked(Vec<u8>),
}

impl Fault {
    /// Whether the server still waits for a command, so that QUIT is due.
    pub(crate) fn leaves_order(&self) -> bool {
        match self {
            // 421 is the server's own farewell (RFC 5321 §3.8).
            Fault::TurnedAway(reply) => !reply.is_closing(),
            Fault::NotSmtp(..) | Fault::Malformed(_) | Fault::Unasked(_) => false,
            _ => true,
        }
    }
}

/// What was heard, however it ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) greeting: Option<Reply>,
    /// What EHLO offered before TLS.
    pub(crate) before_tls: Option<Capabilities>,
    /// What EHLO offered inside TLS.
    pub(crate) inside_tls: Option<Capabilities>,
    /// The start of what followed the go-ahead for STARTTLS.
    pub(crate) injected: Option<Vec<u8>>,
}

/// The state of the conversation.
#[derive(Debug)]
pub(crate) struct Dialogue {
    protocol: Protocol,
    name: String,
    parser: ReplyParser,
    state: State,
    secured: bool,
    output: Vec<u8>,
    /// The first bytes of all, to recognise what is no SMTP.
    first: Vec<u8>,
    pub(crate) heard: Heard,
}

impl Dialogue {
    /// Waits for a greeting, and will introduce itself as `name`, which has
    /// no line end in it.
    pub(crate) fn new(protocol: Protocol, name: String) -> Self {
        Dialogue {
            protocol,
            name,
            parser: ReplyParser::new(),
            state: State::Greeting,
            secured: false,
            output: Vec::new(),
            first: Vec::new(),
            heard: Heard::default(),
        }
    }

    /// What is waited for, as a stage.
    pub(crate) fn stage(&self) -> Stage {
        match self.state {
            State::Greeting => Stage::Greeting,
            State::Ehlo => Stage::Ehlo,
            State::StartTls => Stage::StartTls,
            State::Handshake => Stage::Handshake,
            State::Done => Stage::Quit,
        }
    }

    /// Whether a reply is waited for, and not TLS or nothing.
    pub(crate) fn expects_reply(&self) -> bool {
        matches!(self.state, State::Greeting | State::Ehlo | State::StartTls)
    }

    /// Bytes to send before the reply can come.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// TLS is established: what was heard in the clear counts no more. A
    /// server that greeted before does not greet again.
    pub(crate) fn secured(&mut self) {
        self.secured = true;
        self.parser = ReplyParser::new();
        if self.heard.greeting.is_some() {
            self.introduce();
        } else {
            self.state = State::Greeting;
            self.first.clear();
        }
    }

    /// Takes what has arrived. Returns whether the awaited reply is complete.
    ///
    /// # Errors
    /// What ends the dialogue. What was heard until then is kept.
    pub(crate) fn receive(&mut self, input: &[u8]) -> Result<bool, Fault> {
        if self.state == State::Greeting {
            let room = LOOKED_AT.saturating_sub(self.first.len());
            self.first.extend_from_slice(&input[..input.len().min(room)]);
        }
        let (taken, reply) = self.parser.feed(input).map_err(|error| self.malformed(error))?;
        let Some(reply) = reply else { return Ok(false) };
        self.answer(reply)?;
        let rest = &input[taken..];
        match (rest.is_empty(), self.state) {
            (true, _) | (_, State::Done) => {}
            (false, State::Handshake) => {
                self.heard.injected = Some(rest[..rest.len().min(LOOKED_AT)].to_vec());
            }
            (false, _) => return Err(Fault::Unasked(rest[..rest.len().min(LOOKED_AT)].to_vec())),
        }
        Ok(true)
    }

    fn answer(&mut self, reply: Reply) -> Result<(), Fault> {
        match self.state {
            State::Greeting => {
                self.heard.greeting = Some(reply.clone());
                match reply {
                    reply if reply.is_positive() => self.introduce(),
                    reply if reply.is_permanent() => return Err(Fault::GreetingRefused(reply)),
                    reply => return Err(Fault::TurnedAway(reply)),
                }
            }
            State::Ehlo if reply.is_positive() => {
                let offered = Capabilities::from_reply(&reply);
                if self.secured {
                    self.heard.inside_tls = Some(offered);
                    self.state = State::Done;
                    return Ok(());
                }
                let starttls = offered.starttls();
                let stripped = stripped(&offered);
                self.heard.before_tls = Some(offered);
                if !starttls {
                    return Err(Fault::NotOffered(stripped));
                }
                self.command(State::StartTls, "STARTTLS");
            }
            State::Ehlo if reply.is_closing() => return Err(Fault::TurnedAway(reply)),
            State::Ehlo => return Err(Fault::EhloRefused(reply)),
            State::StartTls if reply.is_positive() => self.state = State::Handshake,
            State::StartTls => return Err(Fault::StartTlsRefused(reply)),
            State::Handshake | State::Done => {}
        }
        Ok(())
    }

    fn introduce(&mut self) {
        let verb = match self.protocol {
            Protocol::Smtp => "EHLO ",
            Protocol::Lmtp => "LHLO ",
        };
        let line = format!("{verb}{}", self.name);
        self.command(State::Ehlo, &line);
    }

    fn command(&mut self, next: State, line: &str) {
        self.state = next;
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn malformed(&self, error: ReplyError) -> Fault {
        if self.state == State::Greeting {
            let spoken = Spoken::of(&self.first);
            if !matches!(spoken, Spoken::Smtp(_)) {
                return Fault::NotSmtp(spoken, self.first.clone());
            }
        }
        Fault::Malformed(error)
    }
}

/// What stands where STARTTLS was: firewalls overwrite the keyword with as
/// many letters, most of them X, so that the packet keeps its length.
fn stripped(offered: &Capabilities) -> Option<String> {
    let overwritten = |keyword: &&str| {
        let letters = keyword.chars().filter(|letter| matches!(letter, 'X' | '*')).count();
        keyword.len() == "STARTTLS".len() && letters >= 6
    };
    let mut keywords = offered.iter().map(|(keyword, _)| keyword);
    keywords.find(overwritten).map(str::to_owned)
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
