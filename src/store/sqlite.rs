//! One SQLite file: opens it safely, hands out transactions, and says what went wrong in words that a
//! person can act on. One connection writes, another reads, so that a reader never waits for a commit.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::closing::Closing;
use super::explain::{cure, explain, failed};
use super::lanes::{Lanes, blocking};
use super::network::refuse_network;
use super::owner::hand_over_to_read;
use super::publish::led_to;
use super::sql::Fault;
use super::still::{Still, may_write_beside};
use super::{StoreError, schema};
use crate::config::{is_own_file, write_ahead_log};

/// How long another process's commit is waited for: a first load takes seconds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// The write-ahead log is cut back to this after a large commit.
const LOG_BYTES_MAX: i64 = 64 << 20;
/// A page of a new file.
const PAGE_BYTES: i64 = 16 << 10;
/// What the connection that writes keeps of the file, in KiB (negative: not in pages): the ways into the indexes.
/// Unless it is said, SQLite keeps as many pages as if they had 4 KB. `SQLITE_DEFAULT_PCACHE_INITSZ` in
/// `.cargo/config.toml` is as many pages: they are one piece of memory, which can go back whole.
const WRITER_CACHE_KIB: i64 = -1056;
/// The same for the connection that reads: long stretches once, or a few pages.
const READER_CACHE_KIB: i64 = -544;
/// How a connection that never writes is opened.
const TO_READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
/// The same where the last to close may take back the log and its index.
const TO_READ_AND_TIDY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 96;

/// Which file stands at a path, if any.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// An open SQLite store.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    /// The device and number of the file at `path` when it was opened.
    file: Option<(u64, u64)>,
    // Closed first: the last connection to close takes the write-ahead log back, if it may write.
    pub(super) reader: Mutex<Connection>,
    /// `None`: opened to read only.
    pub(super) writer: Option<Mutex<Connection>>,
    pub(super) lanes: Lanes,
    /// Nobody had the file open, and nobody may have written to it since.
    still: Option<Still>,
    pub(super) closing: Closing,
}

impl Sqlite {
    /// Opens the file, creating it and bringing it to this program's version.
    pub(super) fn open(path: &Path, now: DateTime<Utc>) -> Result<Self, StoreError> {
        refuse_network(path)?;
        create(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = (|| {
            let mut sql = Connection::open_with_flags(path, flags)?;
            sql.busy_timeout(BUSY_TIMEOUT)?;
            // Before any write: the file may be someone else's.
            let version = match version(&sql)? {
                Ok(version) => version,
                Err(text) => return Ok(Err(text)),
            };
            // Of a new file alone.
            sql.pragma_update(None, "page_size", PAGE_BYTES)?;
            sql.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            sql.pragma_update(None, "synchronous", "full")?;
            sql.pragma_update(None, "foreign_keys", true)?;
            sql.pragma_update(None, "cache_size", WRITER_CACHE_KIB)?;
            sql.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
            keep_statements(&sql)?;
            schema::migrate(&mut sql, version, now)?;
            // A file for what little a statement needs costs more than that. A step that makes an index sorts the
            // whole store, and has had its files.
            sql.pragma_update(None, "temp_store", "memory")?;
            let (mut reader, closing) = (reader(path)?, Closing::default());
            closing.breaks_off(&mut reader)?;
            Ok(Ok((sql, reader, closing)))
        })();
        let (writer, reader, closing) = opened
            .map_err(|error: rusqlite::Error| explain(path, "open the store", error.into()))?
            .map_err(|text| StoreError::Unusable(format!("{} {text}", path.display())))?;
        Ok(Self { closing, ..Self::of(path, Some(writer), reader, None) })
    }

    /// Opens an existing file, and never writes to it.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display();
        let refusal = match path.try_exists() {
            Ok(true) => None,
            Ok(false) => Some(format!("{shown} does not exist yet; `clearpoint-sync sync` makes it")),
            Err(error) => Some(format!("cannot look at {shown}: {error}; let this user into its directory")),
        };
        if let Some(text) = refusal {
            return Err(StoreError::Unusable(text));
        }
        Self::open_to_read(path, Still::of(path))
    }

    fn open_to_read(path: &Path, still: Option<Still>) -> Result<Self, StoreError> {
        let opened = match &still {
            Some(still) => Connection::open_with_flags(still.uri(), TO_READ | OpenFlags::SQLITE_OPEN_URI)
                .and_then(set_up_reader),
            // Whoever may write beside it takes away what is only there while somebody reads.
            None if may_write_beside(path) => {
                Connection::open_with_flags(path, TO_READ_AND_TIDY).and_then(set_up_reader)
            }
            None => reader(path),
        };
        let opened = opened.and_then(|sql| Ok((version(&sql)?, sql)));
        let (version, sql) = opened.map_err(|error| explain(path, "open the store", error.into()))?;
        match version {
            Ok(schema::VERSION) => Ok(Self::of(path, None, sql, still)),
            Ok(old) => Err(StoreError::Unusable(format!(
                "{} has schema version {old}, older than this program's {}; run `clearpoint-sync sync` once",
                path.display(),
                schema::VERSION
            ))),
            Err(text) => Err(StoreError::Unusable(format!("{} {text}", path.display()))),
        }
    }

    fn of(path: &Path, writer: Option<Connection>, reader: Connection, still: Option<Still>) -> Self {
        let (writer, reader) = (writer.map(Mutex::new), Mutex::new(reader));
        let (file, lanes, closing) = (identity(path), Lanes::of_two(), Closing::default());
        Self { path: path.into(), file, reader, writer, lanes, still, closing }
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file and its write-ahead log take on the disk.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        bytes(&self.path) + bytes(&write_ahead_log(&self.path))
    }

    /// Refuses to go on in a file that nobody can open any more: SQLite would write into it unheard.
    pub(super) fn refuse_removed(&self) -> Result<(), StoreError> {
        if identity(&self.path) == self.file {
            return Ok(());
        }
        Err(StoreError::Unusable(format!(
            "{} was removed or replaced while this program had it open; put it back, or restart the program \
             to go on in what is there now",
            self.path.display()
        )))
    }

    /// Whether both are one file, under whatever names.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        self.file.is_some() && self.file == other.file
    }

    /// Refuses a place for something else that is the store's own, under whatever name.
    pub(super) fn refuse_itself(&self, place: &Path) -> Result<(), StoreError> {
        let whole = |path: &Path| Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?));
        let is_own = |place: &Path| {
            whole(&self.path).zip(whole(place)).is_some_and(|(own, file)| is_own_file(&own, &file))
        };
        let is_itself = self.file.is_some() && identity(place) == self.file;
        if !is_itself && !is_own(place) && !is_own(&led_to(place)) {
            return Ok(());
        }
        let what = if is_itself { "the store itself" } else { "a file of the store's own" };
        Err(StoreError::Unusable(format!(
            "{} is {what}; name another file in store.sqlite.publish",
            place.display()
        )))
    }

    /// Reads in one transaction, so that several statements see one state.
    pub(super) fn read<T>(
        &self,
        doing: impl Display,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let read = || {
            let sql = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = sql.unchecked_transaction()?;
            work(&transaction)
        };
        let done = blocking(read);
        // Whatever came of it: pages of two states may have been read as one.
        if self.still.as_ref().is_some_and(|still| !still.is_still()) {
            let context = format!("cannot {doing} in {}", self.path.display());
            return Err(failed(context, "it was written to meanwhile; run this command again".into()));
        }
        done.map_err(|fault| explain(&self.path, doing, fault))
    }

    /// Writes in one transaction: all of it or nothing.
    pub(super) fn write<T>(
        &self,
        doing: impl Display,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let Some(writer) = &self.writer else {
            return Err(StoreError::Unusable(format!("{} is open to read only", self.path.display())));
        };
        let write = || {
            let mut sql = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        blocking(write).map_err(|fault| explain(&self.path, doing, fault))
    }
}

/// A connection that never writes.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, TO_READ).and_then(set_up_reader)
}

fn set_up_reader(sql: Connection) -> rusqlite::Result<Connection> {
    sql.busy_timeout(BUSY_TIMEOUT)?;
    sql.pragma_update(None, "query_only", true)?;
    sql.pragma_update(None, "cache_size", READER_CACHE_KIB)?;
    keep_statements(&sql)?;
    Ok(sql)
}

/// Keeps statements as they were prepared: else SQLite plans most of them anew for each value they are given.
fn keep_statements(sql: &Connection) -> rusqlite::Result<()> {
    sql.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// The file's schema version, 0 for an empty file, or why it is not ours to write.
fn version(sql: &Connection) -> rusqlite::Result<Result<i32, String>> {
    let application: i32 = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = sql.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    let is_empty = application == 0 && version == 0 && tables == 0;
    Ok(if !is_empty && application != schema::APPLICATION_ID {
        Err("is another program's database; name a file of its own in store.sqlite.path".into())
    } else if version > schema::VERSION {
        Err(format!(
            "has schema version {version}, newer than this program's {}; install the newer \
             clearpoint-sync, or name another file in store.sqlite.path",
            schema::VERSION
        ))
    } else {
        Ok(version)
    })
}

/// Makes the file, readable by its group, unless it is there.
fn create(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o640).open(path) {
        Ok(file) => {
            hand_over_to_read(&file, path);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            let cure = cure(&error);
            Err(StoreError::Unusable(format!("cannot create {}: {error}; {cure}", path.display())))
        }
    }
}

/// The folder that a file lies in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn whoever_only_looks_leaves_nothing_beside_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        drop(Sqlite::open(&path, noon()).unwrap());
        let db = Sqlite::open_read_only(&path).unwrap();
        db.read("count the runs", |sql| Ok(sql.execute_batch("SELECT count(*) FROM runs")?)).unwrap();
        db.read("write", |sql| Ok(sql.execute_batch("CREATE TABLE x (x)")?)).unwrap_err();
        drop(db);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// Who may read the store, but not write beside it, has no other way to read one that nobody has open.
    #[test]
    fn a_store_that_nobody_has_open_is_read_as_it_lies_there_and_never_mixed_with_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("50%?#store.db");
        drop(Sqlite::open(&path, noon()).unwrap());
        let db = Sqlite::open_to_read(&path, Some(Still::look(&path).unwrap())).unwrap();
        let read = || {
            let rows =
                |sql: &Connection| Ok(sql.query_row("SELECT count(*) FROM runs", (), |row| row.get(0))?);
            db.read("count the runs", rows)
        };
        let counted: i64 = read().unwrap();
        assert_eq!(counted, 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is made beside it");

        let other = Sqlite::open(&path, noon()).unwrap();
        assert!(Still::look(&path).is_none(), "somebody has it open");
        other.write("write", |sql| Ok(sql.execute_batch("CREATE TABLE x (x)")?)).unwrap();
        read().expect("what is written stands in the log until somebody takes it over");
        drop(other);
        match read() {
            Err(StoreError::Failed { context: _, source }) => {
                assert!(source.to_string().contains("run this command again"), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }
}
