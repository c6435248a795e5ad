//! Checked settings and the file they came from: read at the start, looked at anew by a reload and by
//! `config --check`.

use std::path::{Path, PathBuf};

use super::AppError;
use crate::clock::Clock;
use crate::config::problems::{Problem, Problems};
use crate::config::{Config, DaemonPlace, Postgres, STATE_DIR, Store};
use crate::file;
use crate::key::KeyPair;
use crate::name::ConnectionName;
use crate::notify::Notifier;
use crate::telemetry;

/// Checked settings and the file they came from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub config: Config,
}

impl Settings {
    /// Reads and checks the file, and starts logging as it says.
    ///
    /// # Errors
    /// [`AppError::Unreadable`] or [`AppError::Config`]: a person must change something.
    pub fn load(path: &Path, log: &str) -> Result<Self, AppError> {
        let settings = Self::read(path)?;
        telemetry::init(settings.config.log, log, Clock::System)?;
        Ok(settings)
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// Those of [`Settings::load`].
    pub fn read(path: &Path) -> Result<Self, AppError> {
        let (path, text) = read_file(path)?;
        let config = Config::parse_on(&text, &path, &spool_dir())?;
        Ok(Self { path, config })
    }

    /// Checks what the file's text alone does not tell: keys that two connections share, authorities that
    /// cannot be read.
    ///
    /// # Errors
    /// A person must change something.
    pub fn check(&self) -> Result<(), AppError> {
        refuse_shared_keys(&self.config)?;
        Notifier::new(&self.config.network)?;
        Ok(())
    }

    /// Refuses what a daemon that runs under `before` cannot take on: what it holds open, and what its
    /// runs reckon with until their ends.
    ///
    /// # Errors
    /// [`AppError::Config`] with every such key.
    pub fn refuse_fixed(&self, before: &Config) -> Result<(), AppError> {
        let now = &self.config;
        let mut fixed = vec![
            ("daemon.memory_max", now.daemon.memory_max != before.daemon.memory_max),
            ("server", now.server != before.server),
            ("log.format", now.log != before.log),
        ];
        fixed.extend(fixed_of_store(now, before));
        let problem = |(path, _): (&str, bool)| Problem {
            path: path.to_owned(),
            text: "cannot change while the daemon runs; put the old value back, or restart the daemon".into(),
        };
        let problems: Vec<_> = fixed.into_iter().filter(|(_, is_other)| *is_other).map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(Problems::new(&self.path, problems).into()) }
    }
}

/// What of the store cannot change, and whether it did. What lies at the password's place may: it is read at
/// each connect.
fn fixed_of_store(now: &Config, before: &Config) -> Vec<(&'static str, bool)> {
    match (&now.store, &before.store) {
        (Store::Sqlite { path: now, .. }, Store::Sqlite { path: before, .. }) => {
            vec![("store.sqlite.path", now != before)]
        }
        (Store::Postgres(after), Store::Postgres(known)) => {
            let Postgres {
                hosts,
                database,
                user,
                password,
                schema,
                tls,
                connect_timeout,
                statement_timeout,
                connections_max,
                lease,
            } = known;
            vec![
                ("store.postgres.host", after.hosts != *hosts),
                ("store.postgres.database", after.database != *database),
                ("store.postgres.user", after.user != *user),
                ("store.postgres.password", after.password != *password),
                ("store.postgres.schema", after.schema != *schema),
                ("store.postgres.tls", after.tls != *tls),
                ("store.postgres.connect_timeout", after.connect_timeout != *connect_timeout),
                ("store.postgres.statement_timeout", after.statement_timeout != *statement_timeout),
                ("store.postgres.connections_max", after.connections_max != *connections_max),
                ("store.postgres.lease", after.lease != *lease),
                // The daemon's lock lies there.
                ("daemon.spool_dir", now.daemon.spool_dir != before.daemon.spool_dir),
            ]
        }
        _ => vec![("store", true)],
    }
}

/// Where the daemon has its lock by the file at `path`, whatever else is wrong with it.
///
/// # Errors
/// Those of [`Settings::read`].
pub fn daemon_place(path: &Path) -> Result<DaemonPlace, AppError> {
    let (path, text) = read_file(path)?;
    Ok(Config::daemon_place_on(&text, &path, &spool_dir())?)
}

/// The store that the file at `path` names, whatever else stands there.
///
/// # Errors
/// The file cannot be read, or what it says of the store has faults.
pub(super) fn store_of(path: &Path) -> Result<Store, AppError> {
    let (path, text) = read_file(path)?;
    Ok(Config::store_alone(&text, &path)?)
}

/// Where spools go on this machine when nothing else says it.
fn spool_dir() -> PathBuf {
    let state = Path::new(STATE_DIR);
    if state.is_dir() { state.to_owned() } else { std::env::temp_dir() }
}

/// The file's text, and its path made absolute, so that what `config` prints means the same wherever it is
/// kept.
fn read_file(path: &Path) -> Result<(PathBuf, String), AppError> {
    let unreadable = |source| AppError::Unreadable { path: path.to_owned(), source };
    let path = std::path::absolute(path).map_err(unreadable)?;
    let text = file::read(&path, std::io::read_to_string).map_err(unreadable)?;
    Ok((path, text))
}

/// Refuses settings in which two connections hold the same access key: both would pull one account. A
/// key that cannot be read is told when its connection is asked, and so is one that is in both places
/// of one connection.
///
/// # Errors
/// [`AppError::Usage`] names both connections.
pub fn refuse_shared_keys(config: &Config) -> Result<(), AppError> {
    let mut seen: Vec<(&ConnectionName, KeyPair)> = Vec::new();
    for connection in &config.connections {
        let name = &connection.name;
        for key in connection.keys() {
            let Ok(pair) = KeyPair::read(name, key) else { continue };
            let is_shared = |(other, known): &&(&ConnectionName, KeyPair)| {
                *other != name && pair.shares_access_key(known)
            };
            if let Some((other, _)) = seen.iter().find(is_shared) {
                return Err(AppError::Usage(format!(
                    "connections {other} and {name} hold the same access key; keep one of them"
                )));
            }
            seen.push((name, pair));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSTGRES: &str = r#"[store.postgres]
        host = "db1"
        database = "strategy"
        user = "clearpoint"
        password = { file = "one" }
        lease = "60s"
        [connections.city.key]
        name = "Integration"
        access_key = { env = "ACCESS" }
        secret_key = { env = "SECRET" }
        "#;

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("/etc/config.toml")).unwrap()
    }

    /// What a daemon under the settings above says to others.
    fn refused(text: &str) -> String {
        let now = Settings { path: "/etc/config.toml".into(), config: parse(text) };
        now.refuse_fixed(&parse(POSTGRES)).map_or_else(|error| error.to_text(), |()| String::new())
    }

    #[test]
    fn nothing_of_a_database_can_change_in_a_running_daemon() {
        assert_eq!(refused(POSTGRES), "");
        for (was, is, key) in [
            ("db1", "db2", "store.postgres.host "),
            ("strategy", "other", "store.postgres.database "),
            ("\"one\"", "\"another\"", "store.postgres.password "),
            ("60s", "61s", "store.postgres.lease "),
            ("[conn", "[daemon]\nspool_dir = \"/tmp\"\n[conn", "daemon.spool_dir "),
        ] {
            let text = refused(&POSTGRES.replacen(was, is, 1));
            assert!(text.contains(key) && text.contains("1 problem\n"), "{text}");
        }
        let connection = POSTGRES.split_once("[conn").unwrap().1;
        let file = refused(&format!("[store.sqlite]\npath = \"store.db\"\n[conn{connection}"));
        assert!(file.contains("  store    cannot change"), "{file}");
    }
}
