//! The fuzz target of the ABI on its corpus, and on mutations of it.

#[allow(clippy::print_stdout, reason = "what was found is for a person to read")]
#[path = "../../../core/tests/fuzz/engine.rs"]
mod engine;

#[test]
fn abi_holds_on_its_corpus_and_on_mutations_of_it() {
    engine::fuzz("abi", crate::fuzzing::abi);
}
