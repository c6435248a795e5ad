//! What is read out of a stored document.

use std::collections::BTreeMap;

use super::*;

#[test]
fn columns_are_read_where_they_are() {
    let read =
        columns(r#"{"name":"","fullName":"A\nB","scorecardId":1,"ownerId":"2","lastEdited":"01/02/2026"}"#);
    assert_eq!(
        read,
        Columns {
            name: Some("A\nB".into()),
            scorecard_id: Some(1),
            owner_id: Some(2),
            last_edited: Some("01/02/2026".into()),
        }
    );
    assert_eq!(columns(r#"{"name":null,"ownerId":1.5}"#), Columns::default());
    assert_eq!(columns("[]"), Columns::default());
}

#[test]
fn only_fields_that_differ_in_meaning_have_changed() {
    let changes = changed_fields(
        r#"{"same":{"a":1,"b":2},"gone":1,"moved":"x","clock":1,"z":[1]}"#,
        r#"{"z":[ 1.0 ],"new":null,"moved":[1],"clock":2,"same":{"b":2,"a":1.0}}"#,
        &["clock".to_owned()],
    );
    let change = |field: &str, before: Option<&str>, after: Option<&str>| FieldChange {
        field: field.into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    assert_eq!(
        changes,
        [
            change("gone", Some("1"), None),
            change("moved", Some("\"x\""), Some("[1]")),
            change("new", None, Some("null")),
        ]
    );
}

#[test]
fn fields_come_with_their_json_types() {
    let seen = fields(r#"{"a":null,"b":true,"c":-1,"d":"","e":[],"":{}}"#);
    let types: Vec<_> = seen.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    assert_eq!(
        types,
        [("a", "null"), ("b", "boolean"), ("c", "number"), ("d", "string"), ("e", "array"), ("", "object")]
    );
}

#[test]
fn members_stand_in_the_order_of_the_text() {
    let read =
        members(" { \"b\\n\" : [1, {\"x\":\"]\\\"\"}] , \"a\":{\"c\":0},\"d\":-1.5e3 ,\"e\":\"\\\\\"}");
    let seen: Vec<_> = read.iter().map(|member| (&*member.key, member.value)).collect();
    let expected = [("b\n", r#"[1, {"x":"]\""}]"#), ("a", r#"{"c":0}"#), ("d", "-1.5e3"), ("e", r#""\\""#)];
    assert_eq!(seen, expected);
}

proptest! {
    #[test]
    fn members_are_what_a_parser_finds(value in json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let found = members(&text);
        let parsed: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap_or_default();
        prop_assert_eq!(found.len(), parsed.len());
        for member in found {
            prop_assert_eq!(Some(member.value), parsed.get(&*member.key).map(|raw| raw.get()));
        }
    }

    #[test]
    fn members_of_any_text_are_looked_for_without_a_panic(text in r#"[\[\]{}",:\\u0-9a-fé \-.]{0,40}"#) {
        let text = format!("{{{text}");
        prop_assert!(members(&text).len() <= text.len() && members(&text[1..]).len() <= text.len());
    }
}
