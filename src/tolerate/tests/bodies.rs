//! Rows read where a body holds them are the rows that are found first and read then.

use super::*;

/// A body told in full: its rows as the store would have them.
pub(super) fn told<'a, R: std::fmt::Debug>(
    body: Body<R>,
    read: impl Fn(R) -> Result<Row<'a>, Rejected>,
) -> String {
    match body {
        Body::List(List { rows, list_at, total, page_count }) => {
            let rows: Vec<_> = rows.into_iter().map(read).collect();
            format!("{rows:?} {list_at:?} {total:?} {page_count:?}")
        }
        other => format!("{other:?}"),
    }
}

/// What both ways tell of a body: found first, and read on the way.
fn both(text: &str, kind: &Kind, list_at: Option<&[String]>) -> [String; 2] {
    let found = body(text, "measures", list_at);
    let read = body_of_rows(text, kind, list_at, "objectId");
    [told(found, |text| row(text, kind, "objectId")), told(read, |row| row)]
}

fn nested(depth: usize) -> String {
    format!(r#"{{"objectId":5,"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
}

/// Rows of all sorts.
pub(super) fn rows() -> impl Strategy<Value = String> {
    let odd = [
        r#"{"objectId":1,"scorecardId":"7","lastEdited":"2026-03-01","name":"\u00e9"}"#,
        r#"{ "objectId" : "2" , "lastEdited" : 17 , "state" : {"a":1,"b":[]} }"#,
        r#"{"objectId":3,"\u006fbjectId":4,"x":{"a":1,"a":2},"lastEdited":"a\nb"}"#,
        r#"{"objectId":6,"x":[1e400,12345678901234567890,-0.50]}"#,
        r#"{"objectId":7,"link":"https://h/p?token=1"}"#,
        r#"{"name":"no id"}"#,
        r#"{"objectId":1.5}"#,
        "{}",
        "[{}]",
        "null",
        "\"{\"",
        "-1e5",
    ];
    let odd = prop::sample::select(odd.to_vec()).prop_map(str::to_owned);
    let row = prop_oneof![
        8 => odd,
        1 => (97..103_usize).prop_map(nested),
        1 => json().prop_map(|value| value.to_string()),
    ];
    let rows = prop::collection::vec(row, 0..5);
    (rows, prop::sample::select(vec![",", " , ", "\n,"]))
        .prop_map(|(rows, comma)| format!("[{}]", rows.join(comma)))
}

/// Bodies, each with what may stand in an envelope in any order and more than once.
fn bodies() -> impl Strategy<Value = String> {
    let fields = || {
        let others = [
            r#""totalCount":7"#,
            r#""page":{"total":"8","pageCount":2}"#,
            r#""measures":null"#,
            r#""error":null"#,
            r#""error":"no""#,
            r#""status":500"#,
        ];
        let list = prop::sample::select(vec!["measures", "m\\u0065asures", "data", "links"]);
        let field = prop_oneof![
            3 => (list, rows()).prop_map(|(name, rows)| format!("\"{name}\":{rows}")),
            2 => prop::sample::select(others.to_vec()).prop_map(str::to_owned),
        ];
        prop::collection::vec(field, 0..5).prop_map(|fields| fields.join(", "))
    };
    prop_oneof![
        1 => rows(),
        3 => fields().prop_map(|fields| format!(" {{{fields}}}\n")),
        2 => (fields(), fields()).prop_map(|(inner, outer)| {
            let comma = if outer.is_empty() { "" } else { "," };
            format!(r#"{{"data":{{{inner}}}{comma}{outer}}}"#)
        }),
    ]
}

proptest! {
    #[test]
    fn rows_are_the_same_whether_found_first_or_read_on_the_way(
        text in bodies(), at in 0..4_usize, signed in any::<bool>(),
    ) {
        let ways = [&[][..], &["measures"], &["data"], &["data", "measures"]];
        let way: Vec<String> = ways[at].iter().map(ToString::to_string).collect();
        let mut kind = kind("measures");
        kind.signed_links = signed;
        kind.volatile = vec!["state".into()];
        for list_at in [None, Some(&way[..])] {
            let [found, read] = both(&text, &kind, list_at);
            prop_assert_eq!(found, read);
        }
    }

    #[test]
    fn a_damaged_body_is_the_same_whether_found_first_or_read_on_the_way(
        text in bodies(), at in any::<prop::sample::Index>(), put in r#"[\[\]{}",:\\0-9 \-.e\x00-\x1f]{0,2}"#, taken in 0..3_usize,
    ) {
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..(at + taken).min(characters.len()), put.chars());
        let text = String::from_iter(characters);
        let way = ["measures".to_owned()];
        for list_at in [None, Some(&way[..])] {
            let [found, read] = both(&text, &kind("measures"), list_at);
            prop_assert_eq!(found, read);
        }
    }
}

#[test]
fn a_row_too_deep_or_too_large_is_rejected_alone() {
    let large = format!(r#"{{"objectId":1,"x":"{}"}}"#, "x".repeat(DOCUMENT_BYTES_MAX));
    let deep = nested(50_000);
    let text = format!(r#"{{"measures":[{{"objectId":2}},{large},{deep},{{"objectId":3}}],"total":4}}"#);
    let kind = kind("measures");
    let Body::List(list) = body_of_rows(&text, &kind, None, "objectId") else { panic!("a list") };
    let told = list.rows.into_iter().map(|row| row.map(|row| row.id.0).map_err(|rejected| rejected.reason));
    let reasons = ["larger than 4 MB", "nested deeper than 100"].map(|reason| Err(reason.to_owned()));
    let [large, deep] = reasons;
    assert_eq!(told.collect::<Vec<_>>(), [Ok(2), large, deep, Ok(3)]);
    assert_eq!(list.total, Some(4));
    let [found, read] = both(&text, &kind, None);
    assert!(found == read);
    // What is wrong behind a row that is too deep is not passed over with it.
    let cut = &text[..text.len() - 1];
    assert!(matches!(body_of_rows(cut, &kind, None, "objectId"), Body::NotJson(_)));
}
