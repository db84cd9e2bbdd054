//! The programs that the step needs. On Debian, as root, those that are missing
//! are installed; elsewhere the two compilers and pkg-config must be there, and
//! what else is missing is not used, and said.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::command::{Failure, run, works};
use crate::mta::{apt_get, output};

/// What was found.
pub(crate) struct Tools {
    pub(crate) cc: String,
    pub(crate) cxx: String,
    pub(crate) valgrind: bool,
    pub(crate) cmake: bool,
}

impl Tools {
    pub(crate) fn find() -> Result<Tools, Failure> {
        let named = |variable, default: &str| env::var(variable).unwrap_or(default.to_owned());
        let (cc, cxx) = (named("CC", "cc"), named("CXX", "c++"));
        let wanted = [
            (cc.as_str(), "gcc"),
            (&cxx, "g++"),
            ("pkg-config", "pkg-config"),
            ("valgrind", "valgrind"),
        ];
        let missing = wanted.iter().filter(|(program, _)| !is_there(program));
        install(&missing.map(|(_, package)| *package).collect::<Vec<_>>())?;
        for program in [cc.as_str(), &cxx, "pkg-config"] {
            if !is_there(program) {
                return Err(format!(
                    "{program} is missing: install it, or name another in CC or CXX"
                ));
            }
        }
        let optional = |program: &str| {
            let there = is_there(program);
            if !there {
                println!("   {program} is not installed: nothing is run with it");
            }
            there
        };
        Ok(Tools { valgrind: optional("valgrind"), cmake: optional("cmake"), cc, cxx })
    }
}

/// What the compiler is told of a library, as pkg-config has it. On Debian its
/// package is installed.
pub(crate) fn library(name: &str, package: &str) -> Result<Vec<String>, Failure> {
    let ask = || {
        let mut ask = Command::new("pkg-config");
        ask.args(["--cflags", "--libs", name]);
        ask
    };
    if !works(ask()) {
        install(&[package])?;
    }
    let flags = output(&mut ask()).map_err(|_| {
        format!("the library {name} is missing: install it, on Debian as {package}")
    })?;
    Ok(flags.split_whitespace().map(str::to_owned).collect())
}

/// Installs packages, where that is possible.
fn install(packages: &[&str]) -> Result<(), Failure> {
    if packages.is_empty() || !may_install()? {
        return Ok(());
    }
    run(apt_get(&["update"]))?;
    let mut install = apt_get(&["install", "-y", "--no-install-recommends", "--no-remove"]);
    install.args(packages);
    run(install)
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version");
    works(command)
}

fn may_install() -> Result<bool, Failure> {
    Ok(Path::new("/usr/bin/apt-get").exists() && output(Command::new("id").arg("-u"))? == "0")
}
