//! Whether the daemon is alive, and whether it is ready: the answers for whoever supervises it. Pure: made
//! of its vitals alone.

use std::time::Duration;

use chrono::TimeDelta;

use crate::board::Vitals;
use crate::warning::span;

/// The daemon's loop turns at least once a minute; one that has not for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Whether the process is of use. One that has not begun to turn yet is: to start again would not help it.
///
/// # Errors
/// Why it is not, for people.
pub(super) fn alive(vitals: &Vitals) -> Result<(), String> {
    match vitals.silence.filter(|silence| *silence > SILENCE_MAX) {
        Some(silence) => {
            let silence = span(TimeDelta::from_std(silence).unwrap_or(TimeDelta::MAX));
            Err(format!("the daemon's loop has not turned for {silence}"))
        }
        None => Ok(()),
    }
}

/// Whether runs are made.
///
/// # Errors
/// Why they are not, for people.
pub(super) fn ready(vitals: &Vitals) -> Result<(), String> {
    if vitals.silence.is_none() {
        return Err("not started yet".to_owned());
    }
    if vitals.is_stopping {
        return Err("stopping".to_owned());
    }
    alive(vitals)?;
    match &vitals.store_unreachable {
        Some(reason) => Err(format!("the store cannot be used: {reason}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::board::Board;

    /// A daemon whose loop turned so many seconds ago.
    fn turned(seconds: impl Into<Option<u64>>) -> Vitals {
        Vitals { silence: seconds.into().map(Duration::from_secs), ..Vitals::default() }
    }

    #[track_caller]
    fn check(vitals: &Vitals, not_alive: Option<&str>, not_ready: Option<&str>) {
        assert_eq!(alive(vitals).err().as_deref(), not_alive);
        assert_eq!(ready(vitals).err().as_deref(), not_ready);
    }

    #[test]
    fn a_daemon_that_turns_is_alive_and_ready() {
        check(&turned(0), None, None);
        check(&turned(120), None, None);
    }

    #[test]
    fn a_loop_that_hangs_is_neither() {
        let reason = Some("the daemon's loop has not turned for 2m");
        check(&turned(121), reason, reason);
    }

    #[test]
    fn before_its_first_turn_it_is_alive_and_not_ready() {
        check(&turned(None), None, Some("not started yet"));
    }

    #[test]
    fn one_that_stops_or_has_no_store_is_alive_and_not_ready() {
        check(&Vitals { is_stopping: true, ..turned(1) }, None, Some("stopping"));
        let store_unreachable = Some("the disk is gone".to_owned());
        let without = Vitals { store_unreachable, ..turned(1) };
        check(&without, None, Some("the store cannot be used: the disk is gone"));
    }

    /// Also one that slept: what it slept is not counted by the clock that nobody sets.
    #[test]
    fn a_daemon_whose_wall_clock_is_set_is_as_well_as_before() {
        let (board, seconds) = (Board::default(), Duration::from_secs);
        let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        board.start(noon);
        for at in [noon, noon + TimeDelta::hours(5), noon - TimeDelta::days(9)] {
            board.turn(at, seconds(1000), []);
            check(&board.vitals(seconds(1060)), None, None);
        }
        assert!(alive(&board.vitals(seconds(1121))).is_err());
    }
}
