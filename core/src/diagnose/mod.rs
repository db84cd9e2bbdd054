//! "Why does it not connect?": a ladder from DNS to the recipient.
//!
//! ```text
//! implicit  DNS ─ TCP ─ handshake ─ certificate ─ greeting ─ EHLO ─┐
//! STARTTLS  DNS ─ TCP ─ greeting ─ EHLO ─ STARTTLS ─ handshake ─   │
//!                       certificate ─ EHLO ────────────────────────┤
//!                                  AUTH ─ login ─ size ─ MAIL ─ RCPT
//! ```
//!
//! A [`Diagnosis`] climbs it with the settings of a mailer, over one
//! connection, and stops at the first rung that does not hold, with one
//! sentence of cause and one of remedy. Its invariants: credentials go only
//! over a connection whose certificate the mailer would accept, since there is
//! no other; nothing is sent beyond RSET and QUIT unless sender or recipients
//! are given, and a message never; every rung ends by a deadline.
//!
//! When a rung fails in a way that another port or mode would explain, it has
//! a short look at those ([`Diagnosis::looks`]), without credentials.

mod cause;
mod json;
mod ladder;
mod look;
mod overheard;
mod replies;
mod report;

use crate::message::Address;
use crate::{Endpoint, Error, Mailer, MailerBuilder};

pub use json::SCHEMA;
pub use report::{DiagnosisReport, Outcome, Rung, Step};

use self::ladder::Ladder;

/// Finds out why a mailer does not get its mail out.
///
/// ```no_run
/// # async fn example() -> Result<(), everpost::Error> {
/// use everpost::diagnose::Diagnosis;
///
/// let report = Diagnosis::of_url("smtps://app%40example.org:secret@mail.example.org")?.run().await?;
/// if let Some(cause) = &report.cause {
///     println!("{}\n{}", cause.message, report.remedy.as_deref().unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a diagnosis does nothing until run() is called"]
pub struct Diagnosis {
    mailer: MailerBuilder,
    sender: Option<Address>,
    recipients: Vec<Address>,
    size: Option<u64>,
    looks: bool,
}

impl Diagnosis {
    /// Every key that [`set`](Self::set) knows.
    pub const KEYS: &'static [&'static str] = &["from", "to", "size", "looks"];

    /// What a mailer with these settings would meet.
    pub fn of(mailer: MailerBuilder) -> Self {
        Diagnosis { mailer, sender: None, recipients: Vec::new(), size: None, looks: true }
    }

    /// As [`of`](Self::of), by an SMTP URL
    /// ([`Mailer::from_url`]).
    ///
    /// # Errors
    /// `invalid_config` with the part that is wrong; never with the password.
    pub fn of_url(url: &str) -> Result<Self, Error> {
        Ok(Diagnosis::of(Mailer::builder_from_url(url)?))
    }

    /// A server without credentials, trusted by the system's roots.
    pub fn of_endpoint(endpoint: &Endpoint) -> Self {
        let mailer = Mailer::builder(&*endpoint.host).tls(endpoint.tls).port(endpoint.port);
        Diagnosis::of(mailer)
    }

    /// Asks whether this sender is taken: MAIL, then RSET. No message is sent.
    pub fn sender(mut self, address: Address) -> Self {
        self.sender = Some(address);
        self
    }

    /// Asks whether this recipient is taken: RCPT, then RSET. Several add up.
    /// Needs a [`sender`](Self::sender).
    pub fn recipient(mut self, address: Address) -> Self {
        self.recipients.push(address);
        self
    }

    /// Asks whether a message of so many bytes is taken, as far as the server
    /// tells before it is sent.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Whether a failure may be followed by short looks at the other TLS mode
    /// of the port and at the usual ports of the host: yes.
    pub fn looks(mut self, on: bool) -> Self {
        self.looks = on;
        self
    }

    /// Sets one option by name and text, as files and other languages have
    /// them.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `from` | the sender's address |
    /// | `to` | a recipient's address; several add up |
    /// | `size` | bytes, such as `1000000`, `500KB` or `50MB` |
    /// | `looks` | `true` or `false` |
    ///
    /// # Errors
    /// `invalid_config` if there is no such key, or the value is not what the
    /// key takes.
    pub fn set(self, key: &str, value: &str) -> Result<Self, Error> {
        let wrong = |expected| Error::config(format!("{key} of a diagnosis must be {expected}"));
        let address =
            || Address::new(value).map_err(|error| wrong("an address").with_source(error));
        Ok(match key {
            "from" => self.sender(address()?),
            "to" => self.recipient(address()?),
            "size" => self.size(crate::url::size(value).map_err(wrong)?),
            "looks" => self.looks(crate::url::flag(value).map_err(wrong)?),
            _ => {
                let text = format!("a diagnosis has no option {key:?}");
                return Err(Error::config(text)
                    .with_hint(format!("the options are {}", Self::KEYS.join(", "))));
            }
        })
    }

    /// The server.
    pub fn endpoint(&self) -> &Endpoint {
        &self.mailer.config.endpoint
    }

    /// Climbs the ladder. The future may be dropped at any point.
    ///
    /// # Errors
    /// `invalid_config` if the settings cannot work; what goes wrong on the
    /// way is in the report.
    pub async fn run(&self) -> Result<DiagnosisReport, Error> {
        self.run_with(|_| {}).await
    }

    /// As [`run`](Self::run), and tells each rung as soon as it is known.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with(
        &self,
        mut tell: impl FnMut(&Rung) + Send,
    ) -> Result<DiagnosisReport, Error> {
        if self.sender.is_none() && !self.recipients.is_empty() {
            return Err(Error::config("recipients are given without a sender")
                .with_hint("name the address that the mail is to come from"));
        }
        let connector = self.mailer.clone().connector()?;
        Ok(Ladder::new(self, connector, &mut tell).climb().await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnosis_can_be_left_to_another_thread() {
        fn can_move(_: impl Send) {}
        can_move(Diagnosis::of_url("smtps://mail.example.org").unwrap().run());
    }

    #[test]
    fn every_option_is_set_by_its_text_or_refused_with_its_key() {
        let new = || Diagnosis::of_url("smtps://mail.example.org").unwrap();
        let set = new()
            .set("from", "a@example.org")
            .and_then(|it| it.set("to", "b@example.org"))
            .and_then(|it| it.set("to", "c@example.org"))
            .and_then(|it| it.set("size", "2KB"))
            .and_then(|it| it.set("looks", "no"));
        let set = set.unwrap();
        assert_eq!(set.sender.as_ref().map(Address::as_str), Some("a@example.org"));
        assert_eq!(set.recipients.len(), 2);
        assert_eq!((set.size, set.looks), (Some(2048), false));
        for key in Diagnosis::KEYS {
            let error = new().set(key, "not this").unwrap_err();
            assert!(error.message_text().starts_with(key), "{error}");
        }
        assert!(new().set("colour", "blue").unwrap_err().message_text().contains("colour"));
    }
}
