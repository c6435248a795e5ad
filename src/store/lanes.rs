//! Work that waits for a disk or a server: on the thread of whoever asks, and on no more threads than can work at a
//! time. However many wait for a store that somebody else keeps to himself, threads are left to be stopped by.

use std::fmt::Display;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::sql::{Fault, Sql};
use super::{Store, StoreError};
use crate::name::ConnectionName;

/// How many may work in a store at a time; the others wait in order, without a thread.
#[derive(Debug)]
pub(super) enum Lanes {
    /// One who writes, and one who reads beside it.
    Apart {
        read: Semaphore,
        write: Semaphore,
    },
    Shared(Semaphore),
}

impl Lanes {
    /// Of a store with one connection that reads and one that writes.
    pub(super) fn of_two() -> Self {
        Self::Apart { read: Semaphore::new(1), write: Semaphore::new(1) }
    }

    /// Of a store with so many connections for both.
    pub(super) fn of_many(connections: usize) -> Self {
        Self::Shared(Semaphore::new(connections))
    }

    /// A turn to read, until it is dropped.
    pub(super) async fn read(&self) -> SemaphorePermit<'_> {
        match self {
            Self::Apart { read, .. } => turn(read).await,
            Self::Shared(both) => turn(both).await,
        }
    }

    /// A turn to write, until it is dropped.
    pub(super) async fn write(&self) -> SemaphorePermit<'_> {
        match self {
            Self::Apart { write, .. } => turn(write).await,
            Self::Shared(both) => turn(both).await,
        }
    }
}

async fn turn(lane: &Semaphore) -> SemaphorePermit<'_> {
    lane.acquire().await.expect("a lane is never closed")
}

impl Store {
    fn lanes(&self) -> &Lanes {
        match self {
            Self::Sqlite(db) => &db.lanes,
            Self::Postgres(db) => &db.lanes,
        }
    }

    /// Reads in one transaction, so that several statements see one state.
    pub(super) async fn read<T>(
        &self,
        doing: impl Display,
        work: impl FnMut(&Sql<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let turn = self.lanes().read().await;
        let read = self.read_at_once(doing, work);
        drop(turn);
        match self {
            Self::Sqlite(db) => db.closing.answer(read).await,
            Self::Postgres(_) => read,
        }
    }

    /// As [`Store::read`], without waiting for a turn: for who cannot wait but on a thread.
    pub(super) fn read_at_once<T>(
        &self,
        doing: impl Display,
        mut work: impl FnMut(&Sql<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(db) => db.read(doing, |sql| work(&Sql::Sqlite(sql))),
            Self::Postgres(db) => db.read(doing, |sql| work(&Sql::Postgres(sql))),
        }
    }

    /// Writes in one transaction: all of it or nothing. Where others write at the same time, `work` may be
    /// done again from its start.
    pub(super) async fn write<T>(
        &self,
        doing: impl Display,
        work: impl FnMut(&Sql<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let _turn = self.lanes().write().await;
        self.write_at_once(doing, work)
    }

    /// As [`Store::write`], without waiting for a turn: for a copy, which reads another store meanwhile.
    pub(super) fn write_at_once<T>(
        &self,
        doing: impl Display,
        mut work: impl FnMut(&Sql<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(db) => db.write(doing, |sql| work(&Sql::Sqlite(sql))),
            Self::Postgres(db) => db.write(doing, |sql| work(&Sql::Postgres(sql))),
        }
    }

    /// As [`Store::write`], for a connection: what a process that lost the connection's lease writes is
    /// refused.
    pub(super) async fn write_of<T>(
        &self,
        connection: &ConnectionName,
        doing: impl Display,
        mut work: impl FnMut(&Sql<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let Self::Postgres(db) = self else { return self.write(doing, work).await };
        let _turn = self.lanes().write().await;
        db.write_of(connection, doing, |sql| work(&Sql::Postgres(sql)))
    }
}

/// Runs work that waits for the disk without holding up the runtime's other tasks.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let is_multi = |handle: Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
    if Handle::try_current().is_ok_and(is_multi) { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::store::{Place, Store};

    #[test]
    fn however_many_wait_for_the_store_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::file(folder.path().join("clearpoint.db"));
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).max_blocking_threads(4).enable_all().build().unwrap();
        let store = runtime.block_on(Store::open(&place, chrono::DateTime::UNIX_EPOCH)).unwrap();
        let other = rusqlite::Connection::open(folder.path().join("clearpoint.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let writes = (0..20).map(|_| {
            let store = store.clone();
            runtime.spawn(async move { store.write("do nothing", |_| Ok(())).await })
        });
        let writes: Vec<_> = writes.collect();
        runtime.block_on(async {
            for _ in 0..100 {
                let other = tokio::spawn(tokio::task::yield_now());
                tokio::time::timeout(Duration::from_secs(50), other).await.unwrap().unwrap();
            }
            other.execute_batch("ROLLBACK").unwrap();
            for write in writes {
                write.await.unwrap().unwrap();
            }
        });
    }
}
