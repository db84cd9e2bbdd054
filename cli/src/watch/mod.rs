//! `everpost watch`: look at endpoints on a schedule, and tell what changes.
//!
//! Events go to standard output, everything about the watching itself to
//! standard error.

pub(crate) mod args;
mod setup;
mod show;

use std::io;

use everpost::Status;
use everpost::watch::{Config, Events, Watch};
use serde_json::json;
use tokio::net::TcpListener;

use self::args::WatchArgs;
use self::show::Show;
use crate::failure::Failure;
use crate::send::report::say;

/// EX_USAGE of sysexits: the other codes are those of the Nagios plugins.
const USAGE: u8 = 64;

pub(crate) async fn run(args: WatchArgs) -> u8 {
    match watch(&args).await {
        Ok(code) => code,
        Err(failure) => {
            say(&mut io::stderr(), &format!("everpost: {failure}"));
            if args.json {
                let object = json!({
                    "ok": false,
                    "kind": "invalid_config",
                    "message": failure.to_string(),
                });
                say(&mut io::stdout(), &object.to_string());
            }
            USAGE
        }
    }
}

async fn watch(args: &WatchArgs) -> Result<u8, Failure> {
    let config = setup::config(args)?;
    let show = Show::new(args.json);
    let builder = Watch::builder(config);
    let builder = builder.on_trouble(|text| say(&mut io::stderr(), &format!("everpost: {text}")));
    let watch = builder.build()?;
    let telling = tokio::spawn(tell(watch.events(), show));
    let code = if args.once {
        once(watch, show, telling).await
    } else {
        let listener = listen(watch.config()).await?;
        say(&mut io::stderr(), &introduction(watch.config(), listener.as_ref()));
        forever(&watch, listener).await;
        drop(watch);
        // An error is a panic, which has been printed.
        let _ = telling.await;
        0
    };
    Ok(code)
}

async fn once(watch: Watch, show: Show, telling: tokio::task::JoinHandle<()>) -> u8 {
    let worst = watch.round().await;
    let state = watch.state();
    // Events end with the watch, and the summary stands below them.
    drop(watch);
    let _ = telling.await;
    show.state(&state, worst);
    match worst {
        Status::Healthy => 0,
        Status::Degraded => 1,
        Status::Unhealthy => 2,
    }
}

async fn forever(watch: &Watch, listener: Option<TcpListener>) {
    let serving = async {
        match listener {
            Some(listener) => watch.serve(listener).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = watch.run(stopped()) => {}
        () = serving => {}
    }
}

async fn listen(config: &Config) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = config.listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| Failure::io(format!("cannot listen on {address}"), error))?;
    Ok(Some(listener))
}

fn introduction(config: &Config, listener: Option<&TcpListener>) -> String {
    let count = config.entries.len();
    let noun = if count == 1 { "endpoint" } else { "endpoints" };
    let page = listener.and_then(|listener| listener.local_addr().ok());
    let page = page.map_or_else(String::new, |at| format!("; status page at http://{at}/"));
    format!("watching {count} {noun}{page}; Ctrl-C ends it")
}

async fn tell(mut events: Events, show: Show) {
    while let Some(event) = events.next().await {
        show.event(&event);
    }
}

/// Ready when the process is asked to end.
async fn stopped() {
    tokio::select! {
        () = interrupted() => {}
        () = terminated() => {}
    }
}

/// Never ready where the signal cannot be listened for.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// The system shuts down, or the console window closes.
#[cfg(windows)]
async fn terminated() {
    use tokio::signal::windows::{ctrl_close, ctrl_shutdown};
    match (ctrl_close(), ctrl_shutdown()) {
        (Ok(mut close), Ok(mut shutdown)) => {
            tokio::select! {
                _ = close.recv() => {}
                _ = shutdown.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}

#[cfg(not(any(unix, windows)))]
async fn terminated() {
    std::future::pending().await
}
