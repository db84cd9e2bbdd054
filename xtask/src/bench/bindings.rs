//! `cargo xtask bench bindings`: Everpost through each binding, as a share of
//! its core.
//!
//! A subject is a command that takes one job and answers with one line of
//! figures, both in JSON (`benches/src/job.rs`). A language brings its subjects
//! by one function in [`LANGUAGES`]; one that cannot be had here is left out,
//! and the run says so.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{command, node, python};
use crate::c::{Build, install};
use crate::command::{Failure, cargo, run, works};
use crate::root;

/// How long a program that is compiled as it runs sends before it is measured.
const COMPILED_AS_IT_RUNS: f64 = 1.0;

/// What brings the subjects of a language: builds what they need.
type Subjects = fn(&Place) -> Result<Vec<Value>, Failure>;

const LANGUAGES: &[(&str, Subjects)] =
    &[("C", c), (".NET", dotnet_runtimes), ("Python", python_package), ("Node", node_package)];

/// Where things are.
struct Place {
    /// What is built for this.
    folder: PathBuf,
    /// What is there instead of Everpost, as the other tables have it.
    peers: PathBuf,
    /// The C library as it is given out.
    prefix: PathBuf,
    library: PathBuf,
}

/// Adds to `program`, which measures, what it is to measure.
pub(super) fn prepare(program: &mut Command, peers: &Path) -> Result<(), Failure> {
    let folder = root().join("target/bench/bindings");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let prefix = folder.join("prefix");
    let library = install(&prefix, &Build { release: true, rehearsal: false })?.shared;
    let place = Place { folder, peers: peers.to_owned(), prefix, library };

    let mut subjects = Vec::new();
    for (language, of) in LANGUAGES {
        match of(&place) {
            Ok(more) => subjects.extend(more),
            Err(failure) => println!("   {language} is left out: {failure}"),
        }
    }
    let file = place.folder.join("subjects.json");
    fs::write(&file, Value::from(subjects).to_string())
        .map_err(|error| format!("{}: {error}", file.display()))?;
    program.arg("--subjects").arg(file);
    Ok(())
}

/// The ways to call the core, one of which has the shape of a subject.
const TASKS: &str = "core, tasks";
const THREADS: &str = "core, threads";
const AWAITED: &str = "core, awaited";

/// A subject that is Everpost in another language.
fn binding(label: &str, command: &[&Path], how: &str, beside: &str) -> Value {
    let command: Vec<_> = command.iter().map(|part| part.to_string_lossy()).collect();
    json!({
        "label": label, "command": command, "how": how, "concurrent": [1, 8], "beside": beside,
        "binding": true,
    })
}

/// What a language has instead.
fn peer(label: &str, command: &[&Path], beside: &str) -> Value {
    let mut subject = binding(label, command, "kept", beside);
    subject["binding"] = false.into();
    subject
}

fn script(name: &str) -> PathBuf {
    root().join("benches/peers").join(name)
}

/// One program, with the shared library.
fn c(place: &Place) -> Result<Vec<Value>, Failure> {
    if cfg!(windows) {
        return Err("its program is written for Unix".to_owned());
    }
    let program = place.folder.join("everpost-c");
    let libraries = place.prefix.join("lib");
    let flags = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-Wall", "-Wextra", "-pthread"];
    let mut compile = command("cc", &flags);
    compile.arg("-o").arg(&program).arg(script("everpost.c"));
    compile.arg(format!("-I{}", place.prefix.join("include").display()));
    compile.arg(format!("-L{}", libraries.display())).arg("-leverpost");
    compile.arg(format!("-Wl,-rpath,{}", libraries.display()));
    run(compile)?;
    Ok(vec![
        binding("C, everpost_mailer_send", &[&program], "blocking", THREADS),
        binding("C, everpost_mailer_send_start", &[&program], "started", TASKS),
    ])
}

/// By the SDK where there is one, otherwise on both runtimes that are put
/// together here.
fn dotnet_runtimes(place: &Place) -> Result<Vec<Value>, Failure> {
    let source = script("dotnet/EverpostPeer.cs");
    let ways = |runtime: &str, command: &[&Path]| {
        ["Send", "SendAsync"].map(|method| {
            let (how, beside) =
                if method == "Send" { ("blocking", THREADS) } else { ("tasks", AWAITED) };
            let mut subject = binding(&format!("{runtime}, {method}"), command, how, beside);
            subject["warm"] = COMPILED_AS_IT_RUNS.into();
            subject["env"] = json!({ "EVERPOST_LIBRARY": place.library });
            subject
        })
    };
    if works(command("dotnet", &["--list-sdks"])) {
        let out = place.folder.join("dotnet");
        let project = source.with_extension("csproj");
        let mut build = command("dotnet", &["build", "--configuration", "Release", "--output"]);
        build.arg(&out).arg(project);
        run(build)?;
        return Ok(ways(".NET", &[Path::new("dotnet"), &out.join("EverpostPeer.dll")]).into());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("there is no .NET SDK on PATH".to_owned());
    }
    let scripts = root().join("bindings-dotnet/tools");
    let tools = root().join("target/dotnet");
    let mut setup = Command::new(scripts.join("setup.sh"));
    setup.arg(&tools);
    run(setup)?;
    let mut subjects = Vec::new();
    for (name, runtime, program) in
        [("CoreCLR", "coreclr", "Program.dll"), ("Mono", "mono", "Program.exe")]
    {
        let out = place.folder.join(runtime);
        let mut build = Command::new(scripts.join("program.sh"));
        build.arg(&tools).arg(runtime).arg(&out).arg(&place.library).arg(&source);
        run(build)?;
        let start = tools.join(format!("{runtime}.sh"));
        subjects.extend(ways(name, &[&start, &out.join(program)]));
    }
    Ok(subjects)
}

/// Both of its classes, and what Python has without it.
fn python_package(place: &Place) -> Result<Vec<Value>, Failure> {
    let python = python(&place.peers)?;
    let mut subjects = Vec::new();
    match python_with_everpost(place, &python) {
        Ok(ours) => {
            let command = [ours.as_path(), &script("everpost_peer.py")];
            subjects.push(binding("Python, Mailer", &command, "threads", THREADS));
            subjects.push(binding("Python, AsyncMailer", &command, "tasks", AWAITED));
        }
        Err(failure) => println!("   Python's package is left out: {failure}"),
    }
    subjects.push(peer("smtplib", &[&python, &script("smtplib_peer.py")], THREADS));
    subjects.push(peer("aiosmtplib", &[&python, &script("aiosmtplib_peer.py")], AWAITED));
    Ok(subjects)
}

/// A virtual environment of its own, with the package as of now.
fn python_with_everpost(place: &Place, base: &Path) -> Result<PathBuf, Failure> {
    let package = root().join("bindings-python");
    if !package.join("pyproject.toml").exists() {
        return Err("bindings-python is not there".to_owned());
    }
    let folder = place.folder.join("python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        let mut venv = command(base, &["-m", "venv"]);
        venv.arg(&folder);
        run(venv)?;
    }
    let mut install = command(&python, &["-m", "pip", "install", "--quiet"]);
    install.arg("--force-reinstall").arg(package);
    run(install)?;
    Ok(python)
}

/// By promises and as a transport of nodemailer, beside nodemailer's own pool.
fn node_package(place: &Place) -> Result<Vec<Value>, Failure> {
    let modules = node(&place.peers)?;
    let as_node = |mut subject: Value| {
        subject["env"] = json!({ "BENCH_MODULES": modules });
        subject["warm"] = COMPILED_AS_IT_RUNS.into();
        subject
    };
    let node = Path::new("node");
    run(cargo(&["build", "--release", "-p", "everpost-node"]))?;
    let addon =
        root().join("target/release").join(format!("{DLL_PREFIX}everpost_node{DLL_SUFFIX}"));
    let ours = [
        ("Node, Mailer", "send", true),
        // nodemailer composes and Everpost sends: it has no goal of its own.
        ("nodemailer, everpost's transport", "nodemailer", false),
    ];
    let ours = ours.map(|(label, how, is_binding)| {
        let mut subject =
            as_node(binding(label, &[node, &script("everpost_peer.mjs")], how, AWAITED));
        subject["binding"] = is_binding.into();
        subject["env"]["EVERPOST_LIBRARY"] = json!(addon);
        subject
    });
    let own = as_node(peer("nodemailer, pool", &[node, &script("nodemailer_peer.mjs")], AWAITED));
    Ok(ours.into_iter().chain([own]).collect())
}
