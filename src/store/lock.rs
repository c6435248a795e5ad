//! Exclusion: one process at a time per connection, and one daemon, by locks on files beside the
//! store. The kernel frees them when their holder dies, so nothing is ever left to clean up.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Store, StoreError};
use crate::name::ConnectionName;

/// Held while a connection is worked on; dropping it lets the next one in.
#[derive(Debug)]
pub struct ConnectionLock {
    _file: File,
}

/// Held by the daemon all its life.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

impl Store {
    /// Locks a connection for `command` (`sync`), whose name the others will read.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names who holds it; [`StoreError::Unusable`]: the store's file is gone.
    pub async fn lock(
        &self,
        connection: &ConnectionName,
        command: &str,
        now: DateTime<Utc>,
    ) -> Result<ConnectionLock, StoreError> {
        let Self::Sqlite(db) = self;
        db.refuse_removed()?;
        let file = take(&beside(db.path(), &format!("connection-{connection}")), command, now, |holder| {
            format!("connection {connection} is in use ({holder})")
        })?;
        Ok(ConnectionLock { _file: file })
    }

    /// Locks the store for the daemon.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names who holds it.
    pub async fn lock_daemon(&self, now: DateTime<Utc>) -> Result<DaemonLock, StoreError> {
        let Self::Sqlite(db) = self;
        let file = take(&beside(db.path(), "daemon"), "run", now, |holder| {
            format!("another daemon works on {} ({holder})", db.path().display())
        })?;
        Ok(DaemonLock { _file: file })
    }
}

/// `clearpoint.db` → `clearpoint.db.daemon.lock`
pub(super) fn beside(store: &Path, what: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(format!(".{what}.lock"));
    path.into()
}

/// Takes the lock that this file is, for as long as it is open.
pub(super) fn take(
    path: &Path,
    command: &str,
    now: DateTime<Utc>,
    busy: impl FnOnce(&str) -> String,
) -> Result<File, StoreError> {
    let unusable = |error| StoreError::Unusable(format!("cannot lock {}: {error}", path.display()));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(path)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::Busy(busy(&holder(&mut file)))),
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    let since = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = format!("pid {}, {command} since {since}\n", std::process::id());
    // For people only: on a full disk the lock stands without it.
    let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
    Ok(file)
}

/// What the holder wrote about itself; it may not have got to it yet.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    match text.trim() {
        "" => "another process".into(),
        _ if read.is_err() => "another process".into(),
        line => line.chars().filter(|c| !c.is_control()).collect(),
    }
}
