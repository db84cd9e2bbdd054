//! A program that is told of an event: its arguments as configured, the event
//! as JSON on standard input and in its environment. No shell is involved, so
//! nothing that a server says can become a command.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::watch::config::Hook;
use crate::watch::event::Event;
use crate::watch::text::moment::rfc3339;

/// Runs the program to its end, or until its time is up.
pub(super) async fn run(hook: &Hook, event: &Event, json: &str) -> Result<(), String> {
    let Some((program, arguments)) = hook.command.split_first() else {
        return Err("it names no program".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(environment(event))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let run = async {
        if let Some(mut input) = child.stdin.take() {
            // A program may end without reading.
            let _ = input.write_all(json.as_bytes()).await;
            let _ = input.write_all(b"\n").await;
            let _ = input.shutdown().await;
        }
        child.wait().await
    };
    match timeout(hook.timeout, run).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        // Dropping the child kills it.
        Err(_) => Err(format!("it ran for more than {} s and was ended", hook.timeout.as_secs())),
    }
}

/// The event in variables, for programs that read no JSON.
fn environment(event: &Event) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("EVERPOST_EVENT", event.kind.as_str().to_owned()),
        ("EVERPOST_ENDPOINT", event.endpoint.clone()),
        ("EVERPOST_TARGET", event.target.clone()),
        ("EVERPOST_TAGS", event.tags.join(",")),
        ("EVERPOST_SEVERITY", event.severity.as_str().to_owned()),
        ("EVERPOST_STATUS", event.status.as_str().to_owned()),
        ("EVERPOST_MESSAGE", event.message.clone()),
        ("EVERPOST_REMEDY", event.remedy.clone().unwrap_or_default()),
        ("EVERPOST_SERVER", event.server.clone().unwrap_or_default()),
        ("EVERPOST_TIME", rfc3339(event.at).unwrap_or_default()),
    ];
    if let Some(leaf) = &event.new {
        variables.push(("EVERPOST_NOT_AFTER", rfc3339(leaf.not_after).unwrap_or_default()));
        variables.push(("EVERPOST_FINGERPRINT", leaf.fingerprint.clone()));
    }
    // The system takes no NUL in a variable.
    variables.iter_mut().for_each(|(_, value)| value.retain(|char| char != '\0'));
    variables
}
