//! From the command line to a configuration.

use std::path::Path;

use everpost::probe::Target;
use everpost::watch::{Config, Entry, Hook, Webhook};

use super::args::WatchArgs;
use crate::failure::Failure;

/// Reads files and targets, and sets what the options say.
pub(super) fn config(args: &WatchArgs) -> Result<Config, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let (files, targets): (Vec<&String>, Vec<&String>) =
        args.sources.iter().partition(|source| is_file(source));
    let mut config = match files[..] {
        [] => Config::default(),
        [file] => Config::load(Path::new(file)).map_err(|error| wrong(&error))?,
        _ => return Err(Failure::Usage("only one file can be watched at a time".to_owned())),
    };
    for text in targets {
        let target: Target =
            text.parse().map_err(|error| Failure::Usage(format!("{text}: {error}")))?;
        let entry = match args.mx {
            true => {
                let mut entry = Entry::new(Target::mx_of(target.host));
                entry.name = format!("MX of {text}");
                entry
            }
            false => Entry::new(target),
        };
        config.entries.push(entry);
    }
    for entry in &mut config.entries {
        if let Some(interval) = args.interval {
            entry.interval = interval;
        }
        if !args.trust.is_empty() {
            entry.trust.clone_from(&args.trust);
        }
        if let Some(warn) = args.warn {
            entry.thresholds.warning = warn;
        }
        if let Some(crit) = args.crit {
            entry.thresholds.critical = crit;
        }
    }
    config.listen = args.listen.or(config.listen);
    config.state = args.state.clone().or(config.state);
    if let Some(command) = &args.hook {
        let words = words(command).map_err(|reason| Failure::Usage(format!("--hook: {reason}")))?;
        config.hook = Some(Hook::new(words));
    }
    if let Some(url) = &args.webhook {
        config.webhook = Some(Webhook::new(url.expose()).map_err(|error| wrong(&error))?);
    }
    Ok(config)
}

/// Whether a source is meant as a file: it is one, or looks like a path.
fn is_file(source: &str) -> bool {
    let path = Path::new(source);
    let looks = source.ends_with(".toml") || source.ends_with(".txt");
    looks || path.is_file() || (path.components().count() > 1 && !source.contains("://"))
}

/// Splits a command into words. Quotes keep a word together; a backslash
/// means itself, as paths on Windows need it.
fn words(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in command.chars() {
        match (quote, char) {
            (Some(open), char) if char == open => quote = None,
            (Some(_), char) => word.get_or_insert_default().push(char),
            (None, '"' | '\'') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, char) if char.is_whitespace() => words.extend(word.take()),
            (None, char) => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    match (quote, words.is_empty()) {
        (Some(_), _) => Err("a quote is not closed"),
        (None, true) => Err("it names no program"),
        (None, false) => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_split_at_spaces_and_quotes_keep_words_together() {
        let split = |text| words(text).map(|words| words.join("|"));
        assert_eq!(split("/bin/alert"), Ok("/bin/alert".to_owned()));
        assert_eq!(split("  a 'b c'  \"d'e\" f\"g\"h '' "), Ok("a|b c|d'e|fgh|".to_owned()));
        assert_eq!(split(r"C:\tools\alert.exe /p"), Ok(r"C:\tools\alert.exe|/p".to_owned()));
        assert!(split("a 'b").is_err());
        assert!(split("  ").is_err());
    }

    #[test]
    fn a_path_is_a_file_and_a_host_or_url_is_none() {
        for file in ["watch.toml", "hosts.txt", "./hosts", "/etc/everpost/hosts"] {
            assert!(is_file(file), "{file}");
        }
        for target in ["mail.example.org", "mail.example.org:25", "smtps://h/", "[::1]:25"] {
            assert!(!is_file(target), "{target}");
        }
    }
}
