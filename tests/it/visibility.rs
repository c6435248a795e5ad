//! What the mapped user sees may change: what goes out of sight is kept and comes back as it was, people
//! are told which scorecards went, and another user's view is nobody's deletion.

use std::collections::BTreeMap;

use clearpoint_sync::simulator::{ApiKey, Sees, Size, World};

use crate::harness::{Bench, Setup};
use crate::program::Ran;

/// Elements in the scorecard that is lost.
const PLACED: usize = 300;

/// 12,000 elements, of which 300 live in the second scorecard and nowhere else.
fn large_world() -> (World, i64) {
    let size = Size::small().none().with("scorecards", 40).with("users", 3);
    let mut world = World::generate(71, &size.with("measures", 6_000).with("objectives", 6_000));
    let scorecards = world.ids("scorecards");
    let lost = scorecards[1];
    for kind in ["measures", "objectives"] {
        for (n, id) in world.ids(kind).into_iter().enumerate() {
            let is_in = n < PLACED / 2;
            if is_in || world.placements_of(kind, id, World::USER).contains(&lost) {
                world.rehome(kind, id, if is_in { lost } else { scorecards[0] });
                world.link(kind, id, &[]);
            }
        }
    }
    (world, lost)
}

async fn bench(world: World) -> Bench {
    let setup = Setup { page_size: 500, measure_data: "off", details: "off", ..Setup::of(world) };
    let bench = setup.start().await;
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("visibility_changed"), 0, "the first day is no change: {ran}");
    bench
}

fn name_of(bench: &Bench, scorecard: i64) -> String {
    bench.visible("scorecards")[&scorecard]["name"].as_str().unwrap().to_owned()
}

/// Whoever reads the elements sees these rows, whatever became of them meanwhile.
fn rows(bench: &Bench) -> BTreeMap<(String, i64), String> {
    let store = bench.store();
    let mut query = store.prepare("SELECT kind, id, first_seen_at, doc FROM elements").unwrap();
    let rows = query.query_map([], |row| {
        let text = format!("{} {}", row.get::<_, String>(2)?, row.get::<_, String>(3)?);
        Ok(((row.get(0)?, row.get(1)?), text))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn changes(bench: &Bench, operation: &str) -> usize {
    let query = format!(
        "SELECT count(*) FROM changes WHERE operation = '{operation}' AND kind IN ('measures', 'objectives')"
    );
    usize::try_from(bench.number(&query)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scorecard_out_of_sight_hides_its_elements_and_gives_them_back_as_they_were() {
    let (world, lost) = large_world();
    let bench = bench(world).await;
    let (before, name) = (rows(&bench), name_of(&bench, lost));

    bench.simulator.world().untick(World::USER, lost);
    let ran = bench.sync_full().await;
    let gone: Vec<String> =
        ["measures", "objectives"].iter().flat_map(|kind| bench.removed(kind).into_values()).collect();
    assert_eq!(gone, vec!["hidden"; PLACED]);
    assert_eq!((ran.said("visibility_changed"), ran.said("removals_held")), (1, 0), "{ran}");
    ran.assert_names(&["visibility_changed", "WARN", &name, "\"300\""]);
    assert_eq!(ran.told("elements").as_deref(), Some("300"), "{ran}");
    assert_eq!(bench.sync_full().await.said("visibility_changed"), 0);
    bench.assert_mirrors();

    bench.simulator.world().tick(World::USER, lost);
    let ran = bench.sync_full().await;
    assert_eq!((ran.said("visibility_changed"), ran.told("came").is_some()), (1, true), "{ran}");
    ran.assert_names(&["visibility_changed", "INFO", &name]);
    bench.assert_mirrors();
    assert_eq!(rows(&bench), before, "the same rows");
    assert_eq!((changes(&bench, "remove"), changes(&bench, "restore")), (PLACED, PLACED));
    assert_eq!(changes(&bench, "insert"), 12_000, "each element was inserted once, with its history");
    // That rows changed without an edit, for their links are seen by another user, stays told for a while.
    let open = bench.sql("SELECT DISTINCT event FROM warnings WHERE resolved_at IS NULL");
    assert!(open.iter().all(|event| event == "last_edited_unreliable"), "{open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_between_full_runs_is_told_by_the_full_run_that_follows() {
    let bench = bench(World::generate(72, &Size::small())).await;
    bench.sync_full().await;
    let hidden = bench.simulator.world().ids("scorecards")[2];
    bench.simulator.world().untick(World::USER, hidden);
    let ran = bench.run(&["sync", "--incremental"]).await;
    assert_eq!(ran.said("visibility_changed"), 0, "{ran}");
    let ran = bench.run(&["sync"]).await;
    assert_eq!((ran.said("visibility_changed"), ran.told("mode")), (1, Some("full".into())), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_how_many_scorecards_the_mapped_user_sees() {
    let bench = bench(World::generate(73, &Size::small())).await;
    bench.run(&["status"]).await.assert_names(&[World::USER, "sees 6 scorecards"]);
}

async fn release(bench: &Bench, arguments: &[&str]) {
    bench.run(&[&["release", "city"], arguments].concat()).await.assert_code(&[0]);
}

async fn sync(bench: &Bench) -> Ran {
    bench.run(&["sync", "--full"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_user_who_sees_almost_nothing_writes_nothing_until_released_step_by_step() {
    let bench = bench(World::generate(74, &Size::small())).await;
    bench.sync_full().await;
    let known = bench.stored("measures");
    let before = bench.content();
    {
        let mut world = bench.simulator.world();
        let ticked = world.ids("scorecards")[..1].iter().copied().collect();
        world.add_user("intern@city.example", Sees::Only(ticked));
        let key = ApiKey {
            access: World::ACCESS_KEY.to_owned(),
            secret: World::SECRET_KEY.to_owned(),
            expires: None,
            user: "intern@city.example".to_owned(),
        };
        world.add_key(key);
    }
    for said in [1, 0] {
        let ran = sync(&bench).await;
        ran.assert_code(&[4]);
        assert_eq!((ran.said("account_changed"), ran.said("visibility_changed")), (said, 0), "{ran}");
        bench.content().assert_same(&before);
    }

    release(&bench, &[]).await;
    let ran = sync(&bench).await;
    ran.assert_code(&[4]);
    assert_eq!(ran.said("visibility_changed"), 1, "{ran}");
    let held = bench.sql("SELECT kind, ids FROM held WHERE kind <> 'values' ORDER BY kind");
    assert!(!held.is_empty());
    assert_eq!(ran.said("removals_held"), held.len(), "one warning a kind: {ran}");
    assert!(known.keys().all(|id| bench.stored("measures").contains_key(id)), "nothing is removed");

    for kind in bench.sql("SELECT kind FROM held ORDER BY kind") {
        release(&bench, &[&kind]).await;
    }
    bench.sync_full().await;
    for row in held {
        let (kind, ids) = row.split_once('|').unwrap();
        let removed: Vec<i64> = bench.removed(kind).into_keys().collect();
        let held: Vec<i64> = serde_json::from_str(ids).unwrap();
        assert!(held.iter().all(|id| removed.contains(id)), "{kind}: {held:?} of {removed:?}");
        if kind == "measures" {
            assert_eq!(removed, held, "exactly the held set");
        }
    }
    for _ in 0..2 {
        let ran = bench.sync_full().await;
        let told = ["account_changed", "removals_held", "visibility_changed", "warning_resolved"];
        assert!(told.iter().all(|event| ran.said(event) == 0), "later runs are quiet: {ran}");
    }
    // That rows changed without an edit, for their links are seen by another user, stays told for a while.
    let open = bench.sql("SELECT DISTINCT event FROM warnings WHERE resolved_at IS NULL");
    assert!(open.iter().all(|event| event == "last_edited_unreliable"), "{open:?}");
}
