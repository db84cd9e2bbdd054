//! The order in which a reader meets the functions of the header: by type, each
//! type under a heading, what is only for tests last and behind its macro.
//!
//! cbindgen writes functions in the order of the modules, which is that of the
//! library's insides.

use crate::command::Failure;

/// The types, each with the beginning that the names of its functions share.
/// Where two fit, the longer one rules.
const GROUPS: &[(&str, &str)] = &[
    ("everpost_", "The library"),
    ("everpost_text_", "Text that is owned"),
    ("everpost_error_", "Errors"),
    ("everpost_config_", "Configuration"),
    ("everpost_token_", "Answers to requests for tokens"),
    ("everpost_event_", "Events"),
    ("everpost_message_", "Messages"),
    ("everpost_envelope_", "Envelopes"),
    ("everpost_compose_", "Composing simple messages"),
    ("everpost_mailer_", "Mailer"),
    ("everpost_receipt_", "Receipts"),
    ("everpost_probe_", "Probing servers"),
    ("everpost_diagnosis_", "Diagnosing a failing server"),
    ("everpost_report_", "Reports of probes, diagnoses, explanations and verdicts"),
    ("everpost_certificate_", "Certificates"),
    ("everpost_certificate_file_", "Certificate files"),
    ("everpost_log_", "Logs"),
    ("everpost_rehearsal_", "Rehearsal server, in builds with the feature `rehearsal`"),
];

const BEGIN: &str = "extern \"C\" {\n#endif";
const END: &str = "#ifdef __cplusplus\n}";

/// The header with its functions by type.
pub(crate) fn arrange(header: &str) -> Result<String, Failure> {
    let parts = header.split_once(BEGIN).and_then(|(before, rest)| {
        let (line, rest) = rest.split_once('\n')?;
        let (functions, after) = rest.split_once(END)?;
        Some((before, line, functions, after))
    });
    let (before, line, functions, after) =
        parts.ok_or("what cbindgen wrote has no functions between `extern \"C\" {` and `}`")?;

    let mut groups = vec![Vec::new(); GROUPS.len()];
    for function in functions.split("\n\n").map(str::trim).filter(|text| !text.is_empty()) {
        groups[group(function)].push(function);
    }
    let mut arranged = format!("{before}{BEGIN}{line}\n");
    for ((_, heading), functions) in GROUPS.iter().zip(&groups) {
        if !functions.is_empty() {
            arranged.push_str(&section(heading, functions));
        }
    }
    arranged.push('\n');
    arranged.push_str(END);
    arranged.push_str(after);
    Ok(arranged)
}

/// Which group a declaration belongs to.
fn group(declaration: &str) -> usize {
    let name = name(declaration);
    let fitting = GROUPS.iter().enumerate().filter(|(_, (prefix, _))| name.starts_with(prefix));
    fitting.max_by_key(|(_, (prefix, _))| prefix.len()).map_or(0, |(index, _)| index)
}

/// The name before the first parenthesis, after comment and `#if`.
fn name(declaration: &str) -> &str {
    let code = declaration.rsplit_once("*/").map_or(declaration, |(_, code)| code);
    let line = code.lines().find(|line| line.contains('(') && !line.starts_with('#'));
    let head = line.and_then(|line| line.split('(').next()).unwrap_or_default();
    head.rsplit([' ', '*']).next().unwrap_or(head)
}

fn section(heading: &str, functions: &[&str]) -> String {
    let dashes = "-".repeat(72_usize.saturating_sub(heading.len()));
    let mut text = format!("\n/* {dashes} {heading} */\n");
    let guard = functions
        .iter()
        .map(|function| guard(function))
        .reduce(|one, other| if one == other { one } else { None });
    let guard = guard.flatten();
    if let Some(guard) = guard {
        text.push_str(&format!("\n{guard}\n"));
    }
    for function in functions {
        let body = match guard {
            Some(guard) => function.trim_start_matches(guard).trim_end_matches("#endif").trim(),
            None => function,
        };
        text.push_str(&format!("\n{body}\n"));
    }
    if guard.is_some() {
        text.push_str("\n#endif\n");
    }
    text
}

/// The `#if` line in which cbindgen wraps what only some builds have.
fn guard(declaration: &str) -> Option<&str> {
    declaration.lines().next().filter(|line| line.starts_with("#if"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"types
#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Frees it (if there is one).
 */
void everpost_mailer_free(everpost_mailer *mailer);

#if defined(EVERPOST_REHEARSAL)
/** Starts. */
void everpost_rehearsal_start(void);
#endif

#if defined(EVERPOST_REHEARSAL)
uint16_t everpost_rehearsal_port(void);
#endif

uint32_t everpost_abi_version(void);

const everpost_x *everpost_certificate_file_x(const everpost_certificate_file *file,
                                              size_t index);

#ifdef __cplusplus
}  // extern "C"
#endif
"#;

    #[test]
    fn functions_stand_with_their_type_under_its_heading() {
        let arranged = arrange(WRITTEN).unwrap();
        let order = [
            "The library */",
            "everpost_abi_version",
            "Mailer */",
            "Frees it",
            "everpost_mailer_free",
            "Certificate files */",
            "everpost_certificate_file_x",
            "Rehearsal server",
            "#if defined(EVERPOST_REHEARSAL)",
            "everpost_rehearsal_start",
            "everpost_rehearsal_port",
            "#endif",
            "}  // extern \"C\"",
        ];
        let mut rest = arranged.as_str();
        for part in order {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("{part} in {arranged}")).1;
        }
    }

    #[test]
    fn what_only_some_builds_have_stands_behind_its_macro_once() {
        let arranged = arrange(WRITTEN).unwrap();
        assert_eq!(arranged.matches("EVERPOST_REHEARSAL").count(), 1, "{arranged}");
    }
}
