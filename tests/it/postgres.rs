//! The servers that tests are given: a database for each test, and nothing left of a server, however the
//! tests end.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::postgres_server::{Database, Postgres};

/// Set in a process of tests that is to be killed.
const TO_BE_KILLED: &str = "CLEARPOINT_SYNC_TEST_TO_BE_KILLED";

fn ask(database: &Database) -> String {
    database.psql("CREATE TABLE t AS SELECT 7 AS n; SELECT n, 'a' || chr(10) || 'b' < 'B' FROM t")
}

#[test]
fn a_real_postgres_gives_each_test_a_database_of_its_own() {
    let server = Postgres::shared();
    let (one, other) = (server.database(), server.database());
    assert_eq!((ask(&one), ask(&other)), ("7|t".to_owned(), "7|t".to_owned()));
    let name = one.name.clone();
    drop(one);
    let count = other.psql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"));
    assert_eq!(count, "0");
}

#[test]
fn a_real_postgres_comes_back_after_a_crash_with_what_was_committed() {
    let server = Postgres::start();
    let database = server.database();
    ask(&database);
    server.crash();
    server.up();
    assert_eq!(database.psql("SELECT n FROM t"), "7");
}

#[test]
fn a_real_postgres_that_is_frozen_leaves_nothing_behind() {
    let server = Postgres::start();
    let folder = server.folder.clone();
    let alive = File::open(folder.join("alive")).unwrap();
    server.freeze();
    drop(server);
    alive.try_lock().unwrap();
    assert!(!folder.exists());
}

#[test]
fn a_real_postgres_has_a_standby_that_only_reads() {
    let server = Postgres::start();
    let database = server.database();
    ask(&database);
    let standby = server.standby();
    let copy = standby.existing(database.name.clone(), false);
    assert_eq!(copy.psql("SELECT n FROM t; SHOW transaction_read_only"), "7\non");
}

#[test]
fn a_real_postgres_has_no_room_on_a_full_disk_and_goes_on_when_there_is() {
    let Some(server) = Postgres::on_small_disk(64) else {
        return eprintln!("left out: this user may mount nothing");
    };
    let database = server.database();
    ask(&database);
    server.fill_disk();
    let full = database
        .refusal("\\set VERBOSITY verbose\nCREATE TABLE u AS SELECT n FROM generate_series(1, 9000) AS n");
    assert!(full.contains("53100"), "{full}");
    server.make_room();
    assert_eq!(database.psql("CREATE TABLE u AS TABLE t; SELECT n FROM u"), "7");
}

/// The blocks of SQL in the page on PostgreSQL.
fn documented_sql() -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/postgres.md")).unwrap();
    page.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn a_real_postgres_takes_the_roles_of_the_documentation_and_keeps_them_to_what_they_may() {
    let server = Postgres::start();
    server.psql("postgres", &documented_sql());
    server.psql("postgres", "CREATE ROLE ann LOGIN IN ROLE clearpoint_reader");
    let mut owner = server.existing("strategy".to_owned(), false);
    owner.user = "clearpoint";
    let mut ann = server.existing("strategy".to_owned(), false);
    ann.user = "ann";
    owner.psql("CREATE TABLE runs AS SELECT 7 AS run; CREATE VIEW last_runs AS TABLE runs");
    assert_eq!(ann.psql("SELECT run FROM last_runs; SELECT run FROM clearpoint.runs"), "7\n7");
    for sql in ["DELETE FROM runs", "DROP VIEW last_runs", "CREATE TABLE clearpoint.t ()"] {
        let refusal = ann.refusal(sql);
        assert!(refusal.contains("permission denied") || refusal.contains("must be owner"), "{refusal}");
    }
    assert!(owner.refusal("CREATE ROLE other").contains("permission denied"));
}

/// Plays the tests that are killed, in a process started for that.
#[test]
fn a_real_postgres_waits_for_a_kill() {
    #[expect(clippy::disallowed_methods, reason = "a test that is started by a test has no other arguments")]
    let is_to_be_killed = std::env::var_os(TO_BE_KILLED).is_some();
    if is_to_be_killed {
        let server = Postgres::shared();
        let database = server.database();
        println!("\nserver in {}", server.folder.display());
        database.psql("SELECT pg_sleep(3600)");
    }
}

#[test]
fn a_real_postgres_ends_with_tests_that_are_killed() {
    let mut tests = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres::a_real_postgres_waits_for_a_kill", "--nocapture"])
        .env(TO_BE_KILLED, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tests.stdout.take().unwrap()).lines().map(Result::unwrap);
    let folder = lines.find_map(|line| line.strip_prefix("server in ").map(str::to_owned)).unwrap();
    let alive = File::open(format!("{folder}/alive")).unwrap();
    assert!(alive.try_lock().is_err(), "the server runs");
    tests.kill().unwrap();
    tests.wait().unwrap();
    // Whoever gets it knows that the server and its keeper have ended.
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(alive.lock()));
    ended.recv_timeout(Duration::from_secs(60)).expect("the server ends by itself").unwrap();
    assert!(!std::path::Path::new(&folder).exists());
}
