//! A run: starts the server and the long path, gives every client its turns,
//! and prints what came of it.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use crate::Options;
use crate::job::{Answer, HOST, Job, PASSWORD, RECIPIENT, SENDER, USER};
use crate::plan::{Program, ROUND_TRIP, Row, Size, TABLES, Table};
use crate::table::{Results, machine, verdicts};

type Failure = Box<dyn Error>;

/// The scripts and the shim.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let begin = Instant::now();
    let bench = Bench::start(options)?;
    println!("{}", machine(bench.pins));
    for missing in bench.missing() {
        println!("left out: {missing}");
    }
    let mut goals = Vec::new();
    for table in TABLES {
        if options.tables.is_empty() || options.tables.iter().any(|name| name == table.name) {
            let results = bench.measure(table)?;
            println!("\n{results}");
            goals.extend(verdicts(&results));
        }
    }
    println!("\n### Goals\n");
    goals.iter().for_each(|goal| println!("- {goal}"));
    println!("\n{} s in all", begin.elapsed().as_secs());
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    server: Helper,
    path: Helper,
    port: u16,
    far_port: u16,
    ca: PathBuf,
    folder: PathBuf,
    /// Whether clients and server each have a processor of their own.
    pins: bool,
}

impl<'a> Bench<'a> {
    fn start(options: &'a Options) -> Result<Self, Failure> {
        let folder = std::env::current_exe()?.with_file_name("bench-files");
        fs::create_dir_all(&folder)?;
        for size in [Size::Small, Size::Large] {
            fs::write(message_file(&folder, size), message(size.bytes()))?;
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let pins = processors > 1 && command(false, "taskset", 0).arg("-V").output().is_ok();
        let this = std::env::current_exe()?;

        let mut server = Helper::start(command(pins, &this, 1).arg("serve"))?;
        let listening: serde_json::Value = serde_json::from_str(&server.line()?)?;
        let port: u16 = listening["port"].as_u64().ok_or("the server names no port")?.try_into()?;
        let ca = folder.join("ca.pem");
        fs::write(&ca, listening["ca"].as_str().ok_or("the server has no certificate")?)?;

        let one_way = (ROUND_TRIP / 2).as_millis().to_string();
        let delay = ["delay".to_owned(), port.to_string(), one_way];
        let mut path = Helper::start(command(pins, &this, 1).args(delay))?;
        let far_port = path.line()?.trim().parse()?;
        Ok(Bench { options, server, path, port, far_port, ca, folder, pins })
    }

    /// What cannot be run here, and why.
    fn missing(&self) -> Vec<&'static str> {
        let options = self.options;
        [
            (options.python.is_none(), "smtplib and aiosmtplib: there is no Python for them"),
            (options.node_modules.is_none(), "nodemailer: it is not installed"),
            (options.nodelay.is_none(), "the peers with NODELAY: it can be forced on Linux only"),
        ]
        .into_iter()
        .filter_map(|(missing, text)| missing.then_some(text))
        .collect()
    }

    fn measure(&self, table: &'static Table) -> Result<Results, Failure> {
        let mut results = Results::new(table);
        for round in 0..self.options.rounds {
            for (index, row) in table.rows.iter().enumerate() {
                let chosen = self.options.only.is_empty()
                    || self.options.only.iter().any(|text| row.label.contains(text.as_str()));
                if !chosen {
                    continue;
                }
                let Some(command) = self.client(row) else { continue };
                eprint!("\r\x1b[K{}: round {}: {}", table.name, round + 1, row.label);
                let answer = self.turn(table, row, command)?;
                results.add(index, answer);
            }
        }
        eprint!("\r\x1b[K");
        Ok(results)
    }

    /// One turn of one client; checks that the server got what it says it sent.
    fn turn(&self, table: &Table, row: &Row, mut command: Command) -> Result<Answer, Failure> {
        let job = Job {
            how: row.how.to_owned(),
            host: HOST.to_owned(),
            port: if table.far { self.far_port } else { self.port },
            ca: self.ca.clone(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            sender: SENDER.to_owned(),
            recipient: RECIPIENT.to_owned(),
            message: message_file(&self.folder, table.size),
            warm: (0.2 * table.seconds * self.options.time).max(0.2),
            seconds: table.seconds * self.options.time,
            connections: table.connections,
        };
        let output = command.arg(serde_json::to_string(&job)?).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{}: {}", row.label, output.status).into());
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)?;
        let received: u64 = self.server.ask()?.trim().parse()?;
        if received != answer.total {
            let text = format!("{} sent {}, {received} arrived", row.label, answer.total);
            return Err(text.into());
        }
        Ok(answer)
    }

    /// The command of a client, but for its job.
    fn client(&self, row: &Row) -> Option<Command> {
        let script = |name| Path::new(SCRIPTS).join(name);
        let rust = |name: &str| -> Option<Command> {
            let mut client = command(self.pins, std::env::current_exe().ok()?, 0);
            client.arg("peer").arg(name);
            Some(client)
        };
        match row.program {
            Program::Wire => rust("wire"),
            Program::Everpost => rust("everpost"),
            Program::Rust(name) => rust(name),
            Program::RustNodelay(name) => {
                let shim = self.options.nodelay.as_ref()?;
                let mut client = rust(name)?;
                client.env("LD_PRELOAD", shim);
                Some(client)
            }
            Program::Python(name) => {
                let mut client = command(self.pins, self.options.python.as_ref()?, 0);
                client.arg(script(name));
                Some(client)
            }
            Program::Node(name) => {
                let mut client = command(self.pins, "node", 0);
                client.arg(script(name)).env("BENCH_MODULES", self.options.node_modules.as_ref()?);
                Some(client)
            }
        }
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        self.path.end();
        self.server.end();
    }
}

/// A program on a processor of its own, where that can be had.
fn command(pins: bool, program: impl AsRef<OsStr>, processor: usize) -> Command {
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
