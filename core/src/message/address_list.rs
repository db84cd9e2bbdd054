//! The address lists of From, To, Cc and Bcc (RFC 5322 §3.4).
//!
//! The parser is one pass without backtracking; it knows groups, comments,
//! quoted strings, domain literals, folding, obsolete routes and empty list
//! elements. It guesses nothing: what it cannot read is an error, for an
//! address guessed wrongly is mail to a stranger.

use super::{Address, Mailbox};

/// Reads an `address-list` (RFC 5322 §3.4); groups are dissolved. The names
/// are as written: encoded words stay encoded.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Mailbox>, String> {
    let mut parser = Parser { text, at: 0, found: Vec::new(), in_group: false };
    parser.list()?;
    Ok(parser.found)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Mailbox>,
    in_group: bool,
}

/// One list element while it is read.
#[derive(Default)]
struct Element {
    /// The words as a display name.
    phrase: String,
    /// The words as an addr-spec, white space and comments left out.
    spec: String,
    /// White space stood between two words, so `spec` is no address.
    is_broken: bool,
    /// White space was just read.
    after_space: bool,
    /// What stood in angle brackets.
    angle: Option<Address>,
}

impl Element {
    fn word(&mut self, as_written: &str, as_shown: &str) {
        let touches = |c: Option<char>| matches!(c, Some('.' | '@'));
        if std::mem::take(&mut self.after_space) && !self.spec.is_empty() {
            self.phrase.push(' ');
            self.is_broken |=
                !touches(self.spec.chars().next_back()) && !touches(as_written.chars().next());
        }
        self.spec.push_str(as_written);
        self.phrase.push_str(as_shown);
    }
}

impl Parser<'_> {
    fn list(&mut self) -> Result<(), String> {
        let mut element = Element::default();
        while let Some(c) = self.text[self.at..].chars().next() {
            match c {
                ' ' | '\t' | '\r' | '\n' => {
                    self.at += 1;
                    element.after_space = true;
                }
                '(' => {
                    self.comment()?;
                    element.after_space = true;
                }
                ',' => {
                    self.at += 1;
                    self.finish(std::mem::take(&mut element))?;
                }
                ':' => {
                    if self.in_group || element.angle.is_some() || element.phrase.is_empty() {
                        return Err("a colon stands where no group begins".into());
                    }
                    self.at += 1;
                    self.in_group = true;
                    element = Element::default();
                }
                ';' => {
                    if !self.in_group {
                        return Err(
                            "a semicolon ends no group; addresses are separated by commas".into()
                        );
                    }
                    self.at += 1;
                    self.finish(std::mem::take(&mut element))?;
                    self.in_group = false;
                }
                _ if element.angle.is_some() => {
                    return Err("text follows the address in angle brackets".into());
                }
                '<' => element.angle = Some(self.angle()?),
                '"' => {
                    let (written, shown) = self.quoted()?;
                    element.word(&written, &shown);
                }
                '[' => {
                    let literal = self.until(']', "an address literal")?;
                    element.word(&literal, &literal);
                }
                '>' | ')' | ']' => return Err(format!("a {c} closes nothing")),
                _ => {
                    let word = self.atoms();
                    element.word(&word, &word);
                }
            }
        }
        if self.in_group {
            return Err("a group has no semicolon at its end".into());
        }
        self.finish(element)
    }

    fn finish(&mut self, element: Element) -> Result<(), String> {
        let Element { phrase, spec, is_broken, angle, .. } = element;
        let mailbox = match angle {
            Some(address) => Mailbox::unchecked((!phrase.is_empty()).then_some(phrase), address),
            None if spec.is_empty() => return Ok(()),
            None if is_broken => {
                return Err(format!("{:?} has a name but no <address>", cut(&phrase)));
            }
            None => Mailbox::from(address(spec)?),
        };
        self.found.push(mailbox);
        Ok(())
    }

    /// Skips a comment; comments nest.
    fn comment(&mut self) -> Result<(), String> {
        let mut depth = 0usize;
        let mut escaped = false;
        for (offset, byte) in self.text.as_bytes()[self.at..].iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at += offset + 1;
                return Ok(());
            }
        }
        Err("a comment has no closing parenthesis".into())
    }

    /// A quoted string, as written (unfolded) and as shown.
    fn quoted(&mut self) -> Result<(String, String), String> {
        let mut written = String::from('"');
        let mut shown = String::new();
        let mut escaped = false;
        for (offset, c) in self.text[self.at..].char_indices().skip(1) {
            match c {
                '\r' | '\n' => continue,
                _ if escaped => {
                    shown.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    written.push('"');
                    self.at += offset + 1;
                    return Ok((written, shown));
                }
                _ => shown.push(c),
            }
            written.push(c);
        }
        Err("a quoted string has no closing quote".into())
    }

    /// The address in angle brackets; an obsolete route before it is dropped
    /// (RFC 5321 §4.1.2: it is to be ignored).
    fn angle(&mut self) -> Result<Address, String> {
        self.at += 1;
        let rest = &self.text[self.at..];
        if rest.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('@') {
            self.at += rest.find(':').ok_or("a route has no colon at its end")? + 1;
        }
        let mut element = Element::default();
        while let Some(c) = self.text[self.at..].chars().next() {
            match c {
                ' ' | '\t' | '\r' | '\n' => {
                    self.at += 1;
                    element.after_space = true;
                }
                '(' => {
                    self.comment()?;
                    element.after_space = true;
                }
                '"' => {
                    let (written, shown) = self.quoted()?;
                    element.word(&written, &shown);
                }
                '[' => {
                    let literal = self.until(']', "an address literal")?;
                    element.word(&literal, &literal);
                }
                '>' if element.is_broken => {
                    return Err("an address in angle brackets holds a space".into());
                }
                '>' => {
                    self.at += 1;
                    return address(element.spec);
                }
                '<' | ',' | ':' | ';' | ')' | ']' => {
                    return Err(format!("an address in angle brackets holds a {c}"));
                }
                _ => {
                    let word = self.atoms();
                    element.word(&word, &word);
                }
            }
        }
        Err("an angle bracket is not closed".into())
    }

    fn until(&mut self, end: char, what: &str) -> Result<String, String> {
        let rest = &self.text[self.at..];
        let length = rest.find(end).ok_or_else(|| format!("{what} has no closing {end}"))? + 1;
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn atoms(&mut self) -> String {
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(ends_atoms).unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_owned()
    }
}

fn ends_atoms(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b'<' | b'>')
        || matches!(byte, b'[' | b']' | b':' | b';' | b',' | b'"')
}

fn address(spec: String) -> Result<Address, String> {
    Address::new(spec).map_err(|error| error.message_text().to_owned())
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<String> {
        parse_list(text).unwrap().iter().map(|m| m.address().to_string()).collect()
    }

    #[test]
    fn lists_as_mail_programs_write_them_are_read() {
        for (text, expected) in [
            ("ann@example.org", &["ann@example.org"][..]),
            (" ann@example.org , bob@example.com ", &["ann@example.org", "bob@example.com"]),
            ("Ann <ann@example.org>, \"Bob, B.\" <bob@x.y>", &["ann@example.org", "bob@x.y"]),
            ("Dr. Ann O. Smith <ann@example.org>", &["ann@example.org"]),
            ("=?utf-8?q?J=C3=BCrgen?= <j@example.org>", &["j@example.org"]),
            ("Jürgen <j@example.org>", &["j@example.org"]),
            ("ann@example.org (Ann (the (first)) \\) yes)", &["ann@example.org"]),
            ("(c) ann (c) @ (c) example.org (c)", &["ann@example.org"]),
            ("Ann\r\n <ann@example.org>,\r\n\tbob@x.y", &["ann@example.org", "bob@x.y"]),
            ("undisclosed-recipients:;", &[]),
            ("Team: a@x.y, B <b@x.y>;, c@x.y", &["a@x.y", "b@x.y", "c@x.y"]),
            ("a@x.y, , b@x.y,", &["a@x.y", "b@x.y"]),
            ("", &[]),
            ("<@r1.example,@r2.example:joe@x.y>", &["joe@x.y"]),
            (
                "joe@[192.0.2.1], J <j@[IPv6:2001:db8::1]>",
                &["joe@[192.0.2.1]", "j@[IPv6:2001:db8::1]"],
            ),
            (r#""a, b \"c\""@x.y"#, &[r#""a, b \"c\""@x.y"#]),
            ("<ann @ example.org>", &["ann@example.org"]),
        ] {
            assert_eq!(list(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_a_guess() {
        for text in [
            "ann",
            "Ann ann@example.org",
            "ann@example.org bob@x.y",
            "Ann <ann@example.org",
            "Ann <ann@example.org> junk",
            "Ann <a b@example.org>",
            "Ann <ann@example.org, bob@x.y>",
            "<>",
            "a@x.y; b@x.y",
            "Team: a@x.y",
            "Team: Inner: a@x.y;;",
            ": a@x.y;",
            "(open a@x.y",
            "\"open a@x.y",
            "a@[192.0.2.1",
            "a@x.y>",
            "a)@x.y",
            "<@route joe@x.y>",
            "a\0b@x.y",
        ] {
            assert!(parse_list(text).is_err(), "{text:?}: {:?}", parse_list(text));
        }
    }

    #[test]
    fn deep_nesting_and_long_lists_take_linear_time_and_no_stack() {
        let nested = format!("{}{} a@x.y", "(".repeat(200_000), ")".repeat(200_000));
        assert_eq!(list(&nested), ["a@x.y"]);
        let long = vec!["Someone \"x\" <a@x.y>"; 50_000].join(", ");
        assert_eq!(list(&long).len(), 50_000);
        assert!(parse_list(&"\"".repeat(400_001)).is_err());
        assert!(parse_list(&"<".repeat(400_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_list_panics(text in "[a@<>()\\[\\]\"\\\\:;, .\r\né]{0,40}") {
            let _ = parse_list(&text);
        }
    }
}
