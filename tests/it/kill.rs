//! A kill at any instant loses nothing: the next sync starts at once and arrives where an uninterrupted
//! one arrives.

use clearpoint_sync::simulator::{Size, World};

use super::harness::{Bench, Setup};
use crate::program::kill;
use crate::rows::Rows;

/// Kills in each of the two tests, at least.
const KILLS: u32 = 25;

fn world() -> World {
    let size = Size::small().with("measures", 30).with("objectives", 60);
    World::generate(81, &size)
}

async fn bench() -> Bench {
    Setup { removals_max: "100%", ..Setup::of(world()) }.start().await
}

/// Kills a full sync at a random request, half of the times a random moment after it: while answers
/// arrive, while they are stored, between two kinds.
/// Whether the kill came before the end.
pub(super) async fn sync_killed(bench: &Bench, requests: u32, random: &mut fastrand::Rng) -> bool {
    let running = bench.start_held(&["sync", "--full"]).await;
    let pid = running.pid;
    let moments = random.bool().then(|| random.u32(..5_000));
    bench.simulator.on_request("", random.u32(1..=requests), move |_| match moments {
        None => kill(pid),
        Some(moments) => drop(std::thread::spawn(move || {
            (0..moments).for_each(|_| std::thread::yield_now());
            kill(pid);
        })),
    });
    bench.simulator.release();
    let ran = running.end().await;
    ran.assert_code(&[-1, 0]);
    bench.look.end_leases();
    ran.code == -1
}

#[track_caller]
fn check_converged(bench: &Bench, expected: &Rows) {
    bench.assert_mirrors();
    bench.content().assert_same(expected);
    bench.look.assert_sound();
}

/// Syncs in full without a kill; how many requests that took.
pub(super) async fn sync_counted(bench: &Bench) -> u32 {
    let before = bench.simulator.requests();
    bench.sync_full().await;
    u32::try_from(bench.simulator.requests() - before).unwrap()
}

/// Too many kills that came too late would prove nothing; some are made up for.
fn may_go_on(rounds: u32, killed: u32) -> bool {
    rounds < KILLS || (killed <= KILLS / 3 && rounds < 3 * KILLS)
}

#[track_caller]
fn check_killed(killed: u32, rounds: u32) {
    assert!(killed > KILLS / 3, "only {killed} of {rounds} syncs were killed before their end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_killed_anywhere_is_made_up_for_by_the_next() {
    let calm = bench().await;
    let requests = sync_counted(&calm).await;
    let mut random = fastrand::Rng::with_seed(81);
    let mut killed = 0;
    let mut rounds = 0;
    while may_go_on(rounds, killed) {
        rounds += 1;
        let bench = bench().await;
        killed += u32::from(sync_killed(&bench, requests, &mut random).await);
        bench.sync_full().await;
        check_converged(&bench, &calm.content());
    }
    check_killed(killed, rounds);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_killed_anywhere_and_again_is_made_up_for_by_the_next() {
    let mut random = fastrand::Rng::with_seed(82);
    let mut killed = 0;
    let mut rounds = 0;
    while may_go_on(rounds, killed) {
        rounds += 5;
        let seed = random.u64(..);
        let (calm, bench) = (synced_and_disturbed(seed).await, synced_and_disturbed(seed).await);
        let requests = sync_counted(&calm).await;
        for _ in 0..5 {
            killed += u32::from(sync_killed(&bench, requests, &mut random).await);
        }
        bench.sync_full().await;
        check_converged(&bench, &calm.content());
    }
    check_killed(killed, rounds);
}

async fn synced_and_disturbed(seed: u64) -> Bench {
    let bench = bench().await;
    bench.sync_full().await;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..30 {
        bench.simulator.world().disturb(&mut random);
    }
    bench
}
