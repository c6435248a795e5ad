//! `health`: whether the daemon turns, told by its lock file alone. For the probe of a container, and for
//! other users: needs no secret and no server, opens no database, writes nothing.

use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::output::instant;
use super::{Exit, Output};
use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::config::DaemonPlace;
use crate::store::{DaemonLock, Pulse};

/// The daemon turns at least once a minute.
const BEAT_AGE_MAX: TimeDelta = TimeDelta::minutes(2);
/// Bringing a large store up to date may take this long; the systemd unit waits as long.
const START_MAX: TimeDelta = TimeDelta::hours(1);

#[derive(Debug, Serialize)]
struct Health {
    is_healthy: bool,
    is_starting: bool,
    /// What the daemon wrote about itself.
    daemon: Option<String>,
    beat_at: Option<DateTime<Utc>>,
    /// Why it is not healthy, and what to do.
    error: Option<String>,
}

pub(super) fn run(config: &Path, out: &Output) -> Result<Exit, AppError> {
    let place = app::daemon_place(config)?;
    let health = match DaemonLock::look(&place) {
        Ok(pulse) => {
            let error = fault(&pulse, Clock::System.now(), Clock::System.uptime());
            let Pulse { holder, beat_at, is_starting, .. } = pulse;
            Health {
                is_healthy: error.is_none(),
                is_starting,
                daemon: Some(holder),
                beat_at: Some(beat_at),
                error,
            }
        }
        Err(error) => {
            let error = Some(unseen(&place, &error));
            Health { is_healthy: false, is_starting: false, daemon: None, beat_at: None, error }
        }
    };
    out.result(&health, || to_text(&health))?;
    Ok(if health.is_healthy { Exit::Done } else { Exit::Failed })
}

/// What is wrong with the daemon by what its lock tells, if anything. Its last beat may be seen to be young by
/// either clock: the wall clock may have been set since, or have gone on while the machine slept; the one that
/// nobody sets is another one where the lock is looked at from another machine, and an older daemon does not
/// write it.
fn fault(pulse: &Pulse, now: DateTime<Utc>, uptime: Duration) -> Option<String> {
    let Pulse { is_held, is_starting, holder, beat_at, beat_after } = pulse;
    let (age, at) = (now - *beat_at, instant(*beat_at));
    let unset_age = beat_after.and_then(|beat_after| uptime.checked_sub(beat_after));
    let age = match unset_age.and_then(|age| TimeDelta::from_std(age).ok()) {
        Some(unset_age) if age < -BEAT_AGE_MAX => unset_age,
        Some(unset_age) => age.min(unset_age),
        None => age,
    };
    if !is_held {
        return Some(format!(
            "not running since about {at} ({holder}); its log says why it ended, start it again"
        ));
    }
    if age < -BEAT_AGE_MAX {
        return Some(format!(
            "last beat at {at}, which is still to come: a clock was set back; {holder} beats anew within a \
             minute, or it hangs and must be restarted"
        ));
    }
    if *is_starting {
        return (age > START_MAX).then(|| {
            format!("starting since {at} ({holder}); its log says how far it is, restart it if it hangs")
        });
    }
    (age > BEAT_AGE_MAX).then(|| {
        format!(
            "hung since {at} ({holder}), or the folder of its lock cannot be written; see its log, restart it"
        )
    })
}

/// Why the lock cannot be looked at.
fn unseen(place: &DaemonPlace, error: &io::Error) -> String {
    let lock = DaemonLock::path(place);
    let has_folder = lock.parent().is_some_and(Path::is_dir);
    let (work, folder) = match place {
        DaemonPlace::Store(path) => (format!("on {}", path.display()), "its store's folder"),
        DaemonPlace::SpoolDir(folder) => (format!("in {}", folder.display()), "its daemon.spool_dir"),
    };
    match error.kind() {
        io::ErrorKind::NotFound if has_folder => {
            format!("not running: no daemon ever ran {work}; start it with clearpoint-sync run")
        }
        _ => format!(
            "{} cannot be read: {error}; look as the daemon's user or in its group, where {folder} is",
            lock.display()
        ),
    }
}

fn to_text(health: &Health) -> String {
    match (&health.error, &health.daemon, health.beat_at) {
        (Some(error), _, _) => error.clone(),
        (None, Some(daemon), _) if health.is_starting => format!("healthy: starting, {daemon}"),
        (None, Some(daemon), Some(beat_at)) => format!("healthy: {daemon}, last beat {}", instant(beat_at)),
        (None, ..) => "healthy".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-01T12:00:00Z";
    const UPTIME: u64 = 500_000;

    /// A daemon of before, which wrote no uptime.
    fn pulse(is_held: bool, is_starting: bool, seconds_old: i64) -> Pulse {
        let now: DateTime<Utc> = NOW.parse().unwrap();
        let beat_at = now - TimeDelta::seconds(seconds_old);
        Pulse { is_held, is_starting, holder: "pid 7, run since then".into(), beat_at, beat_after: None }
    }

    /// One whose last beat is so old by the wall clock, and so old by the clock that nobody sets.
    fn beat(seconds_old: i64, unset_seconds_old: i64) -> Pulse {
        let beat_after = UPTIME.checked_add_signed(-unset_seconds_old).map(Duration::from_secs);
        Pulse { beat_after, ..pulse(true, false, seconds_old) }
    }

    #[track_caller]
    fn check(pulse: &Pulse, expected: Option<&str>) {
        let fault = fault(pulse, NOW.parse().unwrap(), Duration::from_secs(UPTIME));
        match expected {
            None => assert_eq!(fault, None),
            Some(start) => assert!(fault.as_ref().is_some_and(|text| text.starts_with(start)), "{fault:?}"),
        }
    }

    #[test]
    fn a_beat_is_good_for_two_minutes_and_a_start_for_an_hour() {
        check(&pulse(true, false, 120), None);
        check(&pulse(true, false, 121), Some("hung since 2026-03-01T11:57:59Z (pid 7"));
        check(&pulse(true, true, 3600), None);
        check(&pulse(true, true, 3601), Some("starting since 2026-03-01T10:59:59Z"));
        check(&pulse(true, false, -120), None);
        check(&pulse(true, false, -121), Some("last beat at 2026-03-01T12:02:01Z, which is still to come"));
        check(&pulse(false, false, 5), Some("not running since about 2026-03-01T11:59:55Z"));
    }

    #[test]
    fn a_clock_that_is_set_or_a_machine_that_slept_makes_no_daemon_hang() {
        check(&beat(3 * 3600, 60), None);
        check(&beat(-3 * 3600, 60), None);
        check(&Pulse { is_starting: true, ..beat(20 * 365 * 86_400, 60) }, None);
    }

    #[test]
    fn a_daemon_that_hangs_does_so_by_both_clocks() {
        check(&beat(121, 121), Some("hung since 2026-03-01T11:57:59Z (pid 7"));
        check(&beat(3 * 3600, 121), Some("hung since"));
        check(&beat(-3 * 3600, 121), Some("hung since"));
        check(&Pulse { is_starting: true, ..beat(3601, 3601) }, Some("starting since"));
    }

    /// The lock lies on a disk that several machines share.
    #[test]
    fn another_machines_uptime_takes_no_life_and_gives_none_for_long() {
        check(&beat(60, 90_000), None);
        check(&beat(60, -90_000), None);
        check(&beat(121, -90_000), Some("hung since"));
    }
}
