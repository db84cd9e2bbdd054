//! The simulation by itself, over more seeds than the unit tests take, or over
//! one that failed.

use std::sync::OnceLock;

use clap::Args;

use crate::command::{Failure, cargo, run};

/// The step's name.
pub(crate) const NAME: &str = "simulation";

/// How long, or what again.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Seeds {
    /// Of the simulation: run this many seeds, an hour each
    #[arg(long, value_name = "COUNT", conflicts_with = "seed",
          value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Of the simulation: run this seed alone, as when it failed
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

static SEEDS: OnceLock<Seeds> = OnceLock::new();

/// Notes what was asked for; returns the steps to run. Seeds without a step
/// mean the simulation.
pub(crate) fn choose(seeds: Seeds, mut steps: Vec<String>) -> Vec<String> {
    if steps.is_empty() && (seeds.seeds.is_some() || seeds.seed.is_some()) {
        steps.push(NAME.to_owned());
    }
    // The command line is read once.
    let _ = SEEDS.set(seeds);
    steps
}

pub(crate) fn check(_: &mut Vec<String>) -> Result<(), Failure> {
    let seeds = SEEDS.get().copied().unwrap_or_default();
    let mut command = cargo(&["test", "-p", "everpost", "--test", "simulation"]);
    command.args(["--", "--nocapture"]);
    for (name, value) in [("EVERPOST_SEEDS", seeds.seeds), ("EVERPOST_SEED", seeds.seed)] {
        match value {
            Some(value) => command.env(name, value.to_string()),
            None => command.env_remove(name),
        };
    }
    run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_alone_mean_the_simulation() {
        let ten = Seeds { seeds: Some(10), seed: None };
        assert_eq!(choose(ten, Vec::new()), [NAME]);
        assert_eq!(choose(ten, vec!["fmt".to_owned()]), ["fmt"]);
        assert!(choose(Seeds::default(), Vec::new()).is_empty());
    }
}
