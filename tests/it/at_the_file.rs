//! Another program is in the middle of something in the store's file while this one is stopped.

use std::fs::DirEntry;
use std::time::{Duration, Instant};

use clearpoint_sync::simulator::{Size, World};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::daemon_life::Ear;
use crate::harness::Bench;
use crate::patience::rest;
use crate::program::{Ran, Running, signal};

/// A daemon whose store another program reads, and goes on reading.
async fn read_by_another(bench: &Bench) -> (Ear, Running, Connection) {
    bench.sync_full().await;
    let (ear, daemon) = Ear::start(bench);
    ear.hears("READY=1");
    // It turns, and once more when it has looked at the keys: nothing is under way then.
    ear.hears("WATCHDOG=1");
    ear.hears("WATCHDOG=1");
    // In the write-ahead log from here on.
    bench.look.change("UPDATE runs SET reason = 'as before'");
    let other = Connection::open(bench.file("clearpoint.db")).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM runs").unwrap();
    (ear, daemon, other)
}

#[track_caller]
fn check_not_closed(ran: &Ran) {
    ran.assert_code(&[0]);
    assert_eq!(ran.told("runs_cut").as_deref(), Some("0"), "{ran}");
    assert_eq!(ran.told("store_closed").as_deref(), Some("false"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_a_few_seconds_for_whoever_reads_the_store_and_says_that_it_is_not_closed() {
    let bench = Bench::new(World::generate(331, &Size::small())).await;
    let (_ear, daemon, _other) = read_by_another(&bench).await;
    let asked = Instant::now();
    let ran = daemon.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}: {ran}", asked.elapsed());
    check_not_closed(&ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_to_stop_waits_for_nobody_who_reads_the_store() {
    let bench = Bench::new(World::generate(332, &Size::small())).await;
    let (ear, daemon, _other) = read_by_another(&bench).await;
    let asked = Instant::now();
    signal(daemon.pid, Signal::TERM);
    ear.hears("STOPPING=1");
    // One who reads and one who writes have it open; who closes it begins with the first.
    let files = format!("/proc/{}/fd", daemon.pid);
    let is_log = |file: &DirEntry| file.path().read_link().is_ok_and(|to| to.ends_with("clearpoint.db-wal"));
    while std::fs::read_dir(&files).unwrap().flatten().filter(is_log).count() > 1 {}
    signal(daemon.pid, Signal::TERM);
    let ran = daemon.end().await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}: {ran}", asked.elapsed());
    check_not_closed(&ran);
}

/// A sync in the middle of a run, whose store another program writes, and goes on writing.
async fn kept_by_another(bench: &Bench) -> (Running, Connection) {
    let sync = bench.start_held(&["--json", "sync"]).await;
    let other = Connection::open(bench.file("clearpoint.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    bench.simulator.release();
    (sync, other)
}

#[track_caller]
fn check_cut_off(ran: &Ran) {
    ran.assert_code(&[4]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&told[0]["connection"], &told[0]["run"]), (&"city".into(), &Value::Null), "{ran}");
    assert_eq!(ran.said("run_cut"), 1, "{ran}");
    assert_eq!(ran.stderr.matches("ERROR").count(), 0, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_sync_in_the_middle_of_a_run_that_cannot_be_stored() {
    let bench = Bench::new(World::generate(333, &Size::small())).await;
    let (sync, other) = kept_by_another(&bench).await;
    let asked = Instant::now();
    let ran = sync.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}: {ran}", asked.elapsed());
    check_cut_off(&ran);
    drop(other);
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_to_stop_ends_such_a_sync_at_once() {
    let bench = Bench::new(World::generate(334, &Size::small())).await;
    let (sync, _other) = kept_by_another(&bench).await;
    let (asked, pid) = (Instant::now(), i32::try_from(sync.pid).ok().and_then(Pid::from_raw).unwrap());
    // Two at the same moment would be one.
    let asking = async {
        loop {
            let _ended = kill_process(pid, Signal::TERM);
            rest().await;
        }
    };
    let ran = tokio::select! {
        ran = sync.end() => ran,
        () = asking => unreachable!("it asks for ever"),
    };
    assert!(asked.elapsed() < Duration::from_secs(8), "before the run's own time is over: {ran}");
    check_cut_off(&ran);
}
