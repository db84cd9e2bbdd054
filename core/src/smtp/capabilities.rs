//! What a server says it can do, in answer to EHLO (RFC 5321 §4.1.1.1).

use std::fmt;

use super::Reply;
use super::auth::Mechanism;

/// The service extensions of one EHLO reply.
///
/// Those that Everpost knows have an accessor; all of them, known or not, are
/// kept and can be asked for by keyword.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    domain: String,
    extensions: Vec<(String, String)>,
}

impl Capabilities {
    /// Reads the reply to EHLO: the server's name, then one extension a line.
    pub(crate) fn from_reply(reply: &Reply) -> Self {
        let mut lines = reply.lines().iter();
        let domain = lines.next().and_then(|line| line.split(' ').next()).unwrap_or("").to_owned();
        let extensions = lines
            .filter_map(|line| {
                // `AUTH=PLAIN` is what some servers say beside `AUTH PLAIN`,
                // for clients from before RFC 2554.
                let end = line.find([' ', '=']).unwrap_or(line.len());
                let (keyword, rest) = line.split_at(end);
                let parameters = rest.trim_matches([' ', '=']).to_owned();
                (!keyword.is_empty()).then(|| (keyword.to_ascii_uppercase(), parameters))
            })
            .collect();
        Capabilities { domain, extensions }
    }

    /// The capabilities of a server that only knows HELO: none.
    pub(crate) fn none(domain: &str) -> Self {
        Capabilities { domain: domain.to_owned(), extensions: Vec::new() }
    }

    /// The name by which the server introduced itself.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Every extension with its parameters, in the server's order, keywords in
    /// upper case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.extensions.iter().map(|(keyword, parameters)| (&**keyword, &**parameters))
    }

    /// The parameters of an extension, by its keyword in upper case; `""` if
    /// it has none, `None` if it is not offered.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == keyword).map(|(_, parameters)| parameters)
    }

    fn offers(&self, keyword: &str) -> bool {
        self.get(keyword).is_some()
    }

    /// STARTTLS (RFC 3207).
    pub fn starttls(&self) -> bool {
        self.offers("STARTTLS")
    }

    /// PIPELINING (RFC 2920): commands may be sent without waiting.
    pub fn pipelining(&self) -> bool {
        self.offers("PIPELINING")
    }

    /// CHUNKING (RFC 3030): BDAT may be used instead of DATA.
    pub fn chunking(&self) -> bool {
        self.offers("CHUNKING")
    }

    /// BINARYMIME (RFC 3030).
    pub fn binary_mime(&self) -> bool {
        self.offers("BINARYMIME")
    }

    /// 8BITMIME (RFC 6152).
    pub fn eight_bit_mime(&self) -> bool {
        self.offers("8BITMIME")
    }

    /// SMTPUTF8 (RFC 6531): addresses and headers may be UTF-8.
    pub fn smtputf8(&self) -> bool {
        self.offers("SMTPUTF8")
    }

    /// DSN (RFC 3461): delivery status notifications can be asked for.
    pub fn dsn(&self) -> bool {
        self.offers("DSN")
    }

    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub fn enhanced_status_codes(&self) -> bool {
        self.offers("ENHANCEDSTATUSCODES")
    }

    /// REQUIRETLS (RFC 8689).
    pub fn require_tls(&self) -> bool {
        self.offers("REQUIRETLS")
    }

    /// SIZE (RFC 1870): whether messages may be declared with their size.
    pub fn size(&self) -> bool {
        self.offers("SIZE")
    }

    /// The largest message in bytes that the server says it takes; `None` if
    /// it does not say, or says 0, which means the same.
    pub fn max_size(&self) -> Option<u64> {
        let declared = self.get("SIZE")?.split(' ').next()?;
        declared.parse().ok().filter(|size| *size > 0)
    }

    /// The SASL mechanisms of AUTH (RFC 4954) by name, in the server's order.
    pub fn auth_names(&self) -> impl Iterator<Item = &str> {
        let lists = self.iter().filter(|(keyword, _)| *keyword == "AUTH");
        lists.flat_map(|(_, names)| names.split(' ').filter(|name| !name.is_empty()))
    }

    /// Those of [`auth_names`](Self::auth_names) that Everpost knows, each
    /// once.
    pub fn auth(&self) -> Vec<Mechanism> {
        let mut known = Vec::new();
        for mechanism in self.auth_names().filter_map(|name| name.parse().ok()) {
            if !known.contains(&mechanism) {
                known.push(mechanism);
            }
        }
        known
    }
}

/// The keywords with their parameters, separated by commas.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (keyword, parameters)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let space = if parameters.is_empty() { "" } else { " " };
            write!(f, "{comma}{}{space}{}", keyword.escape_debug(), parameters.escape_debug())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::reply;
    use super::*;

    #[test]
    fn every_extension_is_kept_and_the_known_ones_are_understood() {
        let capabilities = Capabilities::from_reply(&reply(
            "250-mx.example.org greets you\n250-pipelining\n250-SIZE 52428800\n250-8BITMIME\n\
             250-SMTPUTF8\n250-DSN\n250-ENHANCEDSTATUSCODES\n250-CHUNKING\n250-BINARYMIME\n\
             250-REQUIRETLS\n250-STARTTLS\n250-X-ODD one two\n250 AUTH PLAIN  LOGIN NTLM",
        ));
        assert_eq!(capabilities.domain(), "mx.example.org");
        assert!(capabilities.pipelining() && capabilities.chunking());
        assert!(capabilities.eight_bit_mime() && capabilities.binary_mime());
        assert!(capabilities.smtputf8() && capabilities.dsn() && capabilities.require_tls());
        assert!(capabilities.enhanced_status_codes() && capabilities.starttls());
        assert_eq!(capabilities.max_size(), Some(52_428_800));
        assert_eq!(capabilities.get("X-ODD"), Some("one two"));
        assert_eq!(capabilities.get("ETRN"), None);
        assert_eq!(capabilities.auth_names().collect::<Vec<_>>(), ["PLAIN", "LOGIN", "NTLM"]);
    }

    #[test]
    fn a_size_that_says_nothing_is_no_limit() {
        for size in ["SIZE", "SIZE 0", "SIZE many", "SIZE 99999999999999999999999"] {
            let capabilities = Capabilities::from_reply(&reply(&format!("250-mx\n250 {size}")));
            assert!(capabilities.size());
            assert_eq!(capabilities.max_size(), None, "{size}");
        }
    }

    #[test]
    fn auth_in_the_old_style_counts_too_and_nothing_counts_twice() {
        let reply = reply("250-mx\n250-AUTH=LOGIN PLAIN\n250 AUTH PLAIN XOAUTH2");
        let capabilities = Capabilities::from_reply(&reply);
        let expected = [Mechanism::Login, Mechanism::Plain, Mechanism::XOAuth2];
        assert_eq!(capabilities.auth(), expected);
    }

    #[test]
    fn the_first_line_is_never_an_extension() {
        let capabilities = Capabilities::from_reply(&reply("250 STARTTLS"));
        assert!(!capabilities.starttls());
    }
}
