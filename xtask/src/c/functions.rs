//! The functions of `everpost.h`, read from its text. What cbindgen writes is
//! regular enough for that: a comment, then one declaration over any number of
//! lines, then an empty line.

/// A function as the header declares it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) returns: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// Such as `const char *`, spaced in one way.
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Parameter {
    /// Data or a handle; not a callback, whose type has a name of its own.
    pub(crate) fn is_pointer(&self) -> bool {
        self.kind.ends_with('*')
    }
}

/// All functions of a header, in its order.
pub(crate) fn functions(header: &str) -> Vec<Function> {
    let code = without_comments(header);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with('#'));
    let code = lines.collect::<Vec<_>>().join("\n");
    // `extern "C" {` ends no statement and begins none.
    code.split([';', '{', '}']).filter_map(function).collect()
}

fn function(statement: &str) -> Option<Function> {
    let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    if statement.starts_with("typedef") {
        return None;
    }
    let (head, parameters) = statement.strip_suffix(')')?.split_once('(')?;
    let Parameter { kind, name } = parameter(head)?;
    if !name.starts_with("everpost_") {
        return None;
    }
    let parameters = match parameters.trim() {
        "void" | "" => Vec::new(),
        list => list.split(',').map(parameter).collect::<Option<_>>()?,
    };
    Some(Function { name, returns: kind, parameters })
}

/// A type and the name after it.
fn parameter(text: &str) -> Option<Parameter> {
    let text = text.trim();
    let at = text.rfind(|c: char| !(c.is_alphanumeric() || c == '_'))? + 1;
    let (kind, name) = text.split_at(at);
    Some(Parameter { kind: kind.trim().replace("* ", "*"), name: name.to_owned() })
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"
/* A comment with everpost_none(void); in it. */
#define EVERPOST_ABI_VERSION 1
typedef void (*everpost_done_fn)(void *user_data, everpost_error *error);
#ifdef __cplusplus
extern "C" {
#endif // __cplusplus
/**
 * Doc.
 */
uint32_t everpost_abi_version(void);

const everpost_certificate *everpost_file_certificate(const everpost_file *file,
                                                      size_t index);
everpost_status everpost_send_all(const everpost_message *const *messages, size_t count,
                                  everpost_done_fn done, everpost_error **error);
"#;

    #[test]
    fn functions_are_read_with_their_types_and_nothing_else_is() {
        let functions = functions(HEADER);
        let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(
            names,
            ["everpost_abi_version", "everpost_file_certificate", "everpost_send_all"]
        );
        assert_eq!(functions[0].parameters, []);
        assert_eq!(functions[1].returns, "const everpost_certificate *");
        let kinds: Vec<_> = functions[2].parameters.iter().map(|p| p.kind.as_str()).collect();
        assert_eq!(
            kinds,
            ["const everpost_message *const *", "size_t", "everpost_done_fn", "everpost_error **"]
        );
    }

    #[test]
    fn a_callback_is_not_taken_for_a_pointer_to_data() {
        let functions = functions(HEADER);
        let pointers = functions[2].parameters.iter().filter(|p| p.is_pointer());
        assert_eq!(pointers.map(|p| p.name.as_str()).collect::<Vec<_>>(), ["messages", "error"]);
    }
}
