//! `cargo xtask test-mta`: Everpost before Postfix, Exim and openssl as Debian
//! has them (docs/real-servers.md).
//!
//! What is missing is installed, and nothing that is there is replaced. Debian
//! has one mail server per machine: Exim is unpacked beside Postfix, under
//! `target/mta`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Failure, cargo, run};
use crate::root;

/// The step's name.
pub(crate) const NAME: &str = "mta";

const POSTFIX: &str = "/usr/sbin/postfix";
const OPENSSL: &str = "/usr/bin/openssl";
const EXIM: &str = "/usr/sbin/exim4";
const EXIM_PACKAGE: &str = "exim4-daemon-light";
const EXIM_USER: &str = "Debian-exim";

pub(crate) fn check(_: &mut Vec<String>) -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        return Err("these tests run on Linux; a Debian container will do".to_owned());
    }
    if output(Command::new("id").arg("-u"))? != "0" {
        let why = "only root may start Postfix: run this as root, in a Debian container for one";
        return Err(why.to_owned());
    }
    install()?;
    let exim = exim()?;
    // With the dependencies of the other tests, as those built them.
    let mut tests = cargo(&["test", "--workspace", "--all-features", "--test", "mta"]);
    tests.env("EVERPOST_EXIM", exim);
    run(tests)
}

/// Postfix and openssl.
fn install() -> Result<(), Failure> {
    let wanted = [(POSTFIX, "postfix"), (OPENSSL, "openssl")];
    let missing = wanted.iter().filter(|(path, _)| !Path::new(path).exists());
    let missing: Vec<_> = missing.map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(apt_get(&["update"]))?;
    // The system's own instance is not used, and is to serve nobody else.
    let mut answer = Command::new("sh");
    answer
        .arg("-c")
        .arg("echo 'postfix postfix/main_mailer_type select Local only' | debconf-set-selections");
    run(answer)?;
    let mut install = apt_get(&["install", "-y", "--no-install-recommends", "--no-remove"]);
    install.args(&missing);
    run(install).map_err(|failure| {
        format!("{failure}; Debian removes another mail server for Postfix, and this does not")
    })
}

/// Where Exim is; unpacks it if it is not installed.
fn exim() -> Result<PathBuf, Failure> {
    if Path::new(EXIM).exists() {
        return Ok(PathBuf::from(EXIM));
    }
    let folder = root().join("target/mta");
    let program = folder.join("exim").join(EXIM.trim_start_matches('/'));
    if !program.exists() {
        run(apt_get(&["update"]))?;
        let mut libraries =
            apt_get(&["install", "-y", "--no-install-recommends", "--no-remove", "--no-upgrade"]);
        let depends = output(Command::new("apt-cache").args(["depends", EXIM_PACKAGE]))?;
        libraries.args(libraries_of(&depends));
        run(libraries)?;
        unpack(&folder)?;
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    if !users.lines().any(|line| line.starts_with(&format!("{EXIM_USER}:"))) {
        // As its package would: the program does not start without.
        let mut user = Command::new("useradd");
        user.args(["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", EXIM_USER]);
        run(user)?;
    }
    Ok(program)
}

fn unpack(folder: &Path) -> Result<(), Failure> {
    let failed = |error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    let mut download = apt_get(&["download", EXIM_PACKAGE]);
    download.current_dir(folder);
    run(download)?;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let package = entry.map_err(failed)?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut extract = Command::new("dpkg-deb");
            extract.arg("--extract").arg(&package).arg(folder.join("exim"));
            run(extract)?;
            fs::remove_file(&package).map_err(failed)?;
        }
    }
    Ok(())
}

/// The libraries that `apt-cache depends` names.
fn libraries_of(depends: &str) -> Vec<&str> {
    let names = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.filter(|name| name.starts_with("lib")).collect()
}

pub(crate) fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // Somebody else may be installing something just now.
    command.args(["-qq", "-o", "DPkg::Lock::Timeout=300"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("{program}: {}", output.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_packages_dependencies_only_the_libraries_are_installed() {
        let depends = "exim4-daemon-light\n  Depends: exim4-base\n |Depends: debconf\n  \
                       Depends: libc6\n  Depends: libpcre2-8-0\n  Conflicts: libmail\n";
        assert_eq!(libraries_of(depends), ["libc6", "libpcre2-8-0"]);
    }
}
