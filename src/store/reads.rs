//! Which elements were asked for singly, by which run: the position at which a stage that was cut off
//! goes on. All of it stands in the run records.

use chrono::{DateTime, Utc};

use super::details::Part;
use super::elements::key;
use super::sql::{Cell, Fault, Sql, ToCell as _};
use super::{Store, StoreError};
use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::run::RunId;

/// The part of `run_reads` that keeps which elements a probe asked for.
const PROBE: &str = "detail_probe";

/// An element that people see, and the runs that asked for it singly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadState {
    /// Which element.
    pub id: ElementId,
    /// The run that last saw its list row change.
    pub changed: RunId,
    /// The run that last got a clear answer.
    pub asked: Option<RunId>,
    /// Whether any answer ever brought a document.
    pub was_read: bool,
    /// The run that last got no clear answer.
    pub unclear: Option<RunId>,
}

impl Store {
    /// Every element of a kind that people see, in id order, with the runs that read `part` of it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn read_states(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        part: Part,
    ) -> Result<Vec<ReadState>, StoreError> {
        self.read(format!("read which {kind} of {connection} were read"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT e.id, e.changed_run, r.run, r.read_at IS NOT NULL, u.run
                 FROM elements AS e
                 LEFT JOIN run_reads AS r
                   ON r.connection = e.connection AND r.kind = e.kind AND r.part = ?3 AND r.id = e.id
                 LEFT JOIN run_reads AS u
                   ON u.connection = e.connection AND u.kind = e.kind AND u.part = ?4 AND u.id = e.id
                 WHERE e.kind = ?1 AND e.connection = ?2 AND e.state = 'present' ORDER BY e.id",
            )?;
            let key = (kind.as_str(), connection.as_str(), part.as_str(), unclear(part));
            let states = statement.query_map(key, |row| {
                let run = |column| Ok::<_, Fault>(row.get::<Option<i64>>(column)?.map(RunId));
                Ok(ReadState {
                    id: ElementId(row.get(0)?),
                    changed: RunId(row.get(1)?),
                    asked: run(2)?,
                    was_read: row.get(3)?,
                    unclear: run(4)?,
                })
            })?;
            Ok(states)
        })
        .await
    }

    /// The nth last full run (counted from 1) that stored what it could; `run` itself counts if it is
    /// full.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn full_run(
        &self,
        connection: &ConnectionName,
        run: RunId,
        nth: u32,
    ) -> Result<Option<RunId>, StoreError> {
        self.read(format!("read the full runs of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT id FROM runs
                 WHERE connection = ?1 AND mode = 'full' AND (id = ?2 OR outcome IN ('ok', 'partial'))
                 ORDER BY id DESC LIMIT 1 OFFSET ?3",
            )?;
            let key = (connection.as_str(), run.0, nth.saturating_sub(1));
            statement.query_first(key, |row| Ok(RunId(row.get(0)?)))
        })
        .await
    }

    /// When single reads of a kind were last compared with its list rows.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn probed_at(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.read(format!("read when {kind} of {connection} were compared"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT max(read_at) FROM run_reads WHERE connection = ?1 AND kind = ?2 AND part = ?3",
            )?;
            statement.query_row((connection.as_str(), kind.as_str(), PROBE), |row| row.get(0))
        })
        .await
    }

    /// At most `limit` elements that people see with their list rows, those compared longest ago first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn to_probe(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        limit: u32,
    ) -> Result<Vec<(ElementId, String)>, StoreError> {
        self.read(format!("choose {kind} of {connection} to compare"), |sql| {
            let mut statement = sql.prepare_cached(
                // Chosen without the documents, which would all be read for the sake of a few.
                "SELECT e.id, e.doc FROM elements AS e JOIN
                   (SELECT e.id, r.run FROM elements AS e LEFT JOIN run_reads AS r
                      ON r.connection = e.connection AND r.kind = e.kind AND r.part = ?3 AND r.id = e.id
                    WHERE e.kind = ?1 AND e.connection = ?2 AND e.state = 'present'
                    ORDER BY r.run IS NOT NULL, r.run, e.id LIMIT ?4) AS chosen ON chosen.id = e.id
                 WHERE e.kind = ?1 AND e.connection = ?2
                 ORDER BY chosen.run IS NOT NULL, chosen.run, e.id",
            )?;
            let rows = statement.query_map((kind.as_str(), connection.as_str(), PROBE, limit), |row| {
                Ok((ElementId(row.get(0)?), row.get(1)?))
            })?;
            Ok(rows)
        })
        .await
    }

    /// Records which elements were probed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_probe(
        &self,
        run: RunId,
        connection: &ConnectionName,
        kind: &KindName,
        ids: &[ElementId],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.record_reads(run, connection, kind, PROBE, ids, now).await
    }

    /// Records elements without a clear answer: the next run asks for them again, after all others.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_unclear(
        &self,
        run: RunId,
        connection: &ConnectionName,
        kind: &KindName,
        part: Part,
        ids: &[ElementId],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.record_reads(run, connection, kind, unclear(part), ids, now).await
    }

    async fn record_reads(
        &self,
        run: RunId,
        connection: &ConnectionName,
        kind: &KindName,
        part: &str,
        ids: &[ElementId],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("record single reads of {kind} of {connection}"), |sql| {
            let row = |id: &ElementId| {
                let tail = [part.to_cell(), Cell::Integer(run.0), now.to_cell()];
                key(kind.as_str(), connection, *id).into_iter().chain(tail).collect()
            };
            note(sql, &ids.iter().map(row).collect::<Vec<_>>())
        })
        .await
    }

    /// Adds what single reads came to, to the run record of their kind: requests, and why they fell
    /// short, if they did.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_singles(
        &self,
        run: RunId,
        connection: &ConnectionName,
        kind: &KindName,
        requests: u64,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("record the single reads of {kind} of {connection}"), |sql| {
            sql.execute(
                "UPDATE run_kinds SET requests = requests + ?3,
                   reason = CASE WHEN CAST(?4 AS text) IS NULL THEN reason ELSE coalesce(reason || '; ', '') || ?4 END
                 WHERE run = ?1 AND kind = ?2",
                (run.0, kind.as_str(), requests, reason),
            )?;
            sql.execute("UPDATE runs SET requests = requests + ?2 WHERE id = ?1", (run.0, requests))?;
            Ok(())
        }).await
    }

    /// The `lastEdited` of an element's list row.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_edited(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        id: ElementId,
    ) -> Result<Option<String>, StoreError> {
        self.read(format!("read when {kind} {id} of {connection} was edited"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT last_edited FROM elements WHERE kind = ?1 AND connection = ?2 AND id = ?3",
            )?;
            let key = (kind.as_str(), connection.as_str(), id.0);
            Ok(statement.query_first(key, |row| row.get(0))?.flatten())
        })
        .await
    }
}

/// Notes which run last asked for elements, and when they were read, where that is told. Each row: kind,
/// connection, id, part, run, instant.
pub(super) fn note(sql: &Sql<'_>, rows: &[Vec<Cell<'_>>]) -> Result<(), Fault> {
    sql.add_rows(
        "run_reads",
        &[
            ("kind", "text"),
            ("connection", "text"),
            ("id", "bigint"),
            ("part", "text"),
            ("run", "bigint"),
            ("read_at", "timestamptz"),
        ],
        "ON CONFLICT (connection, kind, part, id) DO UPDATE
         SET run = excluded.run, read_at = coalesce(excluded.read_at, run_reads.read_at)",
        rows,
    )
}

/// The part of `run_reads` that keeps who gave no clear answer: never taken for a read.
fn unclear(part: Part) -> &'static str {
    match part {
        Part::Detail => "detail_unclear",
        Part::Values => "values_unclear",
    }
}
