//! What the schedules of a connection cost in requests, as far as earlier pulls tell. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::kind::Kind;
use crate::memory::KindMemory;
use crate::run::Mode;
use crate::schedule::Schedule;
use crate::trust;

/// Due times that are counted in a day, at most.
const FIRES_MAX: u64 = 86_400;

/// What one run of `mode` asks for, in requests for lists, and which kinds it leaves to full runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Requests for lists; single reads come on top.
    pub(super) requests: u64,
    /// Kinds that only full runs pull.
    pub(super) left_out: Vec<String>,
    /// Whether some kind was never pulled, so that the truth is higher.
    pub(super) is_lower_bound: bool,
}

/// What one run costs.
#[must_use]
pub(super) fn of_run<'a>(
    kinds: impl IntoIterator<Item = (&'a Kind, &'a KindMemory)>,
    mode: Mode,
    now: DateTime<Utc>,
) -> Cost {
    let mut cost = Cost::default();
    for (kind, memory) in kinds {
        cost.is_lower_bound |= !memory.ever_complete && memory.unavailable.is_none();
        match trust::choose(kind, memory, mode, now) {
            Some(Mode::Incremental) => cost.requests += 1,
            Some(Mode::Full) => cost.requests += u64::from(memory.full_requests.max(1)),
            None if memory.unavailable.is_none() => cost.left_out.push(kind.name.to_string()),
            None => {}
        }
    }
    cost
}

/// How often a schedule is due in the day after `now`, and the shortest time between two due times.
#[must_use]
pub(super) fn due_in_a_day(schedule: &Schedule, now: DateTime<Utc>) -> (u64, TimeDelta) {
    let (mut count, mut shortest) = (0, TimeDelta::days(1));
    let mut last = schedule.next_after(now);
    while last <= now + TimeDelta::days(1) && count < FIRES_MAX {
        count += 1;
        let next = schedule.next_after(last);
        shortest = shortest.min(next - last);
        last = next;
    }
    (count, shortest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;

    fn now() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_quarter_hourly_schedule_is_due_96_times_a_day() {
        let schedule = Schedule::parse("*/15 * * * *", chrono_tz::UTC).unwrap();
        assert_eq!(due_in_a_day(&schedule, now()), (96, TimeDelta::minutes(15)));
    }

    #[test]
    fn a_large_kind_without_a_filter_is_left_to_full_runs() {
        let kinds = kind::catalogue();
        let files = kinds.iter().find(|kind| kind.name.as_str() == "files").unwrap();
        let memory = KindMemory { ever_complete: true, full_requests: 64, ..KindMemory::default() };
        let cost = of_run([(files, &memory)], Mode::Incremental, now());
        assert_eq!(cost, Cost { left_out: vec!["files".into()], ..Cost::default() });
        assert_eq!(of_run([(files, &memory)], Mode::Full, now()).requests, 64);
    }
}
