//! Many messages over the pool.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Receipt;
use crate::error::Error;
use crate::message::Message;

/// One message on its way.
pub(super) type Sending = Pin<Box<dyn Future<Output = Result<Receipt, Error>> + Send>>;
type Numbered = Pin<Box<dyn Future<Output = (usize, Result<Receipt, Error>)> + Send>>;

/// How many messages per connection are taken ahead, so that every connection
/// always finds the next one to chain.
pub(super) const AHEAD: usize = 16;

struct SendAll<I, S> {
    send: S,
    messages: Option<I>,
    next: usize,
    window: usize,
    sending: FuturesUnordered<Numbered>,
}

/// Sends `messages` by `send`, `window` of them at once.
pub(super) fn send_all<I, S>(
    window: usize,
    send: S,
    messages: I,
) -> impl Stream<Item = (usize, Result<Receipt, Error>)> + Send + Unpin + use<I, S>
where
    I: Iterator<Item: Into<Message>> + Send + Unpin,
    S: Fn(Message) -> Sending + Send + Unpin,
{
    SendAll { send, messages: Some(messages), next: 0, window, sending: FuturesUnordered::new() }
}

impl<I, S> Stream for SendAll<I, S>
where
    I: Iterator<Item: Into<Message>> + Unpin,
    S: Fn(Message) -> Sending + Unpin,
{
    type Item = (usize, Result<Receipt, Error>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.sending.len() < this.window {
            let Some(message) = this.messages.as_mut().and_then(Iterator::next) else {
                this.messages = None;
                break;
            };
            let (index, sending) = (this.next, (this.send)(message.into()));
            this.next += 1;
            this.sending.push(Box::pin(async move { (index, sending.await) }));
        }
        this.sending.poll_next_unpin(cx)
    }
}
