//! What a body looks like without saying anything: its field names, nested as they are, and no value.
//! Pure.

use serde_json::Value;

/// How deep an outline goes, and how many names it tells of one object.
const DEPTH_MAX: usize = 4;
const NAMES_MAX: usize = 40;
const NAME_CHARACTERS_MAX: usize = 60;
/// Characters of an outline.
const CHARACTERS_MAX: usize = 1_000;

/// The outline of a JSON text: `{measures:[{name, objectId}], totalCount}`. Of a list the first entry
/// stands for all. Names that begin with a digit are likely ids or dates, and told as `#`.
#[must_use]
pub(super) fn outline(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => match of(&value, 0) {
            outline if outline.is_empty() => json_type(&value).to_owned(),
            outline if outline.chars().count() <= CHARACTERS_MAX => outline,
            outline => outline.chars().take(CHARACTERS_MAX).chain(['…']).collect(),
        },
        Err(_) => "no JSON".to_owned(),
    }
}

fn of(value: &Value, depth: usize) -> String {
    match value {
        _ if depth == DEPTH_MAX => String::new(),
        Value::Array(entries) => match entries.first() {
            Some(first) => format!("[{}]", of(first, depth + 1)),
            None => "[]".to_owned(),
        },
        Value::Object(fields) => {
            let mut names: Vec<String> = Vec::new();
            for (name, value) in fields {
                let name = match of(value, depth + 1) {
                    inner if inner.is_empty() || inner == "[]" => plain(name),
                    inner => format!("{}:{inner}", plain(name)),
                };
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let more = names.len().saturating_sub(NAMES_MAX);
            names.truncate(NAMES_MAX);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            format!("{{{}}}", names.join(", "))
        }
        _ => String::new(),
    }
}

/// A field's name, fit to be printed.
pub(super) fn plain(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return "#".to_owned();
    }
    name.chars().filter(|c| !c.is_control()).take(NAME_CHARACTERS_MAX).collect()
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) | Value::Object(_) => "JSON",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_has_names_and_no_values() {
        let body = r#"{"measures":[{"objectId":7,"name":"Crime","link":{"url":"https://x"},"tags":["a"]}],"totalCount":1}"#;
        assert_eq!(outline(body), "{measures:[{link:{url}, name, objectId, tags}], totalCount}");
    }

    #[test]
    fn names_that_are_ids_or_dates_are_not_told() {
        assert_eq!(outline(r#"{"312499":{"value":1},"2026-01-31":{"value":2}}"#), "{#:{value}}");
    }

    #[test]
    fn what_is_no_object_is_told_by_its_type() {
        assert_eq!(outline("null"), "null");
        assert_eq!(outline("\"Crime\""), "a text");
        assert_eq!(outline("[]"), "[]");
        assert_eq!(outline("<html>"), "no JSON");
    }
}
