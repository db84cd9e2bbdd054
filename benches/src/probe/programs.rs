//! The programs, and how each is told to look at the same server.

use std::path::Path;
use std::process::Command;

/// What they all look at.
pub(super) struct Scene<'a> {
    pub(super) everpost: &'a Path,
    pub(super) python_programs: Option<&'a Path>,
    /// Speaks SMTP with STARTTLS, on every loopback address.
    pub(super) port: u16,
    /// The root of its certificate, which is for `localhost` and `127.0.0.1`.
    pub(super) ca: &'a Path,
    /// A file with many endpoints of it.
    pub(super) targets: &'a Path,
}

/// One of them.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) ours: bool,
    /// It takes seconds: one turn tells enough.
    pub(super) slow: bool,
    /// How many endpoints it looks at; 0: none.
    pub(super) targets: usize,
    /// What it ends with when it has done its work.
    pub(super) exits: &'static [i32],
    pub(super) command: fn(&Scene<'_>) -> Option<Command>,
}

pub(super) const EVERPOST: &str = "everpost probe";
pub(super) const OPENSSL: &str = "openssl s_client";
pub(super) const MANY: &str = "everpost probe, 1,000 endpoints";

const PEER: Program =
    Program { name: "", ours: false, slow: false, targets: 1, exits: &[0], command: |_| None };

pub(super) const ALL: &[Program] = &[
    Program {
        name: "true (the floor)",
        targets: 0,
        command: |_| Some(Command::new("true")),
        ..PEER
    },
    Program {
        name: EVERPOST,
        ours: true,
        command: |scene| {
            let mut command = everpost(scene, &format!("127.0.0.1:{}", scene.port));
            command.arg("--trust").arg(scene.ca);
            Some(command)
        },
        ..PEER
    },
    Program {
        name: "everpost probe, roots of system and Mozilla",
        ours: true,
        // Neither knows the issuer.
        exits: &[2],
        command: |scene| Some(everpost(scene, &format!("127.0.0.1:{}", scene.port))),
        ..PEER
    },
    Program {
        name: OPENSSL,
        command: |scene| {
            let connect = format!("127.0.0.1:{}", scene.port);
            let mut command = Command::new("openssl");
            command.args(["s_client", "-starttls", "smtp", "-connect", &connect, "-status"]);
            command.args(["-servername", "localhost", "-verify_hostname", "localhost"]);
            command.args(["-verify_return_error", "-CAfile"]).arg(scene.ca);
            Some(command)
        },
        ..PEER
    },
    Program {
        name: "check_smtp",
        command: |scene| {
            let mut command = Command::new("/usr/lib/nagios/plugins/check_smtp");
            command.args(["-H", "127.0.0.1", "-S", "-D", "20,7", "-p"]).arg(scene.port.to_string());
            Some(command)
        },
        ..PEER
    },
    Program {
        name: "posttls-finger",
        command: |scene| {
            let mut command = Command::new("/usr/sbin/posttls-finger");
            command.args(["-c", "-l", "secure", "-F"]).arg(scene.ca);
            command.arg(format!("[127.0.0.1]:{}", scene.port)).arg("localhost");
            Some(command)
        },
        ..PEER
    },
    Program {
        name: "gnutls-cli",
        // 1: the peer closed the connection without a word, as after every QUIT.
        exits: &[0, 1],
        command: |scene| {
            let mut command = Command::new("gnutls-cli");
            command.args(["--starttls-proto=smtp", "--sni-hostname=localhost"]);
            command.args(["--verify-hostname=localhost", "127.0.0.1", "--port"]);
            command.arg(scene.port.to_string()).arg("--x509cafile").arg(scene.ca);
            Some(command)
        },
        ..PEER
    },
    Program {
        name: "sslscan, certificate only",
        command: |scene| {
            let mut command = Command::new("sslscan");
            command.args(["--starttls-smtp", "--show-certificate", "--no-ciphersuites"]);
            command.args(["--no-fallback", "--no-renegotiation", "--no-groups"]);
            command.args(["--no-heartbleed", "--no-compression"]);
            command.arg(format!("127.0.0.1:{}", scene.port));
            Some(command)
        },
        ..PEER
    },
    Program {
        name: "sslyze --certinfo",
        command: |scene| {
            let mut command = Command::new(scene.python_programs?.join("sslyze"));
            command.args(["--starttls=smtp", "--certinfo"]);
            command.arg(format!("127.0.0.1:{}", scene.port));
            Some(command)
        },
        slow: true,
        ..PEER
    },
    Program {
        name: "testssl.sh -S",
        // The number of what it found worth a word.
        exits: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        command: |scene| {
            let mut command = Command::new("timeout");
            command.args([
                "300",
                "testssl",
                "--starttls",
                "smtp",
                "-S",
                "--quiet",
                "--warnings",
                "batch",
            ]);
            command.arg(format!("127.0.0.1:{}", scene.port));
            Some(command)
        },
        slow: true,
        ..PEER
    },
    Program {
        name: MANY,
        ours: true,
        targets: super::MANY,
        command: |scene| {
            let mut command = everpost(scene, &format!("@{}", scene.targets.display()));
            command.args(["--format", "jsonl", "--trust"]).arg(scene.ca);
            Some(command)
        },
        ..PEER
    },
];

fn everpost(scene: &Scene<'_>, target: &str) -> Command {
    let mut command = Command::new(scene.everpost);
    command.args(["probe", "--starttls", "--sni", "localhost", "--name", "localhost", target]);
    command
}
