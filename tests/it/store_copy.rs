//! `store copy` as a user meets it.

use std::fs;
use std::path::{Path, PathBuf};

use clearpoint_sync::simulator::{Size, World};

use crate::harness::Bench;
use crate::program::{Ran, Running};

/// Writes the configuration of another store beside that of the bench, and gives its name.
fn other(bench: &Bench, name: &str, store: &str) -> PathBuf {
    let config = fs::read_to_string(bench.file("config.toml")).unwrap();
    let file = bench.file(name);
    fs::write(&file, config.replace("[store.sqlite]\npath = \"clearpoint.db\"\n", store)).unwrap();
    file
}

fn file_store(bench: &Bench, name: &str, file: &str) -> PathBuf {
    other(bench, name, &format!("[store.sqlite]\npath = {file:?}\n"))
}

async fn copy(from: &Path, to: &Path) -> Ran {
    Running::start(from, &["store", "copy", "--to", to.to_str().unwrap()]).end().await
}

/// The tables that differ, of all that were compared.
fn unlike(ran: &Ran) -> Vec<String> {
    let rows: Vec<&str> = ran.stdout.lines().skip(1).collect();
    assert!(rows.len() > 20, "{}", ran.stdout);
    rows.into_iter().filter(|row| !row.ends_with("same")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_at_work_keeps_a_copy_waiting() {
    let bench = Bench::new(World::generate(221, &Size::small())).await;
    bench.sync_full().await;
    let to = file_store(&bench, "other.toml", "other.db");
    let mut daemon = bench.start(&["run"]);
    daemon.says("daemon_started").await;
    let busy = copy(&bench.file("config.toml"), &to).await;
    busy.assert_code(&[75]);
    busy.assert_names(&["clearpoint.db", &daemon.pid.to_string()]);
    daemon.stop().await.assert_code(&[0]);
    copy(&bench.file("config.toml"), &to).await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_of_a_copy_is_told() {
    let bench = Bench::new(World::generate(222, &Size::small())).await;
    let (from, to) = (bench.file("config.toml"), file_store(&bench, "other.toml", "other.db"));
    let none = copy(&from, &to).await;
    none.assert_code(&[2]);
    none.assert_names(&["clearpoint.db does not exist yet"]);
    bench.sync_full().await;
    let same = copy(&from, &from).await;
    same.assert_code(&[2]);
    same.assert_names(&["same store", "--to"]);
    copy(&from, &to).await.assert_code(&[0]);
    let again = copy(&from, &to).await;
    again.assert_code(&[2]);
    again.assert_names(&["297 elements", "--replace"]);
    fs::write(&to, "[store.sqlite]\npaths = \"other.db\"\n").unwrap();
    let typo = copy(&from, &to).await;
    typo.assert_code(&[2]);
    typo.assert_names(&["store.sqlite.paths", "not a known key"]);
}

mod a_real_postgres {
    use super::*;
    use crate::postgres_server::Postgres;

    /// A store that went to PostgreSQL and back is the same to the next run: it finds nothing changed.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_goes_there_and_back() {
        let bench = Bench::new(World::generate(223, &Size::realistic())).await;
        bench.sync_full().await;
        {
            let mut world = bench.simulator.world();
            let [measure, objective] = ["measures", "objectives"].map(|kind| world.ids(kind)[0]);
            world.edit("measures", measure, "name", "Größe 🦀".into());
            world.delete("objectives", objective);
        }
        bench.sync_full().await;
        let database = Postgres::shared().database();
        let there = other(&bench, "there.toml", &database.toml());
        let back = file_store(&bench, "back.toml", "back.db");
        for (from, to) in [(&bench.file("config.toml"), &there), (&there, &back)] {
            let copied = copy(from, to).await;
            copied.assert_code(&[0]);
            assert_eq!(unlike(&copied), [""; 0]);
        }
        let present = "SET search_path TO clearpoint; SELECT count(*) FROM objectives";
        assert_eq!(database.psql(present), "39");
        let synced = Running::start(&back, &["sync", "--full"]).end().await;
        synced.assert_code(&[0]);
        assert_eq!(synced.told("updated").as_deref(), Some("0"), "{}", synced.text());
        assert_eq!(synced.told("inserted").as_deref(), Some("0"), "{}", synced.text());
    }
}
