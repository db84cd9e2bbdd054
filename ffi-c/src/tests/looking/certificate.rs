//! Certificate files and certificates.

use std::ptr;

use ::everpost_rehearsal::ClientCertificate;

use super::*;

fn identity(server: &Rehearsal) -> ClientCertificate {
    server.client_certificate("client.example.org").unwrap()
}

fn parse(content: &[u8], password: Option<&str>) -> Result<*mut everpost_certificate_file, Failed> {
    let (password, password_len) = password.map_or(NONE, c);
    made(|out, error| unsafe {
        let (data, len) = (content.as_ptr(), content.len());
        everpost_certificate_file_parse(data, len, password, password_len, out, error)
    })
}

fn load(path: &str) -> Result<*mut everpost_certificate_file, Failed> {
    let (path, len) = c(path);
    made(|out, error| unsafe {
        everpost_certificate_file_load(path, len, NONE.0, NONE.1, out, error)
    })
}

fn judge(
    file: *const everpost_certificate_file,
    host: &str,
    at: i64,
    trust: Option<&str>,
) -> Result<*mut everpost_report, Failed> {
    let ((host, host_len), (trust, trust_len)) = (c(host), trust.map_or(NONE, c));
    made(|out, error| unsafe {
        everpost_certificate_file_judge(file, host, host_len, at, trust, trust_len, out, error)
    })
}

#[test]
fn every_fact_of_a_certificate_can_be_read() {
    let server = server();
    let expected = server.leaf();
    let file = parse(&expected.der, None).unwrap();
    unsafe {
        assert_eq!(everpost_certificate_file_count(file), 1);
        assert_eq!(seen(everpost_certificate_file_format(file)).unwrap(), "der");
        assert!(everpost_certificate_file_certificate(file, 1).is_null());
        let leaf = everpost_certificate_file_certificate(file, 0);
        let subject = seen(everpost_certificate_subject(leaf)).unwrap();
        assert!(subject.contains("localhost"), "{subject}");
        assert!(seen(everpost_certificate_issuer(leaf)).unwrap() != subject);
        assert_eq!(seen(everpost_certificate_serial(leaf)).unwrap(), expected.serial);
        let unix = |moment: std::time::SystemTime| {
            moment.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
        };
        assert_eq!(everpost_certificate_not_before(leaf), unix(expected.not_before));
        assert_eq!(everpost_certificate_not_after(leaf), unix(expected.not_after));
        assert!(seen(everpost_certificate_key_algorithm(leaf)).unwrap().contains("EC"));
        assert_eq!(everpost_certificate_key_bits(leaf), 256);
        assert!(seen(everpost_certificate_signature_algorithm(leaf)).is_some());
        assert_eq!(seen(everpost_certificate_fingerprint(leaf)).unwrap(), expected.fingerprint());
        assert!(seen(everpost_certificate_spki_pin(leaf)).unwrap().starts_with("sha256/"));
        assert_eq!(everpost_certificate_dns_name_count(leaf), 1);
        assert_eq!(seen(everpost_certificate_dns_name(leaf, 0)).unwrap(), "localhost");
        assert_eq!(seen(everpost_certificate_dns_name(leaf, 1)), None);
        assert!(!everpost_certificate_is_ca(leaf));
        let json = seen(everpost_certificate_json(leaf)).unwrap();
        assert!(json.contains(&expected.fingerprint()), "{json}");
        everpost_certificate_file_free(file);
    }
}

#[test]
fn key_and_certificate_are_told_to_belong_together_or_not() {
    let server = server();
    let (one, other) = (identity(&server), identity(&server));
    unsafe {
        for (text, has_key, matches) in [
            (one.chain_pem.clone(), false, -1),
            (format!("{}{}", one.chain_pem, one.key_pem), true, 1),
            (format!("{}{}", one.chain_pem, other.key_pem), true, 0),
        ] {
            let file = parse(text.as_bytes(), None).unwrap();
            assert_eq!(everpost_certificate_file_has_key(file), has_key);
            assert_eq!(everpost_certificate_file_key_matches(file), matches);
            everpost_certificate_file_free(file);
        }
    }
}

#[test]
fn a_file_becomes_pem_and_pfx_and_is_read_back() {
    let server = server();
    let identity = identity(&server);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pem");
    std::fs::write(&path, format!("{}{}", identity.chain_pem, identity.key_pem)).unwrap();
    let file = load(path.to_str().unwrap()).unwrap();
    unsafe {
        let pem = |with_key| {
            let pem =
                made(|out, error| everpost_certificate_file_to_pem(file, with_key, out, error));
            taken(pem.unwrap())
        };
        assert!(pem(true).contains("PRIVATE KEY"));
        assert!(!pem(false).contains("PRIVATE KEY") && pem(false).contains("CERTIFICATE"));
        for legacy in [false, true] {
            let (password, len) = c("pass-word");
            let pfx = made(|out, error| {
                everpost_certificate_file_to_pfx(file, password, len, legacy, out, error)
            });
            let pfx = pfx.unwrap();
            let view = everpost_text_view(pfx);
            let bytes = std::slice::from_raw_parts(view.data.cast::<u8>(), view.len).to_vec();
            everpost_text_free(pfx);
            let again = parse(&bytes, Some("pass-word")).unwrap();
            assert_eq!(seen(everpost_certificate_file_format(again)).unwrap(), "pfx");
            assert_eq!(everpost_certificate_file_key_matches(again), 1);
            everpost_certificate_file_free(again);
            let failed = parse(&bytes, Some("other-word")).unwrap_err();
            assert_eq!(failed.status, EVERPOST_INVALID_CONFIG);
            assert!(!failed.message.contains("other-word"), "{}", failed.message);
        }
        everpost_certificate_file_free(file);
    }
}

#[test]
fn a_file_is_judged_for_a_host_a_moment_and_roots() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, server.ca_pem()).unwrap();
    let trust = ca.to_str();
    let leaf = server.leaf();
    let file = parse(&leaf.der, None).unwrap();
    let end = leaf.not_after.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let found = |host, at, trust| {
        let report = judge(file, host, at, trust).unwrap();
        let found = findings(report);
        unsafe {
            assert_eq!(everpost_report_certificate_count(report), 1);
            assert_ne!(everpost_report_status(report), EVERPOST_UNKNOWN);
            let json = seen(everpost_report_json(report)).unwrap();
            assert!(json.contains(&leaf.fingerprint()), "{json}");
            everpost_report_free(report);
        }
        found
    };
    let has = |found: Vec<String>, id: &str| found.iter().any(|it| it == id);
    assert!(!has(found("localhost", 0, trust), "expired"));
    assert!(!has(found("localhost", end - 1, trust), "expired"));
    assert!(has(found("localhost", end + 1, trust), "expired"));
    for early in [-11_644_473_600, -1] {
        assert!(has(found("localhost", early, trust), "not-yet-valid"));
    }
    assert!(has(found("localhost", 253_402_300_799, trust), "expired"));
    assert!(!has(found("localhost", 0, trust), "name-mismatch"));
    assert!(has(found("mail.example.org", 0, Some("mozilla")), "name-mismatch"));
    unsafe { everpost_certificate_file_free(file) };
}

#[test]
fn what_is_no_file_password_or_root_is_refused() {
    let server = server();
    let der = server.leaf().der;
    let file = parse(&der, None).unwrap();
    unsafe {
        assert_eq!(refused(load("/does/not/exist.pem")), EVERPOST_INVALID_CONFIG);
        assert_eq!(refused(parse(b"nothing", None)), EVERPOST_INVALID_CONFIG);
        let no_path =
            made(|out, error| everpost_certificate_file_load(NONE.0, 0, NONE.0, 0, out, error));
        assert_eq!(refused(no_path), EVERPOST_NULL_ARGUMENT);
        let no_bytes = made(|out, error| {
            everpost_certificate_file_parse(ptr::null(), 0, NONE.0, 0, out, error)
        });
        assert_eq!(refused(no_bytes), EVERPOST_NULL_ARGUMENT);
        assert_eq!(refused(judge(file, "x", 0, Some("/none.pem"))), EVERPOST_INVALID_CONFIG);
        assert_eq!(refused(judge(file, "x", 0, Some(""))), EVERPOST_INVALID_CONFIG);
        for at in [i64::MIN, -11_644_473_601, 253_402_300_800, i64::MAX] {
            assert_eq!(refused(judge(file, "x", at, None)), EVERPOST_INVALID_ARGUMENT, "{at}");
        }
        assert_eq!(refused(judge(ptr::null(), "x", 0, None)), EVERPOST_NULL_ARGUMENT);
        let no_key = made(|out, error| everpost_certificate_file_to_pem(file, true, out, error));
        assert_eq!(refused(no_key), EVERPOST_INVALID_ARGUMENT);
        let no_password = made(|out, error| {
            everpost_certificate_file_to_pfx(file, NONE.0, NONE.1, false, out, error)
        });
        assert_eq!(refused(no_password), EVERPOST_NULL_ARGUMENT);
        everpost_certificate_file_free(file);
    }
}

#[test]
fn every_accessor_of_certificates_and_files_takes_null() {
    let (none, no_file) = (ptr::null(), ptr::null());
    unsafe {
        for get in [
            everpost_certificate_subject,
            everpost_certificate_issuer,
            everpost_certificate_serial,
            everpost_certificate_key_algorithm,
            everpost_certificate_signature_algorithm,
            everpost_certificate_fingerprint,
            everpost_certificate_spki_pin,
            everpost_certificate_json,
        ] {
            assert_eq!(seen(get(none)), None);
        }
        assert_eq!(seen(everpost_certificate_dns_name(none, 0)), None);
        assert_eq!(everpost_certificate_not_before(none), 0);
        assert_eq!(everpost_certificate_not_after(none), 0);
        assert_eq!(everpost_certificate_key_bits(none), 0);
        assert_eq!(everpost_certificate_dns_name_count(none), 0);
        assert!(!everpost_certificate_is_ca(none));
        assert!(everpost_certificate_der(none).data.is_null());
        assert_eq!(everpost_certificate_file_count(no_file), 0);
        assert!(everpost_certificate_file_certificate(no_file, 0).is_null());
        assert_eq!(seen(everpost_certificate_file_format(no_file)), None);
        assert!(!everpost_certificate_file_has_key(no_file));
        assert_eq!(everpost_certificate_file_key_matches(no_file), -1);
        let pem = made(|out, error| everpost_certificate_file_to_pem(no_file, false, out, error));
        assert_eq!(refused(pem), EVERPOST_NULL_ARGUMENT);
        everpost_certificate_file_free(ptr::null_mut());
    }
}
