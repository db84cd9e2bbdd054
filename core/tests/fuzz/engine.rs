//! The engine that needs nothing but a stable compiler. It is deterministic:
//! by default it makes the same few thousand inputs each time, so that it can
//! stand among the other tests. `EVERPOST_FUZZ_SECONDS` makes it go on for
//! longer, from `EVERPOST_FUZZ_SEED` if that is set; `cargo xtask fuzz` does
//! that.
//!
//! The tests of `ffi-c` have it too, as a file.

use std::cell::Cell;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{self, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

/// Inputs of a run without a time.
pub(crate) const RUNS: u64 = 5_000;
/// The longest input made.
const LONGEST: usize = 4096;

/// What means something to one target or another; single bytes come by
/// themselves.
#[rustfmt::skip]
const WORDS: &[&[u8]] = &[
    b"\r\n", b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"..", b"\r\n\r\n", b"\r\r\n", b"\n\r", b"\0",
    b"220 mx\n~", b"250 ok\n", b"250-mx\n", b"354 go\n", b"250 1\n250 2\n354 go\n~", b"421 bye\n",
    b"451 later\n", b"550 no\n", b"334 ", b"235 ok", b"535 no", b"199 ", b"600 ", b"5.1.1 ",
    b"PIPELINING", b"CHUNKING", b"STARTTLS", b"AUTH PLAIN", b"AUTH=LOGIN", b"SIZE 0",
    b"~", b"^", b"|", b"~~~~", b"r=", b",s=c2FsdA==,i=1", b"v=", b"e=",
    b"Bcc: a@b.example\r\n", b"bcc : a@b\n", b"Resent-Bcc:\n", b"Message-ID: <a@b>\r\n",
    b"Date:", b"From: a@b.example\r\n", b" folded\r\n", b"\xc3\xa9", b"\xff", b"\xef\xbb\xbf",
    b"smtps://", b"smtp://", b"user:password@", b"%40", b"%00", b"%0A", b"?tls=none", b"&",
    b"\x16\x03\x01\x00", b"\x15\x03\x01\x00\x02\x01", b"\x0b\x00\x00", b"\x0e\x00\x00\x00",
    b"proxy=socks5://", b"trust=", b"pin=", b"rate=1/1s", b"_timeout=", b"=", b":0", b"[::1]",
    b"\x30\x82", b"\x30\x80", b"\x02\x01\x00", b"\x04\x00", b"\xff\xff\xff\x7f", b"\x06\x03\x55\x1d\x11",
    b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\n",
];

/// A target.
pub(crate) type Run = fn(&[u8]);

thread_local! {
    /// Panics of this thread are expected, and not shown.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Holds a target against its corpus, and against mutations of it.
pub(crate) fn fuzz(name: &str, run: Run) {
    let seeds = seeds(name);
    seeds.iter().for_each(|(path, input)| check(name, run, input, &path.display()));

    let number = |key: &str| env::var(key).ok().map(|text| text.parse().expect("a number"));
    let time = number("EVERPOST_FUZZ_SECONDS").map(Duration::from_secs);
    let seed = number("EVERPOST_FUZZ_SEED").unwrap_or_else(|| match time {
        Some(_) => SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs()),
        None => 1,
    });
    let mut engine = Engine::new(seed, seeds.into_iter().map(|(_, input)| input).collect());
    let begin = Instant::now();
    let mut runs = 0;
    while time.map_or(runs < RUNS, |time| begin.elapsed() < time) {
        let input = engine.next();
        check(name, run, &input, &format_args!("run {runs} of seed {seed}"));
        runs += 1;
    }
    println!("{name}: {runs} inputs held in {:.1} s, seed {seed}", begin.elapsed().as_secs_f64());
}

/// Panics with the smallest input that fails as this one does.
fn check(name: &str, run: Run, input: &[u8], origin: &dyn std::fmt::Display) {
    if !fails(run, input) {
        return;
    }
    let input = smallest(run, input.to_vec());
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let folder = root().join("target/fuzz").join(name);
    let path = folder.join(format!("{:016x}", hasher.finish()));
    let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &input));
    println!("{name} fails on {origin}; smaller: \"{}\"", input.escape_ascii());
    match kept {
        Ok(()) => println!("kept in {}: fix it and add it to fuzz/corpus/{name}", path.display()),
        Err(error) => println!("{} cannot be written: {error}", path.display()),
    }
    run(&input);
}

/// Whether it panics.
pub(crate) fn fails(run: Run, input: &[u8]) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                shown(panic)
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(|| run(input));
    QUIET.set(false);
    result.is_err()
}

/// Leaves out whatever can be left out.
pub(crate) fn smallest(run: Run, mut input: Vec<u8>) -> Vec<u8> {
    let mut part = input.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut shorter = input.clone();
            shorter.drain(at..(at + part).min(input.len()));
            if fails(run, &shorter) { input = shorter } else { at += part }
        }
        part /= 2;
    }
    input
}

/// Makes inputs out of others.
pub(crate) struct Engine {
    random: fastrand::Rng,
    seeds: Vec<Vec<u8>>,
}

impl Engine {
    pub(crate) fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Self {
        assert!(!seeds.is_empty(), "there is no corpus to begin with");
        Engine { random: fastrand::Rng::with_seed(seed), seeds }
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        for _ in 0..self.random.usize(1..=6) {
            self.mutate(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn seed(&mut self) -> Vec<u8> {
        let index = self.random.usize(..self.seeds.len());
        self.seeds[index].clone()
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let from = self.random.usize(..=input.len());
        let to = (from + self.random.usize(..=16)).min(input.len());
        match self.random.u8(..8) {
            0 => drop(input.drain(from..to)),
            1 => input.insert(from, self.random.u8(..)),
            2 if from < input.len() => input[from] = self.random.u8(..),
            3 if from < input.len() => input[from] ^= 1 << self.random.u8(..8),
            4 => {
                let copy = input[from..to].to_vec();
                let at = self.random.usize(..=input.len());
                input.splice(at..at, copy);
            }
            5 => {
                let other = self.seed();
                let start = self.random.usize(..=other.len());
                input.truncate(from);
                input.extend_from_slice(&other[start..]);
            }
            _ => {
                let word = WORDS[self.random.usize(..WORDS.len())];
                let end = if self.random.bool() { from } else { to };
                input.splice(from..end, word.iter().copied());
            }
        }
    }
}

/// The corpus of a target, in the order of its names.
fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus().join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: PathBuf| fs::read(&path).map(|input| (path, input)).expect("a file");
    paths.into_iter().map(read).collect()
}

fn corpus() -> PathBuf {
    root().join("fuzz/corpus")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}
