//! What to watch, and how: [`Config`].
//!
//! Read from TOML, from a plain list (one target a line), or made of targets.
//! What is wrong in a file is told with its line. The format is described in
//! `docs/watch.md`.

mod duration;
mod file;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::duration::{ParseDurationError, parse_duration};
use crate::TrustRoots;
use crate::certificate::Thresholds;
use crate::probe::Target;

/// The shortest interval: a watch is no load test.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What to watch, and what to do with what is seen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Each endpoint; no two of one name.
    pub entries: Vec<Entry>,
    /// How many probes may run at once: 32.
    pub parallel: usize,
    /// The least time from the end of a probe of a host to the next of the
    /// same host: 1 s. Two at once never happen.
    pub min_gap: Duration,
    /// How long one address may take: 30 s.
    pub deadline: Duration,
    /// After how long an endpoint that cannot be reached any more is looked at
    /// again before that is told: 30 s, or the interval if that is shorter.
    /// Zero tells it at once, and so does [`Watch::round`](super::Watch::round).
    pub recheck: Duration,
    /// A program that is run for each event.
    pub hook: Option<Hook>,
    /// An address that each event is posted to.
    pub webhook: Option<Webhook>,
    /// The file that what was seen is kept in across restarts.
    pub state: Option<PathBuf>,
    /// Where metrics, health and the status page are served.
    pub listen: Option<SocketAddr>,
}

/// One endpoint to watch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What it is called: the target unless set.
    pub name: String,
    /// What is probed.
    pub target: Target,
    /// Words to group by; shown, and passed on with each event.
    pub tags: Vec<String>,
    /// How often it is looked at, give or take a tenth: 1 h.
    pub interval: Duration,
    /// When an approaching end is a warning, and when it is critical.
    pub thresholds: Thresholds,
    /// Whose certificates to trust; the system's store if empty.
    pub trust: Vec<TrustRoots>,
    /// Look at every address of the host: on.
    pub all_addresses: bool,
}

/// A program that is run for each event, one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// The program and its arguments. No shell reads them.
    pub command: Vec<String>,
    /// How long it may run before it is ended: 30 s.
    pub timeout: Duration,
}

impl Hook {
    /// A program with its arguments.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Hook { command, timeout: Duration::from_secs(30) }
    }
}

/// An address that each event is posted to as JSON.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// `https` or `http`. May hold a secret, and is never shown but for its
    /// host.
    pub url: url::Url,
    /// How long one attempt may take: 10 s.
    pub timeout: Duration,
    /// How many attempts follow one that failed: 3.
    pub retries: u32,
    /// The wait before the first of them, doubled for each further one: 1 s.
    pub backoff: Duration,
    /// Whose certificates to trust; the system's store if empty.
    pub trust: Vec<TrustRoots>,
}

impl Webhook {
    /// Posts to this URL.
    ///
    /// # Errors
    /// Says what is wrong with the URL, without repeating it.
    pub fn new(text: &str) -> Result<Self, ConfigError> {
        let failed = |reason: String| ConfigError::new(format!("the webhook: {reason}"));
        let url = url::Url::parse(text).map_err(|error| failed(error.to_string()))?;
        match (url.scheme(), url.host_str()) {
            ("https" | "http", Some(_)) => {}
            _ => return Err(failed("expected an https or http URL".to_owned())),
        }
        Ok(Webhook {
            url,
            timeout: Duration::from_secs(10),
            retries: 3,
            backoff: Duration::from_secs(1),
            trust: Vec::new(),
        })
    }
}

/// Without path, query and password: they may hold a token.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.url.host_str())
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: Option<String>,
    line: Option<usize>,
    message: String,
}

impl ConfigError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        ConfigError { file: None, line: None, message: message.into() }
    }

    fn at(mut self, line: usize) -> Self {
        self.line.get_or_insert(line);
        self
    }

    fn of_file(mut self, file: &str) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// The line it is in, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

/// `watch.toml:12: …`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            (None, Some(line)) => write!(f, "line {line}: {}", self.message),
            (None, None) => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Entry {
    /// A target with every default.
    pub fn new(target: Target) -> Self {
        Entry {
            name: target.to_string(),
            target,
            tags: Vec::new(),
            interval: Duration::from_secs(3600),
            thresholds: Thresholds::default(),
            trust: Vec::new(),
            all_addresses: true,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            entries: Vec::new(),
            parallel: 32,
            min_gap: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            recheck: Duration::from_secs(30),
            hook: None,
            webhook: None,
            state: None,
            listen: None,
        }
    }
}

impl Config {
    /// These targets, with every default.
    pub fn of(targets: impl IntoIterator<Item = Target>) -> Self {
        Config { entries: targets.into_iter().map(Entry::new).collect(), ..Config::default() }
    }

    /// Reads a file: TOML if its name ends in `.toml`, otherwise a list.
    /// Relative paths in it start from the folder it is in.
    ///
    /// # Errors
    /// Says what is wrong, and in which line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = read(path)
            .map_err(|error| ConfigError::new(format!("cannot be read: {error}")).of_file(&name))?;
        let is_toml = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
        let config = if is_toml { Config::from_toml(&text) } else { Config::from_list(&text) };
        let mut config = config.map_err(|error| error.of_file(&name))?;
        config.start_paths_from(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// Says what is wrong, and in which line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        file::read(text)
    }

    /// Reads a list: one target a line; what follows `#` is a comment.
    ///
    /// # Errors
    /// Says what is wrong, and in which line.
    pub fn from_list(text: &str) -> Result<Self, ConfigError> {
        let mut config = Config::default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let text = line.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let target = text.parse::<Target>();
            let target = target.map_err(|e| ConfigError::new(e.to_string()).at(index + 1))?;
            config.add(Entry::new(target)).map_err(|error| error.at(index + 1))?;
        }
        config.checked()
    }

    fn add(&mut self, entry: Entry) -> Result<(), ConfigError> {
        if self.entries.iter().any(|other| other.name == entry.name) {
            let name = &entry.name;
            return Err(ConfigError::new(format!(
                "{name} is there already; a second look at one target needs a name of its own"
            )));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The same, once it is sure that it can be used.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        if self.entries.is_empty() {
            return Err(ConfigError::new("there is nothing to watch: name a target"));
        }
        if self.parallel == 0 {
            return Err(ConfigError::new("parallel is at least 1"));
        }
        if let Some(entry) = self.entries.iter().find(|entry| entry.interval < SHORTEST) {
            return Err(ConfigError::new(format!(
                "the interval of {} is shorter than 100ms",
                entry.name
            )));
        }
        let mut names: Vec<&str> = self.entries.iter().map(|entry| &*entry.name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::new(format!("two endpoints are called {}", pair[0])));
        }
        if self.hook.as_ref().is_some_and(|hook| hook.command.is_empty()) {
            return Err(ConfigError::new("the hook names no program"));
        }
        Ok(self)
    }

    fn start_paths_from(&mut self, folder: &Path) {
        let lists = self.entries.iter_mut().map(|entry| &mut entry.trust);
        let webhook = self.webhook.iter_mut().map(|webhook| &mut webhook.trust);
        for roots in lists.chain(webhook).flatten() {
            if let TrustRoots::File(path) = roots {
                *path = folder.join(&*path);
            }
        }
        if let Some(state) = &mut self.state {
            *state = folder.join(&*state);
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
