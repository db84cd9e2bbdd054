//! Commands and their replies (RFC 5321, 3207).

use super::{Ending, Flow, Mode, Session, Transaction};
use crate::decode::Decoder;
use crate::fault::At;
use crate::lock;
use crate::record::{COMMANDS_KEPT, Closed};
use crate::settings::refusal;
use crate::shared::Listener;

use bytes::Buf;

/// The longest command line; AUTH lines may be this long (RFC 4954 §4).
const LINE: usize = 12_288;

/// Writes a reply; each line of `text` becomes one of the reply.
fn render(out: &mut Vec<u8>, code: u16, status: &str, text: &str) {
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let dash = if lines.peek().is_some() { b'-' } else { b' ' };
        out.extend([
            b'0' + (code / 100) as u8,
            b'0' + (code / 10 % 10) as u8,
            b'0' + (code % 10) as u8,
            dash,
        ]);
        if !status.is_empty() {
            out.extend_from_slice(status.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

impl Session {
    /// Answers, unless a fault does; true when the command takes effect.
    pub(super) async fn answer(
        &mut self,
        at: At,
        code: u16,
        status: &str,
        text: &str,
    ) -> Flow<bool> {
        let status = if self.settings.capabilities.enhanced_status_codes { status } else { "" };
        if !self.shared.faults.any() {
            render(&mut self.out, code, status, text);
            self.marks.push(self.out.len());
            return Ok(code < 400);
        }
        let mut reply = Vec::new();
        render(&mut reply, code, status, text);
        self.answer_with(at, &reply).await
    }

    pub(super) async fn answer_with(&mut self, at: At, reply: &[u8]) -> Flow<bool> {
        let taken = self.shared.faults.take(self.conn.id, |it| match (it, at) {
            (At::Rcpt(0), At::Rcpt(_)) => true,
            _ => it == at,
        });
        match taken {
            Some(armed) => self.perform(&armed, reply).await,
            None => {
                self.push(reply);
                Ok(matches!(reply.first(), Some(b'2' | b'3')))
            }
        }
    }

    /// An answer at a place that no fault has a name for.
    pub(super) async fn say(&mut self, code: u16, status: &str, text: &str) -> Flow<bool> {
        let status = if self.settings.capabilities.enhanced_status_codes { status } else { "" };
        render(&mut self.out, code, status, text);
        self.marks.push(self.out.len());
        Ok(true)
    }

    /// Has the last word.
    pub(super) async fn leave<T>(
        &mut self,
        code: u16,
        status: &str,
        text: &str,
        how: Closed,
    ) -> Flow<T> {
        self.say(code, status, text).await?;
        self.flush_last().await?;
        Err(Ending::Bye(how))
    }

    /// Writes what is owed before something other than input follows: a fault
    /// that is due at the last byte received comes first.
    async fn flush_last(&mut self) -> Flow {
        if self.input.is_empty() {
            self.strike_if_due().await?;
        }
        self.flush().await
    }

    /// Takes the next line off the input; false when there is no whole one.
    pub(super) async fn next_line(&mut self) -> Flow<bool> {
        if std::mem::take(&mut self.swallow_lf) && self.input.first() == Some(&b'\n') {
            self.input.advance(1);
            return Ok(true);
        }
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            if matches!(self.mode, Mode::Overlong) {
                self.input.clear();
            } else if self.input.len() > LINE {
                self.input.clear();
                self.mode = Mode::Overlong;
                return self.say(500, "5.5.2", "Line too long").await;
            }
            return Ok(false);
        };
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        line.extend_from_slice(&self.input[..end]);
        self.input.advance(end + 1);
        let clean = line.pop_if(|last| *last == b'\r').is_some() || self.settings.bare_lf_smtp;
        let result = match std::mem::replace(&mut self.mode, Mode::Command) {
            Mode::Overlong => Ok(true),
            _ if !clean => self.say(500, "5.5.2", "Bare LF").await,
            Mode::Auth(exchange) => self.auth_line(exchange, &line).await,
            _ => self.command(&line).await,
        };
        self.line = line;
        // Whether the command took effect is its own business: a line was used.
        result.map(|_| true)
    }

    pub(super) fn note(&self, command: &str) {
        let mut log = lock(&self.conn.log);
        if log.commands.len() < COMMANDS_KEPT {
            log.commands.push(command.to_owned());
        }
    }

    async fn command(&mut self, line: &[u8]) -> Flow<bool> {
        let Ok(text) = std::str::from_utf8(line) else {
            self.note("<not UTF-8>");
            return self.say(500, "5.5.2", "Not UTF-8").await;
        };
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let verb = verb.to_ascii_uppercase();
        if verb == "AUTH" {
            let mechanism = rest.split(' ').next().unwrap_or_default();
            self.note(&format!("AUTH {mechanism} <redacted>"));
        } else {
            self.note(text);
        }
        match verb.as_str() {
            "EHLO" => self.ehlo().await,
            "HELO" => {
                self.reset();
                self.greeted = true;
                let host = self.shared.host.clone();
                self.answer(At::Ehlo, 250, "", &host).await
            }
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.begin_data().await,
            "BDAT" => self.begin_chunk(rest).await,
            "RSET" => {
                self.reset();
                self.answer(At::Reset, 250, "2.0.0", "Ok").await
            }
            "NOOP" => self.answer(At::Noop, 250, "2.0.0", "Ok").await,
            "VRFY" => self.say(252, "2.5.0", "Send some mail, I'll try my best").await,
            "QUIT" => {
                self.answer(At::Quit, 221, "2.0.0", "Bye").await?;
                self.flush_last().await?;
                Err(Ending::Bye(Closed::Quit))
            }
            "STARTTLS" => self.starttls(rest).await,
            "AUTH" => self.auth(rest).await,
            _ => self.say(500, "5.5.1", "Unknown command").await,
        }
    }

    pub(super) fn reset(&mut self) {
        self.transaction = Transaction::default();
    }

    async fn ehlo(&mut self) -> Flow<bool> {
        self.reset();
        self.settings = self.shared.settings();
        self.greeted = true;
        let offered = self.capabilities();
        let mut lines = vec![format!("{} at your service", self.shared.host)];
        let mut offer = |on: bool, line: &str| on.then(|| lines.push(line.to_owned()));
        offer(offered.pipelining, "PIPELINING");
        offer(offered.chunking, "CHUNKING");
        offer(offered.size, &format!("SIZE {}", self.settings.limits.message_size));
        offer(offered.eight_bit_mime, "8BITMIME");
        offer(offered.smtp_utf8, "SMTPUTF8");
        offer(offered.dsn, "DSN");
        offer(offered.enhanced_status_codes, "ENHANCEDSTATUSCODES");
        offer(offered.require_tls && self.tls, "REQUIRETLS");
        offer(offered.starttls && !self.tls && self.listener == Listener::StartTls, "STARTTLS");
        let mechanisms = self.mechanisms();
        offer(!mechanisms.is_empty(), &format!("AUTH {}", mechanisms.join(" ")));
        lines.extend(offered.extra.iter().cloned());
        self.answer(At::Ehlo, 250, "", &lines.join("\n")).await
    }

    async fn starttls(&mut self, rest: &str) -> Flow<bool> {
        if self.tls || self.listener != Listener::StartTls || !self.capabilities().starttls {
            return self.say(502, "5.5.1", "STARTTLS not available").await;
        }
        if !rest.is_empty() {
            return self.say(501, "5.5.4", "STARTTLS takes no argument").await;
        }
        if !self.input.is_empty() {
            // What came in the clear must not be taken for what comes under
            // TLS (RFC 3207 §5).
            return self.leave(554, "5.5.1", "Nothing may follow STARTTLS", Closed::Cut).await;
        }
        if !self.answer(At::StartTls, 220, "2.0.0", "Go ahead").await? {
            return Ok(true);
        }
        self.flush_last().await?;
        self.handshake().await?;
        self.reset();
        self.greeted = false;
        self.user = None;
        Ok(true)
    }

    async fn mail(&mut self, rest: &str) -> Flow<bool> {
        self.settings = self.shared.settings();
        if !self.greeted {
            return self.answer(At::Mail, 503, "5.5.1", "EHLO first").await;
        }
        if self.transaction.from.is_some() {
            return self.answer(At::Mail, 503, "5.5.1", "Nested MAIL").await;
        }
        let needs_auth = !self.shared.accounts.is_empty() && !self.settings.auth_optional;
        if needs_auth && self.user.is_none() {
            return self.answer(At::Mail, 530, "5.7.0", "Authentication required").await;
        }
        let Some((address, params)) = path(rest, "FROM:") else {
            return self.answer(At::Mail, 501, "5.5.4", "Syntax: MAIL FROM:<address>").await;
        };
        let address = address.to_owned();
        if let Err((code, status, text)) = self.mail_params(params, &address) {
            return self.answer(At::Mail, code, status, text).await;
        }
        if let Some(close) = self.shared.over_rate(&self.settings) {
            if close {
                return self.leave(421, "4.7.0", "Too many messages", Closed::Farewell).await;
            }
            return self.answer(At::Mail, 451, "4.7.1", "Too many messages, slow down").await;
        }
        let settings = self.settings.clone();
        let accepted = match refusal(&settings.refuse_senders, &address) {
            Some(reply) => self.answer_with(At::Mail, format!("{reply}\r\n").as_bytes()).await?,
            None => self.answer(At::Mail, 250, "2.1.0", "Sender ok").await?,
        };
        if accepted {
            self.transaction = Transaction { from: Some(address), ..Transaction::default() };
        }
        Ok(true)
    }

    fn mail_params(
        &self,
        params: &str,
        address: &str,
    ) -> Result<(), (u16, &'static str, &'static str)> {
        let offered = self.capabilities();
        let mut utf8 = false;
        for param in params.split_ascii_whitespace() {
            let (key, value) = param.split_once('=').unwrap_or((param, ""));
            let allowed = match key.to_ascii_uppercase().as_str() {
                "SIZE" => {
                    let size: u64 = value.parse().map_err(|_| (501, "5.5.4", "Bad SIZE"))?;
                    if size > self.settings.limits.message_size {
                        return Err((552, "5.3.4", "Message too big"));
                    }
                    offered.size
                }
                "BODY" => match value.to_ascii_uppercase().as_str() {
                    "7BIT" | "8BITMIME" => offered.eight_bit_mime,
                    "BINARYMIME" => false,
                    _ => return Err((501, "5.5.4", "Bad BODY")),
                },
                "SMTPUTF8" => {
                    utf8 = true;
                    offered.smtp_utf8
                }
                "RET" | "ENVID" => offered.dsn,
                "REQUIRETLS" => offered.require_tls && self.tls,
                "AUTH" => !offered.auth.is_empty(),
                _ => false,
            };
            if !allowed {
                return Err((555, "5.5.4", "Parameter not recognised"));
            }
        }
        if !address.is_ascii() && !utf8 {
            return Err((553, "5.6.7", "Address needs SMTPUTF8"));
        }
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> Flow<bool> {
        self.transaction.asked += 1;
        let at = At::Rcpt(self.transaction.asked);
        if self.transaction.from.is_none() {
            return self.answer(at, 503, "5.5.1", "MAIL first").await;
        }
        let Some((address, params)) = path(rest, "TO:").filter(|(address, _)| !address.is_empty())
        else {
            return self.answer(at, 501, "5.5.4", "Syntax: RCPT TO:<address>").await;
        };
        let dsn = self.capabilities().dsn;
        let known = params.split_ascii_whitespace().all(|param| {
            let key = param.split('=').next().unwrap_or_default();
            dsn && (key.eq_ignore_ascii_case("NOTIFY") || key.eq_ignore_ascii_case("ORCPT"))
        });
        if !known {
            return self.answer(at, 555, "5.5.4", "Parameter not recognised").await;
        }
        if self.transaction.recipients.len() >= self.settings.limits.recipients {
            return self.answer(at, 452, "4.5.3", "Too many recipients").await;
        }
        let settings = self.settings.clone();
        let accepted = match refusal(&settings.refuse_recipients, address) {
            Some(reply) => self.answer_with(at, format!("{reply}\r\n").as_bytes()).await?,
            None => self.answer(at, 250, "2.1.5", "Recipient ok").await?,
        };
        if accepted {
            self.transaction.recipients.push(address.to_owned());
        }
        Ok(true)
    }

    async fn begin_data(&mut self) -> Flow<bool> {
        if self.transaction.from.is_none() || self.transaction.chunked {
            return self.answer(At::Data, 503, "5.5.1", "MAIL first").await;
        }
        if self.transaction.recipients.is_empty() && !self.settings.data_without_recipients {
            return self.answer(At::Data, 554, "5.5.1", "No valid recipients").await;
        }
        let before = self.out.len();
        self.answer(At::Data, 354, "", "Go ahead").await?;
        // A fault may have said something else, or written it already.
        let said = self.out.get(before..).unwrap_or_default();
        if said.is_empty() || said.starts_with(b"354") {
            self.mode = Mode::Data(Decoder::new(self.settings.bare_lf_smtp));
        }
        Ok(true)
    }
}

/// `FROM:<address> params` into its two parts.
fn path<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let head = text.get(..prefix.len())?;
    if !head.eq_ignore_ascii_case(prefix) {
        return None;
    }
    let rest = text[prefix.len()..].trim_start().strip_prefix('<')?;
    // A quoted local part may hold anything, also `>`.
    let mut quoted = false;
    let mut escaped = false;
    let end = rest.char_indices().find_map(|(index, char)| {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(index),
            _ => {}
        }
        None
    })?;
    let params = &rest[end + 1..];
    (params.is_empty() || params.starts_with(' ')).then_some((&rest[..end], params))
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_path_is_split_from_its_parameters() {
        assert_eq!(path("FROM:<a@b> SIZE=1", "FROM:"), Some(("a@b", " SIZE=1")));
        assert_eq!(path("from:<>", "FROM:"), Some(("", "")));
        assert_eq!(path("FROM:<\"a>b\"@c>", "FROM:"), Some(("\"a>b\"@c", "")));
        for wrong in ["FROM:a@b", "FROM:<a@b", "TO:<a@b>", "FROM:<a@b>x", "FR\u{f6}", ""] {
            assert_eq!(path(wrong, "FROM:"), None, "{wrong}");
        }
    }
}
