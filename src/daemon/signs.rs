//! Signs of life, given by the loop's own turn and by nothing else, so that a loop that hangs gives none:
//! the watchdog is patted, the daemon's lock file touched, the board brought up to date.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{LOOK_EVERY, Turns};
use crate::board::Board;
use crate::store::DaemonLock;
use crate::systemd::Systemd;

/// The lock is touched no more often.
const BEAT_EVERY_MIN: TimeDelta = TimeDelta::seconds(10);

/// Who is told that the loop turns.
#[derive(Debug)]
pub struct Signs {
    systemd: Systemd,
    lock: Option<DaemonLock>,
    board: Arc<Board>,
    beat_at: Option<DateTime<Utc>>,
}

impl Signs {
    /// Signs to the service manager, on the board, and on the daemon's lock if it has one.
    #[must_use]
    pub fn new(systemd: Systemd, lock: Option<DaemonLock>, board: Arc<Board>) -> Self {
        Self { systemd, lock, board, beat_at: None }
    }

    /// The loop is about to turn for the first time.
    pub(super) fn ready(&mut self) {
        if let Some(lock) = &mut self.lock {
            lock.serving();
        }
        self.systemd.ready();
    }

    /// The longest that the loop may wait between two turns, so that whoever watches it hears of each.
    pub(super) fn wait_max(&self) -> Duration {
        self.systemd.pat_every().unwrap_or(LOOK_EVERY).min(LOOK_EVERY)
    }

    /// The drain goes on.
    pub(super) fn drains(&self) {
        self.systemd.pat_watchdog();
    }

    /// The loop turned, at `now` and after `uptime` by the clock that nobody sets.
    pub(super) fn turned(&mut self, status: &str, turns: &Turns, now: DateTime<Utc>, uptime: Duration) {
        self.board.turn(now, uptime, turns.shown());
        self.systemd.pat_watchdog();
        self.systemd.status(status);
        if self.beat_at.is_none_or(|at| now < at || now - at >= BEAT_EVERY_MIN) {
            self.beat_at = Some(now);
            self.lock.as_ref().inspect(|lock| lock.beat());
        }
    }

    /// The drain has begun.
    pub(super) fn stopping(&self) {
        self.board.stop();
        self.systemd.stopping();
        self.systemd.status("stopping: runs under way go on to a safe point");
    }
}
