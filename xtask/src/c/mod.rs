//! The step `c`: the C library as those who call it have it, installed in a
//! folder of its own and used from there.
//!
//! ```text
//! sources ─▶ header ─▶ functions ─▶ a test of NULLs
//!    └─▶ install ─▶ parity, ffi-c/tests, ffi-c/examples
//! ```

mod arrange;
mod exceptions;
mod functions;
mod header;
mod install;
mod nulls;
mod parity;
mod programs;
mod tools;

use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) use header::header;
use install::Installed;
pub(crate) use install::{Build, install};

use crate::command::Failure;
use crate::root;
use tools::Tools;

/// Where everything that is made goes, from the root of the workspace.
const FOLDER: &str = "target/c";

/// The step.
pub(crate) fn check() -> Result<(), Failure> {
    header(true)?;
    if cfg!(windows) {
        println!("   the programs in C are written for Unix: they are not run here");
        return Ok(());
    }
    let tools = Tools::find()?;
    let folder = root().join(FOLDER);
    let header = header::text()?;
    let functions = functions::functions(&header);
    let installed = library(&folder)?;
    parity::check(&header, &functions, &installed.shared)?;

    let generated = folder.join("null.c");
    fs::write(&generated, nulls::program(&functions))
        .map_err(|error| format!("{}: {error}", generated.display()))?;
    programs::check(&tools, &folder, &installed, &generated)
}

/// Builds the runner of the scenarios.
pub(crate) fn scenarios() -> Result<Command, Failure> {
    let tools = Tools::find()?;
    let folder = root().join(FOLDER);
    let installed = library(&folder)?;
    programs::scenarios(&tools, &folder, &installed).map(Command::new)
}

/// The library that all programs here are built with.
fn library(folder: &Path) -> Result<Installed, Failure> {
    install(&folder.join("prefix"), &Build { release: false, rehearsal: true })
}
