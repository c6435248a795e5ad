//! The names of the files that a store in a file has beside it: SQLite's log, the index of that, its journal, and
//! the locks of this program. Nothing else may be put there, and all else may.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

const LOG: &str = "-wal";
const INDEX: &str = "-shm";
const JOURNAL: &str = "-journal";
const LOCK: &str = ".lock";

/// Where SQLite writes what is not in the file yet: `clearpoint.db` → `clearpoint.db-wal`
#[must_use]
pub fn write_ahead_log(store: &Path) -> PathBuf {
    with(store, LOG)
}

/// The lock for something: `clearpoint.db` → `clearpoint.db.daemon.lock`
#[must_use]
pub fn lock_file(store: &Path, what: &str) -> PathBuf {
    with(store, &format!(".{what}{LOCK}"))
}

/// Whether a file has a name that such a file of the store has, and lies in its folder.
#[must_use]
pub fn is_own_file(store: &Path, file: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.as_encoded_bytes().to_vec());
    let end =
        name(file).zip(name(store)).and_then(|(file, store)| Some(file.strip_prefix(&*store)?.to_vec()));
    let is_one = |end: Vec<u8>| {
        [LOG, INDEX, JOURNAL].iter().any(|name| end == name.as_bytes())
            || (end.starts_with(b".") && end.ends_with(LOCK.as_bytes()))
    };
    store.parent() == file.parent() && end.is_some_and(is_one)
}

fn with(store: &Path, end: &str) -> PathBuf {
    let mut path = OsString::from(store);
    path.push(end);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_its_log_and_its_locks_are_the_stores_and_no_others() {
        let store = Path::new("/srv/clearpoint.db");
        let is_own = |name: &str| is_own_file(store, &Path::new("/srv").join(name));
        for end in ["-wal", "-shm", "-journal", ".daemon.lock", ".connection-city.lock", ".publish.lock"] {
            assert!(is_own(&format!("clearpoint.db{end}")), "{end}");
        }
        for end in ["", ".copy", "-readers", "-wal.bak", "-readers.lock.db", ".bak"] {
            assert!(!is_own(&format!("clearpoint.db{end}")), "{end}");
        }
        assert!(!is_own("other.db-wal"));
        assert!(!is_own_file(store, Path::new("/else/clearpoint.db-wal")));
        assert!(
            is_own_file(store, &write_ahead_log(store)) && is_own_file(store, &lock_file(store, "daemon"))
        );
    }
}
