//! A daemon's start and end, as signals and probes see them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Size, World};
use rusqlite::Connection;

use crate::harness::{Bench, Setup};
use crate::patience::{Stopwatch, TRIES, in_flight, patient, until};
use crate::program::{Ran, Running, signal};
use rustix::process::Signal;

async fn bench() -> Bench {
    let world = World::generate(194, &Size::small().with("measures", 40));
    let setup = Setup { measure_data: "off", details: "off", kinds: &["measures"], ..Setup::of(world) };
    let bench = setup.start().await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), config.replace("*/15 * * * *", "*/1 * * * * *")).unwrap();
    bench
}

/// Where a daemon tells how far it is.
pub(super) struct Ear(UnixDatagram);

impl Ear {
    /// An ear at a path.
    pub(super) fn at(path: &Path) -> Self {
        let ear = Self(UnixDatagram::bind(path).unwrap());
        ear.0.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        ear
    }

    /// Starts a daemon that is heard.
    pub(super) fn start(bench: &Bench) -> (Self, Running) {
        let path = bench.file("notify");
        let ear = Self::at(&path);
        let variables = [("NOTIFY_SOCKET", path.as_os_str())];
        (ear, Running::start_among(&variables, &bench.file("config.toml"), &["run"]))
    }

    pub(super) fn hears(&self, state: &str) {
        let mut buffer = [0; 512];
        loop {
            let length = self.0.recv(&mut buffer).unwrap_or_else(|error| panic!("no {state}: {error}"));
            if buffer[..length] == *state.as_bytes() {
                return;
            }
        }
    }
}

/// Has a daemon's lock tell of another uptime at its last beat.
fn set_beat(lock: &Path, uptime: Duration) {
    let text = std::fs::read_to_string(lock).unwrap();
    let holder = text.lines().next().unwrap();
    std::fs::write(lock, format!("{holder}\nbeat after ms {}\n", uptime.as_millis())).unwrap();
}

fn touch(file: &Path, at: DateTime<Utc>) {
    std::fs::File::options().write(true).open(file).unwrap().set_modified(at.into()).unwrap();
}

/// Nothing is half-written, and the next sync makes up for what was cut off.
async fn check_converges(bench: &Bench, ran: &Ran) {
    ran.assert_code(&[0]);
    assert_eq!(bench.sql("PRAGMA integrity_check"), ["ok"]);
    bench.sync_full().await;
    bench.assert_mirrors_kind("measures");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_stop_ends_a_run_whose_server_hangs() {
    for _ in 0..TRIES {
        let bench = bench().await;
        bench.simulator.hold();
        let (ear, daemon) = Ear::start(&bench);
        ear.hears("READY=1");
        in_flight(&bench.simulator, 1).await;
        let watch = Stopwatch::start();
        let ran = daemon.stop().await;
        if watch.stood_still() {
            continue;
        }
        assert!(watch.elapsed() < Duration::from_secs(10), "{ran}");
        assert_eq!(ran.told("runs_cut").as_deref(), Some("0"), "{ran}");
        bench.simulator.release();
        return check_converges(&bench, &ran).await;
    }
    panic!("this machine stands still each time");
}

/// A daemon in the middle of a run that waits for a store which another program keeps to itself.
async fn in_a_write(bench: &Bench) -> (Ear, Running, Connection) {
    bench.sync_full().await;
    let other = patient(Connection::open(bench.file("clearpoint.db")));
    let (ear, daemon) = Ear::start(bench);
    ear.hears("READY=1");
    bench.simulator.hold();
    in_flight(&bench.simulator, 1).await;
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let id = bench.simulator.world().ids("measures")[0];
    bench.simulator.world().edit("measures", id, "name", "changed".into());
    bench.simulator.release();
    (ear, daemon, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_after_ten_seconds_also_where_a_write_hangs() {
    let bench = bench().await;
    let (ear, daemon, other) = in_a_write(&bench).await;
    let watch = Stopwatch::start();
    signal(daemon.pid, Signal::TERM);
    ear.hears("STOPPING=1");
    // A reload that comes late ends nothing.
    signal(daemon.pid, Signal::HUP);
    let ran = daemon.end().await;
    assert!(watch.elapsed() < Duration::from_secs(15), "{ran}");
    drop(other);
    check_converges(&bench, &ran).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_to_stop_ends_at_once() {
    let bench = bench().await;
    let (ear, daemon, other) = in_a_write(&bench).await;
    let watch = Stopwatch::start();
    signal(daemon.pid, Signal::TERM);
    ear.hears("STOPPING=1");
    signal(daemon.pid, Signal::TERM);
    let ran = daemon.end().await;
    assert!(watch.elapsed() < Duration::from_secs(8), "before the drain's own end: {ran}");
    drop(other);
    check_converges(&bench, &ran).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_starts_is_healthy_and_survives_an_early_reload() {
    let bench = bench().await;
    // A store that is being made by somebody else keeps the daemon in its start.
    let other = Connection::open(bench.file("clearpoint.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut daemon = bench.start(&["run"]);
    until("it starts", async || {
        assert!(daemon.lines(&["ERROR"]) == 0);
        bench.run(&["health"]).await.text().contains("starting")
    })
    .await;
    signal(daemon.pid, Signal::HUP);
    bench.run(&["health"]).await.assert_code(&[0]);
    other.execute_batch("ROLLBACK").unwrap();
    daemon.says("daemon_started").await;
    daemon.says("reloaded").await;
    daemon.says("run_finished").await;
    daemon.stop().await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_stop_is_heard_in_the_start_too() {
    let bench = bench().await;
    let other = Connection::open(bench.file("clearpoint.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let daemon = bench.start(&["run"]);
    until("it starts", async || bench.run(&["health"]).await.text().contains("starting")).await;
    let watch = Stopwatch::start();
    let ran = daemon.stop().await;
    assert!(watch.elapsed() < Duration::from_secs(10), "{ran}");
    ran.assert_code(&[0]);
    assert_eq!(ran.told("event").as_deref(), Some("daemon_stopped"), "{ran}");
    drop(other);
    bench.sync_full().await;
    bench.assert_mirrors_kind("measures");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_stopped_leaves_all_it_stored_in_the_file_alone() {
    let bench = bench().await;
    let (mut round, mut tries) = (0, 0);
    while round < 3 {
        tries += 1;
        assert!(tries <= TRIES, "this machine stands still each time");
        let mut daemon = bench.start(&["run"]);
        daemon.says("run_finished").await;
        let watch = Stopwatch::start();
        let ran = daemon.stop().await;
        if watch.stood_still() {
            continue;
        }
        round += 1;
        assert_eq!(ran.told("store_closed").as_deref(), Some("true"), "{ran}");
        let copy = bench.file("copy.db");
        std::fs::copy(bench.file("clearpoint.db"), &copy).unwrap();
        let alone = Connection::open(&copy).unwrap();
        let runs = "SELECT count(*) FROM runs WHERE finished_at IS NOT NULL";
        let stored: i64 = alone.query_row(runs, [], |row| row.get(0)).unwrap();
        assert_eq!(stored, bench.number(runs), "in round {round}");
        assert!(stored >= round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_any_more_holds_up_neither_runs_nor_the_end() {
    let bench = bench().await;
    bench.sync_full().await;
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // What a pipe takes until it is full.
    writer.write_all(&[b'x'; 1 << 16]).unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_clearpoint-sync"))
        .args(["--config", bench.file("config.toml").to_str().unwrap(), "run"])
        .stderr(writer)
        .spawn()
        .unwrap();
    let wanted = "SELECT count(*) FROM runs WHERE finished_at IS NOT NULL";
    until("it goes on", async || {
        assert_eq!(daemon.try_wait().unwrap(), None);
        bench.number(wanted) >= 4
    })
    .await;
    reader.read_exact(&mut [0; 1 << 16]).unwrap();
    let mut log = BufReader::new(reader).lines();
    let lost = log.find(|line| line.as_ref().unwrap().contains("\"event\":\"log_lost\"")).unwrap().unwrap();
    let lost: serde_json::Value = serde_json::from_str(&lost).unwrap();
    assert!(lost["lines"].as_u64().unwrap() >= 3, "{lost}");
    signal(daemon.id(), Signal::TERM);
    let rest = log.map(Result::unwrap).collect::<Vec<_>>();
    assert!(rest.last().unwrap().contains("daemon_stopped"), "{rest:?}");
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_a_daemon_that_turns_from_one_that_hangs_or_is_gone() {
    let bench = bench().await;
    let never = bench.run(&["health"]).await;
    never.assert_code(&[1]);
    never.assert_names(&["not running", "no daemon ever ran"]);

    let mut daemon = bench.start(&["run"]);
    daemon.says("run_finished").await;
    // What else is wrong with the file is none of its business.
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), config.replace("json", "jsn") + "\nno TOML").unwrap();
    let healthy = bench.run(&["health", "--json"]).await;
    healthy.assert_code(&[0]);
    let told: serde_json::Value = serde_json::from_str(&healthy.stdout).unwrap();
    assert_eq!((&told["is_healthy"], &told["error"]), (&true.into(), &serde_json::Value::Null));
    assert!(told["daemon"].as_str().unwrap().contains(&format!("pid {}", daemon.pid)), "{told}");

    signal(daemon.pid, Signal::STOP);
    let lock = bench.file("clearpoint.db.daemon.lock");
    let age = Duration::from_secs(180);
    touch(&lock, Clock::System.now() - age);
    // Only the wall clock is past it.
    bench.run(&["health"]).await.assert_code(&[0]);
    set_beat(&lock, Clock::System.uptime().saturating_sub(age));
    touch(&lock, Clock::System.now() - age);
    let hung = bench.run(&["health"]).await;
    hung.assert_code(&[1]);
    hung.assert_names(&["hung since", &daemon.pid.to_string()]);

    signal(daemon.pid, Signal::KILL);
    daemon.end().await.assert_code(&[-1]);
    let gone = bench.run(&["health"]).await;
    gone.assert_code(&[1]);
    gone.assert_names(&["not running since"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_looks_in_the_folder_of_spools_where_the_store_is_no_file() {
    let bench = bench().await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let database = "[store.postgres]\nhost = \"db1\"\ndatabase = \"d\"\nuser = \"u\"\n";
    let config = config.replace("[store.sqlite]\npath = \"clearpoint.db\"\n", database);
    std::fs::write(bench.file("config.toml"), config + "[daemon]\nspool_dir = \".\"\n").unwrap();
    bench.run(&["config", "--check"]).await.assert_code(&[0]);
    let never = bench.run(&["health"]).await;
    never.assert_code(&[1]);
    never.assert_names(&["no daemon ever ran in"]);
    let lock = bench.file("clearpoint-sync.daemon.lock");
    std::fs::write(&lock, "pid 7, run since 2026-03-01T12:00:00Z\n").unwrap();
    let gone = bench.run(&["health"]).await;
    gone.assert_code(&[1]);
    gone.assert_names(&["not running since", "pid 7"]);
}
