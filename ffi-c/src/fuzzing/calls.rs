//! The calls: each a letter, a byte of flags, and its arguments in order, a
//! digit for a place in the table and a line for a text.
//!
//! ```text
//! c 00            a config of kind 0 for a port where nobody listens, in place 0
//! s 0*ehlo        sets in config 0 the option that is named, up to the line's end,
//! a.example       to this
//! m 00            a mailer of config 0, in place 0
//! n 0From: …      a message, in place 0
//! S 00            starts to send message 0 by mailer 0
//! ```
//!
//! Flags are the low bits: 1 gives NULL in place of the out parameter, 2 in
//! place of the error; a space has neither. A byte that is no letter of a call
//! is one all the same, by its number.

use std::ptr;

use everpost_core::MailerBuilder;

use super::handles::place_of;
use super::input::Text;
use super::looks::FILES;
use super::world::{Leads, World};
use super::{CANARY, told};
use crate::*;

/// Where nobody listens: implicit TLS, STARTTLS, plain text.
const NOBODY: &[&str] = &[
    "smtps://app:cAnArYcAnArY@127.0.0.1:1?max_attempts=1&connect_timeout=100ms&send_timeout=1s",
    "smtp://127.0.0.1:1?max_attempts=2&connect_timeout=100ms&send_timeout=100ms",
    "smtp://127.0.0.1:1?tls=none&max_attempts=1&connect_timeout=100ms&max_connections=1",
];
/// Options that lead elsewhere, or into files.
const LEADS_AWAY: &[&str] =
    &["bind", "proxy", "trust", "compare", "connect_to", "dane", "mta_sts", "looks"];

const CALLS: &[u8] = b"acsltpivmhSABKXxnfeEoywWjJbdDgGPQuUkzZqrRTFNVY";

impl World<'_> {
    /// All calls of the input.
    pub(super) fn run(&mut self) {
        while let Some(letter) = self.input.call() {
            let flags = self.input.byte();
            (self.no_out, self.no_error) = (flags & 1 != 0, flags & 2 != 0);
            match CALLS.contains(&letter) {
                true => self.call(letter),
                false => self.call(CALLS[usize::from(letter) % CALLS.len()]),
            }
        }
    }

    fn call(&mut self, letter: u8) {
        match letter {
            b'a' | b'c' | b's' | b'l' | b't' | b'p' | b'i' | b'v' => self.call_config(letter),
            b'm' | b'h' | b'S' | b'A' | b'B' | b'K' | b'X' | b'Y' | b'x' => {
                self.call_mailer(letter)
            }
            b'n' | b'f' | b'e' | b'E' | b'o' | b'y' => self.call_message(letter),
            b'w' | b'W' | b'j' | b'J' | b'b' => self.call_compose(letter),
            b'd' | b'D' | b'g' | b'P' | b'Q' => self.call_file(letter),
            b'u' | b'U' | b'k' | b'z' | b'Z' | b'q' | b'r' => self.call_probe(letter),
            _ => self.call_result(letter),
        }
    }

    fn call_config(&mut self, letter: u8) {
        let place = self.input.byte();
        let config = self.table.configs.get(place);
        match letter {
            b'a' => {
                let url = self.input.text();
                let made = self.made(|out, error| unsafe {
                    everpost_config_new(url.data(), url.len(), out, error)
                });
                self.put_config(place, made, Leads::Anywhere);
            }
            b'c' => self.nobody(place),
            b's' => {
                let (key, stays) = self.key(MailerBuilder::KEYS);
                let value = self.input.text();
                self.status(|error| unsafe {
                    everpost_config_set(
                        config,
                        key.data(),
                        key.len(),
                        value.data(),
                        value.len(),
                        error,
                    )
                });
                let leads = if stays { Leads::NowhereSlowly } else { Leads::Anywhere };
                self.configs[place_of(place)] = self.configs[place_of(place)].max(leads);
            }
            b'l' => {
                let (user, password) = (self.input.text(), Text::of(CANARY.as_bytes()));
                self.status(|error| unsafe {
                    let (user, len) = (user.data(), user.len());
                    everpost_config_credentials(
                        config,
                        user,
                        len,
                        password.data(),
                        password.len(),
                        error,
                    )
                });
            }
            b't' => {
                let (user, token) = (self.input.text(), Text::of(CANARY.as_bytes()));
                self.status(|error| unsafe {
                    let (user, len) = (user.data(), user.len());
                    everpost_config_token(config, user, len, token.data(), token.len(), error)
                });
            }
            b'p' => {
                let user = self.input.text();
                self.promised(|user_data, error| unsafe {
                    let (user, len) = (user.data(), user.len());
                    let (ask, drop) = (Some(told::token as _), Some(told::dropped as _));
                    everpost_config_token_provider(config, user, len, ask, drop, user_data, error)
                });
            }
            b'i' => {
                let (chain, key) = (self.content(), self.content());
                self.status(|error| unsafe {
                    let (chain, chain_len) = (chain.bytes(), chain.len());
                    everpost_config_client_identity(
                        config,
                        chain,
                        chain_len,
                        key.bytes(),
                        key.len(),
                        error,
                    )
                });
            }
            _ => self.promised(|user_data, error| unsafe {
                let (told, drop) = (Some(told::event as _), Some(told::dropped as _));
                everpost_config_events(config, told, drop, user_data, error)
            }),
        }
    }

    /// A config whose server is not there, and which reads no roots.
    fn nobody(&mut self, place: u8) {
        let url = Text::of(self.input.among(NOBODY).as_bytes());
        let made = self
            .made(|out, error| unsafe { everpost_config_new(url.data(), url.len(), out, error) });
        self.put_config(place, made, Leads::Nowhere);
        if !made.is_null() {
            let trusted = self.status(|error| unsafe {
                everpost_config_trust_pem(made, FILES[0].as_ptr(), FILES[0].len(), error)
            });
            assert_eq!(trusted, EVERPOST_OK);
        }
    }

    fn put_config(&mut self, place: u8, config: *mut everpost_config, leads: Leads) {
        self.table.configs.put(place, config);
        self.configs[place_of(place)] = leads;
    }

    /// The config in a place, if what is made of it stays on this machine; and
    /// where it leads.
    pub(super) fn config_that_stays(&mut self) -> (*mut everpost_config, Leads) {
        let place = self.input.byte();
        match self.configs[place_of(place)] {
            Leads::Anywhere => (ptr::null_mut(), Leads::Nowhere),
            leads => (self.table.configs.get(place), leads),
        }
    }

    fn call_mailer(&mut self, letter: u8) {
        if letter == b'm' {
            let (config, leads) = self.config_that_stays();
            let place = self.input.byte();
            let made = self.made(|out, error| unsafe { everpost_mailer_new(config, out, error) });
            self.mailers[place_of(place)] = leads;
            return self.table.mailers.put(place, made);
        }
        let place = self.input.byte();
        let mailer = self.table.mailers.get(place);
        match letter {
            b'h' => {
                let health = unsafe { everpost_mailer_health(mailer) };
                assert_eq!(health == EVERPOST_UNKNOWN, mailer.is_null());
                let get = self.input.among(&[
                    everpost_mailer_health_json as unsafe extern "C" fn(_, _, _) -> _,
                    everpost_mailer_stats_json,
                    everpost_mailer_stats_prometheus,
                ]);
                let made = self.made(|out, error| unsafe { get(mailer, out, error) });
                self.table.texts.put(place, made);
            }
            b'A' => {
                let count = usize::from(self.input.byte() % 4);
                let messages: Vec<_> =
                    (0..count).map(|at| self.table.messages.get(at as u8).cast_const()).collect();
                self.started(count, |user_data, error| unsafe {
                    let (each, done) = (Some(told::each as _), Some(told::done as _));
                    let messages = messages.as_ptr();
                    everpost_mailer_send_all_start(
                        mailer, messages, count, each, done, user_data, error,
                    )
                });
            }
            // Of one that is slow the caller might wait for hours.
            b'B' if self.mailers[place_of(place)] == Leads::Nowhere => {
                let at = self.input.byte();
                let message = self.table.messages.get(at);
                let receipt = self.made(|out, error| unsafe {
                    everpost_mailer_send(mailer, message, out, error)
                });
                assert!(receipt.is_null(), "nobody accepts");
            }
            b'S' | b'B' => {
                let at = self.input.byte();
                let message = self.table.messages.get(at);
                self.started(0, |user_data, error| unsafe {
                    everpost_mailer_send_start(mailer, message, Some(told::send), user_data, error)
                });
            }
            b'K' => self.started(0, |user_data, error| unsafe {
                everpost_mailer_close_start(mailer, Some(told::done), user_data, error)
            }),
            b'Y' => self.started(0, |user_data, error| unsafe {
                everpost_mailer_verify_start(mailer, Some(told::text), user_data, error)
            }),
            b'X' => {
                let at = self.input.byte();
                let file = self.table.files.get(at);
                self.started(0, |user_data, error| unsafe {
                    everpost_mailer_explain_start(
                        mailer,
                        file,
                        Some(told::report),
                        user_data,
                        error,
                    )
                });
            }
            // Only what is ours: another test has operations too.
            _ => match self.under_way.get(usize::from(place)) {
                Some((id, _)) => drop(everpost_cancel(*id)),
                None => assert!(!everpost_cancel(u64::MAX - u64::from(place))),
            },
        }
    }

    fn call_message(&mut self, letter: u8) {
        let place = self.input.byte();
        let envelope = self.table.envelopes.get(place);
        match letter {
            b'n' | b'f' => {
                let text = self.input.text();
                let path = Text::of(*b"nowhere/to/be/found.eml");
                let made = self.made(|out, error| unsafe {
                    match letter {
                        b'n' => everpost_message_new(text.bytes(), text.len(), out, error),
                        _ => everpost_message_from_file(path.data(), path.len(), out, error),
                    }
                });
                self.table.messages.put(place, made);
            }
            b'e' => {
                let from = self.input.text();
                let made = self.made(|out, error| unsafe {
                    everpost_envelope_new(from.data(), from.len(), out, error)
                });
                self.table.envelopes.put(place, made);
            }
            b'E' => {
                let to = self.input.text();
                self.status(|error| unsafe {
                    everpost_envelope_add(envelope, to.data(), to.len(), error)
                });
            }
            b'o' => {
                let (key, _) = self.key(&["envid", "return", "notify", "require_tls"]);
                let value = self.input.text();
                self.status(|error| unsafe {
                    let (key, key_len) = (key.data(), key.len());
                    everpost_envelope_set(envelope, key, key_len, value.data(), value.len(), error)
                });
            }
            _ => {
                let message = self.table.messages.get(place);
                let at = self.input.byte();
                let envelope = self.table.envelopes.get(at);
                self.status(|error| unsafe {
                    everpost_message_set_envelope(message, envelope, error)
                });
            }
        }
    }

    fn call_compose(&mut self, letter: u8) {
        let place = self.input.byte();
        let compose = self.table.composes.get(place);
        match letter {
            b'w' => {
                let made = self.made(|out, error| unsafe { everpost_compose_new(out, error) });
                self.table.composes.put(place, made);
            }
            b'W' => {
                let (key, _) = self.key(&["from", "to", "subject", "text", "html", "message_id"]);
                let value = self.input.text();
                self.status(|error| unsafe {
                    let (key, key_len) = (key.data(), key.len());
                    everpost_compose_set(compose, key, key_len, value.data(), value.len(), error)
                });
            }
            b'j' | b'J' => {
                let attach = match letter {
                    b'j' => everpost_compose_attach,
                    _ => everpost_compose_attach_inline,
                };
                let (name, kind, content) =
                    (self.input.text(), self.input.text(), self.input.text());
                self.status(|error| unsafe {
                    let (name, name_len) = (name.data(), name.len());
                    let (kind, kind_len) = (kind.data(), kind.len());
                    let (content, len) = (content.bytes(), content.len());
                    attach(compose, name, name_len, kind, kind_len, content, len, error)
                });
            }
            _ => {
                let at = self.input.byte();
                let made =
                    self.made(|out, error| unsafe { everpost_compose_build(compose, out, error) });
                self.table.messages.put(at, made);
            }
        }
    }

    /// A key of those that are known, by number, or after `*` any; and whether
    /// what is set by it keeps to this machine.
    pub(super) fn key(&mut self, known: &[&str]) -> (Text, bool) {
        match self.input.byte() {
            b'*' => {
                let key = self.input.text();
                let stays = !LEADS_AWAY.iter().any(|away| key.has(away));
                (key, stays)
            }
            number => {
                let key = known[usize::from(number) % known.len()];
                (Text::of(key.as_bytes()), !LEADS_AWAY.contains(&key))
            }
        }
    }
}
