//! What is stored is not put aside by the pull, and yet nothing is written without its document.

use super::*;
use crate::element::ElementId;
use crate::run::KindOutcome;
use crate::simulator::Size;

const MEASURES: &str = "kinds = [\"measures\"]\ndetails = \"off\"\nmeasure_data = \"off\"";

/// A bench that has stored 60 measures.
async fn stored() -> Bench {
    let bench = Bench::new(World::generate(17, &Size::small()), MEASURES).await;
    bench.run(Mode::Full).await;
    bench.run(Mode::Full).await;
    bench
}

/// Checks that what somebody writes while the measures are listed costs this run the kind, and that the next
/// one puts it right.
async fn check_meddled(script: &'static str) {
    let bench = stored().await;
    let before = bench.digest();
    let (store, edited) = (bench.store.clone(), bench.simulator.world().ids("measures")[3]);
    bench.simulator.on_page("/measures", 1, move |world| {
        world.edit("measures", edited, "name", "Renamed".into());
        reading::script(&store, script);
    });
    let report = bench.run(Mode::Full).await;
    assert_eq!(report.run.outcome, Some(Outcome::Partial));
    let kind = report.run.kinds.iter().find(|kind| kind.kind.as_str() == "measures").unwrap();
    assert_eq!(kind.outcome, KindOutcome::Failed);
    assert_eq!(
        kind.reason.as_deref(),
        Some("measures: what is stored changed while they were listed"),
        "and none of it is stored"
    );
    assert_eq!(bench.digest()["changes"], before["changes"]);
    assert_eq!(bench.run(Mode::Full).await.run.outcome, Some(Outcome::Ok));
    let names = "SELECT count(*) FROM measures WHERE name = 'Renamed'";
    assert_eq!((bench.one("SELECT count(*) FROM measures"), bench.one(names)), ("60".into(), "1".into()));
}

#[tokio::test]
async fn an_element_that_somebody_removes_while_it_is_listed_costs_the_run_its_kind() {
    check_meddled("UPDATE elements SET state = 'removed' WHERE kind = 'measures' AND id % 2 = 0").await;
}

#[tokio::test]
async fn an_element_that_somebody_rewrites_while_it_is_listed_costs_the_run_its_kind() {
    check_meddled("UPDATE elements SET fingerprint = zeroblob(16) WHERE kind = 'measures' AND id % 2 = 0")
        .await;
}

#[tokio::test]
async fn what_comes_back_as_it_was_is_restored_with_its_document() {
    let bench = stored().await;
    let victim = bench.simulator.world().ids("measures")[5];
    let document = format!("SELECT doc, state FROM elements WHERE kind = 'measures' AND id = {victim}");
    let before = bench.one(&document);
    bench.simulator.world().delete("measures", victim);
    bench.run(Mode::Full).await;
    assert_eq!(bench.one(&document), before.replace("present", "removed"));
    bench.simulator.world().restore("measures", victim);
    let report = bench.run(Mode::Full).await;
    assert_eq!((report.run.outcome, report.run.counts.restored), (Some(Outcome::Ok), 1));
    assert_eq!(bench.one(&document), before);
}

#[tokio::test]
async fn a_scorecard_that_an_incremental_run_stored_is_told_by_its_name() {
    let bench = Bench::new(World::generate(17, &Size::small()), MEASURES).await;
    let hidden = bench.simulator.world().ids("scorecards")[5];
    bench.simulator.world().untick(World::USER, hidden);
    bench.run(Mode::Full).await;
    bench.run(Mode::Full).await;
    bench.simulator.world().tick(World::USER, hidden);
    bench.run(Mode::Incremental).await;
    let connection = &bench.config.connections[0].name;
    let [Some(name)] = &bench.store.scorecard_names(connection, &[ElementId(hidden)]).await.unwrap()[..]
    else {
        panic!("it is stored")
    };
    let report = bench.run(Mode::Full).await;
    let told = report.notices.hold.iter().flat_map(|warning| &warning.fields);
    let came: Vec<_> = told.filter(|(field, _)| field == "came").map(|(_, text)| text.clone()).collect();
    assert_eq!(came, [format!("{name} ({hidden})")]);
}
