//! Properties that hold whatever people do to an account, between runs and in the middle of them.

use clearpoint_sync::kind::catalogue;
use clearpoint_sync::simulator::{Duplicates, End, Fault, Order, Size, Switches, Totals, What, World};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::harness::{Bench, Setup};
use super::mirror::assert_values_mirrored;

/// Quiet full runs after which everything must be as it is in the account.
const QUIET_RUNS: usize = 4;

fn size() -> Size {
    Size::small().with("measures", 12).with("objectives", 60).with("files", 8).with("attachments", 28)
}

/// What the server is like.
fn switches() -> impl Strategy<Value = Switches> {
    let order =
        prop_oneof![Just(Order::IdAscending), Just(Order::IdDescending), Just(Order::LastEditedFirst)];
    let end = prop_oneof![Just(End::Empty), Just(End::NotFound), Just(End::Null), Just(End::LastAgain)];
    let totals = prop_oneof![Just(Totals::None), Just(Totals::Elements)];
    let duplicates = prop_oneof![Just(Duplicates::Never), Just(Duplicates::SameRow)];
    let hidden_status = prop_oneof![Just(403), Just(404)];
    (order, end, totals, duplicates, hidden_status).prop_map(
        |(order, end, totals, duplicates, hidden_status)| Switches {
            order,
            end,
            totals,
            duplicates,
            hidden_status,
            ..Switches::default()
        },
    )
}

/// What people do: edits before each of a few runs, and one in so many requests of each run.
#[derive(Debug, Clone)]
struct Work {
    seed: u64,
    before: Vec<u32>,
    one_in: u32,
}

fn work() -> impl Strategy<Value = Work> {
    let before = prop::collection::vec(0..12u32, 1..3);
    (any::<u64>(), before, 2..12u32).prop_map(|(seed, before, one_in)| Work { seed, before, one_in })
}

async fn bench(seed: u64, switches: Switches, removals_max: &'static str) -> Bench {
    let world = World::generate(seed, &size());
    let bench = Setup { switches, removals_max, ..Setup::of(world) }.start().await;
    bench.run(&["sync"]).await.assert_code(&[0]);
    bench
}

/// People work on the account between and during full runs; then they go home.
async fn disturb(bench: &Bench, work: &Work) {
    let mut random = fastrand::Rng::with_seed(work.seed);
    for edits in &work.before {
        for _ in 0..*edits {
            bench.simulator.world().disturb(&mut random);
        }
        let (mut during, one_in) = (random.fork(), work.one_in);
        bench.simulator.on_every_request(move |world| {
            if during.u32(..one_in) == 0 {
                world.disturb(&mut during);
            }
        });
        bench.run(&["sync", "--full"]).await.assert_code(&[0, 1, 4]);
        bench.simulator.leave_quiet();
    }
}

/// Nobody touches the account for some days and full runs; the codes of the last run are judged by the
/// caller.
async fn quiet(bench: &Bench) -> i32 {
    let mut code = -1;
    for _ in 0..QUIET_RUNS {
        bench.let_days_pass(31);
        code = bench.run(&["sync", "--full"]).await.code;
    }
    code
}

/// Runs a case on a runtime of its own.
fn on_runtime(case: impl Future<Output = ()>) -> TestCaseResult {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(case);
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    // A server makes a case slow.
    let cases = if module_path!().contains("a_real_postgres") { cases / 4 } else { cases };
    // Nothing about a case is cheap enough to search for a smaller one for long.
    ProptestConfig { cases, max_shrink_iters: 8, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn the_same_account_twice_changes_nothing(seed: u64, switches in switches()) {
        on_runtime(async {
            let bench = bench(seed, switches, "10%").await;
            bench.assert_mirrors();
            let before = bench.digest();
            bench.sync_full().await;
            bench.digest().assert_same(&before);
        })?;
    }

    #[test]
    fn any_prefix_of_pages_and_then_a_failure_removes_nothing(
        work in work(),
        switches in switches(),
        page in 1usize..3,
        what in prop_oneof![
            Just(What::Html), Just(What::HalfJson), Just(What::EmptyList), Just(What::CutBody),
            Just(What::Body("null".to_owned())), Just(What::Status(403)), Just(What::Status(404)),
        ],
    ) {
        on_runtime(async {
            let bench = bench(work.seed, switches, "100%").await;
            for _ in 0..30 {
                bench.simulator.world().disturb(&mut fastrand::Rng::with_seed(work.seed));
            }
            // The list of objectives has three pages; this one and all after it fail.
            for page in page..9 {
                bench.simulator.fault(Fault::at("/objectives", what.clone()).page(page));
            }
            let visible = bench.visible("objectives");
            bench.run(&["sync", "--full"]).await.assert_code(&[0, 1, 4]);
            let removed = bench.removed("objectives");
            let lost: Vec<_> = removed.keys().filter(|id| visible.contains_key(id)).collect();
            assert!(lost.is_empty(), "live, but removed: {lost:?}");
            bench.simulator.clear_faults();
            quiet(&bench).await;
            bench.assert_mirrors();
        })?;
    }

    #[test]
    fn a_world_left_quiet_is_mirrored_exactly(work in work(), switches in switches()) {
        on_runtime(async {
            let bench = bench(work.seed, switches, "100%").await;
            disturb(&bench, &work).await;
            assert_eq!(quiet(&bench).await, 0);
            bench.assert_mirrors();
            assert_values_mirrored(&bench);
            let before = bench.digest();
            bench.sync_full().await;
            bench.digest().assert_same(&before);
        })?;
    }

    #[test]
    fn with_the_default_limits_a_world_left_quiet_is_mirrored_or_held(work in work(), switches in switches()) {
        on_runtime(async {
            let bench = bench(work.seed, switches, "10%").await;
            disturb(&bench, &work).await;
            assert!(matches!(quiet(&bench).await, 0 | 4));
            for kind in catalogue() {
                assert_mirrored_or_held(&bench, kind.name.as_str());
            }
        })?;
    }

    #[test]
    fn what_goes_and_comes_back_keeps_its_row_and_its_history(seed: u64, gone in 1usize..9) {
        on_runtime(async {
            let bench = bench(seed, Switches::default(), "100%").await;
            let first_seen = "SELECT kind, id, first_seen_at FROM elements ORDER BY 1, 2";
            let before = bench.sql(first_seen);
            let ids = bench.simulator.world().ids("goals")[..gone].to_vec();
            for id in &ids {
                bench.simulator.world().delete("goals", *id);
            }
            bench.sync_full().await;
            assert_eq!(bench.removed("goals").into_keys().collect::<Vec<_>>(), ids);
            for id in &ids {
                bench.simulator.world().restore("goals", *id);
            }
            bench.sync_full().await;
            assert_eq!(bench.sql(first_seen), before);
            let history = "SELECT id, string_agg(operation, ' ' ORDER BY sequence) FROM changes \
                           WHERE kind = 'goals' AND part = 'doc' \
                           GROUP BY id HAVING count(*) > 1 ORDER BY id";
            let expected: Vec<String> = ids.iter().map(|id| format!("{id}|insert remove restore")).collect();
            assert_eq!(bench.sql(history), expected);
        })?;
    }
}

/// Nothing visible is lost, every document is right, and what is shown beyond that is held.
#[track_caller]
fn assert_mirrored_or_held(bench: &Bench, kind: &str) {
    let (mut stored, visible) = (bench.stored(kind), bench.visible(kind));
    let held = bench.sql(&format!("SELECT ids FROM held WHERE kind = '{kind}'")).concat();
    stored.retain(|id, _| visible.contains_key(id) || !held.contains(&id.to_string()));
    let kept: Vec<_> = stored.keys().filter(|id| !visible.contains_key(id)).collect();
    let run = bench.sql("SELECT mode, outcome, reason FROM runs ORDER BY id DESC LIMIT 1");
    assert!(stored == visible, "{kind}: kept, but not held: {kept:?} (held: {held}) after {run:?}");
}
