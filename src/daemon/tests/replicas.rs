//! Turns that another replica took: nothing is skipped, nothing is made twice, nothing is said.

use super::*;

fn turns() -> Turns {
    let members = vec![member("city", "*/15 * * * *", "30 2 * * *")];
    Turns::new(Seating { members, runs_max: 4 }, 0.0, at("2026-03-01T00:20:00Z"))
}

/// The run that begins now.
fn take(turns: &mut Turns, now: &str) -> Turn {
    turns.take(at(now)).filter(|turn| turn.work != Work::Watch).expect("a run is due")
}

#[test]
fn what_another_replica_is_at_is_tried_again_for_the_same_due_time() {
    let mut turns = turns();
    let first = take(&mut turns, "2026-03-01T00:20:00Z");
    let ended = Ended::Elsewhere { again_in: TimeDelta::seconds(30) };
    assert_eq!(turns.end(&first.name, &ended, at("2026-03-01T00:20:00Z")), None);
    assert_eq!(turns.next_run_at(&first.name), Some(at("2026-03-01T00:20:30Z")));
    let again = take(&mut turns, "2026-03-01T00:20:30Z");
    assert_eq!((again.due_at, again.work), (first.due_at, first.work));
    // A clock that is set back leaves nobody waiting for the old time.
    turns.end(&again.name, &ended, at("2026-03-01T00:20:31Z"));
    assert_eq!(turns.take(at("2026-03-01T00:16:00Z")).map(|turn| turn.due_at), Some(first.due_at));
}

#[test]
fn what_another_replica_served_is_done_and_its_full_run_counts() {
    let mut turns = turns();
    let turn = take(&mut turns, "2026-03-01T00:20:00Z");
    assert_eq!(turn.due_at, at("2026-03-01T00:15:00Z"));
    let served = Served {
        mode: Mode::Full,
        outcome: Outcome::Ok,
        started_at: at("2026-03-01T02:30:00Z"),
        finished_at: at("2026-03-01T02:31:00Z"),
        last_full: Some(at("2026-03-01T02:31:00Z")),
    };
    assert_eq!(turns.end(&turn.name, &Ended::Served(served), at("2026-03-01T02:32:00Z")), None);
    let next = take(&mut turns, "2026-03-01T02:45:00Z");
    assert_eq!((next.due_at, next.work), (at("2026-03-01T02:45:00Z"), Work::Run(Mode::Incremental)));
}
