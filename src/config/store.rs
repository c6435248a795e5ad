//! `[store.sqlite]` and `[store.postgres]`: where the copy is kept. One of them is in force.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use super::own_files::is_own_file;
use super::postgres::{self, Postgres};
use super::raw::Section;
use super::values;

const HOUR: Duration = Duration::from_secs(3600);

/// Where the copy is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// `[store.sqlite]`
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The copy for readers, if one is wanted.
        publish: Option<Publish>,
    },
    /// `[store.postgres]`
    Postgres(Postgres),
}

/// `store.sqlite.publish`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The copy.
    pub path: PathBuf,
    /// The copy is made anew this often, at most.
    pub every: Duration,
}

impl Store {
    /// The SQLite file at `path`, without a copy for readers.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite { path: path.into(), publish: None }
    }

    /// The file, where the store is one.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path, .. } => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The copy for readers, if one is wanted.
    #[must_use]
    pub fn publish(&self) -> Option<&Publish> {
        match self {
            Self::Sqlite { publish, .. } => publish.as_ref(),
            Self::Postgres(_) => None,
        }
    }

    /// The database, where the store is one.
    #[must_use]
    pub fn postgres(&self) -> Option<&Postgres> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres(postgres) => Some(postgres),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path, .. } => path.display().fmt(f),
            Self::Postgres(postgres) => postgres.fmt(f),
        }
    }
}

/// What one daemon at a time has on a machine: its lock, which is its pulse too, lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonPlace {
    /// Beside the store, which is this file.
    Store(PathBuf),
    /// In this folder of its spools: the store is on no machine in particular.
    SpoolDir(PathBuf),
}

impl DaemonPlace {
    pub(super) fn of(store: &Store, spool_dir: &Path) -> Self {
        match store {
            Store::Sqlite { path, .. } => Self::Store(path.clone()),
            Store::Postgres(_) => Self::SpoolDir(spool_dir.to_owned()),
        }
    }

    /// What the lock's name begins with.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        match self {
            Self::Store(path) => path.clone(),
            Self::SpoolDir(folder) => folder.join("clearpoint-sync"),
        }
    }
}

pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<Store> {
    let is_in_both = section.has("postgres") && section.has("sqlite");
    if is_in_both {
        section.fault("postgres", "stands together with store.sqlite; keep one of them");
    }
    let (postgres, sqlite) = (section.optional("postgres"), section.section("sqlite"));
    let Some(postgres) = postgres else { return read_sqlite(sqlite, folder) };
    if is_in_both {
        read_sqlite(sqlite, folder);
    }
    postgres::read(postgres, folder).map(Store::Postgres)
}

fn read_sqlite(mut section: Section<'_>, folder: &Path) -> Option<Store> {
    let cure = "write the file's path (for example \"/var/lib/clearpoint-sync/clearpoint.db\")";
    let path = section.require("path", cure, |value| database_path(folder, value));
    let every = section.read("publish_every", values::duration("1m", "30d"));
    let wants_copy = section.has("publish");
    let publish = section.read("publish", |value| {
        let copy = database_path(folder, value)?;
        match &path {
            Some(path) if *path == copy => Err("is the store itself; name another file".to_owned()),
            Some(path) if is_own_file(path, &copy) => {
                Err("is a name that the store gives to its own log and locks; name another file".to_owned())
            }
            _ => Ok(copy),
        }
    });
    if !wants_copy && every.is_some() {
        section.fault("publish_every", "stands without publish; write both, or neither");
    }
    let publish = publish.map(|path| Publish { path, every: every.unwrap_or(HOUR) });
    Some(Store::Sqlite { path: path?, publish })
}

/// SQLite would take some texts for something else than a file.
fn database_path(folder: &Path, value: &Value) -> Result<PathBuf, String> {
    let typed = values::string(value, "a path in quotes")?;
    if typed.starts_with(':') || typed.starts_with("file:") || typed.ends_with('/') {
        return Err(format!("{typed:?} is no file; write a plain path"));
    }
    values::path(folder, value)
}
