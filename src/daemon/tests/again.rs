//! Runs that failed are tried again before they are due, and never so often that it would be a nuisance.

use super::*;

const DAILY: &str = "30 2 * * *";

/// The runs of a day on this schedule, until then.
async fn starts(schedule: &str, ends: fn(&Turn) -> Ended, until: &str) -> Vec<String> {
    let day = Day::begin(vec![member("city", schedule, DAILY)], 4, seconds(1), |_| seconds(5), ends);
    day.until(until).await;
    day.runs().iter().map(|run| run.from.format("%d %H:%M:%S").to_string()).collect()
}

fn ended(outcome: Outcome, next_try: NextTry) -> Ended {
    let reason = Some("down".to_owned());
    Ended::Ran { outcome, reason, needs_full: false, standing: None, next_try }
}

#[tokio::test]
async fn an_outage_of_minutes_costs_a_daily_schedule_minutes_and_no_day() {
    let ends = |turn: &Turn| if turn.due_at < at("2026-03-01T02:31:00Z") { failed(turn) } else { ok(turn) };
    let runs = starts(DAILY, ends, "2026-03-02T03:00:00Z").await;
    assert_eq!(runs, ["01 02:30:00", "01 02:31:05", "01 02:36:10", "02 02:30:00"]);
}

#[tokio::test]
async fn who_fails_for_long_is_tried_again_hourly_and_at_its_own_times() {
    let runs = starts(DAILY, failed, "2026-03-02T02:31:00Z").await;
    assert_eq!(runs[..5], ["01 02:30:00", "01 02:31:05", "01 02:36:10", "01 02:51:15", "01 03:51:20"]);
    assert_eq!(runs.last().map(String::as_str), Some("02 02:30:00"));
    assert_eq!(runs.len(), 4 + 23 + 1);
}

#[tokio::test]
async fn no_try_comes_later_than_the_schedule_or_beside_it() {
    let runs = starts("*/15 * * * *", failed, "2026-03-01T01:01:00Z").await;
    let expected = ["01 00:15:00", "01 00:16:05", "01 00:21:10", "01 00:30:00", "01 00:45:00", "01 01:00:00"];
    assert_eq!(runs, expected);
}

#[tokio::test]
async fn a_success_lets_the_next_failure_begin_anew() {
    let ends = |turn: &Turn| match turn.due_at {
        due_at if due_at == at("2026-03-02T02:30:00Z") => failed(turn),
        due_at if due_at < at("2026-03-01T02:36:00Z") => failed(turn),
        _ => ok(turn),
    };
    let runs = starts(DAILY, ends, "2026-03-02T03:00:00Z").await;
    assert_eq!(runs[3..], ["01 02:51:15", "02 02:30:00", "02 02:31:05"]);
}

#[tokio::test]
async fn what_no_other_try_would_change_waits_until_it_is_due() {
    for ends in [
        |_: &Turn| ended(Outcome::Failed, NextTry::WhenDue),
        |_: &Turn| ended(Outcome::Refused, NextTry::WhenDue),
        |_: &Turn| ended(Outcome::Partial, NextTry::Soon),
    ] {
        assert_eq!(starts(DAILY, ends, "2026-03-02T03:00:00Z").await, ["01 02:30:00", "02 02:30:00"]);
    }
}

#[tokio::test]
async fn a_server_that_asks_to_come_back_later_is_asked_then() {
    let ends = |turn: &Turn| match turn.due_at {
        due_at if due_at == at("2026-03-01T02:30:00Z") => {
            ended(Outcome::Deferred, NextTry::NotBefore(at("2026-03-01T02:47:00Z")))
        }
        _ => ok(turn),
    };
    let runs = starts(DAILY, ends, "2026-03-02T03:00:00Z").await;
    assert_eq!(runs, ["01 02:30:00", "01 02:47:00", "02 02:30:00"]);
}

#[tokio::test]
async fn a_full_run_that_failed_is_tried_again_in_full() {
    let ends = |turn: &Turn| if turn.due_at == at("2026-03-01T02:30:00Z") { failed(turn) } else { ok(turn) };
    let members = vec![member("city", "30 * * * *", DAILY)];
    let day = Day::begin(members, 4, seconds(1), |_| seconds(5), ends);
    day.until("2026-03-01T03:31:00Z").await;
    let modes: Vec<_> = day.runs().iter().map(|run| run.mode).collect();
    let (full, incremental) = (Mode::Full, Mode::Incremental);
    assert_eq!(modes, [incremental, incremental, full, full, incremental]);
}

fn turns(now: &str) -> Turns {
    let members = vec![member("city", DAILY, DAILY)];
    Turns::new(Seating { members, runs_max: 4 }, 0.0, at(now))
}

fn take(turns: &mut Turns, now: &str) -> Turn {
    turns.take(at(now)).filter(|turn| turn.work != Work::Watch).expect("a run is due")
}

fn next_of(turns: &Turns) -> DateTime<Utc> {
    turns.next_run_at(&ConnectionName::parse("city").unwrap()).unwrap()
}

#[test]
fn a_clock_that_is_set_back_leaves_what_failed_its_wait_and_no_more() {
    let mut turns = turns("2026-03-01T02:30:00Z");
    let first = take(&mut turns, "2026-03-01T02:30:00Z");
    turns.end(&first.name, &ended(Outcome::Failed, NextTry::Hourly), at("2026-03-01T02:31:00Z"));
    assert_eq!(next_of(&turns), at("2026-03-01T03:31:00Z"));
    let look = turns.take(at("2026-02-27T12:00:00Z")).unwrap();
    turns.end(&look.name, &Ended::Watched, at("2026-02-27T12:00:01Z"));
    assert_eq!(next_of(&turns), at("2026-02-27T13:00:00Z"));
}

#[test]
fn what_another_replica_tried_in_vain_is_left_to_it_for_an_hour() {
    let mut turns = turns("2026-03-01T02:30:00Z");
    let first = take(&mut turns, "2026-03-01T02:30:00Z");
    let served = |outcome, finished_at: &str| {
        let (started_at, finished_at) = (at("2026-03-01T02:30:00Z"), at(finished_at));
        Ended::Served(Served { mode: Mode::Full, outcome, started_at, finished_at, last_full: None })
    };
    let failed = served(Outcome::Failed, "2026-03-01T02:32:00Z");
    assert_eq!(turns.end(&first.name, &failed, at("2026-03-01T02:33:00Z")), None);
    let again = take(&mut turns, "2026-03-01T03:32:00Z");
    // Served by whatever ended after that one, and not by that one.
    assert_eq!(again.due_at, at("2026-03-01T02:32:00.001Z"));
    turns.end(&again.name, &served(Outcome::Ok, "2026-03-01T02:33:30Z"), at("2026-03-01T03:32:00Z"));
    assert_eq!(next_of(&turns), at("2026-03-02T02:30:00Z"));
}
