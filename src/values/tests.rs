//! Each shape that an answer may have, and what must not be taken for one.

use proptest::prelude::*;

use super::*;
use crate::fingerprint::tests::json;

proptest! {
    #[test]
    fn any_answer_is_recognised_or_not_without_a_panic(
        value in json(),
        shape in prop::sample::select(vec![
            "#", r##"[{"period":"P","A":#}]"##, r##"{"data":[{"name":"A","values":[#]}]}"##,
            r##"{"columns":["period",#],"rows":[[#,#]]}"##, r##"[{"period":#,"series":#,"value":#}]"##,
        ]),
    ) {
        let document = shape.replace('#', &value.to_string());
        if let Ok(points) = recognise(&document) {
            let is_sound = |point: &Point| point.value.is_none() || point.text.is_none();
            prop_assert!(points.iter().all(is_sound));
            prop_assert!(points.is_sorted_by_key(|point| (point.series.clone(), point.period.clone())));
        }
    }
}

/// Points as `series/period=value`, with `#id` where ids are told.
fn shown(points: &[Point]) -> Vec<String> {
    let id = |id: Option<i64>| id.map_or(String::new(), |id| format!("#{id}"));
    points
        .iter()
        .map(|point| {
            let value = match (point.value, &point.text) {
                (Some(value), None) => value.to_string(),
                (None, Some(text)) => format!("{text:?}"),
                (None, None) => "null".to_owned(),
                both => panic!("{both:?}"),
            };
            let (series, period) = (&point.series, &point.period);
            format!("{series}{}/{period}{}={value}", id(point.series_id), id(point.period_id))
        })
        .collect()
}

#[track_caller]
fn check(document: &str, expected: &[&str]) {
    let points = recognise(document).unwrap();
    assert_eq!(shown(&points), expected);
}

#[track_caller]
fn check_everywhere(document: &str, expected: &[&str]) {
    check(document, expected);
    for name in ["measureData", "data", "results"] {
        check(&format!(r#"{{"totalCount":1,"{name}":{document}}}"#), expected);
    }
}

#[test]
fn rows_of_a_period_have_a_column_a_series() {
    check_everywhere(
        r#"[{"period":"Feb-26","periodId":2,"Actual":7.5,"Target":null,"locked":false},
            {"period":"Jan-26","periodId":1,"Actual":"n/a","Target":"1e3"}]"#,
        &["Actual/Feb-26#2=7.5", "Actual/Jan-26#1=\"n/a\"", "Target/Feb-26#2=null", "Target/Jan-26#1=1000"],
    );
    check(r#"[{"name":"Jan-26","Actual":0}]"#, &["Actual/Jan-26=0"]);
    check(r#"[{"PeriodId":9,"Actual":""}]"#, &["Actual/9#9=null"]);
    check(r#"[{"date":"2026-01-31","YTD Actual":-1}]"#, &["YTD Actual/2026-01-31=-1"]);
    check(
        r#"[{"period":{"id":4,"name":"Q1"},"values":{"Actual":{"value":1,"seriesId":3}}}]"#,
        &["Actual#3/Q1#4=1"],
    );
}

#[test]
fn rows_of_a_period_and_a_series_have_one_value() {
    check_everywhere(
        r#"[{"periodName":"Jan-26","seriesName":"Actual","seriesId":5,"value":3},
            {"periodName":"Jan-26","periodId":1,"name":"Target","seriesId":6,"value":null}]"#,
        &["Actual#5/Jan-26=3", "Target#6/Jan-26#1=null"],
    );
}

#[test]
fn periods_may_list_their_series() {
    check_everywhere(
        r#"[{"periodId":1,"periodName":"Jan-26","series":[{"seriesId":5,"name":"Actual","value":3},
            {"name":"Target","value":"soon"}]}]"#,
        &["Actual#5/Jan-26#1=3", "Target/Jan-26#1=\"soon\""],
    );
}

#[test]
fn series_may_list_their_values() {
    check_everywhere(
        r#"[{"name":"Actual","seriesId":5,"values":[{"period":"Jan-26","value":3},{"periodId":2,"value":null}]},
            {"name":"Target","id":6,"data":[]}]"#,
        &["Actual#5/2#2=null", "Actual#5/Jan-26=3"],
    );
    check_everywhere(
        r#"{"Actual":[{"period":"Jan-26","value":3}],"Target":{"seriesId":6,"values":[{"name":"Jan-26","amount":4}]}}"#,
        &["Actual/Jan-26=3", "Target#6/Jan-26=4"],
    );
}

#[test]
fn columns_may_stand_apart_from_rows() {
    check_everywhere(
        r#"{"columns":["Reporting Period","Actual",{"name":"Target","id":6}],"rows":[["Jan-26",3,null]]}"#,
        &["Actual/Jan-26=3", "Target#6/Jan-26=null"],
    );
    check(r#"{"columns":["periodId","Period","Actual"],"rows":[[1,"Jan-26",3]]}"#, &["Actual/Jan-26#1=3"]);
    check(r#"{"columns":[],"rows":[{"period":"Jan-26","Actual":3}]}"#, &["Actual/Jan-26=3"]);
}

#[test]
fn of_two_values_for_one_cell_the_last_counts() {
    check(r#"[{"period":"Jan-26","Actual":1},{"period":"Jan-26","Actual":2}]"#, &["Actual/Jan-26=2"]);
}

#[test]
fn periods_of_one_name_and_two_ids_stay_apart() {
    check(
        r#"[{"period":"Q1","periodId":1,"A":1},{"period":"Q1","periodId":2,"A":2},{"period":"Q2","periodId":3,"A":3}]"#,
        &["A/Q1 (1)#1=1", "A/Q1 (2)#2=2", "A/Q2#3=3"],
    );
}

#[test]
fn what_is_beyond_a_number_is_kept_as_text() {
    check(
        r#"[{"period":"P","A":"1e999","B":"NaN","C":"1,5","D":"inf"}]"#,
        &["A/P=\"1e999\"", "B/P=\"NaN\"", "C/P=\"1,5\"", "D/P=\"inf\""],
    );
}

#[test]
fn an_empty_list_has_no_points() {
    check(r#"{"data":[],"series":[{"name":"A","values":[{"period":"P","value":1}]}]}"#, &["A/P=1"]);
    check_everywhere("[]", &[]);
    check(r#"{"columns":["Period","Actual"],"rows":[]}"#, &[]);
}

#[track_caller]
fn check_unrecognised(document: &str, keys: &[&str]) {
    assert_eq!(recognise(document).unwrap_err().keys, keys, "{document}");
}

#[test]
fn nothing_is_guessed_and_the_keys_are_told() {
    check_unrecognised("null", &[]);
    check_unrecognised("{}", &[]);
    check_unrecognised("cut", &[]);
    check_unrecognised("[1,2]", &[]);
    check_unrecognised(r#"{"b":1,"a":[{"x":1}]}"#, &["a", "b"]);
    check_unrecognised(r#"[{"seriesId":1,"name":"Actual","type":"number"}]"#, &["name", "seriesId", "type"]);
    check_unrecognised(
        r#"[{"objectId":1,"name":"M","percentComplete":5}]"#,
        &["name", "objectId", "percentComplete"],
    );
    check_unrecognised(r#"[{"period":"Jan-26","Actual":1},{"Total":1}]"#, &["Actual", "period"]);
    check_unrecognised(r#"[{"period":"Jan-26"}]"#, &["period"]);
    check_unrecognised(r#"{"columns":["Period","A"],"rows":[["Jan-26"]]}"#, &["columns", "rows"]);
    check_unrecognised(r#"{"columns":["A","B"],"rows":[[1,2]]}"#, &["columns", "rows"]);
    check_unrecognised(r#"{"Actual":{"Jan-26":1}}"#, &["Actual"]);
}
