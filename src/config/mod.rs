//! Settings: text → raw (as typed) → checked. [`Config::parse`] is pure (no file is read, no variable,
//! no clock) and reports every fault at once.

pub mod address;
mod connection;
mod in_force;
mod kinds;
mod own_files;
pub mod postgres;
pub mod problems;
mod raw;
mod server;
mod service;
mod store;
mod targets;
mod values;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize as _;
use url::Url;

use crate::key::Key;
use crate::kind::Kind;
use crate::name::ConnectionName;
use crate::schedule::Schedule;

pub use crate::network::{Network, Proxy};
pub use own_files::{is_own_file, lock_file, write_ahead_log};
pub use postgres::Postgres;
pub use server::Server;
pub use store::{DaemonPlace, Publish, Store};
pub use targets::{Email, Http, HttpFormat, Login, Target, Tls, Way};
pub use values::parse_duration;

use problems::Problems;
use raw::{Faults, Section};

/// Where the units and the image keep what the program writes.
pub const STATE_DIR: &str = "/var/lib/clearpoint-sync";

/// Checked settings: everything that holds one is proof that it was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the copy is kept.
    pub store: Store,
    /// Connections in name order.
    pub connections: Vec<Connection>,
    /// Limits shared by all connections to one host.
    pub host_limits: HostLimits,
    /// The daemon's own limits.
    pub daemon: Daemon,
    /// How ClearPoint is reached.
    pub network: Network,
    /// How long history is kept.
    pub history: History,
    /// When people are told.
    pub warnings: Warnings,
    /// The page and the metrics; `None`: not served.
    pub server: Option<Server>,
    /// How log lines look.
    pub log: LogFormat,
}

impl Config {
    /// Checks the text of the file at `path`. Relative paths in it count from that file's folder.
    ///
    /// # Errors
    /// Every fault, to be shown as it is; the exit code is 2. Where the text is no TOML, only that is
    /// said: what the rest means is not known yet.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Problems> {
        Self::parse_on(text, path, Path::new(STATE_DIR))
    }

    /// As [`Config::parse`], on a machine where spools go to `spool_dir` when neither the settings nor the
    /// place of the store name a folder.
    ///
    /// # Errors
    /// Those of [`Config::parse`].
    pub fn parse_on(text: &str, path: &Path, spool_dir: &Path) -> Result<Self, Problems> {
        let table = table(text, path)?;
        let faults = Faults::default();
        let config = Self::read(Section::root(table, &faults), path, spool_dir);
        let faults = faults.into_inner();
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(Problems::new(path, faults)),
        }
    }

    /// Where the daemon has its lock by the text of the file at `path`, whatever else is wrong with it; the
    /// rest is as in [`Config::parse_on`].
    ///
    /// # Errors
    /// Every fault of the file: one of them is about this.
    pub fn daemon_place_on(text: &str, path: &Path, spool_dir: &Path) -> Result<DaemonPlace, Problems> {
        let (table, _) = toml::de::DeTable::parse_recoverable(text.strip_prefix('\u{feff}').unwrap_or(text));
        let table = toml::Table::deserialize(toml::de::Deserializer::from(table)).unwrap_or_default();
        let faults = Faults::default();
        let mut root = Section::root(table, &faults);
        let folder = path.parent().unwrap_or(Path::new(""));
        let store = root.section("store");
        let place = match (store.has("sqlite"), store.has("postgres")) {
            (true, false) => store::read(store, folder).map(|store| DaemonPlace::of(&store, folder)),
            (false, true) => {
                let daemon = service::read_daemon(root.section("daemon"), folder, spool_dir);
                Some(DaemonPlace::SpoolDir(daemon.spool_dir))
            }
            _ => None,
        };
        place.map_or_else(|| Self::parse_on(text, path, spool_dir).map(|config| config.daemon_place()), Ok)
    }

    /// The store that the text of the file at `path` names; all else there is passed over.
    ///
    /// # Errors
    /// Every fault of the section, or of the file as TOML.
    pub fn store_alone(text: &str, path: &Path) -> Result<Store, Problems> {
        let mut table = table(text, path)?;
        table.retain(|key, _| key == "store");
        let faults = Faults::default();
        let folder = path.parent().unwrap_or(Path::new(""));
        let store = store::read(Section::root(table, &faults).section("store"), folder);
        let faults = faults.into_inner();
        match store {
            Some(store) if faults.is_empty() => Ok(store),
            _ => Err(Problems::new(path, faults)),
        }
    }

    /// Where the daemon has its lock.
    #[must_use]
    pub fn daemon_place(&self) -> DaemonPlace {
        DaemonPlace::of(&self.store, &self.daemon.spool_dir)
    }

    fn read(mut root: Section<'_>, path: &Path, spool_dir: &Path) -> Option<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let store = store::read(root.section("store"), folder);
        let known = kinds::read(&mut root);
        let connections = connection::read_all(&mut root, &known, folder);
        let daemon = read_daemon(&mut root, folder, store.as_ref(), spool_dir);
        Some(Self {
            connections,
            host_limits: service::read_host_limits(root.section("host_limits")),
            daemon,
            network: service::read_network(root.section("network"), folder),
            history: service::read_history(root.section("history")),
            warnings: service::read_warnings(root.section("warnings"), folder),
            server: server::read(&mut root),
            log: service::read_log(root.section("log")),
            store: store?,
        })
    }
}

/// Spools spill beside a store that is a file, for a container has no other folder.
fn read_daemon(root: &mut Section<'_>, folder: &Path, store: Option<&Store>, spool_dir: &Path) -> Daemon {
    let beside = match store {
        Some(Store::Sqlite { path, .. }) => path.parent().unwrap_or(folder),
        Some(Store::Postgres(_)) | None => spool_dir,
    };
    service::read_daemon(root.section("daemon"), folder, beside)
}

/// One API key on one ClearPoint account.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Its name.
    pub name: ConnectionName,
    /// Without a trailing slash; https, unless loopback or `allow_http`.
    pub base_url: Url,
    /// The account whose permissions the key carries, as declared.
    pub mapped_user: Option<String>,
    /// When to pull what changed.
    pub schedule: Schedule,
    /// When to pull everything.
    pub schedule_full: Schedule,
    /// Days are counted in it.
    pub timezone: Tz,
    /// What to pull, scorecards first.
    pub kinds: Vec<Kind>,
    /// Which measures' series of values to read.
    pub measure_data: MeasureData,
    /// Which single reads to make.
    pub details: Details,
    /// The key.
    pub key: Key,
    /// The key that takes over when the first is refused.
    pub next_key: Option<Key>,
    /// Limits of this connection.
    pub limits: Limits,
}

impl Connection {
    /// Its keys, the first one first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.key).chain(&self.next_key)
    }
}

/// `measure_data`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureData {
    /// Never.
    Off,
    /// Those that changed, and the seventh read longest ago at each full run.
    Changed,
    /// All, at each full run.
    All,
}

/// `details`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// Where single reads are seen to carry more than the list row, the changed ones.
    Auto,
    /// Never.
    Off,
    /// Those that changed, and the seventh read longest ago at each full run.
    Changed,
    /// All, at each full run.
    All,
}

impl MeasureData {
    /// The words of the file.
    pub const WORDS: [(&str, Self); 3] = [("off", Self::Off), ("changed", Self::Changed), ("all", Self::All)];
}

impl Details {
    /// The words of the file.
    pub const WORDS: [(&str, Self); 4] =
        [("auto", Self::Auto), ("off", Self::Off), ("changed", Self::Changed), ("all", Self::All)];
}

/// `[connections.NAME.limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Requests a second, at most.
    pub requests_per_second: f64,
    /// Requests under way at once, at most.
    pub concurrency: u32,
    /// Rows asked for in one page.
    pub page_size: u32,
    /// Longest wait for one answer.
    pub request_timeout: Duration,
    /// Share of a kind that may go out of sight in one run, in percent.
    pub removals_max: f64,
    /// Below this many removals the share does not count.
    pub removals_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 4.0,
            concurrency: 4,
            page_size: 200,
            request_timeout: Duration::from_secs(60),
            removals_max: 10.0,
            removals_min: 10,
        }
    }
}

/// `[host_limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct HostLimits {
    /// Requests a second to one host, at most.
    pub requests_per_second: f64,
    /// Requests under way at once to one host, at most.
    pub concurrency: u32,
}

/// `[daemon]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Runs under way at once, at most.
    pub runs_max: u32,
    /// Bytes for bodies and spools of all runs together.
    pub memory_max: u64,
    /// Where spools spill; by default beside a store that is a file.
    pub spool_dir: PathBuf,
}

/// `[history]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// How long change rows are kept.
    pub keep: Duration,
    /// How long run records are kept.
    pub runs_keep: Duration,
}

/// `[warnings]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warnings {
    /// Days left at which a key's expiry is said, and said more urgently; descending.
    pub key_expiry_days: Vec<u32>,
    /// How often an open warning is said again.
    pub remind_every: Duration,
    /// Who is told besides the log, in name order.
    pub targets: Vec<Target>,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Fields for the journal under systemd, text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// JSON lines.
    Json,
    /// Fields for the journal, wherever stderr leads.
    Journald,
}

impl LogFormat {
    /// The words of the file.
    pub const WORDS: [(&str, Self); 4] =
        [("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json), ("journald", Self::Journald)];
}

/// The file's text as TOML.
fn table(text: &str, path: &Path) -> Result<toml::Table, Problems> {
    // An editor of another system may leave a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (_, errors) = toml::de::DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(Problems::of_syntax(path, text, errors));
    }
    toml::from_str::<toml::Table>(text).map_err(|error| Problems::of_syntax(path, text, vec![error]))
}
