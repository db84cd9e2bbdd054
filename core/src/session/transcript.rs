//! The wire log: what went over the connection, without secrets and without
//! message content.
//!
//! [`WireLog`] writes to `tracing` at target `everpost::wire`, level `TRACE`,
//! one event per line of the protocol. [`Transcript`] makes the lines, from
//! bytes split anywhere.
//!
//! Invariant: it errs towards hiding. From an AUTH command until its final
//! reply, and for every challenge still unanswered then, the client's lines
//! are shown by their length alone, and so are challenges. Everything after a
//! 354 and in a BDAT chunk is message content, shown by its length alone.

use std::collections::VecDeque;
use std::fmt;
use std::mem;

use zeroize::{Zeroize as _, Zeroizing};

/// How much of a line is shown, in bytes.
const MAX_SHOWN: usize = 1024;

/// The wire log of one connection; does nothing, and holds nothing, unless
/// the level was enabled when the connection was made.
#[derive(Debug)]
pub(crate) struct WireLog(Option<Box<(u64, Transcript)>>);

impl WireLog {
    /// A log whose events carry the number of the connection.
    pub(crate) fn new(connection: u64) -> Self {
        let enabled = tracing::enabled!(target: "everpost::wire", tracing::Level::TRACE);
        WireLog(enabled.then(|| Box::new((connection, Transcript::new()))))
    }

    /// Bytes as the protocol sends them, before TLS.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if let Some((connection, transcript)) = self.0.as_deref_mut() {
            transcript.client(bytes, &mut |line| log(*connection, line));
        }
    }

    /// Bytes as the protocol receives them, after TLS.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if let Some((connection, transcript)) = self.0.as_deref_mut() {
            transcript.server(bytes, &mut |line| log(*connection, line));
        }
    }
}

impl Drop for WireLog {
    fn drop(&mut self) {
        if let Some((connection, transcript)) = self.0.as_deref_mut() {
            transcript.end(&mut |line| log(*connection, line));
        }
    }
}

fn log(connection: u64, line: &str) {
    tracing::trace!(target: "everpost::wire", connection, "{line}");
}

/// Takes finished lines: `C: …` of the client, `S: …` of the server.
type Emit<'a> = &'a mut dyn FnMut(&str);

/// Turns the bytes of a connection, in any split, into lines fit for a log.
/// Begins with the connection: the first reply is the greeting.
pub(crate) struct Transcript {
    /// What each reply to come answers.
    pending: VecDeque<Command>,
    /// Challenges that the client has not answered.
    challenges: usize,
    mode: Mode,
    client: Line,
    server: Line,
    /// Whether a line of the reply that is being read is a challenge.
    challenge: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Auth,
    Other,
}

/// What the client's next byte is part of.
enum Mode {
    Command,
    /// Message content up to `CRLF . CRLF`; the bytes so far.
    Content(u64, Tail),
    /// A BDAT chunk: its bytes, and those to come.
    Chunk(u64, u64),
}

/// Where in `CRLF . CRLF` the content is.
#[derive(Clone, Copy)]
enum Tail {
    Text,
    Cr,
    LineStart,
    Dot,
    DotCr,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Transcript {
            pending: VecDeque::from([Command::Other]),
            challenges: 0,
            mode: Mode::Command,
            client: Line::new(),
            server: Line::new(),
            challenge: false,
        }
    }

    /// Takes bytes that the client sent.
    pub(crate) fn client(&mut self, mut bytes: &[u8], emit: Emit<'_>) {
        while !bytes.is_empty() {
            let taken = match mem::replace(&mut self.mode, Mode::Command) {
                Mode::Command => self.client_line(bytes, emit),
                Mode::Content(before, tail) => self.content(before, tail, bytes, emit),
                Mode::Chunk(length, left) => self.chunk(length, left, bytes, emit),
            };
            bytes = &bytes[taken..];
        }
    }

    /// Takes bytes that the server sent.
    pub(crate) fn server(&mut self, mut bytes: &[u8], emit: Emit<'_>) {
        while !bytes.is_empty() {
            let (taken, complete) = self.server.take(bytes);
            bytes = &bytes[taken..];
            if complete {
                let line = mem::replace(&mut self.server, Line::new());
                self.server_line(&line, emit);
            }
        }
    }

    /// Shows what the end of the connection left unfinished.
    pub(crate) fn end(&mut self, emit: Emit<'_>) {
        match mem::replace(&mut self.mode, Mode::Command) {
            Mode::Content(length, _) => emit(&format!("C: <message, cut after {length} bytes>")),
            Mode::Chunk(length, left) => {
                emit(&format!("C: <message, cut after {} bytes>", length - left));
            }
            Mode::Command if self.client.length > 0 => {
                emit(&format!("C: <cut after {} bytes>", self.client.length));
            }
            Mode::Command => {}
        }
        if self.server.length > 0 {
            emit(&format!("S: <cut after {} bytes>", self.server.length));
        }
        self.client = Line::new();
        self.server = Line::new();
    }

    /// Whether what the client sends may be a secret.
    fn is_secret(&self) -> bool {
        self.challenges > 0 || self.pending.contains(&Command::Auth)
    }

    fn client_line(&mut self, bytes: &[u8], emit: Emit<'_>) -> usize {
        self.client.secret |= self.is_secret();
        let (taken, complete) = self.client.take(bytes);
        if !complete {
            return taken;
        }
        let line = mem::replace(&mut self.client, Line::new());
        if line.secret {
            self.challenges = self.challenges.saturating_sub(1);
            emit(&format!("C: {}", redacted(line.length)));
            return taken;
        }
        let text = line.text();
        let mut words = text.splitn(3, |byte| *byte == b' ');
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"AUTH" => {
                self.pending.push_back(Command::Auth);
                let mechanism = printable(words.next().unwrap_or_default());
                // By the line's length: `text` may have been shortened.
                match line.length.checked_sub(b"AUTH ".len() + mechanism.len() + 1) {
                    Some(length) if words.next().is_some() => {
                        emit(&format!("C: AUTH {mechanism} {}", redacted(length)));
                    }
                    _ => emit(&format!("C: AUTH {mechanism}")),
                }
                return taken;
            }
            b"BDAT" => {
                let length = words.next().and_then(|word| std::str::from_utf8(word).ok());
                if let Some(length @ 1..) = length.and_then(|length| length.parse().ok()) {
                    self.mode = Mode::Chunk(length, length);
                }
            }
            _ => {}
        }
        self.pending.push_back(Command::Other);
        emit(&format!("C: {}", line.shown(text)));
        taken
    }

    fn content(&mut self, before: u64, mut tail: Tail, bytes: &[u8], emit: Emit<'_>) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            tail = match (tail, byte) {
                (Tail::DotCr, b'\n') => {
                    let taken = index + 1;
                    // All but the line with the dot.
                    let length = (before + taken as u64).saturating_sub(3);
                    self.pending.push_back(Command::Other);
                    emit(&format!("C: <message, {length} bytes>"));
                    emit("C: .");
                    return taken;
                }
                (Tail::Cr, b'\n') => Tail::LineStart,
                (Tail::LineStart, b'.') => Tail::Dot,
                (Tail::Dot, b'\r') => Tail::DotCr,
                (_, b'\r') => Tail::Cr,
                _ => Tail::Text,
            };
        }
        self.mode = Mode::Content(before + bytes.len() as u64, tail);
        bytes.len()
    }

    fn chunk(&mut self, length: u64, left: u64, bytes: &[u8], emit: Emit<'_>) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        match left - taken as u64 {
            0 => emit(&format!("C: <message, {length} bytes>")),
            left => self.mode = Mode::Chunk(length, left),
        }
        taken
    }

    fn server_line(&mut self, line: &Line, emit: Emit<'_>) {
        let text = line.text();
        let secret = self.is_secret();
        let reply = match text {
            [a, b, c, rest @ ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
                Some(([*a, *b, *c], rest.first() != Some(&b'-')))
            }
            _ => None,
        };
        if let Some((code, _)) = reply
            && code == *b"334"
        {
            self.challenge = true;
            let length = line.length.saturating_sub(4);
            emit(&format!("S: 334 {}", redacted(length)));
        } else if secret {
            emit(&format!("S: {}", line.shown(&mask(text))));
        } else {
            emit(&format!("S: {}", line.shown(text)));
        }
        let Some((code, true)) = reply else { return };
        if mem::take(&mut self.challenge) {
            self.challenges = self.challenges.saturating_add(1);
            return;
        }
        self.pending.pop_front();
        if code == *b"354" {
            self.mode = Mode::Content(0, Tail::LineStart);
        }
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transcript")
    }
}

/// A line that is being collected: its beginning, and the length of it all
/// without CRLF. Wiped when dropped.
struct Line {
    kept: Zeroizing<Vec<u8>>,
    length: usize,
    ends_in_cr: bool,
    secret: bool,
}

impl Line {
    fn new() -> Self {
        Line { kept: Zeroizing::new(Vec::new()), length: 0, ends_in_cr: false, secret: false }
    }

    /// Takes up to the end of the line; how much, and whether that is there.
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let end = memchr::memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        self.length += part.len();
        if self.secret {
            self.kept.zeroize();
        } else {
            if self.kept.capacity() == 0 {
                // At once, so that growing leaves no copies behind.
                self.kept.reserve_exact(MAX_SHOWN);
            }
            let room = MAX_SHOWN.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&part[..part.len().min(room)]);
        }
        if let Some(last) = part.last() {
            self.ends_in_cr = *last == b'\r';
        }
        if end.is_some() && self.ends_in_cr {
            self.length -= 1;
            self.kept.truncate(self.length);
        }
        (end.map_or(bytes.len(), |end| end + 1), end.is_some())
    }

    fn text(&self) -> &[u8] {
        &self.kept
    }

    /// `text`, which is made of this line's, and how much is missing.
    fn shown(&self, text: &[u8]) -> String {
        let shown = printable(text);
        match self.length.saturating_sub(MAX_SHOWN) {
            0 => shown,
            more => format!("{shown}… and {more} bytes"),
        }
    }
}

fn redacted(length: usize) -> String {
    format!("<redacted {length} bytes>")
}

/// Without what looks like base64: some servers repeat in a refusal what they
/// were sent.
fn mask(text: &[u8]) -> Vec<u8> {
    let words = text.split(|byte| *byte == b' ').map(|word| {
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        let unlike_prose = word.iter().any(|byte| byte.is_ascii_digit() || b"+/=".contains(byte))
            || word
                .windows(2)
                .any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
        let secret = word.len() >= 4
            && word.len().is_multiple_of(4)
            && word.iter().all(base64)
            && unlike_prose;
        if secret { &b"<redacted>"[..] } else { word }
    });
    words.collect::<Vec<_>>().join(&b' ')
}

/// As text of one line: nothing in it can forge a line, move a cursor or turn
/// the direction of writing.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => text.extend(c.escape_unicode()),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
#[path = "transcript_tests.rs"]
mod tests;
