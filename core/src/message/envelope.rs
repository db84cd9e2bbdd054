//! The envelope (RFC 5321 §2.3.1): who the message is from and for, and what
//! is asked of the servers on its way (DSN, RFC 3461; REQUIRETLS, RFC 8689).

use std::collections::HashSet;

use super::Address;
use super::dsn::{DsnReturn, Notify, unicode_xtext, xtext};
use crate::Error;

/// ENVID, after its encoding (RFC 3461 §5.4).
const MAX_ENVID: usize = 100;
/// ORCPT, after its encoding (RFC 3461 §5.4).
const MAX_ORCPT: usize = 500;

/// Reverse-path and recipients (RFC 5321 §2.3.1), with what goes beside them
/// in MAIL and RCPT.
///
/// There is at least one recipient, and none twice.
///
/// ```
/// use everpost::Envelope;
///
/// let envelope = Envelope::new("ann@example.org", ["bob@example.com", "cy@example.com"])?;
/// assert_eq!(envelope.recipients().len(), 2);
/// # Ok::<(), everpost::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    reverse_path: Option<Address>,
    recipients: Vec<Recipient>,
    envid: Option<String>,
    dsn_return: Option<DsnReturn>,
    require_tls: bool,
}

impl Envelope {
    /// From one address to one or more.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage) when an
    /// address is none, or there is no recipient.
    pub fn new<F, T>(from: F, to: T) -> Result<Self, Error>
    where
        F: TryInto<Address, Error: Into<Error>>,
        T: IntoIterator<Item: TryInto<Address, Error: Into<Error>>>,
    {
        Envelope::from_recipients(Some(from.try_into().map_err(Into::into)?), addresses(to)?)
    }

    /// From `<>`, so that no failure is ever reported back: for bounces and
    /// automatic replies (RFC 5321 §4.5.5).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn null_sender<T>(to: T) -> Result<Self, Error>
    where
        T: IntoIterator<Item: TryInto<Address, Error: Into<Error>>>,
    {
        Envelope::from_recipients(None, addresses(to)?)
    }

    /// From `reverse_path` (`None`: `<>`) to recipients that may each have
    /// their own options. Of two with the same address the first is kept.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage) when
    /// there is no recipient.
    pub fn from_recipients(
        reverse_path: Option<Address>,
        recipients: impl IntoIterator<Item = Recipient>,
    ) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        let recipients: Vec<_> = recipients
            .into_iter()
            .filter(|recipient| seen.insert(recipient.address.key()))
            .collect();
        if recipients.is_empty() {
            return Err(Error::message("the message has no recipient")
                .with_hint("name at least one in To, Cc or Bcc, or in the envelope"));
        }
        Ok(Envelope { reverse_path, recipients, envid: None, dsn_return: None, require_tls: false })
    }

    /// Sets the envelope identifier that delivery reports will carry
    /// (RFC 3461 §4.4). Needs DSN.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage) when it
    /// is empty, longer than 100 octets once encoded, or holds anything but
    /// printable ASCII.
    pub fn with_envid(mut self, envid: impl Into<String>) -> Result<Self, Error> {
        let envid = envid.into();
        if envid.is_empty() || !is_printable(&envid) || xtext(&envid).len() > MAX_ENVID {
            return Err(Error::message("the envelope identifier cannot be sent")
                .with_hint("use 1 to 100 printable ASCII characters"));
        }
        self.envid = Some(envid);
        Ok(self)
    }

    /// Asks that a report of failure return the whole message, or its header
    /// (RFC 3461 §4.3). Needs DSN.
    pub fn with_return(mut self, dsn_return: DsnReturn) -> Self {
        self.dsn_return = Some(dsn_return);
        self
    }

    /// Sets when to report, for all recipients (RFC 3461 §4.1). Needs DSN.
    pub fn with_notify(mut self, notify: Notify) -> Self {
        for recipient in &mut self.recipients {
            recipient.notify = Some(notify);
        }
        self
    }

    /// Asks that every server on the way use verified TLS or bounce the
    /// message (RFC 8689). Needs REQUIRETLS.
    pub fn require_tls(mut self) -> Self {
        self.require_tls = true;
        self
    }

    /// Where failures are reported; `None` is `<>`.
    pub fn reverse_path(&self) -> Option<&Address> {
        self.reverse_path.as_ref()
    }

    /// The recipients: at least one.
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// The envelope identifier, not encoded.
    pub fn envid(&self) -> Option<&str> {
        self.envid.as_deref()
    }

    /// What a report of failure shall return.
    pub fn dsn_return(&self) -> Option<DsnReturn> {
        self.dsn_return
    }

    /// Whether REQUIRETLS is asked for.
    pub fn requires_tls(&self) -> bool {
        self.require_tls
    }

    /// Whether it needs no SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.reverse_path.iter().all(Address::is_ascii)
            && self.recipients.iter().all(|recipient| recipient.address.is_ascii())
    }

    /// Whether it asks for anything of RFC 3461.
    pub(crate) fn needs_dsn(&self) -> bool {
        self.envid.is_some()
            || self.dsn_return.is_some()
            || self.recipients.iter().any(|r| r.notify.is_some() || r.original.is_some())
    }
}

impl TryFrom<&lettre::address::Envelope> for Envelope {
    type Error = Error;

    fn try_from(envelope: &lettre::address::Envelope) -> Result<Self, Error> {
        let from = envelope.from().map(Address::try_from).transpose()?;
        Envelope::from_recipients(from, addresses(envelope.to())?)
    }
}

fn addresses<T>(to: T) -> Result<Vec<Recipient>, Error>
where
    T: IntoIterator<Item: TryInto<Address, Error: Into<Error>>>,
{
    to.into_iter().map(|item| Ok(Recipient::new(item.try_into().map_err(Into::into)?))).collect()
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// One recipient, and what reports are wanted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    address: Address,
    notify: Option<Notify>,
    original: Option<String>,
}

impl Recipient {
    /// A recipient without options.
    pub fn new(address: Address) -> Self {
        Recipient { address, notify: None, original: None }
    }

    /// Sets when to report (NOTIFY, RFC 3461 §4.1). Needs DSN.
    pub fn with_notify(mut self, notify: Notify) -> Self {
        self.notify = Some(notify);
        self
    }

    /// Sets the address that the sender first gave for this recipient, for
    /// reports (ORCPT, RFC 3461 §4.2). Needs DSN.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage) when it
    /// is longer than 500 octets once encoded.
    pub fn with_original_recipient(mut self, original: &Address) -> Result<Self, Error> {
        self.original = Some(original.as_str().to_owned());
        if self.orcpt().is_some_and(|orcpt| orcpt.len() > MAX_ORCPT) {
            return Err(Error::message("the original recipient is longer than 500 octets"));
        }
        Ok(self)
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// When to report.
    pub fn notify(&self) -> Option<Notify> {
        self.notify
    }

    /// The address the sender first gave.
    pub fn original_recipient(&self) -> Option<&str> {
        self.original.as_deref()
    }

    /// The value of ORCPT, encoded: `rfc822;xtext`, or `utf-8;` with the ASCII
    /// form of RFC 6533 §3.
    pub(crate) fn orcpt(&self) -> Option<String> {
        self.original.as_deref().map(|original| {
            if original.is_ascii() {
                format!("rfc822;{}", xtext(original))
            } else {
                format!("utf-8;{}", unicode_xtext(original))
            }
        })
    }
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        Recipient::new(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn address(text: &str) -> Address {
        Address::new(text).unwrap()
    }

    #[test]
    fn an_envelope_takes_addresses_in_any_form() {
        let bob = address("bob@example.com");
        let by_text = Envelope::new("ann@example.org", ["bob@example.com"]).unwrap();
        let by_value = Envelope::new(address("ann@example.org"), [bob.clone()]).unwrap();
        let by_string =
            Envelope::new("ann@example.org".to_owned(), vec!["bob@example.com".to_owned()])
                .unwrap();
        let by_reference = Envelope::new(&address("ann@example.org"), &[bob]).unwrap();
        assert!(by_text == by_value && by_value == by_string && by_string == by_reference);
        assert_eq!(Envelope::null_sender(["a@b.c"]).unwrap().reverse_path(), None);
    }

    #[test]
    fn an_envelope_without_recipient_is_refused() {
        let nobody: [&str; 0] = [];
        let error = Envelope::new("ann@example.org", nobody).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert!(Envelope::new("ann", ["bob@example.com"]).is_err());
        assert!(Envelope::new("ann@example.org", ["bob"]).is_err());
    }

    #[test]
    fn a_recipient_named_twice_is_kept_once_and_in_place() {
        let envelope = Envelope::new(
            "a@b.c",
            ["x@one.example", "y@two.example", "x@ONE.example", "X@one.example"],
        )
        .unwrap();
        let kept: Vec<_> = envelope.recipients().iter().map(|r| r.address().as_str()).collect();
        assert_eq!(kept, ["x@one.example", "y@two.example", "X@one.example"]);
    }

    #[test]
    fn delivery_report_options_are_kept_and_encoded() {
        let original = address("a+b=c@example.org");
        let recipient = Recipient::new(address("x@y.z"))
            .with_notify(Notify::SUCCESS | Notify::FAILURE)
            .with_original_recipient(&original)
            .unwrap();
        assert_eq!(recipient.orcpt().unwrap(), "rfc822;a+2Bb+3Dc@example.org");
        assert_eq!(recipient.notify().unwrap().to_string(), "SUCCESS,FAILURE");
        let foreign = Recipient::new(address("x@y.z"))
            .with_original_recipient(&address("bücher@example.org"))
            .unwrap();
        assert_eq!(foreign.orcpt().unwrap(), "utf-8;b\\x{FC}cher@example.org");

        let plain = Envelope::new("a@b.c", ["x@y.z"]).unwrap();
        assert!(!plain.needs_dsn());
        let full = plain
            .with_envid("order 7")
            .unwrap()
            .with_return(DsnReturn::Headers)
            .with_notify(Notify::NEVER)
            .require_tls();
        assert!(full.needs_dsn() && full.requires_tls());
        assert_eq!(full.envid(), Some("order 7"));
        assert_eq!(full.dsn_return().unwrap().to_string(), "HDRS");
        assert_eq!(full.recipients()[0].notify().unwrap().to_string(), "NEVER");
    }

    #[test]
    fn an_envelope_identifier_that_could_break_the_command_is_refused() {
        let envelope = || Envelope::new("a@b.c", ["x@y.z"]).unwrap();
        for bad in ["", "a\r\nb", "a\0", "bücher", &"x".repeat(101), &" ".repeat(34)] {
            assert!(envelope().with_envid(bad).is_err(), "{bad:?}");
        }
        assert!(envelope().with_envid("x".repeat(100)).is_ok());
    }
}
