//! Between full runs only what changed is asked for, as far as the API has shown that it can tell.

use clearpoint_sync::simulator::{Filter, Size, Switches, World};

use super::harness::{Bench, Setup};

async fn bench(filter: Filter) -> Bench {
    let switches = Switches { filter, ..Switches::default() };
    let world = World::generate(91, &Size::small().with("objectives", 600));
    let bench = Setup { switches, ..Setup::of(world) }.start().await;
    bench.sync_full().await;
    bench.sync_full().await;
    bench
}

fn edit_three(bench: &Bench) {
    let mut world = bench.simulator.world();
    world.now += chrono::TimeDelta::hours(1);
    for id in world.ids("objectives").into_iter().step_by(250) {
        world.edit("objectives", id, "name", "Edited".into());
    }
    world.insert("objectives");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_new_elements_come_with_one_request_a_kind() {
    let bench = bench(Filter::Since).await;
    edit_three(&bench);
    bench.simulator.clear_log();
    bench.run(&["sync", "--incremental"]).await.assert_code(&[0]);
    bench.assert_mirrors();
    let pages = bench.simulator.log().iter().filter(|asked| asked.path == "/objectives").count();
    assert!(pages <= 2, "{pages} requests for 600 objectives of which 4 changed");
}

/// A filter that shows too little is found out, because known elements do not come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_does_not_filter_as_hoped_loses_no_edit() {
    for filter in [Filter::OnDay, Filter::Ignored, Filter::Refused, Filter::After] {
        let bench = bench(filter).await;
        for _ in 0..3 {
            edit_three(&bench);
            bench.run(&["sync", "--incremental"]).await.assert_code(&[0]);
        }
        bench.sync_full().await;
        bench.assert_mirrors();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_that_miss_a_change_are_told_once_and_until_14_full_runs_find_no_other() {
    let bench = Bench::new(World::generate(92, &Size::small())).await;
    bench.sync_full().await;
    bench.sync_full().await;
    {
        let mut world = bench.simulator.world();
        world.unstamped.fields.insert("name".to_owned());
        let id = world.ids("objectives")[0];
        world.edit("objectives", id, "name", "Edited in silence".into());
    }
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("last_edited_unreliable"), 1, "{ran}");
    for run in 1..=14 {
        let ran = bench.sync_full().await;
        assert_eq!(ran.said("last_edited_unreliable"), 0, "{ran}");
        assert_eq!(ran.said("warning_resolved"), usize::from(run == 14), "after {run} runs: {ran}");
    }
}
