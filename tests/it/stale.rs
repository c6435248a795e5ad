//! Kinds that go without a complete pull for twice their full interval are one warning of the
//! connection, whatever each run had to say.

use clearpoint_sync::simulator::{Fault, Size, What, World};

use crate::deliveries::terminate;
use crate::harness::Bench;

/// A synced account whose last complete pulls began so many hours ago.
async fn bench(hours: u32) -> Bench {
    let bench = Bench::new(World::generate(121, &Size::small())).await;
    bench.sync_full().await;
    bench.sync_full().await;
    bench.let_hours_pass_since_runs(hours);
    bench
}

fn open(bench: &Bench) -> Vec<String> {
    bench.sql("SELECT event FROM warnings WHERE resolved_at IS NULL ORDER BY event")
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_fail_for_two_days_are_one_warning_until_they_are_whole_again() {
    let bench = bench(49).await;
    for path in ["/measures", "/risks"] {
        bench.simulator.fault(Fault::at(path, What::Html).page(2));
    }
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[4]);
    assert_eq!(ran.said("sync_stale"), 1, "{ran}");
    ran.assert_names(&["sync_stale", "WARN", "measures,risks"]);
    let as_of =
        bench.sql("SELECT max(started_at) FROM run_kinds WHERE kind = 'measures' AND outcome = 'complete'");
    assert_eq!(
        ran.told("complete_as_of").map(|at| at[..19].to_owned()),
        Some(as_of[0][..19].to_owned()),
        "{ran}"
    );
    assert_eq!(bench.run(&["sync", "--full"]).await.said("sync_stale"), 0);
    bench.simulator.clear_faults();
    let ran = bench.sync_full().await;
    assert_eq!(ran.told("resolved").as_deref(), Some("sync_stale"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn less_than_twice_the_interval_is_nothing() {
    let bench = bench(47).await;
    bench.simulator.fault(Fault::at("/measures", What::Html).page(2));
    assert_eq!(bench.run(&["sync", "--full"]).await.said("sync_stale"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_only_fails_says_it_too() {
    let bench = bench(49).await;
    bench.simulator.fault(Fault::at("/scorecards", What::Html).page(2));
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[1, 4]);
    assert_eq!(ran.said("sync_stale"), 1, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_says_already_why_nothing_moves() {
    let bench = bench(49).await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[3]);
    assert_eq!((ran.said("key_refused"), ran.said("sync_stale")), (1, 0), "{ran}");
    assert_eq!(open(&bench), ["key_expiry_mismatch", "key_refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_never_was_whole_is_stale_two_days_after_it_was_first_missed() {
    let bench = Bench::new(World::generate(122, &Size::small())).await;
    bench.simulator.fault(Fault::at("/measures", What::Html).page(2));
    assert_eq!(bench.run(&["sync", "--full"]).await.said("sync_stale"), 0);
    bench.let_hours_pass_since_runs(49);
    let ran = bench.run(&["sync", "--full"]).await;
    assert_eq!((ran.said("sync_stale"), ran.told("complete_as_of")), (1, Some("never".into())), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_the_mapped_user_may_never_list_is_not_missed() {
    let mut world = World::generate(123, &Size::small());
    world.forbid(World::USER, "groups");
    let bench = Bench::new(world).await;
    bench.sync_full().await;
    bench.let_hours_pass_since_runs(49);
    assert_eq!(bench.sync_full().await.said("sync_stale"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM findings WHERE kind = 'groups'"), 0);
}

/// The machine was off for days: the first run makes up for it, and nobody need be woken before.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_starts_after_days_says_nothing_before_its_first_run_has_ended() {
    let bench = bench(120).await;
    let mut daemon = bench.start(&["run"]);
    daemon.says("run_finished").await;
    terminate(daemon.pid);
    let ran = daemon.end().await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("sync_stale"), 0, "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM warnings WHERE event = 'sync_stale'"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_could_not_even_begin_shows_in_status() {
    let bench = Bench::new(World::generate(196, &Size::small())).await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let config =
        config.replace("http://127.0.0.1", "https://localhost") + "[network]\nca_file = \"gone.pem\"\n";
    std::fs::write(bench.file("config.toml"), config).unwrap();
    bench.run(&["sync"]).await.assert_code(&[2]);
    let status = bench.run(&["status"]).await;
    assert!(status.stdout.contains("failed (full)") && status.stdout.contains("gone.pem"), "{status}");
    status.assert_names(&["next run", "a daemon may try again sooner"]);
}
