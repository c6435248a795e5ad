//! Looks at stored elements for the reconcile rules: the merge join, evidence, the `lastEdited` filter.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::changes::Writer;
use super::sql::{Cell, Columns, Fault, Row, Sql, ToCell as _, unreadable};
use super::{Store, StoreError};
use crate::element::{ElementId, Fingerprint, State};
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::{Plan, Stored};
use crate::reconcile::Planning;
use crate::snapshot::{Known, Snapshot};

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
        self.read(format!("compare the {kind} of {connection}"), |sql| {
            let mut planning = Planning::new(snapshot);
            sql.stream(
                "SELECT id, fingerprint, state FROM elements
                 WHERE kind = ?1 AND connection = ?2 ORDER BY id",
                (kind.as_str(), connection.as_str()),
                |row| {
                    planning.compare(&stored(row)?);
                    Ok(())
                },
            )?;
            Ok(planning.finish())
        })
        .await
    }

    /// The elements of a kind that people see, and their fingerprints, with what the pages of its list looked like.
    /// Streams them as [`Store::plan`] does.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn known(&self, connection: &ConnectionName, kind: &KindName) -> Result<Known, StoreError> {
        let known = self
            .read(format!("read which {kind} of {connection} are stored"), |sql| {
                let mut present = Vec::new();
                sql.stream(
                    "SELECT id, fingerprint FROM elements
                 WHERE kind = ?1 AND connection = ?2 AND state = 'present' ORDER BY id",
                    (kind.as_str(), connection.as_str()),
                    |row| {
                        present.push((ElementId(row.get(0)?), Fingerprint::from_bytes(row.get(1)?)));
                        Ok(())
                    },
                )?;
                Ok(Known::new(present))
            })
            .await?;
        let of = (self.clone(), connection.clone(), kind.clone());
        Ok(known.with_imprints(move |page| {
            let (store, connection, kind) = of.clone();
            async move { store.imprints(&connection, &kind, page).await }
        }))
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
        self.read(format!("read where {kind} of {connection} are placed"), |sql| {
            let rows: Vec<_> = ids.iter().map(|id| key(kind.as_str(), connection, *id).to_vec()).collect();
            let placed = sql.query_rows(
                "SELECT p.id, p.scorecard_id FROM rows JOIN placements AS p
                   ON p.kind = rows.kind AND p.connection = rows.connection AND p.id = rows.id
                 ORDER BY p.id, p.scorecard_id",
                KEY,
                &rows,
                |row| Ok((ElementId(row.get(0)?), ElementId(row.get(1)?))),
            )?;
            let mut found: BTreeMap<ElementId, Vec<ElementId>> = BTreeMap::new();
            for (id, scorecard) in placed {
                found.entry(id).or_default().push(scorecard);
            }
            Ok(found)
        })
        .await
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
        self.read(format!("read what the {kind} of {connection} must bring back"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT id FROM elements AS e
                 WHERE kind = ?1 AND connection = ?2 AND last_edited = ?3 AND state = 'present'
                   AND NOT EXISTS (SELECT 1 FROM missing AS m
                     WHERE m.kind = e.kind AND m.connection = e.connection AND m.id = e.id)
                 ORDER BY id LIMIT ?4",
            )?;
            let key = (kind.as_str(), connection.as_str(), cursor, limit);
            let ids = statement.query_map(key, |row| Ok(ElementId(row.get(0)?)))?;
            Ok(ids)
        })
        .await
    }

    /// How many elements people see, over all kinds.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn present(&self, connection: &ConnectionName) -> Result<u64, StoreError> {
        self.read(format!("count the elements of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT count(*) FROM elements WHERE connection = ?1 AND state = 'present'",
            )?;
            statement.query_row([connection.as_str()], |row| row.get(0))
        })
        .await
    }
}

/// How many complete pulls of a kind began after `since`.
pub(super) fn full_pulls_since(
    sql: &Sql<'_>,
    connection: &ConnectionName,
    kind: &KindName,
    since: DateTime<Utc>,
) -> Result<u64, Fault> {
    sql.prepare_cached(
        "SELECT count(*) FROM run_kinds
         WHERE connection = ?1 AND kind = ?2 AND outcome = 'complete' AND started_at > ?3",
    )?
    .query_row((connection.as_str(), kind.as_str(), since), |row| row.get(0))
}

fn stored(row: &Row<'_>) -> Result<Stored, Fault> {
    let word = row.text(2)?;
    Ok(Stored {
        id: ElementId(row.get(0)?),
        fingerprint: Fingerprint::from_bytes(row.get(1)?),
        state: State::parse(word).ok_or_else(|| unreadable(format!("{word:?} is no state")))?,
    })
}

/// What stands in a column of text, `doc` or `detail`, of a writer's elements; of one that is not stored
/// there is nothing.
pub(super) fn texts(
    sql: &Sql<'_>,
    writer: &Writer<'_>,
    column: &str,
    ids: impl Iterator<Item = ElementId>,
) -> Result<HashMap<ElementId, Option<String>>, Fault> {
    let rows: Vec<_> = ids.map(|id| writer.key(id).to_vec()).collect();
    let found = sql.query_rows(
        &format!(
            "SELECT e.id, e.{column} FROM rows JOIN elements AS e
               ON e.kind = rows.kind AND e.connection = rows.connection AND e.id = rows.id"
        ),
        KEY,
        &rows,
        |row| Ok((ElementId(row.get(0)?), row.get(1)?)),
    )?;
    Ok(found.into_iter().collect())
}

/// What names an element.
pub(super) fn key<'a>(kind: &'a str, connection: &'a ConnectionName, id: ElementId) -> [Cell<'a>; 3] {
    [kind.to_cell(), connection.as_str().to_cell(), Cell::Integer(id.0)]
}

/// The columns that name an element.
pub(super) const KEY: Columns<'_> = &[("kind", "text"), ("connection", "text"), ("id", "bigint")];
