//! Two keys: the next one takes over the moment the first is refused, and hands back when it is renewed.

use clearpoint_sync::simulator::{ApiKey, Refused, Sees, Size, World};
use serde_json::json;

use crate::harness::{Bench, Setup};

const OTHER: &str = "other@city.example";

fn world() -> World {
    World::generate(171, &Size::small().with("scorecards", 8).with("measures", 100))
}

/// A bench with two keys of one mapped user, synced.
async fn bench() -> Bench {
    let bench = Setup { page_size: 10, ..Setup::of(world()) }.with_next_key(World::USER).start().await;
    settle(&bench).await;
    bench
}

/// A bench whose next key acts under a user who sees only this many of the 8 scorecards.
async fn bench_seeing(scorecards: usize) -> Bench {
    let mut world = world();
    let seen = world.ids("scorecards").into_iter().take(scorecards).collect();
    world.add_user(OTHER, Sees::Only(seen));
    let setup = Setup { page_size: 10, removals_max: "100%", ..Setup::of(world) };
    let bench = setup.with_next_key(OTHER).start().await;
    settle(&bench).await;
    bench
}

async fn settle(bench: &Bench) {
    bench.sync_full().await;
    bench.sync_full().await;
    bench.refused();
}

/// Lets the first key die at the sixth page of the measures.
fn die_in_the_middle(bench: &Bench) {
    bench.simulator.on_page("/measures", 6, |world| world.delete_key(World::ACCESS_KEY));
}

fn renamed(bench: &Bench) -> i64 {
    let mut world = bench.simulator.world();
    let id = *world.ids("measures").last().unwrap();
    world.edit("measures", id, "name", json!("renamed"));
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_refused_in_the_middle_of_a_kind_hands_over_and_the_kind_starts_again() {
    let bench = bench().await;
    renamed(&bench);
    die_in_the_middle(&bench);
    let ran = bench.sync_full().await;
    bench.assert_mirrors();
    assert_eq!(ran.said("key_fell_over"), 1, "{ran}");
    assert_eq!(bench.open_warnings(), ["key_fell_over"]);
    let first_pages = bench.simulator.log().into_iter().filter(|request| {
        request.path == "/measures" && request.query.split('&').any(|pair| pair == "page=1")
    });
    assert_eq!(first_pages.count(), 2);
    assert_eq!(ran.told("next_key").as_deref(), Some("Integration-2"), "{ran}");
    assert_eq!(ran.told("key_expires").as_deref(), Some("2099-06-30"), "the leading key's date: {ran}");
    assert_eq!(bench.number("SELECT needs_full FROM runs ORDER BY id DESC LIMIT 1"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_very_first_run_falls_over_too() {
    let bench = Setup { page_size: 10, ..Setup::of(world()) }.with_next_key(World::USER).start().await;
    die_in_the_middle(&bench);
    let ran = bench.sync_full().await;
    bench.assert_mirrors();
    assert_eq!(ran.said("key_fell_over"), 1, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_key_leads_across_restarts_until_the_first_is_renewed() {
    let bench = bench().await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync"]).await.assert_code(&[0]);
    assert_eq!(bench.refused(), 2, "the second chance");
    for _ in 0..2 {
        bench.let_hours_pass_for_keys(30);
        let ran = bench.run(&["sync"]).await;
        ran.assert_code(&[0]);
        assert_eq!((bench.refused(), ran.said("key_fell_over")), (0, 0), "{ran}");
    }
    let key = ApiKey { access: "a2".into(), secret: "s2".into(), expires: None, user: World::USER.into() };
    bench.simulator.world().add_key(key);
    bench.write_secret("access-key", "a2");
    bench.write_secret("secret-key", "s2");
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(bench.refused(), 0);
    assert_eq!(ran.told("resolved").as_deref(), Some("key_fell_over"), "{ran}");
    assert_eq!(ran.told("key_expires").as_deref(), Some("2099-12-31"), "{ran}");
    assert!(bench.open_warnings().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_values_that_are_wrong_too_are_told_and_the_next_key_leads_on() {
    let bench = bench().await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync"]).await.assert_code(&[0]);
    bench.write_secret("secret-key", "wrong");
    bench.refused();
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(bench.refused(), 2);
    ran.assert_names(&["what was changed about it did not help"]);
    let ran = bench.run(&["sync"]).await;
    assert_eq!((bench.refused(), ran.said("key_fell_over")), (0, 0), "{ran}");
    assert_eq!(bench.open_warnings(), ["key_fell_over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_in_the_run_that_falls_over_to_another_user() {
    let bench = bench_seeing(6).await;
    let known = bench.stored("measures");
    let id = renamed(&bench);
    die_in_the_middle(&bench);
    bench.refused();
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[0, 4]);
    assert_eq!(ran.said("key_fell_over"), 1, "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM elements WHERE state <> 'present'"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM measure_values WHERE removed_at IS NOT NULL"), 0);
    assert!(known.keys().eq(bench.stored("measures").keys()));
    assert_ne!(bench.number("SELECT count(*) FROM missing"), 0);
    assert_eq!(
        bench.number("SELECT count(*) FROM missing WHERE checked_at IS NOT NULL"),
        0,
        "nobody is asked"
    );
    assert_eq!(bench.number("SELECT json_array_length(accepted) FROM connections"), 8);
    // The run that follows judges by the usual rules.
    let ran = bench.run(&["sync"]).await;
    assert_eq!(ran.told("mode").as_deref(), Some("full"), "{ran}");
    let seen = bench.simulator.visible("measures", OTHER);
    assert!(bench.stored("measures").keys().eq(seen.keys()), "{id}");
    assert!(bench.removed("measures").values().all(|reason| reason == "hidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_when_the_next_key_shows_another_account() {
    let bench = bench_seeing(2).await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    let before = bench.content();
    renamed(&bench);
    for said in [1, 0] {
        let ran = bench.run(&["sync", "--full"]).await;
        ran.assert_code(&[4]);
        assert_eq!(ran.said("account_changed"), said, "{ran}");
        bench.content().assert_same(&before);
    }
    assert_eq!(bench.open_warnings(), ["account_changed", "key_fell_over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_account_shows_is_not_written_in_the_middle_of_a_run_either() {
    let bench = bench_seeing(2).await;
    let id = renamed(&bench);
    die_in_the_middle(&bench);
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[4]);
    assert_ne!(bench.stored("measures")[&id]["name"], "renamed");
    assert_eq!(bench.number("SELECT count(*) FROM elements WHERE state <> 'present'"), 0);
    assert_eq!(ran.said("account_changed"), 1, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_refused_in_the_single_reads_hands_over_too() {
    let setup = Setup { measure_data: "all", ..Setup::of(world()) };
    let bench = setup.with_next_key(World::USER).start().await;
    bench.simulator.on_request("/measures/", 40, |world| world.delete_key(World::ACCESS_KEY));
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("key_fell_over"), 1, "{ran}");
    bench.assert_mirrors();
    assert_eq!(bench.number("SELECT count(*) FROM measure_documents"), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_refused_keys_are_one_error_and_each_is_asked_at_most_twice() {
    let bench = bench().await;
    let before = bench.content();
    let next = ApiKey {
        access: "next-access-key".into(),
        secret: "next-secret-key".into(),
        expires: None,
        user: World::USER.into(),
    };
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.simulator.world().delete_key(&next.access);
    for (asked, said) in [(4, 1), (2, 0), (2, 0)] {
        let ran = bench.run(&["sync"]).await;
        ran.assert_code(&[3]);
        assert_eq!((bench.refused(), ran.said("key_refused")), (asked, said), "{ran}");
        bench.content().assert_same(&before);
    }
    assert_eq!(bench.open_warnings(), ["key_expiry_mismatch", "key_expiry_mismatch", "key_refused"]);
    bench.simulator.world().add_key(next);
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("key_fell_over"), 1, "{ran}");
    assert!(!bench.open_warnings().contains(&"key_refused".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leading_next_key_that_is_refused_gives_the_first_another_try() {
    let bench = bench().await;
    let first = ApiKey {
        access: World::ACCESS_KEY.into(),
        secret: World::SECRET_KEY.into(),
        expires: None,
        user: World::USER.into(),
    };
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync"]).await.assert_code(&[0]);
    bench.simulator.world().delete_key("next-access-key");
    bench.simulator.world().add_key(first);
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(ran.told("resolved").as_deref(), Some("key_fell_over"), "{ran}");
    assert_eq!(bench.open_warnings(), ["next_key_unusable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_in_two_runs_hands_over_too() {
    let bench = bench().await;
    bench.simulator.switch(|switches| switches.refused = Refused::LoginPage);
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync"]).await.assert_code(&[1]);
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("key_fell_over"), 1, "{ran}");
    assert_eq!(bench.open_warnings(), ["key_fell_over"]);
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_half_done_for_a_moment_raises_nothing() {
    let bench = bench().await;
    let key = ApiKey { access: "a2".into(), secret: "s2".into(), expires: None, user: World::USER.into() };
    bench.simulator.world().add_key(key);
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.write_secret("access-key", "a2");
    let file = bench.file("secret-key");
    bench.simulator.on_request("/scorecards", 1, move |_| std::fs::write(&file, "s2").unwrap());
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(bench.refused(), 1);
    assert!(bench.open_warnings().is_empty());
    assert_eq!(ran.said("key_fell_over") + ran.said("key_refused"), 0, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_file_that_was_replaced_is_used_by_the_next_run() {
    let bench = Bench::new(world()).await;
    bench.sync_full().await;
    let key = ApiKey { access: "a2".into(), secret: "s2".into(), expires: None, user: World::USER.into() };
    bench.simulator.world().add_key(key);
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.write_secret("access-key", "a2");
    bench.write_secret("secret-key", "s2");
    bench.refused();
    bench.run(&["sync"]).await.assert_code(&[0]);
    assert_eq!(bench.refused(), 0);
    assert!(bench.open_warnings().is_empty());
}
