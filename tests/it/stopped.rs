//! A store that stops a run in its middle: the record says so.

use clearpoint_sync::simulator::{Size, World};

use crate::harness::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_store_stops_is_recorded_as_failed_with_the_reason() {
    let bench = Setup::of(World::generate(312, &Size::small())).start().await;
    bench.sync_full().await;
    bench.look.change(
        "CREATE TRIGGER no_measures BEFORE UPDATE ON elements WHEN NEW.kind = 'measures'
         BEGIN SELECT RAISE(ABORT, 'no more measures'); END",
    );
    let measure = bench.simulator.world().ids("measures")[0];
    bench.simulator.world().edit("measures", measure, "name", "Renamed".into());
    bench.run(&["sync", "--full"]).await.assert_code(&[1]);
    let last = "SELECT count(*) FROM runs WHERE id = (SELECT max(id) FROM runs) AND outcome = 'failed'
                AND finished_at IS NOT NULL AND reason LIKE '%store the measures of city%' AND requests > 0";
    assert_eq!(bench.number(last), 1);
    bench.look.change("DROP TRIGGER no_measures");
    bench.sync_full().await;
    bench.assert_mirrors();
}
