//! A field that an account begins to show is told once, with its column; those of a first sync are not.

use clearpoint_sync::simulator::{Rows, Size, Switches, World};

use crate::harness::{Bench, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_field_is_told_once_with_its_column() {
    let bench = Bench::new(World::generate(151, &Size::small())).await;
    for _ in 0..2 {
        assert_eq!(bench.sync_full().await.said("field_discovered"), 0);
    }
    let edited = bench.simulator.world().ids("risks")[..3].to_vec();
    for id in edited {
        bench.simulator.world().edit("risks", id, "costCentre", "4711".into());
        bench.simulator.world().edit("risks", id, "Owner Name", "Ada".into());
    }
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("field_discovered"), 1, "one a kind and run: {ran}");
    ran.assert_names(&["field_discovered", "INFO", "costCentre (column cost_centre)", "Owner Name (column "]);
    assert_eq!(bench.number("SELECT count(*) FROM risks WHERE cost_centre = '4711'"), 3);
    assert_eq!(bench.sync_full().await.said("field_discovered"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM warnings WHERE resolved_at IS NULL"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_only_single_reads_show_is_told_too() {
    let switches = Switches { rows: Rows::Poorer, ..Switches::default() };
    let world = World::generate(152, &Size::small());
    let bench = Setup { switches, details: "all", ..Setup::of(world) }.start().await;
    for _ in 0..2 {
        let ran = bench.sync_full().await;
        assert_eq!(ran.said("field_discovered"), 0, "{ran}");
    }
    let id = bench.simulator.world().ids("risks")[0];
    bench.simulator.world().edit("risks", id, "customField_99", "new".into());
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("field_discovered"), 1, "{ran}");
}
