//! Views: what they show, how columns are named, and that none is ever lost or moved.

use super::*;
use crate::store::Read;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_the_catalogue_has_a_view_from_the_start() {
    let bench = Bench::new().await;
    for kind in kind::catalogue() {
        assert_eq!(bench.one(&format!("SELECT count(*) FROM {}", kind.name)), "0");
    }
    for view in ["measure_series", "key_expiry", "last_runs", "freshness"] {
        assert_eq!(bench.one(&format!("SELECT count(*) FROM {view}")), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_shows_typed_columns_of_present_elements() {
    let mut bench = Bench::new().await;
    bench
        .sync_rows(&[
            r#"{"objectId":1,"name":"a","scorecardId":"7","completed":true,"favorite":"false","ownerId":"x"}"#,
            r#"{"objectId":"2","name":"b","scorecardId":7,"completed":0,"favorite":null,"ownerId":3.0}"#,
            r#"{"objectId":3,"name":"c","scorecardId":{"id":7},"completed":[],"ownerId":"007"}"#,
        ])
        .await;
    let query = "SELECT connection, id, name, scorecard_id, owner_id, completed, favorite FROM objectives";
    assert_eq!(bench.rows(query), ["city|1|a|7|-|1|0", "city|2|b|7|3|0|-", "city|3|c|-|-|-|-"]);
    let mut pull = bench.pull(&[]);
    pull.verdicts.removals = vec![gone(1), gone(2)];
    bench.sync(&pull).await;
    assert_eq!(bench.rows("SELECT id FROM objectives"), ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_keeps_its_columns_in_order_as_fields_come_and_go() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"zebra":1,"apple":true}"#]).await;
    let before = bench.columns("objectives");
    assert_eq!(before[..5], ["connection", "id", "name", "first_seen_at", "changed_at"]);
    assert_eq!(before[before.len() - 2..], ["apple", "zebra"]);
    bench.sync_rows(&[r#"{"objectId":1,"Apple":"2","mango":[1]}"#]).await;
    let after = bench.columns("objectives");
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], ["apple_2", "mango"]);
    assert_eq!(bench.one("SELECT apple, zebra, apple_2, mango FROM objectives"), "-|-|2|[1]");
    let reopened = bench.another().await;
    reopened.refresh_views().await.unwrap();
    assert_eq!(bench.columns("objectives"), after);
    assert_eq!(bench.one("SELECT column_name FROM fields WHERE field = 'Apple'"), "apple_2");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_field_of_two_connections_is_one_column() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"tier":"gold"}"#]).await;
    bench.connection = ConnectionName::parse("town").unwrap();
    bench.sync_rows(&[r#"{"objectId":1,"tier":2}"#]).await;
    assert_eq!(bench.rows("SELECT connection, tier FROM objectives"), ["city|gold", "town|2"]);
    assert_eq!(bench.rows("SELECT column_name FROM fields WHERE field = 'tier'"), ["tier", "tier"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_another_connection_has_waits_for_no_view() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"name":"a","tier":"gold"}"#]).await;
    bench.connection = ConnectionName::parse("town").unwrap();
    let pull = bench.pull(&[r#"{"objectId":1,"name":"a","tier":2,"extra":3}"#]);
    bench.try_commit(bench.begin().await, &pull).await.unwrap();
    let waiting = "SELECT field FROM fields WHERE column_name IS NULL";
    assert_eq!(bench.rows(waiting), ["extra"]);
    assert_eq!(bench.rows("SELECT column_name FROM fields WHERE field = 'tier'"), ["tier", "tier"]);
}

/// A list's field is read from `doc` alone, until some connection has it from single reads only.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_the_lists_is_shown_from_single_reads_too_once_one_connection_has_it_there() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"tier":"gold"}"#]).await;
    for name in ["town", "village"] {
        bench.connection = ConnectionName::parse(name).unwrap();
        bench.sync_rows(&[r#"{"objectId":1}"#]).await;
        let read = Read { id: ElementId(1), document: Some(r#"{"objectId":1,"tier":"lead"}"#.into()) };
        let run = bench.begin().await;
        let store = bench.store.clone();
        store.commit_details(run, &bench.connection, &bench.kind, &[read], bench.now).await.unwrap();
        store.refresh_views_of(&bench.connection).await.unwrap();
    }
    assert_eq!(
        bench.rows("SELECT connection, tier FROM objectives"),
        ["city|gold", "town|lead", "village|lead"]
    );
    assert_eq!(bench.rows("SELECT column_name FROM fields WHERE field = 'tier'"), ["tier", "tier", "tier"]);
    let before = bench.digest();
    bench.another().await;
    assert_eq!(bench.digest(), before, "the start finds every view as the runs left it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_mends_the_views_of_its_kinds_and_a_start_those_of_all() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"name":"a"}"#]).await;
    bench.meddle("DROP VIEW objectives; DROP VIEW risks; DROP VIEW last_runs");
    bench.store.refresh_views_of(&bench.connection).await.unwrap();
    assert_eq!(bench.one("SELECT name FROM objectives"), "a");
    assert_eq!(bench.one("SELECT connection FROM last_runs"), "city");
    bench.another().await;
    assert_eq!(bench.one("SELECT count(*) FROM risks"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_are_shown_under_lawful_names() {
    let mut bench = Bench::new().await;
    let document = r#"{"objectId":1,"":"empty","q\"uote":"quote","back\\slash":"back","it's":"apostrophe",
        "a.b[0]":"path","tab\there":"tab","Owner":"upper","owner":"lower","caf\u00e9":"escaped","größe":"plain",
        "$":"dollar","$.\"x\"":"trick","connection":"theirs","select":"word","é":true,"n":1.5}"#;
    bench.sync_rows(&[document]).await;
    let shown: BTreeMap<String, String> = bench
        .rows("SELECT column_name || '=' || field FROM fields")
        .iter()
        .filter_map(|line| line.split_once('=').map(|(column, field)| (field.into(), column.into())))
        .collect();
    let check = |field: &str, expected: &str| {
        let column = &shown[field];
        assert_eq!(
            bench.one(&format!("SELECT \"{column}\" FROM objectives")),
            expected,
            "{field:?} in {column}"
        );
    };
    for (field, expected) in [
        ("", "empty"),
        ("q\"uote", "quote"),
        ("back\\slash", "back"),
        ("it's", "apostrophe"),
        ("a.b[0]", "path"),
        ("tab\there", "tab"),
        ("Owner", "upper"),
        ("owner", "lower"),
        ("café", "escaped"),
        ("größe", "plain"),
        ("$", "dollar"),
        ("$.\"x\"", "trick"),
        ("connection", "theirs"),
        ("select", "word"),
        ("é", "true"),
        ("n", "1.5"),
    ] {
        check(field, expected);
    }
    assert_eq!(shown["connection"], "connection_2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_has_at_most_400_columns_of_fields_and_the_rest_stays_in_the_document() {
    let mut bench = Bench::new().await;
    let fields: Vec<String> = (0..1500).map(|n| format!(r#""f{n:04}":{n}"#)).collect();
    bench.sync_rows(&[&format!(r#"{{"objectId":1,{}}}"#, fields.join(","))]).await;
    assert_eq!(bench.columns("objectives").len(), 405);
    assert_eq!(bench.one("SELECT f0100 FROM objectives"), "100");
    assert_eq!(bench.one("SELECT count(*) FROM fields"), "1000");
    let before = bench.digest();
    bench.store.refresh_views().await.unwrap();
    assert_eq!(bench.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_the_catalogue_does_not_know_gets_a_view_too() {
    let mut bench = Bench::new().await;
    bench.kind.name = kind::KindName::new("milestones");
    bench.sync_rows(&[r#"{"objectId":1,"name":"m","due":"2026-04-01"}"#]).await;
    assert_eq!(bench.one("SELECT id, name, due FROM milestones"), "1|m|2026-04-01");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_may_be_named_like_what_the_store_has() {
    let bench = Bench::new().await;
    let known: Vec<String> = kind::catalogue().into_iter().map(|kind| kind.name.to_string()).collect();
    for name in reading::names(&bench.store, &["table", "view"]) {
        let text = format!("[kinds.{name}]\npath = \"/x\"");
        let problems = crate::config::Config::parse(&text, bench.dir.path()).unwrap_err().to_string();
        assert!(known.contains(&name) || problems.contains("the store uses itself"), "{name}: {problems}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_runs_shows_the_newest_run_of_each_connection() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1}"#]).await;
    bench.sync_rows(&[r#"{"objectId":1}"#]).await;
    assert_eq!(
        bench.one("SELECT connection, run, outcome, inserted, unchanged FROM last_runs"),
        "city|2|ok|0|1"
    );
    let changes = bench.store.changes(RunId(1), 10).await.unwrap();
    assert_eq!((changes.len(), changes[0].id, changes[0].part.as_str()), (1, ElementId(1), "doc"));
}
