//! The fuzz targets of the core on their corpus, and on mutations of it
//! ([`engine`]). docs/fuzzing.md says more.

#![allow(clippy::print_stdout, reason = "what was found is for a person to read")]

mod engine;

use everpost::fuzzing::TARGETS;

use self::engine::{Engine, RUNS, fails, smallest};

/// One test for each target, by its name.
macro_rules! targets {
    ($($name:ident)*) => {
        $(mod $name {
            #[test]
            fn holds_on_its_corpus_and_on_mutations_of_it() {
                super::fuzz(stringify!($name));
            }
        })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets!(reply capabilities auth message url session certificate pfx legacy);

#[test]
fn every_target_is_tested() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
}

#[test]
fn the_engine_finds_a_planted_fault_and_makes_it_small() {
    fn planted(data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        assert!(!(text.contains("CHUNKING") && text.ends_with('~')), "planted");
    }
    let mut engine = Engine::new(1, vec![b"250-mx\n250 PIPELINING\n~".to_vec()]);
    let found = (0..RUNS * 4).find_map(|_| {
        let input = engine.next();
        fails(planted, &input).then_some(input)
    });
    assert_eq!(smallest(planted, found.expect("the fault is found")), b"CHUNKING~");
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    engine::fuzz(name, target.run);
}
