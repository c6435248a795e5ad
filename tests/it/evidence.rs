//! A removal needs evidence, keeps the row, and can be undone.

use clearpoint_sync::simulator::{Fault, Size, What, World};

use super::harness::{Bench, Setup};

async fn bench() -> Bench {
    let world = World::generate(41, &Size::small());
    let bench = Setup { removals_max: "100%", ..Setup::of(world) }.start().await;
    bench.sync_full().await;
    bench
}

fn risk(bench: &Bench) -> i64 {
    bench.simulator.world().ids("risks")[3]
}

#[track_caller]
fn check_row(bench: &Bench, id: i64, expected: &str) {
    let row = bench.sql(&format!(
        "SELECT state, reason FROM elements WHERE kind = 'risks' AND id = {id} AND CAST(doc AS text) LIKE '{{%'"
    ));
    assert_eq!(row, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_element_is_absent_because_a_direct_read_answers_404() {
    let bench = bench().await;
    let id = risk(&bench);
    bench.simulator.world().delete("risks", id);
    bench.sync_full().await;
    check_row(&bench, id, "removed|absent");
    let evidence = bench.sql(&format!("SELECT evidence FROM elements WHERE kind = 'risks' AND id = {id}"));
    assert!(evidence[0].contains("404"), "{evidence:?}");
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_a_rule_hides_is_hidden_because_a_direct_read_answers_403() {
    let bench = bench().await;
    let id = risk(&bench);
    bench.simulator.world().hide(World::USER, "risks", id);
    bench.sync_full().await;
    check_row(&bench, id, "removed|hidden");
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lives_only_in_an_unticked_scorecard_is_hidden_without_a_read() {
    let bench = bench().await;
    let scorecard = bench.simulator.world().ids("scorecards")[1];
    bench.simulator.world().untick(World::USER, scorecard);
    bench.simulator.clear_log();
    bench.sync_full().await;
    bench.assert_mirrors();
    assert!(bench.removed("risks").values().all(|reason| reason == "hidden"));
    let mut log = bench.simulator.log().into_iter();
    let read_singly = log.find(|request| request.path.starts_with("/risks/") && request.status != 200);
    assert_eq!(read_singly, None, "the scorecards alone prove it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_element_is_the_same_row_with_its_history() {
    let bench = bench().await;
    let id = risk(&bench);
    let first_seen = |bench: &Bench| {
        bench.sql(&format!("SELECT first_seen_at FROM elements WHERE id = {id} AND kind = 'risks'"))
    };
    let before = first_seen(&bench);
    bench.simulator.world().delete("risks", id);
    bench.sync_full().await;
    bench.simulator.world().restore("risks", id);
    bench.sync_full().await;
    assert_eq!(first_seen(&bench), before);
    let history = format!(
        "SELECT operation FROM changes WHERE kind = 'risks' AND id = {id} AND part = 'doc' ORDER BY sequence"
    );
    assert_eq!(bench.sql(&history), ["insert", "remove", "restore"]);
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_one_change_row_with_what_was_there_before() {
    let bench = bench().await;
    let id = risk(&bench);
    let before = bench.stored("risks")[&id]["name"].clone();
    bench.simulator.world().edit("risks", id, "name", "Flood".into());
    bench.sync_full().await;
    let change = "SELECT kind, id, operation, before, after FROM changes WHERE operation = 'update'";
    let changes = bench.sql(change);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].starts_with(&format!("risks|{id}|update|")), "{changes:?}");
    assert!(changes[0].contains(before.as_str().unwrap()) && changes[0].contains("Flood"), "{changes:?}");
}

/// A server that answers 404 to everything proves nothing: the canary is not there either.
#[tokio::test(flavor = "multi_thread")]
async fn a_404_counts_only_while_a_listed_element_answers_200() {
    let bench = bench().await;
    let id = risk(&bench);
    bench.simulator.world().delete("risks", id);
    bench.simulator.fault(Fault::under("/risks/", What::Status(404)));
    bench.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    check_row(&bench, id, "present|-");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_sync_removes_nothing() {
    let bench = bench().await;
    bench.sync_full().await;
    // Not the newest: that one must come back, and a full pull follows when it does not.
    let oldest = "SELECT id FROM elements WHERE kind = 'risks' ORDER BY last_edited LIMIT 1";
    let id = bench.number(oldest);
    bench.simulator.world().delete("risks", id);
    bench.simulator.clear_log();
    bench.run(&["sync", "--incremental"]).await.assert_code(&[0]);
    let log = bench.simulator.log();
    let has_filter = log.iter().any(|asked| asked.path == "/risks" && asked.query.contains("lastEdited"));
    assert!(has_filter, "{log:?}");
    assert_eq!(bench.removed("risks").len(), 0);
}
