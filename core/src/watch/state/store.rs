//! The state file, `everpost.watch/1`: JSON that is written beside the old one
//! and put in its place at once, so that a crash leaves one of the two whole.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::State;

const SCHEMA: &str = "everpost.watch/1";

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 256 * 1024 * 1024;

#[derive(Serialize)]
struct Writing<'a> {
    schema: &'a str,
    #[serde(flatten)]
    state: &'a State,
}

#[derive(Deserialize)]
struct Reading {
    schema: String,
    #[serde(flatten)]
    state: State,
}

/// What a state file gave.
pub(in crate::watch) enum Loaded {
    /// What was saved.
    State(State),
    /// Nothing: there is no file yet.
    Fresh,
    /// Nothing: the file is damaged and was set aside under this name.
    SetAside(PathBuf, String),
}

/// Reads the file, and sets it aside if it cannot be understood.
pub(in crate::watch) fn load(path: &Path) -> io::Result<Loaded> {
    let mut text = Vec::new();
    match File::open(path) {
        Ok(file) => drop(file.take(MAX_FILE).read_to_end(&mut text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Fresh),
        Err(error) => return Err(error),
    }
    let reason = match serde_json::from_slice::<Reading>(&text) {
        Ok(read) if read.schema == SCHEMA => return Ok(Loaded::State(read.state)),
        Ok(read) => format!("its schema is {:?} and not {SCHEMA}", shortened(&read.schema)),
        Err(error) => error.to_string(),
    };
    let aside = beside(path, ".damaged");
    fs::rename(path, &aside)?;
    Ok(Loaded::SetAside(aside, reason))
}

/// Writes the file anew.
pub(in crate::watch) fn save(path: &Path, state: &State) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(&Writing { schema: SCHEMA, state })?;
    text.push(b'\n');
    // Of this process alone, so that two that share a file by mistake do not
    // mix their bytes.
    let new = beside(path, &format!(".{}.new", std::process::id()));
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&new, path));
    if placed.is_err() {
        // What is told is why it failed, and not that the rest is in the way.
        let _ = fs::remove_file(&new);
    }
    placed
}

/// The same path with something at the end of its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::watch::state::{LastProbe, Leaf, Note, ServerState};
    use crate::watch::{Config, state::EndpointState};
    use crate::{Severity, Status};

    fn state() -> State {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        let config = Config::from_list("mail.example.org").unwrap();
        let mut endpoint = EndpointState::new(&config.entries[0]);
        endpoint.last = Some(LastProbe {
            at,
            milliseconds: 12,
            status: Status::Degraded,
            since: at,
            summary: "near its end".to_owned(),
            findings: vec![Note {
                id: "expiring".to_owned(),
                severity: Severity::Warning,
                message: "near its end".to_owned(),
                remedy: "renew".to_owned(),
            }],
        });
        let leaf = Leaf {
            fingerprint: "ab".to_owned(),
            serial: "01".to_owned(),
            issuer: "E7".to_owned(),
            key: "ECDSA P-256".to_owned(),
            not_before: at,
            not_after: at + Duration::from_secs(86_400),
            first_seen: at,
            last_seen: at,
        };
        let mut server = ServerState::of("mail.example.org");
        server.see(&leaf);
        server.current = Some("ab".to_owned());
        server.warning_at = Some(at);
        server.told.expiring = Some(("ab".to_owned(), false));
        endpoint.servers.push(server);
        State { endpoints: vec![endpoint], ..State::default() }
    }

    fn loaded(path: &Path) -> Loaded {
        load(path).unwrap()
    }

    #[test]
    fn a_saved_state_is_read_as_it_was_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        assert!(matches!(loaded(&path), Loaded::Fresh));
        save(&path, &State::default()).unwrap();
        save(&path, &state()).unwrap();
        let Loaded::State(read) = loaded(&path) else { panic!("no state") };
        assert_eq!(read, state());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_set_aside_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        save(&path, &state()).unwrap();
        let whole = fs::read(&path).unwrap();
        let foreign = br#"{"schema":"everpost.watch/9","endpoints":[],"events":[]}"#.to_vec();
        let cases = [whole[..whole.len() / 2].to_vec(), b"\xff\0".to_vec(), Vec::new(), foreign];
        for damaged in cases {
            fs::write(&path, &damaged).unwrap();
            let Loaded::SetAside(aside, reason) = loaded(&path) else { panic!("was read") };
            assert!(!reason.is_empty());
            assert_eq!(fs::read(&aside).unwrap(), damaged);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_state_that_cannot_be_put_in_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        // A folder that is not empty cannot be replaced by a file.
        let path = folder.path().join("watch.json");
        fs::create_dir_all(path.join("full")).unwrap();
        assert!(save(&path, &state()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
