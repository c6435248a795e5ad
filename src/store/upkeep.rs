//! What is done for a SQLite file beside the work in it: whether it answers, can be written and is sound; giving
//! memory back; closing it.

use std::io::Write as _;
use std::sync::PoisonError;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::explain::{cure, explain};
use super::lanes::blocking;
use super::sqlite::{Sqlite, folder_of, reader};

/// Written to see whether there is room.
const PROBE_BYTES: usize = 64 << 10;

impl Sqlite {
    /// Whether a write can be made: makes one and takes it back.
    pub(super) fn write_probe(&self) -> Result<(), StoreError> {
        let Some(writer) = &self.writer else {
            return Err(StoreError::Unusable(format!("{} is open to read only", self.path().display())));
        };
        let probe = || {
            let mut sql = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch("CREATE TABLE write_probe (x); INSERT INTO write_probe VALUES (1);")?;
            transaction.rollback()
        };
        blocking(probe).map_err(|error| explain(self.path(), "write to the store", error.into()))
    }

    /// Whether the file still stands where it was, can be read, and more could be written beside it. Does
    /// not wait for whoever writes.
    pub(super) fn answers(&self) -> Result<(), StoreError> {
        self.refuse_removed()?;
        self.read("read the store", |sql| {
            Ok(sql.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()))?)
        })?;
        // A transaction that is taken back never reaches the disk, and so would not meet one that is full.
        let folder = folder_of(self.path());
        let write = || tempfile::tempfile_in(folder)?.write_all(&[0; PROBE_BYTES]);
        blocking(write).map_err(|error| {
            let text = format!("cannot write beside {}: {error}; {}", self.path().display(), cure(&error));
            StoreError::Unusable(text)
        })
    }

    /// Gives back the memory in which the connections keep pages of the file, except of one that is at work.
    pub(super) fn rest(&self) {
        let connections = self.writer.iter().chain([&self.reader]);
        for sql in connections.filter_map(|connection| connection.try_lock().ok()) {
            // Whoever uses it next is told what is wrong with it.
            let _ = sql.execute_batch("PRAGMA shrink_memory");
        }
    }

    /// Takes the write-ahead log into the file, also where others look at it meanwhile, and closes it. `false`: for
    /// as long as `patience` others read what came before or write, or it cannot be written; whoever opens it next
    /// makes up for that.
    pub(super) fn close(self, patience: Duration) -> bool {
        blocking(|| {
            let Self { reader, writer, .. } = self;
            drop(reader);
            let Some(writer) = writer else { return true };
            let sql = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
            sql.busy_timeout(patience).and_then(|()| take_in_log(&sql)).unwrap_or(false)
        })
    }

    /// What SQLite finds wrong with the file, if anything. Looks by itself, for it may take minutes.
    pub(super) fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        let check = || -> rusqlite::Result<Vec<String>> {
            let mut sql = reader(self.path())?;
            self.closing.breaks_off(&mut sql)?;
            let mut statement = sql.prepare("PRAGMA quick_check(20)")?;
            let found = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            Ok(found.into_iter().filter(|line| line != "ok").collect())
        };
        blocking(check).map_err(|error| explain(self.path(), "check the store", error.into()))
    }
}

/// Takes the write-ahead log into the file and empties it. `false`: others are at the file for longer than is waited
/// for them.
pub(super) fn take_in_log(sql: &Connection) -> rusqlite::Result<bool> {
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map(|is_busy: bool| !is_busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large file takes minutes; meanwhile runs go on, and the store answers.
    #[test]
    fn a_look_at_the_whole_file_keeps_no_read_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let db = Sqlite::open(&dir.path().join("store.db"), "2026-03-01T12:00:00Z".parse().unwrap()).unwrap();
        let db = &db;
        std::thread::scope(|scope| {
            let (told, done) = std::sync::mpsc::channel();
            let reading = db.reader.lock().unwrap();
            scope.spawn(move || told.send(db.quick_check()));
            let found = done.recv_timeout(Duration::from_secs(120));
            drop(reading);
            assert_eq!(found.expect("it waits for the reads of others, and they for it").unwrap().len(), 0);
        });
    }
}
