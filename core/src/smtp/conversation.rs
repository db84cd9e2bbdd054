//! Mail transactions over an established session: a state machine without IO.
//!
//! Commands and content go into one buffer, which leaves in as few writes as
//! the extensions allow; replies are matched to what is owed by *counting*
//! (RFC 2920 §3.1), never by their text.
//!
//! ```text
//!            begin                                content ended
//!   (clean) ──────▶ Envelope ──▶ Data ──354──▶ Content ──────▶ Ended ──reply──▶ (clean)
//!                      │           │              │              │
//!                      │ refused   │ refused      │ 4yz 5yz      │ anything that
//!                      ▼           ▼              ▼              ▼ is not a reply
//!                    RSET        RSET          broken          broken
//! ```
//!
//! # Delivery certainty
//!
//! It is decided here and nowhere else. A transaction is [`Delivery::NotSent`]
//! until [`Conversation::next_write`] first hands out the last byte of its
//! end-of-data: from then on a server may have the whole message, and it is
//! [`Delivery::Unknown`] until a complete reply says [`Delivery::Accepted`] or
//! [`Delivery::Refused`]. Only proof that the network took not one byte since
//! then takes that back ([`Conversation::retract`]). A reply that comes before what it would answer has
//! been written answers nothing and breaks the conversation.
//!
//! # Chaining
//!
//! RFC 2920 §3.1 lets a message's content be the first item of a command
//! group, so the next transaction may [`begin`](Conversation::begin) as soon
//! as the current one's content has ended: `[content k . MAIL RCPT DATA]` is
//! one flight. The content of `k + 1` waits for its 354, which is owed after
//! the verdict on `k`: no two end-of-data are ever unanswered.

mod answer;
mod plan;

use std::collections::VecDeque;

pub(crate) use self::plan::{Broken, Content, Outcome, Plan, SizeMismatch};
use super::reply::{Reply, ReplyParser};
use crate::error::{Delivery, Stage};

/// Names a transaction of one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransactionId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// MAIL and RCPT are being asked; `next` is the first not yet queued.
    Envelope { next: usize },
    /// DATA is queued or sent.
    Data,
    /// Content is being written.
    Content,
    /// The end-of-data is queued or sent.
    Ended,
    /// No end-of-data will come: what remains is to read what is owed.
    Dropped,
}

#[derive(Debug)]
struct Transaction {
    id: TransactionId,
    plan: Plan,
    phase: Phase,
    mail_refused: bool,
    recipients: Vec<Option<Reply>>,
    answered: usize,
    accepted: usize,
    /// Bytes of content queued so far.
    content: u64,
    /// The write of the last byte of the end-of-data has been started.
    committed: bool,
    delivery: Option<Delivery>,
}

/// What a reply is owed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Mail,
    Rcpt(usize),
    Data,
    EndOfData,
    /// The dot that closes a transaction whose recipients were all refused.
    LoneDot,
    Reset,
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    command: Command,
    transaction: TransactionId,
    /// Where the command ends in the stream of all bytes written.
    end: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Conversation {
    pipelining: bool,
    replies: ReplyParser,
    owed: VecDeque<Owed>,
    transactions: VecDeque<Transaction>,
    outcomes: VecDeque<(TransactionId, Outcome)>,
    out: Vec<u8>,
    /// How much of `out` has been written.
    out_written: usize,
    /// Bytes written before the start of `out`.
    written_before: u64,
    broken: Option<Broken>,
    next_id: u64,
    /// Replies received so far.
    answered: u64,
}

impl Conversation {
    /// A conversation over a session that has just been established.
    pub(crate) fn new(pipelining: bool) -> Self {
        Conversation {
            pipelining,
            replies: ReplyParser::new(),
            owed: VecDeque::new(),
            transactions: VecDeque::new(),
            outcomes: VecDeque::new(),
            out: Vec::new(),
            out_written: 0,
            written_before: 0,
            broken: None,
            next_id: 0,
            answered: 0,
        }
    }

    /// Whether nothing is owed, half said or half sent: only then may the
    /// connection be kept.
    pub(crate) fn is_clean(&self) -> bool {
        self.broken.is_none()
            && self.owed.is_empty()
            && self.transactions.is_empty()
            && !self.has_output()
            && self.replies.is_empty()
    }

    /// Whether a transaction may begin now, alone or chained to the last one.
    pub(crate) fn can_begin(&self) -> bool {
        if self.broken.is_some() {
            return false;
        }
        match self.transactions.back() {
            None => self.is_clean(),
            Some(last) => {
                self.pipelining
                    && self.transactions.len() == 1
                    && last.plan.content == Content::Data
                    && last.phase == Phase::Ended
                    && last.delivery.is_none()
            }
        }
    }

    /// Queues the start of a transaction. Only when
    /// [`can_begin`](Self::can_begin) says so.
    pub(crate) fn begin(&mut self, plan: Plan) -> TransactionId {
        debug_assert!(self.can_begin());
        let id = TransactionId(self.next_id);
        self.next_id += 1;
        let recipients = plan.recipients();
        self.transactions.push_back(Transaction {
            id,
            plan,
            phase: Phase::Envelope { next: 0 },
            mail_refused: false,
            recipients: vec![None; recipients],
            answered: 0,
            accepted: 0,
            content: 0,
            committed: false,
            delivery: None,
        });
        self.advance(self.transactions.len() - 1);
        id
    }

    /// The transaction whose content is to be written now, with its framing.
    pub(crate) fn wants_content(&self) -> Option<(TransactionId, Content)> {
        let transaction = self.transactions.iter().find(|t| t.phase == Phase::Content)?;
        (self.broken.is_none()).then_some((transaction.id, transaction.plan.content))
    }

    /// Lends the output buffer to append content to, framed as
    /// [`wants_content`](Self::wants_content) says.
    pub(crate) fn lend_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Takes the buffer back, with content appended and nothing else changed.
    pub(crate) fn return_buffer(&mut self, buffer: Vec<u8>, appended: usize) {
        self.out = buffer;
        if let Some(transaction) = self.transactions.iter_mut().find(|t| t.phase == Phase::Content)
        {
            transaction.content += appended as u64;
        }
    }

    /// Ends the content: queues the end-of-data, in the same write as the
    /// content's tail.
    ///
    /// # Errors
    /// If a chunk's content is not of the declared size; the transaction must
    /// then be abandoned with its connection.
    pub(crate) fn end_content(&mut self) -> Result<(), SizeMismatch> {
        let Some(index) = self.transactions.iter().position(|t| t.phase == Phase::Content) else {
            return Ok(());
        };
        let transaction = &mut self.transactions[index];
        match transaction.plan.content {
            Content::Data => {
                transaction.phase = Phase::Ended;
                self.queue(index, Command::EndOfData, b".\r\n");
            }
            Content::Chunk { size, .. } if size == transaction.content => {
                transaction.phase = Phase::Ended;
                let (id, end) = (transaction.id, self.queued());
                for owed in self.owed.iter_mut().filter(|owed| owed.transaction == id) {
                    if owed.command == Command::EndOfData {
                        owed.end = end;
                    }
                }
            }
            Content::Chunk { size, .. } => {
                return Err(SizeMismatch { declared: size, actual: transaction.content });
            }
        }
        Ok(())
    }

    /// Whether there is something to write.
    pub(crate) fn has_output(&self) -> bool {
        self.out_written < self.out.len()
    }

    /// How many bytes wait to be written.
    pub(crate) fn pending_output(&self) -> usize {
        self.out.len() - self.out_written
    }

    /// The transaction that [`next_write`](Self::next_write) would commit:
    /// the last moment to stop it.
    pub(crate) fn about_to_commit(&self) -> Option<TransactionId> {
        let ended = self.transactions.iter().find(|t| t.phase == Phase::Ended && !t.committed)?;
        Some(ended.id)
    }

    /// The bytes to write next. From this call on, a message whose end-of-data
    /// they complete may have been received.
    pub(crate) fn next_write(&mut self) -> &[u8] {
        for transaction in &mut self.transactions {
            if transaction.phase == Phase::Ended {
                transaction.committed = true;
            }
        }
        &self.out[self.out_written..]
    }

    /// Takes back what [`next_write`](Self::next_write) committed last: the
    /// caller has proof that none of it left. The conversation is over.
    pub(crate) fn retract(&mut self) {
        for transaction in &mut self.transactions {
            transaction.committed = false;
        }
    }

    /// Notes that the first `count` bytes of [`next_write`](Self::next_write)
    /// have been written.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.out_written += count;
        if self.out_written >= self.out.len() {
            self.written_before += self.out.len() as u64;
            self.out.clear();
            self.out_written = 0;
        }
    }

    /// Gives back the memory of a large message.
    pub(crate) fn shrink(&mut self) {
        self.out.shrink_to(4096);
    }

    /// Takes bytes from the server.
    ///
    /// # Errors
    /// If they break the conversation, now or before. The connection is of no
    /// further use then; [`delivery`](Self::delivery) says what is known of
    /// each transaction that has no outcome.
    pub(crate) fn receive(&mut self, mut input: &[u8]) -> Result<(), Broken> {
        while !input.is_empty() {
            if let Some(broken) = &self.broken {
                return Err(broken.clone());
            }
            let result = match self.replies.feed(input) {
                Ok((taken, reply)) => {
                    input = &input[taken..];
                    self.answered += u64::from(reply.is_some());
                    reply.map_or(Ok(()), |reply| self.answer(reply))
                }
                Err(error) => Err(Broken::Garbage(error)),
            };
            if let Err(broken) = result {
                self.broken = Some(broken.clone());
                return Err(broken);
            }
        }
        Ok(())
    }

    /// The next transaction that has come to its end.
    pub(crate) fn next_outcome(&mut self) -> Option<(TransactionId, Outcome)> {
        self.outcomes.pop_front()
    }

    /// What is known of a transaction at this moment. One that is not under
    /// way has had its outcome.
    pub(crate) fn delivery(&self, id: TransactionId) -> Option<Delivery> {
        let transaction = self.transactions.iter().find(|t| t.id == id)?;
        Some(transaction.delivery.unwrap_or(if transaction.committed {
            Delivery::Unknown
        } else {
            Delivery::NotSent
        }))
    }

    /// What is being waited for.
    pub(crate) fn stage(&self) -> Stage {
        match self.owed.front().map(|owed| owed.command) {
            Some(Command::Mail) => Stage::Mail,
            Some(Command::Rcpt(_)) => Stage::Rcpt,
            Some(Command::Data) => Stage::Data,
            Some(Command::EndOfData) if self.wants_content().is_some() => Stage::Body,
            Some(Command::EndOfData | Command::LoneDot) => Stage::EndOfData,
            Some(Command::Reset) => Stage::Reset,
            None if self.wants_content().is_some() => Stage::Body,
            None => Stage::Idle,
        }
    }

    /// What is being waited for, and a mark that moves when some of it is
    /// done: a complete reply, or a block of 64 KiB written. Single bytes move
    /// nothing, so that a deadline set by the mark cannot be dripped away.
    pub(crate) fn progress(&self) -> (Stage, u64) {
        match self.stage() {
            Stage::Body => (Stage::Body, self.written() >> 16),
            Stage::EndOfData if self.has_output() => (Stage::Body, self.written() >> 16),
            stage => (stage, self.answered),
        }
    }

    /// Whether a message may have been received whose verdict is owed.
    pub(crate) fn awaits_verdict(&self) -> bool {
        self.transactions.iter().any(|t| t.committed && t.delivery.is_none())
    }

    /// Where a transaction stands.
    pub(crate) fn stage_of(&self, id: TransactionId) -> Stage {
        match self.transactions.iter().find(|t| t.id == id).map(|t| t.phase) {
            Some(Phase::Envelope { .. } | Phase::Data) => {
                let owed = self.owed.iter().find(|owed| owed.transaction == id);
                match owed.map(|owed| owed.command) {
                    Some(Command::Rcpt(_)) => Stage::Rcpt,
                    Some(Command::Data) => Stage::Data,
                    _ => Stage::Mail,
                }
            }
            Some(Phase::Content) => Stage::Body,
            Some(Phase::Ended | Phase::Dropped) => Stage::EndOfData,
            None => Stage::Idle,
        }
    }

    /// What has been received of a reply that is not complete.
    pub(crate) fn unfinished_reply(&self) -> Option<String> {
        self.replies.unfinished()
    }

    /// The end of what is queued, in the stream of all bytes written.
    fn queued(&self) -> u64 {
        self.written_before + self.out.len() as u64
    }

    fn written(&self) -> u64 {
        self.written_before + self.out_written as u64
    }

    fn queue(&mut self, index: usize, command: Command, line: &[u8]) {
        self.out.extend_from_slice(line);
        let transaction = self.transactions[index].id;
        self.owed.push_back(Owed { command, transaction, end: self.queued() });
    }

    /// Queues whatever may be sent next for a transaction.
    fn advance(&mut self, index: usize) {
        while let Phase::Envelope { next } = self.transactions[index].phase {
            let transaction = &self.transactions[index];
            if next < transaction.plan.ends.len() {
                let command = if next == 0 { Command::Mail } else { Command::Rcpt(next - 1) };
                self.out.extend_from_slice(transaction.plan.command(next));
                let id = transaction.id;
                self.owed.push_back(Owed { command, transaction: id, end: self.queued() });
                self.transactions[index].phase = Phase::Envelope { next: next + 1 };
                if !self.pipelining {
                    return;
                }
            } else if self.may_ask_for_data(index) {
                self.ask_for_data(index);
            } else {
                return;
            }
        }
    }

    /// Whether DATA or BDAT may be queued before the recipients are answered.
    fn may_ask_for_data(&self, index: usize) -> bool {
        let transaction = &self.transactions[index];
        let eager = match transaction.plan.content {
            Content::Data => true,
            Content::Chunk { eager, .. } => eager,
        };
        let answered = transaction.answered == transaction.recipients.len();
        answered || (self.pipelining && eager && !transaction.plan.require_all)
    }

    fn ask_for_data(&mut self, index: usize) {
        match self.transactions[index].plan.content {
            Content::Data => {
                self.transactions[index].phase = Phase::Data;
                self.queue(index, Command::Data, b"DATA\r\n");
            }
            Content::Chunk { size, .. } => {
                self.transactions[index].phase = Phase::Content;
                let line = format!("BDAT {size} LAST\r\n");
                self.queue(index, Command::EndOfData, line.as_bytes());
                // Not before its last byte of content is written.
                if let Some(owed) = self.owed.back_mut() {
                    owed.end = u64::MAX;
                }
            }
        }
    }

    /// Gives a transaction its verdict, unless it has one.
    fn refuse(&mut self, index: usize, stage: Stage, reply: Reply) {
        let transaction = &mut self.transactions[index];
        if transaction.delivery.is_some() {
            return;
        }
        transaction.delivery = Some(Delivery::Refused);
        let recipients = std::mem::take(&mut transaction.recipients);
        transaction.recipients = vec![None; recipients.len()];
        self.outcomes.push_back((transaction.id, Outcome::Refused { stage, reply, recipients }));
    }

    /// Ends a transaction of which nothing more is owed, with RSET where the
    /// server still holds its envelope.
    fn forget(&mut self, index: usize, reset: bool) {
        if reset {
            self.queue(index, Command::Reset, b"RSET\r\n");
        }
        self.transactions.remove(index);
    }
}

impl Transaction {
    /// The refusal to report for all: a transient one if there is one, since
    /// then the message as a whole may work later.
    fn worst_recipient_reply(&self) -> Option<Reply> {
        let refusals = || self.recipients.iter().flatten().filter(|reply| reply.is_negative());
        refusals().find(|reply| reply.is_transient()).or_else(|| refusals().next()).cloned()
    }
}

#[cfg(test)]
mod tests;
