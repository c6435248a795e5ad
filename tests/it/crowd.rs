//! Three hundred connections in one daemon: none runs twice at once, none is left out, and the process
//! stays as large as it became.

use std::ffi::OsStr;
use std::fmt::Write as _;

use clearpoint_sync::simulator::{ApiKey, Size, World};

use crate::harness::{Bench, Setup};
use crate::program::Running;

const CONNECTIONS: usize = 300;

/// Two rounds in a row that together add no more than this are a standstill: as many as a week of 15-minute
/// schedules has would add less than 60 MB. What leaks adds to every round.
const STANDSTILL_KB: u64 = 160;
/// So many rounds are looked at together: one alone may add nothing by chance.
const ROUNDS_STILL: usize = 2;
/// Rounds after which a process that never stood still leaks: what most runs at once take, allocators keep,
/// and a busy machine lets more runs come together now and then.
const ROUNDS_MAX: usize = 16;

/// However busy the machine is: those that turn tasks, those that wait beside them, and the main one.
const THREADS_MAX: usize = 140;

async fn bench() -> Bench {
    let mut world = World::generate(195, &Size::small().with("measures", 5));
    for n in 0..CONNECTIONS {
        let (access, secret) = (format!("access-{n}"), "secret".to_owned());
        world.add_key(ApiKey { access, secret, expires: None, user: World::USER.into() });
    }
    let bench = Setup::of(world).start().await;
    bench.write_secret("secret", "secret");
    let mut config = "[store.sqlite]\npath = \"clearpoint.db\"\n[log]\nformat = \"json\"\n\
                      [daemon]\nruns_max = 16\n[host_limits]\nrequests_per_second = 1000\nconcurrency = 64\n"
        .to_owned();
    for n in 0..CONNECTIONS {
        bench.write_secret(&format!("access-{n}"), &format!("access-{n}"));
        let url = bench.simulator.base_url();
        write!(
            config,
            "[connections.c{n:03}]\nbase_url = \"{url}\"\nschedule = \"*/10 * * * * *\"\nkinds = [\"measures\"]\n\
             measure_data = \"off\"\ndetails = \"off\"\n[connections.c{n:03}.limits]\n\
             requests_per_second = 1000\n[connections.c{n:03}.key]\nname = \"Key\"\nexpires = 2099-12-31\n\
             access_key = {{ file = \"access-{n}\" }}\nsecret_key = {{ file = \"secret\" }}\n"
        )
        .unwrap();
    }
    std::fs::write(bench.file("config.toml"), config).unwrap();
    bench
}

/// The memory that a process took for itself, beside its threads' stacks: each of those grows until its thread has met
/// the deepest work, which on a busy machine takes many rounds.
fn held_kb(pid: u32) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let (mut held, mut is_counted, mut is_guard) = (0, false, false);
    for line in maps.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            // A mapping of no file, and not right above one in which nothing may be done, as a stack lies.
            [place, mode, _, _, inode, ..] if place.contains('-') => {
                is_counted = inode == "0" && !is_guard;
                is_guard = mode == "---p";
            }
            ["Rss:", kilobytes, _] if is_counted => held += kilobytes.parse::<u64>().unwrap(),
            _ => {}
        }
    }
    held
}

/// How many threads a process has.
fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_connections_take_their_turns_in_a_process_that_does_not_grow() {
    let bench = bench().await;
    // One heap for all threads: how much each would keep of its own is chance.
    let variables = [("MALLOC_ARENA_MAX", OsStr::new("1"))];
    let mut daemon = Running::start_among(&variables, &bench.file("config.toml"), &["run"]);
    let finished = ["\"event\":\"run_finished\""];
    let mut held = Vec::new();
    let stands_still = |held: &[u64]| {
        held.last_chunk::<{ ROUNDS_STILL + 1 }>()
            .is_some_and(|[first, .., last]| *last <= first + STANDSTILL_KB)
    };
    // Where there is more to do than a machine can, whoever is due with others may be served once before them,
    // and once more: after three rounds nobody had fewer than two runs.
    for round in 1..=ROUNDS_MAX {
        daemon.says_often(round * CONNECTIONS + 100, &finished).await;
        held.push(held_kb(daemon.pid));
        assert!(threads(daemon.pid) <= THREADS_MAX, "{} threads", threads(daemon.pid));
        if stands_still(&held) {
            break;
        }
    }
    let ran = daemon.stop().await;
    ran.assert_code(&[0]);
    assert!(stands_still(&held), "it grows in every round: {held:?} KB");
    let overlaps = "SELECT count(*) FROM (SELECT started_at, lag(finished_at) OVER \
                    (PARTITION BY connection ORDER BY id) AS ended FROM runs) WHERE started_at < ended";
    assert_eq!(bench.number(overlaps), 0);
    assert_eq!(bench.number("SELECT count(*) FROM runs WHERE outcome = 'failed'"), 0, "{ran}");
    let least = "SELECT min(runs) FROM (SELECT count(outcome) AS runs FROM runs GROUP BY connection)";
    assert!(bench.number(least) >= 2, "nobody is left out: {ran}");
    assert_eq!(bench.number("SELECT count(DISTINCT connection) FROM runs"), 300);
}
