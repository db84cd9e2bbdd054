//! How a message leaves an exchange without having been accepted: refused, to
//! be tried again, put back into line, or given up.

use super::{End, Exchange, Retry, note_retry};
use crate::config::OnUnknown;
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::mailer::event::Retirement;
use crate::mailer::job::Job;
use crate::mailer::verdict::{conclude, refusal, unknown};
use crate::session::Loss;
use crate::smtp::Reply;
use crate::smtp::conversation::{Broken, Content};

impl Exchange<'_> {
    pub(super) fn refused(
        &mut self,
        mut job: Job,
        content: Content,
        stage: Stage,
        reply: Reply,
        recipients: Vec<Option<Reply>>,
    ) {
        let policy = &self.pool.config.retry;
        let chunk = content != Content::Data && stage == Stage::EndOfData;
        if chunk && matches!(reply.code(), 500..=504) && !job.is_abandoned() {
            // It offers CHUNKING and does not know BDAT.
            self.pool.chunking_fails();
            job.uncommit();
            return self.pool.put_back(job);
        }
        // A session that has lost its login or its greeting is a stale one.
        let stale = self.reused && stage == Stage::Mail && matches!(reply.code(), 503 | 530);
        let transient = reply.is_transient() && policy.transient_replies;
        let closing = reply.is_closing();
        let error = refusal(&job.message, stage, reply, recipients);
        let again = (stale || closing || transient) && is_wanted(&job);
        if again && self.retry.is_some() {
            job.uncommit();
            return self.line_up_again(job, error.with_delivery(Delivery::NotSent));
        }
        job.charged += u32::from(!(self.reused && (stale || closing)));
        if again && job.charged < policy.max_attempts {
            job.uncommit();
            let at_once = stale || (closing && self.reused);
            let error = error.with_delivery(Delivery::NotSent);
            self.retry = Some(Retry { job, error, at_once });
            self.ending = true;
        } else {
            conclude(self.pool, job, Err(error));
        }
    }

    /// The connection is gone: tells each message what that means for it.
    pub(super) fn lost(mut self, loss: Loss) -> End {
        self.connection.session.retract_unwritten();
        let reason = match &loss {
            Loss::Broken(Broken::Closing(_)) | Loss::Closed => Retirement::Server,
            _ => Retirement::Failed,
        };
        let conversation = &self.connection.session.conversation;
        let stage = self.active.front().map_or(Stage::Idle, |a| conversation.stage_of(a.id));
        let envelope = matches!(stage, Stage::Mail | Stage::Rcpt | Stage::Data);
        if matches!(loss, Loss::Broken(Broken::Unexpected(_))) && envelope && !self.reused {
            // It answers a group out of step: it is asked one by one from now.
            self.pool.pipelining_fails();
        }
        let error = match conversation.unfinished_reply() {
            Some(part) => loss.into_error(stage).with_detail(&format!("after {part:?}")),
            None => loss.into_error(stage),
        };
        self.fail_front(error);
        self.put_back_from(0);
        self.spent(reason)
    }

    /// Ends the connection because a caller left in the middle.
    pub(super) fn cut(mut self) -> End {
        if let Some(active) = self.active.pop_front()
            && let Some(job) = active.job
        {
            let delivery = self.connection.session.conversation.delivery(active.id);
            let left = Error::new(ErrorKind::Cancelled, Stage::Body, "the caller left");
            let error = match delivery {
                Some(Delivery::Unknown) => unknown(left),
                _ => left,
            };
            conclude(self.pool, job, Err(error));
        }
        self.put_back_from(0);
        self.spent(Retirement::Failed)
    }

    /// Ends the connection because the message itself could not be read.
    pub(super) fn source_failed(mut self, error: Error) -> End {
        if let Some(job) = self.active.pop_front().and_then(|active| active.job) {
            conclude(self.pool, job, Err(error));
        }
        self.put_back_from(0);
        self.spent(Retirement::Failed)
    }

    /// Decides on the message that the connection was busy with.
    fn fail_front(&mut self, error: Error) {
        let Some(active) = self.active.pop_front() else { return };
        let delivery = self.connection.session.conversation.delivery(active.id);
        drop(active.source);
        let Some(mut job) = active.job else { return };
        let policy = &self.pool.config.retry;
        let committed = delivery == Some(Delivery::Unknown);
        if !committed {
            job.uncommit();
        }
        let stale = self.reused && !committed;
        let resend = !committed || policy.on_unknown == OnUnknown::Resend;
        let again = resend && is_wanted(&job);
        let error = if committed { unknown(error) } else { error };
        if committed && again {
            job.doubt();
        }
        if again && self.retry.is_some() {
            return self.line_up_again(job, error);
        }
        job.charged += u32::from(!stale);
        if again && job.charged < policy.max_attempts {
            self.retry = Some(Retry { job, error, at_once: stale });
        } else {
            conclude(self.pool, job, Err(error));
        }
    }

    /// Puts a message that is to be tried again back into line, because the
    /// one before it on this connection is to be tried first. The end of the
    /// connection has been charged to that one.
    fn line_up_again(&self, job: Job, error: Error) {
        note_retry(self.pool, &job, error);
        self.pool.put_back(job);
    }

    /// Puts messages that never had their turn back into line.
    pub(super) fn put_back_from(&mut self, index: usize) {
        for active in self.active.iter_mut().skip(index).rev() {
            active.source = None;
            if let Some(mut job) = active.job.take()
                && !job.is_abandoned()
            {
                job.attempts -= 1;
                self.pool.put_back(job);
            }
        }
    }

    pub(super) fn spent(mut self, reason: Retirement) -> End {
        if self.lingering {
            return End::Lingered;
        }
        End::Spent { retry: self.retry.take(), reason }
    }
}

/// Whether a message can and shall be sent once more.
fn is_wanted(job: &Job) -> bool {
    job.message.replayable() && !job.is_abandoned()
}
