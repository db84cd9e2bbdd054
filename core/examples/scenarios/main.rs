//! Carries out the scenarios of `tests/scenarios` in Rust: the model of the
//! runners in other languages. `docs/scenarios.md` has the format.
//!
//! A runner is told what to do and not what must come of it: it reports what
//! it saw, one line of JSON per scenario, and `cargo xtask test scenarios`
//! judges. Of the server it knows nothing but requests and answers, as lines
//! of JSON.
//!
//! ```text
//! everpost-rehearsal <── lines ── Run ── calls ──> everpost
//!                                  └── what was seen ──> standard output
//! ```

#![allow(clippy::print_stdout, reason = "a runner reports on standard output")]

mod server;

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::time::Duration;

use everpost::certificate::CertificateFile;
use everpost::diagnose::Diagnosis;
use everpost::mailer::{Events, ExplainOptions, LateVerdict};
use everpost::message::{DsnReturn, Notify};
use everpost::probe::{Probe, Target};
use everpost::{
    Envelope, Error, Finding, Mailer, MailerBuilder, Message, Receipt, RejectedRecipient,
    TrustRoots,
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::server::Server;

type Result<T, E = Box<dyn StdError + Send + Sync>> = std::result::Result<T, E>;

/// No scenario takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct File {
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    server: Value,
    setup: Vec<Value>,
    client: Client,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    url: String,
    /// Whether the server's root is trusted.
    trust: bool,
    /// Whether the certificate made by the setup is shown.
    identity: bool,
    tokens: Option<Tokens>,
}

/// A token provider: each answer once, and the last one from then on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    user: String,
    answers: VecDeque<String>,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Send { messages: Vec<Letter>, meanwhile: Vec<Value>, cancel: bool },
    SendAll { messages: Vec<Letter> },
    Server { request: Value },
    Event { event: String },
    LateVerdict {},
    Verify {},
    Health {},
    Stats {},
    Explain { file: Option<String> },
    Probe { target: String },
    Diagnose { from: Option<String>, to: Vec<String>, size: Option<u64> },
    Close {},
}

/// A message, and its envelope if that is not in its header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    raw: String,
    envelope: Option<Addresses>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addresses {
    from: String,
    to: Vec<String>,
    require_tls: bool,
    dsn: Option<Dsn>,
}

/// What delivery reports are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dsn {
    envid: Option<String>,
    r#return: Option<String>,
    notify: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("usage: scenarios FILE")?;
    let file: File = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    for scenario in file.scenarios {
        let name = scenario.name.clone();
        let line = match tokio::time::timeout(PATIENCE, carry_out(scenario)).await {
            Ok(Ok(seen)) => json!({ "scenario": name, "ok": true, "seen": seen }),
            Ok(Err(error)) => json!({ "scenario": name, "ok": false, "why": error.to_string() }),
            Err(_) => json!({ "scenario": name, "ok": false, "why": "it did not end in 30 s" }),
        };
        println!("{line}");
    }
    Ok(())
}

async fn carry_out(scenario: Scenario) -> Result<Value> {
    let mut server = Server::start(scenario.server).await?;
    let listening = server.known.clone();
    for request in scenario.setup {
        server.must(request).await?;
    }
    let mut steps = Vec::new();
    let client = match Run::new(server.client(scenario.client)?) {
        Err(error) => failure(&error),
        Ok(mut run) => {
            for step in scenario.steps {
                steps.push(run.step(&mut server, step).await?);
            }
            run.mailer.close().await;
            json!({})
        }
    };
    // What is still on its way arrives before it is counted.
    server.must(json!({ "do": "wait", "closed": true })).await?;
    let counts = server.must(json!({ "do": "counts" })).await?;
    let stats = server.must(json!({ "do": "stats" })).await?;
    let end = json!({ "copies": counts["counts"], "server": stats["stats"] });
    Ok(json!({ "listening": listening, "client": client, "steps": steps, "end": end }))
}

/// The client under way.
struct Run {
    builder: MailerBuilder,
    mailer: Mailer,
    events: Events,
    roots: Option<TrustRoots>,
    late: Option<LateVerdict>,
}

impl Run {
    fn new(client: Result<(MailerBuilder, Option<TrustRoots>), Error>) -> Result<Self, Error> {
        let (builder, roots) = client?;
        let mailer = builder.clone().build()?;
        Ok(Run { events: mailer.events(), mailer, builder, roots, late: None })
    }

    async fn step(&mut self, server: &mut Server, step: Step) -> Result<Value> {
        Ok(match step {
            Step::Send { messages, meanwhile, cancel } => {
                let sends: Vec<_> = messages
                    .into_iter()
                    .map(|letter| {
                        let mailer = self.mailer.clone();
                        tokio::spawn(async move { mailer.send(letter.message()?).await })
                    })
                    .collect();
                for request in meanwhile {
                    server.must(request).await?;
                }
                let mut outcomes = Vec::new();
                for send in sends {
                    if cancel {
                        send.abort();
                    }
                    outcomes.push(match send.await {
                        Ok(result) => self.outcome(&result),
                        Err(ended) if ended.is_cancelled() => json!({ "kind": "cancelled" }),
                        Err(ended) => return Err(ended.into()),
                    });
                }
                json!({ "outcomes": outcomes })
            }
            Step::SendAll { messages } => {
                let messages: Result<Vec<_>, _> =
                    messages.into_iter().map(Letter::message).collect();
                let mut results: Vec<_> = self.mailer.send_all(messages?).collect().await;
                results.sort_by_key(|(index, _)| *index);
                let outcomes: Vec<_> =
                    results.iter().map(|(_, result)| self.outcome(result)).collect();
                json!({ "outcomes": outcomes })
            }
            Step::Server { request } => server.ask(request).await?,
            Step::Event { event: awaited } => loop {
                let event = self.events.next().await.ok_or("the events ended")?;
                if event.name() == awaited {
                    break json!({ "event": awaited });
                }
            },
            Step::LateVerdict {} => {
                match self.late.take().ok_or("no late verdict to wait for")?.await {
                    Some(result) => self.outcome(&result),
                    None => json!({ "delivery": null }),
                }
            }
            Step::Verify {} => match self.mailer.verify().await {
                Ok(capabilities) => {
                    let offered =
                        capabilities.iter().map(|(name, text)| (name.to_owned(), json!(text)));
                    json!({ "delivery": null, "offered": offered.collect::<Map<_, _>>() })
                }
                Err(error) => failure(&error),
            },
            Step::Health {} => json!({ "status": self.mailer.health().as_str() }),
            Step::Stats {} => {
                let stats = self.mailer.stats();
                json!({
                    "accepted": stats.accepted,
                    "refused": stats.refused,
                    "unknown": stats.unknown,
                    "not_sent": stats.not_sent,
                    "retries": stats.retries,
                    "opened": stats.opened,
                    "full_handshakes": stats.full_handshakes,
                    "resumed_handshakes": stats.resumed_handshakes,
                    "rotations": stats.rotations,
                })
            }
            Step::Explain { file } => {
                let mut options = ExplainOptions::default();
                if let Some(file) = file {
                    let pem = server.fill(file.into())?;
                    options =
                        options.certificate_file(CertificateFile::parse(pem.as_bytes(), None)?);
                }
                let explanation = self.mailer.explain_with(options).await;
                json!({
                    "fault": explanation.fault.as_str(),
                    "remedy": explanation.remedy,
                    "served": explanation.served.map(|leaf| leaf.fingerprint.to_string()),
                })
            }
            Step::Probe { target } => {
                let mut probe = Probe::builder();
                if let Some(roots) = &self.roots {
                    probe = probe.trust(roots.clone());
                }
                let target: Target = server.fill(target.into())?.parse()?;
                let report = probe.build()?.run(&target).await;
                json!({
                    "status": report.status().as_str(),
                    "findings": names(report.all_findings()),
                })
            }
            Step::Diagnose { from, to, size } => {
                let mut diagnosis = Diagnosis::of(self.builder.clone()).looks(false);
                if let Some(from) = from {
                    diagnosis = diagnosis.sender(from.parse()?);
                }
                for recipient in to {
                    diagnosis = diagnosis.recipient(recipient.parse()?);
                }
                if let Some(size) = size {
                    diagnosis = diagnosis.size(size);
                }
                let report = diagnosis.run().await?;
                json!({
                    "holds": report.holds(),
                    "step": report.failed().map(|rung| rung.step.as_str()),
                    "cause": report.cause.as_ref().map(|cause| cause.id.as_str()),
                    "remedy": report.remedy,
                })
            }
            Step::Close {} => {
                self.mailer.close().await;
                json!({})
            }
        })
    }

    /// What a send came to, in the words of every language.
    fn outcome(&mut self, result: &Result<Receipt, Error>) -> Value {
        match result {
            Ok(receipt) => json!({
                "delivery": "accepted",
                "message_id": receipt.message_id(),
                "reply": receipt.reply().code(),
                "attempts": receipt.attempts(),
                "accepted": receipt.accepted().iter().map(|to| to.as_str()).collect::<Vec<_>>(),
                "rejected": rejected(receipt.rejected()),
                "leaf": receipt.leaf().map(|leaf| leaf.to_string()),
            }),
            Err(error) => {
                self.late = error.late_verdict();
                failure(error)
            }
        }
    }
}

fn failure(error: &Error) -> Value {
    json!({
        "kind": error.kind().as_str(),
        "stage": error.stage().as_str(),
        "delivery": error.delivery().as_str(),
        "retryable": error.is_retryable(),
        "attempts": error.attempts(),
        "message": error.to_string(),
        "hint": error.hint(),
        "message_id": error.message_id(),
        "reply": error.reply().map(|reply| reply.code()),
        "enhanced": error.reply().and_then(|reply| reply.enhanced()).map(|code| code.to_string()),
        "rejected": rejected(error.rejected_recipients()),
        "findings": error.certificate().map(|report| names(&report.findings)),
        "late_verdict": error.late_verdict().is_some(),
    })
}

fn rejected(recipients: &[RejectedRecipient]) -> Vec<Value> {
    let one = |it: &RejectedRecipient| json!({ "address": it.address.as_str(), "reply": it.reply.code() });
    recipients.iter().map(one).collect()
}

fn names<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<&'static str> {
    findings.into_iter().map(|finding| finding.id.as_str()).collect()
}

impl Letter {
    fn message(self) -> Result<Message, Error> {
        let message = Message::from(self.raw);
        let Some(addresses) = self.envelope else { return Ok(message) };
        let to = addresses.to.iter().map(String::as_str);
        let mut envelope = Envelope::new(addresses.from.as_str(), to)?;
        if addresses.require_tls {
            envelope = envelope.require_tls();
        }
        if let Some(dsn) = addresses.dsn {
            envelope = dsn.ask(envelope)?;
        }
        Ok(message.with_envelope(envelope))
    }
}

impl Dsn {
    fn ask(self, mut envelope: Envelope) -> Result<Envelope, Error> {
        if let Some(envid) = self.envid {
            envelope = envelope.with_envid(envid)?;
        }
        if let Some(what) = self.r#return {
            let full = what == "full";
            envelope =
                envelope.with_return(if full { DsnReturn::Full } else { DsnReturn::Headers });
        }
        if let Some(words) = self.notify {
            let notify = words.split(',').map(|word| match word {
                "success" => Notify::SUCCESS,
                "failure" => Notify::FAILURE,
                "delay" => Notify::DELAY,
                _ => Notify::NEVER,
            });
            envelope = envelope.with_notify(notify.fold(Notify::NEVER, |all, one| all | one));
        }
        Ok(envelope)
    }
}
