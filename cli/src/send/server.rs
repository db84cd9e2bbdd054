//! From options to a mailer.

use std::path::Path;
use std::time::Duration;

use everpost::probe::Target;
use everpost::{Credentials, Mailer, MailerBuilder, TlsMode};

use super::compose::read_stdin;
use crate::args::{SendArgs, ServerArgs, Tls};
use crate::failure::Failure;
use crate::secret::Secret;

/// The mailer that the options and the environment ask for.
pub(super) async fn mailer(args: &SendArgs) -> Result<Mailer, Failure> {
    let mut builder = builder(&args.server, None).await?;
    if let Some(seconds) = args.timeout {
        builder = builder.send_timeout(Duration::from_secs(seconds));
    }
    Ok(builder.build()?)
}

/// The same before it is built; `target` names the server as a URL or as
/// `host[:port]` in place of the options.
pub(crate) async fn builder(
    args: &ServerArgs,
    target: Option<&Secret>,
) -> Result<MailerBuilder, Failure> {
    let mut builder = match target {
        Some(target) => of_target(target.expose(), args.tls)?,
        None => endpoint(args)?,
    };
    if let Some(user) = &args.user {
        let password = password(args).await?;
        builder = builder.credentials(Credentials::password(user.as_str(), password.expose()));
    }
    for roots in &args.trust {
        builder = builder.trust(roots.clone());
    }
    Ok(builder)
}

fn of_target(text: &str, tls: Option<Tls>) -> Result<MailerBuilder, Failure> {
    if text.contains("://") {
        if tls.is_some() {
            let text = "a URL says itself how TLS comes about: leave out --tls, or give host:port";
            return Err(Failure::Usage(text.to_owned()));
        }
        return Ok(Mailer::builder_from_url(text)?);
    }
    let target: Target = text.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
    let mode = tls.map_or_else(|| usual_mode(Some(target.port)), TlsMode::from);
    Ok(Mailer::builder(target.host).tls(mode).port(target.port))
}

fn endpoint(args: &ServerArgs) -> Result<MailerBuilder, Failure> {
    if let Some(host) = &args.host {
        let mode = args.tls.map_or_else(|| usual_mode(args.port), TlsMode::from);
        let builder = Mailer::builder(host.as_str()).tls(mode);
        return Ok(match args.port {
            Some(port) => builder.port(port),
            None => builder,
        });
    }
    let url = args.url.clone().or_else(|| environment("EVERPOST_URL")).ok_or_else(|| {
        let text = "no server is named: give --host or --url, or set EVERPOST_URL";
        Failure::Usage(text.to_owned())
    })?;
    Ok(Mailer::builder_from_url(url.expose())?)
}

/// TLS is never left out unless asked for.
fn usual_mode(port: Option<u16>) -> TlsMode {
    match port {
        Some(25 | 587 | 2525) => TlsMode::StartTls,
        _ => TlsMode::Implicit,
    }
}

async fn password(args: &ServerArgs) -> Result<Secret, Failure> {
    if let Some(password) = &args.password {
        return Ok(password.clone());
    }
    if let Some(path) = &args.password_file {
        return first_line(path).await;
    }
    environment("EVERPOST_PASSWORD").ok_or_else(|| {
        let text = "--user needs a password: give --password-file, or set EVERPOST_PASSWORD";
        Failure::Usage(text.to_owned())
    })
}

/// A password from a file or standard input: what its first line holds.
pub(crate) async fn first_line(path: &Path) -> Result<Secret, Failure> {
    let bytes = if path == Path::new("-") {
        read_stdin("the password").await?
    } else {
        let what = || format!("cannot read the password file {}", path.display());
        tokio::fs::read(path).await.map_err(|error| Failure::io(what(), error))?
    };
    let bytes = zeroize::Zeroizing::new(bytes);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok("") => Err(Failure::Usage("the password file's first line is empty".to_owned())),
        Ok(line) => Ok(Secret::new(line.to_owned())),
        Err(_) => Err(Failure::Usage("the password is not UTF-8".to_owned())),
    }
}

fn environment(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret::new)
}
