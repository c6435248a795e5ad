//! The store holds what the mapped user may see: every element of every kind, each document as the
//! account shows it, each value of each measure; and a run that finds nothing changed writes nothing.

use clearpoint_sync::simulator::{
    Duplicates, End, Envelope, MeasureDataShape, Point, Rows, Size, Switches, Totals, World,
};

use super::harness::{Bench, Setup};
use crate::patience::ONCE;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_account_is_mirrored_exactly_and_a_second_sync_writes_only_its_record() {
    let size = Size::small().with("measures", 10_000).with("objectives", 2_000).with("initiatives", 2_000);
    let world = World::generate(1, &size);
    let bench = Setup { page_size: 500, measure_data: "off", ..Setup::of(world) }.start().await;
    bench.sync_full().await;
    bench.assert_mirrors();
    let before = bench.digest();
    bench.sync_full().await;
    bench.digest().assert_same(&before);
    assert_eq!(bench.number("SELECT count(*) FROM runs"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realistic_account_with_values_is_mirrored_and_stays_as_it_is() {
    let bench = Bench::new(World::generate(2, &Size::realistic())).await;
    bench.sync_full().await;
    bench.assert_mirrors();
    assert_values_mirrored(&bench);
    let before = bench.digest();
    bench.sync_full().await;
    bench.digest().assert_same(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_nobody_tells_otherwise_is_full_first_and_again_and_then_incremental() {
    let world = World::generate(3, &Size::small());
    let bench = Setup { schedules: ONCE, ..Setup::of(world) }.start().await;
    for _ in 0..3 {
        bench.run(&["sync"]).await.assert_code(&[0]);
    }
    assert_eq!(bench.sql("SELECT mode FROM runs ORDER BY id"), ["full", "full", "incremental"]);
    bench.assert_mirrors();
}

/// However the open questions of the API fall, the store ends up the same.
#[tokio::test(flavor = "multi_thread")]
async fn every_envelope_end_and_total_is_understood() {
    for (envelope, end, totals) in [
        (Envelope::Bare, End::NotFound, Totals::None),
        (Envelope::Data, End::Null, Totals::Elements),
        (Envelope::Results, End::LastAgain, Totals::Elements),
        (Envelope::Nested, End::LastAgain, Totals::None),
    ] {
        let switches = Switches { envelope, end, totals, ..Switches::default() };
        let world = World::generate(4, &Size::small());
        let bench = Setup { switches, ..Setup::of(world) }.start().await;
        bench.sync_full().await;
        bench.assert_mirrors();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_of_measure_data_is_read_and_the_unreadable_one_is_kept_raw() {
    use MeasureDataShape::{ColumnsAndRows, PeriodRows, SeriesWithValues, Unrecognisable};
    for measure_data in [PeriodRows, SeriesWithValues, ColumnsAndRows, Unrecognisable] {
        let switches = Switches { measure_data, ..Switches::default() };
        let world = World::generate(5, &Size::small().with("measures", 30));
        let bench = Setup { switches, ..Setup::of(world) }.start().await;
        bench.run(&["sync", "--full"]).await.assert_code(&[0]);
        assert_eq!(bench.number("SELECT count(*) FROM measure_documents"), 30);
        match measure_data {
            Unrecognisable => assert_eq!(bench.number("SELECT count(*) FROM measure_values"), 0),
            _ => assert_values_mirrored(&bench),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_in_two_scorecards_is_one_row_with_both_placements() {
    let switches = Switches { duplicates: Duplicates::OwnScorecard, ..Switches::default() };
    let bench = Setup { switches, ..Setup::of(World::generate(6, &Size::small())) }.start().await;
    bench.sync_full().await;
    for (id, _) in bench.stored("objectives") {
        let mut placements = bench.simulator.world().placements_of("objectives", id, World::USER);
        placements.sort_unstable();
        let query =
            format!("SELECT scorecard_id FROM placements WHERE kind = 'objectives' AND id = {id} ORDER BY 1");
        let placements: Vec<String> = placements.iter().map(ToString::to_string).collect();
        assert_eq!(bench.sql(&query), placements, "objective {id}");
    }
    assert_eq!(bench.stored("objectives").len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_reads_that_carry_more_are_stored_beside_the_row() {
    let switches = Switches { rows: Rows::Poorer, ..Switches::default() };
    let bench = Setup { switches, ..Setup::of(World::generate(7, &Size::small())) }.start().await;
    bench.sync_full().await;
    bench.assert_mirrors();
    let with_detail = bench.number(
        "SELECT count(*) FROM elements WHERE kind = 'objectives' AND CAST(detail AS text) LIKE '%\"description\"%'",
    );
    assert_eq!(with_detail, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_a_sync_would_do_and_writes_nothing() {
    let bench = Bench::new(World::generate(8, &Size::small())).await;
    bench.sync_full().await;
    let ids = bench.simulator.world().ids("risks");
    bench.simulator.world().delete("risks", ids[0]);
    bench.simulator.world().edit("risks", ids[1], "name", "Flood".into());
    let (before, runs) = (bench.digest(), bench.sql("SELECT * FROM runs"));
    let ran = bench.run(&["plan", "--json"]).await;
    ran.assert_code(&[0]);
    for id in &ids[..2] {
        assert!(ran.stdout.contains(&id.to_string()), "{ran}");
    }
    bench.digest().assert_same(&before);
    assert_eq!(bench.sql("SELECT * FROM runs"), runs);
}

/// Every point of every visible measure stands in the store as the account shows it.
#[track_caller]
pub(super) fn assert_values_mirrored(bench: &Bench) {
    let world = bench.simulator.world().clone();
    for id in bench.visible("measures").into_keys() {
        let query = format!(
            "SELECT series, period_id, text, value FROM measure_values \
             WHERE measure_id = {id} AND removed_at IS NULL ORDER BY 1, 2"
        );
        let mut expected = Vec::new();
        for series in world.series(id) {
            for period in world.periods() {
                match world.value(id, series, period.id) {
                    Point::Value(text) => expected.push((series.to_owned(), period.id, text.parse().ok())),
                    Point::Null => expected.push((series.to_owned(), period.id, None)),
                    Point::Gone => {}
                }
            }
        }
        expected.sort_by_key(|(series, period, _)| (series.clone(), *period));
        assert_eq!(values(bench, &query), expected, "values of measure {id}");
    }
}

fn values(bench: &Bench, query: &str) -> Vec<(String, i64, Option<f64>)> {
    let rows = bench.look.rows(query).into_iter();
    let mut values: Vec<_> =
        rows.map(|row| (row[0].1.clone(), row[1].1.parse().unwrap(), row[3].1.parse().ok())).collect();
    // A database has an alphabet of its own.
    values.sort_by_key(|(series, period, _)| (series.clone(), *period));
    values
}
