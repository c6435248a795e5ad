//! Accounts: what the identity gate compares with, what a person released, and what the operator
//! wrote down about keys.

use chrono_tz::Tz;

use super::sql::{Fault, Sql, ToCell, numbered, unreadable};
use super::{HELD_VALUES, Store, StoreError, runs};
use crate::element::ElementId;
use crate::expiry;
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
        self.read("read the connections", |sql| {
            let mut statement = sql.prepare_cached("SELECT name FROM connections ORDER BY name")?;
            statement.query_map((), |row| Ok(ConnectionName::parse(row.text(0)?)?))
        })
        .await
    }

    /// The account that was accepted; `None` before the first one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn account(&self, connection: &ConnectionName) -> Result<Option<Account>, StoreError> {
        self.read(format!("read the account of {connection}"), |sql| account(sql, connection)).await
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
        self.write_of(connection, format!("accept the account of {connection}"), |sql| {
            accept(sql, connection, base_url, visible)
        })
        .await
    }

    /// Lets the next run of a connection accept what it sees, and asks for it to be a full one; `false`:
    /// there is no such account.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn release_connection(&self, connection: &ConnectionName) -> Result<bool, StoreError> {
        self.write_of(connection, format!("release {connection}"), |sql| {
            let changed = sql.execute(
                "UPDATE connections SET is_released = TRUE WHERE name = ?1 AND base_url IS NOT NULL",
                [connection.as_str()],
            )?;
            runs::ask_for_full(sql, connection)?;
            Ok(changed == 1)
        })
        .await
    }

    /// Takes back a release that no run has used yet: it was given for what another key shows.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn withdraw_release(&self, connection: &ConnectionName) -> Result<(), StoreError> {
        self.write_of(connection, format!("take back the release of {connection}"), |sql| {
            let name = connection.as_str();
            sql.execute(
                "UPDATE connections SET is_released = FALSE WHERE name = ?1 AND is_released",
                [name],
            )?;
            Ok(())
        })
        .await
    }

    /// Whether something waits for a full run, whatever the schedule says: a person released the account
    /// or held removals, or an incremental run found what only a full one can tell.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn waits_for_full(&self, connection: &ConnectionName) -> Result<bool, StoreError> {
        self.read(format!("read what {connection} waits for"), |sql| {
            let mut asked = sql.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM connections WHERE name = ?1 AND is_released)
                   OR EXISTS (SELECT 1 FROM held WHERE connection = ?1 AND is_released AND kind <> ?2)
                   OR EXISTS (SELECT 1 FROM runs WHERE connection = ?1 AND mode = 'incremental'
                     AND needs_full AND id > coalesce((SELECT max(id) FROM runs WHERE connection = ?1
                       AND mode = 'full' AND outcome IN ('ok', 'partial')), 0))",
            )?;
            asked.query_row((connection.as_str(), HELD_VALUES), |row| row.get(0))
        })
        .await
    }

    /// How many runs in a row found the door closed, also before any account was accepted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn doors_closed(&self, connection: &ConnectionName) -> Result<u32, StoreError> {
        self.read(format!("read the account of {connection}"), |sql| {
            let count = sql
                .prepare_cached("SELECT doors_closed FROM connections WHERE name = ?1")?
                .query_first([connection.as_str()], |row| row.get(0))?;
            Ok(count.unwrap_or(0))
        })
        .await
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
        self.write_of(connection, format!("remember the closed door of {connection}"), |sql| {
            sql.execute(
                "INSERT INTO connections (name, doors_closed) SELECT ?1, CAST(?2 AS bigint)
                 WHERE CAST(?2 AS bigint) <> 0 OR EXISTS (SELECT 1 FROM connections WHERE name = ?1)
                 ON CONFLICT (name) DO UPDATE SET doors_closed = ?2
                 WHERE connections.doors_closed <> ?2",
                (connection.as_str(), count),
            )?;
            Ok(())
        })
        .await
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
        self.write_of(connection, format!("record the keys of {connection}"), |sql| {
            sql.execute(
                "INSERT INTO connections (name, mapped_user, timezone) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET mapped_user = ?2, timezone = ?3,
                   mapped_user_looked_at =
                     CASE WHEN connections.mapped_user IS NOT DISTINCT FROM ?2 THEN connections.mapped_user_looked_at END
                 WHERE connections.mapped_user IS DISTINCT FROM ?2 OR connections.timezone IS DISTINCT FROM ?3",
                (connection.as_str(), mapped_user, timezone.name()),
            )?;
            record_keys(sql, connection, timezone, keys)
        }).await
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
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        self.read(format!("read names of {connection}"), |sql| {
            let asked = numbered(3, names.len());
            let mut statement = sql.prepare_cached(&format!(
                "SELECT kind, id, name FROM elements
                 WHERE connection = ?1 AND state = 'present' AND name <> ''
                   AND kind IN ({asked})
                 ORDER BY kind = 'scorecards', changed_at DESC, id LIMIT ?2",
            ))?;
            let head = [connection.as_str().to_cell(), limit.to_cell()];
            let values: Vec<_> = head.into_iter().chain(names.iter().map(ToCell::to_cell)).collect();
            statement.query_map(&values[..], |row| {
                let name = row.text(0)?;
                let kind = kinds.iter().find(|kind| kind.name.as_str() == name);
                let kind = kind.ok_or_else(|| unreadable(format!("kind {name} was not asked for")))?;
                Ok((kind, ElementId(row.get(1)?), row.get(2)?))
            })
        })
        .await
    }
}

/// Keeps the accepted account, if it differs.
pub(super) fn accept(
    sql: &Sql<'_>,
    connection: &ConnectionName,
    base_url: &str,
    visible: &[ElementId],
) -> Result<(), Fault> {
    let accepted = serde_json::to_string(visible)?;
    sql.execute(
        "INSERT INTO connections (name, base_url, accepted) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET base_url = ?2, accepted = ?3, is_released = FALSE
         WHERE connections.base_url IS DISTINCT FROM ?2 OR connections.accepted <> ?3 OR connections.is_released",
        (connection.as_str(), base_url, accepted),
    )?;
    Ok(())
}

fn account(sql: &Sql<'_>, connection: &ConnectionName) -> Result<Option<Account>, Fault> {
    sql.prepare_cached(
        "SELECT base_url, accepted, is_released, doors_closed FROM connections
         WHERE name = ?1 AND base_url IS NOT NULL",
    )?
    .query_first([connection.as_str()], |row| {
        let accepted = serde_json::from_str(row.text(1)?)
            .map_err(|error| unreadable(format!("the accepted scorecards: {error}")))?;
        Ok(Account { base_url: row.get(0)?, accepted, is_released: row.get(2)?, doors_closed: row.get(3)? })
    })
}

fn record_keys(sql: &Sql<'_>, connection: &ConnectionName, timezone: Tz, keys: &[&Key]) -> Result<(), Fault> {
    let mut upsert = sql.prepare_cached(
        "INSERT INTO keys (connection, slot, name, expires, lapses_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (connection, slot) DO UPDATE SET name = ?3, expires = ?4, lapses_at = ?5
         WHERE keys.name <> ?3 OR keys.expires IS DISTINCT FROM ?4 OR keys.lapses_at IS DISTINCT FROM ?5",
    )?;
    for key in keys {
        let expires = key.expires.map(|date| date.to_string());
        let lapses_at = key.expires.map(|date| expiry::lapses_at(date, timezone));
        upsert.execute((connection.as_str(), key.slot.as_str(), &key.name, expires, lapses_at))?;
    }
    let mut named = vec![connection.as_str()];
    named.extend(keys.iter().map(|key| key.slot.as_str()));
    let kept = numbered(2, keys.len());
    for table in ["keys", "key_states"] {
        let gone = format!("DELETE FROM {table} WHERE connection = ?1 AND slot NOT IN ({kept})");
        sql.execute(&gone, &named[..])?;
    }
    Ok(())
}
