//! What is shown of the next run is what begins.

use super::*;
use crate::board::TurnShown;

/// One connection whose run begins when it is due.
struct One(Turns);

impl One {
    fn new(member: Member, now: &str) -> Self {
        Self(Turns::new(Seating { members: vec![member], runs_max: 1 }, 0.1, at(now)))
    }

    fn shown(&self) -> TurnShown {
        self.0.shown().next().unwrap().1
    }

    /// The next run begins, and ends after so many minutes.
    #[track_caller]
    fn run(&mut self, minutes: i64, ends: fn(&Turn) -> Ended) -> Mode {
        let next = self.shown();
        let turn = self.0.take(next.next_run).unwrap();
        let Work::Run(mode) = turn.work else { panic!("{turn:?}") };
        let is_shown_full = next.next_full_run <= next.next_run;
        assert_eq!(is_shown_full, mode == Mode::Full, "{next:?}");
        self.0.end(&turn.name, &ends(&turn), next.next_run + TimeDelta::minutes(minutes));
        mode
    }
}

#[test]
fn a_full_run_that_is_tried_again_is_a_full_one() {
    let mut first = member("city", "*/15 * * * *", "30 2 * * *");
    (first.last_run, first.last_full) = (None, None);
    let mut city = One::new(first, START);
    let runs = [(1, failed as fn(&Turn) -> Ended), (1, ok), (1, failed), (1, ok)];
    let modes = runs.map(|(minutes, ends)| city.run(minutes, ends));
    assert_eq!(modes, [Mode::Full, Mode::Full, Mode::Incremental, Mode::Incremental]);
    assert_eq!(city.shown().next_full_run, at("2026-03-01T02:30:00Z"));
}

#[test]
fn a_full_run_that_came_due_during_a_run_is_made_after_an_incremental_one_and_not_after_a_full_one() {
    let mut city = One::new(member("city", "*/5 * * * *", "*/20 * * * *"), "2026-03-01T02:18:00Z");
    // Two were missed; another comes due in the middle of it.
    assert_eq!(city.run(4, ok), Mode::Full);
    assert_eq!(city.run(17, ok), Mode::Incremental);
    assert_eq!(city.run(1, ok), Mode::Full);
}
