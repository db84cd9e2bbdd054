//! `/healthz`: JSON in the shape of ASP.NET Core's health checks, one entry
//! with the tag `tls` for each endpoint.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::Status;
use crate::watch::state::{EndpointState, State};
use crate::watch::text::moment::rfc3339;

/// The worst status, and the body. An endpoint that has not been looked at yet
/// counts as degraded: nothing is known, and nothing is broken.
pub(super) fn render(state: &State) -> (Status, String) {
    let status_of = |it: &EndpointState| it.status().unwrap_or(Status::Degraded);
    let worst = state.endpoints.iter().map(status_of).max().unwrap_or(Status::Healthy);
    let total: u64 = state.endpoints.iter().map(took).sum();
    let entries: Map<String, Value> =
        state.endpoints.iter().map(|it| (it.name.clone(), entry(it, status_of(it)))).collect();
    let body = json!({
        "status": word(worst),
        "totalDuration": duration(total),
        "entries": entries,
    });
    (worst, format!("{body}\n"))
}

fn entry(endpoint: &EndpointState, status: Status) -> Value {
    let mut tags = vec!["tls"];
    tags.extend(endpoint.tags.iter().map(String::as_str).filter(|tag| *tag != "tls"));
    let mut data = Map::new();
    data.insert("target".to_owned(), json!(endpoint.target));
    let description = match &endpoint.last {
        None => "not looked at yet".to_owned(),
        Some(last) => {
            let ids: Vec<&str> = last.findings.iter().map(|note| &*note.id).collect();
            data.insert("checked_at".to_owned(), json!(rfc3339(last.at)));
            data.insert("since".to_owned(), json!(rfc3339(last.since)));
            data.insert("findings".to_owned(), json!(ids));
            data.insert("remedy".to_owned(), json!(last.findings.first().map(|it| &it.remedy)));
            last.summary.clone()
        }
    };
    if let Some((_, leaf)) = endpoint.earliest() {
        data.insert("not_after".to_owned(), json!(rfc3339(leaf.not_after)));
        data.insert("issuer".to_owned(), json!(leaf.issuer));
        data.insert("serial".to_owned(), json!(leaf.serial));
        data.insert("fingerprint".to_owned(), json!(leaf.fingerprint));
    }
    json!({
        "status": word(status),
        "description": description,
        "duration": duration(took(endpoint)),
        "data": data,
        "tags": tags,
    })
}

fn took(endpoint: &EndpointState) -> u64 {
    endpoint.last.as_ref().map_or(0, |last| last.milliseconds)
}

/// As .NET spells its `HealthStatus`.
fn word(status: Status) -> &'static str {
    match status {
        Status::Healthy => "Healthy",
        Status::Degraded => "Degraded",
        Status::Unhealthy => "Unhealthy",
    }
}

/// As .NET writes a `TimeSpan`: `00:00:00.0120000`.
fn duration(milliseconds: u64) -> String {
    let time = Duration::from_millis(milliseconds);
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}0000", seconds % 60, time.subsec_millis())
}
