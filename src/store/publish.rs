//! A copy of the store for readers: one file that no program writes to, put in the old one's place whole
//! or not at all.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use super::lanes::blocking;
use super::owner::hand_over;
use super::schema::APPLICATION_ID;
use super::sql::Fault;
use super::sqlite::{Sqlite, folder_of, reader};
use super::{Store, StoreError, lock};
use crate::config::lock_file;

/// What a copy takes besides the pages of the store: its journal while it is made fit for readers.
const ROOM_BESIDES: u64 = 1 << 20;

/// A copy as it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// The last change in it; changes are counted from 1 and never again.
    pub sequence: i64,
    /// What it takes on the disk.
    pub bytes: u64,
}

impl Store {
    /// The last change that the store has ever written down, also when that was forgotten since; 0: none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_change(&self) -> Result<i64, StoreError> {
        self.read("read the last change", |sql| {
            sql.prepare_cached(LAST_CHANGE)?.query_row((), |row| row.get(0))
        })
        .await
    }

    /// Refuses a place for the copy that is the store's own, under whatever name.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]: it is.
    pub fn refuse_own(&self, place: &Path) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) => db.refuse_itself(place),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Puts a copy of the store at `to`, without what is of no use to readers: marks of keys, and messages
    /// on their way. `None`: another process is at it, or the store is no file.
    ///
    /// # Errors
    /// There is no room, the folder cannot be written, or what lies at `to` is the store itself or no copy: it
    /// stays as it is.
    pub async fn publish(&self, to: &Path, now: DateTime<Utc>) -> Result<Option<Copy>, StoreError> {
        let Self::Sqlite(db) = self else { return Ok(None) };
        db.refuse_removed()?;
        db.refuse_itself(to)?;
        let path = lock_file(db.path(), "publish");
        let _lock = match lock::lock(&path, |holder| holder.to_owned()) {
            Err(StoreError::Busy(_)) => return Ok(None),
            taken => taken?,
        };
        // A link stays a link: what it leads to is replaced.
        let to = &led_to(to);
        // Other stores may have a copy there, whose drafts must not be mixed with this one.
        let _folder = match File::open(folder_of(to)).map(lock::Locked::take) {
            Ok(Err(TryLockError::WouldBlock)) => return Ok(None),
            taken => taken,
        };
        let draft = draft_beside(to);
        let made = blocking(|| make(db, &draft, to, now));
        if made.is_err() {
            // What is left of it would only take room; the next try begins anew either way.
            let _ = fs::remove_file(&draft);
        }
        let stays = if to.exists() { "; the old one stays" } else { "" };
        let context = || format!("cannot publish a copy at {}{stays}", to.display());
        let made = made.map(Some).map_err(|source| StoreError::Failed { context: context(), source });
        db.closing.answer(made).await
    }
}

impl Copy {
    /// The copy that lies at `path`; `None`: nothing there, or nothing that can be read as one.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        // To open a pipe waits for ever.
        if !file.is_file() {
            return None;
        }
        let sequence = reader(path).and_then(|sql| last_change(&sql)).ok()?;
        Some(Self { made_at: file.modified().ok()?.into(), sequence, bytes: file.len() })
    }
}

/// Why what lies at `path` must not be replaced, for people; `None`: nothing does, or a copy.
#[must_use]
pub fn keep_reason(path: &Path) -> Option<String> {
    let shown = path.display();
    let is_ours = match look(path) {
        // Whoever makes the file beforehand chooses its mode.
        Ok(found) if found.is_file() && found.len() == 0 => true,
        Ok(found) => found.is_file() && reader(path).and_then(|sql| is_copy(&sql)) == Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            return Some(format!(
                "cannot look at {shown}: {error}; let this user read it and write to its folder, or name \
                 another file in store.sqlite.publish"
            ));
        }
    };
    (!is_ours).then(|| {
        format!("{shown} is no copy that clearpoint-sync made; move it away, or name another file in store.sqlite.publish")
    })
}

/// What lies there; an error also where it is a file that this user may not read.
fn look(path: &Path) -> io::Result<fs::Metadata> {
    let found = fs::metadata(path)?;
    // To open a pipe waits for ever.
    if found.is_file() {
        File::open(path)?;
    }
    Ok(found)
}

/// A store has a write-ahead log, and from its first run on a key for its marks; a copy has neither.
fn is_copy(sql: &Connection) -> rusqlite::Result<bool> {
    let application: i32 = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let journal: String = sql.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if application != APPLICATION_ID || journal != "delete" {
        return Ok(false);
    }
    sql.query_row("SELECT NOT EXISTS (SELECT 1 FROM mark_key)", [], |row| row.get(0))
}

fn make(db: &Sqlite, draft: &Path, to: &Path, now: DateTime<Utc>) -> Result<Copy, Fault> {
    if let Some(reason) = keep_reason(to) {
        return Err(reason.into());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sql = Connection::open_with_flags(db.path(), flags)?;
    db.closing.breaks_off(&mut sql)?;
    refuse_without_room(&sql, folder_of(draft), 1, "a copy")?;
    remove_if_there(draft)?;
    // Made before SQLite fills it, and known by its handle from here on: root, by hand, works in a folder
    // whose owner could put a link in its place.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    hand_over(&file, draft);
    let name = draft.to_str().ok_or("its path is not UTF-8")?;
    sql.execute("VACUUM INTO ?1", [name])?;
    drop(sql);
    let sequence = make_fit_for_readers(draft)?;
    let mode = fs::metadata(to).map_or(0o640, |old| old.permissions().mode());
    file.set_permissions(Permissions::from_mode(mode))?;
    file.set_modified(now.into())?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    fs::rename(draft, to)?;
    File::open(folder_of(to))?.sync_all()?;
    Ok(Copy { made_at: now, sequence, bytes })
}

/// Gives the last change in it.
fn make_fit_for_readers(draft: &Path) -> rusqlite::Result<i64> {
    let sql = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A reader that may not write its folder could not open a file with a write-ahead log; and what is
    // deleted leaves nothing behind.
    sql.execute_batch(
        "PRAGMA journal_mode = delete; PRAGMA secure_delete = on;
         BEGIN; DELETE FROM key_states; DELETE FROM mark_key; DELETE FROM deliveries;
           DELETE FROM imprints; COMMIT;",
    )?;
    last_change(&sql)
}

/// Numbers are given once: also what was forgotten since was counted.
const LAST_CHANGE: &str = "SELECT last FROM sequences WHERE name = 'changes'";

fn last_change(sql: &Connection) -> rusqlite::Result<i64> {
    sql.query_row(LAST_CHANGE, [], |row| row.get(0))
}

/// Refuses what needs a folder to take the store so many times over: half a copy on a full disk would stop
/// the store beside it too.
pub(super) fn refuse_without_room(
    sql: &Connection,
    folder: &Path,
    times: u64,
    what: &str,
) -> Result<(), Fault> {
    let pragma = |name| sql.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    let needed = pages * pragma("page_size")? * times + ROOM_BESIDES;
    let system = rustix::fs::statvfs(folder).map_err(io::Error::from)?;
    let free = system.f_bavail * system.f_frsize;
    if free < needed {
        let (needed, free) = (needed.div_ceil(1_000_000), free / 1_000_000);
        return Err(format!("{} has {free} MB free, and {what} needs {needed} MB", folder.display()).into());
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where a link leads, also where nothing is there yet; what is no link stays.
pub(super) fn led_to(path: &Path) -> PathBuf {
    let link = || fs::read_link(path).map_or_else(|_| path.to_owned(), |link| folder_of(path).join(link));
    fs::canonicalize(path).unwrap_or_else(|_| link())
}

/// `/srv/clearpoint.db` → `/srv/.clearpoint.db.draft`: beside it, so that putting it in place is one step.
fn draft_beside(to: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(".draft");
    to.with_file_name(name)
}
