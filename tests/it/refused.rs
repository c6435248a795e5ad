//! A key that is refused costs two requests, changes nothing, and says so.

use clearpoint_sync::simulator::{Refused, Size, World};
use futures_util::future::join_all;

use crate::harness::Bench;

async fn bench() -> Bench {
    let bench = Bench::new(World::generate(131, &Size::small())).await;
    bench.sync_full().await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_ends_the_run_after_two_requests_and_changes_nothing() {
    use Refused::{ErrorBody, Forbidden, Redirect, Unauthorized};
    join_all([Unauthorized, Forbidden, ErrorBody, Redirect].map(|refused| async move {
        let bench = bench().await;
        let before = bench.content();
        bench.simulator.switch(|switches| switches.refused = refused);
        bench.simulator.world().delete_key(World::ACCESS_KEY);
        let asked = bench.simulator.requests();
        let ran = bench.run(&["sync"]).await;
        ran.assert_code(&[3]);
        assert!(bench.simulator.requests() - asked <= 2, "{refused:?}: {:?}", bench.simulator.log());
        assert_eq!(ran.said("key_refused"), 1, "{refused:?}: {ran}");
        bench.content().assert_same(&before);
        // It is known now, and asked with once each time a person wants it.
        let asked = bench.simulator.requests();
        let ran = bench.run(&["sync"]).await;
        ran.assert_code(&[3]);
        assert_eq!(
            (bench.simulator.requests() - asked, ran.said("key_refused")),
            (1, 0),
            "{refused:?}: {ran}"
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_at_the_door_is_a_refusal_when_two_runs_see_it() {
    let bench = bench().await;
    let before = bench.content();
    bench.simulator.switch(|switches| switches.refused = Refused::LoginPage);
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync"]).await.assert_code(&[1]);
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[3]);
    assert_eq!(ran.said("key_refused"), 1, "{ran}");
    bench.content().without("connections").assert_same(&before.without("connections"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_works_again_resolves_the_warning() {
    let bench = bench().await;
    let key = std::fs::read_to_string(bench.file("secret-key")).unwrap();
    std::fs::write(bench.file("secret-key"), "wrong").unwrap();
    bench.run(&["sync"]).await.assert_code(&[3]);
    bench.run(&["keys"]).await.assert_code(&[3]);
    std::fs::write(bench.file("secret-key"), key).unwrap();
    let ran = bench.sync_full().await;
    ran.assert_names(&["key_refused", "warning_resolved"]);
    bench.run(&["keys"]).await.assert_code(&[0]);
    assert_eq!(bench.number("SELECT count(*) FROM warnings WHERE resolved_at IS NULL"), 0);
}

/// The key dies in the middle of a run: what was stored stays, nothing is removed, and it is no success.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_dies_during_a_run_stops_it() {
    let bench = bench().await;
    bench.simulator.on_page("/initiatives", 2, |world| world.delete_key(World::ACCESS_KEY));
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[3]);
    assert_eq!(bench.number("SELECT count(*) FROM elements WHERE state <> 'present'"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_a_refused_key() {
    let bench = bench().await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["check"]).await.assert_code(&[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_read_its_key_shows_in_status() {
    let bench = bench().await;
    std::fs::remove_file(bench.file("secret-key")).unwrap();
    bench.run(&["sync"]).await.assert_code(&[2]);
    let status = bench.run(&["status"]).await;
    assert!(status.stdout.contains("secret-key cannot be read"), "{status}");
}
