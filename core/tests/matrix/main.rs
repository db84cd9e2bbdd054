//! The fault matrix: every stage of a session × every fault, as
//! `tests/matrix.json` has it. Each cell sends one message, lets the fault
//! strike, counts the copies at the server, and compares them with what the
//! caller was told and with the outcome that the file asks for; then another
//! message must go through untouched.
//!
//! Each cell is run again with a single attempt, without pipelining and with
//! chunking. Where nothing but time goes on, time is paused and the network is
//! in memory. `cargo xtask test matrix` shows the grid.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, unreachable_pub)]

mod data;
mod grid;
mod run;
#[path = "../support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use everpost_rehearsal::{Action, Rehearsal};
use tokio::runtime::{Builder, Runtime};

use data::{Deed, Matrix};
use run::{Run, Seen, Variant, judge};

/// Threads, each with servers of its own; more than processors, because
/// sockets have to be waited for.
const LANES: usize = 4;
/// Variants of a row by bytes are run at every so many of them.
const STRIDE: usize = 11;

#[test]
fn every_fault_at_every_stage_is_told_as_it_is() {
    let begin = Instant::now();
    let matrix = Arc::new(Matrix::read());
    let (cells, _) = matrix.cells(id(0).len());
    let mut runs = VecDeque::new();
    for cell in cells {
        let mut variants =
            vec![Variant::Plain, Variant::OneAttempt, Variant::StepByStep, Variant::Chunking];
        // Under a session that can go on.
        if matches!(cell.deed, Deed::Certify(Action::Stall | Action::ShutWindow, _)) {
            variants.push(Variant::InPlace);
        }
        let points: Vec<_> = match cell.points.as_slice() {
            [] => vec![None],
            points => points.iter().copied().map(Some).collect(),
        };
        for variant in variants {
            // A certificate is changed by hand, which takes longer.
            let whole = variant == Variant::Plain && !matches!(cell.deed, Deed::Certify(..));
            let stride = if whole || points.len() < STRIDE { 1 } else { STRIDE };
            for &at in points.iter().step_by(stride) {
                for &keep in &cell.keep {
                    // Its verdict will be a good one.
                    if variant == Variant::InPlace && keep == Some(false) {
                        continue;
                    }
                    let (cell, id) = (cell.clone(), id(runs.len()));
                    runs.push_back(Run { cell, at, keep, variant, id });
                }
            }
        }
    }
    let total = runs.len();
    let queue = Arc::new(Mutex::new(runs));
    let lanes: Vec<_> = (0..LANES)
        .map(|_| {
            let (queue, matrix) = (Arc::clone(&queue), Arc::clone(&matrix));
            std::thread::spawn(move || lane(&queue, &matrix))
        })
        .collect();
    let mut results: Vec<_> = lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect();
    results.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    assert_eq!(results.len(), total);

    let grid = grid::Grid::new(&matrix, &results);
    println!("{grid}");
    println!("{total} runs in {:.1} s", begin.elapsed().as_secs_f64());
    assert!(grid.is_green(), "{}", grid.failures());
    grid::assert_documented(&matrix, &grid);
}

/// Message-IDs of one length, so that the bytes of a message can be counted.
fn id(number: usize) -> String {
    format!("{number:06}@matrix")
}

/// Works through the queue.
fn lane(queue: &Mutex<VecDeque<Run>>, matrix: &Matrix) -> Vec<(Run, Seen)> {
    let real = Builder::new_current_thread().enable_all().build().unwrap();
    let paused = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let builder = || Rehearsal::builder().credentials("user", "secret");
    let over_tcp = Arc::new(real.block_on(builder().start()).unwrap());
    let in_memory = Arc::new(builder().build().unwrap());
    let mut results = Vec::new();
    loop {
        let Some(run) = queue.lock().unwrap().pop_front() else { return results };
        let (runtime, server): (&Runtime, _) =
            if run.in_memory() { (&paused, &in_memory) } else { (&real, &over_tcp) };
        let seen = runtime.block_on(judge(server, matrix, &run));
        results.push((run, seen));
    }
}
