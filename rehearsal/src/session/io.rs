//! Reading, writing, and what faults do to both.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Ending, Flow, Mode, Session};
use crate::fault::{Action, Armed, At, Cut, Meter};
use crate::lock;
use crate::record::Closed;
use crate::settings::ReplyStyle;
use crate::wire::{Link, struck};

/// How much is read at once.
const BLOCK: usize = 64 * 1024;
/// How much input may gather during a stall.
const STALLED: usize = 256 * 1024;
/// How much gathers in replies before they leave in any case.
const REPLIES: usize = 64 * 1024;
/// How much an endless reply holds before the connection is cut after all.
const ENDLESS: usize = 256 * 1024 * 1024;

async fn read(
    link: &mut Link,
    input: &mut BytesMut,
    room: usize,
    slow: Option<(usize, Duration)>,
) -> std::io::Result<usize> {
    let room = match slow {
        Some((bytes, pause)) => {
            tokio::time::sleep(pause).await;
            room.min(bytes.max(1))
        }
        None => room,
    };
    if input.capacity() - input.len() < BLOCK / 4 {
        input.reserve(BLOCK);
    }
    link.read_buf(&mut input.limit(room)).await
}

impl Session {
    /// Reads more, after writing what is owed if nothing more is there yet.
    pub(super) async fn fill(&mut self) -> Flow {
        loop {
            let before = self.input.len();
            self.strike_if_due().await?;
            if self.input.len() > before {
                // A stall has read on meanwhile.
                return Ok(());
            }
            if self.out.len() >= REPLIES {
                self.flush().await?;
            }
            if self.slow.is_none() {
                let room = self.room();
                let ready = {
                    let mut reading =
                        std::pin::pin!(read(&mut self.link, &mut self.input, room, None));
                    poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await
                };
                if let Poll::Ready(result) = ready {
                    return self.account(result).await;
                }
            }
            if self.out.is_empty() {
                break;
            }
            if let (false, Some(latency)) = (self.waited, self.settings.latency()) {
                tokio::time::sleep(latency).await;
                self.waited = true;
                continue;
            }
            self.flush().await?;
        }
        self.wait().await
    }

    /// Lets a fault strike that is due at the bytes received so far, before
    /// the replies to them leave.
    pub(super) async fn strike_if_due(&mut self) -> Flow {
        match self.shared.faults.take_at(self.conn.id, Meter::Received, self.received) {
            Some(armed) => self.strike(&armed).await,
            None => Ok(()),
        }
    }

    /// Waits for input with nothing left to write.
    async fn wait(&mut self) -> Flow {
        let idle = self.is_idle();
        let mut look = true;
        if idle {
            self.conn.set_idle();
        }
        loop {
            if idle && self.conn.is_told() {
                return Err(Ending::Farewell);
            }
            if idle
                && look
                && self.transactions > 0
                && let Some(armed) = self.shared.faults.take(self.conn.id, |at| at == At::Idle)
            {
                look = false;
                self.perform(&armed, b"").await?;
                self.flush().await?;
                if !self.input.is_empty() {
                    break;
                }
            }
            let room = self.room();
            let result = tokio::select! {
                biased;
                () = self.conn.nudge.notified() => continue,
                result = read(&mut self.link, &mut self.input, room, self.slow) => result,
            };
            self.account(result).await?;
            break;
        }
        if idle && !self.conn.set_busy() {
            return Err(Ending::Farewell);
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        let needs_auth = !self.shared.accounts.is_empty() && !self.settings.auth_optional;
        matches!(self.mode, Mode::Command)
            && self.input.is_empty()
            && self.greeted
            && self.transaction.from.is_none()
            && (self.user.is_some() || !needs_auth)
    }

    /// How many bytes may be read until the next fault.
    fn room(&self) -> usize {
        match self.shared.faults.limit(self.conn.id, Meter::Received, self.received) {
            Some(limit) => usize::try_from(limit - self.received).unwrap_or(usize::MAX).max(1),
            None => usize::MAX,
        }
    }

    /// Notes what a read gave.
    async fn account(&mut self, result: std::io::Result<usize>) -> Flow {
        let read = match result {
            Ok(0) => return Err(Ending::Client(Closed::ByClient)),
            Ok(read) => read as u64,
            Err(error) => return Err(self.broken(&error).await),
        };
        self.received += read;
        let flight = u64::from(std::mem::take(&mut self.wrote));
        let mut log = lock(&self.conn.log);
        log.received += read;
        log.flights += flight;
        if !self.tls {
            log.bytes_before_tls += read;
        }
        drop(log);
        if flight > 0 {
            self.shared.record.count(|stats| stats.flights += 1);
        }
        Ok(())
    }

    async fn broken(&mut self, error: &std::io::Error) -> Ending {
        match struck(error) {
            Some(strike) => self.raw_strike(strike).await,
            None => Ending::Client(Closed::Broken),
        }
    }

    /// What a fault below TLS does: cuts, or stalls and then cuts, because a
    /// TLS stream cannot be resumed after an error.
    pub(super) async fn raw_strike(&mut self, (meter, count): (Meter, u64)) -> Ending {
        match self.shared.faults.take_at(self.conn.id, meter, count) {
            Some(armed) => match armed.fault.action {
                Action::Cut(cut) => Ending::Cut(cut),
                _ => {
                    armed.release.cancelled().await;
                    Ending::Cut(Cut::Fin)
                }
            },
            None => Ending::Client(Closed::Broken),
        }
    }

    /// Appends a reply to what is owed.
    pub(super) fn push(&mut self, reply: &[u8]) {
        self.out.extend_from_slice(reply);
        self.marks.push(self.out.len());
    }

    /// Writes everything that is owed, in the style that is set.
    pub(super) async fn flush(&mut self) -> Flow {
        if self.out.is_empty() {
            return Ok(());
        }
        self.replying = true;
        let out = std::mem::take(&mut self.out);
        let marks = std::mem::take(&mut self.marks);
        match self.settings.reply_style {
            ReplyStyle::Grouped => self.write(&out).await?,
            ReplyStyle::Separate => {
                let mut from = 0;
                for &to in &marks {
                    self.write(&out[from..to]).await?;
                    from = to;
                }
            }
            ReplyStyle::Bytewise => {
                for byte in out.chunks(1) {
                    self.write(byte).await?;
                }
            }
        }
        self.unanswered = 0;
        self.waited = false;
        self.replying = false;
        // The buffers are kept for the next replies.
        self.out = out;
        self.out.clear();
        self.marks = marks;
        self.marks.clear();
        Ok(())
    }

    /// One write, but for the faults that count the bytes.
    async fn write(&mut self, mut bytes: &[u8]) -> Flow {
        loop {
            if let Some(armed) = self.shared.faults.take_at(self.conn.id, Meter::Sent, self.sent) {
                match &armed.fault.action {
                    Action::Cut(cut) => return Err(Ending::Cut(*cut)),
                    Action::Reply(text) => self.write_now(&text.clone()).await?,
                    Action::ReplyThenCut(text, cut) => {
                        self.write_now(&text.clone()).await?;
                        return Err(Ending::Cut(*cut));
                    }
                    _ => self.stall(&armed).await?,
                }
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let room = match self.shared.faults.limit(self.conn.id, Meter::Sent, self.sent) {
                Some(limit) => usize::try_from(limit - self.sent).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.write_now(now).await?;
            bytes = later;
        }
    }

    async fn write_now(&mut self, bytes: &[u8]) -> Flow {
        let written = async {
            self.link.write_all(bytes).await?;
            self.link.flush().await
        };
        if let Err(error) = written.await {
            return Err(self.broken(&error).await);
        }
        self.sent += bytes.len() as u64;
        self.wrote = true;
        lock(&self.conn.log).sent += bytes.len() as u64;
        Ok(())
    }

    /// What a fault does between bytes: replies that have not left stay.
    pub(super) async fn strike(&mut self, armed: &Arc<Armed>) -> Flow {
        match armed.fault.action {
            Action::Cut(cut) => Err(Ending::Cut(cut)),
            Action::Stall => self.stall(armed).await,
            _ => self.perform(armed, b"").await.map(drop),
        }
    }

    /// Does what the fault says in place of `reply`; true when the command
    /// that it answers takes effect.
    pub(super) async fn perform(&mut self, armed: &Arc<Armed>, reply: &[u8]) -> Flow<bool> {
        let mut told = reply;
        match &armed.fault.action {
            Action::Cut(cut) => {
                self.flush().await?;
                return Err(Ending::Cut(*cut));
            }
            Action::CutReply(bytes, cut) => {
                self.push(&reply[..reply.len().min(*bytes)]);
                self.flush().await?;
                return Err(Ending::Cut(*cut));
            }
            Action::Stall => {
                self.flush().await?;
                self.stall(armed).await?;
                self.push(reply);
            }
            Action::StallReply(bytes) => {
                let (now, later) = reply.split_at(reply.len().min(*bytes));
                self.push(now);
                self.flush().await?;
                self.stall(armed).await?;
                self.push(later);
            }
            Action::ShutWindow => {
                self.flush().await?;
                armed.release.cancelled().await;
                self.push(reply);
            }
            Action::Reply(text) => {
                told = text;
                self.push(text);
            }
            Action::ReplyThenCut(text, cut) => {
                self.push(text);
                self.flush().await?;
                return Err(Ending::Cut(*cut));
            }
            Action::Extra(more) => self.push(&[reply, more].concat()),
            Action::Drip(pause) => {
                self.flush().await?;
                for byte in reply.chunks(1) {
                    self.write(byte).await?;
                    tokio::time::sleep(*pause).await;
                }
            }
            Action::EndlessLine => {
                return Err(self.endless(b"2", b"50 and on and on and on").await);
            }
            Action::EndlessReply => {
                return Err(self.endless(b"", b"250-and another line\r\n").await);
            }
            Action::SlowRead(bytes, pause) => {
                self.slow = Some((*bytes, *pause));
                self.push(reply);
            }
            Action::WrongMode => self.push(reply),
        }
        Ok(matches!(told.first(), Some(b'2' | b'3')))
    }

    async fn endless(&mut self, head: &[u8], unit: &[u8]) -> Ending {
        self.push(head);
        let block = unit.repeat(256);
        let mut written = 0;
        while written < ENDLESS {
            self.out.extend_from_slice(&block);
            self.marks.push(self.out.len());
            written += block.len();
            if let Err(ending) = self.flush().await {
                return ending;
            }
        }
        Ending::Cut(Cut::Rst)
    }

    /// Says nothing until released, unless the client goes.
    async fn stall(&mut self, armed: &Arc<Armed>) -> Flow {
        loop {
            let readable = self.may_read && self.input.len() < STALLED;
            let result = tokio::select! {
                biased;
                () = armed.release.cancelled() => return Ok(()),
                result = read(&mut self.link, &mut self.input, BLOCK, None), if readable => result,
            };
            self.account(result).await?;
        }
    }
}
