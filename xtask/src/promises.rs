//! The architecture page names the tests that guard each promise: they exist.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::command::Failure;
use crate::root;

/// The page, and where on it the tests are named.
const PAGE: &str = "docs/architecture.md";
const SECTION: &str = "## Where each promise lives";
/// The folders that hold tests.
const CRATES: &[&str] = &["core", "rehearsal", "cli"];

pub(crate) fn check() -> Result<(), Failure> {
    let page = fs::read_to_string(root().join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    let named = named_tests(&page);
    if named.is_empty() {
        return Err(format!("{PAGE} names no test under {SECTION:?}"));
    }
    let mut functions = HashSet::new();
    for name in CRATES {
        collect(&root().join(name), &mut functions).map_err(|error| format!("{name}: {error}"))?;
    }
    let missing: Vec<_> =
        named.iter().filter(|name| !functions.contains(**name)).copied().collect();
    if missing.is_empty() {
        println!("   {PAGE} names {} tests, and all of them exist", named.len());
        Ok(())
    } else {
        Err(format!("{PAGE} names tests that do not exist: {}", missing.join(", ")))
    }
}

/// The names in backticks in the last column of the section's table.
fn named_tests(page: &str) -> Vec<&str> {
    let section = page.split_once(SECTION).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let guards = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit('|').next());
    guards.flat_map(|guards| guards.split('`').skip(1).step_by(2)).collect()
}

/// The names of all functions below a folder.
fn collect(folder: &Path, functions: &mut HashSet<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, functions)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path)?;
            let after_fn = source.lines().filter_map(|line| line.split_once("fn "));
            functions.extend(after_fn.map(|(_, rest)| {
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
            }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_column_of_the_promises_names_tests() {
        let page = "`no`\n## Where each promise lives\n`no`\n| p | `no.rs` | `one`, `two` |\n\
                    | --- | --- | --- |\n\n## Next\n| p | `no` | `no` |\n";
        assert_eq!(named_tests(page), ["one", "two"]);
    }
}
