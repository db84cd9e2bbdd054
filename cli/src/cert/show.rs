//! `everpost cert show`.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use everpost::certificate::{CertificateFile, CertificateReport, Inspector};
use everpost::{Axis, FindingId, Severity, TrustRoots};
use serde_json::json;

use super::args::ShowArgs;
use super::{CRITICAL, explained, load, render, report, style::Style, view};
use crate::failure::Failure;
use crate::secret::Secret;
use crate::send::report::say;
use crate::usage::UNKNOWN;

/// A file with the verdict on it.
pub(super) struct Shown<'a> {
    pub(super) path: &'a Path,
    pub(super) file: CertificateFile,
    pub(super) report: CertificateReport,
    /// Whether trust was asked about.
    pub(super) trust: bool,
}

pub(super) async fn run(args: &ShowArgs) -> u8 {
    let (inspector, password) = match prepare(args).await {
        Ok(prepared) => prepared,
        Err(failure) => return report(&failure, args.json),
    };
    let style = Style::of(&io::stdout());
    let at = SystemTime::now() + args.at.unwrap_or_default();
    let mut worst = 0;
    let mut objects = Vec::new();
    for (number, path) in args.files.iter().enumerate() {
        let shown = load(path, password.as_ref());
        match shown.map(|file| judged(args, &inspector, path, file, at)) {
            Ok(shown) => {
                worst = worse(worst, code(shown.report.severity()));
                if args.json {
                    objects.push(render::shown(&shown));
                } else {
                    if number > 0 {
                        say(&mut io::stdout(), "");
                    }
                    view::show(&mut io::stdout(), style, &shown, at);
                }
            }
            Err(failure) => {
                worst = worse(worst, UNKNOWN);
                report(&failure, false);
                let (message, hint) = explained(&failure);
                let file = path.display().to_string();
                objects.push(json!({ "file": file, "message": message, "hint": hint }));
            }
        }
    }
    if args.json {
        let object = json!({ "schema": render::SCHEMA, "ok": worst == 0, "files": objects });
        say(&mut io::stdout(), &object.to_string());
    }
    worst
}

async fn prepare(args: &ShowArgs) -> Result<(Inspector, Option<Secret>), Failure> {
    let roots = match (args.trust.is_empty(), &args.host) {
        (false, _) | (true, Some(_)) => TrustRoots::load(&args.trust)?,
        // What they say is not shown; they are always there.
        (true, None) => TrustRoots::load(&[TrustRoots::Mozilla])?,
    };
    let files: Vec<_> = args.files.iter().map(|path| path.as_path()).collect();
    let password = args.opening.password(&files).await?;
    Ok((Inspector::new(&roots), password))
}

/// The verdict, without what was not asked.
fn judged<'a>(
    args: &ShowArgs,
    inspector: &Inspector,
    path: &'a Path,
    file: CertificateFile,
    at: SystemTime,
) -> Shown<'a> {
    let leaf = file.leaf();
    let own_name = || {
        let address = leaf.ip_addresses().first().map(ToString::to_string);
        let name = leaf.dns_names().first().map(|name| name.replacen('*', "any", 1));
        name.or(address).unwrap_or_else(|| "localhost".to_owned())
    };
    let host = args.host.clone().unwrap_or_else(own_name);
    let trust = args.host.is_some() || !args.trust.is_empty();
    let mut report = file.judge(inspector, &host, at);
    let is_server = args.host.is_some() || !leaf.is_ca();
    report.findings.retain(|finding| match finding.axis() {
        Axis::Trust => trust,
        Axis::Name => args.host.is_some() || (finding.id == FindingId::NoSan && is_server),
        // An authority's own file is not meant for a server.
        Axis::Purpose => is_server,
        _ => true,
    });
    Shown { path, file, report, trust }
}

fn code(severity: Option<Severity>) -> u8 {
    match severity {
        Some(Severity::Critical) => CRITICAL,
        Some(Severity::Warning) => 1,
        _ => 0,
    }
}

/// Critical is worse than unknown, which is worse than a warning.
fn worse(one: u8, other: u8) -> u8 {
    let rank = |code: &u8| match *code {
        CRITICAL => 3,
        UNKNOWN => 2,
        code => code,
    };
    if rank(&other) > rank(&one) { other } else { one }
}
