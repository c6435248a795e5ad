//! Values and details that move while `lastEdited` stands still: calculations run by themselves. They
//! are found at the latest by the seventh full run, and at every full run from then on.

use chrono::DateTime;
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Fault, Point, Rows, Size, Switches, Unstamped, What, World};

use crate::harness::{Bench, Setup};
use crate::mirror::assert_values_mirrored;

/// Moves one value, and nothing else.
fn move_value(bench: &Bench, position: usize, value: &str) -> i64 {
    let mut world = bench.simulator.world();
    let measure = world.ids("measures")[position];
    let period = world.periods()[0].id;
    world.set_value(measure, "Actual", period, Point::Value(value.to_owned()));
    measure
}

fn has_value(bench: &Bench, measure: i64, value: &str) -> bool {
    let query = format!(
        "SELECT count(*) FROM measure_values WHERE measure_id = {measure} AND series = 'Actual' \
         AND value = {value} AND removed_at IS NULL"
    );
    bench.number(&query) == 1
}

/// Syncs in full until it is so; how often that took.
async fn full_runs_until(bench: &Bench, is_so: impl Fn(&Bench) -> bool) -> u32 {
    let mut runs = 0;
    while !is_so(bench) && runs < 10 {
        bench.sync_full().await;
        runs += 1;
    }
    runs
}

async fn check_values(size: &Size) {
    let mut world = World::generate(101, size);
    world.unstamped = Unstamped { data: true, ..Unstamped::default() };
    let bench = Setup { page_size: 1000, concurrency: 16, ..Setup::of(world) }.start().await;
    bench.sync_full().await;
    let moved = move_value(&bench, 3, "777777.5");
    let runs = full_runs_until(&bench, |bench| has_value(bench, moved, "777777.5")).await;
    assert!((1..=7).contains(&runs), "found after {runs} full runs");
    for position in [7, 1, 12] {
        let moved = move_value(&bench, position, "888888.5");
        bench.sync_full().await;
        assert!(has_value(&bench, moved, "888888.5"), "not found at once after the first proof");
    }
    assert_values_mirrored(&bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_moves_silently_in_a_small_account_is_found() {
    check_values(&Size::small()).await;
}

/// More measures than one full run re-reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_moves_silently_in_a_large_account_is_found() {
    let only_measures = Size::small().none().with("scorecards", 4).with("measures", 2_500);
    check_values(&only_measures).await;
}

/// The view tells the oldest of all reads, and nothing at all while some measure was never read.
#[tokio::test(flavor = "multi_thread")]
async fn freshness_never_claims_more_than_was_read() {
    let values_as_of = |bench: &Bench| {
        let told =
            bench.sql("SELECT coalesce(values_as_of, '') FROM freshness WHERE kind = 'measures'").concat();
        DateTime::parse_from_rfc3339(&told).ok().map(|at| at.to_utc())
    };
    let only_measures = Size::small().none().with("scorecards", 4).with("measures", 2_500);
    let world = World::generate(104, &only_measures);
    let unread = world.ids("measures")[1_234];
    let bench = Setup { page_size: 1000, concurrency: 16, ..Setup::of(world) }.start().await;
    bench.simulator.fault(Fault::at(&format!("/measures/{unread}/measureData"), What::Status(404)));
    bench.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    assert_eq!(values_as_of(&bench), None, "one measure was never read");
    bench.simulator.clear_faults();
    // Every measure is read by the end of the round, and no sooner.
    for _ in 0..8 {
        bench.sync_full().await;
    }
    let before = Clock::System.now();
    assert!(values_as_of(&bench).is_some_and(|oldest| oldest < before), "all were read by now");
    bench.sync_full().await;
    let oldest = values_as_of(&bench).unwrap();
    assert!(oldest < before, "a seventh was read again, the others were read before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detail_that_moves_silently_is_found() {
    let mut world = World::generate(102, &Size::small());
    world.unstamped.fields.insert("description".to_owned());
    let switches = Switches { rows: Rows::Poorer, ..Switches::default() };
    let bench = Setup { switches, measure_data: "off", ..Setup::of(world) }.start().await;
    bench.sync_full().await;
    bench.sync_full().await;
    let tell = |position: usize, text: &str| {
        let mut world = bench.simulator.world();
        let id = world.ids("objectives")[position];
        world.edit("objectives", id, "description", text.into());
        id
    };
    let is_told = |bench: &Bench, id: i64, text: &str| {
        let query = format!("SELECT detail FROM elements WHERE kind = 'objectives' AND id = {id}");
        bench.sql(&query)[0].contains(text)
    };
    let id = tell(5, "quietly said");
    let runs = full_runs_until(&bench, |bench| is_told(bench, id, "quietly said")).await;
    assert!((1..=7).contains(&runs), "found after {runs} full runs");
    for position in [11, 2] {
        let id = tell(position, "said again");
        bench.sync_full().await;
        assert!(is_told(&bench, id, "said again"), "not found at once after the first proof");
    }
}

/// `measure_data = "off"` reads no values, and says nothing of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_is_never_asked_for() {
    let world = World::generate(103, &Size::small());
    let bench = Setup { measure_data: "off", details: "off", ..Setup::of(world) }.start().await;
    bench.sync_full().await;
    let log = bench.simulator.log();
    let single = log.iter().find(|asked| asked.path.matches('/').count() > 1);
    assert_eq!(single, None);
    assert_eq!(bench.number("SELECT count(*) FROM measure_documents"), 0);
}
