//! A whole session, from the greeting through some messages, with a server
//! that says anything at any time.

use crate::error::Delivery;
use crate::smtp::Reply;
use crate::smtp::conversation::{Content, Conversation, Outcome, Plan, TransactionId};
use crate::smtp::opening::{Opening, Step};
use crate::smtp::reply::ReplyParser;
use crate::{Stage, TlsMode};

/// Messages of one session.
const MESSAGES: usize = 4;

/// The first byte chooses the TLS mode, the second how messages are sent; the
/// rest is what happens. `~` lets the client write all it has, `^` one byte and
/// `|` seven; what stands between two of these arrives from the server in one
/// piece, with line feeds as CRLF (and 0x0b as a bare line feed). Holds, for
/// the opening:
///
/// - it says one line at a time, and a handful in all;
/// - each line has one reply, and nothing else is heard: STARTTLS above all;
/// - where TLS is required, it is ready only once there is TLS;
///
/// and for the conversation:
///
/// - a message is accepted only after its last byte has been written and a 2yz
///   has come, and has one outcome at most;
/// - without an outcome it is `not_sent` exactly as long as the last byte of
///   its end-of-data has not been handed out;
/// - two ends of data are never unanswered at the same time;
/// - content follows only a 354 or its own BDAT;
/// - a clean conversation has had as many replies as it has written commands,
///   and a broken one never is clean.
pub fn session(mut data: &[u8]) {
    let modes = [TlsMode::Implicit, TlsMode::StartTls, TlsMode::Opportunistic, TlsMode::None];
    let mode = modes[super::choice(&mut data) % modes.len()];
    let habits = super::choice(&mut data);
    let mut script = Script { rest: data };
    let Some(opening) = open(mode, habits & 1 != 0, &mut script) else { return };
    let offered = opening.capabilities();
    let mut talk = Talk {
        conversation: Conversation::new(offered.pipelining()),
        chunking: offered.chunking() && habits & 2 != 0,
        eager: habits & 4 != 0,
        chained: habits & 8 != 0,
        require_all: habits & 16 != 0,
        in_pieces: habits & 32 != 0,
        recipients: 1 + (habits >> 6),
        messages: Vec::new(),
        handed: Vec::new(),
        written: 0,
        heard: ReplyParser::new(),
        counts: Counts::default(),
    };
    talk.run(&mut script);
}

/// What happens, in order.
struct Script<'a> {
    rest: &'a [u8],
}

impl Script<'_> {
    /// What the server says next, and how much the client writes after it.
    fn next(&mut self) -> Option<(Vec<u8>, usize)> {
        if self.rest.is_empty() {
            return None;
        }
        let stop = |byte: &u8| matches!(byte, b'~' | b'^' | b'|');
        let end = self.rest.iter().position(stop).unwrap_or(self.rest.len());
        let (said, rest) = self.rest.split_at(end);
        let count = match rest.first() {
            Some(b'^') => 1,
            Some(b'|') => 7,
            _ => usize::MAX,
        };
        self.rest = rest.get(1..).unwrap_or_default();
        let mut wire = Vec::new();
        for byte in said {
            match byte {
                b'\n' => wire.extend_from_slice(b"\r\n"),
                0x0b => wire.push(b'\n'),
                other => wire.push(*other),
            }
        }
        Some((wire, count))
    }
}

/// Up to the point where mail may be sent; `None` if it is not reached.
fn open(mode: TlsMode, authenticates: bool, script: &mut Script<'_>) -> Option<Opening> {
    let mut opening = Opening::new(mode, "client.example", authenticates);
    let mut lines = 0;
    let mut heard = ReplyParser::new();
    loop {
        let line = opening.take_output();
        if !line.is_empty() {
            lines += 1;
            assert!(lines <= 4, "EHLO, STARTTLS, EHLO, HELO");
            let end = line.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            assert!(line.ends_with(b"\r\n") && end == Some(line.len() - 2));
        }
        match opening.step() {
            Step::Ready => {
                assert!(heard.is_empty(), "more was said than was asked for");
                let needs_tls = matches!(mode, TlsMode::Implicit | TlsMode::StartTls);
                assert!(opening.is_secure() || !needs_tls);
                return Some(opening);
            }
            Step::StartTls => {
                assert!(heard.is_empty(), "something followed the reply to STARTTLS in clear");
                assert!(!opening.is_secure());
                assert!(matches!(mode, TlsMode::StartTls | TlsMode::Opportunistic));
                opening.secured().expect("the name has been written before");
                assert_eq!(opening.capabilities().iter().count(), 0, "all is forgotten");
            }
            Step::Talk => {
                let (said, _) = script.next()?;
                if let Err(error) = opening.receive(&said) {
                    assert_eq!(error.delivery(), Delivery::NotSent);
                    return None;
                }
                assert!(replies(&mut heard, &said).len() <= 1, "each command has one reply");
            }
        }
    }
}

#[derive(Default)]
struct Counts {
    replies: usize,
    positive: usize,
    intermediate: usize,
}

struct Sent {
    id: TransactionId,
    outcome: Option<Outcome>,
    /// Its content, and what is left to append of it.
    content: Vec<u8>,
    left: usize,
    end: Vec<u8>,
}

struct Talk {
    conversation: Conversation,
    chunking: bool,
    eager: bool,
    chained: bool,
    require_all: bool,
    in_pieces: bool,
    recipients: usize,
    messages: Vec<Sent>,
    /// Every byte that may have left.
    handed: Vec<u8>,
    /// How many of them have left.
    written: usize,
    heard: ReplyParser,
    counts: Counts,
}

impl Talk {
    fn run(&mut self, script: &mut Script<'_>) {
        self.work();
        self.write(usize::MAX);
        while let Some((said, count)) = script.next() {
            self.hear(&said);
            let broken = self.conversation.receive(&said).is_err();
            self.settle();
            self.check();
            if broken {
                assert!(!self.conversation.is_clean() && !self.conversation.can_begin());
                assert!(self.conversation.wants_content().is_none());
                assert!(self.conversation.receive(b"250 ok\r\n").is_err());
                self.settle();
                self.check();
                return;
            }
            self.work();
            self.write(count);
            self.check();
        }
    }

    /// Begins messages and appends content, as far as that goes now.
    fn work(&mut self) {
        self.append();
        let chained = self.chained || self.conversation.is_clean();
        if self.messages.len() < MESSAGES && chained && self.conversation.can_begin() {
            self.begin();
            self.append();
        }
    }

    fn begin(&mut self) {
        let number = self.messages.len();
        let content = format!("body-{number}\r\n").into_bytes();
        let (framing, end) = if self.chunking {
            let size = content.len() as u64;
            (Content::Chunk { size, eager: self.eager }, content.clone())
        } else {
            (Content::Data, [&content[..], b".\r\n"].concat())
        };
        let mut plan = Plan::new(framing, self.require_all);
        plan.buffer().extend_from_slice(b"MAIL FROM:<me@x>\r\n");
        plan.end_command();
        for _ in 0..self.recipients {
            plan.buffer().extend_from_slice(b"RCPT TO:<you@x>\r\n");
            plan.end_command();
        }
        let id = self.conversation.begin(plan);
        let left = content.len();
        self.messages.push(Sent { id, outcome: None, content, left, end });
    }

    fn append(&mut self) {
        let Some((id, _)) = self.conversation.wants_content() else { return };
        let message = self.messages.iter_mut().find(|message| message.id == id);
        let message = message.expect("a message of this session");
        // A chunk that was announced has to follow, whatever has come of it.
        assert!(message.outcome.is_none() || self.chunking, "content of what is decided");
        let start = message.content.len() - message.left;
        let count = if self.in_pieces { message.left.min(3) } else { message.left };
        message.left -= count;
        let mut buffer = self.conversation.lend_buffer();
        buffer.extend_from_slice(&message.content[start..start + count]);
        self.conversation.return_buffer(buffer, count);
        if message.left == 0 {
            self.conversation.end_content().expect("the declared size");
        }
    }

    fn write(&mut self, count: usize) {
        if !self.conversation.has_output() || count == 0 {
            return;
        }
        let out = self.conversation.next_write();
        let count = count.min(out.len());
        self.handed.truncate(self.written);
        self.handed.extend_from_slice(out);
        self.conversation.wrote(count);
        self.written += count;
    }

    /// Counts replies by itself.
    fn hear(&mut self, said: &[u8]) {
        for reply in replies(&mut self.heard, said) {
            self.counts.replies += 1;
            self.counts.positive += usize::from(reply.is_positive());
            self.counts.intermediate += usize::from(reply.is_intermediate());
        }
    }

    fn settle(&mut self) {
        while let Some((id, outcome)) = self.conversation.next_outcome() {
            let index = self.messages.iter().position(|message| message.id == id);
            let message = &mut self.messages[index.expect("a message of this session")];
            assert!(message.outcome.is_none(), "a second outcome");
            if let Outcome::Accepted { reply, recipients } = &outcome {
                assert!(find(&self.handed[..self.written], &message.end), "accepted unsent");
                assert!(reply.is_positive());
                assert_eq!(recipients.len(), self.recipients);
                assert!(recipients.iter().any(|reply| reply.is_positive()));
                assert!(!self.require_all || recipients.iter().all(|reply| reply.is_positive()));
            }
            if let Outcome::Refused { reply, stage, .. } = &outcome {
                assert!(reply.is_negative());
                // A chunk may have left before the envelope was refused.
                let handed = find(&self.handed, &message.end) && !self.chunking;
                assert!(!handed || matches!(stage, Stage::Body | Stage::EndOfData), "{stage:?}");
            }
            message.outcome = Some(outcome);
        }
    }

    fn check(&self) {
        let mut unanswered = 0;
        let mut accepted = 0;
        for message in &self.messages {
            let handed = find(&self.handed, &message.end);
            match &message.outcome {
                None => {
                    let expected = if handed { Delivery::Unknown } else { Delivery::NotSent };
                    assert_eq!(self.conversation.delivery(message.id), Some(expected));
                    unanswered += usize::from(handed);
                }
                Some(outcome) => {
                    let verdict = self.conversation.delivery(message.id);
                    let positive = matches!(outcome, Outcome::Accepted { .. });
                    assert!(matches!(verdict, None | Some(Delivery::Refused)), "{verdict:?}");
                    accepted += usize::from(positive);
                }
            }
        }
        assert!(unanswered <= 1, "two ends of data are unanswered");

        let lines: Vec<_> = self.handed.split_inclusive(|byte| *byte == b'\n').collect();
        let count = |start: &[u8]| lines.iter().filter(|line| line.starts_with(start)).count();
        let contents = count(b"body-");
        assert!(contents <= self.counts.intermediate + count(b"BDAT"), "content unasked for");
        // Sender, a recipient and the message each had a 2yz.
        assert!(3 * accepted <= self.counts.positive);
        if self.conversation.is_clean() {
            assert!(self.messages.iter().all(|message| message.outcome.is_some()));
            assert_eq!(self.written, self.handed.len());
            assert_eq!(lines.len() - contents, self.counts.replies, "commands and replies");
        }
    }
}

/// The replies that end in `said`, up to what is none.
fn replies(parser: &mut ReplyParser, mut said: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !said.is_empty() {
        let Ok((taken, reply)) = parser.feed(said) else { break };
        said = &said[taken..];
        replies.extend(reply);
    }
    replies
}

fn find(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
