#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::certificate::Severity;
use crate::certificate::testing::{Authority, Issued, Leaf, days, now};
use crate::{ErrorKind, TrustRoots};

const PASSWORD: &str = "p4ss w0rd/§";

struct World {
    root: Authority,
    between: Authority,
    leaf: Issued,
}

impl World {
    fn new() -> Self {
        let root = Authority::root("Root");
        let between = root.intermediate("Between");
        let leaf = between.issue(&Leaf::good());
        World { root, between, leaf }
    }

    fn leaf_pem(&self) -> String {
        pem_of("CERTIFICATE", &self.leaf.der)
    }

    fn between_pem(&self) -> String {
        String::from_utf8(self.between.pem()).unwrap()
    }

    fn root_pem(&self) -> String {
        String::from_utf8(self.root.pem()).unwrap()
    }

    fn key_pem(&self) -> String {
        self.leaf.key.serialize_pem()
    }

    fn inspector(&self) -> Inspector {
        let roots = [TrustRoots::Pem(self.root.pem())];
        Inspector::new(&TrustRoots::load(&roots).unwrap())
    }

    /// Leaf, intermediate and key.
    fn file(&self) -> CertificateFile {
        parse(self.leaf_pem() + &self.between_pem() + &self.key_pem())
    }
}

fn pem_of(label: &str, der: &[u8]) -> String {
    let mut text = Zeroizing::default();
    pem::write(&mut text, label, der);
    text.to_string()
}

fn parse(text: impl AsRef<[u8]>) -> CertificateFile {
    CertificateFile::parse(text.as_ref(), None).unwrap()
}

/// The error's text, which never holds the password.
fn refusal(bytes: impl AsRef<[u8]>, password: Option<&str>) -> String {
    let error = CertificateFile::parse(bytes.as_ref(), password).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().is_some());
    assert!(password.is_none_or(|it| it.is_empty() || !format!("{error} {error:?}").contains(it)));
    error.message_text().to_owned()
}

fn names(file: &CertificateFile) -> Vec<&str> {
    file.chain().iter().filter_map(Certificate::common_name).collect()
}

const NAMES: [&str; 3] = ["mail.example.org", "Between", "Root"];

#[test]
fn the_chain_is_put_in_order_from_the_leaf_to_the_root() {
    let world = World::new();
    let (leaf, between, root) = (world.leaf_pem(), world.between_pem(), world.root_pem());
    let sorted = parse(format!("{leaf}{between}{root}"));
    assert_eq!(names(&sorted), NAMES);
    assert!(sorted.is_in_order() && !sorted.has_key());
    for text in [
        format!("{root}{between}{leaf}"),
        format!("{between}{leaf}{root}"),
        format!("{leaf}{root}{between}"),
    ] {
        let file = parse(text);
        assert_eq!(names(&file), NAMES);
        assert!(!file.is_in_order());
    }
    let other = Authority::root("Other");
    let other = String::from_utf8(other.pem()).unwrap();
    let extra = parse(format!("{leaf}{other}{between}{leaf}"));
    assert_eq!(names(&extra), ["mail.example.org", "Between", "Other", "mail.example.org"]);
    assert!(!extra.is_in_order());
}

#[test]
fn the_leaf_is_the_certificate_whose_key_is_in_the_file() {
    let world = World::new();
    let other = world.between.issue(&Leaf::named("other.example.org"));
    let other = pem_of("CERTIFICATE", &other.der);
    let text = format!("{other}{}{}", world.between_pem(), world.leaf_pem());
    assert_eq!(names(&parse(&text))[0], "other.example.org");
    let with_key = parse(text + &world.key_pem());
    assert_eq!(names(&with_key)[0], "mail.example.org");
    assert_eq!(with_key.key_matches(), Some(true));
}

#[test]
fn text_around_the_blocks_and_any_line_end_do_not_matter() {
    let world = World::new();
    let mut text = format!("subject=/CN=x\n{}between: two\n", world.leaf_pem());
    text += &world.key_pem();
    text += &format!("\n\n   indented\n{}", world.between_pem());
    let expected = world.file();
    for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        let file = parse(text);
        assert_eq!(file.chain(), expected.chain());
        assert_eq!((file.format(), file.key_matches()), (FileFormat::Pem, Some(true)));
    }
    // A digit at the start is no DER.
    assert_eq!(parse(format!("0 s:CN=x\n{text}")).chain(), expected.chain());
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(parse([&[0xff, 0xfe], &wide[..]].concat()).chain(), expected.chain());
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(parse([&[0xfe, 0xff], &wide[..]].concat()).chain(), expected.chain());
}

#[test]
fn one_certificate_in_der_is_read_by_its_content() {
    let world = World::new();
    let file = parse(&world.leaf.der);
    assert_eq!(file.format(), FileFormat::Der);
    assert_eq!(file.leaf().der(), &world.leaf.der[..]);
    assert_eq!(file.to_der(), world.leaf.der.to_vec());
}

#[test]
fn a_pfx_of_either_encryption_is_written_and_read_back() {
    let world = World::new();
    for encryption in [PfxEncryption::Modern, PfxEncryption::Legacy] {
        for password in [PASSWORD, ""] {
            let pfx = world.file().to_pfx(password, encryption).unwrap();
            let file = CertificateFile::parse(&pfx, Some(password)).unwrap();
            assert_eq!((file.format(), file.key_matches()), (FileFormat::Pfx, Some(true)));
            assert_eq!(file.chain(), world.file().chain());
            let (ours, theirs) = (world.file(), file.private_key().unwrap().to_pem());
            assert_eq!(*theirs, *ours.private_key().unwrap().to_pem());
        }
        // An empty password need not be given.
        let pfx = world.file().to_pfx("", encryption).unwrap();
        assert!(CertificateFile::parse(&pfx, None).unwrap().has_key());
    }
}

#[test]
fn a_pfx_of_certificates_only_has_all_of_them() {
    let world = World::new();
    let chain = parse(world.leaf_pem() + &world.between_pem() + &world.root_pem());
    let pfx = chain.to_pfx(PASSWORD, PfxEncryption::Modern).unwrap();
    let file = CertificateFile::parse(&pfx, Some(PASSWORD)).unwrap();
    assert_eq!((names(&file), file.key_matches()), (NAMES.to_vec(), None));
}

#[test]
fn a_wrong_and_a_missing_password_are_told_apart_and_not_repeated() {
    let world = World::new();
    for encryption in [PfxEncryption::Modern, PfxEncryption::Legacy] {
        let pfx = world.file().to_pfx(PASSWORD, encryption).unwrap();
        assert_eq!(refusal(&pfx, Some("p4ss-wrong")), "wrong password for the PFX");
        let missing = "the PFX is encrypted, and no password was given";
        assert_eq!(refusal(&pfx, None), missing);
    }
    let emoji = world.file().to_pfx("🔑🔑", PfxEncryption::Modern).unwrap_err();
    assert!(emoji.to_string().contains("U+FFFF"));
}

#[test]
fn a_pfx_that_was_cut_short_or_changed_is_refused() {
    let world = World::new();
    let pfx = world.file().to_pfx(PASSWORD, PfxEncryption::Modern).unwrap();
    let size = pfx.len();
    let cut = refusal(&pfx[..size - 100], Some(PASSWORD));
    assert_eq!(cut, format!("the file is damaged: {} bytes of {size}", size - 100));
    let mut changed = pfx;
    changed[size / 2] ^= 1;
    assert_eq!(refusal(&changed, Some(PASSWORD)), "wrong password for the PFX");
}

#[test]
fn a_pfx_that_asks_for_millions_of_rounds_is_refused_at_once() {
    let world = World::new();
    let pfx = world.file().to_pfx(PASSWORD, PfxEncryption::Modern).unwrap();
    // 100,000 as an INTEGER: twice for encryption, once for the MAC.
    let (honest, million) = (b"\x02\x03\x01\x86\xa0", b"\x02\x03\x0f\x42\x40");
    let places: Vec<_> = (0..pfx.len()).filter(|at| pfx[*at..].starts_with(honest)).collect();
    assert_eq!(places.len(), 3);
    // One million is borne, three are not.
    let mut hostile = pfx;
    places.iter().for_each(|at| hostile[*at..at + honest.len()].copy_from_slice(million));
    assert!(refusal(&hostile, Some(PASSWORD)).contains("would take too long"));
}

#[test]
fn what_is_no_certificate_is_named() {
    let world = World::new();
    let (key, leaf) = (world.key_pem(), world.leaf_pem());
    let request = pem_of("CERTIFICATE REQUEST", b"x");
    let half = leaf.replacen("-----END CERTIFICATE-----", "", 1);
    let bad_base64 = leaf.replacen("MII", "M*I", 1);
    let bad_der = pem_of("CERTIFICATE", b"\x30\x03abc");
    let cases: [(&[u8], &str); 13] = [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"hello", "neither PEM nor DER nor PFX"),
        (key.as_bytes(), "no certificate in it, but a private key"),
        (&world.leaf.key.serialize_der(), "no certificate in it, but a private key"),
        (request.as_bytes(), "no certificate in it, but a certificate request (CSR)"),
        (b"\xfe\xed\xfe\xed\0\0\0\x02", "no certificate in it, but a Java keystore (JKS)"),
        (b"\x30\x80\x02\x01\x03", "its lengths are indefinite (BER)"),
        (b"\x30\x89\x02\x01\x03", "the file is damaged: its length is unreadable"),
        (b"-----BEGIN CERTIFICATE-----\n", "that begins in line 1 is damaged: its end is missing"),
        (half.as_bytes(), "that begins in line 1 is damaged: its end is missing"),
        (bad_base64.as_bytes(), "the block CERTIFICATE that begins in line 1 is damaged"),
        (bad_der.as_bytes(), "the certificate that begins in line 1 is damaged"),
    ];
    for (bytes, expected) in cases {
        let message = refusal(bytes, None);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn an_encrypted_key_in_the_old_way_is_said_to_be_so() {
    let world = World::new();
    let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
               DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let text = world.leaf_pem() + key;
    assert!(refusal(&text, None).contains("no password was given"));
    assert!(refusal(&text, Some(PASSWORD)).contains("a way that is not supported"));
}

#[test]
fn a_file_of_nine_megabytes_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.pem");
    std::fs::write(&path, vec![b'x'; 9 << 20]).unwrap();
    let error = CertificateFile::load(&path, None).unwrap_err();
    assert!(error.to_string().contains("huge.pem: the file is larger than 8 MiB"), "{error}");
    let none = CertificateFile::load(folder.path().join("none.pem"), None).unwrap_err();
    assert!(none.to_string().contains("none.pem") && none.hint().is_some());
    let many = World::new().leaf_pem().repeat(MAX_PARTS + 1);
    assert!(refusal(many, None).contains("more than 1000 certificates"));
}

#[test]
fn a_key_of_another_certificate_is_a_finding_of_its_own() {
    let world = World::new();
    let good = world.file().judge(&world.inspector(), "mail.example.org", now());
    assert!(!good.has(FindingId::KeyMismatch) && !good.has(FindingId::WrongOrder));
    let text = world.leaf_pem() + &world.between_pem();
    let other = world.between.issue(&Leaf::good()).key.serialize_pem();
    let mixed = parse(text + &other);
    assert_eq!((mixed.has_key(), mixed.key_matches()), (true, Some(false)));
    let report = mixed.judge(&world.inspector(), "mail.example.org", now());
    assert_eq!(report.findings[0].id, FindingId::KeyMismatch);
    let put_right = mixed.with_key(world.file().private_key().unwrap().clone());
    assert_eq!(put_right.key_matches(), Some(true));
    assert!(!put_right.without_key().has_key());
}

#[test]
fn what_a_server_would_show_is_judged_with_the_worst_first() {
    let world = World::new();
    let text = world.between_pem() + &world.leaf_pem();
    let report = parse(text).judge(&world.inspector(), "other.example.org", now() + days(100));
    assert!(report.has(FindingId::Expired) && report.has(FindingId::NameMismatch));
    assert!(report.has(FindingId::WrongOrder));
    assert!(report.findings.is_sorted_by_key(|finding| Reverse(finding.severity)));
    assert_eq!(report.severity(), Some(Severity::Critical));
}

#[test]
fn a_private_key_is_in_no_debug_output() {
    let world = World::new();
    let file = world.file();
    let shown = format!("{file:?} {:?}", file.private_key().unwrap());
    assert!(shown.contains("hidden"));
    let key = world.leaf.key.serialize_pem();
    let line = key.lines().nth(1).unwrap();
    assert!(!shown.contains(line) && !shown.contains("pkcs8"), "{shown}");
}

#[test]
fn pem_is_written_with_the_key_before_the_chain_and_without_it() {
    let world = World::new();
    let text = world.file().to_pem();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(text.lines().all(|line| line.len() <= 64));
    assert_eq!(parse(&*text).chain(), world.file().chain());
    assert_eq!(parse(&*text).key_matches(), Some(true));
    let chain = world.file().chain_to_pem();
    assert!(!chain.contains("PRIVATE"));
    assert!(parse(&chain).is_in_order());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes: Vec<u8>) {
        let _ = CertificateFile::parse(&bytes, Some(PASSWORD));
        let _ = PrivateKey::parse(&bytes, Some(PASSWORD));
    }

    #[test]
    fn what_any_block_holds_is_read_back(der: Vec<u8>) {
        let blocks = pem::blocks(pem_of("ANY LABEL", &der).as_bytes()).unwrap();
        prop_assert_eq!(blocks.len(), 1);
        prop_assert_eq!(&*blocks[0].der, &der);
        prop_assert_eq!(&blocks[0].label, "ANY LABEL");
    }
}
