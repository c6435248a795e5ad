//! Measure values: documents kept as answered, points reconciled by the rules of elements. A point is
//! removed softly; an answer that lost too much is held; one change row per measure and run.

use std::collections::HashMap;

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
use crate::tolerate::{self, FieldChange};
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
        self.write_of(connection, format!("store measure values of {connection}"), |sql| {
            let writer = Writer::new(run, connection, KindName::MEASURES, Part::Values.as_str(), read_at);
            apply(sql, &writer, reads, spares)
        })
        .await
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
    let mut asked = Vec::new();
    let mut answers = Vec::new();
    for read in reads {
        let stored = points.remove(&read.id).unwrap_or_default();
        if spares && lacks_points(&stored, read) {
            continue;
        }
        asked.push(read.clone());
        if is_news(read, &documents)
            && let Some(document) = &read.document
        {
            answers.push(Answer {
                id: read.id,
                document,
                is_first: !documents.contains_key(&read.id),
                is_released: is_released(&read.id),
                recognised: values::recognise(document),
                stored,
            });
        }
    }
    let mut batch = Batch::default();
    answers.iter().try_for_each(|answer| batch.keep(sql, writer, answer))?;
    details::asked(sql, writer, &asked)?;
    let done = batch.write(sql)?;
    keep_held(sql, writer.connection, &kind, held.clone(), writer.now)?;
    writer.finish(sql)?;
    Ok(done)
}

/// Whether an answer differs from what is stored, or what is stored is held.
fn is_news(read: &Read, documents: &HashMap<ElementId, (String, bool)>) -> bool {
    let Some(document) = &read.document else { return false };
    documents.get(&read.id).is_none_or(|(before, is_held)| *is_held || !tolerate::is_same(before, document))
}

/// Whether an answer lacks a point that people see.
fn lacks_points(stored: &Stored, read: &Read) -> bool {
    let Some(document) = &read.document else { return false };
    let points = values::recognise(document).unwrap_or_default();
    lacking(stored, &points).next().is_some()
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

/// The points of one measure, sorted by their labels.
type Stored = Vec<StoredPoint>;

/// Points that people see and that an answer, sorted as well, lacks.
fn lacking<'s>(stored: &'s Stored, answered: &[Point]) -> impl Iterator<Item = &'s Point> {
    let is_answered =
        |point: &Point| answered.binary_search_by(|answered| answered.label().cmp(&point.label())).is_ok();
    let present = stored.iter().filter(|stored| !stored.is_removed).map(|stored| &stored.point);
    present.filter(move |point| !is_answered(point))
}

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
        measures.entry(id).or_default().push(stored);
    }
    for stored in measures.values_mut() {
        stored.sort_unstable_by(|a, b| a.point.label().cmp(&b.point.label()));
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
    is_released: bool,
    recognised: Result<Vec<Point>, Unrecognised>,
    stored: Stored,
}

/// What a batch of answers changes, until it is written.
#[derive(Debug, Default)]
struct Batch<'a> {
    done: ValuesDone,
    documents: Vec<Vec<Cell<'a>>>,
    points: Vec<Vec<Cell<'a>>>,
    gone: Vec<Vec<Cell<'a>>>,
}

/// A point as people saw it, and as they see it now.
type Change<'a> = (Option<&'a Point>, Option<&'a Point>);

impl<'a> Batch<'a> {
    fn keep(&mut self, sql: &Sql<'_>, writer: &'a Writer<'_>, answer: &'a Answer<'_>) -> Result<(), Fault> {
        let Answer { id, document, is_first, is_released, recognised, stored } = answer;
        let id = *id;
        let present = stored.iter().filter(|point| !point.is_removed).count();
        let points = recognised.as_deref().unwrap_or_default();
        let is_held = present > 0 && points.len() * 2 < present && !is_released;
        let changes = match recognised {
            Ok(points) => self.keep_points(writer, id, stored, points, !is_held),
            Err(_) => Vec::new(),
        };
        let is_recognised = recognised.is_ok();
        let cells = [document.to_cell(), Cell::Integer(is_recognised.into()), Cell::Integer(is_held.into())];
        self.documents.push(key(writer, id).into_iter().chain(cells).chain([writer.now.to_cell()]).collect());
        if let Err(Unrecognised { keys }) = recognised {
            self.done.unrecognised.push((id, keys.clone()));
        }
        if is_held {
            self.done.held.push(id);
        }
        match (is_first, changes.is_empty()) {
            (_, true) => Ok(()),
            (true, false) => writer.log(sql, id, Operation::Insert, None),
            (false, false) => {
                self.done.changed.push(id);
                writer.log_fields(sql, id, Operation::Update, &told(changes))
            }
        }
    }

    /// Keeps the points that differ, and gives what people see change.
    fn keep_points(
        &mut self,
        writer: &'a Writer<'_>,
        id: ElementId,
        stored: &'a Stored,
        points: &'a [Point],
        removes: bool,
    ) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        for point in points {
            let before = stored.binary_search_by(|stored| stored.point.label().cmp(&point.label()));
            let before = before.ok().map(|at| &stored[at]);
            if before.is_none_or(|before| before.is_removed || before.point != *point) {
                self.points.push(row(writer, id, point));
            }
            let before = before.filter(|before| !before.is_removed).map(|before| &before.point);
            if before.is_none_or(|before| before.value != point.value || before.text != point.text) {
                changes.push((before, Some(point)));
            }
        }
        for before in lacking(stored, points).filter(|_| removes) {
            let cells = [before.series.to_cell(), before.period.to_cell(), writer.now.to_cell()];
            self.gone.push(key(writer, id).into_iter().chain(cells).collect());
            changes.push((Some(before), None));
        }
        changes
    }

    fn write(self, sql: &Sql<'_>) -> Result<ValuesDone, Fault> {
        sql.add_rows("measure_documents", DOCUMENTS, KEEP_DOCUMENT, &self.documents)?;
        sql.add_rows("measure_values", POINTS, KEEP_POINT, &self.points)?;
        sql.update_rows("measure_values", "removed_at = {removed_at}", GONE, 4, &self.gone)?;
        Ok(self.done)
    }
}

/// What people see change, for the log.
fn told(changes: Vec<Change<'_>>) -> Vec<FieldChange> {
    let mut told: Vec<FieldChange> = changes
        .into_iter()
        .filter_map(|(before, after)| {
            let field = name(after.or(before)?);
            Some(FieldChange { field, before: before.map(shown), after: after.map(shown) })
        })
        .collect();
    told.sort_unstable_by(|a, b| a.field.cmp(&b.field));
    told
}

fn row<'a>(writer: &'a Writer<'_>, id: ElementId, point: &'a Point) -> Vec<Cell<'a>> {
    let Point { series, series_id, period, period_id, value, text } = point;
    let cells = [
        series.to_cell(),
        series_id.to_cell(),
        period.to_cell(),
        period_id.to_cell(),
        value.to_cell(),
        text.to_cell(),
    ];
    key(writer, id).into_iter().chain(cells).collect()
}

const DOCUMENTS: Columns<'_> = &[
    ("connection", "text"),
    ("measure_id", "bigint"),
    ("doc", "jsonb"),
    ("is_recognised", "boolean"),
    ("is_held", "boolean"),
    ("changed_at", "timestamptz"),
];

const KEEP_DOCUMENT: &str = "ON CONFLICT (connection, measure_id) DO UPDATE
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

const KEEP_POINT: &str = "ON CONFLICT (connection, measure_id, series, period) DO UPDATE
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
