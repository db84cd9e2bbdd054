//! One list, held in several places: the functions of the header, the symbols
//! of the library, and the imports of C#; the statuses of the header and of
//! `docs/errors.md`; and the exceptions of each language ([`exceptions`]). A
//! difference anywhere is an error that names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::exceptions;
use super::functions::Function;
use crate::command::{Failure, announce};
use crate::root;

/// The page of errors, from the root of the workspace.
const ERRORS: &str = "docs/errors.md";
/// Where C# imports functions, those of the rehearsal in its tests, from the
/// root of the workspace.
const CSHARP: &str = "bindings-dotnet";

/// How constants begin that are no statuses. A new one that is missing here is
/// found: the page does not have it.
const OTHER_CONSTANTS: &[&str] = &[
    "EVERPOST_ABI_VERSION",
    "EVERPOST_VERSION_",
    // The health of a server.
    "EVERPOST_HEALTHY",
    "EVERPOST_DEGRADED",
    "EVERPOST_UNHEALTHY",
    "EVERPOST_UNKNOWN",
];

/// Only in a library made for tests, and in no header: it panics.
const FOR_TESTS: &str = "everpost_fault_panic";

type Names = BTreeSet<String>;

/// Compares all lists.
pub(crate) fn check(header: &str, functions: &[Function], library: &Path) -> Result<(), Failure> {
    let declared: Names = functions.iter().map(|function| function.name.clone()).collect();
    let exported = exported(library)?;
    same(("everpost.h", &declared), ("the library's symbols", &exported))?;
    println!("   {} functions in the header, and as many symbols", declared.len());

    let folder = root().join(CSHARP);
    if folder.exists() {
        let mut imported = imported(&folder)?;
        imported.remove(FOR_TESTS);
        same(("everpost.h", &declared), (CSHARP, &imported))?;
        println!("   {} imports in {CSHARP}", imported.len());
    } else {
        println!("   {CSHARP} is not there: no imports to compare");
    }

    let page =
        fs::read_to_string(root().join(ERRORS)).map_err(|error| format!("{ERRORS}: {error}"))?;
    let statuses = statuses(header);
    same(("everpost.h", &statuses), (ERRORS, &documented(&page)))?;
    println!("   {} statuses in the header, and as many in {ERRORS}", statuses.len());
    exceptions::check(&page, &statuses)
}

/// Whether two lists are the same, and what is only in one if they are not.
fn same(one: (&str, &Names), other: (&str, &Names)) -> Result<(), Failure> {
    let only = |(here, names): (&str, &Names), (_, others): (&str, &Names)| {
        let extra: Vec<_> = names.difference(others).map(String::as_str).collect();
        (!extra.is_empty()).then(|| format!("only in {here}: {}", extra.join(", ")))
    };
    let differences: Vec<_> = only(one, other).into_iter().chain(only(other, one)).collect();
    match (differences.is_empty(), one.1.is_empty()) {
        (true, false) => Ok(()),
        (true, true) => Err(format!("nothing is found in {} and in {}", one.0, other.0)),
        (false, _) => Err(differences.join("; ")),
    }
}

/// Every symbol that the shared library shows, whatever its name.
fn exported(library: &Path) -> Result<Names, Failure> {
    let mut nm = Command::new("nm");
    if cfg!(target_vendor = "apple") {
        nm.arg("-gU");
    } else {
        nm.args(["-D", "--defined-only"]);
    }
    nm.arg(library);
    announce(&nm);
    let output = nm.output().map_err(|error| format!("nm: {error}"))?;
    if !output.status.success() {
        return Err(format!("nm: {}", output.status));
    }
    Ok(symbols(&String::from_utf8_lossy(&output.stdout), cfg!(target_vendor = "apple")))
}

/// The last word of each line; macOS puts an underscore before names.
fn symbols(listing: &str, underscored: bool) -> Names {
    let names = listing.lines().filter_map(|line| line.split_whitespace().last());
    let name = |name: &str| {
        if underscored { name.strip_prefix('_').unwrap_or(name) } else { name }.to_owned()
    };
    names.map(name).collect()
}

/// The functions that the C# files of a folder import.
fn imported(folder: &Path) -> Result<Names, Failure> {
    let mut names = Names::new();
    for file in files(folder)? {
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        names.extend(imports(&text));
    }
    Ok(names)
}

/// All C# files, in folders of folders too.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "cs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The functions that a C# file imports from this library. What it imports from
/// a system's library is named by a text of its own there.
fn imports(text: &str) -> Names {
    let mut names = Names::new();
    for import in text.split("DllImport(").skip(1) {
        let library = import.split([',', ')']).next().unwrap_or_default().trim();
        let ours = !library.starts_with('"') || library == "\"everpost\"";
        let method = import.split_once("extern ").map_or("", |(_, method)| method);
        let head = method.split('(').next().unwrap_or_default();
        if let Some(name) = head.split_whitespace().last().filter(|_| ours) {
            names.insert(name.to_owned());
        }
    }
    names
}

/// `EVERPOST_DNS 100` and so on: the header's constants that are statuses.
fn statuses(header: &str) -> Names {
    let constants = header.lines().filter_map(|line| {
        let (name, number) = line.strip_prefix("#define ")?.split_once(' ')?;
        number.parse::<i32>().ok().map(|number| (name, number))
    });
    let statuses = constants.filter(|(name, _)| !is_other(name));
    statuses.map(|(name, number)| format!("{name} {number}")).collect()
}

fn is_other(constant: &str) -> bool {
    OTHER_CONSTANTS.iter().any(|other| constant.starts_with(other))
}

/// The same from the page's tables: the first cell with such a name, and the
/// number in the cell after it.
fn documented(page: &str) -> Names {
    let mut names = Names::new();
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let name = cells.iter().position(|cell| cell.starts_with("EVERPOST_"));
        if let Some(at) = name
            && let Some(number) = cells.get(at + 1)
        {
            names.insert(format!("{} {number}", cells[at]));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Names {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_only_in_one_list_is_named_with_the_list() {
        let (one, other) = (names(&["a", "b"]), names(&["b", "c"]));
        let failure = same(("the header", &one), ("the library", &other)).unwrap_err();
        assert_eq!(failure, "only in the header: a; only in the library: c");
        assert!(same(("the header", &one), ("the library", &one)).is_ok());
    }

    #[test]
    fn two_empty_lists_are_a_failure_to_read_them() {
        assert!(same(("a", &Names::new()), ("b", &Names::new())).is_err());
    }

    #[test]
    fn symbols_count_whatever_their_names() {
        let listing = "0000000000012340 T everpost_version\n0000000000012350 T stray\n";
        assert_eq!(symbols(listing, false), names(&["everpost_version", "stray"]));
        assert_eq!(symbols("0001 T _everpost_version\n", true), names(&["everpost_version"]));
    }

    #[test]
    fn imports_of_c_sharp_are_found_over_line_ends_and_those_of_the_system_are_left() {
        let text = "[DllImport(LibraryName, ExactSpelling = true)]\n\
                    internal static extern unsafe int everpost_mailer_send(\n    nint mailer);\n\
                    [DllImport(\"kernel32\")] static extern nint LoadLibrary(string name);\n\
                    [DllImport(\"everpost\")] static extern void everpost_mailer_free(nint mailer);";
        assert_eq!(imports(text), names(&["everpost_mailer_free", "everpost_mailer_send"]));
    }

    #[test]
    fn statuses_are_compared_with_their_numbers() {
        let header = "#define EVERPOST_ABI_VERSION 1\n/** Good. */\n#define EVERPOST_OK 0\n\
                      #define EVERPOST_NUL SIZE_MAX\n#define EVERPOST_DNS 100\n";
        let page = "| kind | status | number |\n| --- | --- | --- |\n| | `EVERPOST_OK` | 0 | fine |\n\
                    | `dns` | `EVERPOST_DNS` | 100 | no address |\n";
        assert_eq!(statuses(header), names(&["EVERPOST_OK 0", "EVERPOST_DNS 100"]));
        assert_eq!(documented(page), statuses(header));
    }
}
