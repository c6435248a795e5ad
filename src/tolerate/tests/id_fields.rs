//! Which field tells rows apart.

use super::*;

#[track_caller]
fn check(rows: &[&str], expected: Option<&str>) {
    let rows: Vec<_> = rows.iter().map(|row| raw(row)).collect();
    let candidates = ["objectId", "measureId", "id"].map(str::to_owned);
    assert_eq!(choose_id_field(&rows, &candidates).as_deref(), expected);
}

#[test]
fn the_first_candidate_in_every_row_is_chosen() {
    check(&[r#"{"id":1,"objectId":"5"}"#], Some("objectId"));
    check(&[r#"{"id":1,"objectId":"x"}"#, r#"{"id":2}"#], Some("id"));
    check(&[r#"{"name":"x"}"#], None);
    check(&[], None);
}

#[test]
fn a_row_without_an_id_does_not_sway_the_choice() {
    let rows = [r#"{"id":1,"objectId":1}"#, r#"{"id":2,"objectId":2}"#, "{}", "7"];
    check(&rows, Some("objectId"));
    check(&["{}", "{}", r#"{"a":1}"#, r#"{"b":1}"#, r#"{"id":1}"#], None);
}

#[test]
fn an_element_in_several_scorecards_is_no_objection() {
    check(
        &[
            r#"{"objectId":1,"scorecardId":1}"#,
            r#"{"objectId":1,"scorecardId":2}"#,
            r#"{"objectId":1,"scorecardId":3}"#,
            r#"{"objectId":1,"scorecardId":3}"#,
        ],
        Some("objectId"),
    );
}

#[test]
fn a_reference_to_something_else_is_no_id() {
    let rows: Vec<_> = (0..9).map(|n| format!(r#"{{"objectId":5,"measureId":{n}}}"#)).collect();
    check(&rows.iter().map(String::as_str).collect::<Vec<_>>(), Some("measureId"));
}
