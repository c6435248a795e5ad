//! The change log: every change is one row, written in the transaction that makes the change.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Params, Row};

use super::runs::word;
use super::sqlite::{Fault, instant, text, unreadable};
use super::{Store, StoreError};
use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::Operation;
use crate::run::RunId;
use crate::status::ChangeStatus;
use crate::tolerate::FieldChange;

impl Store {
    /// The first `limit` changes that a run made, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn changes(&self, run: RunId, limit: u32) -> Result<Vec<ChangeStatus>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read what run {run} changed"), |sql| {
            read(sql, "WHERE c.run = ?1 ORDER BY c.sequence LIMIT ?2", (run.0, limit))
        })
    }

    /// The last `limit` changes of all connections, the newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn latest_changes(&self, limit: u32) -> Result<Vec<ChangeStatus>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read("read the latest changes", |sql| read(sql, "ORDER BY c.sequence DESC LIMIT ?1", [limit]))
    }
}

fn read(sql: &Connection, which: &str, values: impl Params) -> Result<Vec<ChangeStatus>, Fault> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT c.sequence, c.at, c.kind, c.id, e.name, c.part, c.operation, c.fields, c.evidence, c.connection
         FROM changes AS c LEFT JOIN elements AS e
           ON e.kind = c.kind AND e.connection = c.connection AND e.id = c.id
         {which}"
    ))?;
    let rows = statement.query_map(values, change)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Who changes something, and when: the same for all rows of one commit.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) run: RunId,
    pub(super) connection: &'a ConnectionName,
    pub(super) kind: &'a str,
    /// `doc`, `detail` or `values`.
    pub(super) part: &'static str,
    /// The instant, as the store keeps it.
    pub(super) now: String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        run: RunId,
        connection: &'a ConnectionName,
        kind: &'a str,
        part: &'static str,
        now: DateTime<Utc>,
    ) -> Self {
        Self { run, connection, kind, part, now: text(now) }
    }

    /// Logs a change that has no fields to tell: an insert, a removal.
    pub(super) fn log(
        &self,
        sql: &Connection,
        id: ElementId,
        operation: Operation,
        evidence: Option<&str>,
    ) -> rusqlite::Result<()> {
        self.insert(sql, id, operation, [None, None, None], evidence)
    }

    /// Logs a change with the fields that differ and their values before and after.
    pub(super) fn log_fields(
        &self,
        sql: &Connection,
        id: ElementId,
        operation: Operation,
        fields: &[FieldChange],
    ) -> rusqlite::Result<()> {
        let names: Vec<String> = fields.iter().map(|change| json_text(&change.field)).collect();
        let names = format!("[{}]", names.join(","));
        let before = object(fields.iter().map(|change| (&change.field, change.before.as_deref())));
        let after = object(fields.iter().map(|change| (&change.field, change.after.as_deref())));
        self.insert(sql, id, operation, [Some(names), Some(before), Some(after)], None)
    }

    fn insert(
        &self,
        sql: &Connection,
        id: ElementId,
        operation: Operation,
        [fields, before, after]: [Option<String>; 3],
        evidence: Option<&str>,
    ) -> rusqlite::Result<()> {
        let Self { run, connection, kind, part, now } = self;
        let operation = operation.as_str();
        sql.prepare_cached(
            "INSERT INTO changes
             (run, at, connection, kind, part, id, operation, fields, before, after, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(rusqlite::params![
            run.0,
            now,
            connection.as_str(),
            kind,
            part,
            id.0,
            operation,
            fields,
            before,
            after,
            evidence
        ])?;
        Ok(())
    }
}

/// A JSON object of values that are JSON text already; what is not there is left out.
fn object<'a>(values: impl Iterator<Item = (&'a String, Option<&'a str>)>) -> String {
    let members = values.filter_map(|(name, value)| Some(format!("{}:{}", json_text(name), value?)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A text as JSON.
pub(super) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn change(row: &Row<'_>) -> rusqlite::Result<ChangeStatus> {
    let fields = row.get_ref(7)?.as_str_or_null()?.map(serde_json::from_str).transpose();
    Ok(ChangeStatus {
        sequence: row.get(0)?,
        at: instant(row.get_ref(1)?.as_str()?)?,
        connection: row.get(9)?,
        kind: KindName::new(row.get_ref(2)?.as_str()?),
        id: ElementId(row.get(3)?),
        name: row.get(4)?,
        part: row.get(5)?,
        operation: word(row.get_ref(6)?.as_str()?)?,
        fields: fields.map_err(|error| unreadable(error.to_string()))?.unwrap_or_default(),
        evidence: row.get(8)?,
    })
}
