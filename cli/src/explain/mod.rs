//! `everpost explain`: who is at fault, with the evidence.

pub(crate) mod args;

use std::io;

use everpost::certificate::CertificateFile;
use everpost::mailer::{ExplainOptions, Explanation, Fault, Leaf};

use self::args::ExplainArgs;
use crate::diagnose::FAULT;
use crate::diagnose::view::{View, cut, harmless};
use crate::failure::Failure;
use crate::send::report::{rfc3339, say};
use crate::send::server;
use crate::usage::USAGE;

/// Explains, and says how to exit.
pub(crate) async fn run(args: ExplainArgs) -> u8 {
    match explain(&args).await {
        Ok(Fault::None | Fault::PoolStale) => 0,
        Ok(_) => FAULT,
        Err(failure) => {
            failure.report(args.json);
            USAGE
        }
    }
}

async fn explain(args: &ExplainArgs) -> Result<Fault, Failure> {
    let mut options = ExplainOptions::default();
    if let Some(path) = &args.compare {
        let password = match &args.compare_password_file {
            Some(path) => Some(server::first_line(path).await?),
            None => None,
        };
        let password = password.as_ref().map(|password| password.expose());
        options = options.certificate_file(CertificateFile::load(path, password)?);
    }
    let mailer = server::builder(&args.server, args.target.as_ref()).await?.build()?;
    let explanation = mailer.explain_with(options).await;
    let mut out = io::stdout();
    if args.json {
        say(&mut out, &explanation.to_json().to_string());
    } else {
        say(&mut out, &mailer.endpoint().to_string());
        for line in lines(&explanation, View::of_stdout()) {
            say(&mut out, &line);
        }
    }
    mailer.close().await;
    Ok(explanation.fault)
}

fn lines(explanation: &Explanation, view: View) -> Vec<String> {
    let mut lines = Vec::new();
    for look in &explanation.looks {
        let place = look.address.map_or("by the proxy".to_owned(), |at| at.ip().to_string());
        let leaf = look.leaf.as_ref().map(describe);
        let (mark, seen) = match &look.error {
            Some(error) => ('✗', error.message_text().to_owned()),
            None => ('✓', leaf.unwrap_or_else(|| "no TLS".to_owned())),
        };
        lines.push(cut(&harmless(&format!("  {mark} {place:<15} {seen}")), 100));
    }
    if let Some(leaf) = &explanation.file {
        lines.push(cut(&format!("  · {:<15} {}", "the file", describe(leaf)), 100));
    }
    lines.push(String::new());
    let colour = match explanation.fault {
        Fault::None | Fault::PoolStale => "32",
        _ => "31;1",
    };
    lines.extend(view.labelled(colour, label(explanation.fault), &explanation.summary));
    if let Some(remedy) = &explanation.remedy {
        lines.extend(view.labelled("1", "remedy", remedy));
    }
    lines
}

/// Short enough for the margin.
fn label(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "all well",
        Fault::PoolStale => "pool",
        Fault::Certificate => "server",
        Fault::NotLoaded => "reload",
        Fault::SomeAddresses => "addresses",
        Fault::Clock => "clock",
        Fault::Network => "network",
        Fault::Credentials => "login",
        _ => "server",
    }
}

fn describe(leaf: &Leaf) -> String {
    let until = rfc3339(leaf.not_after).unwrap_or_default();
    format!("serial {}, valid until {until}", leaf.serial)
}
