//! Postfix: an instance beside the system's own, with its own queue, users and
//! log, from which nothing leaves the machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::authority::Leaf;
use crate::server::{Place, Server, user_of};

pub struct Postfix {
    place: Place,
    reloads: usize,
}

impl Server for Postfix {
    // Each process of smtpd(8) reads it as it starts, and serves up to 100
    // connections (max_use) or until it was idle for 100 s (max_idle).
    const CACHES: bool = true;
    const LOG: &str = "log";

    async fn start(leaf: &Leaf, few: bool) -> Self {
        Postfix::start_with(leaf, few, "").await
    }

    async fn reload(&mut self) {
        self.command("reload");
        self.reloads += 1;
        self.place.logged(Self::LOG, "reload -- version", self.reloads).await;
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn idle(&self) -> bool {
        ["maildrop", "incoming", "active", "deferred"]
            .iter()
            .all(|queue| is_empty(&self.place.path(&format!("queue/{queue}"))))
    }
}

impl Postfix {
    /// With more settings.
    pub async fn start_with(leaf: &Leaf, few: bool, settings: &str) -> Self {
        let place = Place::new(&["etc", "queue", "data", "mail"]);
        place.give("data", "postfix");
        place.give("mail", "nobody");
        leaf.install(&place.certificate());
        let (uid, gid) = user_of("nobody");
        let main = MAIN.replace("{uid}", &uid.to_string()).replace("{gid}", &gid.to_string());
        place.write("etc/main.cf", &(main + settings));
        place.write("etc/master.cf", &MASTER.replace("{processes}", if few { "1" } else { "20" }));
        let postfix = Postfix { place, reloads: 0 };
        postfix.command("start");
        postfix.place.logged(Self::LOG, "daemon started", 1).await;
        postfix
    }

    fn command(&self, what: &str) {
        let mut command = Command::new("/usr/sbin/postfix");
        let output = command.arg("-c").arg(self.place.path("etc")).arg(what).output();
        let output = output.expect("Postfix is installed by cargo xtask test-mta");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "postfix {what}: {}\n{said}", output.status);
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.command("abort");
    }
}

/// Whether a queue, which has folders in it, holds no message.
fn is_empty(folder: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(folder) else { return true };
    entries.all(|entry| {
        let path = entry.unwrap().path();
        path.is_dir() && is_empty(&path)
    })
}

// A message that is just being delivered at a reload is deferred by the new
// queue manager: hence the short delays.
const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = mail.everpost.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
default_transport = discard:
relay_transport = discard:
virtual_mailbox_domains = everpost.test
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
smtpd_tls_chain_files = {dir}/server.pem
smtpd_tls_security_level = may
";

const MASTER: &str = "\
127.0.0.1:{starttls} inet n - n - {processes} smtpd
127.0.0.1:{implicit} inet n - n - {processes} smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";
