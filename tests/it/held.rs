//! Too many removals at once are held until a person releases exactly these.

use clearpoint_sync::simulator::{Size, World};

use super::harness::Bench;

/// A synced account in which 20 of 60 measures were deleted since.
async fn bench() -> (Bench, Vec<i64>) {
    let bench = Bench::new(World::generate(51, &Size::small())).await;
    bench.sync_full().await;
    let gone = bench.simulator.world().ids("measures")[10..30].to_vec();
    for id in &gone {
        bench.simulator.world().delete("measures", *id);
    }
    (bench, gone)
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_over_the_limit_are_held_and_all_else_is_applied() {
    let (bench, _) = bench().await;
    let edited = bench.simulator.world().ids("measures")[0];
    bench.simulator.world().edit("measures", edited, "name", "Renamed".into());
    let new = bench.simulator.world().insert("measures");
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[4]);
    assert_eq!(ran.said("removals_held"), 1, "{ran}");
    assert_eq!(bench.removed("measures").len(), 0);
    let stored = bench.stored("measures");
    assert_eq!(stored[&edited]["name"], "Renamed");
    assert!(stored.contains_key(&new));
    let status = bench.run(&["status"]).await;
    status.assert_names(&["removals_held"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_lets_the_next_full_run_remove_exactly_the_held_set() {
    let (bench, gone) = bench().await;
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    bench.run(&["release", "city", "measures"]).await.assert_code(&[0]);
    assert_eq!(bench.removed("measures").len(), 0, "a release alone removes nothing");
    bench.sync_full().await;
    let removed: Vec<i64> = bench.removed("measures").into_keys().collect();
    assert_eq!(removed, gone);
    bench.assert_mirrors();
    assert_eq!(bench.number("SELECT count(*) FROM held"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM warnings WHERE resolved_at IS NULL"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_after_the_release_is_judged_by_itself() {
    let (bench, gone) = bench().await;
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    bench.run(&["release", "city", "measures"]).await.assert_code(&[0]);
    let more = bench.simulator.world().ids("measures")[..15].to_vec();
    for id in more {
        bench.simulator.world().delete("measures", id);
    }
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    let removed: Vec<i64> = bench.removed("measures").into_keys().collect();
    assert_eq!(removed, gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_removals_that_come_back_resolve_by_themselves() {
    let (bench, gone) = bench().await;
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    for id in gone {
        bench.simulator.world().restore("measures", id);
    }
    bench.sync_full().await;
    bench.assert_mirrors();
    assert_eq!(bench.number("SELECT count(*) FROM held"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM warnings WHERE resolved_at IS NULL"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_set_is_said_once_and_stays_held() {
    let (bench, _) = bench().await;
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    for _ in 0..2 {
        let ran = bench.run(&["sync", "--full"]).await;
        ran.assert_code(&[4]);
        assert_eq!(ran.said("removals_held"), 0, "{ran}");
        assert_eq!(bench.removed("measures").len(), 0);
    }
}
