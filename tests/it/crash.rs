//! Server and daemon die at random moments while the account is worked on: nothing is lost, nothing is there
//! twice, and the records say how each run ended.

use std::time::Duration;

use clearpoint_sync::simulator::{Size, World};

use super::harness::{Bench, Setup};
use crate::postgres_server::Postgres;
use crate::program::{Running, kill};

const CRASHES: u32 = 8;

async fn bench(server: &Postgres) -> Bench {
    let world = World::generate(311, &Size::small().with("measures", 30).with("objectives", 60));
    let setup = Setup { removals_max: "100%", details: "off", ..Setup::of(world) };
    let bench = setup.start_with(Some(server.database())).await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let config = config.replace("*/15 * * * *", "*/1 * * * * *").replace("30 2 * * *", "*/2 * * * * *");
    std::fs::write(bench.file("config.toml"), config).unwrap();
    bench
}

/// Waits until a run is under way that is at this one of its requests, or at a moment after it.
async fn in_a_run(bench: &Bench, random: &mut fastrand::Rng) {
    let request = bench.simulator.requests() + random.u64(1..60);
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while bench.simulator.requests() < request && tokio::time::Instant::now() < patience {
        tokio::task::yield_now().await;
    }
    (0..random.u32(..5_000)).for_each(|_| std::thread::yield_now());
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_of_the_server_and_of_the_daemon_lose_and_double_nothing() {
    let server = Postgres::with(&["fsync = on"]);
    let bench = bench(&server).await;
    let mut random = fastrand::Rng::with_seed(311);
    let mut daemon: Option<Running> = None;
    for _ in 0..CRASHES {
        daemon.get_or_insert_with(|| bench.start(&["run"]));
        for _ in 0..10 {
            bench.simulator.world().disturb(&mut random);
        }
        in_a_run(&bench, &mut random).await;
        let (kills, crashes) = (random.bool(), random.bool());
        if kills && let Some(daemon) = daemon.take() {
            kill(daemon.pid);
            daemon.end().await.assert_code(&[-1]);
            bench.look.end_leases();
        }
        if crashes || !kills {
            server.crash();
            server.up();
        }
    }
    let mut last = daemon.unwrap_or_else(|| bench.start(&["run"]));
    last.says_more(2, &["run finished"]).await;
    last.stop().await.assert_code(&[0]);
    for _ in 0..4 {
        bench.let_days_pass(31);
        bench.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    }
    bench.assert_mirrors();
    assert_history_is_whole(&bench);
}

/// Sequences are given once, an element's history begins with its insert and alternates as it must, and no
/// run stands open but those that a death cut off.
#[track_caller]
fn assert_history_is_whole(bench: &Bench) {
    let inserted_twice = "SELECT count(*) FROM (SELECT kind, id FROM changes WHERE operation = 'insert' \
                          AND part = 'doc' GROUP BY connection, kind, id HAVING count(*) > 1) AS twice";
    assert_eq!(bench.number(inserted_twice), 0);
    let unlogged = "SELECT count(*) FROM elements AS e WHERE NOT EXISTS (SELECT 1 FROM changes AS c \
                    WHERE c.kind = e.kind AND c.id = e.id AND c.operation = 'insert')";
    assert_eq!(bench.number(unlogged), 0);
    let doubled = "SELECT count(*) FROM changes AS a JOIN changes AS b ON a.kind = b.kind AND a.id = b.id \
                   AND a.part = b.part AND a.run = b.run AND a.operation = b.operation \
                   AND a.sequence < b.sequence";
    assert_eq!(bench.number(doubled), 0);
    let counted = "SELECT count(*) FROM run_kinds AS k WHERE k.inserted <> (SELECT count(*) FROM changes AS c \
                   WHERE c.run = k.run AND c.kind = k.kind AND c.part = 'doc' AND c.operation = 'insert')";
    assert_eq!(bench.number(counted), 0, "kinds whose record and whose changes differ");
}
