//! What follows when a key dies in the middle of a list and the next one acts under somebody else: the runs
//! after it judge by the usual limits, and of another account nothing at all gets in.

use clearpoint_sync::simulator::{ApiKey, Sees, Size, World};
use serde_json::json;

use crate::harness::{Bench, Setup};

const OTHER: &str = "other@city.example";
const TOWN: i64 = 1_000_000;

fn world() -> World {
    World::generate(194, &Size::small().with("scorecards", 8).with("measures", 100))
}

/// Two keys, the next one's under [`OTHER`], with the default limits; synced, and a measure changed since.
async fn bench(world: World) -> (Bench, i64) {
    let setup = Setup { page_size: 10, measure_data: "off", ..Setup::of(world) }.with_next_key(OTHER);
    let bench = setup.start().await;
    bench.sync_full().await;
    bench.sync_full().await;
    let changed = {
        let mut world = bench.simulator.world();
        let id = *world.ids("measures").last().unwrap();
        world.edit("measures", id, "name", json!("changed"));
        let risk = *world.ids("risks").last().unwrap();
        world.edit("risks", risk, "name", json!("changed"));
        id
    };
    bench.simulator.on_page("/measures", 6, |world| world.delete_key(World::ACCESS_KEY));
    (bench, changed)
}

fn removed(bench: &Bench) -> i64 {
    bench.number("SELECT count(*) FROM elements WHERE state <> 'present'")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_user_of_the_next_key_does_not_see_is_held_by_the_runs_that_follow() {
    let mut world = world();
    world.add_user(OTHER, Sees::Only(world.ids("scorecards").into_iter().take(6).collect()));
    let (bench, _) = bench(world).await;
    let known = bench.stored("measures");
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[0, 4]);
    assert_eq!((ran.said("key_fell_over"), removed(&bench)), (1, 0), "{ran}");
    for said in [1, 0] {
        let ran = bench.run(&["sync", "--full"]).await;
        ran.assert_code(&[4]);
        let held = bench.number("SELECT count(*) FROM held");
        assert_eq!(i64::try_from(ran.said("removals_held")).unwrap(), said * held, "{ran}");
        assert!(known.keys().eq(bench.stored("measures").keys()), "held, not removed: {ran}");
    }
    let held: Vec<i64> =
        serde_json::from_str(&bench.sql("SELECT ids FROM held WHERE kind = 'measures'")[0]).unwrap();
    bench.run(&["release", "city", "measures"]).await.assert_code(&[0]);
    bench.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    assert!(bench.removed("measures").keys().eq(&held), "exactly the held set");
    assert!(bench.stored("measures").keys().eq(bench.simulator.visible("measures", OTHER).keys()));
}

/// The next key's user sees a town that the first key never saw.
fn world_with_a_town() -> World {
    let mut world = world();
    let cities = world.ids("scorecards").into_iter().collect();
    world.put_raw("scorecards", TOWN, r#"{"scorecardId":1000000,"name":"Town"}"#);
    for (kind, id) in [("measures", TOWN + 1), ("objectives", TOWN + 2), ("risks", TOWN + 3)] {
        let row = format!(r#"{{"objectId":{id},"name":"of the town","scorecardId":{TOWN}}}"#);
        world.put_raw(kind, id, row);
        world.rehome(kind, id, TOWN);
    }
    world.add_user(World::USER, Sees::Only(cities));
    world.add_user(OTHER, Sees::Only([TOWN].into()));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_account_is_written_in_that_run_nor_later() {
    let (bench, changed) = bench(world_with_a_town()).await;
    let changes = bench.number("SELECT count(*) FROM changes");
    let mut settled = None;
    for said in [1, 0, 0] {
        let ran = bench.run(&["sync", "--full"]).await;
        ran.assert_code(&[4]);
        assert_eq!(ran.said("account_changed"), said, "{ran}");
        for table in ["elements", "changes"] {
            let of_town =
                bench.number(&format!("SELECT count(*) FROM {table} WHERE id BETWEEN {TOWN} AND {TOWN} + 9"));
            assert_eq!(of_town, 0, "{table}: {ran}");
        }
        assert_eq!(bench.number(&format!("SELECT count(*) FROM placements WHERE scorecard_id = {TOWN}")), 0);
        assert_eq!(bench.number("SELECT count(*) FROM changes"), changes, "nothing moved: {ran}");
        assert_ne!(bench.stored("measures")[&changed]["name"], "changed");
        assert_eq!(removed(&bench), 0);
        let content = bench.content();
        if let Some(settled) = settled {
            content.assert_same(&settled);
        }
        settled = Some(content);
    }
    assert_eq!(bench.open_warnings(), ["account_changed", "key_fell_over"]);
}

/// The first key is renewed: the view is the old one again, and what was missed comes in.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_first_key_ends_the_standstill_that_another_account_caused() {
    let (bench, changed) = bench(world_with_a_town()).await;
    bench.run(&["sync", "--full"]).await.assert_code(&[4]);
    let renewed =
        ApiKey { access: "a2".into(), secret: "s2".into(), expires: None, user: World::USER.into() };
    bench.simulator.world().add_key(renewed);
    bench.write_secret("access-key", "a2");
    bench.write_secret("secret-key", "s2");
    let ran = bench.sync_full().await;
    assert_eq!(bench.stored("measures")[&changed]["name"], "changed", "{ran}");
    bench.assert_mirrors();
    assert!(bench.open_warnings().is_empty(), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_given_for_what_one_key_shows_is_none_for_the_next_key() {
    let (bench, _) = bench(world_with_a_town()).await;
    let first = bench.simulator.world().ids("scorecards").into_iter().find(|id| *id != TOWN).unwrap();
    bench.simulator.world().add_user(World::USER, Sees::Only([first].into()));
    let ran = bench.run(&["sync", "--full"]).await;
    assert_eq!(ran.said("account_changed"), 1, "{ran}");
    bench.run(&["release", "city"]).await.assert_code(&[0]);
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    for _ in 0..2 {
        let ran = bench.run(&["sync", "--full"]).await;
        assert_eq!(ran.told("outcome").as_deref(), Some("partial"), "{ran}");
        assert_eq!(bench.number("SELECT count(*) FROM elements WHERE name LIKE '%own'"), 0, "{ran}");
    }
    assert!(bench.open_warnings().contains(&"account_changed".to_owned()));
}
