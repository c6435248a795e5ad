//! A store that is being closed, for the program ends: what is read then is broken off, however long it would have
//! taken, and whoever asked for it waits until he is ended too.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::StoreError;

/// Steps of SQLite's machine between two looks whether the store is being closed: far less than a second.
const STEPS: c_int = 1000;

/// Whether a store is being closed.
#[derive(Debug, Clone, Default)]
pub(super) struct Closing(Arc<AtomicBool>);

impl Closing {
    /// It is from here on.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets what a connection does be broken off.
    pub(super) fn breaks_off(&self, sql: &mut Connection) -> rusqlite::Result<()> {
        let Self(closing) = self.clone();
        sql.progress_handler(STEPS, Some(move || closing.load(Ordering::Relaxed)))
    }

    /// What came of reading; never, where it was broken off: that is no failure to tell anybody.
    pub(super) async fn answer<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.is_err() && self.0.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};

    use crate::clock::Clock;
    use crate::store::{Place, Store};

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    const ENDLESS: &str =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";

    #[tokio::test(flavor = "multi_thread")]
    async fn what_would_be_read_for_ever_keeps_no_store_open_and_is_told_to_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Place::file(dir.path().join("store.db")), noon()).await.unwrap();
        let (begins, begun) = std::sync::mpsc::channel();
        let other = store.clone();
        let reads = tokio::spawn(async move {
            let read = other.read("count", |sql| {
                begins.send(()).unwrap();
                sql.prepare_cached(ENDLESS)?.query_row((), |row| row.get::<i64>(0))
            });
            panic!("{:?}", read.await);
        });
        tokio::task::block_in_place(|| begun.recv()).unwrap();
        reads.abort();
        assert!(store.close(&Clock::System, Duration::from_secs(60)).await);
        assert!(reads.await.unwrap_err().is_cancelled());
    }

    /// What is new stands in the write-ahead log still.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_another_process_is_at_is_not_called_closed() {
        for other_does in ["BEGIN; SELECT count(*) FROM runs", "BEGIN IMMEDIATE"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("store.db");
            let store = Store::open(&Place::file(&path), noon()).await.unwrap();
            let other = rusqlite::Connection::open(&path).unwrap();
            other.execute_batch(other_does).unwrap();
            let closing = store.close(&Clock::System, Duration::from_millis(50));
            let is_closed = tokio::time::timeout(Duration::from_secs(20), closing).await;
            assert_eq!(is_closed, Ok(false), "{other_does}");
            assert!(std::fs::metadata(dir.path().join("store.db-wal")).unwrap().len() > 0, "{other_does}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_is_broken_off_and_nothing_of_it_left() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Place::file(dir.path().join("store.db")), noon()).await.unwrap();
        let folder = dir.path().join("readers");
        std::fs::create_dir(&folder).unwrap();
        assert!(!store.clone().close(&Clock::System, Duration::ZERO).await, "somebody has it open still");
        let copy = folder.join("copy.db");
        for _ in 0..2 {
            let made = tokio::time::timeout(Duration::ZERO, store.publish(&copy, noon())).await;
            made.expect_err("it is never told");
        }
        let looked_over = tokio::time::timeout(Duration::ZERO, store.quick_check()).await;
        looked_over.expect_err("it is never told");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}
