//! What outlives a run in odd states: held sets, kept rows, runs that broke off, an account that moved.

use super::Bench;
use crate::kind::KindName;
use crate::run::{Mode, Outcome};
use crate::simulator::{Fault, Size, What, World};
use crate::warning::Event;

const MEASURES: &str = "kinds = [\"measures\"]\ndetails = \"off\"\nmeasure_data = \"off\"";
const LISTS: &str = "details = \"off\"\nmeasure_data = \"off\"";

fn world() -> World {
    World::generate(11, &Size::small())
}

/// A bench whose last full run held back the removal of 20 of 60 measures.
async fn holding() -> Bench {
    let bench = Bench::new(world(), MEASURES).await;
    bench.run(Mode::Full).await;
    let gone = bench.simulator.world().ids("measures")[10..30].to_vec();
    for id in gone {
        bench.simulator.world().delete("measures", id);
    }
    bench.run(Mode::Full).await;
    assert_eq!(bench.one("SELECT json_array_length(ids) FROM held"), "20");
    bench
}

fn gone(bench: &Bench) -> String {
    bench.one("SELECT count(*) FROM elements WHERE kind = 'measures' AND state = 'removed'")
}

#[tokio::test]
async fn a_run_without_a_snapshot_leaves_a_held_set_and_its_release_alone() {
    let bench = holding().await;
    bench.store.release_kind(&bench.config.connections[0].name, &KindName::new("measures")).await.unwrap();
    let report = bench.run(Mode::Incremental).await;
    assert_eq!((report.run.outcome, report.run.counts.held), (Some(Outcome::Partial), 20));
    bench.simulator.fault(Fault::at("/measures", What::Html).page(2));
    bench.run(Mode::Full).await;
    bench.simulator.clear_faults();
    assert_eq!(bench.rows("SELECT is_released FROM held"), ["1"]);
    bench.run(Mode::Full).await;
    assert_eq!((gone(&bench).as_str(), bench.rows("SELECT * FROM held").len()), ("20", 0));
}

#[tokio::test]
async fn a_set_that_stays_held_is_not_written_again() {
    let bench = holding().await;
    let before = bench.digest();
    bench.run(Mode::Full).await;
    bench.run(Mode::Full).await;
    for (table, rows) in bench.digest() {
        assert_eq!(rows, before[&table], "{table}");
    }
}

#[tokio::test]
async fn a_row_that_is_kept_aside_is_told_once() {
    let bench = Bench::new(world(), MEASURES).await;
    let id = bench.simulator.world().ids("measures")[0];
    bench.simulator.world().put_raw("measures", id, r#"{"name":"no id"}"#);
    assert_eq!(bench.run(Mode::Full).await.notices.rejected.len(), 1);
    for mode in [Mode::Incremental, Mode::Full] {
        assert_eq!(bench.run(mode).await.notices.rejected, [], "{mode:?}");
    }
}

#[tokio::test]
async fn a_full_run_that_was_stopped_is_made_again() {
    let bench = Bench::new(world(), LISTS).await;
    bench.run(Mode::Full).await;
    bench.run(Mode::Full).await;
    let cancel = bench.cancel.clone();
    bench.simulator.on_request("/initiatives", 1, move |_| {
        cancel.send_replace(true);
    });
    let report = bench.run(Mode::Full).await;
    assert_eq!((report.run.outcome, report.run.needs_full), (Some(Outcome::Partial), true));
    bench.cancel.send_replace(false);
    assert!(!bench.run(Mode::Full).await.run.needs_full);
}

#[tokio::test]
async fn a_full_run_that_the_gate_refused_is_made_again() {
    let bench = Bench::new(world(), MEASURES).await;
    bench.run(Mode::Full).await;
    let unticked = bench.simulator.world().ids("scorecards")[..4].to_vec();
    for scorecard in unticked {
        bench.simulator.world().untick(World::USER, scorecard);
    }
    let report = bench.run(Mode::Full).await;
    assert_eq!((report.run.outcome, report.run.needs_full), (Some(Outcome::Partial), true));
}

#[tokio::test]
async fn a_run_that_was_let_in_speaks_for_the_account_however_it_ends() {
    let bench = Bench::new(world(), LISTS).await;
    for path in ["/objectives", "/measures", "/initiatives"] {
        bench.simulator.fault(Fault::at(path, What::Status(500)));
    }
    let report = bench.run(Mode::Full).await;
    assert!(report.run.reason.unwrap().contains("no more are asked"));
    let examined = |event| report.notices.examined.iter().any(|id| id.event == event);
    assert!(examined(Event::AccountChanged) && examined(Event::NothingVisible));
    assert!(report.notices.hold.is_empty(), "{:?}", report.notices.hold);
}

#[tokio::test]
async fn a_scorecard_that_appears_between_full_runs_asks_for_one() {
    let bench = Bench::new(world(), MEASURES).await;
    let hidden = bench.simulator.world().ids("scorecards")[5];
    bench.simulator.world().untick(World::USER, hidden);
    bench.run(Mode::Full).await;
    bench.run(Mode::Full).await;
    bench.simulator.world().tick(World::USER, hidden);
    assert!(bench.run(Mode::Incremental).await.run.needs_full);
    assert!(!bench.run(Mode::Full).await.run.needs_full);
    assert!(!bench.run(Mode::Incremental).await.run.needs_full);
}

#[tokio::test]
async fn a_server_that_cannot_answer_does_not_make_the_account_another() {
    let bench = Bench::new(World::generate(11, &Size::small().with("scorecards", 2)), MEASURES).await;
    let scorecards = bench.simulator.world().ids("scorecards");
    let [first, second] = scorecards[..] else { panic!("two scorecards") };
    bench.simulator.world().untick(World::USER, second);
    bench.run(Mode::Full).await;
    bench.simulator.world().tick(World::USER, second);
    bench.simulator.world().untick(World::USER, first);
    for prefix in ["/measures/", "/scorecards/"] {
        bench.simulator.fault(Fault::under(prefix, What::Status(503)));
    }
    let report = bench.run(Mode::Full).await;
    assert_eq!((report.run.outcome, report.notices.hold), (Some(Outcome::Failed), Vec::new()));
}

#[tokio::test]
async fn a_closed_door_refuses_the_key_only_when_two_runs_in_a_row_see_it() {
    let bench = Bench::new(world(), MEASURES).await;
    bench.run(Mode::Full).await;
    let mut outcomes = Vec::new();
    for answer in [What::Html, What::Status(500), What::Html, What::Html] {
        bench.simulator.fault(Fault::at("/scorecards", answer));
        outcomes.push(bench.run(Mode::Full).await.run.outcome.unwrap());
        bench.simulator.clear_faults();
    }
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Failed, Outcome::Failed, Outcome::Refused]);
}

#[tokio::test]
async fn a_rejected_row_that_was_told_is_no_part_of_an_incremental_run() {
    let bench = Bench::new(world(), MEASURES).await;
    bench.run(Mode::Full).await;
    bench.run(Mode::Full).await;
    bench.simulator.world().put_raw("measures", 900_000_000, r#"{"name":"no id"}"#);
    let run = async |mode| bench.run(mode).await.run.outcome.unwrap();
    assert_eq!(run(Mode::Full).await, Outcome::Partial, "it is new");
    assert_eq!(run(Mode::Incremental).await, Outcome::Ok, "it was told");
    bench.simulator.world().put_raw("measures", 900_000_001, r#"{"name":"no id either"}"#);
    assert_eq!(run(Mode::Incremental).await, Outcome::Partial, "another is new");
    assert_eq!(run(Mode::Incremental).await, Outcome::Ok);
    assert_eq!(bench.one("SELECT count(*) FROM rejected"), "2", "nothing is forgotten");
}

#[tokio::test]
async fn the_gate_asks_only_for_elements_of_configured_kinds() {
    let mut bench = Bench::new(World::generate(11, &Size::small().with("scorecards", 2)), LISTS).await;
    let scorecards = bench.simulator.world().ids("scorecards");
    let [first, second] = scorecards[..] else { panic!("two scorecards") };
    bench.simulator.world().untick(World::USER, second);
    bench.run(Mode::Full).await;
    bench.simulator.world().tick(World::USER, second);
    bench.simulator.world().untick(World::USER, first);
    // Kinds without a scorecard are seen by all: the first of them proves the account.
    let goals = &mut bench.config.connections[0].kinds;
    goals.retain(|kind| ["scorecards", "goals"].contains(&kind.name.as_str()));
    bench.simulator.clear_log();
    let report = bench.run(Mode::Full).await;
    assert!(report.notices.hold.iter().all(|fact| fact.id.event != Event::AccountChanged));
    let single = |path: &str| path.matches('/').count() == 2;
    let asked: Vec<String> =
        bench.simulator.log().into_iter().map(|asked| asked.path).filter(|path| single(path)).collect();
    assert!(
        asked.iter().all(|path| path.starts_with("/goals/") || path.starts_with("/scorecards/")),
        "{asked:?}"
    );
    assert!(asked.iter().any(|path| path.starts_with("/goals/")));
}
