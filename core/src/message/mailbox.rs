//! Mailboxes as people write them: `Ann <ann@example.org>` (RFC 5322 §3.4).

use super::Address;
use super::address_list::parse_list;
use crate::Error;

/// An address with the name shown for it.
///
/// Made from text (`"Ann <ann@example.org>"` or the bare address), from a pair
/// of name and address, from an [`Address`] or from lettre's `Mailbox`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: Address,
}

impl Mailbox {
    /// A mailbox; an empty name is none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage) when
    /// the name holds a control character.
    pub fn new(name: Option<String>, address: Address) -> Result<Self, Error> {
        let name = name.filter(|name| !name.trim().is_empty());
        if name.iter().any(|name| name.contains(|c: char| c.is_control())) {
            return Err(Error::message(format!(
                "the name shown for {address} holds a control character"
            ))
            .with_hint("remove line ends from names before they go into a header"));
        }
        Ok(Mailbox { name, address })
    }

    /// A mailbox as a header gave it: the name may be anything.
    pub(super) fn unchecked(name: Option<String>, address: Address) -> Self {
        Mailbox { name, address }
    }

    /// The name shown, not encoded.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn to_lettre(&self) -> lettre::message::Mailbox {
        let (local, domain) = (self.address.local_part(), self.address.domain());
        lettre::message::Mailbox::new(
            self.name.clone(),
            lettre::Address::new_dangerous(local, domain),
        )
    }
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Mailbox { name: None, address }
    }
}

impl From<&Address> for Mailbox {
    fn from(address: &Address) -> Self {
        Mailbox::from(address.clone())
    }
}

impl TryFrom<&str> for Mailbox {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        let invalid = |reason: String| {
            let shown: String = text.chars().take(80).collect();
            Error::message(format!("{shown:?} is not a mailbox: {reason}"))
                .with_hint("write ann@example.org or Ann <ann@example.org>")
        };
        // A header field may be folded, and is unfolded by the parser; this is
        // none, so a line end in it is an accident or an attack.
        if text.contains(['\r', '\n', '\0']) {
            return Err(invalid("it holds a line end or NUL".into()));
        }
        let mut mailboxes = parse_list(text).map_err(invalid)?;
        match (mailboxes.pop(), mailboxes.is_empty()) {
            (Some(mailbox), true) => Mailbox::new(mailbox.name, mailbox.address),
            (Some(_), false) => Err(Error::message("there is more than one address")
                .with_hint("add each with a call of its own")),
            (None, _) => Err(Error::message("there is no address")
                .with_hint("write ann@example.org or Ann <ann@example.org>")),
        }
    }
}

impl TryFrom<String> for Mailbox {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Mailbox::try_from(text.as_str())
    }
}

impl TryFrom<(&str, &str)> for Mailbox {
    type Error = Error;

    fn try_from((name, address): (&str, &str)) -> Result<Self, Error> {
        Mailbox::new(Some(name.to_owned()), Address::new(address)?)
    }
}

impl TryFrom<lettre::message::Mailbox> for Mailbox {
    type Error = Error;

    fn try_from(mailbox: lettre::message::Mailbox) -> Result<Self, Error> {
        Mailbox::new(mailbox.name, Address::try_from(&mailbox.email)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_made_from_text_pairs_and_lettre() {
        let expected = Mailbox::try_from("\"Ann \\\"A\\\"\" <ann@example.org>").unwrap();
        assert_eq!(expected.name(), Some("Ann \"A\""));
        assert_eq!(Mailbox::try_from(("Ann \"A\"", "ann@example.org")).unwrap(), expected);
        assert_eq!(Mailbox::try_from(expected.to_lettre()).unwrap(), expected);
        assert!(Mailbox::try_from("a@x.y, b@x.y").is_err());
        assert!(Mailbox::try_from("").is_err());
        assert!(Mailbox::try_from(("Ann\r\nBcc: x@y.z", "ann@example.org")).is_err());
    }
}
