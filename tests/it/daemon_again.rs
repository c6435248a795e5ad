//! When a daemon makes a run again that did not come to its end.

use clearpoint_sync::simulator::{Fault, Size, What, World};
use tokio::sync::oneshot;

use crate::harness::{Bench, Setup};

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
