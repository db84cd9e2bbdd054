//! Telling what became of a message: to its caller, to the counters, and as
//! events.

use super::event::Event;
use super::job::{Job, Verdict};
use super::pool::Pool;
use super::receipt::{Receipt, RejectedRecipient};
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::message::Prepared;
use crate::session::Session;
use crate::smtp::Reply;

/// Ends a job.
pub(crate) fn conclude(pool: &Pool, job: Job, verdict: Verdict) {
    let verdict = verdict.map_err(|error| {
        // What the last attempt proves says nothing of one in doubt before it.
        let doubted = job.is_doubted() && error.delivery() != Delivery::Unknown;
        let error = if doubted { unknown(error) } else { error };
        error
            .with_context(job.message.message_id(), job.message.envelope())
            .with_attempts(job.attempts)
    });
    let delivery = match &verdict {
        Ok(_) => Delivery::Accepted,
        Err(error) => error.delivery(),
    };
    let message_id = job.message.message_id().to_owned();
    if job.is_abandoned() {
        // Its caller has been told, and counted, what was known then.
        let reply = match &verdict {
            Ok(receipt) => Some(&receipt.reply),
            Err(error) => error.reply(),
        };
        if let (Delivery::Accepted | Delivery::Refused, Some(reply)) = (delivery, reply) {
            pool.counters.late_verdicts.add();
            let reply = reply.clone();
            pool.tell(Event::LateVerdict { message_id, delivery, reply });
        }
    } else {
        pool.counters.delivered(delivery);
        match &verdict {
            Ok(receipt) => tracing::debug!(%message_id, reply = %receipt.reply, "accepted"),
            Err(error) => {
                tracing::warn!(%message_id, %error, "not accepted");
                if delivery == Delivery::Unknown {
                    pool.tell(Event::DeliveryUnknown { message_id, error: error.clone() });
                }
            }
        }
    }
    job.finish(verdict);
}

/// The receipt for a message that was accepted.
pub(crate) fn receipt(job: &Job, session: &Session, reply: Reply, answers: Vec<Reply>) -> Receipt {
    let mut accepted = Vec::new();
    let mut rejected = Vec::new();
    for (recipient, reply) in job.message.envelope().recipients().iter().zip(answers) {
        let address = recipient.address().clone();
        if reply.is_positive() {
            accepted.push(address);
        } else {
            rejected.push(RejectedRecipient { address, reply });
        }
    }
    Receipt {
        message_id: job.message.message_id().to_owned(),
        envelope: job.message.envelope().clone(),
        reply,
        accepted,
        rejected,
        attempts: job.attempts,
        server: session.address,
        leaf: session.peer.as_ref().map(|peer| peer.leaf.fingerprint()),
    }
}

/// The error for a message that the server refused.
pub(crate) fn refusal(
    message: &Prepared,
    stage: Stage,
    reply: Reply,
    answers: Vec<Option<Reply>>,
) -> Error {
    let recipients = message.envelope().recipients().iter().zip(answers);
    let rejected = recipients.filter_map(|(recipient, reply)| {
        let reply = reply.filter(|reply| !reply.is_positive())?;
        Some(RejectedRecipient { address: recipient.address().clone(), reply })
    });
    let what = match stage {
        Stage::Mail => "the server refused the sender",
        Stage::Rcpt => "the server refused the recipients",
        _ => "the server refused the message",
    };
    let hint = match reply.code() {
        530 | 538 => "the server wants a login or TLS before mail: set credentials and TLS mode",
        535 => "the server wants another login",
        552 if stage != Stage::Rcpt => "the message is too large for this server",
        550 | 553 if stage == Stage::Mail => {
            "this login may not send as this address: check the sender"
        }
        550..=554 if stage == Stage::Rcpt => "check the addresses of the recipients",
        _ if reply.is_transient() => "the server asks to try later",
        _ => "the reply says why; the server's log says more",
    };
    Error::new(ErrorKind::Rejected, stage, format!("{what}: {reply}"))
        .with_delivery(Delivery::Refused)
        .with_retryable(reply.is_transient())
        .with_hint(hint)
        .with_rejected(rejected.collect())
        .with_reply(reply)
}

/// The error for a message that may or may not have been accepted.
pub(crate) fn unknown(cause: Error) -> Error {
    let message =
        format!("the message may or may not have been delivered: {}", cause.message_text());
    let reply = cause.reply().cloned();
    let error = Error::new(ErrorKind::DeliveryUnknown, Stage::EndOfData, message)
        .with_delivery(Delivery::Unknown)
        .with_hint(
            "look for the Message-ID in the server's log before sending again, or set on_unknown \
             = resend where a duplicate is better than a loss",
        )
        .with_source(cause);
    match reply {
        Some(reply) => error.with_reply(reply),
        None => error,
    }
}
