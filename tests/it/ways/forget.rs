//! `forget`: gone is what was named, after a person said so, and nothing else.

use std::fs;
use std::process::Command;

use clearpoint_sync::simulator::{Size, World};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::must;
use crate::harness::Bench;
use crate::terminal::typed_on_a_terminal;

/// A name that stands nowhere but in the element.
const SECRET: &str = "Jane Roe, 12 Elm Street";

/// A synced account with a user named [`SECRET`], and the user's id.
async fn bench(seed: u64) -> (Bench, i64) {
    let bench = Bench::new(World::generate(seed, &Size::small())).await;
    let id = bench.simulator.world().ids("users")[1];
    bench.simulator.world().edit("users", id, "fullName", json!(SECRET));
    bench.sync_full().await;
    bench.simulator.world().edit("users", id, "title", json!("Planner"));
    bench.sync_full().await;
    (bench, id)
}

/// Whether the name stands in any of the store's files.
fn files_hold_the_secret(bench: &Bench) -> bool {
    let files = fs::read_dir(bench.file(".")).unwrap().map(|entry| entry.unwrap().path());
    let of_store =
        files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("clearpoint.db"));
    let mut bytes = of_store.map(|path| fs::read(path).unwrap());
    bytes.any(|bytes| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_is_gone_from_the_files_and_comes_back_as_new_where_it_is_still_seen() {
    let (bench, id) = bench(361).await;
    assert!(files_hold_the_secret(&bench));
    let users = bench.number("SELECT count(*) FROM users");
    let user = id.to_string();
    let ran = must(&bench, &["forget", "city", "users", &user, "--yes"]).await;
    assert!(!files_hold_the_secret(&bench), "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM users"), users - 1);
    ran.assert_names(&["users", &user, "comes back", "connections.city.kinds"]);
    ran.assert_names(&["backups"]);
    assert_eq!((ran.said("forgotten"), ran.told("elements").as_deref()), (1, Some("1")));
    assert!(!ran.text().contains("Jane"), "no names: {ran}");
    bench.run(&["show", "users", &user]).await.assert_code(&[2]);

    bench.sync_full().await;
    bench.assert_mirrors();
    let history = bench.sql(&format!("SELECT operation FROM changes WHERE kind = 'users' AND id = {id}"));
    assert_eq!(history, ["insert"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_unless_a_person_says_so() {
    let (bench, _) = bench(362).await;
    let before = bench.digest();
    let ran = bench.run(&["forget", "city", "users"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["nothing was forgotten", "--dry-run", "--yes"]);
    let ran = must(&bench, &["forget", "city", "users", "--dry-run"]).await;
    ran.assert_names(&["elements"]);
    for (typed, code) in [("no\n", 2), ("\n", 2), ("\u{4}", 2), ("City\n", 2)] {
        let (ended, printed) = typed_on_a_terminal(forget(&bench, &["city", "users"]), typed);
        assert_eq!(ended, code, "{typed:?}: {printed}");
        assert!(printed.contains("Type the connection's name, city"), "{printed}");
    }
    bench.digest().assert_same(&before);
    let (ended, printed) = typed_on_a_terminal(forget(&bench, &["city", "users"]), "city\n");
    assert_eq!(ended, 0, "{printed}");
    assert_eq!(bench.number("SELECT count(*) FROM elements WHERE kind = 'users'"), 0);
    assert!(bench.number("SELECT count(*) FROM elements") > 0);
}

fn forget(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearpoint-sync"));
    command.arg("--config").arg(bench.file("config.toml")).arg("forget").args(arguments);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_forgotten_is_pulled_anew_while_it_is_configured() {
    let (bench, _) = bench(363).await;
    let ran = must(&bench, &["forget", "city", "--yes", "--json"]).await;
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(report["rows"]["elements"].as_u64().unwrap() > 100 && report["total"].is_u64());
    for table in ["elements", "changes", "runs", "warnings", "cursors", "keys", "connections"] {
        assert_eq!(bench.number(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    assert!(!files_hold_the_secret(&bench));
    must(&bench, &["forget", "city", "--yes"]).await.assert_names(&["knows nothing of it"]);
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_can_be_forgotten_beside_a_running_daemon_and_a_run_is_not_disturbed() {
    let (bench, _) = bench(364).await;
    let mut daemon = bench.start(&["run"]);
    daemon.says("daemon_started").await;
    must(&bench, &["forget", "city", "goals", "--yes"]).await;
    assert_eq!(bench.number("SELECT count(*) FROM elements WHERE kind = 'goals'"), 0);
    daemon.stop().await.assert_code(&[0]);

    let sync = bench.start_held(&["sync", "--full"]).await;
    let before = bench.digest();
    let ran = bench.run(&["forget", "city", "--yes"]).await;
    ran.assert_code(&[75]);
    ran.assert_names(&["city", &sync.pid.to_string()]);
    bench.digest().assert_same(&before);
    bench.simulator.release();
    sync.end().await.assert_code(&[0]);
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_for_readers_is_made_anew_at_once() {
    let (bench, id) = bench(365).await;
    let config = fs::read_to_string(bench.file("config.toml")).unwrap();
    let store = "path = \"clearpoint.db\"";
    let config = config.replace(store, &format!("{store}\npublish = \"readers/copy.db\""));
    fs::write(bench.file("config.toml"), config).unwrap();
    fs::create_dir(bench.file("readers")).unwrap();
    bench.sync_full().await;
    let copy = || {
        let sql =
            Connection::open_with_flags(bench.file("readers/copy.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let query = "SELECT count(*) FROM users WHERE id = ?1";
        sql.unwrap().query_row(query, [id], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(copy(), 1);
    must(&bench, &["forget", "city", "users", &id.to_string(), "--yes"]).await;
    assert_eq!(copy(), 0);
    let bytes = fs::read(bench.file("readers/copy.db")).unwrap();
    assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));

    fs::remove_dir_all(bench.file("readers")).unwrap();
    let ran = bench.run(&["forget", "city", "users", "--yes"]).await;
    ran.assert_code(&[4]);
    ran.assert_names(&["copy for readers", "still holds it"]);
    assert_eq!(bench.number("SELECT count(*) FROM users"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_configured_can_be_forgotten_and_what_is_not_known_is_said() {
    let (bench, _) = bench(366).await;
    let config = fs::read_to_string(bench.file("config.toml"))
        .unwrap()
        .replace("connections.city", "connections.town");
    fs::write(bench.file("config.toml"), config).unwrap();
    let ran = bench.run(&["forget", "village", "--yes"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["\"village\"", "city, town"]);
    bench.run(&["forget", "city", "user", "--yes"]).await.assert_code(&[2]);
    let ran = must(&bench, &["forget", "city", "--yes"]).await;
    assert!(!ran.text().contains("still in the configuration"), "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM elements"), 0);
}
