//! Writing files that may hold a private key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use crate::failure::Failure;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Everyone, as far as the system's defaults go.
    Everyone,
    /// The owner (on Windows: whoever the folder lets).
    Owner,
}

/// Writes a new file, and leaves one that exists alone.
pub(super) fn create(path: &Path, content: &[u8], readers: Readers) -> Result<(), Failure> {
    let mut file = open(path, readers).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Io {
            what: format!("{} is left as it is (--force overwrites)", path.display()),
            source: error,
        },
        _ => unwritable(path, error),
    })?;
    fill(&mut file, content).map_err(|error| {
        // Half a file is worse than none.
        let _ = fs::remove_file(path);
        unwritable(path, error)
    })
}

/// Writes a file in place of what is there, in one step: a server that loads
/// it meanwhile sees the old one or the new one.
pub(super) fn replace(path: &Path, content: &[u8], readers: Readers) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:08x}.new", fastrand::u32(..)));
    let beside = path.with_file_name(name);
    let written = open(&beside, readers)
        .and_then(|mut file| fill(&mut file, content))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        unwritable(path, error)
    })
}

/// Writes to standard output; a private key goes to no terminal.
pub(super) fn print(content: &[u8], readers: Readers) -> Result<(), Failure> {
    let mut out = io::stdout();
    if !may_print(readers, out.is_terminal()) {
        let text = "a private key is not written to a terminal: name a file, or give --chain-only";
        return Err(Failure::Usage(text.to_owned()));
    }
    let written = out.write_all(content).and_then(|()| out.flush());
    written.map_err(|error| Failure::io("cannot write to standard output", error))
}

/// What is on a screen is seen, scrolled back to and copied.
fn may_print(readers: Readers, is_terminal: bool) -> bool {
    readers == Readers::Everyone || !is_terminal
}

fn open(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

fn fill(file: &mut File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.sync_all()
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("cannot write {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_goes_to_no_terminal() {
        assert!(!may_print(Readers::Owner, true));
        assert!(may_print(Readers::Owner, false) && may_print(Readers::Everyone, true));
    }
}
