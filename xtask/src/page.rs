//! The status page of `everpost watch` in a real browser: Chromium without a
//! window and with scripts blocked loads it once a server has rotated.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{Failure, cargo, run, works};
use crate::programs::address;
use crate::root;

/// How a browser may be called.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];

/// How long the browser may take for a page.
const BROWSER_TIME: Duration = Duration::from_secs(120);

/// What must be in the document once a rotation has been seen.
const EXPECTED: &[&str] = &[
    "<h1>",
    "1 healthy",
    "<h2>127.0.0.1:",
    "<svg class=\"proportions\"",
    "<svg class=\"life\"",
    "<line class=\"now\"",
    "days left",
    "1 rotation, the last",
    "<svg class=\"timeline\"",
    "<span class=\"kind\">rotated</span>",
    "Everpost Rehearsal",
    "</html>",
];

pub(crate) fn check() -> Result<(), Failure> {
    let browser = browser()?;
    let folder = root().join("target/xtask/page");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    everpost()?;
    let ca = folder.join("ca.pem");
    let ca = ca.to_string_lossy();
    let mut server = Running::start(&["rehearse", "--serve", "--ca-out", &ca], Output::Standard)?;
    let line = server.line()?;
    let implicit = address(&line).ok_or_else(|| format!("the server does not listen: {line}"))?;
    let target = format!("smtps://{implicit}");
    let options = ["--trust", &ca, "--interval", "100ms", "--listen", "127.0.0.1:0", "--json"];
    let mut watch = Running::start(&[&["watch", &target], &options[..]].concat(), Output::Both)?;
    let page = watch.page()?;
    watch.until("\"first_seen\"")?;
    server.say("{\"do\":\"rotate\"}")?;
    watch.until("\"rotated\"")?;

    let profile = folder.join("profile");
    without_scripts(&browser, &profile)?;
    let dom = browse(&browser, &profile, &["--dump-dom", &page])?;
    let dom = String::from_utf8_lossy(&dom);
    for text in EXPECTED {
        if !dom.contains(text) {
            return Err(format!("the page lacks {text:?}:\n{dom}"));
        }
    }
    for (name, width) in [("wide", 1200), ("narrow", 500)] {
        picture(&browser, &profile, &page, &folder.join(format!("{name}.png")), width)?;
    }
    Ok(())
}

/// Makes a profile in which pages run no scripts, and makes sure of it.
fn without_scripts(browser: &str, profile: &Path) -> Result<(), Failure> {
    let folder = profile.join("Default");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let preferences = r#"{"profile":{"default_content_setting_values":{"javascript":2}}}"#;
    fs::write(folder.join("Preferences"), preferences).map_err(failed)?;
    let page = "data:text/html,<p id=a>off</p><script>a.textContent='on'</script>";
    let dom = browse(browser, profile, &["--dump-dom", page])?;
    match String::from_utf8_lossy(&dom).contains(">off</p>") {
        true => Ok(()),
        false => Err(format!("{browser} runs scripts that it was told to block")),
    }
}

/// Makes a picture of the page, and makes sure that it is one.
fn picture(
    browser: &str,
    profile: &Path,
    page: &str,
    file: &Path,
    width: u32,
) -> Result<(), Failure> {
    let _ = fs::remove_file(file);
    let size = format!("--window-size={width},1400");
    let to = format!("--screenshot={}", file.display());
    browse(browser, profile, &["--hide-scrollbars", &size, &to, page])?;
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    // The width stands behind the signature, and the length and type of the
    // first chunk.
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    if !is_png || bytes.get(16..20) != Some(&width.to_be_bytes()[..]) || bytes.len() < 10_000 {
        return Err(format!("{} is no picture of the page", file.display()));
    }
    println!("   {}", file.display());
    Ok(())
}

/// Runs the browser to its end and returns its output.
fn browse(browser: &str, profile: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut command = Command::new(browser);
    // Without the sandbox, because continuous integration runs as root, and
    // the page comes from this machine.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let failed = |error| format!("{browser} cannot be run: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let output = child.stdout.take().ok_or("the browser has no output")?;
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut BufReader::new(output), &mut bytes).map(|_| bytes)
    });
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begin.elapsed() > BROWSER_TIME {
            // It is over either way.
            let _ = child.kill().and_then(|()| child.wait().map(drop));
            return Err(format!("{browser} does not end"));
        }
        thread::sleep(Duration::from_millis(50));
    };
    let bytes = reading.join().map_err(|_| "the browser's output cannot be read")?;
    if !status.success() {
        return Err(format!("{browser}: {status}"));
    }
    bytes.map_err(|error| format!("the browser's output: {error}"))
}

/// A browser that works; installs one where that is possible.
fn browser() -> Result<String, Failure> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let mut update = Command::new("apt-get");
    update.args(["update", "-qq"]);
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends", "chromium"]);
    let installed = run(update).and_then(|()| run(install));
    let found = installed.and_then(|()| find().ok_or_else(|| "it does not run".to_owned()));
    found.map_err(|failure| format!("chromium is missing ({failure}): install it"))
}

fn find() -> Option<String> {
    let version = |name: &&&str| {
        let mut command = Command::new(name);
        command.arg("--version");
        works(command)
    };
    BROWSERS.iter().find(version).map(|name| (*name).to_owned())
}

/// Which streams are read.
#[derive(PartialEq, Eq)]
enum Output {
    Standard,
    Both,
}

/// An `everpost` that runs, and ends with this value.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str], output: Output) -> Result<Self, Failure> {
        let mut command = Command::new(binary());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        if output == Output::Both {
            command.stderr(Stdio::piped());
        }
        let name = arguments.first().copied().unwrap_or_default();
        let failed = |error| format!("everpost {name} cannot be started: {error}");
        let mut child = command.spawn().map_err(failed)?;
        let output = child.stdout.take().ok_or("everpost has no output")?;
        Ok(Running { child, output: BufReader::new(output) })
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        let count = self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        if count == 0 { Err("everpost ended early".to_owned()) } else { Ok(line) }
    }

    /// Reads until a line holds this text.
    fn until(&mut self, text: &str) -> Result<(), Failure> {
        while !self.line()?.contains(text) {}
        Ok(())
    }

    /// Where the page is: the first line of standard error says so.
    fn page(&mut self) -> Result<String, Failure> {
        let errors = self.child.stderr.take().ok_or("everpost has no standard error")?;
        let mut errors = BufReader::new(errors);
        let mut line = String::new();
        errors.read_line(&mut line).map_err(|error| error.to_string())?;
        let page = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/'));
        let page = page.map(|(address, _)| format!("http://{address}/"));
        // What else it says is for people.
        thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
        page.ok_or_else(|| format!("everpost serves no page: {line}"))
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        let input = self.child.stdin.as_mut().ok_or("everpost has no input")?;
        writeln!(input, "{line}").map_err(|error| format!("everpost does not listen: {error}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().and_then(|()| self.child.wait().map(drop));
    }
}

/// Builds the command `everpost`, and says where it is.
pub(crate) fn everpost() -> Result<PathBuf, Failure> {
    // As the unit tests build it, for the tests of the command: once.
    run(cargo(&["test", "--workspace", "--all-features", "--test", "it", "--no-run"]))?;
    Ok(binary())
}

fn binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| root().join("target"));
    target.join("debug").join(format!("everpost{}", std::env::consts::EXE_SUFFIX))
}
