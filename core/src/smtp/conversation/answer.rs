//! Replies, matched to what is owed: what each means for its transaction.

use super::super::reply::Reply;
use super::{Broken, Command, Content, Conversation, Outcome, Owed, Phase};
use crate::error::{Delivery, Stage};

impl Conversation {
    pub(super) fn answer(&mut self, reply: Reply) -> Result<(), Broken> {
        let Some(owed) = self.owed.front().copied() else {
            return Err(self.unsolicited(reply));
        };
        let index = self.transactions.iter().position(|t| t.id == owed.transaction);
        if owed.end > self.written() {
            return Err(self.premature(owed, index, reply));
        }
        // A 421 answers an end-of-data like any 4yz (RFC 5321 §4.2.5) and
        // closes the session; for any other command it only closes.
        if reply.is_closing() && owed.command != Command::EndOfData {
            return Err(Broken::Closing(reply));
        }
        self.owed.pop_front();
        let Some(index) = index else {
            // RSET outlives its transaction.
            return if reply.is_positive() { Ok(()) } else { Err(Broken::Unexpected(reply)) };
        };
        match owed.command {
            Command::Mail => self.answer_mail(index, reply)?,
            Command::Rcpt(recipient) => self.answer_rcpt(index, recipient, reply)?,
            Command::Data => self.answer_data(index, reply)?,
            Command::EndOfData => self.answer_end_of_data(index, reply)?,
            Command::LoneDot => self.forget(index, false),
            Command::Reset => {}
        }
        Ok(())
    }

    fn answer_mail(&mut self, index: usize, reply: Reply) -> Result<(), Broken> {
        if reply.is_negative() {
            self.transactions[index].mail_refused = true;
            self.refuse(index, Stage::Mail, reply);
            if !self.pipelining {
                self.forget(index, false);
            }
        } else if reply.is_positive() {
            self.advance(index);
        } else {
            return Err(Broken::Unexpected(reply));
        }
        Ok(())
    }

    fn answer_rcpt(&mut self, index: usize, recipient: usize, reply: Reply) -> Result<(), Broken> {
        if reply.is_intermediate() {
            return Err(Broken::Unexpected(reply));
        }
        let transaction = &mut self.transactions[index];
        transaction.accepted += usize::from(reply.is_positive());
        transaction.answered += 1;
        transaction.recipients[recipient] = Some(reply);
        if transaction.answered < transaction.recipients.len() {
            self.advance(index);
            return Ok(());
        }
        let all = transaction.accepted == transaction.recipients.len();
        let enough = if transaction.plan.require_all { all } else { transaction.accepted > 0 };
        if transaction.mail_refused || !enough {
            if let Some(reply) = transaction.worst_recipient_reply() {
                self.refuse(index, Stage::Rcpt, reply);
            }
            // With DATA or BDAT under way its answer is owed first.
            if matches!(self.transactions[index].phase, Phase::Envelope { .. }) {
                let reset = !self.transactions[index].mail_refused;
                self.forget(index, reset);
            }
        } else {
            self.advance(index);
        }
        Ok(())
    }

    fn answer_data(&mut self, index: usize, reply: Reply) -> Result<(), Broken> {
        let transaction = &mut self.transactions[index];
        if reply.is_intermediate() {
            if transaction.delivery.is_none() {
                transaction.phase = Phase::Content;
            } else if transaction.accepted == 0 {
                // RFC 2920 §3.2: the server must not send anything to anyone.
                transaction.phase = Phase::Dropped;
                self.queue(index, Command::LoneDot, b".\r\n");
            } else {
                // It refused the sender and accepts recipients and content: a
                // dot would deliver an empty message to them.
                return Err(Broken::Unexpected(reply));
            }
        } else if reply.is_negative() {
            let reset = !transaction.mail_refused;
            self.refuse(index, Stage::Data, reply);
            self.forget(index, reset);
        } else {
            return Err(Broken::Unexpected(reply));
        }
        Ok(())
    }

    fn answer_end_of_data(&mut self, index: usize, reply: Reply) -> Result<(), Broken> {
        let transaction = &mut self.transactions[index];
        if reply.is_positive() && transaction.delivery.is_none() {
            transaction.delivery = Some(Delivery::Accepted);
            let recipients = transaction.recipients.iter_mut().filter_map(Option::take).collect();
            self.outcomes.push_back((transaction.id, Outcome::Accepted { reply, recipients }));
            self.forget(index, false);
        } else if reply.is_negative() {
            // RFC 3030 §2: after a failed BDAT comes RSET.
            let reset = transaction.plan.content != Content::Data;
            let closing = reply.is_closing().then(|| reply.clone());
            self.refuse(index, Stage::EndOfData, reply);
            self.forget(index, reset && closing.is_none());
            if let Some(reply) = closing {
                return Err(Broken::Closing(reply));
            }
        } else {
            return Err(Broken::Unexpected(reply));
        }
        Ok(())
    }

    /// A reply while nothing is owed.
    fn unsolicited(&mut self, reply: Reply) -> Broken {
        if reply.is_closing() {
            return Broken::Closing(reply);
        }
        match self.transactions.iter().position(|t| t.phase == Phase::Content) {
            Some(index) if reply.is_negative() => {
                self.refuse(index, Stage::Body, reply.clone());
                Broken::Interrupted(reply)
            }
            _ => Broken::Unexpected(reply),
        }
    }

    /// A reply to something that has not been written in full. A refusal of
    /// the content is believed, since nothing can undo it; nothing else is.
    fn premature(&mut self, owed: Owed, index: Option<usize>, reply: Reply) -> Broken {
        match index {
            _ if reply.is_closing() => Broken::Closing(reply),
            Some(index) if owed.command == Command::EndOfData && reply.is_negative() => {
                self.refuse(index, Stage::Body, reply.clone());
                Broken::Interrupted(reply)
            }
            _ => Broken::Unexpected(reply),
        }
    }
}
