//! The copy of the store for readers follows the store, and its failure costs nothing but the copy.

use std::fs;
use std::time::{Duration, SystemTime};

use clearpoint_sync::simulator::{Size, World};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::harness::Bench;

/// A bench whose store is published to `readers/copy.db`.
async fn bench(seed: u64) -> Bench {
    let bench = Bench::new(World::generate(seed, &Size::small())).await;
    let config = fs::read_to_string(bench.file("config.toml")).unwrap();
    let store = "path = \"clearpoint.db\"";
    let published = format!("{store}\npublish = \"readers/copy.db\"");
    fs::write(bench.file("config.toml"), config.replace(store, &published)).unwrap();
    fs::create_dir(bench.file("readers")).unwrap();
    bench
}

fn measure_names(bench: &Bench) -> Vec<String> {
    let copy = bench.file("readers/copy.db");
    let sql = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = sql.prepare("SELECT name FROM measures ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn made_at(bench: &Bench) -> SystemTime {
    fs::metadata(bench.file("readers/copy.db")).unwrap().modified().unwrap()
}

/// Lets an hour go by since the copy was made.
fn let_an_hour_pass(bench: &Bench) {
    let copy = fs::File::open(bench.file("readers/copy.db")).unwrap();
    copy.set_modified(made_at(bench) - Duration::from_secs(3601)).unwrap();
}

fn rename_a_measure(bench: &Bench, name: &str) {
    let mut world = bench.simulator.world();
    let first = world.ids("measures")[0];
    world.edit("measures", first, "name", json!(name));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_after_changes_and_at_most_every_hour() {
    let bench = bench(181).await;
    assert_eq!(bench.sync_full().await.said("store_published"), 1);
    assert_eq!(measure_names(&bench), bench.sql("SELECT name FROM measures ORDER BY id"));

    rename_a_measure(&bench, "Renamed at once");
    assert_eq!(bench.sync_full().await.said("store_published"), 0, "too soon");
    let_an_hour_pass(&bench);
    assert_eq!(bench.sync_full().await.said("store_published"), 1);
    assert_eq!(measure_names(&bench)[0], "Renamed at once");

    let_an_hour_pass(&bench);
    let before = made_at(&bench);
    assert_eq!(bench.sync_full().await.said("store_published"), 0, "nothing changed");
    assert_eq!(made_at(&bench), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_cannot_be_made_costs_nothing_but_the_copy() {
    let bench = bench(182).await;
    bench.sync_full().await;
    let before = measure_names(&bench);
    rename_a_measure(&bench, "Renamed meanwhile");
    let_an_hour_pass(&bench);
    fs::create_dir_all(bench.file("readers/.copy.db.draft/in-the-way")).unwrap();
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[4]);
    assert_eq!(ran.said("publish_failed"), 1);
    assert_eq!(measure_names(&bench), before);
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_that_a_copy_has_no_folder_to_lie_in() {
    let bench = bench(184).await;
    bench.run(&["check"]).await.assert_code(&[0]);
    fs::remove_dir(bench.file("readers")).unwrap();
    let ran = bench.run(&["check"]).await;
    ran.assert_code(&[2]);
    assert!(ran.stdout.contains("copy.db: cannot be made"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_publishes_too() {
    let bench = bench(183).await;
    bench.sync_full().await;
    fs::remove_file(bench.file("readers/copy.db")).unwrap();
    let mut daemon = bench.start(&["run"]);
    daemon.says("store_published").await;
    daemon.stop().await.assert_code(&[0]);
    assert_eq!(measure_names(&bench), bench.sql("SELECT name FROM measures ORDER BY id"));
}

/// Who has no backup has the copy. It lacks what readers need not know, and nothing of what was stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_the_place_of_a_lost_store_goes_on_where_it_stood() {
    let bench = bench(186).await;
    bench.sync_full().await;
    bench.sync_full().await;
    let seen = "SELECT kind, id, state, first_seen_at FROM elements ORDER BY kind, id";
    let changes = "SELECT count(*) FROM changes";
    let (elements, changed) = (bench.sql(seen), bench.number(changes));
    let_an_hour_pass(&bench);
    fs::copy(bench.file("readers/copy.db"), bench.file("clearpoint.db")).unwrap();
    rename_a_measure(&bench, "Renamed after the loss");
    let ran = bench.sync_full().await;
    assert_eq!(ran.told("outcome").as_deref(), Some("ok"), "{ran}");
    bench.assert_mirrors();
    assert_eq!(bench.sql(seen), elements, "nothing is new, gone or restored");
    assert_eq!(bench.number(changes), changed + 1);
}
