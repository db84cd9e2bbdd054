//! `everpost cert`, beside the `openssl` of this machine: each reads what the
//! other writes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{PASSWORD, Run, run, run_with};

/// A folder with a server's certificate in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// With `ca.pem`, `cert.pem`, `fullchain.pem`, `key.pem` and `server.pfx`
    /// for mail.example.org, and `password` for whatever is encrypted.
    async fn new() -> Self {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        desk.write("password", format!("{PASSWORD}\nanother line\n").as_bytes());
        assert_eq!(desk.make(&["--host", "mail.example.org", "--host", "127.0.0.1"]).await.code, 0);
        desk
    }

    async fn make(&self, more: &[&str]) -> Run {
        let folder = self.folder.path().to_str().unwrap();
        let password = self.path("password");
        let options = ["cert", "make", "--out", folder, "--password-file", &password];
        run(&[&options, more].concat()).await.keeps_secrets()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.file(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }

    /// Runs `openssl` in the folder; its output.
    fn openssl(&self, line: &str) -> String {
        let output = openssl(self.folder.path(), line);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {line}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `everpost cert` with file names of the folder.
    async fn cert(&self, line: &str) -> Run {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name),
            None => word.to_owned(),
        };
        let words: Vec<String> = line.split(' ').map(word).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(&[&["cert"], &words[..]].concat()).await.keeps_secrets()
    }

    /// What `show --json` says of a file.
    async fn shown(&self, line: &str) -> Value {
        let run = self.cert(&format!("show {line} --json")).await;
        assert_eq!(run.code, 0, "{line}: {} {}", run.stdout, run.stderr);
        run.json()["files"][0].clone()
    }
}

fn openssl(folder: &Path, line: &str) -> Output {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
    match output {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("these tests need the openssl command: install the package openssl")
        }
        Err(error) => panic!("openssl: {error}"),
    }
}

const EXPORT: &str = "pkcs12 -export -in fullchain.pem -inkey key.pem -out openssl.pfx";

#[tokio::test]
async fn every_pfx_that_openssl_writes_is_read() {
    let desk = Desk::new().await;
    for variant in [
        "",
        " -legacy",
        " -descert",
        " -nomac",
        " -keypbe NONE -certpbe NONE",
        " -keypbe NONE -certpbe NONE -nomac",
        " -keypbe AES-128-CBC -certpbe AES-192-CBC -macalg sha512",
        " -iter 1 -nomaciter",
        " -iter 100000",
        " -name server -caname issuer",
    ] {
        desk.openssl(&format!("{EXPORT} -passout file:password{variant}"));
        let shown = desk.shown("@openssl.pfx --password-file @password").await;
        assert_eq!(shown["format"], "pfx", "{variant}");
        assert_eq!(shown["key_matches"], true, "{variant}");
        assert_eq!(shown["chain"].as_array().unwrap().len(), 2, "{variant}");
        assert_eq!(shown["chain"][0]["common_name"], "mail.example.org", "{variant}");
    }
    for variant in ["", " -legacy"] {
        desk.openssl(&format!("{EXPORT} -passout pass:{variant}"));
        assert_eq!(desk.shown("@openssl.pfx").await["key_matches"], true, "{variant}");
        desk.openssl(&format!("{EXPORT} -nokeys -passout file:password{variant}"));
        let shown = desk.shown("@openssl.pfx --password-file @password").await;
        assert_eq!((&shown["has_key"], &shown["key_matches"]), (&false.into(), &Value::Null));
        assert_eq!(shown["chain"].as_array().unwrap().len(), 2, "{variant}");
    }
}

#[tokio::test]
async fn openssl_reads_every_pfx_that_is_written() {
    let desk = Desk::new().await;
    let own = desk.openssl("pkcs12 -in server.pfx -passin file:password -info -noenc");
    assert!(own.contains("BEGIN PRIVATE KEY") && own.matches("BEGIN CERTIFICATE").count() == 2);
    for (option, cipher) in [("", "AES-256-CBC"), (" --legacy", "pbeWithSHA1And3-KeyTripleDES-CBC")]
    {
        let run = desk
            .cert(&format!(
                "convert @fullchain.pem --key @key.pem -o @new.p12 --force \
                 --out-password-file @password{option}"
            ))
            .await;
        assert_eq!(run.code, 0, "{}", run.stderr);
        let line = "pkcs12 -in new.p12 -passin file:password -info -noenc";
        let output = openssl(desk.folder.path(), line);
        let (text, info) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && info.contains(cipher), "{info}");
        desk.write("openssl.pem", &text);
        assert_eq!(desk.cert("match @cert.pem @openssl.pem").await.code, 0);
    }
    let run = desk.cert("convert @fullchain.pem -o @chain.pfx --out-password-file @password").await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let chain = desk.openssl("pkcs12 -in chain.pfx -passin file:password -nokeys");
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
}

#[tokio::test]
async fn what_is_converted_forth_and_back_is_the_same() {
    let desk = Desk::new().await;
    let file = "--password-file @password";
    for line in [
        format!("convert @server.pfx {file} -o @all.pem"),
        "convert @all.pem -o @chain.pem --chain-only".to_owned(),
        format!("convert @server.pfx {file} -o @again.pfx"),
        format!("convert @again.pfx {file} -o @again.pem"),
        "convert @fullchain.pem -o @leaf.cer".to_owned(),
        "convert @leaf.cer -o @leaf.crt".to_owned(),
    ] {
        let run = desk.cert(&line).await;
        assert_eq!(run.code, 0, "{line}: {}", run.stderr);
    }
    assert_eq!(desk.read("all.pem"), desk.read("key.pem") + &desk.read("fullchain.pem"));
    assert_eq!(desk.read("again.pem"), desk.read("all.pem"));
    assert_eq!(desk.read("chain.pem"), desk.read("fullchain.pem"));
    assert_eq!(desk.read("leaf.crt"), desk.read("cert.pem"));
    let openssl = desk.openssl("x509 -in cert.pem -outform pem");
    assert_eq!(desk.read("leaf.crt"), openssl);
}

#[tokio::test]
async fn every_form_of_private_key_that_openssl_writes_is_matched() {
    let desk = Desk::new().await;
    for kind in [
        "RSA -pkeyopt rsa_keygen_bits:2048",
        "EC -pkeyopt ec_paramgen_curve:P-256",
        "EC -pkeyopt ec_paramgen_curve:P-384",
        "EC -pkeyopt ec_paramgen_curve:P-521",
        "ED25519",
    ] {
        desk.openssl(&format!("genpkey -out k.pem -algorithm {kind}"));
        desk.openssl("req -x509 -new -key k.pem -subj /CN=x -days 9 -out c.pem");
        desk.openssl("x509 -in c.pem -outform der -out c.der");
        let mut forms = vec![
            "pkey -in k.pem",
            "pkey -in k.pem -outform der",
            "pkcs8 -topk8 -in k.pem -v2 aes-256-cbc -passout file:password",
            "pkcs8 -topk8 -in k.pem -v2 aes128 -v2prf hmacWithSHA1 -passout file:password",
            "pkcs8 -topk8 -in k.pem -v2 des3 -passout file:password",
            "pkcs8 -topk8 -in k.pem -scrypt -passout file:password",
            "pkcs8 -topk8 -in k.pem -outform der -passout file:password",
        ];
        if kind != "ED25519" {
            forms.extend([
                "pkey -in k.pem -traditional",
                "pkey -in k.pem -traditional -outform der",
            ]);
        }
        for form in forms {
            desk.openssl(&format!("{form} -out form"));
            let run = desk.cert("match @c.pem @form --password-file @password").await;
            assert_eq!(run.code, 0, "{kind}, {form}: {} {}", run.stdout, run.stderr);
            let run = desk.cert("match @c.der @form --password-file @password --json").await;
            assert_eq!((run.code, &run.json()["belongs"]), (0, &true.into()));
            let other = desk.cert("match @cert.pem @form --password-file @password").await;
            assert_eq!(other.code, 2, "{kind}, {form}: {}", other.stdout);
            assert!(other.stdout.starts_with("no: "));
            // What was read is written so that openssl reads it.
            let line = "convert @c.pem --key @form --password-file @password -o @all.pem --force";
            assert_eq!(desk.cert(line).await.code, 0, "{kind}, {form}");
            assert_eq!(desk.openssl("pkey -in all.pem"), desk.openssl("pkey -in k.pem"));
        }
    }
}

#[tokio::test]
async fn facts_are_those_that_openssl_tells() {
    let desk = Desk::new().await;
    let shown = desk.shown("@fullchain.pem").await;
    let leaf = &shown["chain"][0];
    let openssl = desk.openssl("x509 -in cert.pem -noout -fingerprint -sha256 -serial");
    let hex: String = openssl
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(_, value)| value.replace(':', "").to_lowercase() + "\n")
        .collect();
    let ours = [&leaf["sha256"], &leaf["serial"]].map(|it| it.as_str().unwrap().to_owned() + "\n");
    assert_eq!(hex, ours.concat());
    desk.openssl("x509 -in cert.pem -noout -pubkey -out public.pem");
    desk.openssl("pkey -pubin -in public.pem -outform der -out public.der");
    desk.openssl("dgst -sha256 -binary -out digest public.der");
    let digest = desk.openssl("base64 -in digest");
    assert_eq!(leaf["spki_pin"], format!("sha256/{}", digest.trim()));
    assert_eq!(leaf["dns_names"][0], "mail.example.org");
    assert_eq!(leaf["ip_addresses"][0], "127.0.0.1");
}

#[tokio::test]
async fn a_made_chain_holds_before_openssl_and_renews_under_the_same_ca() {
    let desk = Desk::new().await;
    let verify = "verify -CAfile ca.pem -untrusted fullchain.pem -purpose sslserver \
                  -verify_hostname mail.example.org -x509_strict cert.pem";
    assert!(desk.openssl(verify).contains("cert.pem: OK"));
    // Without its issuer it fails, as a public one would.
    assert!(!openssl(desk.folder.path(), "verify -CAfile ca.pem cert.pem").status.success());
    let (ca, cert) = (desk.read("ca.pem"), desk.read("cert.pem"));
    let mut seen = vec![cert];
    for key in ["ecdsa", "ecdsa-p384", "rsa", "ed25519"] {
        let run = desk.make(&["--host", "mail.example.org", "--key", key, "--days", "47"]).await;
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.contains("renewed, under the CA that was there"), "{}", run.stdout);
        assert!(desk.openssl(verify).contains("cert.pem: OK"));
        let shown = desk.shown("@server.pfx --password-file @password").await;
        assert_eq!((&shown["key_matches"], &shown["in_order"]), (&true.into(), &true.into()));
        assert!(!seen.contains(&desk.read("cert.pem")));
        assert_eq!(desk.read("ca.pem"), ca);
        assert_eq!(desk.cert("match @fullchain.pem @key.pem").await.code, 0);
        seen.push(desk.read("cert.pem"));
    }
}

#[tokio::test]
async fn what_somebody_else_made_is_not_overwritten() {
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("key.pem"), "precious").unwrap();
    let make = ["cert", "make", "--host", "localhost", "--out", out];
    let refused = run(&make).await;
    assert_eq!(refused.code, 64);
    assert!(refused.stderr.contains("key.pem was not made by this command"), "{}", refused.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(run(&[&make[..], &["--force"]].concat()).await.code, 0);

    desk.write("there.pem", b"precious");
    let refused = desk.cert("convert @fullchain.pem -o @there.pem").await;
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("--force overwrites"), "{}", refused.stderr);
    assert_eq!(desk.read("there.pem"), "precious");
    assert_eq!(desk.cert("convert @fullchain.pem -o @there.pem --force").await.code, 0);
    assert_eq!(desk.read("there.pem"), desk.read("fullchain.pem"));
    // Nothing is left of the way there.
    let names = std::fs::read_dir(desk.folder.path()).unwrap();
    assert!(!names.into_iter().any(|it| it.unwrap().path().extension() == Some("new".as_ref())));
}

#[cfg(unix)]
#[tokio::test]
async fn whatever_holds_a_private_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new().await;
    desk.write("open.pem", b"");
    for line in [
        "convert @fullchain.pem --key @key.pem -o @all.pem",
        "convert @all.pem -o @open.pem --force",
        "convert @all.pem -o @all.pfx --no-password",
        "convert @all.pem -o @chain.pem --chain-only",
    ] {
        let run = desk.cert(line).await;
        assert_eq!(run.code, 0, "{line}: {}", run.stderr);
    }
    for (name, others) in [
        ("key.pem", false),
        ("ca-key.pem", false),
        ("server.pfx", false),
        ("all.pem", false),
        ("open.pem", false),
        ("all.pfx", false),
        ("chain.pem", true),
        ("fullchain.pem", true),
    ] {
        let mode = std::fs::metadata(desk.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077 != 0, others, "{name}: {mode:o}");
    }
}

#[tokio::test]
async fn a_file_is_judged_for_a_host_and_a_moment() {
    let desk = Desk::new().await;
    let good = desk.cert("show @fullchain.pem --host mail.example.org --trust @ca.pem").await;
    assert_eq!((good.code, good.stderr.as_str()), (0, ""));
    assert!(good.stdout.contains("healthy") && good.stdout.contains("trusted by"));
    assert!(!good.stdout.contains('\x1b'));
    let late = desk.cert("show @fullchain.pem --at +100d").await;
    assert_eq!(late.code, 2);
    assert!(late.stdout.contains("expired") && late.stdout.contains("to do:"), "{}", late.stdout);
    let other = desk.cert("show @cert.pem --host other.example.org --trust @ca.pem --json").await;
    assert_eq!(other.code, 2);
    let json = other.json();
    assert_eq!((&json["schema"], &json["ok"]), (&"everpost.cert/1".into(), &false.into()));
    let findings = json["files"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|it| it["id"] == "name-mismatch"));
    assert!(findings.iter().any(|it| it["axis"] == "trust"));
    // A CA's own file is fine as what it is.
    assert_eq!(desk.cert("show @ca.pem").await.code, 0);
    let mixed = desk.read("ca-key.pem") + &desk.read("cert.pem");
    desk.write("mixed.pem", mixed.as_bytes());
    let mixed = desk.cert("show @mixed.pem").await;
    assert_eq!(mixed.code, 2);
    assert!(mixed.stdout.contains("key-mismatch"), "{}", mixed.stdout);
    assert_eq!(desk.cert("match @mixed.pem").await.code, 2);
    let refused = desk.cert("convert @mixed.pem -o @mixed.pfx --no-password").await;
    assert_eq!((refused.code, desk.file("mixed.pfx").exists()), (2, false));
}

#[tokio::test]
async fn what_is_shown_fits_a_hundred_columns() {
    let desk = Desk::new().await;
    let mut hosts = vec!["--host".to_owned(), "mail.example.org".to_owned()];
    for number in 0..60 {
        let name = format!("{}.{number}.mail.example.org", "long-label".repeat(6));
        hosts.extend(["--host".to_owned(), name]);
    }
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    assert_eq!(desk.make(&hosts).await.code, 0);
    let folder = desk.folder.path();
    let files = ["fullchain.pem", "server.pfx"].map(|name| desk.path(name));
    let password = desk.path("password");
    let options =
        ["cert", "show", "--password-file", &password, "--host", "x", "--trust", "mozilla"];
    let run = run(&[&options[..], &[&files[0], &files[1]]].concat()).await;
    assert_eq!(run.code, 2);
    for line in run.stdout.lines() {
        let line = line.replace(folder.to_str().unwrap(), "");
        assert!(line.chars().count() <= 100, "{line}");
    }
    let words: Vec<_> = run.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains("and 11 more"), "{}", run.stdout);
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_says_what_to_do() {
    let desk = Desk::new().await;
    desk.write("garbage.pem", b"garbage");
    desk.write("wrong", b"p4ss-wrong\n");
    for (line, expected) in [
        ("show @none.pem", "cannot read"),
        ("show @garbage.pem", "neither PEM nor DER nor PFX"),
        ("show @key.pem", "no certificate in it, but a private key"),
        ("show @server.pfx", "the PFX is encrypted, and no password was given"),
        ("show @server.pfx --password-file @wrong", "wrong password for the PFX"),
        ("match @cert.pem @ca.pem", "no private key in it"),
        ("convert @fullchain.pem -o @none/out.pem", "cannot write"),
    ] {
        let run = desk.cert(line).await;
        assert_eq!(run.code, 3, "{line}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{line}: {}", run.stderr);
    }
    // The others are shown all the same.
    let both = desk.cert("show @none.pem @cert.pem --json").await;
    assert_eq!(both.code, 3);
    let json = both.json();
    assert!(json["files"][0]["message"].as_str().unwrap().contains("none.pem"));
    assert_eq!(json["files"][1]["status"], "healthy");
}

#[tokio::test]
async fn a_wrong_command_line_is_told_apart_from_a_bad_certificate() {
    let desk = Desk::new().await;
    for line in [
        "show",
        "nonsense",
        "show @cert.pem --at soon",
        "convert @fullchain.pem -o @noextension",
        "convert @fullchain.pem --key @key.pem -o @new.pfx",
        "make --host bad_host! --out @other",
        "make --out @other",
        "match @cert.pem",
    ] {
        let run = desk.cert(line).await;
        assert_eq!(run.code, 64, "{line}: {}", run.stderr);
    }
    assert!(!desk.file("new.pfx").exists());
}

#[tokio::test]
async fn a_password_comes_from_standard_input_and_output_goes_to_a_pipe() {
    let desk = Desk::new().await;
    let pfx = desk.path("server.pfx");
    let options = ["cert", "convert", &pfx, "--password-file", "-", "-o", "-", "--to", "pem"];
    let run = run_with(&options, &format!("{PASSWORD}\n")).await.keeps_secrets();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stdout, desk.read("key.pem") + &desk.read("fullchain.pem"));
    let shown = run_with(&["cert", "show", "-", "--json"], &run.stdout).await;
    assert_eq!((shown.code, &shown.json()["files"][0]["key_matches"]), (0, &true.into()));
    let twice = ["cert", "show", "-", "--password-file", "-"];
    assert_eq!(run_with(&twice, &run.stdout).await.code, 64);
}
