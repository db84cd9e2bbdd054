//! Running the binary.

use std::process::{Output, Stdio};

use everpost_rehearsal::Rehearsal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A password that must never be seen.
pub(crate) const PASSWORD: &str = "p4ss-w0rd/§";

/// The binary, without anything of this environment that it would read.
pub(crate) fn everpost(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_everpost"));
    for name in ["EVERPOST_URL", "EVERPOST_PASSWORD", "EVERPOST_LOG"] {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a run left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The last line of standard output.
    pub(crate) fn json(&self) -> Value {
        let line =
            self.stdout.lines().last().unwrap_or_else(|| panic!("no output: {}", self.stderr));
        serde_json::from_str(line).unwrap()
    }

    /// Fails if the password is anywhere.
    pub(crate) fn keeps_secrets(self) -> Self {
        for text in [&self.stdout, &self.stderr] {
            assert!(!text.contains(PASSWORD) && !text.contains("p4ss"), "{text}");
        }
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) async fn run(args: &[&str]) -> Run {
    everpost(args).output().await.unwrap().into()
}

/// Runs with this on standard input.
pub(crate) async fn run_with(args: &[&str], input: &str) -> Run {
    let mut command = everpost(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that is wrong ends without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    child.wait_with_output().await.unwrap().into()
}

/// A server with a login, and files to reach it with.
pub(crate) struct World {
    pub(crate) server: Rehearsal,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = Rehearsal::builder().credentials("app", PASSWORD).start().await.unwrap();
        let world = World { server, folder: tempfile::tempdir().unwrap() };
        world.file("ca.pem", world.server.ca_pem().as_bytes());
        world.file("password", format!("{PASSWORD}\nanother line\n").as_bytes());
        world
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn port(&self) -> String {
        self.server.implicit_addr().port().to_string()
    }

    /// Runs `send` to the server with trust and login, and these options.
    pub(crate) async fn send(&self, more: &[&str]) -> Run {
        let (port, trust, password) = (self.port(), self.path("ca.pem"), self.path("password"));
        let options = [
            "send",
            "--host",
            "localhost",
            "--port",
            &port,
            "--tls",
            "implicit",
            "--trust",
            &trust,
            "--user",
            "app",
            "--password-file",
            &password,
        ];
        run(&[&options, more].concat()).await.keeps_secrets()
    }

    /// The only message that was received.
    pub(crate) fn only(&self) -> String {
        let mut received = self.server.received();
        assert_eq!(received.len(), 1);
        String::from_utf8(received.pop().unwrap().data.to_vec()).unwrap()
    }
}
