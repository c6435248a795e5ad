//! Measure values: documents kept as answered, points reconciled by the rules of elements. A point is
//! removed softly; an answer that lost too much is held; one change row per measure and run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::changes::{Writer, json_text};
use super::details::{Part, Read};
use super::sql::{Cell, Columns, Fault, Sql, ToCell as _};
use super::{Store, StoreError, details, memory};
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
        self.write_of(connection, format_args!("store measure values of {connection}"), |sql| {
            let writer = Writer::new(run, connection, KindName::MEASURES, Part::Values.as_str(), read_at);
            apply(sql, &writer, reads, spares)
        })
    }
}

fn apply(sql: &Sql<'_>, writer: &Writer<'_>, reads: &[Read], spares: bool) -> Result<ValuesDone, Fault> {
    let kind = KindName::new(HELD_VALUES);
    let held = memory::held(sql, writer.connection, &kind)?;
    let is_released =
        |id: &ElementId| held.as_ref().is_some_and(|held| held.is_released && held.ids.contains(id));
    let documents = stored_documents(sql, writer, reads)?;
    let mut points =
        stored_points(sql, writer, reads.iter().filter(|read| spares || is_news(read, &documents)))?;
    let mut batch = Batch::default();
    let mut asked = Vec::new();
    for read in reads {
        let stored = points.remove(&read.id).unwrap_or_default();
        if spares && lacks_points(&stored, read) {
            continue;
        }
        asked.push(read.clone());
        if is_news(read, &documents)
            && let Some(document) = &read.document
        {
            let answer = Answer { id: read.id, document, is_first: !documents.contains_key(&read.id) };
            batch.keep(sql, writer, &answer, &stored, is_released(&read.id))?;
        }
    }
    details::asked(sql, writer, &asked)?;
    let done = batch.write(sql)?;
    keep_held(sql, writer.connection, &kind, held.clone(), writer.now)?;
    writer.finish(sql)?;
    Ok(done)
}

/// Whether an answer differs from what is stored, or what is stored is held.
fn is_news(read: &Read, documents: &HashMap<ElementId, (String, bool)>) -> bool {
    let Some(document) = &read.document else { return false };
    documents.get(&read.id).is_none_or(|(before, is_held)| *is_held || !is_same(before, document))
}

/// Whether an answer lacks a point that people see.
fn lacks_points(stored: &Stored, read: &Read) -> bool {
    let Some(document) = &read.document else { return false };
    let points = values::recognise(document).unwrap_or_default();
    let answered: BTreeSet<(&str, &str)> =
        points.iter().map(|point| (point.series.as_str(), point.period.as_str())).collect();
    let mut present = stored.iter().filter(|(_, point)| !point.is_removed);
    present.any(|((series, period), _)| !answered.contains(&(series.as_str(), period.as_str())))
}

fn is_same(before: &str, after: &str) -> bool {
    let canonical = |document| fingerprint::of_document(document, &[]);
    before == after || canonical(before) == canonical(after)
}

/// The stored answers of what was read, and whether each is held.
fn stored_documents(
    sql: &Sql<'_>,
    writer: &Writer<'_>,
    reads: &[Read],
) -> Result<HashMap<ElementId, (String, bool)>, Fault> {
    let rows: Vec<_> = reads.iter().map(|read| key(writer, read.id).to_vec()).collect();
    let found = sql.query_rows(
        "SELECT d.measure_id, d.doc, d.is_held FROM rows JOIN measure_documents AS d
           ON d.connection = rows.connection AND d.measure_id = rows.measure_id",
        MEASURE,
        &rows,
        |row| Ok((ElementId(row.get(0)?), (row.get(1)?, row.get(2)?))),
    )?;
    Ok(found.into_iter().collect())
}

/// A point as stored.
#[derive(Debug)]
struct StoredPoint {
    point: Point,
    is_removed: bool,
}

type Key = (String, String);
/// The points of one measure.
type Stored = BTreeMap<Key, StoredPoint>;

fn stored_points<'r>(
    sql: &Sql<'_>,
    writer: &Writer<'_>,
    reads: impl Iterator<Item = &'r Read>,
) -> Result<HashMap<ElementId, Stored>, Fault> {
    let rows: Vec<_> = reads.map(|read| key(writer, read.id).to_vec()).collect();
    let found = sql.query_rows(
        "SELECT v.measure_id, v.series, v.series_id, v.period, v.period_id, v.value, v.text,
           v.removed_at IS NOT NULL
         FROM rows JOIN measure_values AS v
           ON v.connection = rows.connection AND v.measure_id = rows.measure_id",
        MEASURE,
        &rows,
        |row| {
            let point = Point {
                series: row.get(1)?,
                series_id: row.get(2)?,
                period: row.get(3)?,
                period_id: row.get(4)?,
                value: row.get(5)?,
                text: row.get(6)?,
            };
            Ok((ElementId(row.get(0)?), StoredPoint { point, is_removed: row.get(7)? }))
        },
    )?;
    let mut measures: HashMap<ElementId, Stored> = HashMap::new();
    for (id, stored) in found {
        let key = (stored.point.series.clone(), stored.point.period.clone());
        measures.entry(id).or_default().insert(key, stored);
    }
    Ok(measures)
}

/// What names a measure.
fn key<'a>(writer: &Writer<'a>, id: ElementId) -> [Cell<'a>; 2] {
    [Cell::Text(writer.connection.as_str().into()), Cell::Integer(id.0)]
}

const MEASURE: Columns<'_> = &[("connection", "text"), ("measure_id", "bigint")];

/// A measure's answer that differs from the one stored before.
struct Answer<'a> {
    id: ElementId,
    document: &'a str,
    is_first: bool,
}

/// What a batch of answers changes, until it is written.
#[derive(Debug, Default)]
struct Batch {
    done: ValuesDone,
    documents: Vec<Vec<Cell<'static>>>,
    points: Vec<Vec<Cell<'static>>>,
    gone: Vec<Vec<Cell<'static>>>,
}

impl Batch {
    fn keep(
        &mut self,
        sql: &Sql<'_>,
        writer: &Writer<'_>,
        answer: &Answer<'_>,
        stored: &Stored,
        is_released: bool,
    ) -> Result<(), Fault> {
        let Answer { id, document, is_first } = *answer;
        let present = stored.values().filter(|point| !point.is_removed).count();
        let recognised = values::recognise(document);
        let points = recognised.as_deref().unwrap_or_default();
        let is_held = present > 0 && points.len() * 2 < present && !is_released;
        let changes = match &recognised {
            Ok(points) => self.keep_points(writer, id, stored, points, !is_held),
            Err(_) => Vec::new(),
        };
        let is_recognised = recognised.is_ok();
        let cells = [document.to_cell(), is_recognised.to_cell(), is_held.to_cell(), writer.now.to_cell()];
        self.documents.push(key(writer, id).into_iter().chain(cells).map(Cell::into_owned).collect());
        if let Err(Unrecognised { keys }) = recognised {
            self.done.unrecognised.push((id, keys));
        }
        if is_held {
            self.done.held.push(id);
        }
        match (is_first, changes.is_empty()) {
            (_, true) => Ok(()),
            (true, false) => writer.log(sql, id, Operation::Insert, None),
            (false, false) => {
                self.done.changed.push(id);
                writer.log_fields(sql, id, Operation::Update, &changes)
            }
        }
    }

    /// Keeps the points that differ, and gives what people see change. Of two points with one key the last
    /// counts.
    fn keep_points(
        &mut self,
        writer: &Writer<'_>,
        id: ElementId,
        stored: &Stored,
        points: &[Point],
        removes: bool,
    ) -> Vec<FieldChange> {
        let keyed = |point| (label_key(point), point);
        let points: BTreeMap<Key, &Point> = points.iter().map(keyed).collect();
        let mut changes = Vec::new();
        for (label, &point) in &points {
            let before = stored.get(label);
            if before.is_none_or(|before| before.is_removed || before.point != *point) {
                self.points.push(row(writer, id, point));
            }
            let before = before.filter(|before| !before.is_removed).map(|before| shown(&before.point));
            let after = Some(shown(point));
            if before != after {
                changes.push(FieldChange { field: name(point), before, after });
            }
        }
        let gone =
            stored.iter().filter(|(key, before)| removes && !before.is_removed && !points.contains_key(*key));
        for ((series, period), before) in gone {
            let cells = [series.to_cell(), period.to_cell(), writer.now.to_cell()];
            self.gone.push(key(writer, id).into_iter().chain(cells).map(Cell::into_owned).collect());
            changes.push(FieldChange {
                field: name(&before.point),
                before: Some(shown(&before.point)),
                after: None,
            });
        }
        changes.sort_unstable_by(|a, b| a.field.cmp(&b.field));
        changes
    }

    fn write(self, sql: &Sql<'_>) -> Result<ValuesDone, Fault> {
        sql.execute_rows(KEEP_DOCUMENTS, DOCUMENTS, &self.documents)?;
        sql.execute_rows(KEEP_POINTS, POINTS, &self.points)?;
        sql.execute_rows(
            "UPDATE measure_values SET removed_at = rows.removed_at FROM rows
             WHERE measure_values.connection = rows.connection AND measure_values.measure_id = rows.measure_id
               AND measure_values.series = rows.series AND measure_values.period = rows.period",
            GONE,
            &self.gone,
        )?;
        Ok(self.done)
    }
}

fn label_key(point: &Point) -> Key {
    (point.series.clone(), point.period.clone())
}

fn row(writer: &Writer<'_>, id: ElementId, point: &Point) -> Vec<Cell<'static>> {
    let Point { series, series_id, period, period_id, value, text } = point;
    let cells = [
        series.to_cell(),
        series_id.to_cell(),
        period.to_cell(),
        period_id.to_cell(),
        value.to_cell(),
        text.to_cell(),
    ];
    key(writer, id).into_iter().chain(cells).map(Cell::into_owned).collect()
}

const DOCUMENTS: Columns<'_> = &[
    ("connection", "text"),
    ("measure_id", "bigint"),
    ("doc", "jsonb"),
    ("is_recognised", "boolean"),
    ("is_held", "boolean"),
    ("changed_at", "timestamptz"),
];

const KEEP_DOCUMENTS: &str =
    "INSERT INTO measure_documents (connection, measure_id, doc, is_recognised, is_held, changed_at)
     SELECT connection, measure_id, doc, is_recognised, is_held, changed_at FROM rows WHERE TRUE
     ON CONFLICT (connection, measure_id) DO UPDATE
     SET doc = excluded.doc, is_recognised = excluded.is_recognised, is_held = excluded.is_held,
       changed_at = excluded.changed_at
     WHERE measure_documents.doc <> excluded.doc
       OR measure_documents.is_recognised <> excluded.is_recognised
       OR measure_documents.is_held <> excluded.is_held";

const POINTS: Columns<'_> = &[
    ("connection", "text"),
    ("measure_id", "bigint"),
    ("series", "text"),
    ("series_id", "bigint"),
    ("period", "text"),
    ("period_id", "bigint"),
    ("value", "numeric"),
    ("text", "text"),
];

const KEEP_POINTS: &str = "INSERT INTO measure_values
       (connection, measure_id, series, series_id, period, period_id, value, text)
     SELECT connection, measure_id, series, series_id, period, period_id, value, text FROM rows WHERE TRUE
     ON CONFLICT (connection, measure_id, series, period) DO UPDATE
     SET series_id = excluded.series_id, period_id = excluded.period_id, value = excluded.value,
       text = excluded.text, removed_at = NULL";

const GONE: Columns<'_> = &[
    ("connection", "text"),
    ("measure_id", "bigint"),
    ("series", "text"),
    ("period", "text"),
    ("removed_at", "timestamptz"),
];

/// A point in the change log: `Actual, Jan-26`.
fn name(point: &Point) -> String {
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
    sql: &Sql<'_>,
    connection: &ConnectionName,
    kind: &KindName,
    before: Option<Held>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT measure_id FROM measure_documents WHERE connection = ?1 AND is_held ORDER BY measure_id",
    )?;
    let mut ids = statement.query_map([connection.as_str()], |row| Ok(ElementId(row.get(0)?)))?;
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
