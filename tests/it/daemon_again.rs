//! When a daemon makes a run again that did not come to its end.

use chrono::{DateTime, TimeDelta, Utc};
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Fault, Size, What, World};
use tokio::sync::oneshot;

use crate::harness::{Bench, Setup};
use crate::program::Running;

/// A connection that is due once a day, and was never synced.
async fn bench() -> Bench {
    let world = World::generate(196, &Size::small().with("measures", 5));
    let kinds = &["objectives", "measures"];
    let setup = Setup { measure_data: "off", details: "off", kinds, ..Setup::of(world) };
    let bench = setup.start().await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), config.replace("*/15 * * * *", "30 2 * * *")).unwrap();
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_stopped_for_a_restart_is_made_again_at_once() {
    let bench = bench().await;
    let (asks, asked) = oneshot::channel();
    bench.simulator.on_request("/measures", 1, |_| asks.send(()).unwrap());
    bench.simulator.fault(Fault::at("/measures", What::Silence));
    let daemon = bench.start(&["run"]);
    asked.await.unwrap();
    daemon.stop().await.assert_code(&[0]);
    let stopped = "SELECT outcome, reason LIKE 'stopped before the end%', needs_full FROM runs";
    assert_eq!(bench.sql(stopped), ["partial|1|1"]);
    assert!(!bench.stored("objectives").is_empty());
    let status = bench.run(&["status"]).await;
    status.assert_names(&["next run", "02:30", "(full)"]);

    bench.simulator.clear_faults();
    let mut daemon = bench.start(&["run"]);
    daemon.says("run_finished").await;
    daemon.stop().await.assert_code(&[0]);
    bench.assert_mirrors_kind("measures");
}

/// The network is away when the machine starts, and back a minute later.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_is_announced_for_a_minute_later_and_not_for_the_next_day() {
    let bench = bench().await;
    // Half a day away at any time of the day.
    let far = (Clock::System.now() + TimeDelta::hours(12)).format("%-M %-H * * *").to_string();
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), config.replace("30 2 * * *", &far)).unwrap();
    bench.simulator.fault(Fault::under("", What::Html));
    let mut daemon = bench.start(&["run"]);
    daemon.says("run_failed").await;
    let door = due_in(&daemon);
    assert!((3500..=3600).contains(&door), "the second closed door would count as a refusal: {door} s");
    daemon.stop().await.assert_code(&[0]);

    bench.simulator.clear_faults();
    bench.simulator.fault(Fault::under("", What::Body("{}".into())));
    let mut daemon = bench.start(&["run"]);
    daemon.says("run_failed").await;
    let lost = due_in(&daemon);
    assert!((1..=60).contains(&lost), "{lost} s");
    daemon.stop().await.assert_code(&[0]);
}

/// In how many seconds the daemon will try again, as it says.
fn due_in(daemon: &Running) -> i64 {
    let next: DateTime<Utc> = daemon.told("next").unwrap().parse().unwrap();
    (next - Clock::System.now()).num_seconds()
}
