//! What every run of clients stands on: the server, a processor for each side,
//! the messages, and one client's turn.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::job::{Answer, HOST, Job, PASSWORD, RECIPIENT, SENDER, USER};
use crate::plan::Size;

pub(crate) type Failure = Box<dyn Error>;

/// The server and what clients need to know of it.
pub(crate) struct Ground {
    server: Helper,
    pub(crate) port: u16,
    ca: PathBuf,
    folder: PathBuf,
    /// Whether clients and server each have a processor of their own.
    pub(crate) pins: bool,
}

impl Ground {
    pub(crate) fn start() -> Result<Self, Failure> {
        let folder = std::env::current_exe()?.with_file_name("bench-files");
        fs::create_dir_all(&folder)?;
        for size in [Size::Small, Size::Large] {
            fs::write(message_file(&folder, size), message(size.bytes()))?;
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let pins = processors > 1 && command(false, "taskset", 0).arg("-V").output().is_ok();

        let mut server = Helper::start(command(pins, std::env::current_exe()?, 1).arg("serve"))?;
        let listening: serde_json::Value = serde_json::from_str(&server.line()?)?;
        let port: u16 = listening["port"].as_u64().ok_or("the server names no port")?.try_into()?;
        let ca = folder.join("ca.pem");
        fs::write(&ca, listening["ca"].as_str().ok_or("the server has no certificate")?)?;
        Ok(Ground { server, port, ca, folder, pins })
    }

    /// A job of so many seconds, after a fifth of that, and at least 0.2 s, to
    /// warm up.
    pub(crate) fn job(&self, how: &str, size: Size, connections: usize, seconds: f64) -> Job {
        Job {
            how: how.to_owned(),
            host: HOST.to_owned(),
            port: self.port,
            ca: self.ca.clone(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            sender: SENDER.to_owned(),
            recipient: RECIPIENT.to_owned(),
            message: message_file(&self.folder, size),
            warm: (0.2 * seconds).max(0.2),
            seconds,
            connections,
        }
    }

    /// One turn of one client; checks that the server got what it says it sent.
    pub(crate) fn turn(
        &self,
        label: &str,
        job: &Job,
        mut client: Command,
    ) -> Result<Answer, Failure> {
        let output = client.arg(serde_json::to_string(job)?).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{label}: {}", output.status).into());
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)?;
        let received: u64 = self.server.ask()?.trim().parse()?;
        if received != answer.total {
            return Err(format!("{label} sent {}, {received} arrived", answer.total).into());
        }
        Ok(answer)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.server.end();
    }
}

/// A program on a processor of its own, where that can be had.
pub(crate) fn command(pins: bool, program: impl AsRef<OsStr>, processor: usize) -> Command {
    if !pins {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("-c").arg(processor.to_string()).arg(program);
    command
}

/// A message of about `bytes` bytes.
fn message(bytes: usize) -> String {
    let mut text = format!(
        "From: {SENDER}\r\nTo: {RECIPIENT}\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\n\
         Message-ID: <bench@example.org>\r\nSubject: Bench\r\n\r\n"
    );
    while text.len() < bytes {
        text.push_str(
            "The quick brown fox jumps over the lazy dog, once more for good measure.\r\n",
        );
    }
    text
}

fn message_file(folder: &Path, size: Size) -> PathBuf {
    folder.join(format!("{}.eml", size.bytes()))
}

/// A process that runs until its input ends.
pub(crate) struct Helper {
    child: Child,
    talk: std::cell::RefCell<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

impl Helper {
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("a helper has no output")?;
        Ok(Helper { child, talk: (input, BufReader::new(output)).into() })
    }

    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.talk.get_mut().1.read_line(&mut line)?;
        Ok(line)
    }

    pub(crate) fn ask(&self) -> Result<String, Failure> {
        let (input, output) = &mut *self.talk.borrow_mut();
        input.as_mut().ok_or("the server has ended")?.write_all(b"\n")?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(line)
    }

    pub(crate) fn end(&mut self) {
        drop(self.talk.get_mut().0.take());
        // It ends with its input; how does not matter any more.
        let _ = self.child.wait();
    }
}
