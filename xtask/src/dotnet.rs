//! .NET: the package and the programs that use it, built with an SDK where
//! there is one, and otherwise with what `bindings-dotnet/tools/setup.sh` puts
//! together; and the step that runs them.

mod guide;

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::command::{Failure, cargo, run, works};
use crate::{page, root};

const TESTS: &str = "bindings-dotnet/tests/Everpost.Tests";
/// Sends mail while the server rotates.
const SERVICE: &str = "bindings-dotnet/examples/MailService";
/// Ends while sends are under way, in every way there is.
const ENDINGS: &str = "bindings-dotnet/tests/Everpost.Endings";
/// The tools and what they build, from the root of the workspace.
const TOOLS: &str = "target/dotnet";

/// What runs .NET programs.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Runtime {
    CoreClr,
    Mono,
}

/// The tests, the snippets of the guide, and the programs: each on CoreCLR and,
/// where it can be had, on Mono.
pub(crate) fn check() -> Result<(), Failure> {
    guide::write()?;
    build(&[TESTS, ENDINGS, SERVICE, &guide::sources()])?;
    if has_sdk() {
        let mut test = sdk(&["test", "--no-build", TESTS]);
        test.env("EVERPOST_LIBRARY", &native()?.library);
        run(test)?;
    }
    for runtime in [Runtime::CoreClr, Runtime::Mono] {
        if runtime == Runtime::Mono && !offline() {
            println!("   Mono is put together on Linux on x86-64 only");
            continue;
        }
        // First: if programs do not end, it is this one that says so.
        run(start(runtime, ENDINGS)?)?;
        if runtime == Runtime::Mono || !has_sdk() {
            run(start(runtime, TESTS)?)?;
            // A process of its own: a library that was loaded stays loaded.
            let mut without = start(runtime, TESTS)?;
            without.arg("--without-library").env("EVERPOST_LIBRARY", "/nowhere/libeverpost.so");
            run(without)?;
        }
        run(start(runtime, SERVICE)?)?;
    }
    Ok(())
}

/// Builds a program, by the folder of its sources, and returns the command that
/// starts it.
pub(crate) fn program(runtime: Runtime, folder: &str) -> Result<Command, Failure> {
    if runtime == Runtime::Mono && !offline() {
        return Err("Mono is put together on Linux on x86-64 only".to_owned());
    }
    build(&[folder])?;
    start(runtime, folder)
}

/// The command that starts a program that is built. It finds the command
/// `everpost` in `EVERPOST_COMMAND`.
fn start(runtime: Runtime, folder: &str) -> Result<Command, Failure> {
    let native = native()?;
    let mut command = if runtime == Runtime::CoreClr && has_sdk() {
        let mut command = sdk(&["run", "--no-build", "--project", folder, "--"]);
        command.env("EVERPOST_LIBRARY", &native.library);
        command
    } else {
        let (name, ending) = match runtime {
            Runtime::CoreClr => ("coreclr", "dll"),
            Runtime::Mono => ("mono", "exe"),
        };
        let program = Path::new(folder).file_name().unwrap_or_default().to_string_lossy();
        let mut command = Command::new(root().join(TOOLS).join(format!("{name}.sh")));
        command.arg(format!("{TOOLS}/out/{name}/{program}.{ending}"));
        command
    };
    command.current_dir(root()).env("EVERPOST_COMMAND", &native.command);
    Ok(command)
}

/// Builds programs: with the SDK where there is one, and with the tools, which
/// know of Mono too, where they can be had. What did not change is there
/// already.
fn build(programs: &[&str]) -> Result<(), Failure> {
    if has_sdk() {
        for program in programs {
            let project = program.split(':').next().unwrap_or(program);
            run(sdk(&["build", project]))?;
        }
    } else if !offline() {
        return Err("there is no .NET SDK on PATH".to_owned());
    }
    if offline() {
        let mut setup = Command::new("bindings-dotnet/tools/setup.sh");
        setup.arg(TOOLS).current_dir(root());
        run(setup)?;
        let mut build = Command::new("bindings-dotnet/tools/build.sh");
        build.arg(TOOLS).arg(&native()?.library).args(programs).current_dir(root());
        run(build)?;
    }
    Ok(())
}

/// Whether the tools can be put together here.
fn offline() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

fn has_sdk() -> bool {
    works(sdk(&["--list-sdks"]))
}

fn sdk(arguments: &[&str]) -> Command {
    let mut command = Command::new("dotnet");
    command.args(arguments).current_dir(root());
    command
}

/// What programs need of this workspace.
struct Native {
    /// The library, with the functions for tests.
    library: PathBuf,
    /// The command `everpost`.
    command: PathBuf,
}

/// Builds it, once.
fn native() -> Result<&'static Native, Failure> {
    static NATIVE: OnceLock<Native> = OnceLock::new();
    if let Some(native) = NATIVE.get() {
        return Ok(native);
    }
    run(cargo(&["build", "-p", "everpost-ffi", "--features", "rehearsal,fault-injection"]))?;
    // A copy: the tests in C build it again, without the functions for tests.
    let name = format!("{DLL_PREFIX}everpost{DLL_SUFFIX}");
    let folder = root().join(TOOLS).join("native");
    let library = folder.join(&name);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::copy(root().join("target/debug").join(name), &library))
        .map_err(|error| format!("{}: {error}", library.display()))?;
    let native = Native { library, command: page::everpost()? };
    Ok(NATIVE.get_or_init(|| native))
}
