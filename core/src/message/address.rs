//! Envelope addresses: the `Mailbox` of RFC 5321 §4.1.2, with the UTF-8 of
//! RFC 6531 §3.3.
//!
//! The invariant: an [`Address`] holds no control character, no unquoted
//! space and no angle bracket outside quotes, so it can stand in a command as
//! it is. Parsing is one pass.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::Error;

/// Octets in a local part (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Octets in a path are 256, its angle brackets included (§4.5.3.1.3). The
/// 255 of a domain (§4.5.3.1.2) cannot be reached within it.
const MAX_ADDRESS: usize = 254;
/// Octets in a label of a domain (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// A mailbox as in RFC 5321 §4.1.2: `local-part@domain`, without display name
/// and comments.
///
/// The local part is a dot-string or a quoted string, the domain a name or an
/// address literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). Both may be UTF-8;
/// the server must then offer SMTPUTF8. The address is kept as it was given.
///
/// ```
/// use everpost::Address;
///
/// let address: Address = "ann@example.org".parse()?;
/// assert_eq!(address.local_part(), "ann");
/// assert_eq!(address.domain(), "example.org");
/// # Ok::<(), everpost::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    text: String,
    at: usize,
}

impl Address {
    /// Checks `text` and makes it an address.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMessage`](crate::ErrorKind::InvalidMessage) when it
    /// is no mailbox, or longer than 254 octets (64 before the `@`).
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        match parse(&text) {
            Ok(at) => Ok(Address { text, at }),
            Err(reason) => Err(invalid(&text, reason)),
        }
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, with its quotes if it has them.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`: a domain, or an address literal in brackets.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether it can be sent without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// Equal for two spellings of the same mailbox: only the domain is free of
    /// case (RFC 5321 §2.4).
    pub(crate) fn key(&self) -> String {
        let mut key = self.text.clone();
        key[self.at..].make_ascii_lowercase();
        key
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Address::new(text)
    }
}

impl TryFrom<&str> for Address {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Address::new(text)
    }
}

impl TryFrom<String> for Address {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Address::new(text)
    }
}

impl TryFrom<&String> for Address {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self, Error> {
        Address::new(text.as_str())
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

impl TryFrom<&lettre::Address> for Address {
    type Error = Error;

    fn try_from(address: &lettre::Address) -> Result<Self, Error> {
        Address::new(address.to_string())
    }
}

impl TryFrom<lettre::Address> for Address {
    type Error = Error;

    fn try_from(address: lettre::Address) -> Result<Self, Error> {
        Address::try_from(&address)
    }
}

/// Lets an [`Address`] stand where something that may fail to become one can.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

fn invalid(text: &str, reason: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::message(format!("{shown:?} is not an email address: {reason}"))
        .with_hint("give the bare address, such as ann@example.org")
}

/// Where the `@` stands, or why there is no mailbox.
fn parse(text: &str) -> Result<usize, &'static str> {
    if text.len() > MAX_ADDRESS {
        return Err("it is longer than 254 octets");
    }
    let at = match text.as_bytes().first() {
        None => return Err("it is empty"),
        Some(b'"') => quoted_end(text)?,
        Some(_) => dot_string_end(text)?,
    };
    if text.as_bytes().get(at) != Some(&b'@') {
        return Err("a quoted local part must be followed by @");
    }
    if at > MAX_LOCAL {
        return Err("its local part is longer than 64 octets");
    }
    let domain = &text[at + 1..];
    match domain.strip_prefix('[') {
        Some(literal) => check_literal(literal)?,
        None => check_domain(domain)?,
    }
    Ok(at)
}

/// `Dot-string = Atom *("." Atom)`; ends at the `@`.
fn dot_string_end(text: &str) -> Result<usize, &'static str> {
    let mut atom_is_empty = true;
    for (at, c) in text.char_indices() {
        match c {
            '@' if atom_is_empty && at == 0 => return Err("its local part is empty"),
            '@' if atom_is_empty => return Err("its local part ends with a dot"),
            '@' => return Ok(at),
            '.' if atom_is_empty => return Err("its local part has a dot without text before it"),
            '.' => atom_is_empty = true,
            c if is_atext(c) => atom_is_empty = false,
            c if is_forbidden(c) => return Err("it holds a control character"),
            _ => return Err("its local part holds a character that needs quotes"),
        }
    }
    Err("it has no @")
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`; ends after the second quote.
fn quoted_end(text: &str) -> Result<usize, &'static str> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            c if is_forbidden(c) => return Err("it holds a control character"),
            _ if escaped => {
                if !c.is_ascii() {
                    return Err("a backslash in it must stand before an ASCII character");
                }
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err("its quoted local part has no end")
}

fn check_domain(domain: &str) -> Result<(), &'static str> {
    if domain.is_empty() {
        return Err("its domain is empty");
    }
    for label in domain.split('.') {
        if label.is_empty() {
            return Err("its domain has an empty label");
        }
        if label.len() > MAX_LABEL && label.is_ascii() {
            return Err("its domain has a label longer than 63 octets");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("its domain has a label that begins or ends with a hyphen");
        }
        if !label.chars().all(is_label_char) {
            return Err("its domain holds a character that domains cannot have");
        }
    }
    Ok(())
}

/// The rest of an address literal (RFC 5321 §4.1.3). Of the tagged forms only
/// `IPv6` was ever registered.
fn check_literal(rest: &str) -> Result<(), &'static str> {
    let inner = rest.strip_suffix(']').ok_or("its address literal has no closing bracket")?;
    let is_valid = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse::<Ipv6Addr>().is_ok(),
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    };
    if is_valid { Ok(()) } else { Err("its literal is not [IPv4] or [IPv6:address]") }
}

fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
    } else {
        !is_forbidden(c)
    }
}

fn is_label_char(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || c == '-' } else { !is_forbidden(c) }
}

/// C0, DEL and C1, and the spaces and line ends that Unicode adds.
fn is_forbidden(c: char) -> bool {
    c.is_control() || (!c.is_ascii() && c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use proptest::prelude::*;

    #[test]
    fn mailboxes_of_rfc_5321_and_6531_are_addresses() {
        for (text, local, domain) in [
            ("ann@example.org", "ann", "example.org"),
            ("a.b+c=d@localhost", "a.b+c=d", "localhost"),
            (r#""a b@\"c"@example.org"#, r#""a b@\"c""#, "example.org"),
            (r#""<>"@example.org"#, r#""<>""#, "example.org"),
            (r#"""@example.org"#, r#""""#, "example.org"),
            ("joe@[192.0.2.1]", "joe", "[192.0.2.1]"),
            ("joe@[IPv6:2001:db8::1]", "joe", "[IPv6:2001:db8::1]"),
            ("用户@例子.广告", "用户", "例子.广告"),
            ("x@xn--bcher-kva.example", "x", "xn--bcher-kva.example"),
        ] {
            let address = Address::new(text).unwrap();
            assert_eq!((address.local_part(), address.domain()), (local, domain));
            assert_eq!(address.to_string(), text);
            assert_eq!(address.is_ascii(), text.is_ascii());
        }
    }

    #[test]
    fn anything_that_is_not_a_bare_mailbox_is_refused() {
        for text in [
            "",
            "@",
            "ann",
            "@example.org",
            "ann@",
            ".a@example.org",
            "a.@example.org",
            "a..b@example.org",
            "a b@example.org",
            "Ann <ann@example.org>",
            "<ann@example.org>",
            "ann@example.org>",
            "ann(comment)@example.org",
            "ann@exa mple.org",
            "ann@example..org",
            "ann@example.org.",
            "ann@-example.org",
            "ann@example-.org",
            "ann@ex_ample.org",
            "a@b@example.org",
            r#""ann@example.org"#,
            r#""ann"x@example.org"#,
            r#""ann\"@example.org"#,
            "ann@[192.0.2.1",
            "ann@[192.0.2.256]",
            "ann@[2001:db8::1]",
            "ann@[x:y]",
            "ann@\u{2028}example.org",
            "ann\u{a0}@example.org",
        ] {
            let error = Address::new(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidMessage, "{text}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn control_characters_are_refused_wherever_they_stand() {
        for control in (0..0x20u8).chain([0x7f]) {
            let control = char::from(control);
            for text in [
                format!("a{control}b@example.org"),
                format!("\"a{control}b\"@example.org"),
                format!("\"a\\{control}b\"@example.org"),
                format!("a@exam{control}ple.org"),
                format!("a@example.org{control}"),
                format!("{control}a@example.org"),
            ] {
                assert!(Address::new(text).is_err());
            }
        }
    }

    #[test]
    fn lengths_are_capped_at_the_octets_of_the_rfc() {
        let label = "d".repeat(63);
        assert!(Address::new(format!("{}@example.org", "a".repeat(64))).is_ok());
        assert!(Address::new(format!("{}@example.org", "a".repeat(65))).is_err());
        assert!(Address::new(format!("a@{label}.org")).is_ok());
        assert!(Address::new(format!("a@{label}d.org")).is_err());
        let domain = [label.as_str(); 4].join(".");
        assert!(Address::new(format!("a@{}", &domain[..252])).is_ok());
        assert!(Address::new(format!("a@{}", &domain[..253])).is_err());
    }

    #[test]
    fn an_error_shows_the_address_escaped_and_cut() {
        let error = Address::new(format!("a\r\n{}", "x".repeat(500))).unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains('\n') && shown.len() < 300, "{shown}");
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_is_accepted_is_safe_in_a_command(text in "\\PC{0,40}|[ -~\\r\\n\\x00]{0,20}@[a-z.\\[\\]<> ]{0,20}") {
            if let Ok(address) = Address::new(text.clone()) {
                prop_assert_eq!(address.as_str(), text.as_str());
                prop_assert!(!text.contains(|c: char| c.is_control()));
                prop_assert_eq!(format!("{}@{}", address.local_part(), address.domain()), text);
            }
        }
    }
}
