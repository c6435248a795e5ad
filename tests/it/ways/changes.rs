//! `changes`: a reader that goes on where it left off misses nothing, or is told that it did.

use clearpoint_sync::simulator::{Size, World};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{lines, must};
use crate::harness::Bench;

/// A synced account in which a measure was renamed since and a risk deleted.
async fn bench(seed: u64) -> (Bench, i64, i64) {
    let bench = Bench::new(World::generate(seed, &Size::small())).await;
    bench.sync_full().await;
    let (renamed, gone) = {
        let mut world = bench.simulator.world();
        let (renamed, gone) = (world.ids("measures")[3], world.ids("risks")[1]);
        world.edit("measures", renamed, "name", json!("Renamed \u{1b}[31mred"));
        world.delete("risks", gone);
        (renamed, gone)
    };
    bench.sync_full().await;
    (bench, renamed, gone)
}

fn sequence(line: &Value) -> i64 {
    line["sequence"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_on_with_the_last_sequence_reads_every_change_once() {
    let (bench, renamed, gone) = bench(321).await;
    let (mut read, mut last) = (Vec::new(), "0".to_owned());
    loop {
        let some = lines(&must(&bench, &["changes", "--json", "--since", &last, "--limit", "97"]).await);
        let Some(line) = some.last() else { break };
        last = sequence(line).to_string();
        read.extend(some);
    }
    let kept = bench.sql("SELECT sequence FROM changes ORDER BY sequence");
    assert_eq!(read.iter().map(|line| sequence(line).to_string()).collect::<Vec<_>>(), kept);
    let update = read.iter().find(|line| line["operation"] == "update" && line["id"] == renamed).unwrap();
    assert!(update["before"]["name"].is_string());
    assert_eq!(update["after"]["name"], "Renamed \u{1b}[31mred");
    assert_eq!(
        (&update["kind"], &update["part"], &update["run"]),
        (&json!("measures"), &json!("doc"), &json!(2))
    );
    assert!(update["fields"].as_array().unwrap().contains(&json!("name")));
    let removal = read.iter().find(|line| line["operation"] == "remove").unwrap();
    assert_eq!(removal["id"], gone);
    assert!(removal["evidence"].as_str().unwrap().contains("404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_chosen_by_time_kind_and_connection() {
    let (bench, renamed, _) = bench(322).await;
    let all = lines(&must(&bench, &["changes", "--json"]).await);
    assert_eq!(all.len().to_string(), bench.sql("SELECT count(*) FROM changes")[0], "the last day is all");
    let of_risks =
        lines(&must(&bench, &["changes", "--json", "--kind", "risks", "--connection", "city"]).await);
    assert!(!of_risks.is_empty() && of_risks.iter().all(|line| line["kind"] == "risks"));
    assert_eq!(must(&bench, &["changes", "--json", "--since", "2099-01-01"]).await.stdout, "");
    let ran = bench.run(&["changes", "--kind", "risk"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["\"risk\"", "risks"]);
    bench.run(&["changes", "--since", "yesterday"]).await.assert_code(&[2]);

    let table = must(&bench, &["changes", "--since", "1h", "--limit", "20"]).await;
    assert!(!table.stdout.contains('\u{1b}'), "{table}");
    table.assert_names(&[&renamed.to_string(), "update", "name"]);
    table.assert_names(&["the newest 20", "--limit"]);
    assert_eq!(table.stdout.lines().count(), 21);
    must(&bench, &["changes", "--since", "500d"]).await.assert_names(&["no longer kept (history.keep)"]);
    let quiet = must(&bench, &["changes", "--since", "2099-01-01T00:00:00Z"]).await;
    assert_eq!(quiet.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_what_it_missed() {
    let (bench, ..) = bench(323).await;
    let last = bench.number("SELECT max(sequence) FROM changes");
    let prune = format!("DELETE FROM changes WHERE sequence <= {}", last - 2);
    Connection::open(bench.file("clearpoint.db")).unwrap().execute_batch(&prune).unwrap();
    let missed = bench.run(&["changes", "--json", "--since", "7"]).await;
    missed.assert_code(&[4]);
    missed.assert_names(&["changes 8 to", &(last - 2).to_string(), "no longer kept"]);
    assert_eq!(lines(&missed).len(), 2, "what is kept is printed all the same");
    for since in [0, last - 2, last - 1, last] {
        must(&bench, &["changes", "--json", "--since", &since.to_string()]).await;
    }
    let ahead = bench.run(&["changes", "--json", "--since", &(last + 1).to_string()]).await;
    ahead.assert_code(&[2]);
    ahead.assert_names(&["restored from a backup", "--since 0"]);
    assert_eq!(ahead.stdout, "");
}
