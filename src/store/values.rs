//! Measure values: documents kept as answered, points reconciled by the rules of elements. A point is
//! removed softly; an answer that lost too much is held; one change row per measure and run.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::changes::{Writer, json_text};
use super::details::{Part, Read, asked};
use super::sqlite::Fault;
use super::{Store, StoreError, memory};
use crate::element::ElementId;
use crate::fingerprint;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::{Held, Operation};
use crate::run::RunId;
use crate::tolerate::FieldChange;
use crate::values::{self, Point, Unrecognised};

/// The name under which held values are released, as if they were a kind.
pub const HELD_VALUES: &str = "measure_values";

/// What a batch of measure data came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValuesDone {
    /// Measures whose values differ from what was stored before.
    pub changed: Vec<ElementId>,
    /// Measures whose answer was not recognised, with the keys that it showed.
    pub unrecognised: Vec<(ElementId, Vec<String>)>,
    /// Measures of this batch whose answer lost too much to be believed: their values stay.
    pub held: Vec<ElementId>,
}

impl Store {
    /// Stores a batch of measure data, read from `read_at` on. Values that an answer lacks are removed
    /// softly, unless it is empty, unrecognised or has less than half of them: then they are held under
    /// the kind [`HELD_VALUES`] until the answer recovers or a person releases them. With `spares` an
    /// answer that lacks any of them is left aside, as if it had not been asked for. Writes only what
    /// differs, and the run record.
    ///
    /// # Errors
    /// The store cannot be written: nothing of the batch is stored.
    pub async fn commit_values(
        &self,
        run: RunId,
        connection: &ConnectionName,
        reads: &[Read],
        spares: bool,
        read_at: DateTime<Utc>,
    ) -> Result<ValuesDone, StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("store measure values of {connection}"), |sql| {
            let writer = Writer::new(run, connection, KindName::MEASURES, Part::Values.as_str(), read_at);
            apply(sql, &writer, reads, spares, read_at)
        })
    }
}

fn apply(
    sql: &Transaction<'_>,
    writer: &Writer<'_>,
    reads: &[Read],
    spares: bool,
    now: DateTime<Utc>,
) -> Result<ValuesDone, Fault> {
    let kind = KindName::new(HELD_VALUES);
    let held = memory::held(sql, writer.connection, &kind)?;
    let mut done = ValuesDone::default();
    for read in reads {
        if spares && lacks_points(sql, writer, read)? {
            continue;
        }
        asked(sql, writer, read)?;
        let Some(document) = &read.document else { continue };
        let is_released = held.as_ref().is_some_and(|held| held.is_released && held.ids.contains(&read.id));
        keep_answer(sql, writer, read.id, document, is_released, &mut done)?;
    }
    keep_held(sql, writer.connection, &kind, held, now)?;
    Ok(done)
}

/// Whether an answer lacks a point that people see.
fn lacks_points(sql: &Connection, writer: &Writer<'_>, read: &Read) -> Result<bool, Fault> {
    let Some(document) = &read.document else { return Ok(false) };
    let points = values::recognise(document).unwrap_or_default();
    let answered: BTreeSet<(&str, &str)> =
        points.iter().map(|point| (point.series.as_str(), point.period.as_str())).collect();
    let stored = stored_points(sql, writer, read.id)?;
    let mut present = stored.iter().filter(|(_, point)| !point.is_removed);
    Ok(present.any(|((series, period), _)| !answered.contains(&(series.as_str(), period.as_str()))))
}

fn keep_answer(
    sql: &Connection,
    writer: &Writer<'_>,
    id: ElementId,
    document: &str,
    is_released: bool,
    done: &mut ValuesDone,
) -> Result<(), Fault> {
    let before = stored_document(sql, writer, id)?;
    if let Some((before, is_held)) = &before
        && !is_held
        && is_same(before, document)
    {
        return Ok(());
    }
    let stored = stored_points(sql, writer, id)?;
    let present = stored.values().filter(|point| !point.is_removed).count();
    let recognised = values::recognise(document);
    let points = recognised.as_deref().unwrap_or_default();
    let is_held = present > 0 && points.len() * 2 < present && !is_released;
    let changes = match &recognised {
        Ok(points) => keep_points(sql, writer, id, &stored, points, !is_held)?,
        Err(_) => Vec::new(),
    };
    keep_document(sql, writer, id, document, recognised.is_ok(), is_held)?;
    if let Err(Unrecognised { keys }) = recognised {
        done.unrecognised.push((id, keys));
    }
    if is_held {
        done.held.push(id);
    }
    match (before, changes.is_empty()) {
        (_, true) => {}
        (None, false) => writer.log(sql, id, Operation::Insert, None)?,
        (Some(_), false) => {
            writer.log_fields(sql, id, Operation::Update, &changes)?;
            done.changed.push(id);
        }
    }
    Ok(())
}

fn is_same(before: &str, after: &str) -> bool {
    let canonical = |document| fingerprint::of_document(document, &[]);
    before == after || canonical(before) == canonical(after)
}

/// The stored answer of a measure, and whether it is held.
fn stored_document(
    sql: &Connection,
    writer: &Writer<'_>,
    id: ElementId,
) -> rusqlite::Result<Option<(String, bool)>> {
    sql.prepare_cached(
        "SELECT doc, is_held FROM measure_documents WHERE connection = ?1 AND measure_id = ?2",
    )?
    .query_row((writer.connection.as_str(), id.0), |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()
}

fn keep_document(
    sql: &Connection,
    writer: &Writer<'_>,
    id: ElementId,
    document: &str,
    is_recognised: bool,
    is_held: bool,
) -> rusqlite::Result<()> {
    sql.prepare_cached(
        "INSERT INTO measure_documents (connection, measure_id, doc, is_recognised, is_held, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (connection, measure_id) DO UPDATE
         SET doc = ?3, is_recognised = ?4, is_held = ?5, changed_at = ?6
         WHERE doc <> ?3 OR is_recognised <> ?4 OR is_held <> ?5",
    )?
    .execute((writer.connection.as_str(), id.0, document, is_recognised, is_held, &writer.now))?;
    Ok(())
}

/// A point as stored.
#[derive(Debug)]
struct StoredPoint {
    point: Point,
    is_removed: bool,
}

type Key = (String, String);

fn stored_points(
    sql: &Connection,
    writer: &Writer<'_>,
    id: ElementId,
) -> rusqlite::Result<BTreeMap<Key, StoredPoint>> {
    let mut statement = sql.prepare_cached(
        "SELECT series, series_id, period, period_id, value, text, removed_at IS NOT NULL
         FROM measure_values WHERE connection = ?1 AND measure_id = ?2",
    )?;
    let rows = statement.query_map((writer.connection.as_str(), id.0), |row| {
        let point = Point {
            series: row.get(0)?,
            series_id: row.get(1)?,
            period: row.get(2)?,
            period_id: row.get(3)?,
            value: row.get(4)?,
            text: row.get(5)?,
        };
        let key = (point.series.clone(), point.period.clone());
        Ok((key, StoredPoint { point, is_removed: row.get(6)? }))
    })?;
    rows.collect()
}

/// Writes the points that differ, and gives what people see change.
fn keep_points(
    sql: &Connection,
    writer: &Writer<'_>,
    id: ElementId,
    stored: &BTreeMap<Key, StoredPoint>,
    points: &[Point],
    removes: bool,
) -> rusqlite::Result<Vec<FieldChange>> {
    let connection = writer.connection.as_str();
    let mut upsert = sql.prepare_cached(
        "INSERT INTO measure_values (connection, measure_id, series, series_id, period, period_id, value, text)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (connection, measure_id, series, period) DO UPDATE
         SET series_id = ?4, period_id = ?6, value = ?7, text = ?8, removed_at = NULL",
    )?;
    let mut changes = Vec::new();
    let mut kept = BTreeSet::new();
    for point in points {
        let Point { series, series_id, period, period_id, value, text } = point;
        let key = (series.clone(), period.clone());
        let before = stored.get(&key);
        if before.is_none_or(|before| before.is_removed || before.point != *point) {
            upsert.execute((connection, id.0, series, series_id, period, period_id, value, text))?;
        }
        let before = before.filter(|before| !before.is_removed).map(|before| shown(&before.point));
        let after = Some(shown(point));
        if before != after {
            changes.push(FieldChange { field: label(point), before, after });
        }
        kept.insert(key);
    }
    let gone = stored.iter().filter(|(key, before)| removes && !before.is_removed && !kept.contains(*key));
    let mut remove = sql.prepare_cached(
        "UPDATE measure_values SET removed_at = ?5
         WHERE connection = ?1 AND measure_id = ?2 AND series = ?3 AND period = ?4",
    )?;
    for (key, before) in gone {
        remove.execute((connection, id.0, &key.0, &key.1, &writer.now))?;
        changes.push(FieldChange {
            field: label(&before.point),
            before: Some(shown(&before.point)),
            after: None,
        });
    }
    changes.sort_unstable_by(|a, b| a.field.cmp(&b.field));
    Ok(changes)
}

/// A point in the change log: `Actual, Jan-26`.
fn label(point: &Point) -> String {
    format!("{}, {}", point.series, point.period)
}

/// What stands in a point, as JSON. An empty cell is null, never 0.
fn shown(point: &Point) -> String {
    match (point.value, &point.text) {
        (Some(value), _) => serde_json::Value::from(value).to_string(),
        (None, Some(text)) => json_text(text),
        (None, None) => "null".into(),
    }
}

/// Makes the held set that of the measures held now. While a release is at work nothing joins it: a
/// release is of one set and no other.
fn keep_held(
    sql: &Connection,
    connection: &ConnectionName,
    kind: &KindName,
    before: Option<Held>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT measure_id FROM measure_documents WHERE connection = ?1 AND is_held ORDER BY measure_id",
    )?;
    let ids = statement.query_map([connection.as_str()], |row| Ok(ElementId(row.get(0)?)))?;
    let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
    let released = before.as_ref().filter(|held| held.is_released);
    let of_released: Vec<_> =
        released.map_or(Vec::new(), |held| ids.iter().copied().filter(|id| held.ids.contains(id)).collect());
    let is_released = !of_released.is_empty();
    if is_released {
        ids = of_released;
    }
    if ids.is_empty() {
        return memory::keep_held(sql, connection, kind, None);
    }
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0.to_be_bytes()).collect();
    let digest = format!("{:08x}", fingerprint::of_bytes(&bytes).0 >> 96);
    let since = before.as_ref().map_or(now, |held| held.since);
    memory::keep_held(sql, connection, kind, Some(&Held { digest, ids, since, is_released }))
}
