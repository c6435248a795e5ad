//! Worlds: what is generated, and what people do to it.

use super::*;

#[test]
fn realistic_documents_have_the_sizes_that_were_promised() {
    let size = Size::realistic().with("measures", 3_000);
    let world = World::generate(1, &size);
    let rows = world.visible("measures", USER, &Switches::default());
    let mut sizes: Vec<usize> = rows.values().map(String::len).collect();
    sizes.sort_unstable();
    let (median, p99) = (sizes[sizes.len() / 2], sizes[sizes.len() * 99 / 100]);
    assert!((1_200..=1_900).contains(&median), "median {median}");
    assert!((30_000..=60_000).contains(&p99), "p99 {p99}");
    for row in rows.values() {
        serde_json::from_str::<Value>(row).unwrap();
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let make = |seed| {
        let mut world = World::generate(seed, &Size::realistic());
        world.insert("risks");
        world.visible("risks", USER, &Switches::default())
    };
    assert_eq!(make(3), make(3));
    assert_ne!(make(3), make(4));
}

#[test]
fn two_accounts_share_no_scorecard() {
    let [one, other] = [1, 2].map(|seed| World::generate(seed, &Size::small()).ids("scorecards"));
    assert!(one.iter().all(|id| !other.contains(id)));
}

#[test]
fn a_disturbed_world_is_never_seen_empty() {
    let mut world = World::generate(5, &Size::small());
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..2_000 {
        world.disturb(&mut random);
        assert!(world.visible("scorecards", USER, &Switches::default()).len() >= 3);
    }
}

#[test]
fn a_deleted_element_returns_to_the_same_place_with_the_same_text() {
    let mut world = World::generate(5, &Size::small());
    let before = world.visible("risks", USER, &Switches::default());
    let id = world.ids("risks")[2];
    world.delete("risks", id);
    assert!(!world.visible("risks", USER, &Switches::default()).contains_key(&id));
    world.restore("risks", id);
    assert_eq!(world.visible("risks", USER, &Switches::default()), before);
}

#[test]
fn a_new_scorecard_is_seen_only_when_ticked_once_scorecards_are_ticked() {
    let mut world = World::generate(5, &Size::small());
    let sees = |world: &World, id| world.visible("scorecards", USER, &Switches::default()).contains_key(&id);
    let first = world.insert("scorecards");
    assert!(sees(&world, first));
    world.untick(USER, first);
    let second = world.insert("scorecards");
    assert!(!sees(&world, second));
    world.tick(USER, second);
    assert!(sees(&world, second));
}

#[test]
fn placements_are_the_ticked_scorecards_home_first() {
    let mut world = World::generate(5, &Size::small());
    let id = world.ids("risks")[0];
    let scorecards = world.ids("scorecards");
    world.rehome("risks", id, scorecards[3]);
    world.link("risks", id, &[scorecards[1], scorecards[0]]);
    world.untick(USER, scorecards[1]);
    assert_eq!(world.placements_of("risks", id, USER), [scorecards[3], scorecards[0]]);
}
