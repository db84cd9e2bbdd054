//! The README's walk, as a reader would take it: start the server, probe it,
//! make its certificate expire, probe again, diagnose.
//!
//! The commands are those that the README shows, so that they cannot differ.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::command::{Failure, announce, hasty_cargo};

/// What the README shows.
pub(crate) struct Walk<'a> {
    /// Starts the server.
    pub(crate) serve: &'a str,
    /// Probes it.
    pub(crate) probe: &'a str,
    /// What is typed at the server to make its certificate expire.
    pub(crate) expire: &'a str,
    /// Finds it expired.
    pub(crate) diagnose: &'a str,
}

impl<'a> Walk<'a> {
    /// The walk, in the text of the README.
    pub(crate) fn find(readme: &'a str) -> Result<Self, Failure> {
        let line = |what: &str, wanted: &dyn Fn(&str) -> bool| {
            let found = readme.lines().find(|line| wanted(line));
            found.ok_or_else(|| format!("the README does not show {what}"))
        };
        let command = |line: &str, word: &str| line.starts_with("cargo run") && line.contains(word);
        let serve = line("a server to probe", &|line| {
            command(line, "-- rehearse --serve") && line.contains("--ca-out")
        })?;
        Ok(Walk {
            serve,
            probe: line("a probe", &|line| command(line, "-- probe "))?,
            expire: line("how the certificate expires", &|line| line.contains("\"expired\""))?,
            diagnose: line("a diagnosis", &|line| command(line, "-- diagnose "))?,
        })
    }

    /// Takes it.
    pub(crate) fn take(&self) -> Result<(), Failure> {
        let mut serve = read(self.serve);
        announce(&serve);
        let spawned = serve.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut server = spawned.map_err(|error| format!("{}: {error}", self.serve))?;
        let result = self.with(&mut server);
        // The server ends with its input.
        drop(server.stdin.take());
        let ended = server.wait().map_err(|error| format!("the server does not end: {error}"))?;
        match result {
            Ok(()) if ended.success() => Ok(()),
            Ok(()) => Err(format!("the server ended with {ended}")),
            Err(failure) => Err(format!("{failure} (the server ended with {ended})")),
        }
    }

    fn with(&self, server: &mut Child) -> Result<(), Failure> {
        let mut output = BufReader::new(server.stdout.take().ok_or("the server has no output")?);
        expect(&mut output, "\"listening\"")?;
        look(self.probe, 0, "healthy")?;
        let input = server.stdin.as_mut().ok_or("the server has no input")?;
        let typed = writeln!(input, "{}", self.expire).and_then(|()| input.flush());
        typed.map_err(|error| format!("the server takes no command: {error}"))?;
        expect(&mut output, "\"ok\":true")?;
        look(self.probe, 2, "expired")?;
        look(self.diagnose, 2, "cause:     certificate of localhost expired")
    }
}

/// Runs a command that must end with `code` and say `word`.
fn look(line: &str, code: i32, word: &str) -> Result<(), Failure> {
    let mut command = read(line);
    announce(&command);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{line}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    match output.status.code() {
        Some(found) if found == code && text.contains(word) => Ok(()),
        found => Err(format!("{line} ended with {found:?}, not with {code} and {word:?}")),
    }
}

fn read(line: &str) -> Command {
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    hasty_cargo(&words)
}

fn expect(output: &mut BufReader<ChildStdout>, text: &str) -> Result<(), Failure> {
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| format!("the server: {error}"))?;
    if line.contains(text) { Ok(()) } else { Err(format!("the server says {line:?}, not {text}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_is_what_the_readme_shows() {
        let readme = "cargo run -- rehearse --serve\ncargo run -- rehearse --serve --ca-out c\n\
                      everpost probe h\ncargo run -- probe h\n{\"do\":\"present\",\"chain\":\"expired\"}\n\
                      cargo run -- diagnose h\n";
        let walk = Walk::find(readme).unwrap();
        assert_eq!(walk.serve, "cargo run -- rehearse --serve --ca-out c");
        assert_eq!(walk.probe, "cargo run -- probe h");
        assert_eq!(walk.expire, "{\"do\":\"present\",\"chain\":\"expired\"}");
        assert_eq!(walk.diagnose, "cargo run -- diagnose h");
        assert!(Walk::find("cargo run -- probe h\n").is_err());
    }
}
