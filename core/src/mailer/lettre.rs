//! Everpost as a transport of lettre, so that its users switch by one line.

use async_trait::async_trait;
use lettre::AsyncTransport;

use super::{Mailer, Receipt};
use crate::error::Error;
use crate::message::{Envelope, Message};

/// The receipt says more than lettre's response: what each recipient was
/// answered, and by which server.
#[async_trait]
impl AsyncTransport for Mailer {
    type Ok = Receipt;
    type Error = Error;

    async fn send_raw(
        &self,
        envelope: &lettre::address::Envelope,
        email: &[u8],
    ) -> Result<Receipt, Error> {
        let envelope = Envelope::try_from(envelope)?;
        Mailer::send(self, Message::from(email).with_envelope(envelope)).await
    }
}
