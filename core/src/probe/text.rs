//! The options of a probe as text: [`ProbeBuilder::set`].
//!
//! One spelling for every language and for files. No error repeats a value,
//! because one of them is a password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::ProbeBuilder;
use crate::Error;
use crate::certificate::CertificateFile;
use crate::url::flag;

impl ProbeBuilder {
    /// Every key that [`set`](Self::set) knows.
    pub const KEYS: &'static [&'static str] = &[
        "trust",
        "pin",
        "fingerprint",
        "compare",
        "compare_password",
        "judge_after",
        "warn",
        "crit",
        "sni",
        "verify_name",
        "ehlo",
        "connect_to",
        "all_addresses",
        "deadline",
        "dane",
        "mta_sts",
    ];

    /// Sets one option by name and text, as files and other languages have
    /// them.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `trust` | `system`, `mozilla` or the path of a PEM file; several add up |
    /// | `pin` | SHA-256 of a public key, as `sha256/BASE64` or in hexadecimal; several are alternatives |
    /// | `fingerprint` | SHA-256 of a certificate, in hexadecimal; several are alternatives |
    /// | `compare` | path of a certificate file, read when the probe is built |
    /// | `compare_password` | what opens that file |
    /// | `judge_after` | how much later to judge for, such as `14d` or `+14d` |
    /// | `warn`, `crit` | a time, a share of the lifetime or both: `30d`, `25%`, `30d,25%` |
    /// | `sni`, `verify_name`, `ehlo` | a name |
    /// | `connect_to` | an IP address |
    /// | `all_addresses`, `dane`, `mta_sts` | `true` or `false` |
    /// | `deadline` | a time, such as `500ms`, `30s` or `2m` |
    ///
    /// ```
    /// use everpost::probe::Probe;
    ///
    /// let probe = Probe::builder().set("trust", "mozilla")?.set("judge_after", "14d")?.build()?;
    /// # Ok::<(), everpost::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_config` if there is no such key, or the value is not what the
    /// key takes; the error names the key and never repeats the value.
    pub fn set(self, key: &str, value: &str) -> Result<Self, Error> {
        if !Self::KEYS.contains(&key) {
            return Err(Error::config(format!("a probe has no option {key:?}"))
                .with_hint(format!("the options are {}", Self::KEYS.join(", "))));
        }
        self.take(key, value)
            .map_err(|expected| Error::config(format!("{key} of a probe must be {expected}")))
    }

    fn take(mut self, key: &str, value: &str) -> Result<Self, &'static str> {
        const THRESHOLD: &str =
            "a time (30d, 36h), a share of the lifetime (25%), or both (30d,25%)";
        let thresholds = &mut self.options.thresholds;
        Ok(match key {
            "trust" => {
                let roots = value.parse();
                self.trust(roots.map_err(|_| "system, mozilla or the path of a PEM file")?)
            }
            "pin" => {
                let pin = value.parse();
                self.pin(pin.map_err(
                    |_| "the SHA-256 of a public key, as sha256/BASE64 or in hexadecimal",
                )?)
            }
            "fingerprint" => {
                let fingerprint = value.parse();
                self.fingerprint(
                    fingerprint.map_err(|_| "the SHA-256 of a certificate, in hexadecimal")?,
                )
            }
            "compare" if value.is_empty() => return Err("the path of a certificate file"),
            "compare" => {
                self.options.compare = None;
                self.unread.path = Some(value.into());
                self
            }
            "compare_password" => {
                self.unread.password = Some(Zeroizing::new(value.to_owned()));
                self
            }
            "judge_after" => {
                let later = parse_duration(value.strip_prefix('+').unwrap_or(value));
                self.judge_after(later.map_err(|_| DURATION)?)
            }
            "warn" => {
                thresholds.warning = value.parse().map_err(|_| THRESHOLD)?;
                self
            }
            "crit" => {
                thresholds.critical = value.parse().map_err(|_| THRESHOLD)?;
                self
            }
            "sni" => self.sni(name(value)?),
            "verify_name" => self.verify_name(name(value)?),
            "ehlo" => self.ehlo_name(name(value)?),
            "connect_to" => self.connect_to(value.parse().map_err(|_| "an IP address")?),
            "all_addresses" => self.all_addresses(flag(value)?),
            "deadline" => self.deadline(parse_duration(value).map_err(|_| DURATION)?),
            "dane" => self.dane(flag(value)?),
            "mta_sts" => self.mta_sts(flag(value)?),
            _ => return Err("one of the known keys"),
        })
    }
}

/// What names are is looked at when the probe is built.
fn name(value: &str) -> Result<&str, &'static str> {
    if value.is_empty() { Err("a name") } else { Ok(value) }
}

/// A certificate file by its path, until the probe is built.
#[derive(Clone, Default)]
pub(super) struct Unread {
    path: Option<PathBuf>,
    password: Option<Zeroizing<String>>,
}

impl Unread {
    /// Reads the file, if there is one.
    pub(super) fn load(&self) -> Result<Option<CertificateFile>, Error> {
        let password = self.password.as_ref().map(|it| it.as_str());
        match &self.path {
            Some(path) => CertificateFile::load(path, password).map(Some),
            None if password.is_some() => {
                Err(Error::config("compare_password of a probe opens nothing")
                    .with_hint("name the file with compare"))
            }
            None => Ok(None),
        }
    }
}

/// Without the password.
impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unread").field("path", &self.path).finish_non_exhaustive()
    }
}

const DURATION: &str = "a time such as 500ms, 30s, 2m, 36h, 14d or 2w";

/// Text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a time as 500ms, 30s, 2m, 36h, 14d or 2w")]
pub struct ParseDurationError(());

/// Reads a length of time such as `30s`, `500ms`, `2m`, `36h`, `14d` or `2w`;
/// seconds without a unit.
///
/// # Errors
/// When it is anything else.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(ParseDurationError(())),
    };
    // The product of 32 bits and a unit fits in 64.
    let number: u64 = number.parse::<u32>().map_err(|_| ParseDurationError(()))?.into();
    Ok(Duration::from_millis(number * millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrustRoots;
    use crate::certificate::testing::{Authority, Leaf};
    use crate::certificate::{Certificate, Threshold};
    use crate::finding::FindingId;
    use crate::probe::Probe;

    fn set(pairs: &[(&str, &str)]) -> Result<ProbeBuilder, Error> {
        pairs.iter().try_fold(Probe::builder(), |builder, (key, value)| builder.set(key, value))
    }

    #[test]
    fn every_option_is_set_by_its_text() {
        let der = Authority::root("Root").issue(&Leaf::good()).der;
        let leaf = Certificate::from_der(&der).unwrap();
        let builder = set(&[
            ("trust", "mozilla"),
            ("trust", "/etc/roots.pem"),
            ("pin", &leaf.spki_pin().to_string()),
            ("fingerprint", &leaf.fingerprint().to_string()),
            ("judge_after", "+14d"),
            ("warn", "20d,20%"),
            ("crit", "5%"),
            ("sni", "a.example.org"),
            ("verify_name", "b.example.org"),
            ("ehlo", "c.example.org"),
            ("connect_to", "::1"),
            ("all_addresses", "true"),
            ("deadline", "500ms"),
            ("dane", "yes"),
            ("mta_sts", "on"),
        ]);
        let options = builder.unwrap().options;
        assert_eq!(options.trust, [TrustRoots::Mozilla, TrustRoots::File("/etc/roots.pem".into())]);
        assert_eq!(options.pins, [leaf.spki_pin()]);
        assert_eq!(options.fingerprints, [leaf.fingerprint()]);
        assert_eq!(options.judge_after, Duration::from_secs(14 * 86_400));
        let threshold = |text: &str| text.parse::<Threshold>().unwrap();
        assert_eq!(options.thresholds.warning, threshold("20d,20%"));
        assert_eq!(options.thresholds.critical, threshold("5%"));
        assert_eq!(options.sni.as_deref(), Some("a.example.org"));
        assert_eq!(options.verify_name.as_deref(), Some("b.example.org"));
        assert_eq!(options.ehlo_name.as_deref(), Some("c.example.org"));
        assert_eq!(options.connect_to, Some("::1".parse().unwrap()));
        assert_eq!(options.deadline, Duration::from_millis(500));
        assert!(options.all_addresses && options.dane && options.mta_sts);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_key_and_without_itself() {
        for key in ProbeBuilder::KEYS.iter().filter(|key| **key != "compare_password") {
            for value in ["", "\u{0}wrong value"] {
                let path = ["trust", "compare", "sni", "verify_name", "ehlo"].contains(key);
                if path && !value.is_empty() {
                    continue;
                }
                let error = set(&[(key, value)]).unwrap_err();
                assert_eq!(error.kind(), crate::ErrorKind::InvalidConfig);
                assert!(error.message_text().starts_with(key), "{error}");
                assert!(!format!("{error:?}").contains("wrong value"), "{error}");
            }
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_those_that_are_known() {
        let error = set(&[("colour", "blue")]).unwrap_err();
        assert!(error.message_text().contains("colour"), "{error}");
        assert!(error.hint().unwrap().contains("compare_password"), "{error}");
    }

    #[test]
    fn the_file_to_compare_with_is_read_when_the_probe_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leaf.der");
        let builder = || set(&[("trust", "mozilla"), ("compare", path.to_str().unwrap())]).unwrap();
        let missing = builder().build().unwrap_err();
        assert!(missing.message_text().contains("leaf.der"), "{missing}");
        let der = Authority::root("Root").issue(&Leaf::good()).der;
        std::fs::write(&path, &der).unwrap();
        let probe = builder().build().unwrap();
        assert_eq!(probe.options.compare.as_ref().unwrap().leaf().der(), &*der);
        assert!(probe.notes.iter().all(|note| note.id != FindingId::KeyMismatch));
    }

    #[test]
    fn the_password_is_never_shown_and_needs_a_file() {
        let builder = set(&[("trust", "mozilla"), ("compare_password", "hunter2")]).unwrap();
        assert!(!format!("{builder:?}").contains("hunter2"));
        let error = builder.build().unwrap_err();
        assert!(error.message_text().starts_with("compare_password"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
