//! The tests and examples in C: compiled as C11 and as C++17 without a warning,
//! and run with the shared library, under valgrind, and with the static library
//! and the compiler's sanitizers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::install::Installed;
use super::tools::{self, Tools};
use crate::command::{Failure, announce, run};
use crate::mta::output;
use crate::root;

const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const C: &[&str] = &["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-pthread", "-g"];
const CXX: &[&str] = &["-x", "c++", "-std=c++17", "-pthread", "-fsyntax-only"];
const SANITIZERS: &[&str] =
    &["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
const VALGRIND: &[&str] = &[
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--error-exitcode=1",
    "--num-callers=30",
    "--fair-sched=yes",
];
/// What is not ours, with reasons.
const SUPPRESSIONS: &str = "ffi-c/tests/valgrind.supp";
const TESTS: &str = "ffi-c/tests";
const EXAMPLES: &str = "ffi-c/examples";
const SCENARIOS: &str = "ffi-c/tests/scenarios";
/// What the runner of the scenarios reads and writes JSON with, and its package
/// on Debian. The library itself needs none.
const JSON: (&str, &str) = ("jansson", "libjansson-dev");

/// How programs are built here.
struct Bench<'a> {
    tools: &'a Tools,
    /// Where they go.
    folder: PathBuf,
    prefix: PathBuf,
    installed: &'a Installed,
}

/// Builds and runs all of them.
pub(crate) fn check(
    tools: &Tools,
    folder: &Path,
    installed: &Installed,
    generated: &Path,
) -> Result<(), Failure> {
    let bench = Bench::new(tools, folder, installed)?;
    let mut tests = sources(TESTS)?;
    tests.push(generated.to_owned());
    for source in &tests {
        bench.as_cxx(source)?;
        let program = bench.dynamic(source)?;
        run(Command::new(&program))?;
        if tools.valgrind {
            let mut checked = Command::new("valgrind");
            checked.args(VALGRIND).arg(format!("--suppressions={}", shown(SUPPRESSIONS)));
            run(with(checked, &program))?;
        }
        run(Command::new(bench.sanitized(source)?))?;
    }
    bench.examples(folder)
}

/// Builds the runner of the scenarios, and returns where it is.
pub(crate) fn scenarios(
    tools: &Tools,
    folder: &Path,
    installed: &Installed,
) -> Result<PathBuf, Failure> {
    let bench = Bench::new(tools, folder, installed)?;
    let json = tools::library(JSON.0, JSON.1)?;
    let sources = sources(SCENARIOS)?;
    let mut check = Command::new(&tools.cxx);
    check.args(WARNINGS).args(CXX).args(bench.includes()?).args(&json).args(&sources);
    run(check)?;
    let program = bench.folder.join("scenarios");
    let mut compile = Command::new(&tools.cc);
    compile.args(WARNINGS).args(C).args(bench.includes()?).args(&sources).args(&json);
    compile.arg("-o").arg(&program);
    run(bench.linked(compile)?)?;
    Ok(program)
}

impl<'a> Bench<'a> {
    fn new(
        tools: &'a Tools,
        folder: &Path,
        installed: &'a Installed,
    ) -> Result<Bench<'a>, Failure> {
        let bench =
            Bench { tools, folder: folder.join("bin"), prefix: folder.join("prefix"), installed };
        fs::create_dir_all(&bench.folder).map_err(|error| error.to_string())?;
        Ok(bench)
    }

    /// Warnings as C++ only: what it does is the same.
    fn as_cxx(&self, source: &Path) -> Result<(), Failure> {
        let mut compile = Command::new(&self.tools.cxx);
        compile.args(WARNINGS).args(CXX).args(self.includes()?);
        run(with(compile, source))
    }

    /// With the shared library, as pkg-config says.
    fn dynamic(&self, source: &Path) -> Result<PathBuf, Failure> {
        let program = self.folder.join(stem(source));
        run(self.linked(self.compile(source, &program)?)?)?;
        Ok(program)
    }

    fn linked(&self, mut compile: Command) -> Result<Command, Failure> {
        compile.args(self.pkg_config(&["--libs"])?);
        compile.arg(format!("-Wl,-rpath,{}", self.prefix.join("lib").display()));
        Ok(compile)
    }

    /// With the static library and the sanitizers.
    fn sanitized(&self, source: &Path) -> Result<PathBuf, Failure> {
        let program = self.folder.join(format!("{}-sanitized", stem(source)));
        let mut compile = self.compile(source, &program)?;
        compile.args(SANITIZERS).arg(&self.installed.archive);
        compile.args(self.installed.system_libraries.split_whitespace());
        run(compile)?;
        Ok(program)
    }

    fn compile(&self, source: &Path, program: &Path) -> Result<Command, Failure> {
        let mut compile = Command::new(&self.tools.cc);
        compile.args(WARNINGS).args(C).args(self.includes()?);
        compile.arg(source).arg("-o").arg(program);
        Ok(compile)
    }

    fn includes(&self) -> Result<Vec<String>, Failure> {
        let mut flags = self.pkg_config(&["--cflags"])?;
        flags.push("-DEVERPOST_REHEARSAL".to_owned());
        flags.extend([TESTS, "ffi-c/tests/support"].map(|folder| format!("-I{}", shown(folder))));
        Ok(flags)
    }

    fn pkg_config(&self, what: &[&str]) -> Result<Vec<String>, Failure> {
        let mut ask = Command::new("pkg-config");
        ask.args(what).arg("everpost");
        ask.env("PKG_CONFIG_PATH", self.prefix.join("lib/pkgconfig"));
        let flags = output(&mut ask)?;
        Ok(flags.split_whitespace().map(str::to_owned).collect())
    }

    /// The examples run before a server that is told of in `EVERPOST_URL`.
    fn examples(&self, folder: &Path) -> Result<(), Failure> {
        let trust = folder.join("ca.pem");
        let mut server = Command::new(self.dynamic(&root().join("ffi-c/tests/support/serve.c"))?);
        announce(&server);
        let spawned = server.arg(&trust).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut server = spawned.map_err(|error| format!("serve: {error}"))?;
        let result = self.examples_before(&mut server);
        // It ends with its input.
        drop(server.stdin.take());
        let ended = server.wait().map_err(|error| format!("serve: {error}"))?;
        result?;
        if ended.success() { Ok(()) } else { Err(format!("serve: {ended}")) }
    }

    fn examples_before(&self, server: &mut Child) -> Result<(), Failure> {
        let said = server.stdout.take().ok_or("the server has no output")?;
        let mut url = String::new();
        BufReader::new(said).read_line(&mut url).map_err(|error| format!("serve: {error}"))?;
        let url = url.trim();
        if !url.starts_with("smtps://") {
            return Err(format!("the server does not say where it is: {url:?}"));
        }
        for source in sources(EXAMPLES)? {
            self.as_cxx(&source)?;
            let mut example = Command::new(self.dynamic(&source)?);
            example.env("EVERPOST_URL", url);
            run(example)?;
        }
        self.cmake(url)
    }

    /// The example project, as somebody else's.
    fn cmake(&self, url: &str) -> Result<(), Failure> {
        if !self.tools.cmake {
            return Ok(());
        }
        let build = self.folder.join("cmake");
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(shown("ffi-c/examples/cmake")).arg("-B").arg(&build);
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", self.prefix.display()));
        run(configure)?;
        let mut make = Command::new("cmake");
        make.arg("--build").arg(&build);
        run(make)?;
        for program in ["send", "send-static"] {
            let mut example = Command::new(build.join(program));
            example.env("EVERPOST_URL", url);
            run(example)?;
        }
        Ok(())
    }
}

/// The C files of a folder of the workspace, by name.
fn sources(folder: &str) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| format!("{folder}: {error}");
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() { Err(format!("{folder} has no C files")) } else { Ok(found) }
}

fn stem(source: &Path) -> String {
    source.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn shown(path: &str) -> String {
    root().join(path).display().to_string()
}

fn with(mut command: Command, argument: &Path) -> Command {
    command.arg(argument);
    command
}
