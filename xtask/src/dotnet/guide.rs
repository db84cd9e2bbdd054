//! The snippets of C# in the documentation, as one file that must compile: an
//! example that no longer fits the package fails the step, and the compiler
//! names the line of the page.
//!
//! The `using` lines of all go to the top of the file, and statements into a
//! method; types stay as they are. What snippets take for granted (`mailer`,
//! `log`, types of ASP.NET Core and MimeKit) is in the stand-ins of [`PROJECT`].

use std::collections::BTreeSet;
use std::fs;

use crate::command::Failure;
use crate::root;

/// The stand-ins, and a project for the SDK.
pub(super) const PROJECT: &str = "bindings-dotnet/tests/Everpost.Guide";
/// Where the file goes.
const FOLDER: &str = "target/dotnet/guide";
const PAGES: &[&str] = &["docs/dotnet.md", "bindings-dotnet/README.md", "README.md"];

/// The folders of sources, for the tool that builds.
pub(super) fn sources() -> String {
    format!("{PROJECT}:{FOLDER}")
}

/// Writes the file.
pub(super) fn write() -> Result<(), Failure> {
    let read = |page: &&'static str| match fs::read_to_string(root().join(page)) {
        Ok(text) => Ok((*page, text)),
        Err(error) => Err(format!("{page}: {error}")),
    };
    let pages = PAGES.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut snippets = Vec::new();
    for (page, text) in &pages {
        let found = snippets_of(page, text);
        if found.is_empty() {
            return Err(format!("{page} has no snippet of C#"));
        }
        snippets.extend(found);
    }
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("Snippets.cs"), file(&snippets)))
        .map_err(|error| format!("{FOLDER}: {error}"))
}

struct Snippet<'a> {
    page: &'a str,
    /// Its first line, counted from one.
    line: usize,
    text: Vec<&'a str>,
}

fn snippets_of<'a>(page: &'a str, text: &'a str) -> Vec<Snippet<'a>> {
    let mut snippets = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line == "```csharp" {
            let text = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            snippets.push(Snippet { page, line: number + 2, text: text.collect() });
        }
    }
    snippets
}

fn file(snippets: &[Snippet<'_>]) -> String {
    let lines = snippets.iter().flat_map(|snippet| &snippet.text);
    let usings: BTreeSet<_> = lines.copied().filter(|line| is_using(line)).collect();
    let mut file = String::from(
        "// Written by `cargo xtask test dotnet`, from the documentation.\n\
         // A snippet without anything to wait for is one all the same.\n\
         #pragma warning disable CS1998\n\
         using System;\nusing System.Threading.Tasks;\nusing static Guide.Given;\n",
    );
    for using in usings {
        if !file.contains(using) {
            file += &format!("{using}\n");
        }
    }
    file += "\nnamespace Guide.Snippets\n{\n";
    for (number, snippet) in snippets.iter().enumerate() {
        let declares = ["public ", "internal ", "sealed ", "class "];
        let mut code = snippet.text.iter().filter(|line| !is_using(line) && !line.is_empty());
        let types = code.next().is_some_and(|line| declares.iter().any(|it| line.starts_with(it)));
        let (before, after) = match types {
            true => (String::new(), ""),
            false => {
                let class = format!("static class Snippet{number}\n{{\n");
                (class + "static async Task Run()\n{\n", "}\n}\n")
            }
        };
        file += &format!("{before}#line {} \"{}\"\n", snippet.line, snippet.page);
        for line in &snippet.text {
            file += if is_using(line) { "" } else { line };
            file += "\n";
        }
        file += &format!("#line default\n{after}");
    }
    file + "}\n"
}

/// A directive, not a declaration.
fn is_using(line: &str) -> bool {
    line.strip_prefix("using ").is_some_and(|rest| !rest.contains(['=', '(', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\n```csharp\nusing Everpost;\n\nusing var it = new It();\n```\n\n\
                        ```sh\nls\n```\n\n```csharp\npublic class It\n{\n}\n```\n";

    #[test]
    fn statements_stand_in_a_method_types_as_they_are_and_usings_on_top() {
        let snippets = snippets_of("page.md", PAGE);
        assert_eq!(snippets.len(), 2);
        assert_eq!((snippets[0].line, snippets[1].line), (4, 14));
        let file = file(&snippets);
        let (top, rest) = file.split_once("static class Snippet0").unwrap();
        assert!(top.contains("using Everpost;\n"));
        assert!(!rest.contains("using Everpost;"));
        assert!(rest.contains("#line 4 \"page.md\"\n\n\nusing var it = new It();\n"));
        assert!(rest.contains("}\n}\n#line 14 \"page.md\"\npublic class It\n"));
        assert!(!file.contains("ls\n"));
    }
}
