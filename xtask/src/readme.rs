//! The README does what it says: its commands are run, its walk through a probe
//! is taken, its first program is the one in `core/examples/send.rs`, and that
//! one sends mail.
//!
//! Of the blocks marked `sh`, every line that begins with `cargo` is run as it
//! stands, but for `cargo xtask`, which would never end, and for blocks right
//! after `<!-- not run: why -->`.

use std::fs;
use std::process::Command;

use crate::command::{Failure, hasty_cargo, run};
use crate::probing::Walk;
use crate::{programs, root};

/// Where the README's program lives.
const PROGRAM: &str = "core/examples/send.rs";

pub(crate) fn check(_: &mut Vec<String>) -> Result<(), Failure> {
    let readme = read("README.md")?;
    same_program(&readme, &read(PROGRAM)?)?;
    let commands = commands(&readme)?;
    if commands.is_empty() {
        return Err("the README holds no command to run".to_owned());
    }
    commands.into_iter().try_for_each(run)?;
    Walk::find(&readme)?.take()?;
    programs::check()
}

fn read(path: &str) -> Result<String, Failure> {
    let text = fs::read_to_string(root().join(path));
    text.map(|text| text.replace("\r\n", "\n")).map_err(|error| format!("{path}: {error}"))
}

/// The first Rust block of the README is the end of the example.
fn same_program(readme: &str, example: &str) -> Result<(), Failure> {
    let program = blocks(readme).find(|block| block.language.starts_with("rust"));
    let program = program.ok_or("the README holds no program")?.text;
    if !program.trim().is_empty() && example.trim_end().ends_with(program.trim()) {
        Ok(())
    } else {
        Err(format!("the README's first program and {PROGRAM} differ"))
    }
}

fn commands(readme: &str) -> Result<Vec<Command>, Failure> {
    let mut commands = Vec::new();
    for block in blocks(readme).filter(|block| block.language == "sh" && !block.skipped) {
        for line in block.text.lines() {
            let Some(arguments) = line.strip_prefix("cargo ") else { continue };
            if arguments.starts_with("xtask") {
                continue;
            }
            if let Some(special) = arguments.chars().find(|c| "\"'`$|&;<>\\*".contains(*c)) {
                return Err(format!("a shell would have to read {special:?} in: {line}"));
            }
            commands.push(hasty_cargo(&arguments.split_whitespace().collect::<Vec<_>>()));
        }
    }
    Ok(commands)
}

/// A fenced block of Markdown.
struct Block<'a> {
    language: &'a str,
    text: String,
    /// The line before it says that it is not to be run.
    skipped: bool,
}

fn blocks(markdown: &str) -> impl Iterator<Item = Block<'_>> {
    let mut lines = markdown.lines();
    let mut before = "";
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            let Some(language) = line.strip_prefix("```") else {
                if !line.trim().is_empty() {
                    before = line;
                }
                continue;
            };
            let skipped = std::mem::take(&mut before).starts_with("<!-- not run:");
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            return Some(Block { language, text: body.join("\n"), skipped });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(readme: &str) -> Vec<String> {
        let words = |command: &Command| {
            let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
            words.join(" ")
        };
        commands(readme).unwrap().iter().map(words).collect()
    }

    #[test]
    fn cargo_commands_of_sh_blocks_are_run_and_nothing_else() {
        let readme = "cargo text\n```sh\ncargo run -- rehearse\neverpost send\ncargo xtask test\n```\n\
                      ```rust\ncargo no\n```\n<!-- not run: needs a server -->\n```sh\ncargo no\n```\n\
                      ```sh\ncargo doc\n```\n";
        assert_eq!(arguments(readme), ["run -- rehearse", "doc"]);
    }

    #[test]
    fn a_command_that_needs_a_shell_is_refused_rather_than_run_wrongly() {
        assert!(commands("```sh\ncargo run | tail\n```\n").is_err());
    }

    #[test]
    fn a_program_that_differs_from_its_example_is_found() {
        let readme = "```rust,no_run\nfn main() {}\n```\n";
        assert!(same_program(readme, "//! Doc.\n\nfn main() {}\n").is_ok());
        assert!(same_program(readme, "fn main() { }\n").is_err());
        assert!(same_program("no program", "fn main() {}\n").is_err());
    }
}
