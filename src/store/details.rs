//! The details that single reads bring. What was asked is part of the run record (`run_reads`), so a
//! stage that was interrupted goes on where it stood.

use chrono::{DateTime, Utc};

use super::changes::Writer;
use super::elements::{KEY, texts};
use super::fields::Known;
use super::sql::{Cell, Fault, Sql, ToCell as _};
use super::{Store, StoreError, reads};
use crate::element::ElementId;
use crate::kind::Kind;
use crate::name::ConnectionName;
use crate::plan::Operation;
use crate::run::RunId;
use crate::tolerate;

/// What a single read brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The element's own document, richer than its list row.
    Detail,
    /// A measure's series of values.
    Values,
}

impl Part {
    /// The word the store keeps.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Detail => "detail",
            Self::Values => "values",
        }
    }
}

/// What a single read answered. An unclear answer is no read: left out of the batch, its element keeps
/// its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Of which element.
    pub id: ElementId,
    /// The document; `None`: it was asked for and is not readable.
    pub document: Option<String>,
}

impl Store {
    /// Stores a batch of details, read from `read_at` on, and gives those that differ from the detail
    /// stored before. A first detail is no change. Writes only what differs, and the run record.
    ///
    /// # Errors
    /// The store cannot be written: nothing of the batch is stored.
    pub async fn commit_details(
        &self,
        run: RunId,
        connection: &ConnectionName,
        kind: &Kind,
        reads: &[Read],
        read_at: DateTime<Utc>,
    ) -> Result<Vec<ElementId>, StoreError> {
        self.write_of(connection, format!("store details of the {} of {connection}", kind.name), |sql| {
            let writer = Writer::new(run, connection, kind.name.as_str(), Part::Detail.as_str(), read_at);
            asked(sql, &writer, reads)?;
            let changed = keep_details(sql, &writer, kind, reads)?;
            writer.finish(sql)?;
            Ok(changed)
        })
        .await
    }
}

/// Notes in the run record that elements were asked for, and when they were read.
pub(super) fn asked(sql: &Sql<'_>, writer: &Writer<'_>, reads: &[Read]) -> Result<(), Fault> {
    let row = |read: &Read| {
        let read_at = read.document.as_ref().map(|_| writer.now);
        let tail = [writer.part.to_cell(), Cell::Integer(writer.run.0), read_at.to_cell().into_owned()];
        writer.key(read.id).into_iter().chain(tail).collect()
    };
    reads::note(sql, &reads.iter().map(row).collect::<Vec<_>>())
}

/// Stores the details that differ; gives those that differ from one stored before.
fn keep_details(
    sql: &Sql<'_>,
    writer: &Writer<'_>,
    kind: &Kind,
    reads: &[Read],
) -> Result<Vec<ElementId>, Fault> {
    let mut known = Known::load(sql, writer.connection, writer.kind, writer.part, writer.now)?;
    let before = texts(sql, writer, "detail", reads.iter().map(|read| read.id))?;
    let mut changed = Vec::new();
    let mut rows = Vec::new();
    for read in reads {
        let (Some(after), Some(before)) = (&read.document, before.get(&read.id)) else { continue };
        if let Some(before) = before {
            let fields = tolerate::changed_fields(before, after, &kind.volatile);
            if fields.is_empty() {
                continue;
            }
            writer.log_fields(sql, read.id, Operation::Update, &fields)?;
            changed.push(read.id);
        }
        known.note(sql, after, || Ok(before.is_some() || is_read_through(sql, writer)?))?;
        rows.push(writer.key(read.id).into_iter().chain([after.to_cell(), writer.now.to_cell()]).collect());
    }
    sql.update_rows(
        "elements",
        "detail = {detail},
         changed_at = CASE WHEN elements.detail IS NULL THEN elements.changed_at ELSE {now} END",
        &[
            ("kind", "text"),
            ("connection", "text"),
            ("id", "bigint"),
            ("detail", "jsonb"),
            ("now", "timestamptz"),
        ],
        KEY.len(),
        &rows,
    )?;
    Ok(changed)
}

/// Whether an earlier run read details of this kind, and no element waits for its first read any more:
/// what shows only now was not there then.
fn is_read_through(sql: &Sql<'_>, writer: &Writer<'_>) -> Result<bool, Fault> {
    sql.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM run_reads
             WHERE connection = ?1 AND kind = ?2 AND part = ?3 AND run < ?4)
           AND NOT EXISTS (SELECT 1 FROM elements AS e
             WHERE e.connection = ?1 AND e.kind = ?2 AND e.state = 'present'
               AND NOT EXISTS (SELECT 1 FROM run_reads AS r WHERE r.connection = e.connection
                 AND r.kind = e.kind AND r.part = ?3 AND r.id = e.id))",
    )?
    .query_row((writer.connection.as_str(), writer.kind, writer.part, writer.run.0), |row| row.get(0))
}
