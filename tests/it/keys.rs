//! What is said of two keys while nothing is wrong with the data: the idle one is proved, and what cannot
//! be read is named.

use clearpoint_sync::simulator::{ApiKey, Sees, Size, World};

use crate::harness::{Bench, Setup};
use crate::program::kill;

fn world() -> World {
    World::generate(172, &Size::small().with("measures", 5))
}

async fn bench() -> Bench {
    let bench = Setup::of(world()).with_next_key(World::USER).start().await;
    bench.sync_full().await;
    bench.sync_full().await;
    bench.simulator.clear_log();
    bench
}

fn next_key() -> ApiKey {
    let (access, secret) = ("next-access-key".into(), "next-secret-key".into());
    ApiKey { access, secret, expires: None, user: World::USER.into() }
}

/// Requests that an incremental sync makes.
async fn requests(bench: &Bench) -> u64 {
    let before = bench.simulator.requests();
    bench.run(&["sync", "--incremental"]).await.assert_code(&[0]);
    bench.simulator.requests() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn the_idle_key_is_proved_with_one_request_a_day() {
    let bench = bench().await;
    let usual = requests(&bench).await;
    bench.let_hours_pass_for_keys(24);
    assert_eq!(requests(&bench).await, usual + 1);
    assert_eq!(requests(&bench).await, usual);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_key_that_would_be_refused_is_told_once_and_resolved_when_it_works() {
    let bench = bench().await;
    bench.simulator.world().delete_key("next-access-key");
    bench.let_hours_pass_for_keys(24);
    for said in [1, 0] {
        let ran = bench.run(&["sync"]).await;
        ran.assert_code(&[0]);
        assert_eq!(ran.said("next_key_unusable"), said, "{ran}");
        assert_eq!(bench.refused(), 2 * said, "with its second chance, and no more that day: {ran}");
        bench.let_hours_pass_for_keys(10);
    }
    bench.run(&["keys"]).await.assert_code(&[3]);
    bench.simulator.world().add_key(next_key());
    bench.let_hours_pass_for_keys(24);
    let ran = bench.run(&["sync"]).await;
    assert_eq!(ran.told("resolved").as_deref(), Some("next_key_unusable"), "{ran}");
    bench.run(&["keys"]).await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_key_of_another_account_is_told() {
    let mut world = world();
    world.add_user("stranger@town.example", Sees::Only([1_000_000].into()));
    world.put_raw("scorecards", 1_000_000, r#"{"scorecardId":1000000,"name":"Town"}"#);
    world.add_user(World::USER, Sees::Only(world.ids("scorecards").into_iter().take(3).collect()));
    let bench = Setup::of(world).with_next_key("stranger@town.example").start().await;
    bench.sync_full().await;
    let ran = bench.sync_full().await;
    assert_eq!(ran.said("next_key_unusable"), 0, "said by the first sync: {ran}");
    let status = bench.run(&["status"]).await;
    status.assert_names(&["next_key_unusable", "another account"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_key_that_cannot_be_read_is_told_and_costs_nothing() {
    let bench = bench().await;
    std::fs::remove_file(bench.file("next-secret-key")).unwrap();
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    ran.assert_names(&["next_key_unusable", "next-secret-key"]);
    bench.write_secret("next-secret-key", "next-secret-key");
    bench.run(&["sync"]).await.assert_code(&[0]);
    assert!(bench.open_warnings().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_key_that_cannot_be_read_lets_the_next_one_lead() {
    let bench = bench().await;
    std::fs::remove_file(bench.file("secret-key")).unwrap();
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    ran.assert_names(&["key_fell_over", "secret-key"]);
    assert_eq!(bench.open_warnings(), ["key_fell_over"]);
    bench.write_secret("secret-key", World::SECRET_KEY);
    bench.run(&["sync"]).await.assert_code(&[0]);
    assert!(bench.open_warnings().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_that_can_be_read_is_an_error_until_one_can() {
    let bench = bench().await;
    std::fs::remove_file(bench.file("secret-key")).unwrap();
    std::fs::remove_file(bench.file("next-secret-key")).unwrap();
    for said in [1, 0] {
        let ran = bench.run(&["sync"]).await;
        ran.assert_code(&[2]);
        assert_eq!(ran.said("secret_unreadable"), said, "{ran}");
    }
    bench.run(&["status"]).await.assert_names(&["secret_unreadable", "next-secret-key"]);
    bench.write_secret("secret-key", World::SECRET_KEY);
    let ran = bench.run(&["sync"]).await;
    assert_eq!(ran.said("warning_resolved"), 1, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_asks_with_both_keys_and_tells_which_is_refused() {
    let bench = bench().await;
    let before = bench.simulator.requests();
    bench.run(&["check"]).await.assert_code(&[0]);
    assert_eq!(bench.simulator.requests() - before, 2);
    bench.simulator.world().delete_key("next-access-key");
    let ran = bench.run(&["check"]).await;
    ran.assert_code(&[3]);
    ran.assert_names(&["next_key Integration-2", "refused"]);
    ran.assert_names(&["key Integration:", "open"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_status_show_which_key_leads_and_since_when_the_other_is_refused() {
    let bench = bench().await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync"]).await.assert_code(&[0]);
    let keys = bench.run(&["keys", "--json"]).await;
    keys.assert_code(&[3]);
    let rows: serde_json::Value = serde_json::from_str(&keys.stdout).unwrap();
    let told: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (&row["slot"], &row["state"], &row["leads"])).collect();
    let told = serde_json::to_value(told).unwrap();
    assert_eq!(told, serde_json::json!([["key", "refused", false], ["next_key", "valid", true]]));
    assert!(rows[0]["refused_since"].is_string(), "{keys}");
    let status = bench.run(&["status"]).await;
    status.assert_names(&["next_key Integration-2: valid", "leads"]);
    status.assert_names(&["key Integration: refused since 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_access_key_in_both_places_is_told_and_stops_nothing() {
    let bench = bench().await;
    bench.write_secret("next-access-key", World::ACCESS_KEY);
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("next_key_unusable"), 1, "{ran}");
    ran.assert_names(&["connections.city.next_key holds the access key of the first key"]);
    let check = bench.run(&["check"]).await;
    check.assert_names(&["connections.city.next_key holds the access key of the first key"]);
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let (before, rest) = config.split_once("[connections.city.next_key]").unwrap();
    let (_, after) = rest.split_once("\n[").unwrap();
    std::fs::write(bench.file("config.toml"), format!("{before}[{after}")).unwrap();
    let ran = bench.run(&["sync"]).await;
    ran.assert_names(&["there is no next key any more", "next_key_unusable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_tells_at_its_start_that_a_secret_cannot_be_read() {
    let bench = Setup::of(world()).start().await;
    std::fs::remove_file(bench.file("secret-key")).unwrap();
    let mut running = bench.start(&["run"]);
    running.says("secret_unreadable").await;
    kill(running.pid);
    running.end().await;
    assert_eq!(bench.simulator.requests(), 0);
}
