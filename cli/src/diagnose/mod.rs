//! `everpost diagnose`: the ladder, live, then cause and remedy.

pub(crate) mod args;
pub(crate) mod view;

use std::io;
use std::time::Duration;

use everpost::Deadlines;
use everpost::diagnose::{Diagnosis, DiagnosisReport};

use self::args::DiagnoseArgs;
use self::view::View;
use crate::failure::Failure;
use crate::send::report::say;
use crate::send::server;
use crate::usage::USAGE;

/// A rung does not hold.
pub(crate) const FAULT: u8 = 2;

/// Climbs, reports, and says how to exit.
pub(crate) async fn run(args: DiagnoseArgs) -> u8 {
    match climb(&args).await {
        Ok(report) if report.holds() => 0,
        Ok(_) => FAULT,
        Err(failure) => {
            failure.report(args.json);
            USAGE
        }
    }
}

async fn climb(args: &DiagnoseArgs) -> Result<DiagnosisReport, Failure> {
    let mailer = server::builder(&args.server, args.target.as_ref()).await?;
    let mut diagnosis =
        Diagnosis::of(mailer.deadlines(deadlines(args.timeout))).looks(!args.no_looks);
    if let Some(sender) = &args.from {
        diagnosis = diagnosis.sender(sender.clone());
    }
    for recipient in &args.to {
        diagnosis = diagnosis.recipient(recipient.clone());
    }
    if let Some(size) = args.size {
        diagnosis = diagnosis.size(size);
    }
    if args.json {
        let report = diagnosis.run().await?;
        say(&mut io::stdout(), &report.to_json().to_string());
        return Ok(report);
    }
    let view = View::of_stdout();
    let mut out = io::stdout();
    // Not before settings that cannot work have been refused.
    let mut title = Some(diagnosis.endpoint().to_string());
    let tell = |rung: &_| {
        title.take().into_iter().for_each(|title| say(&mut out, &title));
        say(&mut out, &view.rung(rung));
    };
    let report = diagnosis.run_with(tell).await?;
    for line in view.ending(&report) {
        say(&mut out, &line);
    }
    Ok(report)
}

/// Shorter than a mailer's: someone is waiting.
fn deadlines(timeout: Option<u64>) -> Deadlines {
    let (connection, reply) = (timeout.unwrap_or(10), timeout.unwrap_or(30));
    let mut deadlines = Deadlines::default();
    deadlines.connect = Duration::from_secs(connection);
    deadlines.handshake = Duration::from_secs(connection);
    deadlines.greeting = Duration::from_secs(reply);
    deadlines.command = Duration::from_secs(reply);
    deadlines
}
