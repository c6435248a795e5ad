//! What the stage of single reads promises.

use super::Bench;
use crate::kind::KindName;
use crate::run::{Mode, Outcome};
use crate::simulator::{Fault, MeasureDataShape, Point, Rows, Size, What, World};
use crate::store::HELD_VALUES;

const VALUES: &str = "kinds = [\"measures\"]\ndetails = \"off\"";
const DETAILS: &str = "kinds = [\"measures\"]\nmeasure_data = \"off\"";

fn world(measures: usize) -> World {
    World::generate(7, &Size::small().with("measures", measures))
}

/// The points that people see, as `measure|series|period|value`.
fn stored(bench: &Bench) -> Vec<String> {
    bench.rows(
        "SELECT measure_id, series, period, value FROM measure_values WHERE removed_at IS NULL ORDER BY 1, 2, 3",
    )
}

/// The same, of the simulated account.
fn true_points(bench: &Bench) -> Vec<String> {
    let world = bench.simulator.world();
    let mut points = Vec::new();
    for measure in world.ids("measures") {
        for series in world.series(measure) {
            for period in world.periods() {
                let value = match world.value(measure, series, period.id) {
                    Point::Value(text) => text.parse::<f64>().unwrap().to_string(),
                    Point::Null => "-".to_owned(),
                    Point::Gone => continue,
                };
                points.push((measure, series, period.name, value));
            }
        }
    }
    points.sort();
    points
        .into_iter()
        .map(|(measure, series, period, value)| format!("{measure}|{series}|{period}|{value}"))
        .collect()
}

/// Changes the last value of the nth measure.
fn move_value(bench: &Bench, nth: usize, point: Point) -> i64 {
    let mut world = bench.simulator.world();
    let measure = world.ids("measures")[nth];
    let period = world.periods().pop().unwrap();
    world.set_value(measure, "Actual", period.id, point);
    measure
}

#[tokio::test]
async fn values_are_stored_as_they_are_and_null_stays_null() {
    let bench = Bench::new(world(30), VALUES).await;
    let report = bench.run(Mode::Full).await;
    assert_eq!(report.run.outcome, Some(Outcome::Ok), "{:?}", report.run.reason);
    assert_eq!(stored(&bench), true_points(&bench));
    assert_ne!(bench.one("SELECT count(*) FROM measure_values WHERE value IS NULL AND text IS NULL"), "0");
    let requests = report.run.counts.requests;
    assert_eq!(bench.one("SELECT requests FROM runs"), requests.to_string());
    assert!(requests > 30, "{requests}");
}

#[tokio::test]
async fn a_quiet_world_writes_nothing_but_run_records() {
    let bench = Bench::new(world(30), "").await;
    bench.simulator.switch(|switches| switches.rows = Rows::Poorer);
    bench.run(Mode::Full).await;
    // The first incremental run learns whether it may trust the filter.
    bench.run(Mode::Incremental).await;
    let before = bench.digest();
    bench.run(Mode::Incremental).await;
    bench.run(Mode::Full).await;
    for (table, rows) in bench.digest() {
        assert_eq!(rows, before[&table], "{table}");
    }
}

#[tokio::test]
async fn an_incremental_run_reads_what_changed_and_no_more() {
    let bench = Bench::new(world(30), VALUES).await;
    bench.run(Mode::Full).await;
    bench.asked("/measureData");
    move_value(&bench, 3, Point::Value("4711".into()));
    bench.run(Mode::Incremental).await;
    assert_eq!(bench.asked("/measureData"), 1);
    assert_eq!(stored(&bench), true_points(&bench));
    let changes =
        bench.rows("SELECT operation, after FROM changes WHERE part = 'values' AND operation <> 'insert'");
    assert_eq!(changes, [r#"update|{"Actual, Mar-26":4711.0}"#]);
}

#[tokio::test]
async fn values_that_move_unseen_are_found_by_the_seventh_full_run_and_from_then_on_by_each() {
    let mut bench = Bench::new(world(22), VALUES).await;
    bench.all_up_to = 10;
    bench.run(Mode::Full).await;
    bench.simulator.world().unstamped.data = true;
    for nth in [0, 10, 21] {
        move_value(&bench, nth, Point::Value("4711".into()));
    }
    bench.asked("/measureData");
    bench.run(Mode::Full).await;
    assert_eq!(bench.asked("/measureData"), 4, "a seventh of 22");
    for _ in 1..7 {
        bench.run(Mode::Full).await;
    }
    assert_eq!(stored(&bench), true_points(&bench));
    assert_eq!(bench.rows("SELECT kind, finding FROM findings"), ["measures|values_move_unseen"]);
    move_value(&bench, 5, Point::Null);
    bench.run(Mode::Full).await;
    assert_eq!(stored(&bench), true_points(&bench));
}

#[tokio::test]
async fn a_few_measures_are_all_read_again_by_each_full_run() {
    let bench = Bench::new(world(30), VALUES).await;
    bench.run(Mode::Full).await;
    bench.simulator.world().unstamped.data = true;
    move_value(&bench, 29, Point::Value("1".into()));
    bench.run(Mode::Full).await;
    assert_eq!(stored(&bench), true_points(&bench));
}

#[tokio::test]
async fn a_stage_that_is_stopped_goes_on_where_it_was() {
    let bench = Bench::new(world(60), VALUES).await;
    let cancel = bench.cancel.clone();
    bench.simulator.on_request("/measures/", 25, move |_| {
        cancel.send_replace(true);
    });
    let report = bench.run(Mode::Full).await;
    assert_eq!(report.run.outcome, Some(Outcome::Partial));
    let read: usize = bench.one("SELECT count(*) FROM measure_documents").parse().unwrap();
    assert!((1..30).contains(&read), "{read}");
    bench.cancel.send_replace(false);
    bench.asked("/measureData");
    bench.run(Mode::Incremental).await;
    assert_eq!(bench.asked("/measureData"), 60 - read);
    assert_eq!(stored(&bench), true_points(&bench));
}

#[tokio::test]
async fn a_stage_that_is_killed_repeats_at_most_a_batch() {
    let bench = Bench::new(world(250), VALUES).await;
    let (kill, killed) = tokio::sync::oneshot::channel();
    bench.simulator.on_request("/measures/", 150, move |_| kill.send(()).unwrap());
    tokio::select! {
        biased;
        _ = killed => {}
        _ = bench.run(Mode::Full) => panic!("it was not killed"),
    }
    assert_eq!(bench.one("SELECT count(*) FROM measure_documents"), "100");
    bench.asked("/measureData");
    bench.run(Mode::Incremental).await;
    assert_eq!(bench.asked("/measureData"), 150);
    assert_eq!(stored(&bench), true_points(&bench));
}

#[tokio::test]
async fn a_server_that_wants_rest_ends_the_run_and_the_kinds_stay() {
    let bench = Bench::new(world(30), VALUES).await;
    let rest = What::RetryAfter(429, "7200".into());
    bench.simulator.fault(Fault::ending("/measureData", rest).from_nth(10));
    let report = bench.run(Mode::Full).await;
    assert_eq!(report.run.outcome, Some(Outcome::Partial), "{:?}", report.run.reason);
    assert_eq!(bench.one("SELECT count(*) FROM elements WHERE kind = 'measures'"), "30");
    assert_ne!(bench.one("SELECT count(*) FROM measure_documents"), "0");
}

#[tokio::test]
async fn single_reads_give_way_to_a_due_run() {
    let mut bench = Bench::new(world(30), VALUES).await;
    bench.next_due = Some(bench.clock.now());
    let report = bench.run(Mode::Full).await;
    assert_eq!(report.run.outcome, Some(Outcome::Ok));
    assert_eq!(report.notices.single_reads[0].1, "30 single reads of values wait for a later run");
    assert_eq!(stored(&bench).len(), 0);
    bench.next_due = None;
    bench.run(Mode::Incremental).await;
    assert_eq!(stored(&bench), true_points(&bench));
}

#[tokio::test]
async fn an_unknown_shape_is_kept_as_it_came_and_its_keys_are_said_once() {
    let bench = Bench::new(world(30), VALUES).await;
    bench.simulator.switch(|switches| switches.measure_data = MeasureDataShape::Unrecognisable);
    let report = bench.run(Mode::Full).await;
    assert_eq!(report.run.outcome, Some(Outcome::Ok));
    assert_eq!(report.notices.single_reads.len(), 1);
    assert!(report.notices.single_reads[0].1.contains("(keys chart, measure)"), "{:?}", report.notices);
    assert_eq!(bench.one("SELECT count(*) FROM measure_documents WHERE NOT is_recognised"), "30");
}

#[tokio::test]
async fn an_answer_without_the_values_there_were_takes_none_away() {
    for body in [r#"{"measureData":[]}"#, r#"{"odd":1}"#, "null"] {
        let bench = Bench::new(world(30), VALUES).await;
        bench.run(Mode::Full).await;
        let before = stored(&bench);
        bench.simulator.fault(Fault::ending("/measureData", What::Body(body.into())));
        let report = bench.run(Mode::Full).await;
        assert_eq!(report.run.outcome, Some(Outcome::Partial), "{body}");
        assert_eq!(stored(&bench), before, "{body}");
        assert_eq!(bench.one("SELECT doc FROM measure_documents LIMIT 1"), body);
        bench.simulator.clear_faults();
        assert_eq!(bench.run(Mode::Full).await.run.outcome, Some(Outcome::Ok), "{body}");
    }
}

#[tokio::test]
async fn a_point_that_is_gone_leaves_softly_and_half_of_them_do_not() {
    let bench = Bench::new(world(30), VALUES).await;
    bench.run(Mode::Full).await;
    move_value(&bench, 0, Point::Gone);
    let report = bench.run(Mode::Incremental).await;
    assert_eq!(report.run.outcome, Some(Outcome::Ok), "{:?}", report.run.reason);
    assert_eq!(stored(&bench), true_points(&bench));
    assert_eq!(bench.one("SELECT count(*) FROM measure_values WHERE removed_at IS NOT NULL"), "1");
    let before = stored(&bench);
    {
        let mut world = bench.simulator.world();
        let measure = world.ids("measures")[1];
        for period in world.periods() {
            world.set_value(measure, "Target", period.id, Point::Gone);
            world.set_value(measure, "Forecast", period.id, Point::Gone);
        }
        let first = world.periods()[0].id;
        world.set_value(measure, "Actual", first, Point::Gone);
    }
    let report = bench.run(Mode::Incremental).await;
    assert_eq!(report.run.outcome, Some(Outcome::Partial));
    let warnings: Vec<String> = report.notices.hold.iter().map(|warning| warning.id.to_string()).collect();
    assert_eq!(warnings, ["city/removals_held/measure_values"]);
    assert_eq!(stored(&bench), before);
    let city = &bench.config.connections[0].name;
    bench.store.release_kind(city, &KindName::new(HELD_VALUES)).await.unwrap();
    let report = bench.run(Mode::Incremental).await;
    assert_eq!((report.run.outcome, report.notices.hold.len()), (Some(Outcome::Ok), 0));
    assert_eq!(stored(&bench), true_points(&bench));
}

#[tokio::test]
async fn an_api_without_measure_data_costs_a_few_requests_and_no_outcome() {
    let bench = Bench::new(world(150), VALUES).await;
    bench.simulator.fault(Fault::ending("/measureData", What::Status(404)));
    assert_eq!(bench.run(Mode::Full).await.run.outcome, Some(Outcome::Ok));
    assert!(bench.asked("/measureData") < 30);
    bench.run(Mode::Incremental).await;
    assert_eq!(bench.asked("/measureData"), 0);
    bench.run(Mode::Full).await;
    assert_eq!(bench.asked("/measureData"), 20);
}

#[tokio::test]
async fn reads_that_fail_make_the_run_partial_and_are_asked_again() {
    let bench = Bench::new(world(30), VALUES).await;
    let measure = bench.simulator.world().ids("measures")[2];
    bench.simulator.fault(Fault::at(&format!("/measures/{measure}/measureData"), What::Status(500)));
    let report = bench.run(Mode::Full).await;
    let reason = report.run.reason.unwrap();
    assert_eq!(report.run.outcome, Some(Outcome::Partial));
    assert!(reason.contains("single reads of values failed") && reason.contains("500"), "{reason}");
    assert_eq!(bench.one("SELECT reason FROM run_kinds WHERE kind = 'measures'"), reason);
    assert_eq!(bench.one("SELECT count(*) FROM elements WHERE kind = 'measures'"), "30");
    bench.simulator.clear_faults();
    bench.asked("/measureData");
    assert_eq!(bench.run(Mode::Incremental).await.run.outcome, Some(Outcome::Ok));
    assert_eq!(bench.asked("/measureData"), 1);
    assert_eq!(stored(&bench), true_points(&bench));
}

#[tokio::test]
async fn details_are_read_where_they_carry_more_than_list_rows() {
    let bench = Bench::new(world(30), DETAILS).await;
    bench.simulator.switch(|switches| switches.rows = Rows::Poorer);
    bench.run(Mode::Full).await;
    let found = bench.one("SELECT value FROM findings WHERE kind = 'measures' AND finding = 'details'");
    assert!(found.starts_with("richer: ") && found.contains("description"), "{found}");
    let described =
        "json_extract(detail, '$.description') IS NOT NULL AND json_extract(doc, '$.description') IS NULL";
    assert_eq!(
        bench.one(&format!("SELECT count(*) FROM elements WHERE kind = 'measures' AND {described}")),
        "30"
    );
}

#[tokio::test]
async fn details_that_move_unseen_are_found_by_the_next_full_run() {
    let bench = Bench::new(world(30), DETAILS).await;
    bench.simulator.switch(|switches| switches.rows = Rows::Poorer);
    bench.run(Mode::Full).await;
    {
        let mut world = bench.simulator.world();
        world.unstamped.fields.insert("description".into());
        let measure = world.ids("measures")[4];
        world.edit("measures", measure, "description", "moved".into());
    }
    bench.run(Mode::Full).await;
    let moved = "SELECT count(*) FROM elements WHERE json_extract(detail, '$.description') = 'moved'";
    assert_eq!(bench.one(moved), "1");
    assert_eq!(bench.one("SELECT count(*) FROM findings WHERE finding = 'details_move_unseen'"), "1");
    assert_eq!(
        bench.rows("SELECT operation, fields FROM changes WHERE part = 'detail' AND operation <> 'insert'"),
        [r#"update|["description"]"#]
    );
}

#[tokio::test]
async fn details_equal_to_list_rows_are_not_read_and_compared_once_a_week() {
    let bench = Bench::new(world(30), DETAILS).await;
    bench.run(Mode::Full).await;
    assert_eq!(bench.one("SELECT value FROM findings WHERE kind = 'measures'"), "same");
    let single = |bench: &Bench| {
        let log = bench.simulator.log();
        bench.simulator.clear_log();
        log.iter().filter(|request| request.path.starts_with("/measures/")).count()
    };
    assert_eq!(single(&bench), 3);
    for _ in 0..6 {
        bench.run(Mode::Full).await;
    }
    assert_eq!(single(&bench), 0);
    bench.run(Mode::Full).await;
    assert_eq!(single(&bench), 3);
    assert_eq!(bench.one("SELECT count(*) FROM elements WHERE detail IS NOT NULL"), "0");
}

#[tokio::test]
async fn freshness_is_told_only_when_every_measure_was_read() {
    let bench = Bench::new(world(30), VALUES).await;
    bench.simulator.fault(Fault::ending("/measureData", What::Status(404)).once());
    bench.run(Mode::Full).await;
    bench.store.refresh_views().await.unwrap();
    let told = "SELECT values_as_of FROM freshness WHERE kind = 'measures'";
    assert_eq!(bench.one(told), "-");
    bench.run(Mode::Full).await;
    assert_eq!(bench.one(told), "2026-03-04T08:00:00.000Z");
}

#[tokio::test]
async fn a_server_that_goes_away_ends_the_stage() {
    let bench = Bench::new(world(400), VALUES).await;
    bench.simulator.fault(Fault::ending("/measureData", What::Status(500)).from_nth(200));
    let report = bench.run(Mode::Full).await;
    assert_eq!(report.run.outcome, Some(Outcome::Partial));
    let asked = bench.asked("/measureData");
    assert!(asked < 500, "asked {asked} times");
}
