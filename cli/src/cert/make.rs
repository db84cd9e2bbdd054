//! `everpost cert make`: a development CA, and a server certificate under it.
//!
//! The leaf hangs on an intermediate that is made with it and whose key is
//! forgotten. So the chain is as public authorities build it, and a server
//! that is given `cert.pem` in place of `fullchain.pem` fails in development
//! as it would in production.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use everpost::certificate::{Certificate, CertificateFile, PfxEncryption, PrivateKey};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, RsaKeySize, SerialNumber,
};
use zeroize::Zeroizing;

use super::args::{KeyKind, MakeArgs};
use super::password;
use super::write::{self, Readers};
use crate::failure::Failure;
use crate::moment;
use crate::secret::Secret;
use crate::send::report::say;

const DAY: Duration = Duration::from_secs(86_400);
/// How long the CA is good for.
const CA_DAYS: u32 = 3650;
/// Clocks differ.
const EARLY: Duration = Duration::from_secs(60);

pub(super) async fn run(args: &MakeArgs) -> Result<u8, Failure> {
    args.host.iter().try_for_each(|host| check_host(host))?;
    let password = password(args.password_file.as_deref(), args.password.as_ref()).await?;
    let folder = Folder::new(&args.out)?;
    let now = SystemTime::now();
    let authority = match folder.authority()? {
        Some(authority) => authority,
        None => Authority::make(args.key, now)?,
    };
    if !args.force {
        folder.spare_the_files_of_others(&authority)?;
    }
    let made = authority.issue(args, now)?;
    let open = password.as_ref().map_or("", Secret::expose);
    let pfx = made.to_pfx(open, PfxEncryption::Modern)?;

    if authority.is_new {
        write::create(&folder.file("ca.pem"), authority.pem.as_bytes(), Readers::Everyone)?;
        write::create(&folder.file("ca-key.pem"), authority.key_pem.as_bytes(), Readers::Owner)?;
    }
    let leaf = made.clone().without_key();
    let cert = CertificateFile::parse(leaf.leaf().der(), None)?.chain_to_pem();
    let key = made.private_key().map(PrivateKey::to_pem).unwrap_or_default();
    for (name, content, readers) in [
        ("key.pem", key.as_bytes(), Readers::Owner),
        ("cert.pem", cert.as_bytes(), Readers::Everyone),
        ("fullchain.pem", leaf.chain_to_pem().as_bytes(), Readers::Everyone),
        ("server.pfx", &pfx[..], Readers::Owner),
    ] {
        write::replace(&folder.file(name), content, readers)?;
    }
    say(&mut io::stdout(), &summary(args, &folder, &authority, &made, password.is_some()));
    Ok(0)
}

/// Where the files are.
struct Folder(PathBuf);

impl Folder {
    fn new(path: &Path) -> Result<Self, Failure> {
        let what = || format!("cannot make the folder {}", path.display());
        std::fs::create_dir_all(path).map_err(|error| Failure::io(what(), error))?;
        // Whole, since it goes into the settings of servers.
        let whole = std::path::absolute(path).map_err(|error| Failure::io(what(), error))?;
        Ok(Folder(whole))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn show(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// The CA of an earlier run.
    fn authority(&self) -> Result<Option<Authority>, Failure> {
        let (pem, key) = (self.file("ca.pem"), self.file("ca-key.pem"));
        match (pem.exists(), key.exists()) {
            (false, false) => return Ok(None),
            (true, true) => {}
            (true, false) => return Err(self.other("ca.pem without ca-key.pem")),
            (false, true) => return Err(self.other("ca-key.pem without ca.pem")),
        }
        let file = CertificateFile::load(&pem, None)?.with_key(PrivateKey::load(&key, None)?);
        if !file.leaf().is_ca() || file.key_matches() != Some(true) {
            return Err(self.other("ca.pem and ca-key.pem that do not belong together"));
        }
        if file.leaf().not_after() < SystemTime::now() + DAY {
            return Err(self.other("a CA that has expired"));
        }
        let key_pem = file.private_key().map(PrivateKey::to_pem).unwrap_or_default();
        let (pem, is_new) = (file.chain_to_pem(), false);
        Ok(Some(Authority { certificate: file.leaf().clone(), pem, key_pem, is_new }))
    }

    fn other(&self, what: &str) -> Failure {
        Failure::Usage(format!(
            "{} holds {what}: name another folder with --out, or take it away",
            self.0.display()
        ))
    }

    /// Renewing what this command made is its purpose; anything else with such
    /// a name may be somebody's only key.
    fn spare_the_files_of_others(&self, authority: &Authority) -> Result<(), Failure> {
        let names = ["key.pem", "cert.pem", "fullchain.pem", "server.pfx"];
        let Some(there) = names.iter().find(|name| self.file(name).exists()) else { return Ok(()) };
        let chain = CertificateFile::load(self.file("fullchain.pem"), None);
        let ours = chain.is_ok_and(|file| {
            file.chain().iter().any(|it| it.issuer() == authority.certificate.subject())
        });
        if ours && !authority.is_new {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "{} was not made by this command (--force overwrites it)",
            self.show(there)
        )))
    }
}

/// The CA.
struct Authority {
    certificate: Certificate,
    pem: String,
    key_pem: Zeroizing<String>,
    is_new: bool,
}

impl Authority {
    fn make(kind: KeyKind, now: SystemTime) -> Result<Self, Failure> {
        let key = generate(kind)?;
        let name = format!("Everpost development CA {:08x}", fastrand::u32(..));
        let params = authority(&name, BasicConstraints::Unconstrained, now, CA_DAYS);
        let made = params.self_signed(&key).map_err(unmade)?;
        let certificate = CertificateFile::parse(made.der(), None)?.leaf().clone();
        let key_pem = Zeroizing::new(key.serialize_pem());
        Ok(Authority { certificate, pem: made.pem(), key_pem, is_new: true })
    }

    /// A leaf with its chain and key.
    fn issue(&self, args: &MakeArgs, now: SystemTime) -> Result<CertificateFile, Failure> {
        let root_key = KeyPair::from_pem(&self.key_pem).map_err(unmade)?;
        let root = Issuer::from_ca_cert_pem(&self.pem, &root_key).map_err(unmade)?;
        let name = format!("Everpost development issuer {:08x}", fastrand::u32(..));
        let between_key = generate(args.key)?;
        let between = authority(&name, BasicConstraints::Constrained(0), now, args.days);
        let between_pem = between.signed_by(&between_key, &root).map_err(unmade)?.pem();
        let issuer = Issuer::new(between, &between_key);

        let key = generate(args.key)?;
        let mut params = CertificateParams::new(args.host.clone()).map_err(unmade)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, args.host[0].as_str());
        (params.not_before, params.not_after) = validity(now, args.days);
        params.serial_number = Some(serial());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if matches!(args.key, KeyKind::Rsa | KeyKind::Rsa4096) {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &issuer).map_err(unmade)?;
        let key_pem = Zeroizing::new(key.serialize_pem());
        let text = Zeroizing::new(format!("{}{between_pem}{}", leaf.pem(), *key_pem));
        Ok(CertificateFile::parse(text.as_bytes(), None)?)
    }
}

fn authority(
    name: &str,
    constraints: BasicConstraints,
    now: SystemTime,
    days: u32,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = validity(now, days);
    params.serial_number = Some(serial());
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

fn validity(now: SystemTime, days: u32) -> (time::OffsetDateTime, time::OffsetDateTime) {
    let begin = now - EARLY;
    (begin.into(), (begin + DAY * days).into())
}

/// 16 bytes, positive and without leading zeros, as DER wants.
fn serial() -> SerialNumber {
    let mut bytes = fastrand::u128(..).to_be_bytes();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn generate(kind: KeyKind) -> Result<KeyPair, Failure> {
    let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
    match kind {
        KeyKind::Ecdsa => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyKind::Rsa => rsa(RsaKeySize::_2048),
        KeyKind::Rsa4096 => rsa(RsaKeySize::_4096),
        KeyKind::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
    }
    .map_err(unmade)
}

fn unmade(error: rcgen::Error) -> Failure {
    Failure::io("the certificate cannot be made", io::Error::other(error))
}

/// A certificate says whatever it is told to, and clients then do not take it.
fn check_host(host: &str) -> Result<(), Failure> {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(known)
    };
    let is_name = name.len() <= 253 && name.split('.').all(label);
    if host.parse::<IpAddr>().is_ok() || is_name {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} is no host name or IP address; write international names as xn--…",
        host.escape_debug()
    )))
}

fn summary(
    args: &MakeArgs,
    folder: &Folder,
    authority: &Authority,
    made: &CertificateFile,
    has_password: bool,
) -> String {
    let action = if authority.is_new { "made" } else { "renewed, under the CA that was there" };
    let secret = if has_password { "with your password" } else { "with an empty password" };
    let [ca, key, full] = ["ca.pem", "key.pem", "fullchain.pem"].map(|name| folder.show(name));
    // As they are written in a JSON file.
    let [key_json, full_json] = [&key, &full].map(|path| serde_json::Value::from(path.as_str()));
    format!(
        "\
Certificate for {hosts}
{action}, valid until {until}.

In {folder}:
  fullchain.pem  what a server sends: the certificate and the one above it
  key.pem        its private key
  cert.pem       the certificate alone; a server that is given this one sends too little
  server.pfx     all of it in one file, {secret}
  ca.pem         the CA, for clients to trust
  ca-key.pem     the CA's private key: whoever has it can pose as any server to these clients

Postfix, in main.cf, then postfix reload:
  smtpd_tls_chain_files =
    {key},
    {full}
Kestrel, in appsettings.json under Kestrel:Endpoints:Https (before .NET 7, and from a PFX, it sends
the certificate alone):
  \"Certificate\": {{
    \"Path\": {full_json},
    \"KeyPath\": {key_json}
  }}
Servers of Windows, such as IIS, Exchange and SmarterMail: import server.pfx.

To trust the CA:
  Everpost   --trust {ca}
  Debian     sudo cp {ca} \\
               /usr/local/share/ca-certificates/everpost-development.crt
             sudo update-ca-certificates
  Windows    certutil -user -addstore Root {ca}
  macOS      security add-trusted-cert -r trustRoot \\
               -k ~/Library/Keychains/login.keychain-db {ca}

The same command again rehearses a renewal: new certificate, new key, same CA.",
        hosts = args.host.join(", "),
        until = moment::utc(made.leaf().not_after()),
        folder = folder.0.display(),
    )
}
