//! Commands, written in one place that refuses what could end a line early.

use crate::error::Error;

/// Appends a command line made of `parts` and CRLF.
///
/// # Errors
/// Refuses every control character in every part, so that no argument can
/// carry a second command (CR, LF) or confuse a server (NUL).
pub(crate) fn write(out: &mut Vec<u8>, parts: &[&str]) -> Result<(), Error> {
    let start = out.len();
    for part in parts {
        if let Some(byte) = part.bytes().find(|byte| *byte < 0x20 || *byte == 0x7f) {
            out.truncate(start);
            return Err(Error::message(format!(
                "the {} command would carry the control character 0x{byte:02x}",
                parts[0].split([' ', ':']).next().unwrap_or_default(),
            ))
            .with_hint("remove CR, LF, NUL and other control characters from the argument"));
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The arguments of MAIL (RFC 5321 §4.1.1.2 and the extensions' parameters).
#[derive(Debug, Default)]
pub(crate) struct Mail<'a> {
    /// Without angle brackets; empty for the null reverse-path.
    pub(crate) reverse_path: &'a str,
    /// SIZE (RFC 1870 §6): bytes with CRLF line ends, without dot-stuffing.
    pub(crate) size: Option<u64>,
    /// BODY=8BITMIME (RFC 6152).
    pub(crate) eight_bit: bool,
    /// SMTPUTF8 (RFC 6531 §3.4).
    pub(crate) smtputf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub(crate) require_tls: bool,
    /// RET (RFC 3461 §4.3): `FULL` or `HDRS`.
    pub(crate) ret: Option<&'a str>,
    /// ENVID (RFC 3461 §4.4), as xtext.
    pub(crate) envid: Option<&'a str>,
}

impl Mail<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let size = self.size.map(|size| format!(" SIZE={size}")).unwrap_or_default();
        let ret = self.ret.map(|ret| format!(" RET={ret}")).unwrap_or_default();
        let envid = self.envid.map(|envid| format!(" ENVID={envid}")).unwrap_or_default();
        write(
            out,
            &[
                "MAIL FROM:<",
                self.reverse_path,
                ">",
                &size,
                if self.eight_bit { " BODY=8BITMIME" } else { "" },
                if self.smtputf8 { " SMTPUTF8" } else { "" },
                if self.require_tls { " REQUIRETLS" } else { "" },
                &ret,
                &envid,
            ],
        )
    }
}

/// The arguments of RCPT (RFC 5321 §4.1.1.3).
#[derive(Debug, Default)]
pub(crate) struct Rcpt<'a> {
    /// Without angle brackets.
    pub(crate) forward_path: &'a str,
    /// NOTIFY (RFC 3461 §4.1).
    pub(crate) notify: Option<&'a str>,
    /// ORCPT (RFC 3461 §4.2), with its type and as xtext.
    pub(crate) orcpt: Option<&'a str>,
}

impl Rcpt<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let notify = self.notify.map(|notify| format!(" NOTIFY={notify}")).unwrap_or_default();
        let orcpt = self.orcpt.map(|orcpt| format!(" ORCPT={orcpt}")).unwrap_or_default();
        write(out, &["RCPT TO:<", self.forward_path, ">", &notify, &orcpt])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn mail_and_rcpt_carry_their_parameters() {
        let mut out = Vec::new();
        Mail {
            reverse_path: "a@b.example",
            size: Some(1000),
            eight_bit: true,
            smtputf8: true,
            require_tls: true,
            ret: Some("HDRS"),
            envid: Some("QQ314159"),
        }
        .write(&mut out)
        .unwrap();
        Mail::default().write(&mut out).unwrap();
        Rcpt { forward_path: "c@d", notify: Some("NEVER"), orcpt: Some("rfc822;c@d") }
            .write(&mut out)
            .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS \
             ENVID=QQ314159\r\nMAIL FROM:<>\r\nRCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d\r\n"
        );
    }

    #[test]
    fn control_characters_in_any_argument_are_refused() {
        for bad in ["a\r\nRSET", "a\n", "a\r", "a\0b", "a\u{7f}", "\u{1}"] {
            let mut out = b"before".to_vec();
            let errors = [
                write(&mut out, &["EHLO ", bad]).unwrap_err(),
                Mail { reverse_path: bad, ..Mail::default() }.write(&mut out).unwrap_err(),
                Mail { envid: Some(bad), ..Mail::default() }.write(&mut out).unwrap_err(),
                Rcpt { forward_path: bad, ..Rcpt::default() }.write(&mut out).unwrap_err(),
                Rcpt { orcpt: Some(bad), ..Rcpt::default() }.write(&mut out).unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.kind() == ErrorKind::InvalidMessage));
            assert_eq!(out, b"before", "nothing of a refused command is written");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_exactly_one_line(argument in ".{0,60}") {
            let mut out = Vec::new();
            if write(&mut out, &["EHLO ", &argument]).is_ok() {
                prop_assert!(out.ends_with(b"\r\n"));
                let inside = &out[..out.len() - 2];
                prop_assert!(!inside.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}
