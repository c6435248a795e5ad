//! One odd document never blocks its kind: what can be stored is, the views answer, and what cannot is
//! said once and then stands as a notice.

use clearpoint_sync::simulator::{Ids, Size, Switches, World};
use serde_json::Value;

use super::harness::{Bench, Setup};
use crate::program::Ran;

/// Far above the ids that a world of this seed gives to risks.
const ODD: i64 = 900_000_000;

fn world() -> World {
    World::generate(111, &Size::small())
}

/// Documents that can be stored, one way or another.
pub(super) fn odd_documents() -> Vec<(i64, String)> {
    let big = "x".repeat(2_000_000);
    let documents = [
        r#""name":"nul \u0000 and raw","note":"lone \ud800 and \udc00 surrogates""#.to_owned(),
        r#""name":"huge","budget":1e400,"small":-1e-400,"long":123456789012345678901234567890"#.to_owned(),
        r#""Name":"upper","name":"lower","NAME":"all","nAmE":"mixed""#.to_owned(),
        r#""":"empty key"," ":"blank key","a\"b":"quoted","[x].y":"path","it's":1,"select":2"#.to_owned(),
        r#""name":"first","name":"second","name":"third""#.to_owned(),
        r#""name":null,"scorecardId":"not a number","ownerId":{},"lastEdited":[1]"#.to_owned(),
        r#""name":{"deep":[[[[{"er":true}]]]]},"completed":"maybe""#.to_owned(),
        format!(r#""name":"big","description":"{big}""#),
    ];
    let numbered = (ODD..).zip(documents);
    numbered.map(|(id, fields)| (id, format!(r#"{{"objectId":{id},{fields}}}"#))).collect()
}

fn put(world: &mut World, documents: &[(i64, String)]) {
    for (id, document) in documents {
        world.put_raw("risks", *id, document.as_str());
    }
}

#[track_caller]
fn assert_views_answer(bench: &Bench) {
    for view in bench.look.names("view") {
        bench.sql(&format!("SELECT * FROM \"{view}\""));
    }
    let shown = usize::try_from(bench.number("SELECT count(*) FROM risks")).unwrap();
    assert_eq!(shown, bench.stored("risks").len());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_odd_but_whole_are_stored() {
    let documents = odd_documents();
    let mut world = world();
    put(&mut world, &documents);
    let bench = Bench::new(world).await;
    bench.sync_full().await;
    let stored = bench.stored("risks");
    assert_eq!(stored.len(), 27 + documents.len());
    assert_eq!(stored[&ODD]["name"], "nul \u{fffd} and raw");
    assert_eq!(stored[&ODD]["note"], "lone \u{fffd} and \u{fffd} surrogates");
    assert_eq!(stored[&(ODD + 1)]["budget"].as_str().unwrap_or_default(), "1e400");
    assert_eq!(stored[&(ODD + 2)]["nAmE"], "mixed");
    assert_eq!(stored[&(ODD + 3)][""], "empty key");
    assert_eq!(stored[&(ODD + 7)]["description"].as_str().unwrap().len(), 2_000_000);
    assert_views_answer(&bench);
    bench.sync_full().await;
    let before = bench.digest();
    bench.sync_full().await;
    bench.digest().assert_same(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_written_as_text_are_ids() {
    let switches = Switches { ids: Ids::Text, ..Switches::default() };
    let bench = Setup { switches, ..Setup::of(world()) }.start().await;
    bench.sync_full().await;
    bench.assert_mirrors();
}

/// Rows that cannot be stored: nested beyond reason, without an id, with an id that is none.
fn hopeless_documents() -> [(&'static str, String); 4] {
    let depth = 50_000;
    let deep = format!(r#"{{"objectId":{ODD},"name":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    [
        ("depth", deep),
        ("no id", r#"{"name":"canary-value without an id","completed":true}"#.to_owned()),
        ("id is null", r#"{"objectId":null,"name":"canary-value"}"#.to_owned()),
        ("id is no integer", r#"{"objectId":"12x","name":"canary-value"}"#.to_owned()),
    ]
}

/// The row is kept aside, its keys are said once and its values never; after three full runs it is a
/// standing notice, and the run is ok again.
async fn check_rejected(what: &str, document: &str, id: i64) {
    let mut world = world();
    world.put_raw("risks", id, document);
    let bench = Bench::new(world).await;
    let mut runs: Vec<Ran> = Vec::new();
    for _ in 0..4 {
        runs.push(bench.run(&["sync", "--full"]).await);
        assert_eq!(bench.stored("risks").len(), 27, "{what}: the rest of the kind");
    }
    runs[0].assert_code(&[4]);
    runs[3].assert_code(&[0]);
    assert_eq!(bench.number("SELECT count(*) FROM rejected WHERE kind = 'risks'"), 1, "{what}");
    let standing =
        bench.number("SELECT count(*) FROM warnings WHERE event = 'rows_rejected' AND resolved_at IS NULL");
    assert_eq!(standing, 1, "{what}: standing notices");
    for ran in &runs {
        assert!(!ran.text().contains("canary-value"), "{what}: a value was said: {ran}");
    }
    assert_views_answer(&bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_stored_is_kept_aside_alone() {
    for (what, document) in hopeless_documents() {
        check_rejected(what, &document, ODD).await;
    }
}

/// On the first page it must not spoil the choice of the id field.
#[tokio::test(flavor = "multi_thread")]
async fn a_hopeless_row_on_the_first_page_is_kept_aside_alone_too() {
    for (what, document) in hopeless_documents() {
        check_rejected(what, &document, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_under_one_id_are_one_element() {
    let mut world = world();
    let id = world.ids("risks")[0];
    world.put_raw(
        "risks",
        ODD,
        format!(r#"{{"objectId":{id},"name":"Twin","lastEdited":"2026-03-02T07:59:00Z"}}"#),
    );
    let bench = Bench::new(world).await;
    bench.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    let stored = bench.stored("risks");
    assert_eq!(stored.len(), 27);
    assert_eq!(stored[&id]["name"], Value::from("Twin"), "the later edit wins");
}
