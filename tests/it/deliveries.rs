//! Warnings reach their targets: once each, whatever dies in between, and a target that is down or
//! silent costs nobody else anything.

use std::os::unix::fs::PermissionsExt as _;

use chrono::{DateTime, TimeDelta, Utc};
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Size, World};
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Bench, Setup};
use crate::kill::{sync_counted, sync_killed};
use crate::metrics::Scrape;
use crate::patience::{ONCE, Stopwatch, TRIES, patient, today, until};
use crate::program::{Ran, kill};
use crate::receiver::{Mood, Receiver};
use crate::server::{address, serve};

/// A bench whose key expires in five days, and targets. A daemon has one run to make.
async fn bench(targets: &[(&str, &Receiver)]) -> Bench {
    let world = World::generate(171, &Size::small().with("measures", 5));
    let bench = Setup { expires: Some(today() + TimeDelta::days(5)), schedules: ONCE, ..Setup::of(world) }
        .start()
        .await;
    let mut config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    for (name, receiver) in targets {
        std::fs::write(bench.file(name), receiver.url()).unwrap();
        std::fs::set_permissions(bench.file(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        config +=
            &format!("\n[warnings.targets.{name}]\ntype = \"webhook\"\nurl = {{ file = \"{name}\" }}\n");
    }
    std::fs::write(bench.file("config.toml"), config).unwrap();
    bench
}

/// Changes the store as only a test may.
fn alter(bench: &Bench, sql: &str) {
    patient(Connection::open(bench.file("clearpoint.db"))).execute_batch(sql).unwrap();
}

/// Lets the time go by for which messages are claimed or wait.
fn let_waits_pass(bench: &Bench) {
    alter(bench, "UPDATE deliveries SET claimed_until = NULL, due_at = NULL");
}

#[track_caller]
fn check_silent_about_secrets(ran: &Ran) {
    assert!(!ran.text().contains("s3cr3t"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_tells_its_targets_and_another_repeats_nothing() {
    let receiver = Receiver::start().await;
    let bench = bench(&[("ops", &receiver)]).await;
    bench.sync_full().await;
    assert_eq!(receiver.told(), ["raised key_expiring 5"]);
    let ran = bench.sync_full().await;
    assert_eq!((receiver.taken().len(), ran.said("key_expiring")), (1, 0), "{ran}");
    let shown = bench.run(&["warnings"]).await;
    shown.assert_code(&[0]);
    shown.assert_names(&["warn", "city/key_expiring", "key expires soon"]);
    shown.assert_names(&["do: ClearPoint > System Settings"]);
    shown.assert_names(&["ops: raised delivered", "200 OK"]);
    for command in ["status", "keys"] {
        bench.run(&[command]).await.assert_names(&["city/key_expiring", "since", "key expires soon"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_fails_no_sync_and_is_told_when_it_is_up() {
    let mut receiver = Receiver::start().await;
    let bench = bench(&[("ops", &receiver)]).await;
    receiver.go_down().await;
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("delivery_failed"), 1, "{ran}");
    check_silent_about_secrets(&ran);
    alter(&bench, "UPDATE deliveries SET due_at = strftime('%Y-%m-%dT%H:%M:%fZ', due_at, '+1 hours')");
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("delivery_failed"), 0, "it is not yet due again: {ran}");
    bench.run(&["warnings"]).await.assert_names(&["ops: raised waiting since", "1 try"]);
    receiver.come_up().await;
    let_waits_pass(&bench);
    bench.sync_full().await;
    assert_eq!(receiver.told(), ["raised key_expiring 5"]);
    assert_eq!(receiver.asked_so_far(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_target_that_is_no_longer_configured_is_dropped() {
    let receiver = Receiver::start().await;
    receiver.is_now(Mood::Answers(500));
    let bench = bench(&[("ops", &receiver)]).await;
    bench.sync_full().await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let (without, _) = config.split_once("[warnings.targets").unwrap();
    std::fs::write(bench.file("config.toml"), without).unwrap();
    let ran = bench.sync_full().await;
    assert_eq!((receiver.asked_so_far(), ran.said("delivery_failed")), (1, 0), "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM deliveries"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_new_or_renamed_is_told_once_what_is_open() {
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    old.is_now(Mood::Answers(500));
    let bench = bench(&[("ops", &old)]).await;
    bench.sync_full().await;
    std::fs::write(bench.file("ops"), new.url()).unwrap();
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), config.replace("targets.ops", "targets.renamed")).unwrap();
    let ran = bench.sync_full().await;
    assert_eq!((ran.told("dropped").as_deref(), ran.said("key_expiring")), (Some("1"), 0), "{ran}");
    bench.sync_full().await;
    assert_eq!(new.told(), ["raised key_expiring 5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_of_a_connection_that_is_gone_from_the_configuration_are_over() {
    let receiver = Receiver::start().await;
    let bench = bench(&[("ops", &receiver)]).await;
    bench.sync_full().await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), config.replace("connections.city", "connections.town"))
        .unwrap();
    let mut daemon = bench.start(&["run"]);
    daemon.says("warning_resolved").await;
    daemon.says("run_finished").await;
    terminate(daemon.pid);
    daemon.end().await.assert_code(&[0]);
    assert!(receiver.told().contains(&"resolved key_expiring 5".to_owned()), "{:?}", receiver.told());
    assert_eq!(bench.sql("SELECT DISTINCT connection FROM warnings WHERE resolved_at IS NULL"), ["town"]);
}

/// It takes connections and never answers: the daemon runs, tells the other one, and stops in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_target_delays_neither_a_run_nor_another_target_nor_the_stop() {
    let (silent, good) = (Receiver::start().await, Receiver::start().await);
    silent.is_now(Mood::Silent);
    let bench = bench(&[("good", &good), ("silent", &silent)]).await;
    let mut daemon = bench.start(&["run"]);
    silent.asked(1).await;
    good.asked(1).await;
    daemon.says("run_finished").await;
    bench.assert_mirrors();
    let watch = Stopwatch::start();
    terminate(daemon.pid);
    let ran = daemon.end().await;
    ran.assert_code(&[0]);
    assert!(watch.elapsed().as_secs() < 10, "{ran}");
    assert_eq!(good.told(), ["raised key_expiring 5"]);
    assert_eq!((ran.said("run_finished"), ran.said("daemon_stopped")), (1, 1), "{ran}");
    assert_eq!(bench.sql("SELECT target FROM deliveries WHERE delivered_at IS NULL"), ["silent"]);
}

/// Asks a process to stop, as systemd does.
pub(super) fn terminate(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// A backup, or another program, holds the store; systemd would kill the daemon after half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_does_not_hold_up_the_stop() {
    let mut receiver = Receiver::start().await;
    receiver.is_now(Mood::Silent);
    let bench = bench(&[("ops", &receiver)]).await;
    serve(&bench, "listen = \"127.0.0.1:0\"");
    let mut daemon = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    daemon.says("run_finished").await;
    let under_way = async || Scrape::of(&address).await.value("run_under_way{connection=\"city\"}");
    until("the run is over", async || under_way().await == 0.0).await;
    receiver.asked(1).await;
    let other = patient(Connection::open(bench.file("clearpoint.db")));
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let watch = Stopwatch::start();
    terminate(daemon.pid);
    // What became of the message is to be written down.
    receiver.go_down().await;
    daemon.end().await.assert_code(&[0]);
    let took = watch.elapsed();
    assert!(took.as_secs() < 15, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_message_is_under_way_loses_it_not() {
    for _ in 0..TRIES {
        let receiver = Receiver::start().await;
        let bench = bench(&[("ops", &receiver)]).await;
        receiver.is_now(Mood::Silent);
        let sync = bench.start(&["sync", "--full"]);
        receiver.asked(1).await;
        kill(sync.pid);
        let ran = sync.end().await;
        ran.assert_code(&[-1]);
        assert_eq!(ran.said("key_expiring"), 1, "{ran}");
        receiver.is_now(Mood::Answers(200));
        let claimed_until: DateTime<Utc> =
            bench.sql("SELECT claimed_until FROM deliveries")[0].parse().unwrap();
        // Another process takes it for claimed, as it would be if the first were alive.
        let ran = bench.sync_full().await;
        if Clock::System.now() >= claimed_until {
            // It took so long that the claim may have run out meanwhile.
            continue;
        }
        assert_eq!((receiver.taken().len(), ran.said("key_expiring")), (0, 0), "{ran}");
        let_waits_pass(&bench);
        bench.sync_full().await;
        assert_eq!(receiver.told(), ["raised key_expiring 5"]);
        return;
    }
    panic!("this machine stands still each time");
}

/// The line is out, and what should mark it as said and queue it never gets into the store.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_logged_and_not_yet_marked_is_logged_again_and_told() {
    let receiver = Receiver::start().await;
    let bench = bench(&[("ops", &receiver)]).await;
    bench.sync_full().await;
    alter(
        &bench,
        "DELETE FROM deliveries; DELETE FROM warnings; CREATE TRIGGER full BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[1]);
    assert_eq!(ran.said("key_expiring"), 1, "{ran}");
    alter(&bench, "DROP TRIGGER full");
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("key_expiring"), 1, "{ran}");
    assert_eq!(receiver.told(), ["raised key_expiring 5"; 2]);
    let ids: Vec<Value> = receiver.taken().iter().map(|body| body["warning_id"].clone()).collect();
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_no_message() {
    let receiver = Receiver::start().await;
    let mut killed = 0;
    let mut random = fastrand::Rng::with_seed(172);
    let requests = sync_counted(&bench(&[("ops", &receiver)]).await).await;
    let mut rounds = 0;
    while rounds < 8 || (killed <= 8 && rounds < 24) {
        rounds += 1;
        let bench = bench(&[("ops", &receiver)]).await;
        let before = receiver.taken().len();
        for _ in 0..3 {
            killed += u32::from(sync_killed(&bench, requests, &mut random).await);
            let_waits_pass(&bench);
        }
        bench.sync_full().await;
        let told = receiver.told().split_off(before);
        assert!(!told.is_empty() && told.iter().all(|told| told == "raised key_expiring 5"), "{told:?}");
        assert_eq!(bench.number("SELECT count(*) FROM deliveries WHERE delivered_at IS NULL"), 0);
    }
    assert!(killed > 8, "only {killed} of {} syncs were killed before their end", 3 * rounds);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_shown_as_history_with_how_it_ended() {
    let receiver = Receiver::start().await;
    let bench = bench(&[("ops", &receiver)]).await;
    bench.sync_full().await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let later: Vec<&str> = config
        .lines()
        .map(|line| if line.starts_with("expires") { "expires = 2099-12-31" } else { line })
        .collect();
    std::fs::write(bench.file("config.toml"), later.join("\n")).unwrap();
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("key_renewed"), 1, "{ran}");
    assert_eq!(receiver.told(), ["raised key_expiring 5", "resolved key_expiring 5"]);
    bench.run(&["warnings"]).await.assert_names(&["no open warnings"]);
    let all = bench.run(&["warnings", "--all", "--json"]).await;
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(all[0]["ending"], "renewed");
    assert_eq!(all[0]["deliveries"][1]["phase"], "resolved");
    bench.run(&["warnings", "--all"]).await.assert_names(&["renewed:", "city/key_expiring"]);
}

/// What was told is dated by this machine's clock, however far off the server finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_days_ahead_of_the_servers_gives_no_message_up_early() {
    let mut receiver = Receiver::start().await;
    let bench = bench(&[("ops", &receiver)]).await;
    bench.simulator.switch(|switches| switches.date_skew = TimeDelta::days(-10));
    receiver.go_down().await;
    bench.sync_full().await;
    let_waits_pass(&bench);
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("delivery_abandoned"), 0, "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM deliveries WHERE abandoned_at IS NOT NULL"), 0);
}
