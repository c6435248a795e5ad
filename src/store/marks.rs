//! What moves in the store when somebody changes what is shown of a connection, whichever process that is:
//! cheap enough to be compared once a minute.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::sql::{Fault, Row, Sql};
use super::{Store, StoreError};
use crate::name::ConnectionName;

/// What was seen of a connection: another mark is another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The last run that ended.
    run: i64,
    /// Of how many kinds the last run, also one under way, is done.
    kinds: i64,
    /// Whether the last run, also one under way, asks for a full one.
    asks_for_full: i64,
    /// How much a person has released that no run has used yet.
    released: i64,
    /// Which warnings are open.
    warnings: i64,
    /// How often those were said.
    said: i64,
    /// When the server was last heard of a key.
    keys_asked_at: Option<DateTime<Utc>>,
}

/// What was seen of all connections that the store knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// How often something was forgotten for good, which leaves no other trace.
    pub forgets: i64,
    /// Each connection's.
    pub of: BTreeMap<ConnectionName, Mark>,
}

const FORGETS: &str = "forgets";

const MARKS: &str = "SELECT c.name,
   coalesce((SELECT r.id FROM runs AS r WHERE r.connection = c.name
     AND r.finished_at IS NOT NULL ORDER BY r.id DESC LIMIT 1), 0),
   (SELECT count(*) FROM run_kinds AS k
     WHERE k.run = (SELECT max(r.id) FROM runs AS r WHERE r.connection = c.name)),
   coalesce((SELECT CAST(CASE WHEN r.needs_full THEN 1 ELSE 0 END AS bigint) FROM runs AS r
     WHERE r.connection = c.name ORDER BY r.id DESC LIMIT 1), 0),
   CAST(CASE WHEN c.is_released THEN 1 ELSE 0 END AS bigint)
     + (SELECT count(*) FROM held AS h WHERE h.connection = c.name AND h.is_released),
   (SELECT CAST(coalesce(sum(w.id), 0) AS bigint) FROM warnings AS w
     WHERE w.connection = c.name AND w.resolved_at IS NULL),
   (SELECT CAST(coalesce(sum(w.said), 0) AS bigint) FROM warnings AS w
     WHERE w.connection = c.name AND w.resolved_at IS NULL),
   (SELECT max(k.asked_at) FROM key_states AS k WHERE k.connection = c.name)
 FROM connections AS c";

impl Store {
    /// The mark of one connection; `None`: the store does not know it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn mark(&self, connection: &ConnectionName) -> Result<Option<Mark>, StoreError> {
        self.read(format!("look what has moved of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(&format!("{MARKS} WHERE c.name = ?1"))?;
            Ok(statement.query_first([connection.as_str()], mark)?.map(|(_, mark)| mark))
        })
        .await
    }

    /// The marks of all connections that the store knows.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn marks(&self) -> Result<Marks, StoreError> {
        self.read("look what has moved", |sql| {
            let of = sql.prepare_cached(MARKS)?.query_map((), mark)?;
            let mut forgets = sql.prepare_cached("SELECT last FROM sequences WHERE name = ?1")?;
            let forgets = forgets.query_first([FORGETS], |row| row.get(0))?.unwrap_or_default();
            Ok(Marks { forgets, of: of.into_iter().collect() })
        })
        .await
    }
}

fn mark(row: &Row<'_>) -> Result<(ConnectionName, Mark), Fault> {
    let mark = Mark {
        run: row.get(1)?,
        kinds: row.get(2)?,
        asks_for_full: row.get(3)?,
        released: row.get(4)?,
        warnings: row.get(5)?,
        said: row.get(6)?,
        keys_asked_at: row.get(7)?,
    };
    Ok((ConnectionName::parse(row.text(0)?)?, mark))
}

/// Marks that something was forgotten.
pub(super) fn count_forget(sql: &Sql<'_>) -> Result<(), Fault> {
    sql.execute(
        "INSERT INTO sequences (name, last) VALUES (?1, 1)
         ON CONFLICT (name) DO UPDATE SET last = sequences.last + 1",
        [FORGETS],
    )?;
    Ok(())
}
