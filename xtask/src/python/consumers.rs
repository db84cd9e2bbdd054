//! The frameworks that the package is for: Django's own tests of mail, a real
//! gunicorn and a real celery, Flask and FastAPI, with the oldest interpreter
//! at hand and with the newest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ENVIRONMENT, PACKAGE, Version, interpreters, pip, prepared, python, run_in_root};
use crate::command::{Failure, output};
use crate::root;

/// Runs them all; nothing waits for ever there.
pub(super) fn check(wheel: &Path) -> Result<(), Failure> {
    let mut interpreters = interpreters();
    let ends = [interpreters.pop_first(), interpreters.pop_last()];
    ends.into_iter()
        .flatten()
        .try_for_each(|(version, interpreter)| try_with(version, &interpreter, wheel))
}

fn try_with((major, minor): Version, interpreter: &Path, wheel: &Path) -> Result<(), Failure> {
    let environment = format!("{ENVIRONMENT}/consumers{major}.{minor}");
    let tests = Path::new(PACKAGE).join("tests/consumers");
    prepared(&environment, interpreter, &tests.join("requirements.txt"))?;
    let mut install = pip(&environment);
    install.args(["install", "--quiet", "--no-deps", "--force-reinstall"]).arg(wheel);
    run_in_root(&mut install)?;
    let mut pytest = Command::new(python(&environment));
    pytest.args(["-m", "pytest", "-q", "-o", "faulthandler_timeout=300"]).arg(&tests);
    run_in_root(&mut pytest)?;
    let mut suite = Command::new(python(&environment));
    suite.arg(tests.join("django_suite.py")).arg(django(&environment)?);
    run_in_root(&mut suite)
}

/// The source distribution of the Django of an environment, unpacked.
fn django(environment: &str) -> Result<PathBuf, Failure> {
    let mut ask = Command::new(python(environment));
    let version = output(ask.args(["-c", "import django; print(django.__version__)"]))?;
    let version = version.trim();
    let folder = root().join(ENVIRONMENT).join("django");
    let source = folder.join(format!("django-{version}"));
    if source.is_dir() {
        return Ok(source);
    }
    let mut fetch = pip(environment);
    fetch.args(["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"]);
    run_in_root(fetch.arg(&folder).arg(format!("Django=={version}")))?;
    let archive = folder.join(format!("django-{version}.tar.gz"));
    let mut unpack = Command::new(python(environment));
    run_in_root(unpack.args(["-m", "tarfile", "--extract"]).arg(&archive).arg(&folder))?;
    fs::remove_file(&archive).map_err(|error| format!("{}: {error}", archive.display()))?;
    Ok(source)
}
