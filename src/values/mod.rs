//! measureData → points (series, period, value). Nobody has seen its shape, so the likely ones are
//! recognised and nothing is guessed: an answer that fits none of them gives no points at all. Null
//! stays null, never 0. Pure.

mod fields;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use fields::{Fields, Named, amount, is_period_name};

/// Most keys that are named.
const KEYS_MAX: usize = 100;
/// Fields under which an answer may hold what is looked for.
const ENVELOPES: [&str; 7] = ["measureData", "data", "results", "items", "series", "values", "rows"];
/// Fields that hold the points of a series, or the series of a period.
const NESTED: [&str; 7] = ["values", "data", "points", "series", "periods", "measureData", "seriesData"];

/// A longer name of a series or a period is none: an index of the store could not take it.
const NAME_BYTES_MAX: usize = 1000;

/// One value of one series in one period.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The series' name (`Actual`).
    pub series: String,
    /// The series' id, where it is told.
    pub series_id: Option<i64>,
    /// The period's name (`Jan-26`); its id where it has no name.
    pub period: String,
    /// The period's id, where it is told.
    pub period_id: Option<i64>,
    /// The number; `None` is an empty cell, or one with a text.
    pub value: Option<f64>,
    /// What stands there and is no number.
    pub text: Option<String>,
}

impl Point {
    /// What tells it from the other points of its measure: the series and the period.
    #[must_use]
    pub fn label(&self) -> (&str, &str) {
        (&self.series, &self.period)
    }
}

/// An answer of unknown shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unrecognised {
    /// Its top-level keys, or those of its first row; never a value.
    pub keys: Vec<String>,
}

/// Reads the points of a stored measureData answer, sorted by series and period; of two for one series
/// and period the last counts. An empty list is no points; whether to believe that is the caller's.
///
/// Recognised, bare or in an envelope: rows of one period with a column a series; rows of one period
/// and one series; periods with a list of series; series with a list of values; columns + rows.
///
/// # Errors
/// [`Unrecognised`] when the answer, or any part of its list, is something else.
pub fn recognise(document: &str) -> Result<Vec<Point>, Unrecognised> {
    let root: Value = serde_json::from_str(document).map_err(|_| Unrecognised::default())?;
    let points = in_place(&root).or_else(|| in_envelope(&root)).or_else(|| series_map(root.as_object()?));
    let Some(points) = points else {
        return Err(Unrecognised { keys: keys(&root) });
    };
    let mut points = apart(points);
    points.sort_by(|a, b| a.label().cmp(&b.label()));
    // The sort is stable, so that the last of equals comes last; it is the one that stays.
    points.dedup_by(|later, kept| {
        let is_same = later.label() == kept.label();
        if is_same {
            std::mem::swap(later, kept);
        }
        is_same
    });
    Ok(points)
}

/// Tells periods apart that share a name but not an id (`Q1` of two years): the id joins the name.
fn apart(mut points: Vec<Point>) -> Vec<Point> {
    let mut ids = HashMap::new();
    let mut shared = HashSet::new();
    for point in &points {
        if let Some(id) = point.period_id
            && ids.insert(point.period.as_str(), id).is_some_and(|before| before != id)
        {
            shared.insert(point.period.clone());
        }
    }
    for point in points.iter_mut().filter(|point| shared.contains(&point.period)) {
        if let Some(id) = point.period_id {
            point.period = format!("{} ({id})", point.period);
        }
    }
    points
}

fn in_place(value: &Value) -> Option<Vec<Point>> {
    match value {
        Value::Array(rows) => table(rows),
        Value::Object(object) => columns_and_rows(object),
        _ => None,
    }
}

/// The first field with points; else the first with an empty list.
fn in_envelope(root: &Value) -> Option<Vec<Point>> {
    let object = root.as_object()?;
    let mut found = None;
    for inner in ENVELOPES.iter().filter_map(|name| object.get(*name)) {
        let points = in_place(inner).or_else(|| series_map(inner.as_object()?));
        if points.as_ref().is_some_and(|points| !points.is_empty()) {
            return points;
        }
        found = found.or(points);
    }
    found
}

fn table(rows: &[Value]) -> Option<Vec<Point>> {
    let points: Option<Vec<_>> = rows.iter().map(|row| row_points(row.as_object()?)).collect();
    Some(points?.into_iter().flatten().collect())
}

fn row_points(row: &Map<String, Value>) -> Option<Vec<Point>> {
    let fields = Fields(row);
    let (period, series) = (fields.period(), fields.series());
    if let Some(items) = nested(row) {
        return match period {
            Some(period) => series_of(&period, items),
            None => values_of(&series.or_else(|| fields.name())?, items),
        };
    }
    if let Some(series) = series {
        return Some(vec![point(series, period?, fields.value()?)?]);
    }
    let period = period.or_else(|| fields.name_as_period())?;
    let cells = fields.cells();
    (!cells.is_empty()).then_some(())?;
    cells.into_iter().map(|(series, cell)| point(series, period.clone(), cell)).collect()
}

/// A period that lists its series.
fn series_of(period: &Named, items: &[Value]) -> Option<Vec<Point>> {
    items
        .iter()
        .map(|item| {
            let fields = Fields(item.as_object()?);
            let series = fields.series().or_else(|| fields.name())?;
            point(series, period.clone(), fields.value()?)
        })
        .collect()
}

/// A series that lists its values.
fn values_of(series: &Named, items: &[Value]) -> Option<Vec<Point>> {
    items
        .iter()
        .map(|item| {
            let fields = Fields(item.as_object()?);
            let period = fields.period().or_else(|| fields.name())?;
            point(series.clone(), period, fields.value()?)
        })
        .collect()
}

/// `{"Actual": [{"period": …, "value": …}], "Target": {"values": […]}}`: nothing but series.
fn series_map(object: &Map<String, Value>) -> Option<Vec<Point>> {
    (!object.is_empty()).then_some(())?;
    let points: Option<Vec<_>> = object
        .iter()
        .map(|(name, value)| {
            let is_envelope = ENVELOPES.contains(&name.as_str());
            let (items, own) = match value {
                _ if is_envelope => return None,
                Value::Array(items) => (items.as_slice(), None),
                Value::Object(inner) => (nested(inner)?, Fields(inner).series()),
                _ => return None,
            };
            let id = own.and_then(|own| own.id);
            let name = name.clone();
            values_of(&Named { name, id }, items)
        })
        .collect();
    Some(points?.into_iter().flatten().collect())
}

/// `{"columns": ["Period", "Actual"], "rows": [["Jan-26", 7]]}`.
fn columns_and_rows(object: &Map<String, Value>) -> Option<Vec<Point>> {
    let rows = object.get("rows")?.as_array()?;
    let columns: Option<Vec<Named>> = object
        .get("columns")?
        .as_array()?
        .iter()
        .map(|column| match column {
            Value::Object(column) => {
                let fields = Fields(column);
                fields.series().or_else(|| fields.name())
            }
            other => Named::of(other),
        })
        .collect();
    let columns = columns?;
    let is_id = |column: &Named| fields::plain(&column.name) == "periodid";
    let period_at = columns.iter().position(|column| is_period_name(&column.name) && !is_id(column));
    let id_at = columns.iter().position(is_id);
    let (name_at, id_at) = (period_at.or(id_at)?, id_at);
    let mut points = Vec::new();
    for row in rows {
        let row = row.as_array().filter(|row| row.len() == columns.len())?;
        let period =
            Named { name: Named::of(&row[name_at])?.name, id: id_at.and_then(|at| row[at].as_i64()) };
        for (at, (column, cell)) in columns.iter().zip(row).enumerate() {
            if at != name_at && Some(at) != id_at {
                points.push(point(column.clone(), period.clone(), cell)?);
            }
        }
    }
    Some(points)
}

/// The list inside a row: under a name that says so, else the only array of objects.
fn nested(row: &Map<String, Value>) -> Option<&[Value]> {
    let named = NESTED.iter().find_map(|name| row.get(*name)?.as_array());
    let of_objects = |items: &&Vec<Value>| !items.is_empty() && items.iter().all(Value::is_object);
    let mut others = row.values().filter_map(Value::as_array).filter(of_objects);
    let found = named.or_else(|| others.next().filter(|_| others.next().is_none()));
    found.map(Vec::as_slice)
}

fn point(series: Named, period: Named, cell: &Value) -> Option<Point> {
    let cell_series = cell.as_object().and_then(|cell| Fields(cell).series());
    let (value, text) = amount(cell)?;
    let is_short = |name: &str| name.len() <= NAME_BYTES_MAX;
    (is_short(&series.name) && is_short(&period.name)).then_some(Point {
        series: series.name,
        series_id: series.id.or_else(|| cell_series?.id),
        period: period.name,
        period_id: period.id,
        value,
        text,
    })
}

fn keys(root: &Value) -> Vec<String> {
    let object = match root {
        Value::Array(rows) => rows.first().and_then(Value::as_object),
        other => other.as_object(),
    };
    let keys = object.into_iter().flat_map(Map::keys).take(KEYS_MAX);
    keys.map(|key| key.chars().filter(|c| !c.is_control()).take(KEYS_MAX).collect()).collect()
}
