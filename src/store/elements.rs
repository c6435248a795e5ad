//! Looks at stored elements for the reconcile rules: the merge join, evidence, the `lastEdited` filter.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row};

use super::sqlite::{Fault, text, unreadable};
use super::{Store, StoreError};
use crate::element::{ElementId, Fingerprint, State};
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::{Plan, Stored};
use crate::reconcile;
use crate::snapshot::Snapshot;

impl Store {
    /// The difference between what is stored of a kind and `snapshot`. Streams ids and fingerprints,
    /// never documents.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn plan(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        snapshot: &Snapshot,
    ) -> Result<Plan, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("compare the {kind} of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT id, fingerprint, state FROM elements
                 WHERE kind = ?1 AND connection = ?2 ORDER BY id",
            )?;
            let rows = statement.query_map((kind.as_str(), connection.as_str()), stored)?;
            Ok(reconcile::plan(rows, snapshot)?)
        })
    }

    /// The scorecards that each of `ids` was last placed in; one without any is left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn placements_of(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        ids: &[ElementId],
    ) -> Result<BTreeMap<ElementId, Vec<ElementId>>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read where {kind} of {connection} are placed"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT scorecard_id FROM placements
                 WHERE kind = ?1 AND connection = ?2 AND id = ?3 ORDER BY scorecard_id",
            )?;
            each(ids, |id| {
                let key = (kind.as_str(), connection.as_str(), id.0);
                let placed = statement.query_map(key, |row| Ok(ElementId(row.get(0)?)))?;
                let placed = placed.collect::<rusqlite::Result<Vec<_>>>()?;
                Ok((!placed.is_empty()).then_some(placed))
            })
        })
    }

    /// At most `limit` elements whose stored `lastEdited` is exactly `cursor`: an incremental pull that
    /// asks for what changed before it must bring them back.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn expected(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        cursor: &str,
        limit: u32,
    ) -> Result<Vec<ElementId>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read what the {kind} of {connection} must bring back"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT id FROM elements AS e
                 WHERE kind = ?1 AND connection = ?2 AND last_edited = ?3 AND state = 'present'
                   AND NOT EXISTS (SELECT 1 FROM missing AS m
                     WHERE m.kind = e.kind AND m.connection = e.connection AND m.id = e.id)
                 ORDER BY id LIMIT ?4",
            )?;
            let key = (kind.as_str(), connection.as_str(), cursor, limit);
            let ids = statement.query_map(key, |row| Ok(ElementId(row.get(0)?)))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
    }

    /// How many elements people see, over all kinds.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn present(&self, connection: &ConnectionName) -> Result<u64, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("count the elements of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT count(*) FROM elements WHERE connection = ?1 AND state = 'present'",
            )?;
            Ok(statement.query_row([connection.as_str()], |row| row.get(0))?)
        })
    }
}

/// How many complete pulls of a kind began after `since`.
pub(super) fn full_pulls_since(
    sql: &Connection,
    connection: &ConnectionName,
    kind: &KindName,
    since: DateTime<Utc>,
) -> rusqlite::Result<u64> {
    sql.prepare_cached(
        "SELECT count(*) FROM run_kinds
         WHERE connection = ?1 AND kind = ?2 AND outcome = 'complete' AND started_at > ?3",
    )?
    .query_row((connection.as_str(), kind.as_str(), text(since)), |row| row.get(0))
}

/// Looks something up for each id.
fn each<T>(
    ids: &[ElementId],
    mut look: impl FnMut(ElementId) -> Result<Option<T>, Fault>,
) -> Result<BTreeMap<ElementId, T>, Fault> {
    let mut found = BTreeMap::new();
    for &id in ids {
        if let Some(value) = look(id)? {
            found.insert(id, value);
        }
    }
    Ok(found)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let word = row.get_ref(2)?.as_str()?;
    Ok(Stored {
        id: ElementId(row.get(0)?),
        fingerprint: Fingerprint::from_bytes(row.get(1)?),
        state: State::parse(word).ok_or_else(|| unreadable(format!("{word:?} is no state")))?,
    })
}

/// The stored document of an element.
pub(super) fn document(
    sql: &Connection,
    connection: &ConnectionName,
    kind: &KindName,
    id: ElementId,
) -> rusqlite::Result<Option<String>> {
    sql.prepare_cached("SELECT doc FROM elements WHERE kind = ?1 AND connection = ?2 AND id = ?3")?
        .query_row((kind.as_str(), connection.as_str(), id.0), |row| row.get(0))
        .optional()
}
