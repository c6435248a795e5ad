//! Where a credential of systemd lies. A process that systemd started is given a folder of them; a
//! command run by hand, as root, looks where the shipped units take them from.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{SecretError, is_readable_by_others, read_file};

/// Where systemd puts the credentials of a process.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Whom systemd started: children inherit its other variables, but this one names a process.
const SYSTEMD_EXEC_PID: &str = "SYSTEMD_EXEC_PID";

/// The shipped units load a whole folder under this name, and systemd puts it before each file's own.
const FOLDER_NAME: &str = "clearpoint-sync_";

/// Where the shipped units take credentials from, and then where systemd itself looks for those that a
/// unit names without a path.
const FOLDERS: [&str; 4] =
    ["/etc/clearpoint-sync/credentials", "/etc/credstore", "/run/credstore", "/usr/lib/credstore"];

/// How this process comes by credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Giver {
    /// systemd, in this folder and nowhere else.
    Systemd(PathBuf),
    /// systemd started it from a unit that passes none.
    Nobody,
    /// It was started by hand, and looks into these folders. The first is the one that the units load whole.
    Hand(Vec<PathBuf>),
}

impl Giver {
    /// Reads the environment.
    #[expect(clippy::disallowed_methods, reason = "this is the home of secrets")]
    pub(super) fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self::choose(variable(CREDENTIALS_DIRECTORY), variable(SYSTEMD_EXEC_PID), std::process::id())
    }

    fn choose(directory: Option<OsString>, started: Option<OsString>, own: u32) -> Self {
        match (directory, started) {
            (Some(directory), _) => Self::Systemd(directory.into()),
            (None, Some(started)) if started == *OsStr::new(&own.to_string()) => Self::Nobody,
            _ => Self::Hand(FOLDERS.map(PathBuf::from).into()),
        }
    }

    /// The credential `name`, from the first place that has it.
    ///
    /// # Errors
    /// It is nowhere, or what is there cannot be read, or would not reach a service.
    pub(super) fn read(&self, at: &str, name: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let places: Vec<PathBuf> = match self {
            Self::Systemd(folder) => vec![folder.join(name), folder.join(format!("{FOLDER_NAME}{name}"))],
            Self::Nobody => return Err(SecretError::NoCredentials { at: at.to_owned() }),
            Self::Hand(folders) => folders.iter().map(|folder| folder.join(name)).collect(),
        };
        for (idx, place) in places.iter().enumerate() {
            let at = format!("{at} ({})", place.display());
            // Of a folder systemd takes files alone; what it is named one by one may be a link.
            if self.is_hand() && idx == 0 && place.is_symlink() {
                return Err(SecretError::Link { at });
            }
            match read_file(at.clone(), place) {
                Err(SecretError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
                Err(SecretError::Unreadable { error, .. })
                    if error.kind() == io::ErrorKind::PermissionDenied && self.is_hand() =>
                {
                    return Err(SecretError::RootAlone { at });
                }
                read => return read,
            }
        }
        Err(SecretError::NoCredential { at: at.to_owned(), folders: self.folders() })
    }

    fn is_hand(&self) -> bool {
        matches!(self, Self::Hand(_))
    }

    /// Where it was looked, for people.
    fn folders(&self) -> String {
        let folders = match self {
            Self::Systemd(folder) => std::slice::from_ref(folder),
            Self::Nobody => &[],
            Self::Hand(folders) => folders,
        };
        let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        folders.join(", ")
    }
}

/// The file that a credential is taken from, where every user of this machine may read it. What systemd has
/// made of it is for the service alone.
pub(super) fn exposed(name: &str) -> Option<PathBuf> {
    exposed_among(&FOLDERS.map(Path::new), name)
}

fn exposed_among(folders: &[&Path], name: &str) -> Option<PathBuf> {
    let lets_in =
        |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    let lets_in = folders.iter().filter(|folder| lets_in(folder));
    lets_in.map(|folder| folder.join(name)).find(|file| is_readable_by_others(file))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        folder
    }

    fn hand(folders: &[&TempDir]) -> Giver {
        Giver::Hand(folders.iter().map(|folder| folder.path().to_owned()).collect())
    }

    #[test]
    fn under_systemd_only_its_folder_counts() {
        let chosen = |directory: Option<&str>, started: Option<&str>| {
            Giver::choose(directory.map(Into::into), started.map(Into::into), 42)
        };
        assert_eq!(chosen(Some("/run/c"), None), Giver::Systemd("/run/c".into()));
        assert_eq!(chosen(None, Some("42")), Giver::Nobody);
        // A shell below some service inherits that service's number.
        assert!(chosen(None, Some("7")).is_hand());
        assert!(chosen(None, None).is_hand());
        let error = Giver::Nobody.read("key", "access").unwrap_err();
        assert!(matches!(error, SecretError::NoCredentials { .. }), "{error}");
    }

    #[test]
    fn a_credential_is_named_by_the_unit_or_by_the_folder_that_it_loads() {
        let given =
            folder(&[("access", "AK"), ("clearpoint-sync_access", "other"), ("clearpoint-sync_b", "B")]);
        let read = |name| Giver::Systemd(given.path().to_owned()).read("key", name);
        assert_eq!(*read("access").unwrap(), b"AK");
        assert_eq!(*read("b").unwrap(), b"B");
        let text = read("c").unwrap_err().to_string();
        assert!(text.starts_with(&format!("key is not in {}; ", given.path().display())), "{text}");
    }

    #[test]
    fn by_hand_the_first_folder_that_has_it_counts() {
        let (empty, first, second) = (folder(&[]), folder(&[("a", "1")]), folder(&[("a", "2"), ("b", "3")]));
        let hand = hand(&[&empty, &first, &second]);
        assert_eq!(*hand.read("key", "a").unwrap(), b"1");
        assert_eq!(*hand.read("key", "b").unwrap(), b"3");
        let text = hand.read("key", "c").unwrap_err().to_string();
        for folder in [&empty, &first, &second] {
            assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_link_in_the_folder_that_units_load_is_no_credential() {
        let (loaded, own) = (folder(&[("a", "1")]), folder(&[("c", "3")]));
        let link = |folder: &TempDir, name: &str| {
            std::os::unix::fs::symlink(loaded.path().join("a"), folder.path().join(name)).unwrap();
        };
        link(&loaded, "b");
        link(&own, "d");
        let hand = hand(&[&loaded, &own]);
        match hand.read("key", "b") {
            Err(SecretError::Link { at }) => {
                assert_eq!(at, format!("key ({})", loaded.path().join("b").display()));
            }
            other => panic!("{other:?}"),
        }
        // systemd follows those that a unit names.
        assert_eq!(*hand.read("key", "d").unwrap(), b"1");
    }

    #[test]
    fn a_credential_that_everybody_may_read_is_noticed() {
        let (first, second) = (folder(&[]), folder(&[("a", "1")]));
        let file = second.path().join("a");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let exposed = || exposed_among(&[first.path(), second.path()], "a");
        for (of_folder, of_file, expected) in [
            (0o700, 0o644, None),
            (0o755, 0o600, None),
            (0o755, 0o640, None),
            (0o711, 0o644, Some(file.clone())),
        ] {
            mode(second.path(), of_folder);
            mode(&file, of_file);
            assert_eq!(exposed(), expected, "{of_folder:o} {of_file:o}");
        }
    }

    #[test]
    fn a_credential_that_only_root_may_read_is_not_looked_for_elsewhere() {
        let (first, second) = (folder(&[("a", "1")]), folder(&[("a", "2")]));
        fs::set_permissions(first.path().join("a"), fs::Permissions::from_mode(0o000)).unwrap();
        match hand(&[&first, &second]).read("key", "a") {
            Err(SecretError::RootAlone { at }) => {
                assert_eq!(at, format!("key ({})", first.path().join("a").display()));
            }
            // Root reads whatever it likes.
            read => assert!(rustix::process::geteuid().is_root() && *read.unwrap() == *b"1"),
        }
    }

    #[test]
    fn the_shipped_units_load_what_is_looked_for() {
        for unit in ["clearpoint-sync.service", "clearpoint-sync-once.service"] {
            let text = fs::read_to_string(Path::new("systemd").join(unit)).unwrap();
            let line = format!("LoadCredential={}:{}", FOLDER_NAME.trim_end_matches('_'), FOLDERS[0]);
            assert!(text.lines().any(|found| found == line), "{unit} lacks {line}");
        }
    }
}
