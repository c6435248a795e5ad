//! Puts how everything stands on the board, for whoever tells it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use tokio::sync::watch;

use super::{AppError, Engine};
use crate::config::Connection;
use crate::name::ConnectionName;
use crate::status::WarningStatus;
use crate::store::{Mark, Marks};
use crate::survey;

/// So many of the latest changes are shown.
const CHANGES_SHOWN: usize = 25;
/// What was told once is shown for so long,
const PASSED_SHOWN: TimeDelta = TimeDelta::days(7);
/// and so many of it.
const PASSED_MAX: u32 = 20;
/// What other processes did is looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What was seen of the store when it was last shown.
#[derive(Debug, Default)]
pub(super) struct Looked {
    forgets: i64,
    /// Of each connection that is shown, and on which day there; `None`: the store did not know it.
    of: HashMap<ConnectionName, (Option<Mark>, NaiveDate)>,
    left_behind: BTreeMap<ConnectionName, Mark>,
    /// The last change that is shown; `None`: none is yet.
    last_change: Option<i64>,
}

impl Engine {
    /// Has room for these settings' connections, and no others, in what is shown and counted. Before any
    /// of them has its turn, so that nothing of it is missed.
    pub fn make_room(&self) {
        self.metrics.keep(&self.config.connections);
        self.board.seat(self.config.connections.iter().map(|connection| &connection.name));
    }

    /// Looks at everything, and shows it where there is [room](Self::make_room).
    ///
    /// # Errors
    /// The store cannot be read; of connections, all that can be looked at are shown even so.
    pub async fn survey(&self) -> Result<(), AppError> {
        let marks = self.store.marks().await?;
        // What is forgotten takes changes away, too.
        self.looking.lock().await.last_change = None;
        let mut shown = Ok(());
        for connection in &self.config.connections {
            shown = shown.and(self.show_connection(connection).await);
        }
        shown?;
        self.show_left_behind(&marks).await?;
        self.show_store().await?;
        self.looking.lock().await.forgets = marks.forgets;
        Ok(())
    }

    /// Looks at one connection after its turn, and shows it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn show(&self, connection: &Connection) -> Result<(), AppError> {
        self.show_connection(connection).await?;
        self.show_store().await
    }

    /// Looks again at what has moved since it was shown, whoever moved it, and at connections for which another day
    /// has begun, by which the days that are left are counted; at nothing else.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn look_again(&self) -> Result<(), AppError> {
        let marks = self.store.marks().await?;
        let (has_forgotten, is_left_moved, moved) = {
            let looked = self.looking.lock().await;
            let has_moved = |connection: &&Connection| {
                let seen = (marks.of.get(&connection.name).cloned(), self.today(connection));
                looked.of.get(&connection.name) != Some(&seen)
            };
            let moved: Vec<&Connection> = self.config.connections.iter().filter(has_moved).collect();
            (looked.forgets != marks.forgets, looked.left_behind != self.left_behind(&marks), moved)
        };
        if has_forgotten {
            return self.survey().await;
        }
        for connection in &moved {
            self.show_connection(connection).await?;
        }
        if is_left_moved {
            self.show_left_behind(&marks).await?;
        }
        if is_left_moved || !moved.is_empty() {
            self.show_store().await?;
        }
        Ok(())
    }

    /// Those whom the store knows and the settings do not.
    fn left_behind(&self, marks: &Marks) -> BTreeMap<ConnectionName, Mark> {
        let mut left = marks.of.clone();
        left.retain(|name, _| self.connection(name).is_none());
        left
    }

    async fn show_connection(&self, connection: &Connection) -> Result<(), AppError> {
        let mut looked = self.looking.lock().await;
        // From before: what moves meanwhile is looked at once more.
        let seen = (self.store.mark(&connection.name).await?, self.today(connection));
        let (status, warnings) = survey::connection(&self.store, connection, self.clock.now()).await?;
        self.board.show(&connection.name, status, warnings);
        looked.of.insert(connection.name.clone(), seen);
        Ok(())
    }

    /// The day it is in the connection's time zone.
    fn today(&self, connection: &Connection) -> NaiveDate {
        self.clock.now().with_timezone(&connection.timezone).date_naive()
    }

    async fn show_left_behind(&self, marks: &Marks) -> Result<(), AppError> {
        let mut looked = self.looking.lock().await;
        let names: Vec<&ConnectionName> =
            self.config.connections.iter().map(|connection| &connection.name).collect();
        self.board.show_left_behind(survey::left_behind(&self.store, &names).await?);
        looked.left_behind = self.left_behind(marks);
        Ok(())
    }

    async fn show_store(&self) -> Result<(), AppError> {
        let mut looked = self.looking.lock().await;
        let now = self.clock.now();
        let passed = self.store.passed_warnings(now - PASSED_SHOWN, PASSED_MAX).await?;
        let passed = passed.into_iter().map(|passed| WarningStatus::of(passed, now)).collect();
        self.board.show_passed(passed);
        let last_change = Some(self.store.last_change().await?);
        if looked.last_change != last_change {
            self.board.show_changes(self.store.latest_changes(CHANGES_SHOWN).await?);
            looked.last_change = last_change;
        }
        self.board.show_bytes(self.store.bytes());
        Ok(())
    }
}

/// Keeps what is shown in step with what other processes do to the store, beside the runs and under the
/// settings in force, for as long as it is let.
pub async fn keep_shown(current: watch::Receiver<Arc<Engine>>) {
    // Not the engine: the settings at the start are not those in force for ever.
    let (board, clock) = {
        let engine = current.borrow();
        (Arc::clone(&engine.board), engine.clock.clone())
    };
    board.has_come().await;
    loop {
        clock.sleep(LOOK_EVERY).await;
        let engine = Arc::clone(&current.borrow());
        // That the store cannot be read is said by who watches it; the next look tries again.
        let _ = engine.look_again().await;
    }
}
