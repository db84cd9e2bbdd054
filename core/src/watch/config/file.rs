//! The TOML of a watch, and where in it something is wrong.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Config, ConfigError, Entry, Hook, Webhook, parse_duration};
use crate::TrustRoots;
use crate::certificate::{Threshold, Thresholds};
use crate::probe::Target;

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    parallel: Option<Spanned<usize>>,
    min_gap: Option<Text>,
    deadline: Option<Text>,
    recheck: Option<Text>,
    state: Option<PathBuf>,
    listen: Option<Text>,
    #[serde(default)]
    defaults: Defaults,
    hook: Option<HookTable>,
    webhook: Option<WebhookTable>,
    #[serde(default)]
    endpoint: Vec<Spanned<EndpointTable>>,
}

/// What holds for each endpoint that does not say otherwise.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    interval: Option<Text>,
    warn: Option<Text>,
    crit: Option<Text>,
    trust: Option<Trust>,
    all_addresses: Option<bool>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointTable {
    target: Text,
    name: Option<String>,
    #[serde(default)]
    mx: bool,
    interval: Option<Text>,
    warn: Option<Text>,
    crit: Option<Text>,
    trust: Option<Trust>,
    all_addresses: Option<bool>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookTable {
    command: Vec<String>,
    timeout: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    url: Text,
    timeout: Option<Text>,
    retries: Option<u32>,
    trust: Option<Trust>,
}

/// One source of roots, or several.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Trust {
    One(String),
    Several(Vec<String>),
}

impl Trust {
    fn roots(&self) -> Vec<TrustRoots> {
        let names = match self {
            Trust::One(name) => std::slice::from_ref(name),
            Trust::Several(names) => names,
        };
        let root = |name: &String| match name.as_str() {
            "system" => TrustRoots::System,
            "mozilla" => TrustRoots::Mozilla,
            path => TrustRoots::File(path.into()),
        };
        names.iter().map(root).collect()
    }
}

pub(super) fn read(text: &str) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| {
        // A message may go on to list what was expected: it fits in a line.
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let error_at = error.span().map(|span| line_of(text, span.start));
        let error = ConfigError::new(message);
        error_at.into_iter().fold(error, ConfigError::at)
    })?;
    let lines = Lines(text);
    let mut config = Config { state: file.state, ..Config::default() };
    if let Some(parallel) = file.parallel {
        config.parallel = *parallel.get_ref();
    }
    set(&mut config.min_gap, lines.duration(file.min_gap.as_ref())?);
    set(&mut config.deadline, lines.duration(file.deadline.as_ref())?);
    set(&mut config.recheck, lines.duration(file.recheck.as_ref())?);
    config.listen = lines.read(file.listen.as_ref(), |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| "not an address to listen on: expected one such as 127.0.0.1:9118")
    })?;
    if let Some(table) = file.hook {
        let mut hook = Hook::new(table.command);
        set(&mut hook.timeout, lines.duration(table.timeout.as_ref())?);
        config.hook = Some(hook);
    }
    if let Some(table) = file.webhook {
        let line = lines.of(&table.url);
        let mut webhook = Webhook::new(table.url.get_ref()).map_err(|error| error.at(line))?;
        set(&mut webhook.timeout, lines.duration(table.timeout.as_ref())?);
        set(&mut webhook.retries, table.retries);
        set(&mut webhook.trust, table.trust.map(|trust| trust.roots()));
        config.webhook = Some(webhook);
    }
    for table in file.endpoint {
        let line = lines.of(&table);
        let entry = entry(table.into_inner(), &file.defaults, &lines)?;
        config.add(entry).map_err(|error| error.at(line))?;
    }
    config.checked()
}

fn entry(
    table: EndpointTable,
    defaults: &Defaults,
    lines: &Lines<'_>,
) -> Result<Entry, ConfigError> {
    let line = lines.of(&table.target);
    let text = table.target.get_ref();
    let target = match table.mx {
        true if text.contains([':', '/']) => {
            return Err(ConfigError::new("with mx = true, target is a domain alone").at(line));
        }
        true => text.parse().map(|target: Target| Target::mx_of(target.host)),
        false => text.parse(),
    };
    let mut entry = Entry::new(target.map_err(|e| ConfigError::new(e.to_string()).at(line))?);
    if table.mx {
        entry.name = format!("MX of {}", entry.target.host);
    }
    set(&mut entry.name, table.name);
    entry.tags = defaults.tags.iter().chain(&table.tags).cloned().collect();
    let interval = table.interval.as_ref().or(defaults.interval.as_ref());
    set(&mut entry.interval, lines.duration(interval)?);
    let mut thresholds = Thresholds::default();
    let warn = table.warn.as_ref().or(defaults.warn.as_ref());
    let crit = table.crit.as_ref().or(defaults.crit.as_ref());
    set(&mut thresholds.warning, lines.read(warn, str::parse::<Threshold>)?);
    set(&mut thresholds.critical, lines.read(crit, str::parse::<Threshold>)?);
    entry.thresholds = thresholds;
    let trust = table.trust.as_ref().or(defaults.trust.as_ref());
    set(&mut entry.trust, trust.map(Trust::roots));
    set(&mut entry.all_addresses, table.all_addresses.or(defaults.all_addresses));
    Ok(entry)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// The text, to find lines in.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of<T>(&self, value: &Spanned<T>) -> usize {
        line_of(self.0, value.span().start)
    }

    fn read<T, E: ToString>(
        &self,
        text: Option<&Text>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        let value = read(text.get_ref());
        value.map(Some).map_err(|error| ConfigError::new(error.to_string()).at(self.of(text)))
    }

    fn duration(&self, text: Option<&Text>) -> Result<Option<Duration>, ConfigError> {
        self.read(text, parse_duration)
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
