//! The store: the SQL copy, and everything that must survive a restart. Applies plans; never makes
//! them, and never asks the network. One transaction per kind.
//!
//! Every write of a run names its [`RunId`]; times are arguments. Whatever is written is compared
//! first: a run that finds nothing changed writes nothing but its run record (`runs`, `run_kinds`,
//! `run_reads`). The promises are methods of [`Store`], one file a subject.

mod account;
mod ages;
mod changes;
mod closing;
mod columns;
mod commit;
mod deliveries;
mod details;
mod documents;
mod elements;
mod explain;
pub mod export;
mod fields;
mod forget;
mod freshness;
mod history;
mod imprints;
mod key_states;
mod lanes;
mod lately;
mod lock;
mod mapped_user;
mod marks;
mod memory;
mod network;
mod news;
mod owner;
mod placements;
pub mod postgres;
mod prune;
mod publish;
mod reads;
mod runs;
mod schema;
mod sql;
mod sqlite;
mod still;
#[cfg(test)]
pub(crate) mod tests;
mod transfer;
mod upkeep;
mod values;
mod views;
mod visibility;
mod volatile;
mod warnings;
mod wipe;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::kind::Kind;
use crate::memory::KindMemory;
use crate::name::ConnectionName;
use crate::plan::{Held, Plan, Verdicts};
use crate::run::{KindRun, RunId};
use crate::snapshot::{PageImprints, Rejected, Snapshot};
use crate::spool::Spool;
use crate::task::Task;

pub use ages::KindAge;
pub use commit::Committed;
pub use deliveries::{Again, Delivery, GivenUp, Waiting};
pub use details::{Part, Read};
pub use forget::{Forgotten, Scope};
pub use history::{Change, ElementRecord, Placement, PointRecord, Since};
pub use lock::{ConnectionLock, DaemonLock, Pulse};
pub use mapped_user::MappedUserLook;
pub use marks::{Mark, Marks};
pub use memory::RejectedRow;
pub use news::NewField;
pub use owner::unusable_by_owner;
pub use postgres::Postgres;
pub use publish::{Copy, keep_reason};
pub use reads::ReadState;
pub use sqlite::{Sqlite, folder_of};
pub use transfer::{Hold, Onto, Progress, Sum, TableCopy};
pub use values::{HELD_VALUES, ValuesDone};
pub use warnings::{DeliveryRecord, WarningRecord};

/// So often it is looked whether a store that is to be closed is still worked with.
const CLOSE_LOOK: Duration = Duration::from_millis(10);
/// So much longer than the patience with others may the work on the disk take.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Why the store did not do what was asked, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A person must act: the file is another program's, newer than this program, on a network file
    /// system, damaged, or not writable. The text says which and what to do.
    #[error("{0}")]
    Unusable(String),
    /// Another process holds the connection's lock; the text names it (exit code 75).
    #[error("{0}")]
    Busy(String),
    /// Another process took the connection over while this one was silent: nothing of this is stored, and that
    /// one goes on. The text names it.
    #[error("{0}")]
    LeaseLost(String),
    /// The disk is full, or reading or writing failed: nothing of this transaction is stored, and the
    /// next run repeats it.
    #[error("{context}")]
    Failed {
        /// What was being done, to what.
        context: String,
        /// What SQLite said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// All that one kind of one run changes, committed together or not at all.
#[derive(Debug)]
pub struct KindCommit<'a> {
    /// Which run.
    pub run: RunId,
    /// Whose.
    pub connection: &'a ConnectionName,
    /// Which kind.
    pub kind: &'a Kind,
    /// The instant written into the rows.
    pub now: DateTime<Utc>,
    /// What was listed.
    pub snapshot: &'a Snapshot,
    /// The listed documents.
    pub spool: &'a Spool,
    /// What the pages of the list looked like.
    pub imprints: &'a PageImprints,
    /// Which of them to write.
    pub plan: &'a Plan,
    /// What becomes of the missing ones. Removals that a limit holds are not in here but in `held`.
    /// Elements in the snapshot leave the `missing` table; `undecided` replace theirs.
    pub verdicts: &'a Verdicts,
    /// The held set as it is from now on; `None` clears it.
    pub held: Option<&'a Held>,
    /// What is remembered from now on.
    pub memory: &'a KindMemory,
    /// Rows kept aside, replacing the kind's earlier ones (an incremental pull only adds).
    pub rejected: &'a [Rejected],
    /// The kind's record in the run.
    pub kind_run: &'a KindRun,
}

/// The store in use. A cheap handle: clones share the same file.
#[derive(Debug, Clone)]
pub enum Store {
    /// One SQLite file on this machine.
    Sqlite(Arc<Sqlite>),
    /// A PostgreSQL database, shared with others.
    Postgres(Arc<Postgres>),
}

/// Where a store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file on this machine.
    File(PathBuf),
    /// A database.
    Server(Box<postgres::Settings>),
}

impl Place {
    /// The SQLite file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// Whether it is plain without opening it that nothing was ever stored there. Where nobody may look,
    /// nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::File(path) if matches!(path.try_exists(), Ok(false)))
    }
}

impl Store {
    /// Opens a store, making what is not there: the file, never its directory; the schema, never its database.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a network file system, another program's file, a schema that is newer, or a
    /// server that does not let this program in; [`StoreError::Failed`] for one that is out of reach.
    pub async fn open(place: &Place, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let store = match place {
            Place::File(path) => Self::Sqlite(Arc::new(Sqlite::open(path, now)?)),
            Place::Server(settings) => {
                let db = Postgres::open((**settings).clone())?;
                db.migrate(now)?;
                let db = Arc::new(db);
                db.start_keeper()?;
                Self::Postgres(db)
            }
        };
        match store.refresh_views().await {
            // They are as they were; the run that follows tries again, and warns.
            Err(error) if postgres::is_kept_by_others(&error) => {}
            refreshed => refreshed?,
        }
        Ok(store)
    }

    /// Opens an existing store for commands that only look.
    ///
    /// # Errors
    /// As for [`Store::open`], and [`StoreError::Unusable`] when there is none.
    pub async fn open_read_only(place: &Place) -> Result<Self, StoreError> {
        Ok(match place {
            Place::File(path) => Self::Sqlite(Arc::new(Sqlite::open_read_only(path)?)),
            Place::Server(settings) => {
                let db = Postgres::open((**settings).clone())?;
                db.refuse_other()?;
                Self::Postgres(Arc::new(db))
            }
        })
    }

    /// Closes the store once nobody else in this process works with it: a file then holds all that its write-ahead
    /// log held, which is gone. `false`: after `patience` somebody still does, or another process is at the file,
    /// and whoever opens it next takes the log in.
    pub async fn close(self, clock: &Clock, patience: Duration) -> bool {
        let Self::Sqlite(mut db) = self else { return true };
        db.closing.begin();
        let until = clock.uptime() + patience;
        loop {
            let left = until.saturating_sub(clock.uptime());
            db = match Arc::try_unwrap(db) {
                Ok(db) => {
                    // On a thread of its own: whoever is at the file holds it up, and other things are heard meanwhile.
                    let closing = Task::begin(async move { db.close(left) });
                    return tokio::select! {
                        is_closed = closing.end() => is_closed,
                        () = clock.sleep(left + CLOSE_GRACE) => false,
                    };
                }
                Err(shared) => shared,
            };
            if left.is_zero() {
                return false;
            }
            clock.sleep(CLOSE_LOOK).await;
        }
    }

    /// The clock to go by: a database's own, where this machine's would be gone by, so that all programs on it
    /// agree.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub fn clock(&self, clock: Clock) -> Result<Clock, StoreError> {
        match (self, clock) {
            (Self::Postgres(db), Clock::System) => Ok(Clock::Shared(db.clock()?)),
            (_, clock) => Ok(clock),
        }
    }

    /// How long this process may be silent until others take its work over; `None`: it works alone.
    #[must_use]
    pub fn lease(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(db) => Some(db.lease()),
        }
    }

    /// On how many connections this process alone may work now; `None`: there are no others.
    #[must_use]
    pub fn leases_held(&self) -> Option<usize> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(db) => Some(db.leases_held()),
        }
    }

    /// What the store takes on the disk, its write-ahead log included; 0 where that cannot be told.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Sqlite(db) => db.bytes(),
            Self::Postgres(db) => db.bytes(),
        }
    }

    /// What keeps the store, for people: `SQLite 3.50.2`, `PostgreSQL 15.14`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn engine(&self) -> Result<String, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(format!("SQLite {}", rusqlite::version())),
            Self::Postgres(db) => Ok(format!("PostgreSQL {}", db.server_version()?)),
        }
    }

    /// Makes a write and takes it back.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn write_probe(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) => db.write_probe(),
            Self::Postgres(db) => db.write_probe(),
        }
    }

    /// Asks the store whether it can be read, and whether there is room to write. Cheap, and does not wait
    /// for a run that writes.
    ///
    /// # Errors
    /// It cannot, or there is none.
    pub async fn answers(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) => db.closing.answer(db.answers()).await,
            Self::Postgres(db) => db.answers(),
        }
    }

    /// Gives back memory that only speeds up what is asked next, except where the store is at work.
    pub fn rest(&self) {
        match self {
            Self::Sqlite(db) => db.rest(),
            Self::Postgres(_) => {}
        }
    }

    /// What is wrong with the file, one line a fault; empty when it is sound. A server looks after its
    /// files itself.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(db) => db.closing.answer(db.quick_check()).await,
            Self::Postgres(_) => Ok(Vec::new()),
        }
    }
}
