//! What can be asked about delivery reports (DSN, RFC 3461), and how its
//! values are written.

use std::fmt;
use std::fmt::Write as _;
use std::ops::BitOr;

/// What a report of failure shall return (RET, RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DsnReturn {
    /// The whole message.
    Full,
    /// Its header only.
    Headers,
}

impl fmt::Display for DsnReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DsnReturn::Full => "FULL",
            DsnReturn::Headers => "HDRS",
        })
    }
}

/// When to report on a recipient (NOTIFY, RFC 3461 §4.1). Conditions join with
/// `|`; [`Notify::NEVER`] gives way to any other.
///
/// ```
/// use everpost::message::Notify;
///
/// assert_eq!((Notify::FAILURE | Notify::DELAY).to_string(), "FAILURE,DELAY");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notify(u8);

impl Notify {
    /// Report nothing.
    pub const NEVER: Notify = Notify(0);
    /// Report a delivery.
    pub const SUCCESS: Notify = Notify(1);
    /// Report that delivery failed.
    pub const FAILURE: Notify = Notify(2);
    /// Report that delivery takes longer than usual.
    pub const DELAY: Notify = Notify(4);

    /// Whether all conditions of `other` are among these.
    pub fn contains(self, other: Notify) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Notify {
    type Output = Notify;

    fn bitor(self, other: Notify) -> Notify {
        Notify(self.0 | other.0)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Notify::NEVER {
            return f.write_str("NEVER");
        }
        let mut separator = "";
        for (condition, name) in
            [(Self::SUCCESS, "SUCCESS"), (Self::FAILURE, "FAILURE"), (Self::DELAY, "DELAY")]
        {
            if self.contains(condition) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// Encodes ASCII text as xtext (RFC 3461 §4): `+`, `=`, space and whatever is
/// not printable become `+` and two upper-case hexadecimal digits.
pub(crate) fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'+' && byte != b'=' => out.push(char::from(byte)),
            _ => push_fmt(&mut out, format_args!("+{byte:02X}")),
        }
    }
    out
}

/// Encodes an internationalised address in ASCII (`utf-8-addr-xtext`, RFC 6533
/// §3): what xtext would encode becomes `\x{HEX}`.
pub(crate) fn unicode_xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '!'..='~' if !matches!(c, '+' | '=' | '\\') => out.push(c),
            _ => push_fmt(&mut out, format_args!("\\x{{{:02X}}}", u32::from(c))),
        }
    }
    out
}

fn push_fmt(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String never fails");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_join_and_never_gives_way() {
        assert_eq!(Notify::NEVER.to_string(), "NEVER");
        assert_eq!((Notify::NEVER | Notify::DELAY).to_string(), "DELAY");
        assert!((Notify::SUCCESS | Notify::DELAY).contains(Notify::DELAY));
        assert!(!Notify::SUCCESS.contains(Notify::DELAY));
    }

    #[test]
    fn unicode_xtext_is_ascii() {
        assert_eq!(unicode_xtext("a+\u{fc}\\"), "a\\x{2B}\\x{FC}\\x{5C}");
    }

    proptest! {
        #[test]
        fn xtext_is_printable_without_specials_and_decodes_to_its_input(text in "[ -~]{0,60}") {
            let encoded = xtext(&text);
            prop_assert!(encoded.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'='));
            let mut decoded = Vec::new();
            let mut bytes = encoded.bytes();
            while let Some(byte) = bytes.next() {
                decoded.push(if byte == b'+' {
                    let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                } else { byte });
            }
            prop_assert_eq!(decoded, text.into_bytes());
        }
    }
}
