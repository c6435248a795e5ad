//! Which part of an answer is the document.

use super::*;

#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    let found = single(text, &kind("action_items"));
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_document_is_found_in_each_wrapping() {
    let document = r#"{"objectId":7}"#;
    check(document, Some(document));
    check(&format!("[{document}]"), Some(document));
    for name in ["actionItem", "actionItems", "data", "result", "item"] {
        check(&format!(r#"{{"{name}":{document},"ok":true}}"#), Some(document));
        check(&format!(r#"{{"{name}":[{document}]}}"#), Some(document));
    }
    check(r#"{"objectId":7,"error":"x"}"#, Some(r#"{"objectId":7,"error":"x"}"#));
    check(r#"{"name":"x"}"#, Some(r#"{"name":"x"}"#));
}

#[test]
fn what_is_no_document_is_none() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "[{\"objectId\":1},{\"objectId\":2}]",
        r#"{"error":"gone","name":"x"}"#,
        r#"{"message":"not found"}"#,
        r#"{"id":7,"error":"not found"}"#,
        r#"{"id":"7f3a","message":"not found"}"#,
        r#"{"data":null}"#,
        "<html>",
    ] {
        check(text, None);
    }
}
