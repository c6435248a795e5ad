//! What PostgreSQL refuses or leaves unanswered is told by the program in one line, with who, what and the way
//! out, ends with the code that says whose turn it is, and never costs data: the next run repeats it.

use clearpoint_sync::simulator::{Size, World};

use super::harness::{Bench, Setup};
use crate::postgres_server::{Database, Postgres};
use crate::program::Ran;

async fn bench(database: Database) -> Bench {
    let world = World::generate(321, &Size::small().with("measures", 30));
    Setup { measure_data: "off", details: "off", ..Setup::of(world) }.start_with(Some(database)).await
}

/// Puts another text in the place of one in the configuration.
fn edit(bench: &Bench, from: &str, to: &str) {
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    assert!(config.contains(from), "{from} in {config}");
    std::fs::write(bench.file("config.toml"), config.replace(from, to)).unwrap();
}

/// It ended with this code, and one line has all these words.
async fn check(bench: &Bench, code: i32, words: &[&str]) -> Ran {
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[code]);
    ran.assert_names(words);
    assert!(!ran.text().contains("hunter2"), "{ran}");
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_must_change_ends_with_2_and_says_so() {
    let server = Postgres::shared();
    let bench = bench(server.database()).await;
    let right = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let name = right.lines().find_map(|line| line.strip_prefix("database = ")).unwrap().to_owned();
    edit(&bench, &format!("database = {name}"), "database = \"nowhere\"");
    check(&bench, 2, &["nowhere", "does not exist", "store.postgres.database"]).await;
    std::fs::write(bench.file("config.toml"), &right).unwrap();
    edit(&bench, "user = \"postgres\"", "user = \"nobody_known\"");
    check(&bench, 2, &["nobody_known", "store.postgres.user"]).await;

    std::fs::write(bench.file("config.toml"), &right).unwrap();
    let login = format!("reader_of_{}", name.trim_matches('"'));
    server.psql("postgres", &format!("CREATE ROLE {login} LOGIN"));
    edit(&bench, "user = \"postgres\"", &format!("user = \"{login}\""));
    check(&bench, 2, &["lacks a right", "grant it"]).await;
    std::fs::write(bench.file("config.toml"), &right).unwrap();
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_a_newer_program_is_left_alone() {
    let bench = bench(Postgres::shared().database()).await;
    bench.sync_full().await;
    bench.look.change("INSERT INTO migrations VALUES (99, 'future', now())");
    let before = bench.digest();
    check(&bench, 2, &["version 99", "newer than this program", "install"]).await;
    bench.digest().assert_same(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_never_shown() {
    let server = Postgres::start();
    let bench = bench(server.database()).await;
    server.psql("postgres", "CREATE ROLE secretive LOGIN SUPERUSER PASSWORD 'right' IN ROLE with_password");
    edit(&bench, "user = \"postgres\"", "user = \"secretive\"\npassword = { file = \"password\" }");
    edit(&bench, &format!("host = {:?}", server.folder), "host = \"127.0.0.1\"");
    bench.write_secret("password", "hunter2");
    check(&bench, 2, &["password was refused", "store.postgres.password"]).await;
    bench.write_secret("password", "right");
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_fails_the_run_and_the_next_makes_up_for_it() {
    let server = Postgres::start();
    let bench = bench(server.database()).await;
    server.stop();
    check(&bench, 1, &["cannot be reached"]).await;
    server.up();
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_ended_in_a_run_cost_no_data() {
    let server = Postgres::start();
    let bench = bench(server.database()).await;
    let running = bench.start_held(&["sync", "--full"]).await;
    server.psql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'clearpoint%'",
    );
    bench.simulator.release();
    running.end().await.assert_code(&[0, 1, 4]);
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_into_a_reader_is_told() {
    let server = Postgres::start();
    let bench = bench(server.database()).await;
    bench.sync_full().await;
    server.psql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()");
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[1, 2]);
    ran.assert_names(&["read", "only"]);
    server.psql(
        "postgres",
        "SET transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()",
    );
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_run_and_stores_all_once_there_is_room() {
    let Some(server) = Postgres::on_small_disk(64) else {
        return eprintln!("left out: this user may mount nothing");
    };
    let bench = bench(server.database()).await;
    bench.sync_full().await;
    for _ in 0..40 {
        bench.simulator.world().insert("measures");
    }
    server.fill_disk();
    let ran = bench.run(&["sync", "--full"]).await;
    server.make_room();
    ran.assert_code(&[0, 1, 4]);
    if ran.code != 0 {
        ran.assert_names(&["disk is full", "make room"]);
    }
    bench.sync_full().await;
    bench.assert_mirrors();
}
