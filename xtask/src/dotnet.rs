//! The tests of the .NET package: by `dotnet test` where there is an SDK, and
//! otherwise on the CoreCLR and the Mono that `tools/setup.sh` puts together.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::process::Command;

use crate::command::{Failure, cargo, run, works};
use crate::root;

pub(crate) fn check() -> Result<(), Failure> {
    run(cargo(&["build", "-p", "everpost-ffi", "--features", "rehearsal,fault-injection"]))?;
    let library = root().join("target/debug").join(format!("{DLL_PREFIX}everpost{DLL_SUFFIX}"));
    let mut sdk = Command::new("dotnet");
    sdk.arg("--list-sdks");
    if works(sdk) {
        let mut test = Command::new("dotnet");
        test.args(["test", "bindings-dotnet/tests/Everpost.Tests"]).current_dir(root());
        test.env("EVERPOST_LIBRARY", library);
        return run(test);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("there is no .NET SDK on PATH".into());
    }
    let tools = root().join("target/dotnet");
    let mut setup = Command::new("bindings-dotnet/tools/setup.sh");
    setup.arg(&tools).current_dir(root());
    run(setup)?;
    let mut test = Command::new("bindings-dotnet/tools/test.sh");
    test.arg(&tools).arg(library).current_dir(root());
    run(test)
}
