//! What makes two documents the same, as examples and as properties over random ones.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn of(text: &str) -> Fingerprint {
    of_document(text, &[])
}

#[track_caller]
fn same(one: &str, other: &str) {
    assert_eq!(of(one), of(other));
}

#[track_caller]
fn different(one: &str, other: &str) {
    assert_ne!(of(one), of(other));
}

#[test]
fn fingerprints_are_those_that_stores_keep() {
    // Another value for any of them, and every store writes all its documents anew.
    let long = format!(r#"{{"html":"{}"}}"#, r#"<p class=\"x\">é \u00e9 \ud83d\ude00</p>\n"#.repeat(40));
    for (document, expected) in [
        ("{}", 0x78a549a547f94b0cd4f7a77e1d1ba0c5_u128),
        (r#"{"objectId":1,"name":"é\n","x":[true,false,null,[],{}]}"#, 0x4c9d838c7dd14e55f3043d15f4806316),
        (
            r#"{"n":[0,-0,1.50,-2e3,100,0.001,1e-400,9223372036854775807,12345678901234567890123]}"#,
            0xce8ef239dfd46286341a654df43381db,
        ),
        (r#"{"b":{"y":1,"x":2},"a":"","":"\u0000","a":"last"}"#, 0xad439c6903ac2e01c29b3ee4951bee5d),
        (&long, 0xdbde8eff5f2231c20e2dc341076e83f8),
        ("not JSON", 0x2cec1fa910c87a101459460e12620339),
    ] {
        assert_eq!(format!("{:032x}", of(document)), format!("{expected:032x}"), "{document}");
    }
}

#[test]
fn what_jsonb_would_not_tell_apart_is_the_same() {
    same(r#"{"a":1,"b":[true,null]}"#, r#" { "b" : [ true , null ] , "a" : 1.0 } "#);
    same(r#"{"a":"\u00e9\/"}"#, r#"{"\u0061":"é/"}"#);
    same(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    same(r#"{"a":{"b":1,"b":2,"c":3}}"#, r#"{"a":{"c":3,"b":2}}"#);
}

#[test]
fn what_differs_in_meaning_is_different() {
    different(r#"{"a":1}"#, r#"{"a":"1"}"#);
    different(r#"{"a":null}"#, "{}");
    different(r#"{"a":[]}"#, r#"{"a":{}}"#);
    different(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#);
    different(r#"{"a":[[1],2]}"#, r#"{"a":[1,[2]]}"#);
    different(r#"{"a":"b"}"#, r#"{"b":"a"}"#);
    different(r#"{"a":1}"#, r#"{"A":1}"#);
    different(r#"{"":1}"#, r#"{"\"":1}"#);
    different(r#"{"a":false}"#, r#"{"a":null}"#);
    different(r#"{"a":{"x":1},"b":{"x":2}}"#, r#"{"a":{"x":2},"b":{"x":1}}"#);
}

#[test]
fn volatile_fields_do_not_count_at_the_top_only() {
    let volatile = ["state".to_owned()];
    let of = |text| of_document(text, &volatile);
    assert_eq!(of(r#"{"a":1,"state":"on"}"#), of(r#"{"state":7,"a":1}"#));
    assert_eq!(of(r#"{"a":1}"#), of(r#"{"state":7,"a":1}"#));
    assert_ne!(of(r#"{"a":{"state":1}}"#), of(r#"{"a":{"state":2}}"#));
}

#[test]
fn a_hundred_levels_are_walked_and_one_more_is_not() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(100), Look::default()).is_ok());
    assert_eq!(read(&nested(101), Look::default()).unwrap_err(), Fault::Deep);
    assert_eq!(read(&nested(50_000), Look::default()).unwrap_err(), Fault::Deep);
}

#[test]
fn a_text_that_is_no_json_is_told() {
    for text in ["", "{", "[1", r#"{"a"}"#, r#"{"a":1}}"#, "\"a", "\"a\\", "nul", "[1 2]"] {
        let fault = read(text, Look::default()).unwrap_err();
        assert_eq!(fault, Fault::Malformed, "{text}");
    }
}

#[test]
fn members_stand_in_the_order_of_the_text() {
    let reading = read(r#"{ "b\n" : [1, 2] , "a":{"c":0}}"#, Look::default()).unwrap();
    let seen: Vec<_> = reading.members.iter().map(|m| (&*m.key, m.value)).collect();
    assert_eq!(seen, [("b\n", "[1, 2]"), ("a", r#"{"c":0}"#)]);
}

/// Random JSON.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

/// The same value, its keys in reverse order, with white space and other spellings.
fn respelled(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(respelled).collect();
            format!("[ {} ]", items.join(" ,\n"))
        }
        Value::Object(map) => {
            let fields: Vec<_> = map
                .iter()
                .rev()
                .map(|(key, value)| format!("{}\t:\r{}", spelled_out(key), respelled(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::String(text) => spelled_out(text),
        other => other.to_string(),
    }
}

/// Every character as an escape.
fn spelled_out(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
    format!("\"{}\"", units.collect::<String>())
}

/// Changes the leaf that is `nth` in order; containers count as leaves when empty.
fn with_a_changed_leaf(value: &mut Value, nth: &mut usize) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter_mut().for_each(|item| with_a_changed_leaf(item, nth));
        }
        Value::Object(map) if !map.is_empty() => {
            map.values_mut().for_each(|item| with_a_changed_leaf(item, nth));
        }
        leaf => {
            if *nth == 0 {
                *leaf = serde_json::json!(["changed", leaf.clone()]);
            }
            *nth = nth.wrapping_sub(1);
        }
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(leaves).sum(),
        Value::Object(map) if !map.is_empty() => map.values().map(leaves).sum(),
        _ => 1,
    }
}

proptest! {
    #[test]
    fn spelling_and_key_order_do_not_matter(value in json()) {
        prop_assert_eq!(of(&value.to_string()), of(&respelled(&value)));
    }

    #[test]
    fn a_changed_leaf_changes_the_fingerprint(value in json(), nth in any::<prop::sample::Index>()) {
        let mut changed = value.clone();
        with_a_changed_leaf(&mut changed, &mut nth.index(leaves(&value)));
        prop_assert_ne!(of(&value.to_string()), of(&changed.to_string()));
    }

    #[test]
    fn any_text_is_walked_without_a_panic(text in r#"[\[\]{}",:\\u0-9a-ftrue \-.]{0,40}"#) {
        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert!(!is_json || read(&text, Look::default()).is_ok());
    }
}
