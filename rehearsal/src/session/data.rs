//! Message bodies, by DATA and by BDAT, and the verdict on them.

use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};

use super::{Flow, Mode, Session, Transaction};
use crate::fault::{At, Meter};
use crate::lock;
use crate::record::{Received, message_id};

/// How much of a body is kept for its header when bodies are forgotten.
const HEADER: usize = 64 * 1024;

impl Session {
    /// Strikes if a fault is due at this byte of the body; else says how many
    /// more bytes may be processed.
    async fn body_room(&mut self) -> Flow<usize> {
        if !self.shared.faults.any() {
            return Ok(usize::MAX);
        }
        let raw = self.transaction.raw;
        if let Some(armed) = self.shared.faults.take_at(self.conn.id, Meter::Body, raw) {
            self.strike(&armed).await?;
        }
        Ok(match self.shared.faults.limit(self.conn.id, Meter::Body, raw) {
            // The same place again is behind us once it has been taken.
            Some(limit) if limit > raw => usize::try_from(limit - raw).unwrap_or(usize::MAX),
            Some(_) => 1,
            None => usize::MAX,
        })
    }

    pub(super) async fn data(&mut self) -> Flow<bool> {
        let room = self.body_room().await?;
        let Mode::Data(decoder) = &mut self.mode else { return Ok(true) };
        let keep = keep_limit(self.settings.forget_bodies, self.settings.limits.message_size);
        let transaction = &mut self.transaction;
        let piece = &self.input[..self.input.len().min(room)];
        let progress = decoder.push(piece, |bytes| transaction.add(bytes, keep));
        transaction.raw += progress.used as u64;
        self.input.advance(progress.used);
        if progress.done {
            self.mode = Mode::Command;
            self.swallow_lf = self.settings.bare_lf_smtp;
            self.end_of_data().await?;
        }
        Ok(true)
    }

    pub(super) async fn begin_chunk(&mut self, rest: &str) -> Flow<bool> {
        let mut words = rest.split_ascii_whitespace();
        let size = words.next().and_then(|word| word.parse::<u64>().ok());
        let last = words.next();
        let (Some(left), true, None) =
            (size, last.is_none_or(|word| word.eq_ignore_ascii_case("LAST")), words.next())
        else {
            // Where the chunk ends is unknown, so nothing after it can be read.
            return self.leave(421, "4.5.4", "Syntax: BDAT size [LAST]", crate::Closed::Cut).await;
        };
        let last = last.is_some();
        let wanted = self.settings.capabilities.chunking
            && self.transaction.from.is_some()
            && !self.transaction.failed
            && (!self.transaction.recipients.is_empty() || self.settings.data_without_recipients);
        if wanted {
            self.transaction.chunked = true;
        }
        self.mode = Mode::Chunk { left, last, wanted };
        if left == 0 {
            self.end_of_chunk(last, wanted).await?;
        }
        Ok(true)
    }

    pub(super) async fn chunk(&mut self) -> Flow<bool> {
        let room = self.body_room().await?;
        let Mode::Chunk { left, last, wanted } = &mut self.mode else { return Ok(true) };
        let here = self.input.len().min(room).min(usize::try_from(*left).unwrap_or(usize::MAX));
        if *wanted {
            let keep = keep_limit(self.settings.forget_bodies, self.settings.limits.message_size);
            self.transaction.add(&self.input[..here], keep);
        }
        self.transaction.raw += here as u64;
        *left -= here as u64;
        let (done, last, wanted) = (*left == 0, *last, *wanted);
        self.input.advance(here);
        if done {
            self.end_of_chunk(last, wanted).await?;
        }
        Ok(true)
    }

    async fn end_of_chunk(&mut self, last: bool, wanted: bool) -> Flow {
        self.mode = Mode::Command;
        let at = if last { At::EndOfData } else { At::Data };
        if !wanted {
            // Nothing of a message that lost a chunk may be delivered, so the
            // rest of it is refused too, until RSET or MAIL.
            self.transaction.failed = true;
            let asked = self.transaction.from.is_some();
            if last && asked {
                self.transactions += 1;
                self.reset();
            }
            match (self.settings.capabilities.chunking, asked) {
                (false, _) => self.answer(at, 502, "5.5.1", "BDAT not available").await?,
                (true, false) => self.answer(at, 503, "5.5.1", "MAIL first").await?,
                (true, true) => self.answer(at, 554, "5.5.1", "No valid recipients").await?,
            };
        } else if last {
            self.end_of_data().await?;
        } else if self.transaction.size > self.settings.limits.message_size {
            self.transaction.failed = true;
            self.answer(at, 552, "5.3.4", "Message too big").await?;
        } else if !self.answer(at, 250, "2.0.0", "Chunk received").await? {
            self.transaction.failed = true;
        }
        Ok(())
    }

    /// The whole message is here: keeps or refuses it, and answers.
    async fn end_of_data(&mut self) -> Flow {
        let transaction = std::mem::take(&mut self.transaction);
        self.transactions += 1;
        self.unanswered += 1;
        {
            let mut log = lock(&self.conn.log);
            log.unanswered_end_of_data_max = log.unanswered_end_of_data_max.max(self.unanswered);
        }
        let refused = if transaction.recipients.is_empty() {
            Some((554, "5.5.1", "No valid recipients"))
        } else if transaction.size > self.settings.limits.message_size {
            Some((552, "5.3.4", "Message too big"))
        } else {
            None
        };
        if let Some((code, status, text)) = refused {
            self.shared.record.count(|stats| stats.messages_refused += 1);
            self.answer(At::EndOfData, code, status, text).await?;
            return Ok(());
        }
        let number = self.shared.queued.fetch_add(1, Ordering::Relaxed) + 1;
        // Of one length, so that a session has the same bytes each time.
        let text = format!("Queued as {number:08X}");
        let armed = self.shared.faults.take(self.conn.id, |at| at == At::EndOfData);
        // Decided before the reply: a server that stalls here has the message.
        if armed.as_ref().is_none_or(|armed| armed.fault.keeps()) {
            self.keep(transaction);
        } else {
            self.shared.record.count(|stats| stats.messages_refused += 1);
        }
        match armed {
            None => {
                self.answer(At::EndOfData, 250, "2.0.0", &text).await?;
            }
            Some(armed) => {
                let status =
                    if self.settings.capabilities.enhanced_status_codes { "2.0.0 " } else { "" };
                let reply = format!("250 {status}{text}\r\n");
                self.perform(&armed, reply.as_bytes()).await?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, transaction: Transaction) {
        lock(&self.conn.log).messages += 1;
        let forget = self.settings.forget_bodies;
        self.shared.record.keep(Received {
            message_id: message_id(&transaction.body),
            envelope_from: transaction.from.unwrap_or_default(),
            recipients: transaction.recipients,
            data: if forget { Bytes::new() } else { transaction.body.into() },
            size: transaction.size,
            tls: self.tls,
            auth_user: self.user.clone(),
            connection: self.conn.id,
            at: self.shared.clock.now(),
        });
    }
}

fn keep_limit(forget: bool, message_size: u64) -> usize {
    let limit = usize::try_from(message_size).unwrap_or(usize::MAX);
    if forget { limit.min(HEADER) } else { limit }
}

impl Transaction {
    fn add(&mut self, bytes: &[u8], keep: usize) {
        self.size += bytes.len() as u64;
        let room = keep.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
