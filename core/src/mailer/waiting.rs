//! The caller's side of a send: waiting, and what is said when it ends before
//! the verdict.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::event::Event;
use super::job::{Cancelled, Ticket};
use super::pool::Pool;
use super::receipt::Receipt;
use super::verdict;
use crate::endpoint::TlsMode;
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::message::Prepared;

/// The caller has said that it no longer waits.
pub(super) fn cancelled(stage: Stage) -> Error {
    Error::new(ErrorKind::Cancelled, stage, "the caller cancelled")
}

/// Waits until the deadline of a send passes while its message is prepared.
pub(super) async fn overdue(started: Instant, deadline: Option<Duration>) -> Error {
    let Some(deadline) = deadline else { return std::future::pending().await };
    sleep_until(started + deadline).await;
    late(Stage::Prepare, deadline)
}

fn late(stage: Stage, deadline: Duration) -> Error {
    Error::new(ErrorKind::Timeout, stage, format!("the send did not end within {deadline:?}"))
}

/// A caller that waits. When it is dropped before the verdict, the message is
/// cancelled or reported as unknown.
pub(super) struct Waiting<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) message: &'a Arc<Prepared>,
    pub(super) ticket: Option<Ticket>,
}

impl Waiting<'_> {
    /// Waits for the verdict, a deadline, or until `left` ends.
    pub(super) async fn wait<L>(
        mut self,
        started: Instant,
        mut left: Pin<&mut L>,
    ) -> Result<Receipt, Error>
    where
        L: Future<Output = ()>,
    {
        let deadlines = &self.pool.config.deadlines;
        let send_by = deadlines.send.map(|timeout| started + timeout);
        let mut checkout_by = started + deadlines.checkout;
        loop {
            let Some(ticket) = &mut self.ticket else { return self.vanished() };
            let wake = send_by.map_or(checkout_by, |send_by| send_by.min(checkout_by));
            let verdict = tokio::select! {
                biased;
                verdict = ticket.verdict() => verdict,
                () = left.as_mut() => return self.leave(),
                () = sleep_until(wake) => {
                    if send_by.is_some_and(|send_by| Instant::now() >= send_by) {
                        return self.give_up();
                    }
                    if ticket.cancel_queued() {
                        return self.crowded_out();
                    }
                    checkout_by = Instant::now() + deadlines.checkout;
                    continue;
                }
            };
            let Some(verdict) = verdict else { return self.vanished() };
            self.ticket = None;
            return verdict;
        }
    }

    /// The caller has said that it no longer waits.
    fn leave(mut self) -> Result<Receipt, Error> {
        let stage = match &self.ticket {
            Some(ticket) if !ticket.is_taken() => Stage::Checkout,
            _ => Stage::EndOfData,
        };
        let error = cancelled(stage);
        match self.ticket.take().map(Ticket::cancel) {
            Some(Cancelled::TooLate(late)) => {
                self.report(verdict::unknown(error).with_late_verdict(late))
            }
            _ => {
                self.pool.sweep();
                self.report(error)
            }
        }
    }

    /// The deadline of the send has passed.
    fn give_up(mut self) -> Result<Receipt, Error> {
        let timeout = self.pool.config.deadlines.send.unwrap_or_default();
        let stage = match &self.ticket {
            Some(ticket) if !ticket.is_taken() => Stage::Checkout,
            _ => Stage::EndOfData,
        };
        let mut error = late(stage, timeout);
        match self.ticket.take().map(Ticket::cancel) {
            Some(Cancelled::TooLate(late)) => {
                let error = verdict::unknown(error).with_late_verdict(late);
                self.report(error)
            }
            _ => {
                if let Some(last) = self.pool.last_error() {
                    error = error.with_detail(last.message_text()).with_source(last);
                }
                self.report(error)
            }
        }
    }

    /// No connection came free in time.
    fn crowded_out(mut self) -> Result<Receipt, Error> {
        self.ticket = None;
        self.pool.sweep();
        let waited = self.pool.config.deadlines.checkout;
        let text = format!("no connection came free within {waited:?}");
        let error = Error::new(ErrorKind::Timeout, Stage::Checkout, text);
        let error = match self.pool.last_error() {
            Some(last) => {
                let hint = last.hint().unwrap_or("the server cannot be reached").to_owned();
                error.with_detail(last.message_text()).with_hint(hint).with_source(last)
            }
            None if self.pool.is_open() => {
                error.with_hint("raise max_connections or the checkout deadline, or send less")
            }
            None => error.with_detail("the first is still being opened").with_hint(
                match self.pool.config.endpoint.tls {
                    TlsMode::Implicit => {
                        "the server is slow to let anybody in: check host and port, or raise the \
                         checkout deadline"
                    }
                    _ => {
                        "the server lets nobody in; a port for implicit TLS waits like this for \
                         the client to begin: try implicit TLS (usually port 465)"
                    }
                },
            ),
        };
        self.report(error)
    }

    /// The worker is gone without a verdict: its runtime was shut down, or it
    /// panicked.
    fn vanished(mut self) -> Result<Receipt, Error> {
        let committed = self.ticket.take().is_some_and(|ticket| ticket.is_committed());
        let error = Error::new(
            ErrorKind::Internal,
            Stage::Checkout,
            "the connection's task ended before the verdict",
        )
        .with_hint("keep the runtime that the mailer was first used on running");
        self.report(if committed { verdict::unknown(error) } else { error })
    }

    /// Fails before there is anything to wait for.
    pub(super) fn fail(mut self, error: Error) -> Result<Receipt, Error> {
        self.ticket = None;
        self.report(error)
    }

    fn report(&self, error: Error) -> Result<Receipt, Error> {
        let error = error.with_context(self.message.message_id(), self.message.envelope());
        self.count(error.clone());
        Err(error)
    }

    fn count(&self, error: Error) {
        self.pool.counters.delivered(error.delivery());
        if error.delivery() == Delivery::Unknown {
            let message_id = self.message.message_id().to_owned();
            self.pool.tell(Event::DeliveryUnknown { message_id, error });
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let left = Error::new(ErrorKind::Cancelled, Stage::EndOfData, "the caller left");
        let error = match ticket.cancel() {
            Cancelled::TooLate(_) => verdict::unknown(left),
            Cancelled::NotSent => {
                self.pool.sweep();
                left
            }
        };
        self.count(error.with_context(self.message.message_id(), self.message.envelope()));
    }
}
