//! Bodies fit `docs/warning.schema.json`.

use super::*;

const SCHEMA: &str = include_str!("../../../docs/warning.schema.json");

#[test]
fn every_body_fits_the_schema() {
    let schema: Value = SCHEMA.parse().unwrap();
    for phase in [Phase::Raised, Phase::Escalated, Phase::Reminded, Phase::Resolved] {
        for severity in [Severity::Info, Severity::Warn, Severity::Error] {
            for notice in [notice(), hostile()] {
                let body = json::body(&told(&later(&notice, phase, severity, at("2027-03-09T00:00:00Z"))));
                let mut faults = Vec::new();
                judge("$", &json_of(&body), &schema, &mut faults);
                assert!(faults.is_empty(), "{faults:?}");
            }
        }
    }
}

#[test]
fn the_judge_sees_what_does_not_fit() {
    let schema: Value = SCHEMA.parse().unwrap();
    let sound = json_of(&json::body(&told(&notice())));
    for (field, wrong) in [
        ("schema", Value::from("clearpoint-sync/warning/2")),
        ("phase", "over".into()),
        ("event", "Key Expiring".into()),
        ("delivery", "".into()),
        ("at", "yesterday".into()),
        ("resolved_at", 7.into()),
        ("facts", serde_json::json!({"days_left": 30})),
        ("more", "x".into()),
    ] {
        let mut body = sound.clone();
        body[field] = wrong;
        let mut faults = Vec::new();
        judge("$", &body, &schema, &mut faults);
        assert_eq!(faults.len(), 1, "{field}: {faults:?}");
        body.as_object_mut().unwrap().remove(field);
        judge("$", &body, &schema, &mut faults);
        assert_eq!(faults.len(), if field == "more" { 1 } else { 2 }, "{field}: {faults:?}");
    }
}

/// As much of JSON Schema as ours uses; a word that is not known here is a fault of the schema.
fn judge(path: &str, value: &Value, schema: &Value, faults: &mut Vec<String>) {
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{path}: {what}"));
        }
    };
    let text = value.as_str();
    let empty = serde_json::Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let rest = schema.get("additionalProperties");
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "$id" | "title" | "description" | "properties" | "additionalProperties" => {}
            "type" => demand(has_type(value, rule), "type"),
            "const" => demand(value == rule, "const"),
            "enum" => demand(rule.as_array().unwrap().contains(value), "enum"),
            "minLength" => demand(text.is_some_and(|text| !text.is_empty()), "minLength"),
            "pattern" => demand(fits(text.unwrap(), rule.as_str().unwrap()), "pattern"),
            "format" => {
                let is_instant = |text: &str| DateTime::parse_from_rfc3339(text).is_ok();
                demand(text.is_none_or(is_instant), "format");
            }
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                names.for_each(|name| demand(value.get(name).is_some(), name));
            }
            unknown => demand(false, unknown),
        }
    }
    for (name, value) in value.as_object().unwrap_or(&empty) {
        match (properties.get(name), rest) {
            (Some(schema), _) => judge(&format!("{path}.{name}"), value, schema, faults),
            (None, Some(Value::Bool(false))) => faults.push(format!("{path}: {name} is not known")),
            (None, Some(schema)) => judge(&format!("{path}.{name}"), value, schema, faults),
            (None, None) => {}
        }
    }
}

fn has_type(value: &Value, rule: &Value) -> bool {
    let is = |word: &Value| match word.as_str().unwrap() {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    rule.as_array().map_or_else(|| is(rule), |words| words.iter().any(is))
}

/// The three patterns of the schema.
fn fits(text: &str, pattern: &str) -> bool {
    match pattern {
        "^[a-z_]+$" => !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
        "^[a-z][a-z0-9-]*$" => ConnectionName::parse(text).is_ok(),
        "^clearpoint-sync " => text.starts_with("clearpoint-sync "),
        other => panic!("{other}"),
    }
}
