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

    /// The daemon's loop turned; `turns` are those of all its connections. One that was never shown has no
    /// place yet.
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

    /// How a connection stands, and what is open for it.
    pub fn show(&self, name: &ConnectionName, status: ConnectionStatus, warnings: Vec<WarningStatus>) {
        self.shown().connections.entry(name.clone()).or_default().survey = Some((status, warnings));
    }

    /// The latest changes, the newest first.
    pub fn show_changes(&self, changes: Vec<ChangeStatus>) {
        self.shown().changes = changes;
    }

    /// Keeps the places of these connections alone, and says which others the store still knows.
    pub fn keep(&self, names: &[&ConnectionName], left_behind: Vec<ConnectionStatus>) {
        let mut shown = self.shown();
        shown.connections.retain(|name, _| names.contains(&name));
        shown.left_behind = left_behind;
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
