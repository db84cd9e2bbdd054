//! From words on the command line to targets.

use std::io::Read as _;
use std::net::Ipv6Addr;

use everpost::probe::{ProbeMode, Protocol, Target};

use super::args::ProbeArgs;
use crate::failure::Failure;

/// The targets in the order given, those in files in place of their file.
pub(super) fn targets(args: &ProbeArgs) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for word in &args.targets {
        match word.strip_prefix('@') {
            None => targets.push(target(word, args).map_err(Failure::Usage)?),
            Some(file) => {
                let text = read(file)?;
                for (index, line) in text.lines().enumerate() {
                    let line = line.split('#').next().unwrap_or_default().trim();
                    if !line.is_empty() {
                        let at = |error| Failure::Usage(format!("{file}:{}: {error}", index + 1));
                        targets.push(target(line, args).map_err(at)?);
                    }
                }
            }
        }
    }
    if targets.is_empty() {
        return Err(Failure::Usage("no target is named".to_owned()));
    }
    Ok(targets)
}

fn read(file: &str) -> Result<String, Failure> {
    let what = || format!("cannot read the targets in {file}");
    if file == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        return read.map(|_| text).map_err(|error| Failure::io(what(), error));
    }
    std::fs::read_to_string(file).map_err(|error| Failure::io(what(), error))
}

fn target(text: &str, args: &ProbeArgs) -> Result<Target, String> {
    let mut target: Target = text.parse().map_err(|error| format!("{text:?} is {error}"))?;
    let mode = match (args.implicit, args.starttls, args.auto) {
        (true, ..) => Some(ProbeMode::Implicit),
        (_, true, _) => Some(ProbeMode::StartTls),
        (.., true) => Some(ProbeMode::Auto),
        _ => None,
    };
    if !text.contains("://") && !has_port(text) {
        target.port = match mode {
            _ if args.mx => 25,
            _ if args.lmtp => 24,
            Some(ProbeMode::StartTls) => 587,
            _ => target.port,
        };
        target.mode = ProbeMode::of_port(target.port);
    } else if args.mx && text.contains("://") && !has_port(text) {
        target.port = 25;
    }
    if let Some(mode) = mode {
        target.mode = mode;
    }
    if args.lmtp {
        target.protocol = Protocol::Lmtp;
    }
    target.mx |= args.mx;
    Ok(target)
}

/// Whether text that was read as a target names its port.
fn has_port(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    !host.ends_with(']') && host.contains(':') && host.parse::<Ipv6Addr>().is_err()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn read(line: &str) -> Result<Vec<Target>, String> {
        let words = ["everpost", "probe"].into_iter().chain(line.split(' '));
        let args = Args::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Probe(args) = args.command else { panic!("{line}") };
        targets(&args).map_err(|error| error.to_string())
    }

    fn one(line: &str) -> (String, ProbeMode, Protocol, bool) {
        let target = read(line).unwrap().remove(0);
        (target.to_string(), target.mode, target.protocol, target.mx)
    }

    #[test]
    fn options_decide_the_port_only_where_the_target_does_not() {
        use ProbeMode::{Auto, Implicit, StartTls};
        use Protocol::{Lmtp, Smtp};
        for (line, expected) in [
            ("h", ("h:465", Implicit, Smtp, false)),
            ("h:587", ("h:587", StartTls, Smtp, false)),
            ("h:8025", ("h:8025", Auto, Smtp, false)),
            ("--starttls h", ("h:587", StartTls, Smtp, false)),
            ("--starttls h:8025", ("h:8025", StartTls, Smtp, false)),
            ("--implicit h:587", ("h:587", Implicit, Smtp, false)),
            ("--auto h", ("h:465", Auto, Smtp, false)),
            ("--lmtp h", ("h:24", StartTls, Lmtp, false)),
            ("--lmtp h:2003", ("h:2003", Auto, Lmtp, false)),
            ("--mx h", ("h:25", StartTls, Smtp, true)),
            ("--mx h:2525", ("h:2525", StartTls, Smtp, true)),
            ("mx://h", ("h:25", StartTls, Smtp, true)),
            ("--mx smtp://h", ("h:25", StartTls, Smtp, true)),
            ("--starttls 2001:db8::1", ("[2001:db8::1]:587", StartTls, Smtp, false)),
            ("--starttls [2001:db8::1]", ("[2001:db8::1]:587", StartTls, Smtp, false)),
            ("--starttls [2001:db8::1]:1", ("[2001:db8::1]:1", StartTls, Smtp, false)),
            ("--starttls smtps://h", ("h:465", StartTls, Smtp, false)),
            ("smtp://u:p@h", ("h:587", StartTls, Smtp, false)),
        ] {
            let (name, mode, protocol, mx) = expected;
            assert_eq!(one(line), (name.to_owned(), mode, protocol, mx), "{line}");
        }
    }

    #[test]
    fn a_file_stands_for_its_lines_and_a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let line = format!("a @{} z", path.display());
        std::fs::write(&path, "# servers\nb:587 # the first\n\n  c\r\n").unwrap();
        let names: Vec<_> = read(&line).unwrap().iter().map(Target::to_string).collect();
        assert_eq!(names, ["a:465", "b:587", "c:465", "z:465"]);
        std::fs::write(&path, "b\n\nc:99999\n").unwrap();
        let error = read(&line).unwrap_err();
        assert!(error.contains("list:3: \"c:99999\" is not a target: a port"), "{error}");
        std::fs::write(&path, "# none\n").unwrap();
        assert!(read(&format!("@{}", path.display())).is_err());
        assert!(read("@/does/not/exist").is_err());
    }
}
