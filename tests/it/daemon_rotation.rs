//! A daemon takes a new key from its files without a restart, by renaming as administrators do it, and
//! raises nothing over a rotation that is half done for seconds.

use clearpoint_sync::simulator::{ApiKey, Size, World};
use serde_json::json;

use crate::harness::{Bench, Setup};
use crate::patience::ONCE;
use crate::program::Ran;

const TURN: [&str; 1] = ["\"event\":\"run_finished\""];

const EVERY_SECOND: &str = "schedule = \"*/1 * * * * *\"";

/// A synced bench with a second key that nobody uses yet, in which nothing is due.
async fn bench() -> Bench {
    let mut world = World::generate(192, &Size::small().with("measures", 5));
    let key = ApiKey { access: "a2".into(), secret: "s2".into(), expires: None, user: World::USER.into() };
    world.add_key(key);
    let kinds = &["measures"];
    let setup = Setup { measure_data: "off", details: "off", kinds, schedules: ONCE, ..Setup::of(world) };
    let bench = setup.start().await;
    bench.sync_full().await;
    bench.sync_full().await;
    bench.refused();
    bench
}

/// Lets a run be due every second from now on.
fn let_runs_be_due(bench: &Bench) {
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let [never, _] = ONCE;
    let config = config.replace(&format!("schedule = \"{never}\""), EVERY_SECOND);
    std::fs::write(bench.file("config.toml"), config).unwrap();
}

/// Puts a new file in the place of another.
fn replace(bench: &Bench, name: &str, secret: &str) {
    bench.write_secret("new", secret);
    std::fs::rename(bench.file("new"), bench.file(name)).unwrap();
}

/// Something to be seen only by a key that works.
fn rename_a_measure(world: &mut World) -> i64 {
    let id = world.ids("measures")[0];
    world.edit("measures", id, "name", json!("after the rotation"));
    id
}

#[track_caller]
fn check(bench: &Bench, ran: &Ran, measure: i64) {
    ran.assert_code(&[0]);
    assert_eq!(bench.stored("measures")[&measure]["name"], "after the rotation");
    // The second chance after five seconds outlasts an interval of one, and that is all there is to say.
    let loud = ran.stderr.lines().filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\""));
    assert!(loud.into_iter().all(|line| line.contains("\"run_skipped\"")), "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM warnings"), 0, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_renamed_over_the_old_ones_are_used_by_the_next_run_of_a_daemon() {
    let bench = bench().await;
    let_runs_be_due(&bench);
    let mut daemon = bench.start_held(&["run"]).await;
    // The run that waits for an answer has read its key, and no other starts that could read one half.
    replace(&bench, "access-key", "a2");
    replace(&bench, "secret-key", "s2");
    let measure = rename_a_measure(&mut bench.simulator.world());
    bench.simulator.release();
    daemon.says_often(2, &TURN).await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    daemon.says_more(3, &TURN).await;
    let ran = daemon.stop().await;
    assert_eq!(bench.refused(), 0, "{ran}");
    check(&bench, &ran, measure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_half_done_under_a_daemon_raises_nothing_when_it_is_completed_within_seconds() {
    let bench = bench().await;
    let mut daemon = bench.start(&["run"]);
    daemon.says("daemon_started").await;
    let (new, old) = (bench.file("new-secret"), bench.file("secret-key"));
    bench.write_secret("new-secret", "s2");
    let measure = {
        let mut world = bench.simulator.world();
        world.delete_key(World::ACCESS_KEY);
        replace(&bench, "access-key", "a2");
        // The other half comes while the daemon asks with the new access half and the old secret half.
        bench.simulator.on_request("", 1, move |_| std::fs::rename(new, old).unwrap());
        rename_a_measure(&mut world)
    };
    let_runs_be_due(&bench);
    daemon.hang_up();
    daemon.says_often(3, &TURN).await;
    let ran = daemon.stop().await;
    assert_eq!(bench.refused(), 1, "{ran}");
    check(&bench, &ran, measure);
}
