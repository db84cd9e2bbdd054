//! `cargo xtask header`: writes `ffi-c/include/everpost.h` from the sources of
//! `ffi-c`, or says that the one in the repository is out of date.

use std::fs;
use std::path::PathBuf;

use super::arrange::arrange;
use crate::command::Failure;
use crate::root;

/// The header, from the root of the workspace.
pub(crate) const HEADER: &str = "ffi-c/include/everpost.h";

/// Writes the header; with `check` only compares, and never writes.
pub(crate) fn header(check: bool) -> Result<(), Failure> {
    let made = generate()?;
    let path = root().join(HEADER);
    let committed = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    match first_difference(&committed, &made) {
        None => println!("   {HEADER} is what the sources say"),
        Some(line) if check => {
            return Err(format!(
                "{HEADER} is not what ffi-c/src says, from line {line} on: \
                 run cargo xtask header, read the difference and commit it"
            ));
        }
        Some(_) => {
            fs::write(&path, made).map_err(|error| format!("{HEADER}: {error}"))?;
            println!("   {HEADER} is written");
        }
    }
    Ok(())
}

/// The header as it is in the repository.
pub(crate) fn text() -> Result<String, Failure> {
    fs::read_to_string(root().join(HEADER)).map_err(|error| format!("{HEADER}: {error}"))
}

fn generate() -> Result<String, Failure> {
    let folder = root().join("ffi-c");
    let failed = |path: &PathBuf, error: String| format!("{}: {error}", path.display());
    let settings = folder.join("cbindgen.toml");
    let mut config =
        cbindgen::Config::from_file(&settings).map_err(|error| failed(&settings, error))?;
    let introduction = folder.join("include/introduction.h.in");
    let text = fs::read_to_string(&introduction)
        .map_err(|error| failed(&introduction, error.to_string()))?;
    config.header = Some(text.replace("\r\n", "\n"));
    config.after_includes = Some(macros(env!("CARGO_PKG_VERSION")));
    let bindings = cbindgen::generate_with_config(&folder, config)
        .map_err(|error| format!("cbindgen: {error}"))?;
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = String::from_utf8(header).map_err(|error| format!("cbindgen: {error}"))?;
    Ok(plain(&arrange(&header)?))
}

/// What cbindgen does not make of Rust: the version of the workspace, and a
/// constant that is no literal.
fn macros(version: &str) -> String {
    let mut text =
        format!("\n/** The version of this header. */\n#define EVERPOST_VERSION \"{version}\"\n");
    for (part, number) in ["MAJOR", "MINOR", "PATCH"].iter().zip(version.split(['.', '-', '+'])) {
        text.push_str(&format!("#define EVERPOST_VERSION_{part} {number}\n"));
    }
    text + "\n/** As a length: the text ends at its NUL. */\n#define EVERPOST_NUL SIZE_MAX\n"
}

/// The comments as a reader of C would have them: links and headings of Rust
/// become plain text, what one line can hold stands on one line, and of the
/// sections on safety nothing is left, as the introduction has those rules.
fn plain(header: &str) -> String {
    let mut text = String::with_capacity(header.len());
    let mut comment = None;
    for line in header.lines() {
        match (&mut comment, line.trim()) {
            (None, "/**") => comment = Some(Vec::new()),
            (None, _) => push(&mut text, line.trim_end()),
            (Some(lines), "*/") => {
                let indent = &line[..line.find('*').unwrap_or_default().saturating_sub(1)];
                push_comment(&mut text, indent, lines);
                comment = None;
            }
            (Some(lines), inner) => lines.push(inner.trim_start_matches('*').trim()),
        }
    }
    text
}

fn push(text: &mut String, line: &str) {
    // One empty line separates as well as three do.
    if !(line.is_empty() && text.ends_with("\n\n")) {
        text.push_str(line);
        text.push('\n');
    }
}

fn push_comment(text: &mut String, indent: &str, lines: &[&str]) {
    let mut kept: Vec<String> = Vec::new();
    let mut of_safety = false;
    for line in lines {
        if let Some(heading) = line.strip_prefix("# ") {
            of_safety = heading == "Safety";
            if !of_safety {
                kept.push(format!("{heading}:"));
            }
        } else if !of_safety {
            kept.push(line.replace("[`", "`").replace("`]", "`"));
        }
    }
    while kept.last().is_some_and(String::is_empty) {
        kept.pop();
    }
    match &kept[..] {
        [line] if indent.len() + line.len() <= 83 => {
            text.push_str(&format!("{indent}/** {line} */\n"));
        }
        lines => {
            text.push_str(&format!("{indent}/**\n"));
            for line in lines {
                text.push_str(format!("{indent} * {line}").trim_end());
                text.push('\n');
            }
            text.push_str(&format!("{indent} */\n"));
        }
    }
}

/// The first line that differs, counted from 1.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return None;
    }
    let same = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    }

    #[test]
    fn the_version_is_also_there_as_numbers() {
        let text = macros("1.2.3-rc.1");
        assert!(text.contains("EVERPOST_VERSION \"1.2.3-rc.1\"\n"), "{text}");
        for line in ["MAJOR 1\n", "MINOR 2\n", "PATCH 3\n"] {
            assert!(text.contains(&format!("EVERPOST_VERSION_{line}")), "{text}");
        }
    }

    #[test]
    fn comments_lose_what_only_rust_needs() {
        let header = "int a;\n\n\n\n/**\n * Frees it, see [`everpost_x`].\n *\n * # Safety\n * Long.\n */\nint b;\n\
                      struct {\n  /**\n   * A.\n   *\n   * # Errors\n   * None.\n   */\n  int c;\n}\n";
        let expected = "int a;\n\n/** Frees it, see `everpost_x`. */\nint b;\n\
                        struct {\n  /**\n   * A.\n   *\n   * Errors:\n   * None.\n   */\n  int c;\n}\n";
        assert_eq!(plain(header), expected);
    }
}
