//! Two accounts' rows never mix: what looks like another account is not written until a person says so.

use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Simulator, Size, Switches, World};

use crate::harness::{Bench, Setup};

async fn bench() -> Bench {
    let world = World::generate(31, &Size::small());
    let bench = Setup { removals_max: "100%", ..Setup::of(world) }.start().await;
    bench.run(&["sync"]).await.assert_code(&[0]);
    bench.run(&["sync"]).await.assert_code(&[0]);
    bench
}

fn other_account() -> World {
    World::generate(32, &Size::small())
}

/// Nothing is written, a warning says why, and once released the run after next is quiet.
async fn check(bench: &Bench) {
    let before = bench.content();
    for said in [1, 0] {
        let ran = bench.run(&["sync"]).await;
        ran.assert_code(&[4]);
        assert_eq!(ran.said("account_changed"), said, "{ran}");
        bench.content().assert_same(&before);
    }
    bench.run(&["release", "city"]).await.assert_code(&[0]);
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    bench.assert_mirrors();
    bench.sync_full().await;
    let settled = bench.digest();
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("account_changed"), 0, "{ran}");
    bench.digest().assert_same(&settled);
    assert_eq!(bench.number("SELECT count(*) FROM warnings WHERE resolved_at IS NULL"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_account_writes_nothing_until_released() {
    let bench = bench().await;
    *bench.simulator.world() = other_account();
    check(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_base_url_writes_nothing_until_released() {
    let mut bench = bench().await;
    let world = bench.simulator.world().clone();
    let moved = Simulator::start(world, Switches::default(), Clock::System).await.unwrap();
    bench.move_to(moved.base_url());
    check(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removals_that_follow_a_release_are_held_by_the_limits() {
    let bench = Bench::new(World::generate(31, &Size::small())).await;
    bench.sync_full().await;
    let known = bench.stored("measures");
    *bench.simulator.world() = other_account();
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    bench.run(&["release", "city"]).await.assert_code(&[0]);
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    let stored = bench.stored("measures");
    assert!(known.keys().all(|id| stored.contains_key(id)), "what was known is held, not removed");
    bench.run(&["release", "city", "measures"]).await.assert_code(&[0]);
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    bench.assert_mirrors_kind("measures");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_shows_nothing_is_no_success_and_loses_nothing() {
    let bench = bench().await;
    let before = bench.content();
    *bench.simulator.world() = World::generate(33, &Size::small().none());
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[1, 4]);
    assert_eq!(ran.said("nothing_visible"), 1, "{ran}");
    bench.content().assert_same(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_account_is_no_success_on_the_first_day_either() {
    let bench = Bench::new(World::generate(34, &Size::small().none())).await;
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[1]);
    assert_eq!(ran.said("nothing_visible"), 1, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_without_need_is_a_usage_error() {
    let bench = bench().await;
    bench.run(&["release", "city"]).await.assert_code(&[2]);
    bench.run(&["release", "city", "mesures"]).await.assert_code(&[2]);
    bench.run(&["release", "town"]).await.assert_code(&[2]);
    bench.run(&["release", "city", "measures"]).await.assert_code(&[2]);
}
