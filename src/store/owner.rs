//! Whose the store's files are: what root makes by hand belongs to the owner of its folder, so that the
//! service can go on with it under its own user.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

/// Hands a new file at `path` to the owner and the group of its folder, where root made it.
///
/// A file that cannot be handed over stays root's: the service says so when it cannot open it.
pub(super) fn hand_over(file: &File, path: &Path) {
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    if let Some(folder) = folder.filter(|_| rustix::process::geteuid().is_root()) {
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_makes_belongs_to_the_owner_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(folder.path(), Some(65534), Some(65533)).unwrap();
        }
        let path = folder.path().join("clearpoint.db");
        let file = File::create(&path).unwrap();
        hand_over(&file, &path);
        let found = file.metadata().unwrap();
        // Everybody else's files are their own already.
        let expected =
            if is_root { (65534, 65533) } else { (rustix::process::geteuid().as_raw(), found.gid()) };
        assert_eq!((found.uid(), found.gid()), expected);
    }
}
