//! Never two runs of one connection.

use clearpoint_sync::simulator::{Size, World};

use crate::harness::Bench;
use crate::program::kill;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_syncs_of_a_connection_one_works_and_the_other_names_it() {
    let bench = Bench::new(World::generate(71, &Size::small())).await;
    let first = bench.start_held(&["sync"]).await;
    let second = bench.run(&["sync"]).await;
    second.assert_code(&[75]);
    second.assert_names(&["city", &first.pid.to_string()]);
    bench.simulator.release();
    first.end().await.assert_code(&[0]);
    bench.assert_mirrors();
    assert_eq!(bench.number("SELECT count(*) FROM runs"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_not_kept_waiting_by_a_sync() {
    let bench = Bench::new(World::generate(72, &Size::small())).await;
    bench.sync_full().await;
    let sync = bench.start_held(&["sync", "--full"]).await;
    bench.run(&["status"]).await.assert_code(&[0]);
    assert_eq!(bench.number("SELECT count(*) FROM measures"), 60);
    bench.simulator.release();
    sync.end().await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_dies_with_its_holder() {
    let bench = Bench::new(World::generate(73, &Size::small())).await;
    let first = bench.start_held(&["sync"]).await;
    kill(first.pid);
    bench.simulator.release();
    first.end().await.assert_code(&[-1]);
    bench.sync_full().await;
    bench.assert_mirrors();
}
