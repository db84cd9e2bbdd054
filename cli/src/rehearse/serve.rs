//! `everpost rehearse --serve`: the server alone, steered by lines of JSON.

use std::io;
use std::net::SocketAddr;

use everpost_rehearsal::{Builder, Options, Rehearsal, TlsVersions, control};
use tokio::io::BufReader;

use crate::args::{ServeArgs, Version};
use crate::failure::Failure;
use crate::send::report::say;

/// Serves until standard input ends or says stop.
pub(super) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let port = |port: Option<u16>| port.unwrap_or(0);
    let server = builder(args)?
        .address(args.address)
        .ports(port(args.implicit_port), port(args.starttls_port), port(args.plain_port))
        .start()
        .await?;
    if let Some(path) = &args.ca_out {
        let what = || format!("cannot write the CA to {}", path.display());
        tokio::fs::write(path, server.ca_pem()).await.map_err(|e| Failure::io(what(), e))?;
    }
    introduce(args, &server);
    let input = BufReader::new(tokio::io::stdin());
    let served = control::serve(server, input, tokio::io::stdout()).await;
    served.map_err(|error| Failure::io("the control channel broke", error))
}

/// What the server is to be, but for where it listens.
fn builder(args: &ServeArgs) -> Result<Builder, Failure> {
    if let Some(options) = &args.options {
        let options: Options = serde_json::from_str(options.expose())
            .map_err(|error| Failure::Usage(format!("--options: {error}")))?;
        return Ok(options.into());
    }
    let mut builder = Rehearsal::builder()
        .host(args.host.as_str())
        .resumption(!args.no_resumption)
        .tls_versions(match args.tls {
            None => TlsVersions::Both,
            Some(Version::Tls12) => TlsVersions::Tls12,
            Some(Version::Tls13) => TlsVersions::Tls13,
        });
    if let (Some(user), Some(password)) = (&args.user, &args.password) {
        builder = builder.credentials(user.as_str(), password.expose());
    }
    Ok(builder)
}

/// Tells people on standard error how to send to it.
fn introduce(args: &ServeArgs, server: &Rehearsal) {
    let login = args.user.as_ref().map_or_else(String::new, |user| {
        let password = args.password.as_ref().map_or("", |password| password.expose());
        format!("{}:{}@", encoded(user), encoded(password))
    });
    let trust = args.ca_out.as_ref().map(|path| encoded(&path.to_string_lossy()));
    let name = |address: SocketAddr| match server.host() {
        "localhost" => format!("localhost:{}", address.port()),
        _ => address.to_string(),
    };
    let query = |first: &str| {
        let trust = trust.iter().map(|path| format!("trust={path}"));
        let keys: Vec<_> =
            Some(first.to_owned()).filter(|k| !k.is_empty()).into_iter().chain(trust).collect();
        if keys.is_empty() { String::new() } else { format!("?{}", keys.join("&")) }
    };
    let mut lines = vec![
        format!("implicit TLS  smtps://{login}{}{}", name(server.implicit_addr()), query("")),
        format!(
            "STARTTLS      smtp://{login}{}{}",
            name(server.starttls_addr()),
            query("tls=required")
        ),
        format!("plain         smtp://{}?tls=none", name(server.plain_addr())),
    ];
    lines.push(match &args.ca_out {
        Some(path) => format!("trust         {}", path.display()),
        None => "trust         the CA's root is \"ca_pem\" in the first line of standard output; \
                 --ca-out FILE writes it to a file"
            .to_owned(),
    });
    say(&mut io::stderr(), &lines.join("\n"));
}

/// Percent-encodes all that has or could have a meaning in a URL.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
