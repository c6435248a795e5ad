//! A simulated week of three hundred connections on the daemon's own loop: every run at its time, never
//! two of one connection, and a process that does not grow. A test program of its own, for it weighs itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use clearpoint_sync::clock::{Clock, Simulated};
use clearpoint_sync::daemon::{self, Ended, Member, Orders, Seating, Signs, Turn, Turns, Work};
use clearpoint_sync::name::ConnectionName;
use clearpoint_sync::retry::NextTry;
use clearpoint_sync::run::{Mode, Outcome};
use clearpoint_sync::schedule::Schedule;
use clearpoint_sync::systemd::Systemd;
use tokio::sync::watch;

const CONNECTIONS: usize = 300;
const DAYS: i64 = 7;
/// Spread, and the pace of starts that fall together.
const LATE_MAX: TimeDelta = TimeDelta::seconds(45);
/// What a process may grow by from the second day to the seventh.
const GROWTH_MAX_KB: u64 = 2 * 1024;

/// What was seen of one connection: never more than its last run.
#[derive(Debug, Default)]
struct Seen {
    is_running: bool,
    last_due: Option<DateTime<Utc>>,
    full: u32,
    incremental: u32,
}

/// What was seen of all.
#[derive(Debug, Default)]
struct Log {
    connections: BTreeMap<ConnectionName, Seen>,
    /// When the run was due that began last.
    last_due: Option<DateTime<Utc>>,
    /// What should not have been. A task that panics is no more than a failed run to the daemon.
    faults: Vec<String>,
}

impl Log {
    /// A run begins.
    fn begin(&mut self, turn: &Turn, mode: Mode, now: DateTime<Utc>) {
        let Turn { name, due_at, .. } = turn;
        let seen = self.connections.entry(name.clone()).or_default();
        let was_running = std::mem::replace(&mut seen.is_running, true);
        let before = seen.last_due.replace(*due_at).unwrap_or(start() - TimeDelta::minutes(5));
        match mode {
            Mode::Full => seen.full += 1,
            Mode::Incremental => seen.incremental += 1,
        }
        let is_late = !(TimeDelta::zero()..LATE_MAX).contains(&(now - due_at));
        let is_out_of_order = self.last_due.replace(*due_at).is_some_and(|last| last > *due_at);
        for (is_fault, text) in [
            (was_running, "two runs of one connection"),
            (is_late, "a run that began late"),
            (is_out_of_order, "a run that began after one that was due later"),
            (*due_at - before != TimeDelta::minutes(15), "a run was missed, or drifted"),
        ] {
            if is_fault {
                self.faults.push(format!("{text}: {turn:?} at {now}"));
            }
        }
    }
}

fn start() -> DateTime<Utc> {
    "2026-03-01T00:05:00Z".parse().unwrap()
}

fn members() -> Vec<Member> {
    let schedule = |line| Schedule::parse(line, Tz::UTC).unwrap();
    let member = |n| Member {
        name: ConnectionName::parse(&format!("c{n:03}")).unwrap(),
        schedule: schedule("*/15 * * * *"),
        schedule_full: schedule("30 2 * * *"),
        last_run: Some(start() - TimeDelta::minutes(5)),
        last_full: Some(start() - TimeDelta::hours(12)),
    };
    (0..CONNECTIONS).map(member).collect()
}

/// One run: two to five seconds, in its place in the schedule.
async fn run(log: Arc<Mutex<Log>>, clock: Clock, turn: Turn) -> Ended {
    let Work::Run(mode) = turn.work else { return Ended::Watched };
    log.lock().unwrap().begin(&turn, mode, clock.now());
    clock.sleep(Duration::from_secs(2 + u64::from(turn.name.as_str().as_bytes()[3] % 4))).await;
    log.lock().unwrap().connections.get_mut(&turn.name).unwrap().is_running = false;
    let (outcome, next_try) = (Outcome::Ok, NextTry::Soon);
    Ended::Ran { outcome, reason: None, needs_full: false, standing: None, next_try }
}

/// Moves the clock from one sleeper's wake to the next, and lets everybody go on in between.
async fn until(hand: &Simulated, end: DateTime<Utc>) {
    loop {
        for _ in 0..6 {
            tokio::task::yield_now().await;
        }
        match hand.next_wake().filter(|wake| *wake <= end) {
            Some(wake) if wake > hand.now() => hand.advance_to(wake),
            Some(_) => {}
            None => return hand.advance_to(end),
        }
    }
}

/// The memory that this process holds.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_week_of_three_hundred_connections_misses_nothing_and_grows_by_nothing() {
    let (clock, hand) = Clock::stepped(start());
    let turns = Turns::new(Seating { members: members(), runs_max: 64 }, 0.1, clock.now());
    let log: Arc<Mutex<Log>> = Arc::default();
    let (stop, stops) = watch::channel(0);
    let (_seats, seating) = watch::channel(None);
    let pass = {
        let (log, clock) = (Arc::clone(&log), clock.clone());
        move |turn: Turn, _cancel| run(Arc::clone(&log), clock.clone(), turn)
    };
    let serving = tokio::spawn(async move {
        let mut signs = Signs::new(Systemd::new(None), None, Arc::default());
        daemon::serve(turns, &clock, &mut signs, Orders { stops, seating }, pass).await
    });
    until(&hand, start() + TimeDelta::days(2)).await;
    let before = resident_kb();
    until(&hand, start() + TimeDelta::days(DAYS)).await;
    let after = resident_kb();
    assert!(after <= before + GROWTH_MAX_KB, "{before} KB on the second day, {after} KB on the last");
    let log = log.lock().unwrap();
    assert!(log.faults.is_empty(), "{} faults, first {:#?}", log.faults.len(), log.faults.iter().take(5));
    assert_eq!(log.connections.len(), CONNECTIONS);
    for (name, seen) in &log.connections {
        let counts = (seen.full, seen.incremental);
        assert_eq!(counts, (7, 7 * 96 - 7), "{name}");
    }
    assert!(!serving.is_finished());
    stop.send_replace(1);
}
