//! Simulated days of the daemon: real tasks, a clock that the test moves, runs that only wait.

mod again;
mod overload;
mod replicas;
mod reseat;
mod shown;
mod signs;
mod store_watch;

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Simulated;
use crate::name::ConnectionName;
use crate::run::Mode;
use crate::schedule::Schedule;
use crate::systemd::Systemd;
use crate::telemetry::{self, Look};

const START: &str = "2026-03-01T00:05:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn member(name: &str, schedule: &str, schedule_full: &str) -> Member {
    Member {
        name: ConnectionName::parse(name).unwrap(),
        schedule: Schedule::parse(schedule, Tz::UTC).unwrap(),
        schedule_full: Schedule::parse(schedule_full, Tz::UTC).unwrap(),
        last_run: Some(at("2026-03-01T00:00:00Z")),
        last_full: Some(at("2026-02-28T12:00:00Z")),
    }
}

/// A run as it was seen: whose, which mode, from, to (`None`: cut off).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    name: ConnectionName,
    mode: Mode,
    due_at: DateTime<Utc>,
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
}

/// A daemon under way on a simulated clock.
struct Day {
    hand: Arc<Simulated>,
    stop: watch::Sender<u32>,
    seating: watch::Sender<Option<Seating>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    watched: Arc<Mutex<Vec<DateTime<Utc>>>>,
    daemon: JoinHandle<Drained>,
}

impl Day {
    /// Each run takes as long as `lasts` says and ends as `ends` says; a run that is asked to stop
    /// takes `stops_in` more.
    fn begin(
        members: Vec<Member>,
        runs_max: usize,
        stops_in: Duration,
        lasts: fn(&Turn) -> Duration,
        ends: fn(&Turn) -> Ended,
    ) -> Self {
        let (clock, hand) = Clock::stepped(at(START));
        let (stop, stops) = watch::channel(0);
        let (seats, seating) = watch::channel(None);
        let (seen, watched): (Arc<Mutex<Vec<Seen>>>, Arc<Mutex<Vec<_>>>) = Default::default();
        let turns = Turns::new(Seating { members, runs_max }, 0.0, clock.now());
        let (runs, looks, run_clock) = (Arc::clone(&seen), Arc::clone(&watched), clock.clone());
        let pass = move |turn: Turn, mut cancel: watch::Receiver<bool>| {
            let (runs, looks, clock) = (Arc::clone(&runs), Arc::clone(&looks), run_clock.clone());
            async move {
                let Work::Run(mode) = turn.work else {
                    looks.lock().unwrap().push(clock.now());
                    return Ended::Watched;
                };
                let (from, idx) = (clock.now(), runs.lock().unwrap().len());
                let Turn { name, due_at, .. } = turn.clone();
                runs.lock().unwrap().push(Seen { name, mode, due_at, from, to: None });
                let is_asked = tokio::select! {
                    () = clock.sleep(lasts(&turn)) => false,
                    asked = cancel.wait_for(|stop| *stop) => asked.is_ok(),
                };
                if is_asked {
                    clock.sleep(stops_in).await;
                }
                runs.lock().unwrap()[idx].to = Some(clock.now());
                ends(&turn)
            }
        };
        let orders = Orders { stops, seating };
        let mut signs = Signs::new(Systemd::new(None), None, Arc::default());
        let daemon = tokio::spawn(async move { serve(turns, &clock, &mut signs, orders, pass).await });
        Self { hand, stop, seating: seats, seen, watched, daemon }
    }

    /// Lets every task go on until it waits for the clock.
    async fn settle(&self) {
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock from one sleeper's wake to the next.
    async fn until(&self, end: &str) {
        let end = at(end);
        self.settle().await;
        while let Some(wake) = self.hand.next_wake().filter(|wake| *wake <= end) {
            self.hand.advance_to(wake);
            self.settle().await;
        }
        self.hand.advance_to(end);
        self.settle().await;
    }

    fn runs(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn runs_of(&self, name: &str) -> Vec<Seen> {
        self.runs().into_iter().filter(|run| run.name.as_str() == name).collect()
    }
}

fn ok(_: &Turn) -> Ended {
    ran(Outcome::Ok, None)
}

fn failed(_: &Turn) -> Ended {
    ran(Outcome::Failed, Some("down"))
}

fn ran(outcome: Outcome, reason: Option<&str>) -> Ended {
    let (reason, next_try) = (reason.map(str::to_owned), NextTry::Soon);
    Ended::Ran { outcome, reason, needs_full: false, standing: None, next_try }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[track_caller]
fn never_two_at_once(runs: &[Seen]) {
    for (n, a) in runs.iter().enumerate() {
        for b in &runs[n + 1..] {
            let is_apart = a.to.is_some_and(|to| to <= b.from) || b.to.is_some_and(|to| to <= a.from);
            assert!(a.name != b.name || is_apart, "{a:?} and {b:?}");
        }
    }
}

#[tokio::test]
async fn in_three_days_no_run_is_missed_late_or_doubled() {
    let members =
        vec![member("city", "*/15 * * * *", "30 2 * * *"), member("port", "7 * * * *", "0 3 * * *")];
    let day = Day::begin(members, 8, seconds(1), |_| seconds(90), ok);
    day.until("2026-03-04T00:05:00Z").await;
    let runs = day.runs();
    never_two_at_once(&runs);
    // Two that are due together start one after the other.
    let late = |run: &Seen| run.from - run.due_at;
    assert!(runs.iter().all(|run| late(run) <= TimeDelta::milliseconds(100)), "a run drifted");
    let count = |name, mode| day.runs_of(name).iter().filter(|run| run.mode == mode).count();
    // 288 quarter hours, three of which the full run at 02:30 serves too.
    assert_eq!((count("city", Mode::Full), count("city", Mode::Incremental)), (3, 285));
    assert_eq!((count("port", Mode::Full), count("port", Mode::Incremental)), (3, 72));
}

#[tokio::test]
async fn runs_missed_while_off_are_made_up_for_once() {
    let mut late = member("city", "*/15 * * * *", "30 2 * * *");
    late.last_run = Some(at("2026-02-20T00:00:00Z"));
    late.last_full = Some(at("2026-02-19T02:30:00Z"));
    let day = Day::begin(vec![late], 8, seconds(1), |_| seconds(5), ok);
    day.until("2026-03-01T00:20:00Z").await;
    let runs: Vec<_> = day.runs().iter().map(|run| (run.mode, run.from)).collect();
    assert_eq!(runs, [(Mode::Full, at(START)), (Mode::Incremental, at("2026-03-01T00:15:00Z"))]);
}

#[tokio::test]
async fn a_full_run_that_failed_is_tried_again_at_the_next_turn() {
    let day =
        Day::begin(vec![member("city", "*/15 * * * *", "30 2 * * *")], 8, seconds(1), |_| seconds(5), failed);
    day.until("2026-03-01T02:46:00Z").await;
    let runs = day.runs();
    let last: Vec<_> = runs[runs.len() - 2..].iter().map(|run| (run.mode, run.due_at)).collect();
    assert_eq!(last, [(Mode::Full, at("2026-03-01T02:30:00Z")), (Mode::Full, at("2026-03-01T02:45:00Z"))]);
}

#[tokio::test]
async fn a_slow_run_delays_nobody_and_skips_what_it_outlasts() {
    let members =
        vec![member("slow", "*/15 * * * *", "30 2 * * *"), member("quick", "*/15 * * * *", "30 2 * * *")];
    let lasts = |turn: &Turn| if turn.name.as_str() == "slow" { seconds(20 * 60) } else { seconds(5) };
    let day = Day::begin(members, 8, seconds(1), lasts, ok);
    day.until("2026-03-01T01:20:00Z").await;
    let starts = |name| -> Vec<String> {
        day.runs_of(name).iter().map(|run| run.from.format("%H:%M").to_string()).collect()
    };
    assert_eq!(starts("slow"), ["00:15", "00:45", "01:15"]);
    assert_eq!(starts("quick"), ["00:15", "00:30", "00:45", "01:00", "01:15"]);
}

#[tokio::test]
async fn a_full_run_is_never_skipped_for_an_incremental_one() {
    let day =
        Day::begin(vec![member("city", "0 2 * * *", "30 2 * * *")], 8, seconds(1), |_| seconds(3600), ok);
    day.until("2026-03-01T05:00:00Z").await;
    let runs: Vec<_> = day.runs().iter().map(|run| (run.mode, run.from)).collect();
    assert_eq!(
        runs,
        [(Mode::Incremental, at("2026-03-01T02:00:00Z")), (Mode::Full, at("2026-03-01T03:00:00Z"))]
    );
}

#[tokio::test]
async fn at_most_runs_max_at_once_the_latest_first() {
    let mut members: Vec<Member> =
        ["a", "b", "c"].map(|name| member(name, "*/15 * * * *", "30 2 * * *")).into();
    members[2].last_run = Some(at("2026-02-28T12:00:00Z"));
    members[1].last_run = Some(at("2026-02-28T18:00:00Z"));
    members[0].last_run = Some(at("2026-02-28T23:00:00Z"));
    let day = Day::begin(members, 1, seconds(1), |_| seconds(60), ok);
    day.until("2026-03-01T00:08:30Z").await;
    let runs = day.runs();
    let order: Vec<_> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(order, ["c", "b", "a"]);
    assert!(runs.windows(2).all(|pair| pair[0].to == Some(pair[1].from)));
}

#[tokio::test]
async fn a_list_that_moved_asks_for_one_more_full_run() {
    let ends = |_: &Turn| Ended::Ran {
        outcome: Outcome::Ok,
        reason: None,
        needs_full: true,
        standing: None,
        next_try: NextTry::WhenDue,
    };
    let day =
        Day::begin(vec![member("city", "*/15 * * * *", "30 2 * * *")], 8, seconds(1), |_| seconds(5), ends);
    day.until("2026-03-01T03:01:00Z").await;
    let full: Vec<_> = day.runs().iter().filter(|run| run.mode == Mode::Full).map(|run| run.due_at).collect();
    assert_eq!(full, [at("2026-03-01T02:30:00Z"), at("2026-03-01T02:45:00Z")]);
}

#[tokio::test]
async fn failures_and_skips_are_said_once_and_so_is_recovery() {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, still) = (Arc::clone(&lines), Clock::stepped(at(START)).0);
    let write = move |line: &str| log.lock().unwrap().push(line.trim_end().to_owned());
    let _logging = telemetry::listen(telemetry::subscriber(Look::Journal, "info", still, write).unwrap());
    let lasts = |turn: &Turn| seconds(if turn.due_at < at("2026-03-01T01:00:00Z") { 1000 } else { 5 });
    let ends = |turn: &Turn| if turn.due_at < at("2026-03-01T01:00:00Z") { failed(turn) } else { ok(turn) };
    let day = Day::begin(vec![member("city", "*/15 * * * *", "0 12 * * *")], 8, seconds(1), lasts, ends);
    day.until("2026-03-01T02:00:00Z").await;
    assert_eq!(
        *lines.lock().unwrap(),
        [
            "<4>WARN run outlasted its interval, skipped the next event=run_skipped connection=city \
             due=2026-03-01T00:30:00Z next=2026-03-01T00:32:40Z skips=1",
            "<4>WARN run failed, will try again event=run_failed connection=city outcome=failed error=down \
             failures=1 since=2026-03-01T00:31:40Z next=2026-03-01T00:32:40Z",
            "<6>INFO runs work again event=run_recovered connection=city failures=3 \
             since=2026-03-01T00:31:40Z",
        ]
    );
}

#[test]
fn a_clock_set_back_does_not_stop_the_runs() {
    let before = at("2026-03-01T01:00:00Z");
    let members = vec![member("city", "*/15 * * * *", "30 2 * * *")];
    let mut turns = Turns::new(Seating { members, runs_max: 8 }, 0.0, before);
    let first = turns.take(before).unwrap();
    turns.end(&first.name, &ok(&first), before);
    let look = turns.take(at("2026-02-27T12:00:30Z")).unwrap();
    assert_eq!(look.work, Work::Watch);
    turns.end(&look.name, &Ended::Watched, at("2026-02-27T12:00:31Z"));
    assert_eq!(turns.next_at(), Some(at("2026-02-27T12:15:00Z")));
    assert_eq!(turns.take(at("2026-02-27T12:15:00Z")).unwrap().work, Work::Run(Mode::Incremental));
}

#[tokio::test]
async fn keys_are_looked_at_every_hour_between_rare_runs() {
    let day =
        Day::begin(vec![member("city", "0 12 * * mon", "0 12 * * mon")], 8, seconds(1), |_| seconds(5), ok);
    day.until("2026-03-01T06:00:00Z").await;
    let watched: Vec<String> =
        day.watched.lock().unwrap().iter().map(|at| at.format("%H:%M").to_string()).collect();
    assert_eq!(watched, ["00:05", "01:05", "02:05", "03:05", "04:05", "05:05"]);
}

/// A run that cannot begin (the lock is taken, `network.ca_file` is gone) looks at no date.
#[tokio::test]
async fn keys_are_looked_at_every_hour_also_while_no_run_gets_so_far() {
    let members = vec![member("city", "*/15 * * * *", "30 2 * * *")];
    let day = Day::begin(members, 4, Duration::ZERO, |_| seconds(1), failed);
    day.until("2026-03-01T06:00:00Z").await;
    let watched = day.watched.lock().unwrap().len();
    assert!((6..=7).contains(&watched), "{watched}");
}

#[tokio::test]
async fn a_request_to_stop_lets_runs_reach_a_safe_point() {
    let day =
        Day::begin(vec![member("city", "*/15 * * * *", "30 2 * * *")], 8, seconds(4), |_| seconds(600), ok);
    day.until("2026-03-01T00:16:00Z").await;
    day.stop.send_replace(1);
    day.until("2026-03-01T00:16:05Z").await;
    assert_eq!(day.runs()[0].to, Some(at("2026-03-01T00:16:04Z")));
    assert_eq!(day.daemon.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn a_drain_ends_after_ten_seconds() {
    let day =
        Day::begin(vec![member("city", "*/15 * * * *", "30 2 * * *")], 8, seconds(60), |_| seconds(600), ok);
    day.until("2026-03-01T00:16:00Z").await;
    day.stop.send_replace(1);
    day.until("2026-03-01T00:16:09Z").await;
    assert!(!day.daemon.is_finished());
    day.until("2026-03-01T00:16:10Z").await;
    assert_eq!(day.daemon.await.unwrap(), Drained::Cut(1));
}

#[tokio::test]
async fn a_second_request_to_stop_ends_at_once() {
    let day =
        Day::begin(vec![member("city", "*/15 * * * *", "30 2 * * *")], 8, seconds(60), |_| seconds(600), ok);
    day.until("2026-03-01T00:16:00Z").await;
    day.stop.send_replace(1);
    day.settle().await;
    day.stop.send_replace(2);
    day.settle().await;
    assert_eq!(day.runs()[0].to, None);
    assert_eq!(day.daemon.await.unwrap(), Drained::Cut(1));
}

#[tokio::test]
async fn a_run_that_panics_stops_nobody() {
    let ends = |turn: &Turn| match turn.name.as_str() {
        "a" => panic!("a fault of the run"),
        _ => ok(turn),
    };
    let members = ["a", "b"].map(|name| member(name, "*/15 * * * *", "30 2 * * *")).into();
    let day = Day::begin(members, 8, seconds(1), |_| seconds(5), ends);
    day.until("2026-03-01T00:31:00Z").await;
    assert_eq!((day.runs_of("a").len(), day.runs_of("b").len()), (2, 2));
}

#[test]
fn starts_are_spread_alike_every_time_and_never_far() {
    let name = |name| ConnectionName::parse(name).unwrap();
    let spread = |who, minutes| seat::spread(&name(who), at(START), TimeDelta::minutes(minutes), 0.1);
    assert_eq!(spread("city", 15), spread("city", 15));
    assert_ne!(spread("city", 15), spread("port", 15));
    for who in ["city", "port", "a", "b", "c"] {
        assert!(spread(who, 15) < TimeDelta::seconds(30));
        assert!(spread(who, 1) < TimeDelta::seconds(6));
    }
    assert_eq!(seat::spread(&name("city"), at(START), TimeDelta::hours(1), 0.0), TimeDelta::zero());
}
