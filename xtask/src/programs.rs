//! The example programs are run against a rehearsal server, as a reader of the
//! README would run them against a real one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::command::{Failure, cargo, hasty_cargo, run};
use crate::root;

/// Where the server's root certificate goes, from the root of the workspace.
const TRUST: &str = "target/xtask/ca.pem";

pub(crate) fn check() -> Result<(), Failure> {
    let folder = root().join("target/xtask");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // As the unit tests build them: once.
    let build = ["build", "--workspace", "--all-features"];
    run(cargo(&[&build[..], &["--example", "send", "--example", "events"]].concat()))?;
    let mut server =
        hasty_cargo(&["run", "--release", "-p", "everpost-cli", "--", "rehearse", "--serve"]);
    server.args(["--user", "app", "--password", "secret", "--ca-out", TRUST]);
    let spawned = server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut server = spawned.map_err(|error| format!("the server cannot be started: {error}"))?;
    let result = listening(&mut server).and_then(|address| {
        let port = address.rsplit(':').next().unwrap_or_default();
        let url = format!("smtps://app:secret@localhost:{port}?trust={TRUST}");
        ["send", "events"].into_iter().try_for_each(|example| {
            let example =
                format!("target/debug/examples/{example}{}", std::env::consts::EXE_SUFFIX);
            let mut command = Command::new(root().join(example));
            command.env("EVERPOST_URL", &url).current_dir(root());
            run(command)
        })
    });
    // The server ends with its input.
    drop(server.stdin.take());
    let ended = server.wait().map_err(|error| format!("the server does not end: {error}"))?;
    result?;
    if ended.success() { Ok(()) } else { Err(format!("the server ended with {ended}")) }
}

/// Where the server listens with implicit TLS: it says so in its first line.
fn listening(server: &mut Child) -> Result<String, Failure> {
    let output = server.stdout.take().ok_or("the server has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).map_err(|error| format!("the server: {error}"))?;
    address(&line).map(str::to_owned).ok_or_else(|| format!("the server does not listen: {line:?}"))
}

pub(crate) fn address(line: &str) -> Option<&str> {
    line.split_once("\"implicit\":\"")?.1.split_once('"').map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_what_the_server_says_first() {
        let line = r#"{"event":"listening","implicit":"127.0.0.1:4465","plain":"127.0.0.1:4025"}"#;
        assert_eq!(address(line), Some("127.0.0.1:4465"));
        assert_eq!(address("error: no"), None);
    }
}
