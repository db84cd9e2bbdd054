//! Exim: a daemon in the foreground, with its own settings, spool and log, that
//! delivers everything into a folder.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::{Child, Command, Stdio};

use crate::authority::Leaf;
use crate::server::{Place, Server};

/// Debian's user for it.
const USER: &str = "Debian-exim";

pub struct Exim {
    place: Place,
    daemon: Child,
    starts: usize,
}

impl Server for Exim {
    const CACHES: bool = false;
    const LOG: &str = "log/main";

    async fn start(leaf: &Leaf, _: bool) -> Self {
        let place = Place::new(&["spool", "log", "mail"]);
        leaf.install(&place.certificate());
        place.write("exim.conf", SETTINGS);
        for owned in ["", "spool", "log", "mail"] {
            place.give(owned, USER);
        }
        // A copy that is not set-uid and that its user reaches: the daemon runs
        // it again after a HUP, and for each message. Not copied by us: what
        // one thread has open for writing, no other can run in time.
        let program = place.path("exim");
        let installed = env::var_os("EVERPOST_EXIM").unwrap_or(OsString::from("/usr/sbin/exim4"));
        let mut copy = Command::new("install");
        let copied = copy.args(["-m", "755"]).arg(installed).arg(&program).status().unwrap();
        assert!(copied.success(), "Exim is unpacked by cargo xtask test-mta");
        let mut daemon = Command::new(&program);
        daemon.arg("-C").arg(place.path("exim.conf")).arg("-bdf").stdin(Stdio::null());
        // It says with each message that it runs without privileges.
        daemon.stderr(fs::File::create(place.path("log/stderr")).unwrap());
        let daemon = daemon.spawn().unwrap();
        let exim = Exim { place, daemon, starts: 1 };
        exim.started().await;
        exim
    }

    async fn reload(&mut self) {
        let daemon = self.daemon.id().to_string();
        let signalled = Command::new("kill").args(["-HUP", &daemon]).status().unwrap();
        assert!(signalled.success());
        self.starts += 1;
        self.started().await;
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn idle(&self) -> bool {
        let queue = fs::read_dir(self.place.path("spool/input"));
        queue.map_or(true, |mut messages| messages.next().is_none())
    }
}

impl Exim {
    async fn started(&self) {
        self.place.logged(Self::LOG, "daemon started", self.starts).await;
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        // It has ended already, or does now.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

const SETTINGS: &str = "\
exim_path = {dir}/exim
spool_directory = {dir}/spool
log_file_path = {dir}/log/%s
pid_file_path = {dir}/spool/exim.pid
primary_hostname = mail.everpost.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {starttls} : {implicit}
tls_on_connect_ports = {implicit}
tls_advertise_hosts = *
tls_certificate = {dir}/server.pem
acl_smtp_rcpt = accept
acl_smtp_data = accept
host_lookup =
keep_environment =
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {dir}/mail/box
  maildir_format
  user = Debian-exim
";
