//! Whose the store's files are: what root makes by hand belongs to the owner of its folder, so that the
//! service can go on with it under its own user.

use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::sqlite::folder_of;
use crate::config::is_own_file;

/// Hands a new file at `path` to the owner and the group of its folder, where root made it.
///
/// A file that cannot be handed over stays root's: [`unusable_by_owner`] finds it, and the service says so
/// when it cannot open it.
pub(super) fn hand_over(file: &File, path: &Path) {
    if let Some(folder) = folder_for_root(path) {
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

/// As [`hand_over`], for a file that the group of its folder reads if it may look into the folder: root's
/// umask, made for other things, says nothing about that.
pub(super) fn hand_over_to_read(file: &File, path: &Path) {
    hand_over(file, path);
    if let Some(folder) = folder_for_root(path) {
        let _ = file.set_permissions(Permissions::from_mode(0o600 | (folder.mode() & 0o040)));
    }
}

fn folder_for_root(path: &Path) -> Option<Metadata> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    folder_of(path).metadata().ok()
}

/// Which files of the store at `path` the owner of its folder could not use, for people, with what to do. For
/// root to ask, who may use them all: the service runs as that owner.
#[must_use]
pub fn unusable_by_owner(path: &Path) -> Vec<String> {
    let folder = folder_of(path).metadata().ok().filter(|folder| folder.uid() != 0);
    let Some(folder) = folder else { return Vec::new() };
    files(path).iter().filter_map(|file| refusal(file, &folder)).collect()
}

/// The store itself, and its own files beside it.
fn files(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    let beside = entries.map(|entry| path.with_file_name(entry.file_name()));
    let mut files: Vec<PathBuf> = beside.filter(|file| is_own_file(path, file)).collect();
    files.push(path.to_owned());
    files.sort();
    files
}

fn refusal(path: &Path, folder: &Metadata) -> Option<String> {
    let file = path.metadata().ok()?;
    let needed = match (file.uid() == folder.uid(), file.gid() == folder.gid()) {
        (true, _) => 0o600,
        (false, true) => 0o060,
        (false, false) => 0o006,
    };
    let (uid, gid, shown) = (folder.uid(), folder.gid(), path.display());
    (file.mode() & needed != needed).then(|| {
        format!(
            "user {uid}, who owns the folder, may not read and write {shown}; run: chown {uid}:{gid} {shown} && \
             chmod 640 {shown}"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn what_root_makes_belongs_to_the_owner_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            chown(folder.path(), Some(65534), Some(65533)).unwrap();
        }
        let path = folder.path().join("clearpoint.db");
        let file = File::create(&path).unwrap();
        hand_over(&file, &path);
        let found = file.metadata().unwrap();
        // Everybody else's files are their own already.
        let expected =
            if is_root() { (65534, 65533) } else { (rustix::process::geteuid().as_raw(), found.gid()) };
        assert_eq!((found.uid(), found.gid()), expected);
    }

    #[test]
    fn the_folder_and_not_roots_umask_says_whether_its_group_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clearpoint.db");
        let file = File::create(&path).unwrap();
        for (of_folder, expected) in [(0o750, 0o640), (0o700, 0o600), (0o755, 0o640)] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(of_folder)).unwrap();
            // As a umask of 077 leaves it.
            file.set_permissions(Permissions::from_mode(0o600)).unwrap();
            hand_over_to_read(&file, &path);
            let expected = if is_root() { expected } else { 0o600 };
            assert_eq!(file.metadata().unwrap().mode() & 0o777, expected, "{of_folder:o}");
        }
    }

    #[test]
    fn files_that_the_owner_of_the_folder_could_not_use_are_named() {
        if !is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        chown(folder.path(), Some(65534), Some(65533)).unwrap();
        let store = folder.path().join("clearpoint.db");
        let make = |name: &str, owner: (u32, u32), mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            chown(&path, Some(owner.0), Some(owner.1)).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        make("clearpoint.db", (65534, 65533), 0o640);
        make("clearpoint.db.daemon.lock", (0, 65533), 0o660);
        make("clearpoint.db.bak", (0, 0), 0o600);
        make("another.db-wal", (0, 0), 0o600);
        assert_eq!(unusable_by_owner(&store), [""; 0]);
        make("clearpoint.db", (0, 0), 0o600);
        make("clearpoint.db-wal", (0, 65533), 0o640);
        make("clearpoint.db.connection-city.lock", (65534, 65533), 0o400);
        let found = unusable_by_owner(&store);
        let names = ["clearpoint.db", "clearpoint.db-wal", "clearpoint.db.connection-city.lock"];
        assert_eq!(found.len(), names.len(), "{found:?}");
        for (text, name) in found.iter().zip(names) {
            let path = folder.path().join(name);
            assert!(text.contains(&format!("run: chown 65534:65533 {} &&", path.display())), "{text}");
        }
        chown(folder.path(), Some(0), Some(0)).unwrap();
        assert_eq!(unusable_by_owner(&store), [""; 0], "root, who owns it, may do everything");
    }
}
