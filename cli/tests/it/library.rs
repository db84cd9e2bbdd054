//! The command as a part of another program.

use std::ffi::OsString;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

#[tokio::test]
async fn a_host_may_call_it_from_its_own_runtime_and_gets_the_code() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("certs");
    let made = everpost_cli::run(
        words("cert make --host localhost --out").into_iter().chain([out.clone().into()]),
    );
    assert_eq!(made, 0);
    assert!(out.join("fullchain.pem").exists());
    assert_eq!(everpost_cli::run(words("cert show /nowhere.pem")), 3);
}

#[test]
fn a_wrong_line_and_a_cry_for_help_come_back_to_the_host() {
    assert_eq!(everpost_cli::run(words("send --nonsense")), 2);
    assert_eq!(everpost_cli::run(words("probe --nonsense")), 64);
    assert_eq!(everpost_cli::run(words("--help")), 0);
}
