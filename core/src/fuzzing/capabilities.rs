//! What a server says it can do.

use crate::smtp::Capabilities;
use crate::smtp::reply::ReplyParser;

/// The lines of an EHLO reply, without codes. Holds:
///
/// - every extension kept has a keyword in upper case without spaces;
/// - the first line is never an extension;
/// - what is understood, said again in the plainest form, is understood the
///   same;
/// - no mechanism counts twice, and what is shown has no control characters.
pub fn capabilities(data: &[u8]) {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').take(120).collect();
    let Some(said) = ehlo(&lines) else { return };
    for (keyword, parameters) in said.iter() {
        assert!(!keyword.is_empty() && !keyword.contains([' ', '=']), "{keyword:?}");
        assert_eq!(keyword, keyword.to_ascii_uppercase());
        assert!(said.get(keyword).is_some());
        assert_eq!(parameters, parameters.trim_matches([' ', '=']));
    }
    assert!(said.iter().count() < lines.len(), "the first line is a name");

    let again: Vec<String> = std::iter::once(said.domain().to_owned())
        .chain(said.iter().map(|(keyword, parameters)| format!("{keyword} {parameters}")))
        .collect();
    let again: Vec<_> = again.iter().map(String::as_bytes).collect();
    assert_eq!(ehlo(&again).as_ref(), Some(&said));

    let known = said.auth();
    assert!(known.iter().enumerate().all(|(at, mechanism)| !known[..at].contains(mechanism)));
    assert!(known.len() <= said.auth_names().count());
    assert!(said.max_size().is_none_or(|size| size > 0 && said.size()));
    assert!(!said.to_string().chars().any(char::is_control));
}

/// `None` if the lines make no reply.
fn ehlo(lines: &[&[u8]]) -> Option<Capabilities> {
    let mut wire = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let separator = if index + 1 == lines.len() { ' ' } else { '-' };
        wire.extend_from_slice(format!("250{separator}").as_bytes());
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    let (_, reply) = ReplyParser::new().feed(&wire).ok()?;
    Some(Capabilities::from_reply(&reply?))
}
