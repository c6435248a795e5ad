//! What is a list, and what must never be taken for one.

use super::*;

#[track_caller]
fn check(text: &str, list_at: &[&str], rows: usize, total: Option<u64>, pages: Option<u64>) {
    let Body::List(list) = body(text, "measures", None) else {
        panic!("{:?}", body(text, "measures", None));
    };
    assert_eq!(list.list_at, list_at);
    assert_eq!(list.rows.len(), rows);
    assert_eq!((list.total, list.page_count), (total, pages));
    let again = body(text, "measures", Some(&list.list_at));
    assert!(matches!(again, Body::List(again) if again.rows.len() == rows));
}

#[test]
fn each_envelope_is_recognised() {
    check(" [{},{}]", &[], 2, None, None);
    check(r#"{"measures":[{}]}"#, &["measures"], 1, None, None);
    check(r#"{"results":[],"totalCount":7,"pageCount":"2","count":25}"#, &["results"], 0, Some(7), Some(2));
    check(r#"{"data":{"measures":[{}],"total":1}}"#, &["data", "measures"], 1, Some(1), None);
    check(r#"{"meta":{"totalPages":3},"response":{"items":[{}]}}"#, &["response", "items"], 1, None, Some(3));
    check(r#"{"data":[{}],"measures":[{},{}]}"#, &["measures"], 2, None, None);
    check(r#"{"error":null,"errors":[ ],"rows":[]}"#, &["rows"], 0, None, None);
}

#[test]
fn rows_may_hold_what_no_parser_takes() {
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let text = format!(r#"[{deep},1e400,{{"a":1,"a":2}}]"#);
    let Body::List(list) = body(&text, "measures", None) else {
        panic!("a list");
    };
    assert_eq!(list.rows.len(), 3);
    assert_eq!(list.rows[1], "1e400");
}

#[test]
fn once_learned_the_list_must_stand_there() {
    let at = ["measures".to_owned()];
    let seen = |text| format!("{:?}", body(text, "measures", Some(&at)));
    assert_eq!(seen(r#"{"data":[]}"#), r#"NoList(["data"])"#);
    assert_eq!(seen("[]"), "NoList([])");
    assert_eq!(seen(r#"{"measures":null}"#), "Nothing");
    let bare = body(r#"{"measures":[]}"#, "measures", Some(&[]));
    assert!(matches!(bare, Body::NoList(_)));
}

#[track_caller]
fn check_no_list(text: &str, expected: &str) {
    assert_eq!(format!("{:?}", body(text, "measures", None)), expected);
}

#[test]
fn nothing_is_never_an_empty_list() {
    for text in ["", " \n", "null", r#"{"data":null}"#, r#"{"data":{"items":null}}"#] {
        check_no_list(text, "Nothing");
    }
}

#[test]
fn an_error_is_told_with_its_status() {
    check_no_list(r#"{"error":"Unauthorized","status":401}"#, r#"Error("401 Unauthorized")"#);
    check_no_list(r#"{"errors":[{"code":1}],"data":[]}"#, r#"Error("[{\"code\":1}]")"#);
    check_no_list(
        r#"{"error":{"code":403,"message":"no\n\u001b[31maccess"}}"#,
        r#"Error("403 no[31maccess")"#,
    );
    check_no_list(r#"{"error":true,"message":"locked"}"#, r#"Error("locked")"#);
    check_no_list(r#"{"status":"401","message":"bad key"}"#, r#"Error("401 bad key")"#);
    check_no_list(r#"{"status":412,"name":"x"}"#, r#"NoList(["name", "status"])"#);
    check_no_list(r#"{"success":false}"#, r#"Error("error")"#);
    let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(500));
    assert!(matches!(body(&long, "", None), Body::Error(text) if text.len() == 200));
}

#[test]
fn what_is_no_list_says_what_it_is() {
    check_no_list(r#"{"b":1,"a":{"b":[]}}"#, r#"NoList(["a", "b"])"#);
    check_no_list("17", "NoList([])");
    check_no_list("<!DOCTYPE html><p>", r#"NotJson("an HTML page")"#);
    check_no_list("\n<?xml?><html lang='en'>", r#"NotJson("an HTML page")"#);
    check_no_list("<Error/>", r#"NotJson("an XML document")"#);
    check_no_list("Service down", r#"NotJson("a plain text")"#);
    check_no_list(r#"[{"a":1},{"#, r#"NotJson("JSON cut short at byte 10")"#);
    check_no_list("[1,\n2 x]", r#"NotJson("no JSON from byte 7 on")"#);
}
