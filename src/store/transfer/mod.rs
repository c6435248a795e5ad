//! Copies a whole store, its history included, into another one, of the same engine or the other. One
//! transaction fills it and reads it back, so that it holds all or what it held before, however the copying
//! ends. Called by `store copy`.

mod place;
mod rows;
mod sum;
mod tables;
#[cfg(test)]
mod tests;

use super::lock::{ConnectionLock, DaemonLock};
use super::sql::{Cell, Fault, Sql};
use super::{Store, StoreError, views};
use crate::clock::Clock;
use crate::config::DaemonPlace;
use crate::name::ConnectionName;
use rows::Reading;
use tables::{NUMBERED, Shape, TABLES, Table};

pub use sum::Sum;

/// Rows are handed on when they take this much memory, in bytes.
const BATCH_BYTES_MAX: usize = 2 << 20;
/// How many rows pass until the progress is told again.
const TOLD_ROWS: u64 = 500;

/// How far a copy is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were copied, or read again to compare them.
    pub done: u64,
    /// Rows to copy, read again, and read back.
    pub of: u64,
    /// The table.
    pub table: &'static str,
}

/// What became of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableCopy {
    /// Its name.
    pub table: &'static str,
    /// What it comes to in the store that is copied.
    pub here: Sum,
    /// What was read back from the other.
    pub there: Sum,
}

impl TableCopy {
    /// Whether both hold the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.here == self.there
    }
}

/// What a copy may do to what the other store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onto {
    /// Nothing: it must be empty.
    Empty,
    /// Take its place, unless it is ahead of the store that is copied.
    Earlier,
}

/// Keeps everyone else out of a store.
#[derive(Debug)]
pub struct Hold {
    _daemon: Option<DaemonLock>,
    _connections: Vec<ConnectionLock>,
}

impl Store {
    /// Keeps daemons and runs out of the store for `command`: all connections that it knows, and those of
    /// `configured`.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names who is at it.
    pub async fn hold(
        &self,
        configured: &[ConnectionName],
        command: &str,
        clock: &Clock,
    ) -> Result<Hold, StoreError> {
        let daemon = match self {
            Self::Sqlite(db) => {
                Some(DaemonLock::take(&DaemonPlace::Store(db.path().to_owned()), clock).await?)
            }
            Self::Postgres(_) => {
                self.refuse_leased().await?;
                None
            }
        };
        let mut names = self.known_connections().await?;
        names.extend(configured.iter().cloned());
        names.sort();
        names.dedup();
        let mut connections = Vec::new();
        if let Self::Sqlite(_) = self {
            for name in names {
                connections.push(self.lock(&name, command, clock.now()).await?);
            }
        }
        Ok(Hold { _daemon: daemon, _connections: connections })
    }

    /// Copies everything into `other`, reads both again, and tells of every table whether it is the same. If
    /// one differs nothing stays of the copy. Nobody may write this store meanwhile (see [`Store::hold`]).
    ///
    /// # Errors
    /// [`StoreError::Unusable`]: both are the same store, or `other` holds what must not be lost;
    /// [`StoreError::Failed`]: one of them cannot be read or written. Either way `other` is as it was.
    pub async fn copy_to(
        &self,
        other: &Self,
        onto: Onto,
        told: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<TableCopy>, StoreError> {
        self.refuse_same(other).await?;
        let counted = self.read("count the rows to copy", count).await?;
        let copied = self
            .read("read the store to copy it", |from| {
                let progress = Progress { of: 3 * counted, ..Progress::default() };
                let mut work = Work { from, told: &mut *told, progress, lost: None };
                let copied = other.write_at_once("fill the store", |to| work.fill(to, onto));
                match work.lost {
                    Some(fault) => Err(fault),
                    None => Ok(copied),
                }
            })
            .await?;
        match copied {
            Err(StoreError::Failed { context, source }) => match source.downcast::<Stop>() {
                Ok(stop) => stop.outcome(),
                Err(source) => Err(StoreError::Failed { context, source }),
            },
            copied => copied,
        }
    }
}

/// Takes back what was done, on purpose.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the copy differs")]
    Unlike(Vec<TableCopy>),
    #[error("{0}")]
    Refused(String),
}

impl Stop {
    fn outcome(self) -> Result<Vec<TableCopy>, StoreError> {
        match self {
            Self::Unlike(copies) => Ok(copies),
            Self::Refused(text) => Err(StoreError::Unusable(text)),
        }
    }
}

/// A copy under way.
struct Work<'a> {
    from: &'a Sql<'a>,
    told: &'a mut dyn FnMut(Progress),
    progress: Progress,
    /// Why `from` cannot be read.
    lost: Option<Fault>,
}

impl Work<'_> {
    /// Fills the other store, and compares. May be done again from its beginning.
    fn fill(&mut self, to: &Sql<'_>, onto: Onto) -> Result<Vec<TableCopy>, Fault> {
        self.progress.done = 0;
        self.reading(place::let_wait)?;
        place::let_wait(to)?;
        place::clear(self.from, to, onto)?;
        for table in &TABLES {
            self.copy(to, table)?;
        }
        for table in NUMBERED {
            let last = self.reading(|from| place::last_number(from, table))?;
            place::number_after(to, table, last)?;
        }
        let mut copies = Vec::with_capacity(TABLES.len() + 1);
        for table in &TABLES {
            copies.push(self.compare(to, table)?);
        }
        copies.push(self.compare_numbers(to)?);
        if !copies.iter().all(TableCopy::is_same) {
            return Err(Stop::Unlike(copies).into());
        }
        views::make_due(to)?;
        place::settle(to)?;
        Ok(copies)
    }

    fn copy(&mut self, to: &Sql<'_>, table: &'static Table) -> Result<(), Fault> {
        let reading = Reading::new(table);
        let mut batch = Batch { to, reading: &reading, rows: Vec::new(), bytes: 0 };
        // What the other store refuses is not this one's fault.
        let mut refused = None;
        let (from, mut tick) = (self.from, Tick::new(&mut self.progress, self.told, table.name));
        let read = reading.each(from, |cells| {
            tick.row();
            batch.add(cells).inspect_err(|_| refused = Some(()))
        });
        match (read, refused) {
            (Ok(()), _) => batch.write(),
            (Err(fault), Some(())) => Err(fault),
            (Err(fault), None) => self.reading(|_| Err(fault)),
        }
    }

    fn compare(&mut self, to: &Sql<'_>, table: &'static Table) -> Result<TableCopy, Fault> {
        let reading = Reading::new(table);
        let from = self.from;
        let mut tick = Tick::new(&mut self.progress, self.told, table.name);
        let here = Sum::of(from, &reading, || tick.row());
        let counted = reading.count(from);
        let there = Sum::of(to, &reading, || tick.row());
        let here = self.reading(|_| here)?;
        let counted = self.reading(|_| counted)?;
        if here.rows != counted {
            let text = format!("{} has {counted} rows, of which {} were read", table.name, here.rows);
            return self.reading(|_| Err(text.into()));
        }
        Ok(TableCopy { table: table.name, here, there: there? })
    }

    /// The last numbers given, as if they were a table.
    fn compare_numbers(&mut self, to: &Sql<'_>) -> Result<TableCopy, Fault> {
        let here = self.reading(place::numbers)?;
        Ok(TableCopy { table: "numbers", here, there: place::numbers(to)? })
    }

    /// Reads `from`; if that fails it is not the other store's fault.
    fn reading<T>(&mut self, read: impl FnOnce(&Sql<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        read(self.from).map_err(|fault| {
            let text = fault.to_string();
            self.lost = Some(fault);
            text.into()
        })
    }
}

/// Tells the progress now and then.
struct Tick<'a> {
    progress: &'a mut Progress,
    told: &'a mut dyn FnMut(Progress),
}

impl<'a> Tick<'a> {
    fn new(progress: &'a mut Progress, told: &'a mut dyn FnMut(Progress), table: &'static str) -> Self {
        progress.table = table;
        told(*progress);
        Self { progress, told }
    }

    fn row(&mut self) {
        self.progress.done += 1;
        if self.progress.done.is_multiple_of(TOLD_ROWS) {
            (self.told)(*self.progress);
        }
    }
}

/// Rows on their way.
struct Batch<'a> {
    to: &'a Sql<'a>,
    reading: &'a Reading,
    rows: Vec<Vec<Cell<'static>>>,
    bytes: usize,
}

impl Batch<'_> {
    fn add(&mut self, cells: Vec<Cell<'static>>) -> Result<(), Fault> {
        if let Sql::Postgres(_) = self.to {
            self.refuse_unfit(&cells)?;
        }
        self.bytes += cells.iter().map(size).sum::<usize>();
        self.rows.push(cells);
        if self.bytes < BATCH_BYTES_MAX { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), Fault> {
        self.bytes = 0;
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut rows = self.rows.drain(..).map(Ok);
        self.to.load(self.reading.table.name, &self.reading.names(), &mut rows)
    }

    /// Names the row that PostgreSQL cannot keep: it has no U+0000, and no half of a surrogate pair.
    fn refuse_unfit(&self, cells: &[Cell<'_>]) -> Result<(), Fault> {
        for ((column, shape), cell) in self.reading.columns.iter().zip(cells) {
            let Cell::Text(text) = cell else { continue };
            if place::is_unfit(text, *shape == Shape::Json) {
                let row = self.reading.name_of(cells);
                let text = format!(
                    "{column} of {row} holds the character U+0000 or half of a surrogate pair, which \
                     PostgreSQL cannot keep; write another in its place, or delete the row"
                );
                return Err(Stop::Refused(text).into());
            }
        }
        Ok(())
    }
}

fn size(cell: &Cell<'_>) -> usize {
    let content = match cell {
        Cell::Text(text) => text.len(),
        Cell::Bytes(bytes) => bytes.len(),
        Cell::Null | Cell::Integer(_) | Cell::Real(_) => 0,
    };
    size_of::<Cell<'_>>() + content
}

fn count(sql: &Sql<'_>) -> Result<u64, Fault> {
    TABLES.iter().map(|table| Reading::new(table).count(sql)).sum()
}
