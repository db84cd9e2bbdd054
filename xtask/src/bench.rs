//! `cargo xtask bench`: builds the benchmarks, installs the peers that are not
//! written in Rust under `target/bench/peers`, and runs.
//!
//! A peer whose runtime is missing is left out, and the run says so.
//!
//! `cargo xtask bench probe` sets `everpost probe` beside the programs that
//! people look at certificates with, from Debian and PyPI; `cargo xtask bench
//! bindings` sets Everpost in other languages beside its core.

mod bindings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Failure, cargo, run, works};
use crate::root;

/// The versions that the tables are about; Debian's programs are those of the
/// distribution.
const SSLYZE: &str = "sslyze==6.3.1";
const AIOSMTPLIB: &str = "aiosmtplib==5.1.3";
const NODEMAILER: &str = "nodemailer@10.6.0";

/// Runs the benchmarks with these arguments.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Failure> {
    let target = root().join("target/bench");
    let mut build = cargo(&["build", "--release", "--manifest-path", "benches/Cargo.toml"]);
    build.arg("--target-dir").arg(&target);
    run(build)?;

    let built = |folder: &str, name: &str| {
        root().join("target").join(folder).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    };
    let mut program = Command::new(built("bench/release", "everpost-bench"));
    if let Some((first, rest)) = arguments.split_first()
        && first == "probe"
    {
        // As it is given out.
        run(cargo(&["build", "--profile", "dist", "-p", "everpost-cli"]))?;
        program.arg("probe").arg("--everpost").arg(built("dist", "everpost"));
        match sslyze(&target.join("peers")) {
            Ok(folder) => _ = program.arg("--python-programs").arg(folder),
            Err(failure) => println!("   {failure}"),
        }
        debian_programs();
        program.args(rest);
        return run(program);
    }
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        let peers = target.join("peers");
        fs::create_dir_all(&peers).map_err(|error| format!("{}: {error}", peers.display()))?;
        if let Some((first, rest)) = arguments.split_first()
            && first == "bindings"
        {
            bindings::prepare(program.arg("bindings"), &peers)?;
            program.args(rest);
            return run(program);
        }
        let installed = [
            ("--python", python(&peers)),
            ("--node-modules", node(&peers)),
            ("--nodelay", nodelay(&peers)),
        ];
        for (option, path) in installed {
            match path {
                Ok(path) => _ = program.arg(option).arg(path),
                Err(failure) => println!("   {failure}"),
            }
        }
    }
    program.args(arguments);
    run(program)
}

/// A virtual environment with aiosmtplib.
fn python(peers: &Path) -> Result<PathBuf, Failure> {
    let folder = peers.join("python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !works(command(&python, &["-c", "import aiosmtplib"])) {
        let base = if cfg!(windows) { "python" } else { "python3" };
        let mut venv = Command::new(base);
        venv.args(["-m", "venv"]).arg(&folder);
        run(venv)?;
        run(command(&python, &["-m", "pip", "install", "--quiet", AIOSMTPLIB]))?;
    }
    Ok(python)
}

/// The folder of programs of a virtual environment with sslyze.
fn sslyze(peers: &Path) -> Result<PathBuf, Failure> {
    let folder = peers.join("sslyze");
    let (programs, python) =
        if cfg!(windows) { ("Scripts", "python.exe") } else { ("bin", "python") };
    let programs = folder.join(programs);
    if !works(command(programs.join("sslyze"), &["--help"])) {
        let base = if cfg!(windows) { "python" } else { "python3" };
        let mut venv = Command::new(base);
        venv.args(["-m", "venv"]).arg(&folder);
        run(venv)?;
        run(command(programs.join(python), &["-m", "pip", "install", "--quiet", SSLYZE]))?;
    }
    Ok(programs)
}

/// The programs that Debian has, where this is Debian; those that cannot be had
/// are left out by the run itself.
fn debian_programs() {
    const PACKAGES: [(&str, &str); 6] = [
        ("openssl", "/usr/bin/openssl"),
        ("postfix", "/usr/sbin/posttls-finger"),
        ("gnutls-bin", "/usr/bin/gnutls-cli"),
        ("monitoring-plugins-basic", "/usr/lib/nagios/plugins/check_smtp"),
        ("sslscan", "/usr/bin/sslscan"),
        ("testssl.sh", "/usr/bin/testssl"),
    ];
    let missing = PACKAGES.iter().filter(|(_, program)| !Path::new(program).exists());
    let missing: Vec<&str> = missing.map(|(package, _)| *package).collect();
    if missing.is_empty() || !works(command("apt-get", &["--version"])) {
        return;
    }
    let mut install = command("apt-get", &["install", "-y", "--no-install-recommends"]);
    install.args(missing).env("DEBIAN_FRONTEND", "noninteractive");
    let installed = run(command("apt-get", &["update", "-qq"])).and_then(|()| run(install));
    if let Err(failure) = installed {
        println!("   {failure}");
    }
}

/// A folder with nodemailer.
fn node(peers: &Path) -> Result<PathBuf, Failure> {
    let folder = peers.join("node");
    if !folder.join("node_modules/nodemailer").is_dir() {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let mut install = command(npm, &["install", "--no-audit", "--no-fund", "--silent"]);
        install.arg("--prefix").arg(&folder).arg(NODEMAILER);
        run(install)?;
    }
    if works(command("node", &["--version"])) {
        Ok(folder)
    } else {
        Err("node is not installed".to_owned())
    }
}

/// The library that forces TCP_NODELAY; only Linux preloads it so.
fn nodelay(peers: &Path) -> Result<PathBuf, Failure> {
    if !cfg!(target_os = "linux") {
        return Err("TCP_NODELAY can be forced on Linux only".to_owned());
    }
    let library = peers.join("nodelay.so");
    let mut compile = command("cc", &["-O2", "-shared", "-fPIC", "-o"]);
    compile.arg(&library).arg(root().join("benches/peers/nodelay.c")).arg("-ldl");
    run(compile)?;
    Ok(library)
}

fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
