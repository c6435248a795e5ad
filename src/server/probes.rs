//! Whether the daemon is alive, and whether it is ready: the answers for whoever supervises it. Pure: made
//! of a status alone.

use chrono::{DateTime, TimeDelta, Utc};

use crate::status::{DaemonStatus, Status};
use crate::warning::span;

/// The daemon's loop turns at least once a minute; one that has not for so long hangs.
const SILENCE_MAX: TimeDelta = TimeDelta::minutes(2);

/// Whether the process is of use. One that has not begun to turn yet is: to start again would not help it.
///
/// # Errors
/// Why it is not, for people.
pub(super) fn alive(status: &Status) -> Result<(), String> {
    match status.daemon.as_ref().and_then(|daemon| silence(daemon, status.at)) {
        Some(silence) => Err(format!("the daemon's loop has not turned for {}", span(silence))),
        None => Ok(()),
    }
}

/// Whether runs are made.
///
/// # Errors
/// Why they are not, for people.
pub(super) fn ready(status: &Status) -> Result<(), String> {
    let Some(daemon) = status.daemon.as_ref().filter(|daemon| daemon.turned_at.is_some()) else {
        return Err("not started yet".to_owned());
    };
    if daemon.is_stopping {
        return Err("stopping".to_owned());
    }
    alive(status)?;
    match &status.store.unreachable {
        Some(reason) => Err(format!("the store cannot be used: {reason}")),
        None => Ok(()),
    }
}

/// For how long the loop has not turned, if that is too long. A turn in the future is a clock that was set
/// back.
fn silence(daemon: &DaemonStatus, now: DateTime<Utc>) -> Option<TimeDelta> {
    let silence = now - daemon.turned_at?;
    (silence > SILENCE_MAX).then_some(silence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::StoreStatus;

    /// A daemon that started an hour ago, whose loop turned so many seconds ago.
    fn turned(seconds: impl Into<Option<i64>>) -> Status {
        let at: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let daemon = DaemonStatus {
            started_at: at - TimeDelta::hours(1),
            turned_at: seconds.into().map(|seconds| at - TimeDelta::seconds(seconds)),
            is_stopping: false,
        };
        let (connections, warnings, changes) = (Vec::new(), Vec::new(), Vec::new());
        let store = StoreStatus::default();
        Status { at, daemon: Some(daemon), store, connections, warnings, changes }
    }

    #[track_caller]
    fn check(status: &Status, not_alive: Option<&str>, not_ready: Option<&str>) {
        assert_eq!(alive(status).err().as_deref(), not_alive);
        assert_eq!(ready(status).err().as_deref(), not_ready);
    }

    #[test]
    fn a_daemon_that_turns_is_alive_and_ready() {
        check(&turned(60), None, None);
        check(&turned(120), None, None);
        check(&turned(-3600), None, None);
    }

    #[test]
    fn a_loop_that_hangs_is_neither() {
        let reason = Some("the daemon's loop has not turned for 2m");
        check(&turned(121), reason, reason);
    }

    #[test]
    fn before_its_first_turn_it_is_alive_and_not_ready() {
        check(&turned(None), None, Some("not started yet"));
        check(&Status { daemon: None, ..turned(1) }, None, Some("not started yet"));
    }

    #[test]
    fn one_that_stops_or_has_no_store_is_alive_and_not_ready() {
        let mut stopping = turned(1);
        stopping.daemon.as_mut().unwrap().is_stopping = true;
        check(&stopping, None, Some("stopping"));
        let mut without = turned(1);
        without.store.unreachable = Some("the disk is gone".to_owned());
        check(&without, None, Some("the store cannot be used: the disk is gone"));
    }
}
