//! Commits: what they write, what they must not, and what the change log remembers.

use super::*;

const ONE: &str =
    r#"{"objectId":1,"name":"a","scorecardId":7,"ownerId":3,"lastEdited":"2026-02-01T08:00:00Z"}"#;
const TWO: &str = r#"{"objectId":2,"name":"b","scorecardId":7}"#;
/// [`ONE`] with its keys in another order.
const ONE_SHUFFLED: &str =
    r#"{"ownerId":3, "lastEdited":"2026-02-01T08:00:00Z","name":"a","scorecardId":7,"objectId":1}"#;

const ALL: &str = "SELECT id, name, scorecard_id, owner_id, last_edited, state FROM elements ORDER BY id";
const LOG: &str = "SELECT id, operation, fields, before, after, evidence FROM changes ORDER BY sequence";

#[tokio::test(flavor = "multi_thread")]
async fn a_first_list_is_stored_with_its_columns_and_a_change_row_each() {
    let mut bench = Bench::new().await;
    let committed = bench.sync_rows(&[ONE, TWO]).await;
    assert_eq!(committed.counts, Counts { inserted: 2, requests: 1, ..Counts::default() });
    assert_eq!(bench.rows(ALL), ["1|a|7|3|2026-02-01T08:00:00Z|present", "2|b|7|-|-|present"]);
    assert_eq!(bench.rows(LOG), ["1|insert|-|-|-|-", "2|insert|-|-|-|-"]);
    assert_eq!(bench.rows("SELECT doc FROM elements ORDER BY id"), [ONE, TWO].map(reading::canonical));
    assert_eq!(bench.rows("SELECT id, scorecard_id FROM placements"), ["1|7", "2|7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_changes_nothing_writes_nothing_but_the_run_record() {
    let mut bench = Bench::new().await;
    let mut pull = bench.pull(&[ONE, TWO]);
    pull.verdicts.undecided = vec![in_question(9)];
    pull.held = Some(held(&[5], false));
    bench.sync(&pull).await;
    let before = bench.digest();
    let writes = reading::Writes::watch(&bench.store);

    let mut pull = bench.pull(&[TWO, ONE_SHUFFLED]);
    pull.verdicts.undecided = vec![in_question(9)];
    pull.held = Some(held(&[5], false));
    let committed = bench.sync(&pull).await;

    assert_eq!(committed.counts.unchanged, 2);
    assert_eq!(bench.digest(), before);
    assert_eq!(writes.tables(&bench.store), ["runs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_logs_the_fields_that_differ_with_both_values() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[ONE]).await;
    let after = r#"{"objectId":1,"name":"A \"new\" name","scorecardId":7,"lastEdited":"2026-02-02T08:00:00Z","n":null}"#;
    let committed = bench.sync_rows(&[after]).await;
    assert_eq!((committed.counts.updated, committed.unstamped), (1, 0));
    assert_eq!(
        bench.rows(LOG)[1],
        r#"1|update|["lastEdited","n","name","ownerId"]|{"lastEdited":"2026-02-01T08:00:00Z","name":"a","ownerId":3}|{"lastEdited":"2026-02-02T08:00:00Z","n":null,"name":"A \"new\" name"}|-"#
    );
    assert_eq!(bench.one("SELECT name, owner_id FROM elements"), r#"A "new" name|-"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_under_an_unmoved_stamp_is_counted_and_ends_the_trust_in_the_filter() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[ONE]).await;
    let committed = bench.sync_rows(&[&ONE.replace("\"a\"", "\"b\"")]).await;
    assert_eq!(committed.unstamped, 1);
    let memory = bench.store.memory(&city(), &bench.kind.name).await.unwrap();
    assert_eq!(memory.filter, crate::memory::Filter::Unreliable { since: bench.now });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_stamps_changes_nothing_under_one() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[TWO]).await;
    assert_eq!(bench.sync_rows(&[&TWO.replace("\"b\"", "\"c\"")]).await.unstamped, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_element_comes_back_in_the_same_row_with_its_history() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[ONE, TWO]).await;
    let mut pull = bench.pull(&[TWO]);
    pull.verdicts.removals = vec![gone(1)];
    assert_eq!(bench.sync(&pull).await.counts.removed, 1);
    assert_eq!(
        bench.one("SELECT state, reason, evidence, removed_at, doc FROM elements WHERE id = 1"),
        format!("removed|absent|GET answered 404|2026-03-01T12:02:00.000Z|{}", reading::canonical(ONE))
    );

    let committed = bench.sync_rows(&[ONE, TWO]).await;
    assert_eq!((committed.counts.restored, committed.counts.inserted), (1, 0));
    assert_eq!(
        bench.one("SELECT state, reason, removed_at, first_seen_at FROM elements WHERE id = 1"),
        "present|-|-|2026-03-01T12:01:00.000Z"
    );
    let log = bench.rows("SELECT operation, evidence FROM changes WHERE id = 1 ORDER BY sequence");
    assert_eq!(log, ["insert|-", "remove|GET answered 404", "restore|-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_written_once() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[ONE]).await;
    let mut pull = bench.pull(&[]);
    pull.verdicts.removals = vec![gone(1), gone(44)];
    assert_eq!(bench.sync(&pull).await.counts.removed, 1);
    assert_eq!(bench.sync(&pull).await.counts.removed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlisted_element_leaves_the_views_and_may_still_be_removed() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[ONE]).await;
    let mut pull = bench.pull(&[]);
    pull.verdicts.unlisted = vec![ElementId(1)];
    pull.verdicts.undecided = vec![in_question(1)];
    bench.sync(&pull).await;
    assert_eq!(bench.one("SELECT state, removed_at FROM elements"), "unlisted|-");
    let mut pull = bench.pull(&[]);
    pull.verdicts.removals = vec![gone(1)];
    bench.sync(&pull).await;
    assert_eq!(bench.rows("SELECT operation FROM changes ORDER BY sequence"), ["insert", "unlist", "remove"]);
    assert_eq!(bench.one("SELECT count(*) FROM missing"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_halfway_leaves_nothing_of_the_kind() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[ONE]).await;
    let run = bench.begin().await;
    let (before, kinds) = (bench.digest(), bench.rows("SELECT * FROM run_kinds"));
    let mut pull = bench.pull(&[ONE, TWO, r#"{"objectId":3}"#]);
    pull.snapshot.entries[2].span.offset += 1 << 30;
    let error = bench.try_commit(run, &pull).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot store the objectives of city in "), "{error}");
    assert_eq!(bench.digest(), before);
    assert_eq!(bench.rows("SELECT * FROM run_kinds"), kinds);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_volatile_is_rewritten_without_a_change_row() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"views":10}"#]).await;
    bench.kind.volatile = vec!["views".into()];
    let committed = bench.sync_rows(&[r#"{"objectId":1,"views":11}"#]).await;
    assert_eq!((committed.counts.updated, committed.counts.unchanged), (0, 1));
    assert_eq!(bench.rows(LOG).len(), 1);
    let before = bench.digest();
    bench.sync_rows(&[r#"{"objectId":1,"views":12}"#]).await;
    assert_eq!(bench.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_changes_in_most_rows_three_full_runs_running_is_found() {
    let mut bench = Bench::new().await;
    let rows = |tick: u32| -> Vec<String> {
        let row =
            |id| format!(r#"{{"objectId":{id},"seen":{},"name":"n"}}"#, if id <= 12 { tick } else { 0 });
        (1..=30).map(row).collect()
    };
    let mut found = Vec::new();
    for tick in 0..4 {
        let rows = rows(tick);
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        found.push(bench.sync_rows(&rows).await.volatile);
    }
    assert_eq!(found, [vec![], vec![], vec![], vec![("seen".to_owned(), 40)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_never_mix() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[ONE]).await;
    bench.connection = ConnectionName::parse("town").unwrap();
    bench.sync_rows(&[&ONE.replace("\"a\"", "\"z\"")]).await;
    assert_eq!(
        bench.rows("SELECT connection, id, name FROM objectives ORDER BY 1"),
        ["city|1|a", "town|1|z"]
    );
    let mut pull = bench.pull(&[]);
    pull.verdicts.removals = vec![gone(1)];
    bench.sync(&pull).await;
    assert_eq!(bench.rows("SELECT connection, id, name FROM objectives ORDER BY 1"), ["city|1|a"]);
}

fn held(ids: &[i64], is_released: bool) -> Held {
    let digest = format!("{ids:?}");
    Held { digest, ids: ids.iter().copied().map(ElementId).collect(), since: noon(), is_released }
}
