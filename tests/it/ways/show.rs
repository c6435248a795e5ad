//! `show`: one element, with all that is known of it.

use clearpoint_sync::simulator::{Size, World};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::must;
use crate::harness::Bench;

async fn bench(seed: u64) -> (Bench, i64) {
    let bench = Bench::new(World::generate(seed, &Size::small())).await;
    bench.sync_full().await;
    let id = bench.simulator.world().ids("measures")[0];
    (bench, id)
}

fn one(stdout: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(stdout).unwrap();
    assert_eq!(all.len(), 1);
    all.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_is_shown_with_its_values_and_its_history() {
    let (bench, id) = bench(341).await;
    bench.simulator.world().edit("measures", id, "name", json!("Renamed \u{1b}]0;title\u{7}"));
    bench.sync_full().await;
    let id = id.to_string();
    let ran = must(&bench, &["show", "measures", &id]).await;
    assert!(!ran.stdout.contains(['\u{1b}', '\u{7}']), "{ran}");
    ran.assert_names(&["measures", &id, "of city: renamed"]);
    ran.assert_names(&["\"objectid\":", &id]);
    let period =
        bench.sql(&format!("SELECT period FROM measure_values WHERE measure_id = {id} LIMIT 1"))[0].clone();
    ran.assert_names(&[&period]);
    ran.assert_names(&["name:", "→", "renamed"]);
    let placed =
        bench.sql(&format!("SELECT scorecard_id FROM placements WHERE kind = 'measures' AND id = {id}"));
    ran.assert_names(&["scorecards:", &placed[0]]);
    let owner = bench.sql(&format!("SELECT owner_id FROM elements WHERE kind = 'measures' AND id = {id}"));
    ran.assert_names(&["owner:", &owner[0]]);

    let shown = one(&must(&bench, &["show", "measures", &id, "--json"]).await.stdout);
    let doc = &bench.visible("measures")[&id.parse().unwrap()];
    assert_eq!(&shown["doc"], doc);
    assert!(shown["placements"][0]["scorecard"].is_string());
    assert!(!shown["values"].as_array().unwrap().is_empty());
    let last = shown["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(last["after"]["name"], doc["name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_says_why() {
    let (bench, _) = bench(342).await;
    let gone = bench.simulator.world().ids("risks")[0];
    bench.simulator.world().delete("risks", gone);
    bench.sync_full().await;
    let ran = must(&bench, &["show", "risks", &gone.to_string()]).await;
    ran.assert_names(&["removed: absent", "404", "since 20"]);
    ran.assert_names(&["remove", "404"]);
    assert!(!ran.stdout.contains("\nvalues\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_several_connections_have_is_shown_of_each() {
    let (bench, id) = bench(343).await;
    let columns = "kind, id, name, fingerprint, state, first_seen_at, changed_at, changed_run, doc";
    let copy = format!(
        "INSERT INTO connections (name) VALUES ('town');
         INSERT INTO elements (connection, {columns}) SELECT 'town', {columns} FROM elements WHERE id = {id}"
    );
    Connection::open(bench.file("clearpoint.db")).unwrap().execute_batch(&copy).unwrap();
    let id = id.to_string();
    let both: Vec<Value> =
        serde_json::from_str(&must(&bench, &["show", "measures", &id, "--json"]).await.stdout).unwrap();
    let names: Vec<&str> = both.iter().map(|shown| shown["connection"].as_str().unwrap()).collect();
    assert_eq!(names, ["city", "town"]);
    let ran = must(&bench, &["show", "measures", &id, "--connection", "town", "--json"]).await;
    assert_eq!(one(&ran.stdout)["connection"], "town");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_with_what_to_do() {
    let (bench, _) = bench(344).await;
    for (arguments, words) in [
        (&["show", "measures", "1"][..], &["no measures 1", "export measures"][..]),
        (&["show", "mesures", "1"], &["\"mesures\"", "measures"]),
        (&["show", "measures", "1", "--connection", "town"], &["\"town\"", "city"]),
        (&["show", "measures", "x"], &["invalid value", "x"]),
    ] {
        let ran = bench.run(arguments).await;
        ran.assert_code(&[2]);
        ran.assert_names(words);
    }
}
