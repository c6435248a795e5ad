//! What the program shows of itself: how everything stood when it was last looked at, and whose turn it
//! is. Written by whoever knows, read by whoever tells; a reader never waits for the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

use crate::name::ConnectionName;
use crate::run::Mode;
use crate::status::{
    ChangeGroup, ConnectionStatus, DaemonStatus, ProgramStatus, Running, Status, StoreStatus, WarningStatus,
};

/// What the program shows of itself.
#[derive(Debug, Default)]
pub struct Board {
    shown: Mutex<Shown>,
    /// Whether somebody looks at all of it for the first time just now.
    is_coming: watch::Sender<bool>,
    /// Whoever could not use the store lets the one know who watches it.
    doubts: Notify,
}

#[derive(Debug, Default)]
struct Shown {
    /// Grows with each change.
    revision: u64,
    daemon: Option<DaemonStatus>,
    /// When its loop last turned, by the clock that nobody sets.
    turned_at: Option<Duration>,
    store: StoreStatus,
    connections: BTreeMap<ConnectionName, Place>,
    /// No longer configured.
    left_behind: Vec<Arc<ConnectionStatus>>,
    passed: Vec<WarningStatus>,
    changes: Vec<ChangeGroup>,
}

/// What tells whether the daemon is well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// For how long its loop has not turned; `None`: it has not begun to.
    pub silence: Option<Duration>,
    /// Whether it was asked to stop.
    pub is_stopping: bool,
    /// Why the store cannot be used now, for people.
    pub store_unreachable: Option<String>,
}

impl Shown {
    fn itself(&self, now: DateTime<Utc>) -> Status {
        Status {
            at: now,
            program: ProgramStatus::THIS,
            daemon: self.daemon.clone(),
            store: self.store.clone(),
            connections: Vec::new(),
            warnings: Vec::new(),
            passed: Vec::new(),
            changes: Vec::new(),
        }
    }
}

/// One connection's place on the board.
#[derive(Debug, Default)]
struct Place {
    /// As last looked at, and with its turn as it is now.
    survey: Option<(Arc<ConnectionStatus>, Vec<WarningStatus>)>,
    turn: Option<TurnShown>,
}

impl Place {
    /// Brings the turn that is shown up to date. What a reader has in hand stays as it was.
    fn show_turn(&mut self) {
        let (Some((status, _)), Some(turn)) = (&mut self.survey, self.turn) else { return };
        // What is planned while a run is under way is that very run.
        let (running, next_run) = (turn.running, Some(turn.next_run).filter(|_| turn.running.is_none()));
        let is_full = running.is_some_and(|running| running.mode == Mode::Full);
        let next_full_run = match status.asks_for_full {
            true => next_run,
            false => Some(turn.next_full_run).filter(|_| !is_full),
        };
        if (status.running, status.next_run, status.next_full_run) != (running, next_run, next_full_run) {
            let status = Arc::make_mut(status);
            (status.running, status.next_run, status.next_full_run) = (running, next_run, next_full_run);
        }
    }
}

/// Whose turn it is, as the daemon's loop knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnShown {
    /// The run under way.
    pub running: Option<Running>,
    /// When the next one starts.
    pub next_run: DateTime<Utc>,
    /// When the next full one is due; the same, where that is one.
    pub next_full_run: DateTime<Utc>,
}

/// Somebody looks at all of a board for the first time, until this is dropped.
#[derive(Debug)]
#[must_use = "the look is over when this is dropped"]
pub struct FirstLook(Arc<Board>);

impl Drop for FirstLook {
    fn drop(&mut self) {
        self.0.is_coming.send_replace(false);
    }
}

impl Board {
    /// The daemon has started.
    pub fn start(&self, now: DateTime<Utc>) {
        self.change().daemon =
            Some(DaemonStatus { started_at: now, turned_at: None, hang: None, is_stopping: false });
    }

    /// Somebody is about to look at all of it for the first time; over when dropped.
    pub fn look_first(self: &Arc<Self>) -> FirstLook {
        self.is_coming.send_replace(true);
        FirstLook(Arc::clone(self))
    }

    /// Waits while nobody could tell how things stand, for they are looked at for the first time.
    pub async fn has_come(&self) {
        // The sender lives as long as the board.
        let _ = self.is_coming.subscribe().wait_for(|is_coming| !is_coming).await;
    }

    /// The daemon's loop turned, at `now` and after `uptime` by the clock that nobody sets; `turns` are those of
    /// all its connections.
    pub fn turn<'a>(
        &self,
        now: DateTime<Utc>,
        uptime: Duration,
        turns: impl IntoIterator<Item = (&'a ConnectionName, TurnShown)>,
    ) {
        let mut shown = self.change();
        shown.turned_at = Some(uptime);
        if let Some(daemon) = &mut shown.daemon {
            daemon.turned_at = Some(now);
        }
        for (name, turn) in turns {
            if let Some(place) = shown.connections.get_mut(name) {
                place.turn = Some(turn);
                place.show_turn();
            }
        }
    }

    /// The daemon was asked to stop.
    pub fn stop(&self) {
        if let Some(daemon) = &mut self.change().daemon {
            daemon.is_stopping = true;
        }
    }

    /// What the store takes on the disk. Nothing is no news: it cannot be looked at, and was not that small.
    pub fn show_bytes(&self, bytes: u64) {
        if bytes > 0 {
            self.change().store.bytes = bytes;
        }
    }

    /// The store could not be used: whoever watches it looks now.
    pub fn doubt_store(&self) {
        self.doubts.notify_one();
    }

    /// Waits until the store could not be used, also where that was before.
    pub async fn store_doubted(&self) {
        self.doubts.notified().await;
    }

    /// Why the store cannot be used at `now`; `None`: it can.
    pub fn show_unreachable(&self, unreachable: Option<String>, now: DateTime<Utc>) {
        let mut shown = self.change();
        let store = &mut shown.store;
        store.unreachable_since = unreachable.as_ref().map(|_| store.unreachable_since.unwrap_or(now));
        store.unreachable = unreachable;
    }

    /// Has places for these connections alone. One that is new shows once somebody has looked at it.
    pub fn seat<'a>(&self, names: impl IntoIterator<Item = &'a ConnectionName>) {
        let connections = &mut self.change().connections;
        let mut before = std::mem::take(connections);
        let seated = names.into_iter().map(|name| (name.clone(), before.remove(name).unwrap_or_default()));
        connections.extend(seated);
    }

    /// How a connection stands, and what is open for it. Nothing, where it was taken out meanwhile.
    pub fn show(&self, name: &ConnectionName, status: ConnectionStatus, warnings: Vec<WarningStatus>) {
        if let Some(place) = self.change().connections.get_mut(name) {
            place.survey = Some((Arc::new(status), warnings));
            place.show_turn();
        }
    }

    /// The latest changes, the newest first.
    pub fn show_changes(&self, changes: Vec<ChangeGroup>) {
        self.change().changes = changes;
    }

    /// The warnings that passed lately, the newest first.
    pub fn show_passed(&self, passed: Vec<WarningStatus>) {
        self.change().passed = passed;
    }

    /// Those that are no longer configured, which the store still knows.
    pub fn show_left_behind(&self, left_behind: Vec<ConnectionStatus>) {
        self.change().left_behind = left_behind.into_iter().map(Arc::new).collect();
    }

    /// All of it, as it stands at `now`.
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> Status {
        let shown = self.shown();
        let surveyed = || shown.connections.values().filter_map(|place| place.survey.as_ref());
        let connections = surveyed().map(|(status, _)| status).chain(&shown.left_behind).cloned().collect();
        let mut warnings: Vec<_> = surveyed().flat_map(|(_, open)| open).cloned().collect();
        WarningStatus::sort(&mut warnings);
        let (changes, passed) = (shown.changes.clone(), shown.passed.clone());
        Status { connections, warnings, passed, changes, ..shown.itself(now) }
    }

    /// How the daemon itself is after `uptime`, by the clock that nobody sets: whoever supervises it must not
    /// take a clock that was set for a loop that hangs.
    #[must_use]
    pub fn vitals(&self, uptime: Duration) -> Vitals {
        let shown = self.shown();
        Vitals {
            silence: shown.turned_at.map(|turned_at| uptime.saturating_sub(turned_at)),
            is_stopping: shown.daemon.as_ref().is_some_and(|daemon| daemon.is_stopping),
            store_unreachable: shown.store.unreachable.clone(),
        }
    }

    /// Grows with each change of what is shown.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shown().revision
    }

    fn change(&self) -> MutexGuard<'_, Shown> {
        let mut shown = self.shown();
        shown.revision += 1;
        shown
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ConnectionName {
        ConnectionName::parse(name).unwrap()
    }

    fn status(name: &ConnectionName) -> ConnectionStatus {
        ConnectionStatus { is_configured: true, ..ConnectionStatus::unknown(name) }
    }

    fn shown(board: &Board) -> Vec<String> {
        let all = board.status(DateTime::UNIX_EPOCH).connections;
        all.into_iter().map(|status| status.connection.clone()).collect()
    }

    #[test]
    fn a_look_that_ends_after_a_reload_brings_nobody_back() {
        let (board, city, port) = (Board::default(), name("city"), name("port"));
        board.seat([&city, &port]);
        board.show(&city, status(&city), Vec::new());
        board.show(&port, status(&port), Vec::new());
        board.seat([&city]);
        board.show(&port, status(&port), Vec::new());
        assert_eq!(shown(&board), ["city"]);
    }

    #[test]
    fn a_store_that_is_away_keeps_its_size() {
        let board = Board::default();
        board.show_bytes(4096);
        board.show_bytes(0);
        assert_eq!(board.status(DateTime::UNIX_EPOCH).store.bytes, 4096);
    }

    /// Hundreds of connections are not copied for each who asks.
    #[test]
    fn who_asks_shares_what_stands_on_the_board() {
        let (board, city) = (Board::default(), name("city"));
        board.seat([&city]);
        board.show(&city, status(&city), Vec::new());
        let asked = || board.status(DateTime::UNIX_EPOCH).connections.swap_remove(0);
        let before = asked();
        let turn = |next_run| {
            board.turn(
                DateTime::UNIX_EPOCH,
                Duration::ZERO,
                [(&city, TurnShown { running: None, next_run, next_full_run: next_run })],
            );
        };
        assert!(Arc::ptr_eq(&before, &asked()));
        turn(DateTime::UNIX_EPOCH);
        let now = asked();
        assert_eq!((before.next_run, now.next_run), (None, Some(DateTime::UNIX_EPOCH)));
        turn(DateTime::UNIX_EPOCH);
        assert!(Arc::ptr_eq(&now, &asked()), "a turn that is as it was changes nothing");
    }

    #[test]
    fn what_comes_after_a_run_under_way_is_told_when_it_has_ended() {
        let (board, city) = (Board::default(), name("city"));
        board.seat([&city]);
        board.show(&city, status(&city), Vec::new());
        let next_run = DateTime::UNIX_EPOCH;
        let next_full_run = next_run + chrono::TimeDelta::hours(1);
        let next = |running: Option<Mode>| {
            let running = running.map(|mode| Running { mode, since: next_run });
            board.turn(next_run, Duration::ZERO, [(&city, TurnShown { running, next_run, next_full_run })]);
            let shown = board.status(next_run).connections.swap_remove(0);
            (shown.next_run, shown.next_full_run)
        };
        assert_eq!(next(Some(Mode::Full)), (None, None));
        assert_eq!(next(Some(Mode::Incremental)), (None, Some(next_full_run)));
        assert_eq!(next(None), (Some(next_run), Some(next_full_run)));
        let asking = ConnectionStatus { asks_for_full: true, ..status(&city) };
        board.show(&city, asking, Vec::new());
        assert_eq!(next(Some(Mode::Incremental)), (None, None));
        assert_eq!(next(None), (Some(next_run), Some(next_run)));
    }

    #[test]
    fn a_store_that_cannot_be_used_tells_since_when() {
        let (board, start) = (Board::default(), DateTime::UNIX_EPOCH);
        let since = |minutes, reason: Option<&str>| {
            board.show_unreachable(reason.map(str::to_owned), start + chrono::TimeDelta::minutes(minutes));
            board.status(start).store.unreachable_since
        };
        assert_eq!(since(0, None), None);
        assert_eq!(
            [1, 2].map(|minutes| since(minutes, Some("it is gone"))),
            [1, 1].map(|minutes| Some(start + chrono::TimeDelta::minutes(minutes)))
        );
        assert_eq!(since(3, None), None);
    }

    #[test]
    fn the_turn_of_one_that_is_new_shows_with_its_first_look() {
        let (board, city) = (Board::default(), name("city"));
        board.seat([&city]);
        let start = DateTime::UNIX_EPOCH;
        let turn = TurnShown { running: None, next_run: start, next_full_run: start };
        board.turn(DateTime::UNIX_EPOCH, Duration::ZERO, [(&city, turn)]);
        assert!(shown(&board).is_empty());
        board.show(&city, status(&city), Vec::new());
        let all = board.status(DateTime::UNIX_EPOCH).connections;
        assert_eq!(all[0].next_run, Some(DateTime::UNIX_EPOCH));
    }
}
