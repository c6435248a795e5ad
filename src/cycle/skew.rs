//! How far the server's clock and ours are apart, by the `Date` header of the door.

use chrono::{DateTime, TimeDelta, Utc};

use super::Notices;
use super::notices::id;
use crate::name::ConnectionName;
use crate::warning::{Event, Severity, Warning};

/// More than this apart is worth a warning, and day counts go by the server's clock.
pub const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// How far the server's clock is ahead of ours. It told `server` somewhen between `asked_at` and
/// `answered_at` of our clock: only what lies outside of that is a difference.
pub(super) fn between(
    asked_at: DateTime<Utc>,
    server: DateTime<Utc>,
    answered_at: DateTime<Utc>,
) -> TimeDelta {
    if server < asked_at { server - asked_at } else { (server - answered_at).max(TimeDelta::zero()) }
}

impl Notices {
    /// The door told the server's time.
    pub(super) fn clock(&mut self, connection: &ConnectionName, ahead: TimeDelta) {
        let id = id(Event::ClockSkew, connection, "");
        self.examined.push(id.clone());
        if ahead.abs() <= SKEW_MAX {
            return;
        }
        let (our_clock, is_off) = match ahead > TimeDelta::zero() {
            true => ("behind", "behind"),
            false => ("ahead", "ahead of"),
        };
        let seconds = ahead.num_seconds().abs();
        self.hold.push(Warning {
            id,
            severity: Severity::Warn,
            level: 1,
            message: format!("clock of this machine is {is_off} the server's"),
            action: "set this machine's clock by NTP (chronyc tracking, timedatectl); if it is right, the \
                     server's is wrong. Until then days are counted by the server's clock"
                .into(),
            fields: vec![("seconds".into(), seconds.to_string()), ("our_clock".into(), our_clock.into())],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(server: &str, expected: i64) {
        let at = |text: &str| format!("2026-03-01T{text}Z").parse().unwrap();
        let ahead = between(at("12:00:00"), at(server), at("12:10:00"));
        assert_eq!(ahead.num_seconds(), expected);
    }

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        check("12:00:00", 0);
        check("12:09:59", 0);
        check("12:10:30", 30);
        check("11:50:00", -600);
    }
}
