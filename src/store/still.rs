//! A store that nobody has open, and a user who may read it but write nothing beside it, where SQLite would
//! put the log and its index. Such a file is read as it lies there, and looked at again after each read:
//! locks would need the right to write too.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::Access;

use super::sqlite::folder_of;
use crate::config::write_ahead_log;

/// A file that nobody had open, as it was then.
#[derive(Debug)]
pub(super) struct Still {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
}

impl Still {
    /// The file at `path`, if it is to be read like that; `None`: SQLite's own way is open to this user.
    pub(super) fn of(path: &Path) -> Option<Self> {
        if may_write_beside(path) { None } else { Self::look(path) }
    }

    /// `None`: somebody has it open, or had when their process died.
    pub(super) fn look(path: &Path) -> Option<Self> {
        // Before it is looked for a log: whoever opens the file afterwards changes it later.
        let (modified, bytes) = state(path)?;
        (!write_ahead_log(path).exists()).then(|| Self { path: path.to_owned(), modified, bytes })
    }

    /// Whether nobody has written to it since. What others write stands in their log first; the file changes
    /// when that is taken over.
    pub(super) fn is_still(&self) -> bool {
        state(&self.path) == Some((self.modified, self.bytes))
    }

    /// What tells SQLite to look for no log and no locks.
    pub(super) fn uri(&self) -> String {
        let mut uri = String::from("file:");
        for byte in self.path.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
                byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
                byte => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri + "?immutable=1"
    }
}

/// Whether this user may write the file, and others beside it.
pub(super) fn may_write_beside(path: &Path) -> bool {
    let may = |path, what| rustix::fs::access(path, what).is_ok();
    may(folder_of(path), Access::WRITE_OK | Access::EXEC_OK) && may(path, Access::WRITE_OK)
}

fn state(path: &Path) -> Option<(SystemTime, u64)> {
    let file = path.metadata().ok()?;
    Some((file.modified().ok()?, file.len()))
}
