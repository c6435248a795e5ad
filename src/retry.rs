//! What is worth asking again, and after how long. Pure: the random number and `now` are arguments.
//!
//! `backoff` does the interval's arithmetic and nothing else (it is unmaintained); the jitter is ours.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use chrono::{DateTime, TimeDelta, Utc};

/// How often one request is sent, at most.
pub const TRIES_PER_REQUEST: u32 = 5;
/// How often the requests of one pull are sent again, all together, at most.
pub const TRIES_PER_PULL: u32 = 20;
/// The longest a run waits because the server asks it to; beyond it the kind is deferred.
pub const WAIT_MAX: Duration = Duration::from_secs(5 * 60);

const INTERVAL_FIRST: Duration = Duration::from_millis(500);
const INTERVAL_MAX: Duration = Duration::from_secs(30);

/// A warning's target that cannot be reached is tried again after this long, then after twice as long
/// each time.
const TARGET_WAIT_FIRST: Duration = Duration::from_secs(30);
/// The longest a warning's target is left alone; as long as a message waits that it refused.
pub const TARGET_WAIT_MAX: Duration = Duration::from_hours(1);
/// A message that a target has not taken for so long is given up.
pub const TARGET_PATIENCE: TimeDelta = TimeDelta::days(7);

/// A run that failed is made again after so long: after the first failure in a row, the second, and so on; the
/// last for every further one.
const RUN_WAITS: [TimeDelta; 4] =
    [TimeDelta::minutes(1), TimeDelta::minutes(5), TimeDelta::minutes(15), TimeDelta::hours(1)];

/// When a run that stored nothing is tried again, if not when it is due anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextTry {
    /// What stood in its way may be gone any moment: soon, and less often the longer it lasts.
    Soon,
    /// An hour later: another try that meets the same would have graver consequences.
    Hourly,
    /// Then: the server asked for it.
    NotBefore(DateTime<Utc>),
    /// When it is due: to ask sooner would change nothing.
    WhenDue,
}

impl NextTry {
    /// The instant of the next try after a run that ended at `ended_at`, the `failures`th in a row (from 1) that
    /// failed; `None`: when it is due.
    #[must_use]
    pub fn at(self, ended_at: DateTime<Utc>, failures: usize) -> Option<DateTime<Utc>> {
        let after = |count: usize| ended_at + RUN_WAITS[count.clamp(1, RUN_WAITS.len()) - 1];
        match self {
            Self::Soon => Some(after(failures)),
            Self::Hourly => Some(after(RUN_WAITS.len())),
            Self::NotBefore(until) => Some(until.max(after(1))),
            Self::WhenDue => None,
        }
    }
}

/// How long to wait after try number `attempt` (from 1) failed: anywhere from nothing to the whole
/// interval (full jitter), so that clients who failed together do not come back together.
/// `random` is in `0..1`.
#[must_use]
pub fn wait(attempt: u32, random: f64) -> Duration {
    interval(attempt, INTERVAL_FIRST, INTERVAL_MAX).mul_f64(random.clamp(0.0, 1.0))
}

/// How long a warning's target is left alone after it could not be reached for the `attempt`th time
/// (from 1).
#[must_use]
pub fn target_wait(attempt: u32) -> Duration {
    interval(attempt, TARGET_WAIT_FIRST, TARGET_WAIT_MAX)
}

fn interval(attempt: u32, first: Duration, max: Duration) -> Duration {
    let mut backoff = ExponentialBackoff {
        current_interval: first,
        initial_interval: first,
        max_interval: max,
        multiplier: 2.0,
        randomization_factor: 0.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    for _ in 1..attempt.min(TRIES_PER_PULL) {
        backoff.next_backoff();
    }
    backoff.current_interval
}

/// Whether a status may be another one the next time.
#[must_use]
pub fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// Until when a `Retry-After` (seconds, or an HTTP date) asks to wait, never shortened. `now` is the
/// local clock; `server_now` the server's by its `Date`, against which its date is meant.
#[must_use]
pub fn retry_after(
    text: &str,
    now: DateTime<Utc>,
    server_now: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let delta = text.parse().ok().and_then(TimeDelta::try_seconds);
        let until = delta.and_then(|delta| now.checked_add_signed(delta));
        return Some(until.unwrap_or(DateTime::<Utc>::MAX_UTC));
    }
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    let delta = date - server_now.unwrap_or(now);
    now.checked_add_signed(delta.max(TimeDelta::zero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_interval_doubles_up_to_its_ceiling() {
        let waits: Vec<_> = (1..=9).map(|n| wait(n, 1.0).as_millis()).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(waits, expected);
    }

    #[test]
    fn a_target_is_tried_again_after_half_a_minute_and_at_most_an_hour() {
        let waits: Vec<_> = (1..=9).map(|n| target_wait(n).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(target_wait(u32::MAX), TARGET_WAIT_MAX);
    }

    #[track_caller]
    fn check_next_try(next_try: NextTry, minutes: [i64; 6]) {
        let after = |failures| next_try.at(noon(), failures).map(|at| (at - noon()).num_minutes());
        assert_eq!([1, 2, 3, 4, 5, usize::MAX].map(after), minutes.map(Some));
    }

    #[test]
    fn a_run_that_failed_is_made_again_soon_at_first_and_hourly_in_the_end() {
        check_next_try(NextTry::Soon, [1, 5, 15, 60, 60, 60]);
        check_next_try(NextTry::Hourly, [60; 6]);
        assert_eq!(NextTry::WhenDue.at(noon(), 1), None);
    }

    #[test]
    fn what_a_server_asks_for_is_kept_to_and_never_sooner_than_a_minute() {
        check_next_try(NextTry::NotBefore(noon() + TimeDelta::minutes(7)), [7; 6]);
        check_next_try(NextTry::NotBefore(noon()), [1; 6]);
    }

    #[test]
    fn jitter_spreads_over_the_whole_interval() {
        assert_eq!(wait(4, 0.0), Duration::ZERO);
        assert_eq!(wait(4, 0.25), Duration::from_secs(1));
    }

    #[track_caller]
    fn check(text: &str, seconds: Option<i64>) {
        let until = retry_after(text, noon(), None);
        assert_eq!(until.map(|until| (until - noon()).num_seconds()), seconds);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        check("120", Some(120));
        check("Sun, 01 Mar 2026 12:10:00 GMT", Some(600));
        check("Sun, 01 Mar 2026 11:00:00 GMT", Some(0));
        check("soon", None);
        check("", None);
        check("-5", None);
    }

    #[test]
    fn a_date_is_meant_by_the_servers_clock() {
        let server_now = Some(noon() + TimeDelta::minutes(9));
        let until = retry_after("Sun, 01 Mar 2026 12:10:00 GMT", noon(), server_now);
        assert_eq!(until, Some(noon() + TimeDelta::minutes(1)));
    }

    #[test]
    fn a_wait_beyond_the_calendar_is_not_shortened() {
        let until = retry_after("99999999999999999999", noon(), None);
        assert_eq!(until, Some(DateTime::<Utc>::MAX_UTC));
    }
}
