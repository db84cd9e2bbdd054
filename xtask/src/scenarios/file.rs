//! `tests/scenarios/*.toml`: read strictly, and handed to runners as JSON with
//! everything spelled out and without what is expected.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::command::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

/// One behaviour.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// A sentence.
    pub(super) name: String,
    /// The promises of the design that it holds.
    pub(super) promises: Vec<u32>,
    /// What the server is before it starts: `everpost rehearse --options`.
    #[serde(default = "empty")]
    server: Value,
    /// Requests to the server before the client is made.
    #[serde(default)]
    setup: Vec<Value>,
    /// Where the client sends to; `${implicit}` and its like are filled in.
    url: String,
    /// Whether the client trusts the server's root.
    #[serde(default = "yes")]
    trust: bool,
    /// Whether the client shows the certificate made by the setup.
    #[serde(default)]
    identity: bool,
    tokens: Option<Value>,
    /// The client cannot be made, and this is the error.
    pub(super) refused: Option<Value>,
    #[serde(default)]
    pub(super) step: Vec<Step>,
    pub(super) end: End,
}

/// One thing that the client or the server does.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    #[serde(rename = "do")]
    pub(super) what: String,
    /// What must be seen; of several sends, of each, or as a list one by one.
    pub(super) expect: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// What must be true in the end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// Every message at the server, and how often it is there.
    pub(super) copies: Map<String, Value>,
    /// The server's counters.
    #[serde(default = "empty")]
    pub(super) server: Value,
}

/// The messages of a step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Letters {
    /// The Message-ID; with `count`, `id.1` and so on.
    id: String,
    count: Option<usize>,
    #[serde(default = "recipient")]
    to: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default = "hello")]
    body: String,
    /// Bytes to add to the body, as lines.
    #[serde(default)]
    pad: usize,
    envelope: Option<Envelope>,
    #[serde(default)]
    meanwhile: Vec<Value>,
    #[serde(default)]
    cancel: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(default = "sender")]
    from: String,
    #[serde(default = "recipient")]
    to: Vec<String>,
    #[serde(default)]
    require_tls: bool,
    dsn: Option<Dsn>,
}

/// What delivery reports are asked for (RFC 3461).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dsn {
    envid: Option<String>,
    r#return: Option<Return>,
    /// `never`, or some of `success,failure,delay`.
    notify: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Return {
    Full,
    Hdrs,
}

fn empty() -> Value {
    json!({})
}

fn yes() -> bool {
    true
}

fn sender() -> String {
    "a@example.org".to_owned()
}

fn recipient() -> Vec<String> {
    vec!["b@example.com".to_owned()]
}

fn hello() -> String {
    "Hello\r\n".to_owned()
}

/// All scenarios of a folder, by file name.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Scenario>, Failure> {
    let in_folder = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(in_folder)? {
        paths.push(entry.map_err(in_folder)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut all: Vec<Scenario> = Vec::new();
    for path in paths {
        let named = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| named(error.to_string()))?;
        for scenario in read(&text).map_err(named)? {
            if all.iter().any(|other| other.name == scenario.name) {
                return Err(named(format!("{:?} is there twice", scenario.name)));
            }
            all.push(scenario);
        }
    }
    Ok(all)
}

/// The scenarios of one file.
pub(super) fn read(text: &str) -> Result<Vec<Scenario>, Failure> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    for scenario in &file.scenario {
        for (index, step) in scenario.step.iter().enumerate() {
            let named = |error| format!("{:?}, step {}: {error}", scenario.name, index + 1);
            spelled_out(step).map_err(named)?;
        }
        if scenario.step.is_empty() == scenario.refused.is_none() {
            return Err(format!("{:?} needs either steps or refused", scenario.name));
        }
    }
    Ok(file.scenario)
}

/// What runners read.
pub(super) fn handed_out(scenarios: &[Scenario]) -> Value {
    let one = |scenario: &Scenario| {
        let steps = scenario.step.iter().map(|step| spelled_out(step).unwrap_or_default());
        json!({
            "name": scenario.name,
            "server": scenario.server,
            "setup": scenario.setup,
            "client": {
                "url": scenario.url,
                "trust": scenario.trust,
                "identity": scenario.identity,
                "tokens": scenario.tokens,
            },
            "steps": steps.collect::<Vec<_>>(),
        })
    };
    json!({ "scenarios": scenarios.iter().map(one).collect::<Vec<_>>() })
}

/// A step as runners read it: every field is there.
fn spelled_out(step: &Step) -> Result<Value, String> {
    let rest = Value::Object(step.rest.clone());
    let fields: &[(&str, Value)] = match step.what.as_str() {
        "send" | "send_all" => {
            let letters: Letters =
                serde_json::from_value(rest).map_err(|error| error.to_string())?;
            let messages = letters.messages();
            return Ok(match step.what.as_str() {
                "send" => json!({
                    "do": "send",
                    "messages": messages,
                    "meanwhile": letters.meanwhile,
                    "cancel": letters.cancel,
                }),
                _ if letters.cancel || !letters.meanwhile.is_empty() => {
                    return Err("send_all takes neither meanwhile nor cancel".to_owned());
                }
                _ => json!({ "do": "send_all", "messages": messages }),
            });
        }
        "server" => &[("request", Value::Null)],
        "event" => &[("event", Value::Null)],
        "probe" => &[("target", Value::Null)],
        "diagnose" => &[("from", Value::Null), ("to", json!([])), ("size", Value::Null)],
        "explain" => &[("file", Value::Null)],
        "late_verdict" | "verify" | "health" | "stats" | "close" => &[],
        other => return Err(format!("there is no step {other:?}")),
    };
    if let Some(name) = step.rest.keys().find(|name| !fields.iter().any(|(it, _)| it == name)) {
        return Err(format!("{} has no {name:?}", step.what));
    }
    let mut full = Map::from_iter([("do".to_owned(), step.what.clone().into())]);
    for (name, default) in fields {
        full.insert((*name).to_owned(), step.rest.get(*name).unwrap_or(default).clone());
    }
    Ok(Value::Object(full))
}

impl Letters {
    fn messages(&self) -> Vec<Value> {
        let ids = match self.count {
            None => vec![self.id.clone()],
            Some(count) => (1..=count).map(|n| format!("{}.{n}", self.id)).collect(),
        };
        ids.iter().map(|id| json!({ "raw": self.raw(id), "envelope": self.envelope() })).collect()
    }

    fn envelope(&self) -> Value {
        let Some(it) = &self.envelope else { return Value::Null };
        let dsn = it.dsn.as_ref().map(|dsn| {
            let back = dsn.r#return.as_ref().map(|back| match back {
                Return::Full => "full",
                Return::Hdrs => "hdrs",
            });
            json!({ "envid": dsn.envid, "return": back, "notify": dsn.notify })
        });
        json!({ "from": it.from, "to": it.to, "require_tls": it.require_tls, "dsn": dsn })
    }

    fn raw(&self, id: &str) -> String {
        const LINE: &str =
            "a line of seventy characters, of which a message of some size is made.\r\n";
        let headers: String = self.headers.iter().map(|line| format!("{line}\r\n")).collect();
        format!(
            "From: {}\r\nTo: {}\r\nMessage-ID: <{id}>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
             Subject: A scenario\r\n{headers}\r\n{}{}",
            sender(),
            self.to.join(", "),
            LINE.repeat(self.pad.div_ceil(LINE.len())),
            self.body,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "[[scenario]]\nname = 'a'\npromises = []\nurl = 'x'\nend = { copies = {} }\n";

    #[test]
    fn what_is_misspelled_is_an_error_that_names_it() {
        for (text, word) in [
            ("step = [{ do = 'dance' }]", "dance"),
            ("step = [{ do = 'send', id = 'a', two = ['b'] }]", "two"),
            ("step = [{ do = 'health', id = 'a' }]", "id"),
            ("steps = []", "steps"),
            ("step = []", "needs either"),
        ] {
            let error = read(&format!("{HEAD}{text}")).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn runners_are_told_everything_but_what_is_expected() {
        let text = "step = [{ do = 'send', id = 'm', count = 2, expect = { kind = 'x' } }]";
        let told = handed_out(&read(&format!("{HEAD}{text}")).unwrap());
        let step = &told["scenarios"][0]["steps"][0];
        assert_eq!(step["messages"].as_array().unwrap().len(), 2);
        assert!(step["messages"][1]["raw"].as_str().unwrap().contains("<m.2>"));
        assert_eq!(step["cancel"], false);
        let text = told.to_string();
        assert!(!text.contains("expect") && !text.contains("copies"), "{text}");
    }
}
