//! Holds JSON against the published schemas, for tests.
//!
//! As much of JSON Schema 2020-12 as those schemas use; a keyword that is not
//! known here fails the test. Stricter than a reader would be: what is there
//! must be described, and what is described must be required.

use serde_json::Value;

/// What `value` does not have as the schema with this text says.
pub(crate) fn faults(schema: &str, value: &Value) -> Vec<String> {
    let root: Value = serde_json::from_str(schema).unwrap();
    let mut check = Check { root: &root, faults: Vec::new() };
    check.hold(value, &root, "");
    check.faults
}

struct Check<'a> {
    root: &'a Value,
    faults: Vec<String>,
}

impl Check<'_> {
    fn fits(&self, value: &Value, schema: &Value, at: &str) -> bool {
        let mut trial = Check { root: self.root, faults: Vec::new() };
        trial.hold(value, schema, at);
        trial.faults.is_empty()
    }

    fn hold(&mut self, value: &Value, schema: &Value, at: &str) {
        for (keyword, rule) in schema.as_object().unwrap() {
            let holds = match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => true,
                // The one format that is used.
                "format" => rule == "date-time" && is_moment(value),
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "type" => types(rule).any(|name| is(value, name)),
                "minimum" => value.as_f64().is_none_or(|it| it >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|it| it <= rule.as_f64().unwrap()),
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    let root = self.root;
                    self.hold(value, &root["$defs"][name], at);
                    true
                }
                "oneOf" => {
                    let choices = rule.as_array().unwrap();
                    if choices[0]["type"] == "null" {
                        if !value.is_null() {
                            self.hold(value, &choices[1], at);
                        }
                        true
                    } else {
                        choices.iter().filter(|choice| self.fits(value, choice, at)).count() == 1
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.hold(item, rule, &format!("{at}/{index}"));
                    }
                    true
                }
                "required" => {
                    let names = rule.as_array().unwrap();
                    let described = schema["properties"].as_object().unwrap();
                    assert_eq!(names.len(), described.len(), "{at}: all of it is required");
                    names.iter().all(|name| value.get(name.as_str().unwrap()).is_some())
                }
                "properties" => {
                    for (name, inner) in value.as_object().into_iter().flatten() {
                        match rule.get(name) {
                            Some(rule) => self.hold(inner, rule, &format!("{at}/{name}")),
                            None => self.faults.push(format!("{at}/{name}: not described")),
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    value.as_object().into_iter().flatten().all(|(_, it)| is(it, "string"))
                }
                other => panic!("{at}: the keyword {other} is not known here"),
            };
            if !holds {
                self.faults.push(format!("{at}: {value} does not hold {keyword} {rule}"));
            }
        }
    }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    rule.as_str().into_iter().chain(rule.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

fn is_moment(value: &Value) -> bool {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    value
        .as_str()
        .is_none_or(|text| text.ends_with('Z') && OffsetDateTime::parse(text, &Rfc3339).is_ok())
}
