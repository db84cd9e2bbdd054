//! What was seen, held against what must come out. The rules:
//!
//! - every field that is expected must have been seen; others do not matter,
//! - `"*"`: anything but nothing; `"-"`: nothing; `"~word"`: a text with this
//!   word in it,
//! - `{ min = 1, max = 3 }`: a number in between,
//! - lists must be the same, but for `findings`, where the expected ones must
//!   be among those seen,
//! - `${leaf.sha256}` and its like: what the server had said by then,
//! - no secret, which in scenarios begins with `canary-`, is ever seen.
//!
//! A send of which nothing is expected must be accepted, a request to the
//! server must be answered with ok, and verifying must find nothing wrong.

use serde_json::{Map, Value, json};

use super::file::{Scenario, Step};

/// Secrets of scenarios begin with it, and nothing that is seen may hold one.
const CANARY: &str = "canary-";

/// Judges one scenario; the error says what differs, and where.
pub(super) fn judge(scenario: &Scenario, seen: &Value) -> Result<(), String> {
    if seen.to_string().contains(CANARY) {
        return Err(format!("a secret was shown: {seen}"));
    }
    let mut known = Map::new();
    learn(&mut known, &seen["listening"]);
    let refused = scenario.refused.clone().unwrap_or_else(|| json!({ "kind": "-" }));
    let client = &seen["client"];
    match (&scenario.refused, client.get("kind")) {
        (None, None) => {}
        _ => compare(&refused, client, &known)
            .map_err(|why| format!("client: {why}, of {client}"))?,
    }
    let steps = seen["steps"].as_array().map_or(&[][..], Vec::as_slice);
    if steps.len() != scenario.step.len() {
        return Err(format!("{} steps of {} were seen", steps.len(), scenario.step.len()));
    }
    for (number, (step, seen)) in scenario.step.iter().zip(steps).enumerate() {
        if step.what == "server" {
            learn(&mut known, seen);
        }
        one_step(step, seen, &known)
            .map_err(|why| format!("step {} ({}): {why}", number + 1, step.what))?;
    }
    let end = &seen["end"];
    let copies = Value::Object(scenario.end.copies.clone());
    if copies != end["copies"] {
        return Err(format!("copies: {copies} expected, {} at the server", end["copies"]));
    }
    compare(&scenario.end.server, &end["server"], &known).map_err(|why| format!("end: {why}"))
}

/// What a server says is known from then on.
fn learn(known: &mut Map<String, Value>, answer: &Value) {
    known.extend(answer.as_object().cloned().unwrap_or_default());
}

fn one_step(step: &Step, seen: &Value, known: &Map<String, Value>) -> Result<(), String> {
    match (step.what.as_str(), &step.expect) {
        ("send" | "send_all", expect) => {
            let accepted = json!({ "delivery": "accepted" });
            let outcomes = seen["outcomes"].as_array().ok_or("no outcomes")?;
            if outcomes.is_empty() {
                return Err("no outcomes".to_owned());
            }
            match expect.as_ref().unwrap_or(&accepted) {
                Value::Array(each) if each.len() != outcomes.len() => {
                    Err(format!("{} outcomes of {}", outcomes.len(), each.len()))
                }
                Value::Array(each) => each
                    .iter()
                    .zip(outcomes)
                    .try_for_each(|(expect, outcome)| compare(expect, outcome, known)),
                all => outcomes.iter().try_for_each(|outcome| compare(all, outcome, known)),
            }
        }
        ("verify", None) => compare(&json!({ "kind": "-" }), seen, known),
        ("server", None) => compare(&json!({ "ok": true }), seen, known),
        (_, None) => Ok(()),
        (_, Some(expect)) => compare(expect, seen, known),
    }
    .map_err(|why| format!("{why}, of {seen}"))
}

/// Whether what was seen is what is expected; the error names the field.
fn compare(expect: &Value, seen: &Value, known: &Map<String, Value>) -> Result<(), String> {
    let differs = || Err(format!("{expect} expected, {seen} seen"));
    match expect {
        Value::Object(range) if range.keys().any(|key| key == "min" || key == "max") => {
            let limit = |name| range.get(name).and_then(Value::as_f64);
            let within = |seen: f64| {
                limit("min").is_none_or(|min| seen >= min)
                    && limit("max").is_none_or(|max| seen <= max)
            };
            if seen.as_f64().is_some_and(within) { Ok(()) } else { differs() }
        }
        Value::Object(fields) => fields.iter().try_for_each(|(name, expect)| {
            let seen = seen.get(name).unwrap_or(&Value::Null);
            match (name.as_str(), expect, seen) {
                ("findings", Value::Array(wanted), Value::Array(found))
                    if wanted.iter().all(|it| found.contains(it)) =>
                {
                    Ok(())
                }
                _ => compare(expect, seen, known).map_err(|why| format!("{name}: {why}")),
            }
        }),
        Value::Array(items) => match seen.as_array() {
            Some(seen) if seen.len() == items.len() => {
                items.iter().zip(seen).try_for_each(|(item, seen)| compare(item, seen, known))
            }
            _ => differs(),
        },
        Value::String(text) => {
            let fits = match text.as_str() {
                "*" => !matches!(seen, Value::Null) && seen != "" && *seen != json!([]),
                "-" => seen.is_null(),
                _ => match (text.strip_prefix('~'), text.strip_prefix("${")) {
                    (Some(word), _) => seen.as_str().is_some_and(|seen| seen.contains(word)),
                    (_, Some(path)) => {
                        let mut names = path.trim_end_matches('}').split('.');
                        let first = names.next().and_then(|name| known.get(name));
                        let value =
                            names.try_fold(first, |value, name| value.map(|value| value.get(name)));
                        value.flatten().is_some_and(|value| value == seen)
                    }
                    _ => seen == text.as_str(),
                },
            };
            if fits { Ok(()) } else { differs() }
        }
        plain if plain == seen => Ok(()),
        _ => differs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(expect: Value, seen: Value) -> bool {
        let known = Map::from_iter([("leaf".to_owned(), json!({ "sha256": "ab" }))]);
        compare(&expect, &seen, &known).is_ok()
    }

    #[test]
    fn what_is_expected_must_have_been_seen_and_nothing_else_matters() {
        assert!(fits(json!({ "kind": "tls" }), json!({ "kind": "tls", "stage": "ehlo" })));
        assert!(!fits(json!({ "kind": "tls" }), json!({ "kind": "dns" })));
        assert!(!fits(json!({ "kind": "tls" }), json!({})));
        assert!(!fits(json!({ "reply": 550 }), json!({ "reply": 551 })));
        assert!(fits(json!({ "a": { "b": [1] } }), json!({ "a": { "b": [1], "c": 2 } })));
        assert!(!fits(json!([1]), json!([1, 2])));
    }

    #[test]
    fn patterns_mean_something_nothing_a_word_a_range_and_what_the_server_said() {
        assert!(fits(json!("*"), json!("x")) && !fits(json!("*"), json!(null)));
        assert!(!fits(json!("*"), json!([])) && !fits(json!("*"), json!("")));
        assert!(fits(json!("-"), json!(null)) && !fits(json!("-"), json!("x")));
        assert!(fits(json!("~wor"), json!("a word")) && !fits(json!("~wor"), json!(null)));
        let range = json!({ "min": 1, "max": 2 });
        assert!(fits(range.clone(), json!(2)) && !fits(range.clone(), json!(3)));
        assert!(!fits(range, json!(null)));
        assert!(fits(json!("${leaf.sha256}"), json!("ab")));
        assert!(!fits(json!("${leaf.sha256}"), json!("cd")));
        assert!(!fits(json!("${leaf.serial}"), json!(null)));
        let among = json!({ "findings": ["a"] });
        assert!(fits(among.clone(), json!({ "findings": ["b", "a"] })));
        assert!(!fits(among, json!({ "findings": ["b"] })));
    }

    #[test]
    fn verifying_must_find_nothing_wrong_unless_that_is_expected() {
        let judged = |expect: Option<Value>, seen: Value| {
            let step = Step { what: "verify".to_owned(), expect, rest: Map::new() };
            one_step(&step, &seen, &Map::new())
        };
        let refused = json!({ "kind": "auth" });
        judged(None, json!({ "delivery": null, "offered": {} })).unwrap();
        assert!(judged(None, refused.clone()).unwrap_err().contains("kind"));
        judged(Some(refused.clone()), refused).unwrap();
    }

    #[test]
    fn a_copy_too_many_a_missing_step_a_secret_and_a_refused_client_are_seen() {
        let text = "[[scenario]]\nname = 'a'\npromises = [1]\nurl = 'x'\n\
                    step = [{ do = 'send', id = 'm' }]\nend = { copies = { m = 1 } }";
        let scenario = super::super::file::read(text).unwrap().remove(0);
        let seen = |delivery: &str, copies: u32| {
            json!({
                "listening": {}, "client": {},
                "steps": [{ "outcomes": [{ "delivery": delivery }] }],
                "end": { "copies": { "m": copies }, "server": {} },
            })
        };
        judge(&scenario, &seen("accepted", 1)).unwrap();
        assert!(judge(&scenario, &seen("accepted", 2)).unwrap_err().contains("copies"));
        assert!(judge(&scenario, &seen("unknown", 1)).unwrap_err().contains("step 1"));
        let mut told = seen("accepted", 1);
        told["steps"][0]["outcomes"][0]["message"] = "canary-7d1 was refused".into();
        assert!(judge(&scenario, &told).unwrap_err().contains("secret"));
        let mut none = seen("accepted", 1);
        none["steps"] = json!([]);
        assert!(judge(&scenario, &none).is_err());
        let mut refused = seen("accepted", 1);
        refused["client"] = json!({ "kind": "invalid_config" });
        assert!(judge(&scenario, &refused).unwrap_err().contains("client"));
    }
}
