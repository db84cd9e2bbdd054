//! From the greeting to the point where mail may be sent: a state machine
//! without IO.
//!
//! ```text
//! Greeting ─▶ Ehlo ─▶ StartTls ─▶ (TLS) ─▶ Ehlo ─▶ Ready ⇄ Auth
//!               └──────────────────────────────────▶┘
//! ```
//!
//! Nothing from before TLS is believed after it: bytes that follow the 220 to
//! STARTTLS are an attack and end the session (RFC 3207 §6), capabilities are
//! asked for again. Each command waits for its one reply, and a reply that
//! nothing asked for ends the session.

use zeroize::Zeroizing;

use super::auth::{self, Exchange};
use super::reply::{Reply, ReplyError, ReplyParser};
use super::{Capabilities, command};
use crate::endpoint::TlsMode;
use crate::error::{Error, ErrorKind, Stage};

#[derive(Debug)]
enum State {
    Greeting,
    Ehlo,
    /// EHLO was not understood; HELO is being tried.
    Helo,
    StartTls,
    /// STARTTLS was agreed; the caller does the handshake.
    Handshake,
    Ready,
    Auth(Box<Exchange>),
}

/// What the caller has to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write [`Opening::take_output`], read, and pass it to
    /// [`Opening::receive`].
    Talk,
    /// Do the TLS handshake, then call [`Opening::secured`].
    StartTls,
    /// Mail may be sent, or [`Opening::authenticate`] called.
    Ready,
}

/// How an authentication ended.
#[derive(Debug)]
pub(crate) enum Login {
    Accepted,
    /// The server said no: to the login, or only to this mechanism.
    Refused {
        error: Error,
        next_mechanism: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Opening {
    mode: TlsMode,
    ehlo_name: String,
    /// HELO may be tried: neither TLS nor AUTH is required of this session.
    helo_allowed: bool,
    secure: bool,
    state: State,
    replies: ReplyParser,
    capabilities: Capabilities,
    out: Zeroizing<Vec<u8>>,
    login: Option<Login>,
    /// The last reply.
    heard: Option<Reply>,
}

impl Opening {
    /// The start of a session, before its greeting. With
    /// [`TlsMode::Implicit`] the stream is encrypted already.
    pub(crate) fn new(mode: TlsMode, ehlo_name: &str, authenticates: bool) -> Self {
        Opening {
            mode,
            ehlo_name: ehlo_name.to_owned(),
            helo_allowed: matches!(mode, TlsMode::None | TlsMode::Opportunistic) && !authenticates,
            secure: mode == TlsMode::Implicit,
            state: State::Greeting,
            replies: ReplyParser::new(),
            capabilities: Capabilities::default(),
            out: Zeroizing::default(),
            login: None,
            heard: None,
        }
    }

    pub(crate) fn step(&self) -> Step {
        match self.state {
            State::Handshake => Step::StartTls,
            State::Ready => Step::Ready,
            _ => Step::Talk,
        }
    }

    /// What is being waited for.
    pub(crate) fn stage(&self) -> Stage {
        match self.state {
            State::Greeting => Stage::Greeting,
            State::Ehlo | State::Helo => Stage::Ehlo,
            State::StartTls => Stage::StartTls,
            State::Handshake => Stage::Handshake,
            State::Ready => Stage::Idle,
            State::Auth(_) => Stage::Auth,
        }
    }

    /// Whether the session is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// The capabilities of the last EHLO.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether STARTTLS was agreed and the handshake is due.
    pub(crate) fn wants_tls(&self) -> bool {
        matches!(self.state, State::Handshake)
    }

    /// The last reply, whatever it was to.
    pub(crate) fn heard(&self) -> Option<&Reply> {
        self.heard.as_ref()
    }

    /// What is to be written; empty when the server has to speak first. May
    /// hold credentials.
    pub(crate) fn take_output(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.out)
    }

    /// The TLS handshake that STARTTLS asked for is done: everything learned
    /// before it is forgotten.
    pub(crate) fn secured(&mut self) -> Result<(), Error> {
        self.secure = true;
        self.capabilities = Capabilities::default();
        self.replies = ReplyParser::new();
        self.ehlo()
    }

    /// Starts an authentication; only when [`Step::Ready`].
    pub(crate) fn authenticate(&mut self, mut exchange: Exchange) -> Result<(), Error> {
        self.out = exchange.command()?;
        self.login = None;
        self.state = State::Auth(Box::new(exchange));
        Ok(())
    }

    /// How the last authentication ended.
    pub(crate) fn take_login(&mut self) -> Option<Login> {
        self.login.take()
    }

    /// Takes bytes from the server; returns whether a reply was complete.
    ///
    /// # Errors
    /// Whatever ends the session, with stage and remedy.
    pub(crate) fn receive(&mut self, mut input: &[u8]) -> Result<bool, Error> {
        let mut answered = false;
        while !input.is_empty() {
            if matches!(self.state, State::Ready | State::Handshake) {
                return Err(self.unsolicited(input));
            }
            let (taken, reply) = self.replies.feed(input).map_err(|error| self.garbage(error))?;
            input = &input[taken..];
            if let Some(reply) = reply {
                if answered {
                    return Err(self.unsolicited(&[]));
                }
                answered = true;
                self.heard = Some(reply.clone());
                self.answer(reply)?;
            }
        }
        Ok(answered)
    }

    fn ehlo(&mut self) -> Result<(), Error> {
        command::write(&mut self.out, &["EHLO ", &self.ehlo_name])?;
        self.state = State::Ehlo;
        Ok(())
    }

    fn answer(&mut self, reply: Reply) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Greeting => {
                if !reply.is_positive() {
                    return Err(rejected(Stage::Greeting, "refused the session", reply));
                }
                self.ehlo()
            }
            State::Ehlo if reply.is_positive() => {
                self.capabilities = Capabilities::from_reply(&reply);
                self.after_ehlo()
            }
            State::Ehlo if reply.is_permanent() && self.helo_allowed => {
                command::write(&mut self.out, &["HELO ", &self.ehlo_name])?;
                self.state = State::Helo;
                Ok(())
            }
            State::Helo if reply.is_positive() => {
                let domain = reply.lines().first().and_then(|line| line.split(' ').next());
                self.capabilities = Capabilities::none(domain.unwrap_or_default());
                Ok(())
            }
            State::Ehlo | State::Helo => Err(rejected(Stage::Ehlo, "refused EHLO", reply)),
            State::StartTls => self.after_starttls(reply),
            State::Auth(exchange) => self.continue_auth(exchange, reply),
            State::Handshake | State::Ready => Ok(()),
        }
    }

    fn after_ehlo(&mut self) -> Result<(), Error> {
        let upgrade = !self.secure && self.mode != TlsMode::None;
        if upgrade && self.capabilities.starttls() {
            command::write(&mut self.out, &["STARTTLS"])?;
            self.state = State::StartTls;
        } else if upgrade && self.mode == TlsMode::StartTls {
            return Err(Error::new(
                ErrorKind::Unsupported,
                Stage::Ehlo,
                "the server does not offer STARTTLS, and TLS is required",
            )
            .with_hint(
                "if this port is for implicit TLS (465), say so; otherwise the server has no \
                 certificate loaded, or something on the way strips STARTTLS",
            ));
        }
        Ok(())
    }

    fn after_starttls(&mut self, reply: Reply) -> Result<(), Error> {
        if reply.is_positive() {
            self.state = State::Handshake;
            Ok(())
        } else if self.mode == TlsMode::Opportunistic && !reply.is_closing() {
            Ok(())
        } else {
            Err(rejected(Stage::StartTls, "refused STARTTLS", reply))
        }
    }

    fn continue_auth(&mut self, mut exchange: Box<Exchange>, reply: Reply) -> Result<(), Error> {
        if reply.is_closing() {
            return Err(rejected(Stage::Auth, "closed the session", reply));
        }
        let text = reply.lines().first().map_or("", String::as_str).as_bytes();
        if reply.is_negative() {
            let next_mechanism = auth::refuses_mechanism_only(reply.code());
            let error = exchange.refused(reply.code()).with_reply(reply);
            self.login = Some(Login::Refused { error, next_mechanism });
        } else if reply.is_intermediate() {
            self.out = exchange.answer(text)?;
            self.state = State::Auth(exchange);
        } else {
            exchange.verify_success(Some(text))?;
            self.login = Some(Login::Accepted);
        }
        Ok(())
    }

    fn unsolicited(&self, bytes: &[u8]) -> Error {
        if matches!(self.state, State::Handshake) {
            return Error::new(
                ErrorKind::Protocol,
                Stage::StartTls,
                format!("{} bytes followed the server's reply to STARTTLS in clear", bytes.len()),
            )
            .with_hint(
                "someone on the way may be injecting replies; nothing was sent. If it happens \
                 on a trusted network, the server's STARTTLS is defective",
            );
        }
        Error::new(
            ErrorKind::Protocol,
            self.stage(),
            "the server sent a reply that nothing asked for",
        )
        .with_retryable(true)
    }

    fn garbage(&self, error: ReplyError) -> Error {
        let tls =
            matches!(&error, ReplyError::NotAReply(text) if text.starts_with(['\u{15}', '\u{16}']));
        let result =
            Error::new(ErrorKind::Protocol, self.stage(), error.to_string()).with_retryable(true);
        let result = result.with_source(error);
        if tls {
            return result.with_retryable(false).with_hint(
                "the server speaks TLS from the first byte on this port: use implicit TLS",
            );
        }
        match self.state {
            State::Greeting => {
                result.with_hint("check host and port: this does not look like an SMTP server")
            }
            _ => result,
        }
    }
}

/// A refusal on the way to a usable session.
fn rejected(stage: Stage, what: &str, reply: Reply) -> Error {
    let transient = reply.is_transient();
    let hint = match (stage, reply.code()) {
        (_, 421) => {
            "the server limits connections or is shutting down; it may be asked again later"
        }
        (Stage::Greeting, 554) => "the server does not talk to this address: ask its administrator",
        (Stage::StartTls, _) => {
            "TLS is temporarily not available on the server: its certificate may not be loaded"
        }
        _ if transient => "the server asks to try later",
        _ => "the reply says why; the server's log says more",
    };
    Error::new(ErrorKind::Rejected, stage, format!("the server {what}: {reply}"))
        .with_retryable(transient)
        .with_hint(hint)
        .with_reply(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(mode: TlsMode) -> Opening {
        Opening::new(mode, "client.example", false)
    }

    fn says(opening: &mut Opening, text: &str) -> Result<String, Error> {
        opening.receive(text.replace('\n', "\r\n").as_bytes())?;
        Ok(String::from_utf8(opening.take_output().to_vec()).unwrap())
    }

    #[test]
    fn an_implicit_session_greets_once() {
        let mut opening = talk(TlsMode::Implicit);
        assert_eq!(opening.stage(), Stage::Greeting);
        assert_eq!(says(&mut opening, "220 mx\n").unwrap(), "EHLO client.example\r\n");
        assert_eq!(says(&mut opening, "250-mx\n250 PIPELINING\n").unwrap(), "");
        assert!(matches!(opening.step(), Step::Ready));
        assert!(opening.is_secure() && opening.capabilities().pipelining());
    }

    #[test]
    fn starttls_forgets_what_was_said_before_it() {
        let mut opening = talk(TlsMode::StartTls);
        says(&mut opening, "220 mx\n").unwrap();
        assert_eq!(
            says(&mut opening, "250-mx\n250-AUTH PLAIN\n250 STARTTLS\n").unwrap(),
            "STARTTLS\r\n"
        );
        says(&mut opening, "220 go\n").unwrap();
        assert!(matches!(opening.step(), Step::StartTls));
        assert!(!opening.is_secure());
        opening.secured().unwrap();
        assert_eq!(opening.capabilities(), &Capabilities::default());
        assert_eq!(opening.take_output().as_slice(), b"EHLO client.example\r\n");
        says(&mut opening, "250 mx\n").unwrap();
        assert!(matches!(opening.step(), Step::Ready) && opening.is_secure());
    }

    #[test]
    fn bytes_after_the_starttls_reply_end_the_session_at_every_split() {
        for injected in ["2", "250 ok\n", "250-mx\n250 AUTH PLAIN\n", "\n", "\u{16}\u{3}"] {
            let text = format!("220 go\n{injected}").replace('\n', "\r\n");
            for split in 0..text.len() {
                let mut opening = talk(TlsMode::StartTls);
                says(&mut opening, "220 mx\n").unwrap();
                says(&mut opening, "250-mx\n250 STARTTLS\n").unwrap();
                let (first, second) = text.as_bytes().split_at(split);
                let result = opening.receive(first).and_then(|_| opening.receive(second));
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.stage()), (ErrorKind::Protocol, Stage::StartTls));
                assert!(!error.is_retryable(), "an attack is not tried again");
            }
        }
    }

    #[test]
    fn required_tls_never_falls_back_to_plain_text() {
        let mut opening = talk(TlsMode::StartTls);
        says(&mut opening, "220 mx\n").unwrap();
        let error = says(&mut opening, "250-mx\n250 AUTH PLAIN\n").unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Unsupported, Stage::Ehlo));
        for reply in ["454 not now\n", "502 what\n", "354 odd\n"] {
            let mut opening = talk(TlsMode::StartTls);
            says(&mut opening, "220 mx\n").unwrap();
            says(&mut opening, "250-mx\n250 STARTTLS\n").unwrap();
            let error = says(&mut opening, reply).unwrap_err();
            assert_eq!((error.kind(), error.stage()), (ErrorKind::Rejected, Stage::StartTls));
        }
        // Nor to HELO, which cannot offer it.
        let mut opening = talk(TlsMode::StartTls);
        says(&mut opening, "220 mx\n").unwrap();
        assert_eq!(says(&mut opening, "500 what\n").unwrap_err().stage(), Stage::Ehlo);
    }

    #[test]
    fn opportunistic_tls_goes_on_without_it() {
        let mut opening = talk(TlsMode::Opportunistic);
        says(&mut opening, "220 mx\n").unwrap();
        says(&mut opening, "250 mx\n").unwrap();
        assert!(matches!(opening.step(), Step::Ready) && !opening.is_secure());

        let mut opening = talk(TlsMode::Opportunistic);
        says(&mut opening, "220 mx\n").unwrap();
        assert_eq!(says(&mut opening, "250-mx\n250 STARTTLS\n").unwrap(), "STARTTLS\r\n");
        says(&mut opening, "454 not now\n").unwrap();
        assert!(matches!(opening.step(), Step::Ready) && !opening.is_secure());

        // But not with a server that hangs up.
        let mut opening = talk(TlsMode::Opportunistic);
        says(&mut opening, "220 mx\n").unwrap();
        says(&mut opening, "250-mx\n250 STARTTLS\n").unwrap();
        let error = says(&mut opening, "421 bye\n").unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Rejected, Stage::StartTls));
    }

    #[test]
    fn a_server_that_only_knows_helo_is_spoken_to_without_extensions() {
        let mut opening = talk(TlsMode::None);
        says(&mut opening, "220 old\n").unwrap();
        assert_eq!(says(&mut opening, "502 what\n").unwrap(), "HELO client.example\r\n");
        says(&mut opening, "250 old.example hello\n").unwrap();
        assert_eq!(opening.capabilities().domain(), "old.example");
        assert!(matches!(opening.step(), Step::Ready));
    }

    #[test]
    fn a_session_that_has_to_log_in_never_falls_back_to_helo() {
        let mut opening = Opening::new(TlsMode::None, "client.example", true);
        says(&mut opening, "220 old\n").unwrap();
        let error = says(&mut opening, "502 what\n").unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Rejected, Stage::Ehlo));
    }

    #[test]
    fn a_refused_greeting_keeps_the_reply_and_says_whether_to_try_again() {
        for (text, retryable) in [("421 busy\n", true), ("450 later\n", true), ("554 no\n", false)]
        {
            let error = says(&mut talk(TlsMode::None), text).unwrap_err();
            assert_eq!((error.kind(), error.stage()), (ErrorKind::Rejected, Stage::Greeting));
            assert_eq!(error.is_retryable(), retryable);
            assert!(error.reply().is_some() && error.hint().is_some());
        }
    }

    #[test]
    fn a_tls_server_on_a_plain_port_is_named_as_the_mistake() {
        let error = talk(TlsMode::StartTls).receive(b"\x15\x03\x03\x00\x02\x02\x46").unwrap_err();
        assert!(error.hint().unwrap().contains("implicit TLS"), "{error}");
        let error = talk(TlsMode::StartTls).receive(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        assert!(error.hint().unwrap().contains("host and port"), "{error}");
    }

    #[test]
    fn a_reply_nobody_asked_for_ends_the_session() {
        let mut opening = talk(TlsMode::Implicit);
        says(&mut opening, "220 mx\n").unwrap();
        let error = says(&mut opening, "250 mx\n250 again\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }

    #[test]
    fn a_reply_that_comes_with_the_one_before_it_answers_no_command() {
        let mut opening = talk(TlsMode::Implicit);
        let error = says(&mut opening, "220 mx\n250-mx\n250 AUTH PLAIN\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);

        let mut opening = talk(TlsMode::Opportunistic);
        says(&mut opening, "220 mx\n").unwrap();
        let error = says(&mut opening, "250-mx\n250 STARTTLS\n454 not now\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}
