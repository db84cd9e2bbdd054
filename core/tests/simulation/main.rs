//! Hours of rotations, partitions and crashes, each from a seed; after each of
//! them the promises are held against what the servers received. See
//! docs/simulation.md.
//!
//! `EVERPOST_SEEDS` says how many seeds are run (20), `EVERPOST_SEED` runs
//! that one alone. `cargo xtask test simulation` sets them.

#![allow(clippy::print_stdout, unreachable_pub)]

mod check;
mod client;
mod history;
mod net;
mod plan;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use check::{Counts, Findings};

/// How many seeds are run unless it is said.
const SEEDS: u64 = 20;
/// How many violations of one seed are shown.
const SHOWN: usize = 10;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Runs a seed; a panic in it is a violation as well.
fn run(seed: u64) -> Findings {
    catch_unwind(AssertUnwindSafe(|| world::run(seed))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        Findings { violations: vec![format!("a panic: {text}")], ..Findings::default() }
    })
}

/// What to show of a seed that failed.
fn report(seed: u64, findings: &Findings) {
    println!("\nseed {seed} FAILED; replay: cargo xtask test simulation --seed {seed}");
    for (at, change) in &plan::Plan::new(seed).changes {
        println!("  {:>12}  {change:?}", check::time(*at));
    }
    for violation in findings.violations.iter().take(SHOWN) {
        println!("  violation: {violation}");
    }
    if findings.violations.len() > SHOWN {
        println!("  and {} more", findings.violations.len() - SHOWN);
    }
}

#[test]
fn every_promise_holds_through_hours_of_rotations_partitions_and_crashes() {
    let seeds = match number("EVERPOST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("EVERPOST_SEEDS").unwrap_or(SEEDS) + 1,
    };
    let count = seeds.end - seeds.start;
    let next = AtomicU64::new(seeds.start);
    let results = Mutex::new((Counts::default(), Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let findings = run(seed);
                    let mut results = results.lock().expect("seeds panic outside this lock");
                    results.0.add(&findings.counts);
                    if count == 1 {
                        println!("seed {seed}: history {:016x}", findings.hash);
                    }
                    if !findings.violations.is_empty() {
                        report(seed, &findings);
                        results.1.push(seed);
                    }
                }
            });
        }
    });
    let (counts, mut failed) = results.into_inner().expect("seeds panic outside this lock");
    println!("{count} hours: {counts:?}");
    failed.sort_unstable();
    assert!(failed.is_empty(), "{} of {count} seeds failed: {failed:?}", failed.len());
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let seed = number("EVERPOST_SEED").unwrap_or(7);
    let (first, second) = (run(seed), run(seed));
    assert_eq!((first.hash, first.counts), (second.hash, second.counts));
}
