//! The details that single reads bring. What was asked is part of the run record (`run_reads`), so a
//! stage that was interrupted goes on where it stood.

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::changes::Writer;
use super::fields::Known;
use super::sqlite::Fault;
use super::{Store, StoreError};
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
        let Self::Sqlite(db) = self;
        db.write(format_args!("store details of the {} of {connection}", kind.name), |sql| {
            let writer = Writer::new(run, connection, kind.name.as_str(), Part::Detail.as_str(), read_at);
            let mut known = Known::load(sql, connection, writer.kind, writer.part, &writer.now)?;
            let mut changed = Vec::new();
            for read in reads {
                asked(sql, &writer, read)?;
            }
            for read in reads {
                let Some(document) = &read.document else { continue };
                if keep_detail(sql, &writer, kind, &mut known, read.id, document)? {
                    changed.push(read.id);
                }
            }
            Ok(changed)
        })
    }
}

/// Notes in the run record that an element was asked for, and when it was read.
pub(super) fn asked(sql: &Connection, writer: &Writer<'_>, read: &Read) -> rusqlite::Result<()> {
    sql.prepare_cached(
        "INSERT INTO run_reads (connection, kind, part, id, run, read_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (connection, kind, part, id) DO UPDATE SET run = ?5, read_at = coalesce(?6, read_at)",
    )?
    .execute((
        writer.connection.as_str(),
        writer.kind,
        writer.part,
        read.id.0,
        writer.run.0,
        read.document.as_ref().map(|_| &writer.now),
    ))?;
    Ok(())
}

/// Stores one detail if it differs; whether it differs from one stored before.
fn keep_detail(
    sql: &Connection,
    writer: &Writer<'_>,
    kind: &Kind,
    known: &mut Known<'_>,
    id: ElementId,
    after: &str,
) -> Result<bool, Fault> {
    let key = (writer.kind, writer.connection.as_str(), id.0);
    let before: Option<String> = sql
        .prepare_cached("SELECT detail FROM elements WHERE kind = ?1 AND connection = ?2 AND id = ?3")?
        .query_row(key, |row| row.get(0))?;
    let fields = match &before {
        Some(before) => tolerate::changed_fields(before, after, &kind.volatile),
        None => Vec::new(),
    };
    if before.is_some() && fields.is_empty() {
        return Ok(false);
    }
    known.note(sql, after, || Ok(before.is_some() || is_read_through(sql, writer)?))?;
    sql.prepare_cached(
        "UPDATE elements SET detail = ?4, changed_at = CASE WHEN detail IS NULL THEN changed_at ELSE ?5 END
         WHERE kind = ?1 AND connection = ?2 AND id = ?3",
    )?
    .execute((key.0, key.1, key.2, after, &writer.now))?;
    if before.is_some() {
        writer.log_fields(sql, id, Operation::Update, &fields)?;
    }
    Ok(before.is_some())
}

/// Whether an earlier run read details of this kind, and no element waits for its first read any more:
/// what shows only now was not there then.
fn is_read_through(sql: &Connection, writer: &Writer<'_>) -> rusqlite::Result<bool> {
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
