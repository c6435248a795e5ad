//! A file that is written beside its place, and put there once it is whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::app::AppError;
use crate::store::folder_of;

/// The mode of a new file, before the caller's umask.
const MODE: u32 = 0o640;

/// A file on its way; dropped, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Draft {
    file: NamedTempFile,
    to: PathBuf,
}

impl Draft {
    /// Begins a file that is to stand at `to`, which must be none of `kept`.
    ///
    /// # Errors
    /// [`AppError::Usage`]: what stands there is no plain file or must stay, or its folder cannot be written.
    pub(super) fn beside<'a>(to: &Path, kept: impl Iterator<Item = &'a Path>) -> Result<Self, AppError> {
        let shown = to.display();
        // A link stays a link: what it leads to is replaced.
        let to = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
        if fs::metadata(&to).is_ok_and(|there| !there.is_file()) {
            let text = format!("{shown} is no plain file; name another, or leave --output out and redirect");
            return Err(AppError::Usage(text));
        }
        for kept in kept {
            if fs::canonicalize(kept).is_ok_and(|kept| kept == to) {
                let text =
                    format!("{shown} belongs to clearpoint-sync itself; name another file in --output");
                return Err(AppError::Usage(text));
            }
        }
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let mode = fs::metadata(&to).map_or(MODE, |old| old.permissions().mode());
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".draft")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder_of(&to))
            .map_err(|error| {
                AppError::Usage(format!(
                    "cannot write beside {shown}: {error}; name a file in a folder that this user may write to"
                ))
            })?;
        Ok(Self { file, to })
    }

    /// Puts the whole file in its place.
    ///
    /// # Errors
    /// It cannot be written down for good, or not renamed: what stood there stays.
    pub(super) fn put_in_place(self) -> io::Result<()> {
        let Self { file, to } = self;
        file.as_file().sync_all()?;
        file.persist(&to)?;
        File::open(folder_of(&to))?.sync_all()
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
