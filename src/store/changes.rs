//! The change log: every change is one row, written in the transaction that makes the change.

use std::cell::RefCell;

use chrono::{DateTime, Utc};

use super::runs::word;
use super::sql::{Cell, Fault, Row, Sql, ToCell as _, Values, unreadable};
use super::{Store, StoreError, elements};
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
        self.read(format!("read what run {run} changed"), |sql| {
            read(sql, "WHERE c.run = ?1 ORDER BY c.sequence LIMIT ?2", (run.0, limit))
        })
        .await
    }
}

/// What [`change`] reads.
pub(super) const COLUMNS: &str =
    "c.sequence, c.at, c.kind, c.id, e.name, c.part, c.operation, c.fields, c.evidence, c.connection";
/// Changes, and the elements as they are now.
pub(super) const WITH_ELEMENTS: &str = "changes AS c LEFT JOIN elements AS e
    ON e.kind = c.kind AND e.connection = c.connection AND e.id = c.id";

fn read(sql: &Sql<'_>, which: &str, values: impl Values) -> Result<Vec<ChangeStatus>, Fault> {
    let mut statement = sql.prepare_cached(&format!("SELECT {COLUMNS} FROM {WITH_ELEMENTS} {which}"))?;
    let rows = statement.query_map(values, change)?;
    Ok(rows)
}

/// Change rows are written when they take this much memory, in bytes, or at the end. Late: from the first
/// one on nobody else can write any, so that their sequence is the order in which they are seen.
const PENDING_MAX: usize = 8 << 20;

/// Who changes something, and when: the same for all rows of one commit.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) run: RunId,
    pub(super) connection: &'a ConnectionName,
    pub(super) kind: &'a str,
    /// `doc`, `detail` or `values`.
    pub(super) part: &'static str,
    /// The instant written into the rows.
    pub(super) now: DateTime<Utc>,
    /// The same, as it is written.
    stamp: Cell<'static>,
    pending: RefCell<Pending>,
}

/// Changes on their way.
#[derive(Debug, Default)]
struct Pending {
    changes: Vec<Logged>,
    bytes: usize,
}

/// A change on its way: small, for a first load has one for each element.
#[derive(Debug)]
struct Logged {
    id: ElementId,
    operation: Operation,
    texts: Option<Box<Texts>>,
}

/// The fields of a change, their values before and after, the evidence.
type Texts = [Option<String>; 4];

impl<'a> Writer<'a> {
    pub(super) fn new(
        run: RunId,
        connection: &'a ConnectionName,
        kind: &'a str,
        part: &'static str,
        now: DateTime<Utc>,
    ) -> Self {
        let stamp = now.to_cell().into_owned();
        Self { run, connection, kind, part, now, stamp, pending: RefCell::default() }
    }

    /// The instant written into the rows, as a value.
    pub(super) fn stamp(&self) -> Cell<'_> {
        self.stamp.to_cell()
    }

    /// What names one of the kind's elements.
    pub(super) fn key(&self, id: ElementId) -> [Cell<'a>; 3] {
        elements::key(self.kind, self.connection, id)
    }

    /// Logs a change that has no fields to tell: an insert, a removal.
    pub(super) fn log(
        &self,
        sql: &Sql<'_>,
        id: ElementId,
        operation: Operation,
        evidence: Option<&str>,
    ) -> Result<(), Fault> {
        self.add(sql, id, operation, [None, None, None, evidence.map(str::to_owned)])
    }

    /// Logs a change with the fields that differ and their values before and after.
    pub(super) fn log_fields(
        &self,
        sql: &Sql<'_>,
        id: ElementId,
        operation: Operation,
        fields: &[FieldChange],
    ) -> Result<(), Fault> {
        let names: Vec<String> = fields.iter().map(|change| json_text(&change.field)).collect();
        let names = format!("[{}]", names.join(","));
        let before = object(fields.iter().map(|change| (&change.field, change.before.as_deref())));
        let after = object(fields.iter().map(|change| (&change.field, change.after.as_deref())));
        self.add(sql, id, operation, [Some(names), Some(before), Some(after), None])
    }

    fn add(&self, sql: &Sql<'_>, id: ElementId, operation: Operation, texts: Texts) -> Result<(), Fault> {
        let mut pending = self.pending.borrow_mut();
        pending.bytes += size_of::<Logged>();
        let texts = texts.iter().any(Option::is_some).then(|| Box::new(texts));
        for text in texts.iter().flat_map(|texts| texts.iter()) {
            pending.bytes += size_of_val(text) + text.as_ref().map_or(0, String::len);
        }
        pending.changes.push(Logged { id, operation, texts });
        if pending.bytes < PENDING_MAX {
            return Ok(());
        }
        drop(pending);
        self.finish(sql)
    }

    /// Writes the change rows that were logged. The last thing of a commit.
    pub(super) fn finish(&self, sql: &Sql<'_>) -> Result<(), Fault> {
        let Pending { changes, .. } = self.pending.take();
        if changes.is_empty() {
            return Ok(());
        }
        let last: i64 = sql
            .prepare_cached("UPDATE sequences SET last = last + ?1 WHERE name = 'changes' RETURNING last")?
            .query_row([changes.len()], |row| row.get(0))?;
        let first = last + 1 - i64::try_from(changes.len())?;
        let Self { run, connection, kind, part, .. } = self;
        let mut numbered = (first..).zip(changes).map(|(sequence, change)| {
            let Logged { id, operation, texts } = change;
            let head = [
                Cell::Integer(sequence),
                Cell::Integer(run.0),
                self.stamp(),
                connection.as_str().to_cell(),
                kind.to_cell(),
                part.to_cell(),
                Cell::Integer(id.0),
                operation.as_str().to_cell(),
            ];
            let texts = texts.map_or_else(Texts::default, |texts| *texts);
            let texts = texts.map(|text| text.map_or(Cell::Null, |text| Cell::Text(text.into())));
            Ok(head.into_iter().chain(texts).collect())
        });
        sql.load("changes", &WRITTEN, &mut numbered)
    }
}

/// The columns of a row as it is written.
const WRITTEN: [&str; 12] = [
    "sequence",
    "run",
    "at",
    "connection",
    "kind",
    "part",
    "id",
    "operation",
    "fields",
    "before",
    "after",
    "evidence",
];

/// A JSON object of values that are JSON text already; what is not there is left out.
fn object<'a>(values: impl Iterator<Item = (&'a String, Option<&'a str>)>) -> String {
    let members = values.filter_map(|(name, value)| Some(format!("{}:{}", json_text(name), value?)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A text as JSON.
pub(super) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn change(row: &Row<'_>) -> Result<ChangeStatus, Fault> {
    let fields = row.text_or_null(7)?.map(serde_json::from_str).transpose();
    Ok(ChangeStatus {
        sequence: row.get(0)?,
        at: row.get(1)?,
        connection: row.get(9)?,
        kind: KindName::new(row.text(2)?),
        id: ElementId(row.get(3)?),
        name: row.get(4)?,
        part: row.get(5)?,
        operation: word(row.text(6)?)?,
        fields: fields.map_err(|error| unreadable(error.to_string()))?.unwrap_or_default(),
        evidence: row.get(8)?,
    })
}
