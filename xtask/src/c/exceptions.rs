//! One list, held in several places: which exception or code stands for which
//! kind of error, in `docs/errors.md` and in the sources of each language, and
//! that every kind is a status of the header.
//!
//! A language is one line in [`LANGUAGES`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::command::Failure;
use crate::root;

/// By kind, such as `dns`, the class or code, such as `EverpostConnectException`.
type Map = BTreeMap<String, String>;

/// A language whose exceptions are on the page.
struct Language {
    /// The head of its column.
    column: &'static str,
    /// Its sources, from the root of the workspace.
    sources: &'static [&'static str],
    /// What they say, put together.
    read: fn(&str) -> Map,
}

const LANGUAGES: &[Language] = &[
    Language {
        column: ".NET",
        sources: &[
            "bindings-dotnet/src/Everpost/EverpostError.cs",
            "bindings-dotnet/src/Everpost/Interop/Errors.cs",
        ],
        read: csharp,
    },
    Language {
        column: "Python",
        sources: &["bindings-python/python/everpost/errors.py"],
        read: python,
    },
    Language { column: "Node code", sources: &["bindings-node/lib/errors.js"], read: node },
];

/// Holds every language to the page, and the page to the statuses of the
/// header.
pub(super) fn check(page: &str, statuses: &BTreeSet<String>) -> Result<(), Failure> {
    let kinds = kinds(page);
    if kinds.is_empty() {
        return Err("no kinds of errors are found on the page".to_owned());
    }
    for (kind, status) in &kinds {
        let own = format!("EVERPOST_{}", kind.to_uppercase());
        if !statuses.iter().any(|it| it.split(' ').next() == Some(status)) {
            return Err(format!("{status}, of {kind}, is no status of the header"));
        }
        if !kinds.contains(&(kind.clone(), own.clone())) {
            return Err(format!("{kind} has no {own} on the page"));
        }
    }
    for language in LANGUAGES {
        let mut text = String::new();
        for source in language.sources {
            let read = fs::read_to_string(root().join(source));
            text += &read.map_err(|error| format!("{source}: {error}"))?;
        }
        let documented = column(page, language.column);
        let known: BTreeSet<_> = kinds.iter().map(|(kind, _)| kind).collect();
        if documented.keys().collect::<BTreeSet<_>>() != known {
            return Err("the table by language has other kinds than the one above it".to_owned());
        }
        same(language.column, &documented, &(language.read)(&text))?;
        println!("   {} exceptions of {} on the page", documented.len(), language.column);
    }
    Ok(())
}

fn same(language: &str, documented: &Map, found: &Map) -> Result<(), Failure> {
    let kinds: BTreeSet<_> = documented.keys().chain(found.keys()).collect();
    let differs = |kind: &&String| documented.get(*kind) != found.get(*kind);
    let shown =
        |map: &Map, kind: &String| map.get(kind).map_or("nothing", String::as_str).to_owned();
    let differences: Vec<_> = kinds
        .into_iter()
        .filter(differs)
        .map(|kind| {
            let (page, sources) = (shown(documented, kind), shown(found, kind));
            format!("{kind} is {page} on the page and {sources} in the sources")
        })
        .collect();
    if differences.is_empty() {
        Ok(())
    } else {
        Err(format!("{language}: {}", differences.join("; ")))
    }
}

/// Each row of the first table that names a kind: the kind and its status.
fn kinds(page: &str) -> BTreeSet<(String, String)> {
    rows(page)
        .filter(|cells| cells.len() > 1 && cells[1].starts_with("EVERPOST_"))
        .filter(|cells| !cells[0].is_empty())
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect()
}

/// A column of the table by language. A base in parentheses is left out.
fn column(page: &str, name: &str) -> Map {
    let mut map = Map::new();
    let mut at = None;
    for cells in rows(page) {
        if cells[0] == "kind" {
            at = cells.iter().position(|cell| cell == name);
        } else if let Some(cell) = at.and_then(|at| cells.get(at))
            && !cell.starts_with('-')
        {
            map.insert(cells[0].clone(), cell.clone());
        }
    }
    map
}

/// The rows of all tables; of each cell the first word, without its marks.
fn rows(page: &str) -> impl Iterator<Item = Vec<String>> {
    page.lines().filter_map(|line| {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        let first = |cell: &str| {
            let word = cell.split(" (").next().unwrap_or_default();
            word.trim().replace('`', "")
        };
        Some(inner.split('|').map(first).collect())
    })
}

/// Kinds by name (`"dns" => EverpostErrorKind.Dns`), and what is thrown for
/// them (`EverpostErrorKind.Dns or … => new EverpostConnectException(…)`).
/// `Internal` is what is not named: the last arm of both.
fn csharp(text: &str) -> Map {
    const KIND: &str = "EverpostErrorKind.";
    let mut names = vec![("internal".to_owned(), "Internal".to_owned())];
    let mut thrown = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        let words = |text: &str| -> Vec<String> {
            let ends = |c: char| !c.is_alphanumeric();
            let parts = text.split(KIND).skip(1);
            parts.map(|part| part.split(ends).next().unwrap_or_default().to_owned()).collect()
        };
        if let Some((name, kind)) = line.split_once(" => ")
            && let Some(name) = name.strip_prefix('"')
            && let Some(kind) = words(kind).pop()
        {
            names.push((name.trim_end_matches('"').to_owned(), kind));
        } else if let Some((left, right)) = line.split_once("new Everpost") {
            let class = right.split('(').next().unwrap_or_default();
            let mut kinds = words(left);
            if left.starts_with("_ =>") {
                kinds.push("Internal".to_owned());
            }
            for kind in kinds {
                thrown.insert(kind, format!("Everpost{class}"));
            }
        }
    }
    let named =
        names.into_iter().filter_map(|(name, kind)| Some((name, thrown.get(&kind)?.clone())));
    named.collect()
}

/// The kind in a class (`_kind = "dns"` below `class DnsError(…):`), of those
/// classes that are made for a kind: the names between `_CLASSES` and the next
/// brace.
fn python(text: &str) -> Map {
    let made = text.split_once("\n_CLASSES").map_or("", |(_, rest)| rest);
    let made = made.split('}').next().unwrap_or_default();
    let made: BTreeSet<_> = made.split(|c: char| !c.is_alphanumeric()).collect();
    let mut map = Map::new();
    let mut class = "";
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("class ") {
            class = head.split(['(', ':']).next().unwrap_or_default();
        } else if let Some(kind) = line.trim().strip_prefix("_kind = \"")
            && made.contains(class)
        {
            map.insert(kind.trim_end_matches('"').to_owned(), class.to_owned());
        }
    }
    map
}

/// `define('DnsError', 'dns', 'ERR_EVERPOST_DNS'…)`, on any number of lines.
fn node(text: &str) -> Map {
    let definitions = text.split("define(").skip(1).filter_map(|call| {
        let arguments = call.split(')').next()?;
        let mut texts = arguments.split('\'').skip(1).step_by(2).map(str::to_owned);
        let (_name, kind, code) = (texts.next()?, texts.next()?, texts.next()?);
        Some((kind, code))
    });
    definitions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "| kind | C status | number |\n| --- | --- | --- |\n\
                        | | `EVERPOST_OK` | 0 |\n\
                        | `dns` | `EVERPOST_DNS` | 100 |\n\
                        | `internal` | `EVERPOST_INTERNAL` | 900 |\n\n\
                        | kind | .NET | Python | Node `code` |\n| --- | --- | --- | --- |\n\
                        | `dns` | `EverpostConnectException` (`Exception`) | `DnsError` | `ERR_EVERPOST_DNS` |\n\
                        | `internal` | `EverpostInternalException` | `InternalError` | `ERR_EVERPOST_INTERNAL` |\n";

    const CSHARP: &str = "    \"dns\" => EverpostErrorKind.Dns,\n    _ => EverpostErrorKind.Internal,\n\
                          if (x) return new EverpostInternalException(EverpostError.OfOurs(EverpostErrorKind.Internal, s));\n\
                          EverpostErrorKind.Dns or EverpostErrorKind.Connect => new EverpostConnectException(error),\n\
                          _ => new EverpostInternalException(error),\n";

    const PYTHON: &str = "class Error(Exception):\n    _kind: ClassVar[str] = \"internal\"\n\
                          class DnsError(ConnectError):\n    _kind = \"dns\"\n\
                          class OddError(Error):\n    _kind = \"odd\"\n\
                          class InternalError(Error, RuntimeError):\n    _kind = \"internal\"\n\n\
                          _CLASSES: Mapping[str, type[Error]] = MappingProxyType(\n    {\n        \
                          one._kind: one\n        for one in (\n            DnsError,\n            \
                          InternalError,\n        )\n    }\n)\n\nOddError\n";

    const NODE: &str = "function define(name, kind, code, base = EverpostError) {\n\
                        Object.defineProperty(made.prototype, 'name', { value: 'x' });\n}\n\
                        const DnsError = define('DnsError', 'dns', 'ERR_EVERPOST_DNS', ConnectError);\n\
                        class InternalError extends define(\n  'InternalError',\n  'internal',\n  \
                        'ERR_EVERPOST_INTERNAL',\n) {}\n";

    fn map(pairs: &[(&str, &str)]) -> Map {
        pairs.iter().map(|(kind, class)| ((*kind).to_owned(), (*class).to_owned())).collect()
    }

    #[test]
    fn the_page_and_the_sources_are_read_alike() {
        let expected =
            map(&[("dns", "EverpostConnectException"), ("internal", "EverpostInternalException")]);
        assert_eq!(column(PAGE, ".NET"), expected);
        assert_eq!(csharp(CSHARP), expected);
        let expected = map(&[("dns", "DnsError"), ("internal", "InternalError")]);
        assert_eq!(column(PAGE, "Python"), expected);
        assert_eq!(python(PYTHON), expected);
        let expected = map(&[("dns", "ERR_EVERPOST_DNS"), ("internal", "ERR_EVERPOST_INTERNAL")]);
        assert_eq!(column(PAGE, "Node code"), expected);
        assert_eq!(node(NODE), expected);
    }

    #[test]
    fn a_kind_that_differs_is_named_with_both_sides() {
        let (page, sources) = (map(&[("dns", "A"), ("tls", "B")]), map(&[("dns", "C")]));
        let failure = same("C#", &page, &sources).unwrap_err();
        assert_eq!(
            failure,
            "C#: dns is A on the page and C in the sources; tls is B on the page and nothing in \
             the sources"
        );
    }

    #[test]
    fn the_exceptions_of_every_language_are_those_of_the_page() {
        let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
        let statuses = kinds(&page).into_iter().map(|(_, status)| format!("{status} 1")).collect();
        check(&page, &statuses).unwrap();
    }

    #[test]
    fn a_kind_without_its_status_is_an_error() {
        let statuses = BTreeSet::from(["EVERPOST_DNS 100".to_owned()]);
        assert!(check(PAGE, &statuses).unwrap_err().contains("EVERPOST_INTERNAL"));
        assert!(check("", &statuses).is_err());
        let renamed = PAGE.replace("`dns` | `EVERPOST_DNS`", "`name` | `EVERPOST_DNS`");
        let statuses = ["EVERPOST_DNS 100", "EVERPOST_INTERNAL 900"].map(str::to_owned).into();
        assert!(check(&renamed, &statuses).unwrap_err().contains("EVERPOST_NAME"));
    }
}
