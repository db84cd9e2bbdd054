//! `everpost probe`: what servers show, judged.
//!
//! ```text
//! targets ─▶ Probe, so many at a time ─▶ in the order given ─▶ a format
//! ```
//!
//! Everything runs on one thread: a process that probes one server is gone in
//! a few milliseconds, and one that probes thousands waits for the network.

pub(crate) mod args;
mod format;
mod progress;
mod state;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;

use everpost::certificate::{CertificateFile, Thresholds};
use everpost::probe::{Probe, ProbeReport, Target};
use tokio::task::JoinSet;

use self::args::{Format, ProbeArgs};
use self::progress::Progress;
use self::state::{Rules, State};
use crate::failure::Failure;
use crate::send::first_line;
use crate::usage;

/// Probes, tells, and says how to exit.
pub(crate) async fn run(args: ProbeArgs) -> u8 {
    let prepared = async { Ok::<_, Failure>((targets::targets(&args)?, probe(&args).await?)) };
    let (targets, probe) = match prepared.await {
        Ok(prepared) => prepared,
        Err(failure) => return refuse(args.format, &failure),
    };
    let rules = Rules::from(&args);
    let mut out = format::new(&args);
    let mut progress = Progress::new(targets.len());
    let mut worst = State::Ok;
    each(probe, targets, usize::from(args.parallel), &mut progress, |report| {
        let state = rules.state(&report);
        worst = worst.max(state);
        tell(&out.report(report, state));
    })
    .await;
    progress.clear();
    tell(&out.end(worst));
    worst.code()
}

/// Probes all targets, so many at a time, and hands on the reports in the
/// order of the targets, each as soon as those before it are there.
async fn each(
    probe: Probe,
    targets: Vec<Target>,
    parallel: usize,
    progress: &mut Progress,
    mut take: impl FnMut(ProbeReport),
) {
    let probe = Arc::new(probe);
    let mut waiting = targets.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut early = BTreeMap::new();
    let mut next = 0;
    loop {
        for (index, target) in waiting.by_ref().take(parallel - running.len()) {
            let probe = Arc::clone(&probe);
            running.spawn(async move { (index, probe.run(&target).await) });
        }
        tokio::select! {
            ended = running.join_next() => match ended {
                None => break,
                Some(Ok((index, report))) => {
                    progress.count(&report);
                    early.insert(index, report);
                }
                Some(Err(error)) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            },
            () = progress.frame() => progress.draw(),
        }
        while let Some(report) = early.remove(&next) {
            progress.clear();
            take(report);
            next += 1;
        }
    }
}

async fn probe(args: &ProbeArgs) -> Result<Probe, Failure> {
    let mut thresholds = Thresholds::default();
    thresholds.warning = args.warn;
    thresholds.critical = args.crit;
    let mut builder = Probe::builder()
        .thresholds(thresholds)
        .deadline(args.timeout)
        .all_addresses(args.all_addresses)
        .dane(args.dane)
        .mta_sts(args.mta_sts);
    for roots in &args.trust {
        builder = builder.trust(roots.clone());
    }
    for pin in &args.pin {
        builder = builder.pin(*pin);
    }
    for fingerprint in &args.fingerprint {
        builder = builder.fingerprint(*fingerprint);
    }
    if let Some(path) = &args.compare {
        let password = match &args.password_file {
            Some(file) => Some(first_line(file).await?),
            None => None,
        };
        let file = CertificateFile::load(path, password.as_ref().map(|it| it.expose()))?;
        builder = builder.compare(file);
    }
    if let Some(later) = args.at {
        builder = builder.judge_after(later);
    }
    if let Some(name) = &args.sni {
        builder = builder.sni(name.as_str());
    }
    if let Some(name) = &args.name {
        builder = builder.verify_name(name.as_str());
    }
    if let Some(name) = &args.ehlo {
        builder = builder.ehlo_name(name.as_str());
    }
    if let Some(address) = args.connect {
        builder = builder.connect_to(address);
    }
    Ok(builder.build()?)
}

/// Says that nothing was probed, and why.
fn refuse(format: Format, failure: &Failure) -> u8 {
    let text = match failure {
        Failure::Mail(error) => match error.hint() {
            Some(hint) => format!("{}; {hint}", error.message_text()),
            None => error.message_text().to_owned(),
        },
        other => other.to_string(),
    };
    if format == Format::Nagios {
        usage::plugin(&text);
        return usage::UNKNOWN;
    }
    crate::send::report::say(&mut io::stderr(), &format!("everpost: {text}"));
    usage::USAGE
}

/// Writes to standard output. A reader that has gone is no reason to fail: the
/// exit code still says what was found.
fn tell(text: &str) {
    if !text.is_empty() {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
