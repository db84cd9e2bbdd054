//! The `everpost` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    everpost_cli::run(std::env::args_os().skip(1)).into()
}
