//! What went wrong with the file of a store, in words that a person can act on.

use std::fmt::Display;
use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use super::StoreError;
use super::sql::Fault;
use super::sqlite::BUSY_TIMEOUT;

/// Turns a fault into what the caller does about it.
pub(super) fn explain(path: &Path, doing: impl Display, fault: Fault) -> StoreError {
    let code = fault.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    let at = path.display();
    match code {
        Some(ErrorCode::NotADatabase) => StoreError::Unusable(format!(
            "{at} is no SQLite database; name another file in store.sqlite.path"
        )),
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Unusable(format!(
            "{at} is damaged ({fault}); move it away and sync anew, or restore it from a backup"
        )),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::Unusable(format!(
                "cannot {doing}: {at}: {fault}; let this user read and write the file and its directory"
            ))
        }
        Some(ErrorCode::DiskFull) => failed(format!("cannot {doing}: no space left for {at}"), fault),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => failed(
            format!("cannot {doing}: another program has held {at} for {} s", BUSY_TIMEOUT.as_secs()),
            fault,
        ),
        _ => failed(format!("cannot {doing} in {at}"), fault),
    }
}

/// A fault with what was being done.
pub(super) fn failed(context: String, source: Fault) -> StoreError {
    StoreError::Failed { context, source }
}

/// What a person does where a file of the store cannot be made or written.
pub(super) fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "make its directory first",
        io::ErrorKind::PermissionDenied => "let this user write to its directory",
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount its file system so that it can be written, or name its folder in ReadWritePaths= of the unit"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its disk",
        _ => "see store.sqlite.path",
    }
}
