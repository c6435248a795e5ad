//! What is stored of a row, and which rows are not.

use super::*;

#[test]
fn a_sound_row_is_kept_as_written() {
    let text = r#"{ "objectId": 12, "name": "\u00e9", "scorecardId": "34", "lastEdited": 1769854830 }"#;
    let row = objective(text).unwrap();
    assert!(matches!(row.document, Cow::Borrowed(document) if document == text));
    assert_eq!(row.id, ElementId(12));
    assert_eq!(row.scorecard_id, Some(34));
    assert_eq!(row.last_edited.as_deref(), Some("1769854830"));
}

#[test]
fn ids_are_integers_or_canonical_strings() {
    let id = |value: &str| {
        let text = format!(r#"{{"objectId":{value}}}"#);
        objective(&text).ok().map(|row| row.id.0)
    };
    assert_eq!(id("7"), Some(7));
    assert_eq!(id("0"), Some(0));
    assert_eq!(id("-7"), Some(-7));
    assert_eq!(id(r#""9223372036854775807""#), Some(i64::MAX));
    for no_id in [
        "1.0",
        "1e3",
        "null",
        "true",
        "[1]",
        "9223372036854775808",
        "-0",
        r#""""#,
        r#""-""#,
        r#""+1""#,
        r#""01""#,
        r#"" 1""#,
        r#""1.0""#,
    ] {
        assert_eq!(id(no_id), None, "{no_id}");
    }
}

#[track_caller]
fn check_rejected(text: &str, reason: &str, keys: &[&str]) {
    let rejected = objective(text).unwrap_err();
    assert_eq!(rejected.reason, reason);
    assert_eq!(rejected.keys, keys);
    assert_eq!(rejected, objective(text).unwrap_err());
}

#[test]
fn a_row_that_cannot_be_stored_is_rejected_with_its_keys_alone() {
    check_rejected(r#"{"name":"x","a":"secret"}"#, "no integer in objectId", &["a", "name"]);
    check_rejected("[1]", "not an object", &[]);
    check_rejected("null", "not an object", &[]);
    let deep = format!(r#"{{"objectId":1,"x":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    check_rejected(&deep, "nested deeper than 100", &["objectId", "x"]);
    let large = format!(r#"{{"objectId":1,"x":"{}"}}"#, "x".repeat(DOCUMENT_BYTES_MAX));
    check_rejected(&large, "larger than 4 MB", &["objectId", "x"]);
}

#[test]
fn two_megabytes_and_a_hundred_levels_are_stored() {
    let large = format!(r#"{{"objectId":1,"x":"{}"}}"#, "x".repeat(2 << 20));
    assert_eq!(objective(&large).unwrap().document, large);
    let deep = format!(r#"{{"objectId":1,"x":{}{}}}"#, "[".repeat(99), "]".repeat(99));
    assert_eq!(objective(&deep).unwrap().document, deep);
}

#[track_caller]
fn check_document(kind_name: &str, text: &str, expected: &str) {
    let kind = kind(kind_name);
    let stored = row(raw(text), &kind, "id").unwrap();
    assert_eq!(stored.document, expected);
    assert_eq!(stored.fingerprint, of_document(expected, &kind.volatile));
    let again = row(raw(&stored.document), &kind, "id").unwrap();
    assert_eq!(again.document, expected);
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    check_document("objectives", r#"{"id":1,"a":{"b":1,"\u0062":2},"id":2}"#, r#"{"a":{"b":2},"id":2}"#);
    check_document(
        "users",
        r#"{"lastLoginDate":1,"id":1,"lastLoginDate":2}"#,
        r#"{"id":1,"lastLoginDate":2}"#,
    );
}

#[test]
fn keys_that_differ_in_case_and_odd_keys_stay_apart() {
    let text = r#"{"id":1,"Name":1,"name":2,"NAME":3,"":4,"\"":5," ":6,"a.b":7,"$x":8}"#;
    check_document("objectives", text, text);
}

#[test]
fn numbers_no_store_holds_become_text() {
    check_document(
        "objectives",
        r#"{"id":1,"x":[1e400,-1E+400,1e-400,12345678901234567890,0.10,1e2]}"#,
        r#"{"id":1,"x":["1e400","-1E+400","1e-400","12345678901234567890",0.10,1e2]}"#,
    );
}

#[test]
fn signed_links_lose_their_query_in_kinds_that_have_them() {
    let signed = r#"{"id":1,"link":{"href":"https:\/\/s3.example\/a?X-Amz-Signature=0a"}}"#;
    check_document("attachments", signed, r#"{"id":1,"link":{"href":"https://s3.example/a"}}"#);
    check_document("objectives", signed, signed);
    let long = format!(r#"{{"id":1,"u":"HTTP://h/?q={}"}}"#, "x".repeat(40));
    check_document("files", &long, r#"{"id":1,"u":"HTTP://h/"}"#);
    let plain = r#"{"id":1,"a":"https://h/p?id=7&signed=no","b":"why?sig=1","c":"https://h/#/index/?object=measure&objectId=1522940&periodId=312499"}"#;
    check_document("files", plain, plain);
}

#[test]
fn a_volatile_field_is_stored_and_does_not_count() {
    let kind = kind("users");
    let of = |text| row(raw(text), &kind, "userId").unwrap().fingerprint;
    let seen = of(r#"{"userId":1,"lastLoginDate":"a"}"#);
    assert_eq!(seen, of(r#"{"lastLoginDate":"b","userId":1}"#));
    assert_ne!(seen, of(r#"{"userId":1,"lastEdited":"a"}"#));
}

#[test]
fn any_value_of_measure_data_is_made_fit() {
    let kind = kind("measures");
    assert_eq!(document(raw("[1e400,{\"a\":1,\"a\":2}]"), &kind).unwrap(), r#"["1e400",{"a":2}]"#);
    assert_eq!(document(raw("[1]"), &kind).unwrap(), "[1]");
}

proptest! {
    #[test]
    fn any_row_is_stored_or_rejected(value in json(), signed in any::<bool>()) {
        let text = value.to_string();
        let mut kind = kind("schedules");
        kind.signed_links = signed;
        kind.volatile = vec!["a".into(), String::new()];
        let kept = document(&text, &kind).unwrap();
        prop_assert_eq!(&document(raw(&kept), &kind).unwrap(), &kept);
    }

    #[test]
    fn the_fingerprint_is_of_the_document_as_stored(value in json(), id in any::<i64>()) {
        let text = format!(r#"{{"state":1e999,"x":{value},"x":{value},"big":1e999,"scheduleId":{id}}}"#);
        let kind = kind("schedules");
        let row = row(raw(&text), &kind, "scheduleId").unwrap();
        prop_assert_eq!(row.id.0, id);
        prop_assert_eq!(row.fingerprint, of_document(&row.document, &kind.volatile));
        let through: Value = serde_json::from_str(&row.document).unwrap();
        prop_assert_eq!(row.fingerprint, of_document(&through.to_string(), &kind.volatile));
    }
}
