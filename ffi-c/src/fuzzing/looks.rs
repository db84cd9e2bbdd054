//! More calls: certificate files, probes and diagnoses, and reading and freeing
//! what calls have given.

use std::ptr;

use everpost_core::diagnose::Diagnosis;
use everpost_core::probe::ProbeBuilder;

use super::input::Text;
use super::world::World;
use super::{read, told};
use crate::*;

/// Certificates in every form.
pub(super) const FILES: &[&[u8]] = &[
    include_bytes!("../../../fuzz/corpus/pfx/pem"),
    include_bytes!("../../../fuzz/corpus/pfx/der"),
    include_bytes!("../../../fuzz/corpus/pfx/open"),
    include_bytes!("../../../fuzz/corpus/pfx/legacy"),
    include_bytes!("../../../fuzz/corpus/pfx/empty_password"),
];

const TARGET: &str = "127.0.0.1:1";

const MOMENTS: &[i64] =
    &[0, 1, -1, 1_767_225_600, 253_402_300_799, 253_402_300_800, -11_644_473_601, i64::MIN];

impl World<'_> {
    pub(super) fn call_file(&mut self, letter: u8) {
        let place = self.input.byte();
        let file = self.table.files.get(place);
        match letter {
            b'd' => {
                let (content, password) = (self.content(), self.input.text());
                let made = self.made(|out, error| unsafe {
                    let (content, len) = (content.bytes(), content.len());
                    let (password, password_len) = (password.data(), password.len());
                    everpost_certificate_file_parse(
                        content,
                        len,
                        password,
                        password_len,
                        out,
                        error,
                    )
                });
                self.table.files.put(place, made);
            }
            b'D' => read::file(file),
            b'g' => {
                let at = self.input.among(MOMENTS);
                let trust = self.input.among(&["mozilla", "nowhere/to/be/found.pem", ""]);
                let (host, trust) = (self.input.text(), Text::of(trust.as_bytes()));
                let made = self.made(|out, error| unsafe {
                    let (host, len) = (host.data(), host.len());
                    let (trust, trust_len) = (trust.data(), trust.len());
                    everpost_certificate_file_judge(
                        file, host, len, at, trust, trust_len, out, error,
                    )
                });
                self.table.reports.put(place, made);
            }
            b'P' => {
                let with_key = self.input.byte() & 1 == 1;
                let made = self.made(|out, error| unsafe {
                    everpost_certificate_file_to_pem(file, with_key, out, error)
                });
                assert!(
                    made.is_null() || read::view(unsafe { everpost_text_view(made) }).is_some()
                );
                self.table.texts.put(place, made);
            }
            _ => {
                let legacy = self.input.byte() & 1 == 1;
                let password = self.input.text();
                let made = self.made(|out, error| unsafe {
                    let (password, len) = (password.data(), password.len());
                    everpost_certificate_file_to_pfx(file, password, len, legacy, out, error)
                });
                self.table.texts.put(place, made);
            }
        }
    }

    pub(super) fn call_probe(&mut self, letter: u8) {
        let place = self.input.byte();
        let probe = self.table.probes.get(place);
        match letter {
            b'u' => {
                let made = self.made(|out, error| unsafe { everpost_probe_new(out, error) });
                self.table.probes.put(place, made);
                // The system's roots take their time.
                let pem = FILES[0];
                self.status(|error| unsafe {
                    everpost_probe_trust_pem(made, pem.as_ptr(), pem.len(), error)
                });
            }
            b'U' => {
                let (key, stays) = self.key(ProbeBuilder::KEYS);
                let value = self.input.text();
                // One that leads away is set where nothing is run.
                let probe = if stays { probe } else { ptr::null_mut() };
                self.status(|error| unsafe {
                    everpost_probe_set(
                        probe,
                        key.data(),
                        key.len(),
                        value.data(),
                        value.len(),
                        error,
                    )
                });
            }
            b'k' => {
                let pem = self.content();
                self.status(|error| unsafe {
                    everpost_probe_trust_pem(probe, pem.bytes(), pem.len(), error)
                });
            }
            b'z' => {
                let at = self.input.byte();
                let file = self.table.files.get(at);
                self.status(|error| unsafe { everpost_probe_compare(probe, file, error) });
            }
            b'Z' => {
                let target = self.input.among(&[TARGET, "smtp://127.0.0.1:1", "", "a b"]);
                let target = Text::of(target.as_bytes());
                self.started(0, |user_data, error| unsafe {
                    let (target, len, done) =
                        (target.data(), target.len(), Some(told::report as _));
                    everpost_probe_run_start(probe, target, len, done, user_data, error)
                });
            }
            b'q' => {
                let (config, _) = self.config_that_stays();
                let made =
                    self.made(|out, error| unsafe { everpost_diagnosis_new(config, out, error) });
                self.table.diagnoses.put(place, made);
                let (key, value) = (c"looks", c"false");
                self.status(|error| unsafe {
                    let (key, value, nul) = (key.as_ptr(), value.as_ptr(), EVERPOST_NUL);
                    everpost_diagnosis_set(made, key, nul, value, nul, error)
                });
            }
            _ => {
                let diagnosis = self.table.diagnoses.get(place);
                let (key, stays) = self.key(Diagnosis::KEYS);
                let value = self.input.text();
                let set = if stays { diagnosis } else { ptr::null_mut() };
                self.status(|error| unsafe {
                    everpost_diagnosis_set(
                        set,
                        key.data(),
                        key.len(),
                        value.data(),
                        value.len(),
                        error,
                    )
                });
                self.started(0, |user_data, error| unsafe {
                    everpost_diagnosis_run_start(diagnosis, Some(told::report), user_data, error)
                });
            }
        }
    }

    /// Reading and freeing what calls have given.
    pub(super) fn call_result(&mut self, letter: u8) {
        let place = self.input.byte();
        match letter {
            b'G' => read::report(self.table.reports.get(place)),
            b'R' => {
                read::error(self.table.errors.get(place));
                let (of, mut verdict) = (self.table.errors.get(place), everpost_str::ABSENT);
                self.status(|error| unsafe {
                    everpost_error_late_verdict(of, 0, &raw mut verdict, error)
                });
                assert!(verdict.data.is_null(), "nobody answers");
                self.started(0, |user_data, error| unsafe {
                    everpost_error_late_verdict_start(of, Some(told::send), user_data, error)
                });
            }
            b'T' => {
                let text = self.table.texts.get(place);
                let view = unsafe { everpost_text_view(text) };
                assert_eq!(view.data.is_null(), text.is_null());
            }
            b'F' => match self.input.byte() % 11 {
                0 => self.table.configs.free(place),
                1 => self.table.mailers.free(place),
                2 => self.table.messages.free(place),
                3 => self.table.envelopes.free(place),
                4 => self.table.composes.free(place),
                5 => self.table.files.free(place),
                6 => self.table.probes.free(place),
                7 => self.table.diagnoses.free(place),
                8 => self.table.reports.free(place),
                9 => self.table.texts.free(place),
                _ => self.table.errors.free(place),
            },
            b'N' => read::no_receipt(),
            _ => {
                assert_eq!(everpost_abi_version(), EVERPOST_ABI_VERSION);
                assert!(read::view(everpost_version()).is_some());
                let _ = read::view(everpost_status_name(i32::from(place) * 10));
                unsafe { everpost_token_answer(ptr::null_mut(), ptr::null(), 0) };
            }
        }
    }

    /// What a certificate file may hold: one of those known, by number, or
    /// after `*` anything.
    pub(super) fn content(&mut self) -> Text {
        match self.input.byte() {
            b'*' => self.input.text(),
            number => Text::of(FILES[usize::from(number) % FILES.len()]),
        }
    }
}
