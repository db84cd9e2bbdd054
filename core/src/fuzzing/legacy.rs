//! What a server of old shows in its handshake.

use crate::probe::legacy::{LegacyFacts, Reader};

/// The first byte gives the size of the pieces, the rest is what the server
/// sends. Holds:
///
/// - what is read does not depend on how it is split;
/// - a chain is within its limits and came from the input;
/// - what is shown has no control characters and is short.
pub fn legacy(mut data: &[u8]) {
    let step = super::choice(&mut data).max(1);
    let whole = read(data, data.len().max(1));
    assert_eq!(read(data, step), whole, "in pieces of {step}");
    assert_eq!(read(data, 1), whole, "byte by byte");
    let shown = match &whole {
        Ok(facts) => {
            assert!(facts.chain.len() <= 100);
            let size: usize = facts.chain.iter().chain(&facts.staple).map(Vec::len).sum();
            assert!(size < data.len());
            &facts.cipher
        }
        Err(error) => error,
    };
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!((1..600).contains(&shown.len()), "{shown:?}");
}

fn read(data: &[u8], step: usize) -> Result<LegacyFacts, String> {
    let mut reader = Reader::default();
    for piece in data.chunks(step) {
        match reader.feed(piece) {
            Ok(None) => {}
            Ok(Some(facts)) => return Ok(facts),
            Err(error) => return Err(error.to_string()),
        }
    }
    reader.end().map_err(|error| error.to_string())
}
