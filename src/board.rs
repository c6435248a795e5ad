//! What the program shows of itself: how everything stood when it was last looked at, and whose turn it
//! is. Written by whoever knows, read by whoever tells; a reader never waits for the store.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::name::ConnectionName;
use crate::status::{
    ChangeStatus, ConnectionStatus, DaemonStatus, Running, Status, StoreStatus, WarningStatus,
};

/// What the program shows of itself.
#[derive(Debug, Default)]
pub struct Board(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    daemon: Option<DaemonStatus>,
    store: StoreStatus,
    connections: BTreeMap<ConnectionName, Place>,
    /// No longer configured.
    left_behind: Vec<ConnectionStatus>,
    changes: Vec<ChangeStatus>,
}

/// One connection's place on the board.
#[derive(Debug, Default)]
struct Place {
    /// As last looked at.
    survey: Option<(ConnectionStatus, Vec<WarningStatus>)>,
    turn: Option<TurnShown>,
}

/// Whose turn it is, as the daemon's loop knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnShown {
    /// The run under way.
    pub running: Option<Running>,
    /// When the next one starts.
    pub next_run: DateTime<Utc>,
}

impl Board {
    /// The daemon has started.
    pub fn start(&self, now: DateTime<Utc>) {
        self.shown().daemon = Some(DaemonStatus { started_at: now, turned_at: None, is_stopping: false });
    }

    /// The daemon's loop turned; `turns` are those of all its connections.
    pub fn turn<'a>(
        &self,
        now: DateTime<Utc>,
        turns: impl IntoIterator<Item = (&'a ConnectionName, TurnShown)>,
    ) {
        let mut shown = self.shown();
        if let Some(daemon) = &mut shown.daemon {
            daemon.turned_at = Some(now);
        }
        for (name, turn) in turns {
            if let Some(place) = shown.connections.get_mut(name) {
                place.turn = Some(turn);
            }
        }
    }

    /// The daemon was asked to stop.
    pub fn stop(&self) {
        if let Some(daemon) = &mut self.shown().daemon {
            daemon.is_stopping = true;
        }
    }

    /// What the store takes on the disk.
    pub fn show_bytes(&self, bytes: u64) {
        self.shown().store.bytes = bytes;
    }

    /// Why the store cannot be used now; `None`: it can.
    pub fn show_unreachable(&self, unreachable: Option<String>) {
        self.shown().store.unreachable = unreachable;
    }

    /// Has places for these connections alone. One that is new shows once somebody has looked at it.
    pub fn seat<'a>(&self, names: impl IntoIterator<Item = &'a ConnectionName>) {
        let connections = &mut self.shown().connections;
        let mut before = std::mem::take(connections);
        let seated = names.into_iter().map(|name| (name.clone(), before.remove(name).unwrap_or_default()));
        connections.extend(seated);
    }

    /// How a connection stands, and what is open for it. Nothing, where it was taken out meanwhile.
    pub fn show(&self, name: &ConnectionName, status: ConnectionStatus, warnings: Vec<WarningStatus>) {
        if let Some(place) = self.shown().connections.get_mut(name) {
            place.survey = Some((status, warnings));
        }
    }

    /// The latest changes, the newest first.
    pub fn show_changes(&self, changes: Vec<ChangeStatus>) {
        self.shown().changes = changes;
    }

    /// Those that are no longer configured, which the store still knows.
    pub fn show_left_behind(&self, left_behind: Vec<ConnectionStatus>) {
        self.shown().left_behind = left_behind;
    }

    /// All of it, as it stands at `now`.
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> Status {
        let shown = self.shown();
        let Shown { daemon, store, connections, left_behind, changes } = &*shown;
        let surveyed = connections.values().filter_map(|place| Some((place.survey.as_ref()?, place.turn)));
        let (mut all, mut warnings) = (Vec::new(), Vec::new());
        for ((status, open), turn) in surveyed {
            let mut status = status.clone();
            if let Some(TurnShown { running, next_run }) = turn {
                status.running = running;
                status.next_run = Some(next_run);
            }
            all.push(status);
            warnings.extend(open.iter().cloned());
        }
        all.extend(left_behind.iter().cloned());
        WarningStatus::sort(&mut warnings);
        Status {
            at: now,
            daemon: daemon.clone(),
            store: store.clone(),
            connections: all,
            warnings,
            changes: changes.clone(),
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ConnectionName {
        ConnectionName::parse(name).unwrap()
    }

    fn status(name: &ConnectionName) -> ConnectionStatus {
        ConnectionStatus {
            connection: name.to_string(),
            is_configured: true,
            running: None,
            last_run: None,
            last_success: None,
            last_full_success: None,
            next_run: None,
            next_full_run: None,
            mapped_user: None,
            scorecards_visible: None,
            keys: Vec::new(),
            kinds: Vec::new(),
        }
    }

    fn shown(board: &Board) -> Vec<String> {
        let all = board.status(DateTime::UNIX_EPOCH).connections;
        all.into_iter().map(|status| status.connection).collect()
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
    fn the_turn_of_one_that_is_new_shows_with_its_first_look() {
        let (board, city) = (Board::default(), name("city"));
        board.seat([&city]);
        let turn = TurnShown { running: None, next_run: DateTime::UNIX_EPOCH };
        board.turn(DateTime::UNIX_EPOCH, [(&city, turn)]);
        assert!(shown(&board).is_empty());
        board.show(&city, status(&city), Vec::new());
        let all = board.status(DateTime::UNIX_EPOCH).connections;
        assert_eq!(all[0].next_run, Some(DateTime::UNIX_EPOCH));
    }
}
