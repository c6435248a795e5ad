//! A list that shifts while it is paged: rows slip past, or come twice. No live row is lost, no dead one
//! kept, after at most two runs.

use clearpoint_sync::simulator::{Order, Size, Switches, World};

use crate::harness::{Bench, Setup};

async fn bench(order: Order) -> Bench {
    let world = World::generate(21, &Size::small().with("objectives", 250));
    let switches = Switches { order, ..Switches::default() };
    let bench =
        Setup { switches, measure_data: "off", removals_max: "100%", ..Setup::of(world) }.start().await;
    bench.run(&["sync"]).await.assert_code(&[0]);
    bench.run(&["sync"]).await.assert_code(&[0]);
    bench.assert_mirrors();
    bench
}

/// Every visible objective that was known is still shown.
#[track_caller]
fn assert_no_live_row_lost(bench: &Bench) {
    let removed = bench.removed("objectives");
    let visible = bench.visible("objectives");
    let lost: Vec<_> = removed.keys().filter(|id| visible.contains_key(id)).collect();
    assert!(lost.is_empty(), "live, but removed: {lost:?}");
}

/// Runs into a change at page `page`, then once more in quiet.
async fn check(bench: &Bench, page: usize, change: impl FnOnce(&mut World) + Send + 'static) {
    bench.simulator.on_page("/objectives", page, change);
    bench.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    assert_no_live_row_lost(bench);
    bench.run(&["sync", "--full"]).await.assert_code(&[0]);
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_deleted_in_front_pulls_no_live_row_with_it() {
    let bench = bench(Order::IdAscending).await;
    check(&bench, 4, |world| {
        let first = world.ids("objectives")[0];
        world.delete("objectives", first);
    })
    .await;
    assert_eq!(bench.removed("objectives").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_rows_inserted_in_front_are_found_and_none_comes_twice() {
    let bench = bench(Order::IdAscending).await;
    check(&bench, 4, |world| {
        for _ in 0..10 {
            world.insert_in_front("objectives");
        }
    })
    .await;
    assert_eq!(bench.stored("objectives").len(), 260);
    assert_eq!(bench.removed("objectives").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scorecard_hidden_while_paging_takes_only_its_own_rows() {
    let bench = bench(Order::IdAscending).await;
    let scorecard = bench.simulator.world().ids("scorecards")[2];
    check(&bench, 5, move |world| world.untick(World::USER, scorecard)).await;
    let removed = bench.removed("objectives");
    assert!(!removed.is_empty() && removed.values().all(|reason| reason == "hidden"), "{removed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_reorder_the_list_lose_nothing() {
    let bench = bench(Order::LastEditedFirst).await;
    check(&bench, 5, |world| {
        world.now += chrono::TimeDelta::hours(1);
        for id in world.ids("objectives").into_iter().step_by(9) {
            world.edit("objectives", id, "name", "Moved up".into());
        }
    })
    .await;
    assert_eq!(bench.removed("objectives").len(), 0);
}

/// The run that saw the list shift asks for another full one by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_shifted_list_is_followed_by_another_full_run() {
    let bench = bench(Order::IdAscending).await;
    bench.simulator.on_page("/objectives", 4, |world| {
        world.insert_in_front("objectives");
    });
    bench.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    bench.run(&["sync"]).await.assert_code(&[0]);
    assert_eq!(bench.sql("SELECT mode FROM runs ORDER BY id DESC LIMIT 1"), ["full"]);
    bench.assert_mirrors();
}
