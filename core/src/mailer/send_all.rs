//! Many messages over the pool.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{Mailer, Receipt};
use crate::error::Error;
use crate::message::Message;

type Sending = Pin<Box<dyn Future<Output = (usize, Result<Receipt, Error>)> + Send>>;

/// How many messages per connection are taken ahead, so that every connection
/// always finds the next one to chain.
const AHEAD: usize = 16;

struct SendAll<I> {
    mailer: Mailer,
    messages: Option<I>,
    next: usize,
    window: usize,
    sending: FuturesUnordered<Sending>,
}

pub(super) fn send_all<I>(
    mailer: Mailer,
    messages: I,
) -> impl Stream<Item = (usize, Result<Receipt, Error>)> + Send + Unpin + use<I>
where
    I: Iterator<Item: Into<Message>> + Send + Unpin,
{
    let window = mailer.pool().config.pool.max_connections.saturating_mul(AHEAD);
    SendAll { mailer, messages: Some(messages), next: 0, window, sending: FuturesUnordered::new() }
}

impl<I: Iterator<Item: Into<Message>> + Unpin> Stream for SendAll<I> {
    type Item = (usize, Result<Receipt, Error>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.sending.len() < this.window {
            let Some(message) = this.messages.as_mut().and_then(Iterator::next) else {
                this.messages = None;
                break;
            };
            let (index, message, mailer) = (this.next, message.into(), this.mailer.clone());
            this.next += 1;
            this.sending.push(Box::pin(async move { (index, mailer.send(message).await) }));
        }
        this.sending.poll_next_unpin(cx)
    }
}
