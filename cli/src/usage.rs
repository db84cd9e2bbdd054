//! How a wrong command line ends.
//!
//! `send` and `rehearse` exit with 2. The commands that judge servers exit as
//! the Nagios plugins do, where 2 means critical: for them a wrong command
//! line is 64 (EX_USAGE of sysexits), and 3 (unknown) where a plugin is asked
//! for.

use std::ffi::{OsStr, OsString};
use std::io;

use clap::Parser as _;

use crate::args::Args;
use crate::send::report::{WRONG, say};

/// EX_USAGE of sysexits.
pub(crate) const USAGE: u8 = 64;
/// What the Nagios plugins call unknown.
pub(crate) const UNKNOWN: u8 = 3;

/// The commands that exit as the Nagios plugins do.
const JUDGES: &[&str] = &["probe", "diagnose", "watch", "cert", "explain"];

/// Reads what stands after the name of the program; help, version and what is
/// wrong with it are said here.
pub(crate) fn parse(words: &[OsString]) -> Result<Args, u8> {
    let name = OsString::from("everpost");
    Args::try_parse_from(std::iter::once(&name).chain(words)).map_err(|error| {
        let code = code(words);
        if !error.use_stderr() {
            // Nobody may be there to read it.
            let _ = error.print();
            return 0;
        }
        if code == UNKNOWN {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            plugin(line.strip_prefix("error: ").unwrap_or(line));
        } else {
            let _ = error.print();
        }
        code
    })
}

/// Says what is wrong as a plugin does: in one line of standard output.
pub(crate) fn plugin(text: &str) {
    say(&mut io::stdout(), &format!("SMTP TLS UNKNOWN - {}", text.replace(['|', '\n'], "/")));
}

/// The exit code for a wrong command line.
fn code(words: &[OsString]) -> u8 {
    let command = words.iter().find(|word| !word.to_string_lossy().starts_with('-'));
    let judges = command.is_some_and(|it| JUDGES.iter().any(|name| OsStr::new(name) == it));
    let plugin = words.iter().any(|word| word == "--format=nagios")
        || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "nagios");
    match (judges, plugin) {
        (true, true) => UNKNOWN,
        (true, false) => USAGE,
        (false, _) => WRONG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_commands_that_judge_change_the_code_of_a_wrong_command_line() {
        let of = |line: &str| code(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("send --nonsense"), 2);
        assert_eq!(of("rehearse --nonsense probe"), 2);
        assert_eq!(of("--nonsense"), 2);
        assert_eq!(of("probe --nonsense"), 64);
        assert_eq!(of("-v cert show"), 64);
        assert_eq!(of("probe --format nagios --nonsense"), 3);
        assert_eq!(of("probe --format=nagios"), 3);
        assert_eq!(of("probe --format json nagios"), 64);
    }
}
