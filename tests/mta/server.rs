//! What the servers have in common.

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::time::Duration;

use everpost::TlsMode;
use everpost::certificate::CertificateFile;
use tempfile::TempDir;

use crate::authority::Leaf;

/// An instance of a mail server, with a certificate in a file, that takes
/// any mail over two ports and delivers all of it into one folder. It ends
/// with its value.
#[allow(async_fn_in_trait, reason = "for these tests alone")]
pub trait Server: Sized {
    /// Whether a renewed file is left alone until the reload.
    const CACHES: bool;

    /// Where in its folder it writes its log.
    const LOG: &'static str;

    /// Returns once it listens. `few` processes: one for each port, where
    /// that can be had, so that it is known which one answers.
    async fn start(leaf: &Leaf, few: bool) -> Self;

    /// What an administrator does after a renewal. Returns once it is done.
    async fn reload(&mut self);

    fn place(&self) -> &Place;

    /// Whether everything that was accepted has been delivered.
    fn idle(&self) -> bool;
}

/// Where an instance lives.
pub struct Place {
    dir: TempDir,
    pub starttls: u16,
    pub implicit: u16,
}

impl Place {
    /// A folder that the server's own user may pass through, and two ports
    /// that are free now.
    pub fn new(folders: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("everpost-mta-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in folders {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [starttls, implicit] = listeners.map(|listener| listener.local_addr().unwrap().port());
        Place { dir, starttls, implicit }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of settings, in which `{dir}` and both ports stand for
    /// what they are here.
    pub fn write(&self, name: &str, text: &str) {
        let text = text
            .replace("{dir}", &self.dir.path().display().to_string())
            .replace("{starttls}", &self.starttls.to_string())
            .replace("{implicit}", &self.implicit.to_string());
        fs::write(self.path(name), text).unwrap();
    }

    pub fn give(&self, name: &str, user: &str) {
        let (uid, gid) = user_of(user);
        chown(self.path(name), Some(uid), Some(gid)).unwrap();
    }

    /// Both ports with their modes.
    pub fn ports(&self) -> [(u16, TlsMode); 2] {
        [(self.starttls, TlsMode::StartTls), (self.implicit, TlsMode::Implicit)]
    }

    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The certificate on disk, as `--compare` reads it.
    pub fn on_disk(&self) -> CertificateFile {
        CertificateFile::load(self.certificate(), None).unwrap()
    }

    /// How often each message was delivered, by Message-ID.
    pub fn delivered(&self) -> HashMap<String, usize> {
        let mut count = HashMap::new();
        let Ok(entries) = fs::read_dir(self.path("mail/box/new")) else { return count };
        for entry in entries {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
            *count.entry(id.to_owned()).or_default() += 1;
        }
        count
    }

    /// Waits until a line of the log has been written so many times.
    pub async fn logged(&self, log: &str, text: &str, times: usize) {
        let path = self.path(log);
        let count = || fs::read_to_string(&path).unwrap_or_default().matches(text).count();
        let missing = || format!("\"{text}\" is not in the log:\n{}", self.tail(log));
        until(|| count() >= times, missing).await;
    }

    /// The last lines of the log.
    pub fn tail(&self, log: &str) -> String {
        let text = fs::read_to_string(self.path(log)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// Looks again and again until something holds.
pub async fn until(mut holds: impl FnMut() -> bool, or_else: impl FnOnce() -> String) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..3000 {
        looks.tick().await;
        if holds() {
            return;
        }
    }
    panic!("after 30 s: {}", or_else());
}

/// User and group by name.
pub fn user_of(name: &str) -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields: Vec<_> = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == name)
        .unwrap_or_else(|| panic!("there is no user {name}: run cargo xtask test-mta"));
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
