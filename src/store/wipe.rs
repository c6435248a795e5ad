//! Makes what was deleted unreadable. SQLite leaves the text of deleted and of earlier rows in the free parts
//! of its file, also within pages that others still use, where no `secure_delete` reaches; so the file is
//! written anew, and the write-ahead log emptied.

use std::sync::PoisonError;

use rusqlite::Connection;

use super::lanes::blocking;
use super::publish::refuse_without_room;
use super::sql::Fault;
use super::sqlite::folder_of;
use super::upkeep::take_in_log;
use super::{Store, StoreError};

/// The file is written to a scratch file, and from there into the log.
const TIMES: u64 = 2;

impl Store {
    /// Takes out of the store's own files what was deleted, and gives a sentence for people that says how far
    /// that goes. Others may read meanwhile; who writes waits.
    ///
    /// # Errors
    /// It cannot be done now, for want of room or because others are at the store: what was deleted may still
    /// be found in the file.
    pub async fn wipe_freed(&self) -> Result<&'static str, StoreError> {
        let Self::Sqlite(db) = self else {
            return Ok(
                "the server frees its rows when it vacuums; its backups and its log are its administrator's",
            );
        };
        let Some(writer) = &db.writer else {
            return Err(StoreError::Unusable(format!("{} is open to read only", db.path().display())));
        };
        blocking(|| rewrite(&writer.lock().unwrap_or_else(PoisonError::into_inner), db.path())).map_err(
            |source| {
                let context = format!("cannot write {} anew without what was deleted", db.path().display());
                StoreError::Failed { context, source }
            },
        )?;
        Ok("the store's file was written anew and holds nothing of it any more")
    }
}

fn rewrite(sql: &Connection, store: &std::path::Path) -> Result<(), Fault> {
    let folder = folder_of(store);
    refuse_without_room(sql, folder, TIMES, "writing the store anew")?;
    // A container has no folder for temporary files, and one in memory would hold the whole store.
    let scratch = folder.to_str().ok_or("the path of the store's folder is not UTF-8")?;
    sql.pragma_update(None, "temp_store_directory", scratch)?;
    sql.pragma_update(None, "temp_store", "file")?;
    let written = sql.execute_batch("VACUUM");
    sql.pragma_update(None, "temp_store", "memory")?;
    written?;
    if !take_in_log(sql)? {
        return Err("another program reads an earlier state of it".into());
    }
    Ok(())
}
