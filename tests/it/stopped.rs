//! What is stopped in its middle, by its store or by whoever asks: the record says so.

use std::fs::DirEntry;

use clearpoint_sync::simulator::{ApiKey, Size, World};
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::Setup;
use crate::patience::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_store_stops_is_recorded_as_failed_with_the_reason() {
    let bench = Setup::of(World::generate(312, &Size::small())).start().await;
    bench.sync_full().await;
    bench.look.change(
        "CREATE TRIGGER no_measures BEFORE UPDATE ON elements WHEN NEW.kind = 'measures'
         BEGIN SELECT RAISE(ABORT, 'no more measures'); END",
    );
    let measure = bench.simulator.world().ids("measures")[0];
    bench.simulator.world().edit("measures", measure, "name", "Renamed".into());
    bench.run(&["sync", "--full"]).await.assert_code(&[1]);
    let last = "SELECT count(*) FROM runs WHERE id = (SELECT max(id) FROM runs) AND outcome = 'failed'
                AND finished_at IS NOT NULL AND reason LIKE '%store the measures of city%' AND requests > 0";
    assert_eq!(bench.number(last), 1);
    bench.look.change("DROP TRIGGER no_measures");
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_asked_to_stop_begins_with_no_other_connection_and_fails_none() {
    let mut world = World::generate(313, &Size::small());
    let (access, secret) = ("town-access".to_owned(), "town-secret".to_owned());
    world.add_key(ApiKey { access, secret, expires: None, user: World::USER.into() });
    let bench = Setup::of(world).start().await;
    bench.write_secret("town-access", "town-access");
    bench.write_secret("town-secret", "town-secret");
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let url = bench.simulator.base_url();
    let town = format!(
        "[connections.town]\nbase_url = \"{url}\"\n[connections.town.key]\nname = \"Key\"\n\
         expires = 2099-12-31\naccess_key = {{ file = \"town-access\" }}\n\
         secret_key = {{ file = \"town-secret\" }}\n"
    );
    std::fs::write(bench.file("config.toml"), config + &town).unwrap();
    let sync = bench.start_held(&["--json", "sync"]).await;
    let ran = sync.stop().await;
    ran.assert_code(&[4]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&told[1]["connection"], &told[1]["run"]), (&"town".into(), &Value::Null), "{ran}");
    assert_eq!(ran.stderr.matches("ERROR").count(), 0, "{ran}");
    assert_eq!(bench.sql("SELECT connection FROM runs"), ["city"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_hears_a_stop_while_it_waits_for_its_store() {
    let bench = Setup::of(World::generate(314, &Size::small())).start().await;
    bench.sync_full().await;
    let other = Connection::open(bench.file("clearpoint.db")).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let sync = bench.start(&["sync"]);
    let files = format!("/proc/{}/fd", sync.pid);
    let is_store = |file: DirEntry| file.path().read_link().is_ok_and(|to| to.ends_with("clearpoint.db"));
    let is_at_it = async || std::fs::read_dir(&files).unwrap().flatten().any(is_store);
    until("it opens its store", is_at_it).await;
    sync.stop().await.assert_code(&[4]);
}
