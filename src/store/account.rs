//! Accounts: what the identity gate compares with, what a person released, and what the operator
//! wrote down about keys.

use chrono_tz::Tz;
use rusqlite::{Connection, OptionalExtension};

use super::sqlite::{Fault, unreadable};
use super::{HELD_VALUES, Store, StoreError, runs};
use crate::element::ElementId;
use crate::gate::Account;
use crate::key::Key;
use crate::kind::Kind;
use crate::name::ConnectionName;

impl Store {
    /// Every connection the store knows, configured or not, in name order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn connections(&self) -> Result<Vec<ConnectionName>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read("read the connections", |sql| {
            let mut statement = sql.prepare_cached("SELECT name FROM connections ORDER BY name")?;
            let mut rows = statement.query([])?;
            let mut names = Vec::new();
            while let Some(row) = rows.next()? {
                names.push(ConnectionName::parse(row.get_ref(0)?.as_str()?)?);
            }
            Ok(names)
        })
    }

    /// The account that was accepted; `None` before the first one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn account(&self, connection: &ConnectionName) -> Result<Option<Account>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read the account of {connection}"), |sql| Ok(account(sql, connection)?))
    }

    /// Accepts the account behind `base_url` with the scorecards visible now, and so uses up a release.
    /// Writes only what differs.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn accept(
        &self,
        connection: &ConnectionName,
        base_url: &str,
        visible: &[ElementId],
    ) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("accept the account of {connection}"), |sql| {
            accept(sql, connection, base_url, visible)
        })
    }

    /// Lets the next run of a connection accept what it sees, and asks for it to be a full one; `false`:
    /// there is no such account.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn release_connection(&self, connection: &ConnectionName) -> Result<bool, StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("release {connection}"), |sql| {
            let changed = sql.execute(
                "UPDATE connections SET is_released = 1 WHERE name = ?1 AND base_url IS NOT NULL",
                [connection.as_str()],
            )?;
            runs::ask_for_full(sql, connection)?;
            Ok(changed == 1)
        })
    }

    /// Takes back a release that no run has used yet: it was given for what another key shows.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn withdraw_release(&self, connection: &ConnectionName) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("take back the release of {connection}"), |sql| {
            let name = connection.as_str();
            sql.execute("UPDATE connections SET is_released = 0 WHERE name = ?1 AND is_released", [name])?;
            Ok(())
        })
    }

    /// Whether something waits for a full run, whatever the schedule says: a person released the account
    /// or held removals, or an incremental run found what only a full one can tell.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn waits_for_full(&self, connection: &ConnectionName) -> Result<bool, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read what {connection} waits for"), |sql| {
            let mut asked = sql.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM connections WHERE name = ?1 AND is_released)
                   OR EXISTS (SELECT 1 FROM held WHERE connection = ?1 AND is_released AND kind <> ?2)
                   OR EXISTS (SELECT 1 FROM runs WHERE connection = ?1 AND mode = 'incremental'
                     AND needs_full AND id > coalesce((SELECT max(id) FROM runs WHERE connection = ?1
                       AND mode = 'full' AND outcome IN ('ok', 'partial')), 0))",
            )?;
            Ok(asked.query_row((connection.as_str(), HELD_VALUES), |row| row.get(0))?)
        })
    }

    /// How many runs in a row found the door closed, also before any account was accepted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn doors_closed(&self, connection: &ConnectionName) -> Result<u32, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read the account of {connection}"), |sql| {
            let count = sql
                .prepare_cached("SELECT doors_closed FROM connections WHERE name = ?1")?
                .query_row([connection.as_str()], |row| row.get(0))
                .optional()?;
            Ok(count.unwrap_or(0))
        })
    }

    /// Remembers how many runs in a row found the door closed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_doors_closed(
        &self,
        connection: &ConnectionName,
        count: u32,
    ) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("remember the closed door of {connection}"), |sql| {
            sql.execute(
                "INSERT INTO connections (name, doors_closed) SELECT ?1, ?2
                 WHERE ?2 <> 0 OR EXISTS (SELECT 1 FROM connections WHERE name = ?1)
                 ON CONFLICT (name) DO UPDATE SET doors_closed = ?2 WHERE doors_closed <> ?2",
                (connection.as_str(), count),
            )?;
            Ok(())
        })
    }

    /// Keeps what the operator declared about a connection, for the view `key_expiry`: all its keys,
    /// its mapped user, and the time zone its days count in. Forgets what was said of keys that are gone.
    /// Writes only what differs.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_keys(
        &self,
        connection: &ConnectionName,
        mapped_user: Option<&str>,
        timezone: Tz,
        keys: &[&Key],
    ) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("record the keys of {connection}"), |sql| {
            sql.execute(
                "INSERT INTO connections (name, mapped_user, timezone) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET mapped_user = ?2, timezone = ?3,
                   mapped_user_looked_at = CASE WHEN mapped_user IS ?2 THEN mapped_user_looked_at END
                 WHERE mapped_user IS NOT ?2 OR timezone IS NOT ?3",
                (connection.as_str(), mapped_user, timezone.name()),
            )?;
            Ok(record_keys(sql, connection, keys)?)
        })
    }

    /// At most `limit` elements of these kinds that people see, with their names, scorecards last: what
    /// the gate asks for directly when an account has too few scorecards to judge by.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn names<'k>(
        &self,
        connection: &ConnectionName,
        kinds: &'k [Kind],
        limit: u32,
    ) -> Result<Vec<(&'k Kind, ElementId, String)>, StoreError> {
        let Self::Sqlite(db) = self;
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        db.read(format_args!("read names of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT kind, id, name FROM elements
                 WHERE connection = ?1 AND state = 'present' AND name <> ''
                   AND kind IN (SELECT value FROM json_each(?2))
                 ORDER BY kind = 'scorecards', changed_at DESC, id LIMIT ?3",
            )?;
            let kinds_asked = serde_json::to_string(&names)?;
            let rows = statement.query_map((connection.as_str(), kinds_asked, limit), |row| {
                let name = row.get_ref(0)?.as_str()?;
                let kind = kinds.iter().find(|kind| kind.name.as_str() == name);
                let kind = kind.ok_or_else(|| unreadable(format!("kind {name} was not asked for")))?;
                Ok((kind, ElementId(row.get(1)?), row.get(2)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Keeps the accepted account, if it differs.
pub(super) fn accept(
    sql: &Connection,
    connection: &ConnectionName,
    base_url: &str,
    visible: &[ElementId],
) -> Result<(), Fault> {
    let accepted = serde_json::to_string(visible)?;
    sql.execute(
        "INSERT INTO connections (name, base_url, accepted) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET base_url = ?2, accepted = ?3, is_released = 0
         WHERE base_url IS NOT ?2 OR accepted IS NOT ?3 OR is_released <> 0",
        (connection.as_str(), base_url, accepted),
    )?;
    Ok(())
}

fn account(sql: &Connection, connection: &ConnectionName) -> rusqlite::Result<Option<Account>> {
    sql.prepare_cached(
        "SELECT base_url, accepted, is_released, doors_closed FROM connections
         WHERE name = ?1 AND base_url IS NOT NULL",
    )?
    .query_row([connection.as_str()], |row| {
        let accepted = serde_json::from_str(row.get_ref(1)?.as_str()?)
            .map_err(|error| unreadable(format!("the accepted scorecards: {error}")))?;
        Ok(Account { base_url: row.get(0)?, accepted, is_released: row.get(2)?, doors_closed: row.get(3)? })
    })
    .optional()
}

fn record_keys(sql: &Connection, connection: &ConnectionName, keys: &[&Key]) -> rusqlite::Result<()> {
    let mut upsert = sql.prepare_cached(
        "INSERT INTO keys (connection, slot, name, expires) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (connection, slot) DO UPDATE SET name = ?3, expires = ?4
         WHERE name <> ?3 OR expires IS NOT ?4",
    )?;
    for key in keys {
        let expires = key.expires.map(|date| date.to_string());
        upsert.execute((connection.as_str(), key.slot.as_str(), &key.name, expires))?;
    }
    let slots: Vec<&str> = keys.iter().map(|key| key.slot.as_str()).collect();
    let slots = serde_json::json!(slots).to_string();
    sql.prepare_cached(
        "DELETE FROM keys WHERE connection = ?1 AND slot NOT IN (SELECT value FROM json_each(?2))",
    )?
    .execute((connection.as_str(), &slots))?;
    sql.prepare_cached(
        "DELETE FROM key_states WHERE connection = ?1 AND slot NOT IN (SELECT value FROM json_each(?2))",
    )?
    .execute((connection.as_str(), slots))?;
    Ok(())
}
