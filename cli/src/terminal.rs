//! What the other end of an output stream can show.

use std::ffi::OsString;
use std::io::IsTerminal;

/// Whether lines may be redrawn: a terminal that knows ANSI sequences.
pub(crate) fn animates(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && knows_ansi(|name| std::env::var_os(name))
}

/// Whether text may be coloured, which NO_COLOR forbids.
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    animates(stream) && !forbidden
}

/// Everywhere but on Windows a terminal does unless it says that it is dumb;
/// there only those that say so do without being set up first.
fn knows_ansi(env: impl Fn(&str) -> Option<OsString>) -> bool {
    match env("TERM") {
        Some(term) => term != "dumb",
        None if cfg!(windows) => env("WT_SESSION").is_some() || env("ANSICON").is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_gets_plain_lines() {
        let term = |value: &'static str| knows_ansi(move |_| Some(value.into()));
        assert!(term("xterm-256color"));
        assert!(!term("dumb"));
        assert!(cfg!(windows) || !knows_ansi(|_| None));
    }
}
