//! Views for people: one per kind, and four that answer the first questions. They are brought up to
//! date after the data, in transactions of their own; a view never loses or moves a column.
//!
//! Their SQL keeps to what SQLite 3.26 reads, for people bring their own tools.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::columns::{self, FIXED, Type};
use super::sql::{Fault, Sql};
use super::{Store, StoreError};
use crate::kind;

/// Most columns that a view gives to fields.
const COLUMNS_MAX: usize = 400;
/// A field with a longer name gets no column; it stays in the document.
const FIELD_BYTES_MAX: usize = 256;

impl Store {
    /// Gives columns to the fields discovered since the last time, and makes the views that are not yet
    /// as they should be. Writes only where there is something to do.
    ///
    /// # Errors
    /// A view could not be made: a warning, never a lost run.
    pub async fn refresh_views(&self) -> Result<(), StoreError> {
        let due = self.read("look at the views", due)?;
        for view in due {
            self.write(format_args!("make the view {view}"), |sql| refresh(sql, &view))?;
        }
        Ok(())
    }
}

/// The views that are not as they should be.
fn due(sql: &Sql<'_>) -> Result<Vec<String>, Fault> {
    let made = made(sql)?;
    let mut due = Vec::new();
    for kind in kinds(sql)? {
        let register = Register::load(sql, &kind)?;
        let is_named = register.new_columns().is_empty() && !has_unnamed(sql, &kind)?;
        if !is_named || made.get(&kind) != Some(&register.view()) {
            due.push(kind);
        }
    }
    let is_due = |(name, body): &&(&str, &str)| made.get(*name) != Some(&create(name, body));
    due.extend(FOR_PEOPLE.iter().filter(is_due).map(|(name, _)| (*name).to_owned()));
    Ok(due)
}

fn refresh(sql: &Sql<'_>, view: &str) -> Result<(), Fault> {
    if let Some((name, body)) = FOR_PEOPLE.iter().find(|(name, _)| *name == view) {
        return replace(sql, name, &create(name, body));
    }
    let mut register = Register::load(sql, view)?;
    for column in register.new_columns() {
        sql.prepare_cached(
            "INSERT INTO view_columns (kind, position, field, column_name, type) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            view,
            register.columns.len(),
            &column.field,
            &column.name,
            column.shown.as_str(),
        ))?;
        register.columns.push(column);
    }
    sql.prepare_cached(&format!(
        "UPDATE fields SET column_name = coalesce((SELECT column_name FROM view_columns AS c
           WHERE c.kind = fields.kind AND c.field = fields.field), field)
         WHERE {UNNAMED}"
    ))?
    .execute([view])?;
    replace(sql, view, &register.view())
}

/// Fields of a kind that have a column and are not yet told so; `name` is shown by a fixed one.
const UNNAMED: &str = "kind = ?1 AND column_name IS NULL
    AND (field = 'name' OR field IN (SELECT field FROM view_columns WHERE kind = ?1))";

fn has_unnamed(sql: &Sql<'_>, kind: &str) -> Result<bool, Fault> {
    sql.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM fields WHERE {UNNAMED})"))?
        .query_row([kind], |row| row.get(0))
}

fn replace(sql: &Sql<'_>, name: &str, create: &str) -> Result<(), Fault> {
    sql.execute_batch(&format!("DROP VIEW IF EXISTS {}; {create}", quoted(name)))
}

fn create(name: &str, body: &str) -> String {
    format!("CREATE VIEW {} AS {body}", quoted(name))
}

/// The views there are, with their SQL.
fn made(sql: &Sql<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let mut statement = sql.prepare_cached("SELECT name, sql FROM sqlite_master WHERE type = 'view'")?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.into_iter().collect())
}

/// Every kind that has, or should have, a view.
fn kinds(sql: &Sql<'_>) -> Result<BTreeSet<String>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT kind FROM cursors UNION SELECT kind FROM fields UNION SELECT kind FROM view_columns",
    )?;
    let stored = statement.query_map((), |row| row.get(0))?;
    let catalogue = kind::catalogue().into_iter().map(|kind| kind.name.to_string());
    Ok(catalogue.chain(stored).collect())
}

/// The columns of one kind's view, and the fields known.
#[derive(Debug)]
struct Register {
    kind: String,
    columns: Vec<Column>,
    /// Fields in the order they were seen, and whether some connection has it from single reads only.
    fields: Vec<(String, bool)>,
}

#[derive(Debug)]
struct Column {
    field: String,
    name: String,
    shown: Type,
}

impl Register {
    fn load(sql: &Sql<'_>, kind: &str) -> Result<Self, Fault> {
        let mut columns = sql.prepare_cached(
            "SELECT field, column_name, type FROM view_columns WHERE kind = ?1 ORDER BY position",
        )?;
        let columns = columns.query_map([kind], |row| {
            let shown = Type::parse(row.text(2)?);
            Ok(Column { field: row.get(0)?, name: row.get(1)?, shown })
        })?;
        let mut fields = sql.prepare_cached(
            "SELECT field, max(CASE WHEN part = 'detail' THEN 1 ELSE 0 END) FROM fields WHERE kind = ?1
             GROUP BY field ORDER BY min(first_seen_at), field",
        )?;
        let fields = fields.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { kind: kind.to_owned(), columns, fields })
    }

    /// Columns for the catalogue's fields and for those discovered, as far as they have none.
    fn new_columns(&self) -> Vec<Column> {
        let mut taken: HashSet<String> = FIXED.iter().map(ToString::to_string).collect();
        taken.extend(self.columns.iter().map(|column| column.name.clone()));
        let mut known: HashSet<&str> = self.columns.iter().map(|column| column.field.as_str()).collect();
        // The fixed column shows it.
        known.insert("name");
        let catalogue = columns::catalogue(&self.kind).iter().map(|(field, shown)| (*field, *shown));
        let discovered = self.fields.iter().map(|(field, _)| (field.as_str(), Type::Text));
        let new = catalogue
            .chain(discovered)
            .filter(|(field, _)| field.len() <= FIELD_BYTES_MAX && known.insert(field));
        let room = COLUMNS_MAX.saturating_sub(self.columns.len());
        new.take(room)
            .map(|(field, shown)| Column {
                field: field.into(),
                name: columns::name(field, &mut taken),
                shown,
            })
            .collect()
    }

    /// The SQL of the view.
    fn view(&self) -> String {
        let detailed: HashSet<&str> =
            self.fields.iter().filter(|(_, is_detail)| *is_detail).map(|(field, _)| field.as_str()).collect();
        let mut columns = FIXED.map(quoted).to_vec();
        columns.extend(self.columns.iter().map(|column| {
            let shown = value("doc", column);
            let shown = match detailed.contains(column.field.as_str()) {
                true => format!("coalesce({shown}, {})", value("detail", column)),
                false => shown,
            };
            format!("{shown} AS {}", quoted(&column.name))
        }));
        let body = format!(
            "SELECT {}\nFROM elements WHERE kind = {} AND state = 'present'",
            columns.join(",\n  "),
            literal(&self.kind)
        );
        create(&self.kind, &body)
    }
}

/// An expression for a field of the JSON in `source`, typed with guarded casts.
fn value(source: &str, column: &Column) -> String {
    let field = &column.field;
    let is_plain = !field.is_empty() && !field.contains(['"', '\\']) && !field.contains(char::is_control);
    if is_plain {
        let path = literal(&format!("$.\"{field}\""));
        let (kind, value) =
            (format!("json_type({source}, {path})"), format!("json_extract({source}, {path})"));
        return cast(column.shown, &kind, &value);
    }
    // A path cannot name such a key in every SQLite.
    let shown = cast(column.shown, "type", "value");
    format!("(SELECT {shown} FROM json_each(elements.{source}) WHERE key = {})", literal(field))
}

fn cast(shown: Type, kind: &str, value: &str) -> String {
    match shown {
        Type::Integer => format!(
            "CASE {kind} WHEN 'integer' THEN {value} WHEN 'real' THEN \
             CASE WHEN CAST({value} AS INTEGER) = {value} THEN CAST({value} AS INTEGER) END WHEN 'text' THEN \
             CASE WHEN CAST(CAST({value} AS INTEGER) AS TEXT) = {value} THEN CAST({value} AS INTEGER) END END"
        ),
        Type::Number => format!(
            "CASE {kind} WHEN 'integer' THEN {value} WHEN 'real' THEN {value} WHEN 'text' THEN \
             CASE WHEN {value} GLOB '*[0-9]*' AND {value} NOT GLOB '*[^-0-9.]*' \
             THEN CAST({value} AS REAL) END END"
        ),
        Type::Boolean => format!(
            "CASE {kind} WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE CASE lower({value}) \
             WHEN 'true' THEN 1 WHEN 'false' THEN 0 WHEN '1' THEN 1 WHEN '0' THEN 0 END END"
        ),
        Type::Text => format!(
            "CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST({value} AS TEXT) END"
        ),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The views that answer the first questions.
const FOR_PEOPLE: [(&str, &str); 4] = [
    (
        "measure_series",
        "SELECT v.connection, v.measure_id, m.name AS measure, m.scorecard_id, s.name AS scorecard,
  v.series, v.series_id, v.period, v.period_id, v.value, v.text
FROM measure_values AS v
JOIN elements AS m
  ON m.kind = 'measures' AND m.connection = v.connection AND m.id = v.measure_id AND m.state = 'present'
LEFT JOIN elements AS s
  ON s.kind = 'scorecards' AND s.connection = v.connection AND s.id = m.scorecard_id
WHERE v.removed_at IS NULL",
    ),
    (
        // Days are reckoned in UTC here; the program reckons them in the connection's time zone.
        "key_expiry",
        "SELECT k.connection, k.slot, k.name AS \"key\", k.expires,
  CAST(julianday(k.expires) - julianday(date('now')) AS INTEGER) AS days_left, c.mapped_user, c.timezone
FROM keys AS k LEFT JOIN connections AS c ON c.name = k.connection",
    ),
    (
        "last_runs",
        "SELECT connection, id AS run, mode, started_at, finished_at, outcome, reason,
  inserted, updated, restored, removed, unchanged, held, missing, rejected, requests
FROM runs WHERE id IN (SELECT max(id) FROM runs GROUP BY connection)",
    ),
    (
        // A date stands here only if every element people see was read by then.
        "freshness",
        "SELECT k.connection, k.kind,
  (SELECT c.started_at FROM run_kinds AS c WHERE c.connection = k.connection AND c.kind = k.kind
     AND c.outcome = 'complete' ORDER BY c.run DESC LIMIT 1) AS complete_as_of,
  (SELECT c.started_at FROM run_kinds AS c WHERE c.connection = k.connection AND c.kind = k.kind
     AND c.outcome IN ('complete', 'incremental') ORDER BY c.run DESC LIMIT 1) AS changes_as_of,
  (SELECT count(*) FROM elements AS e
   WHERE e.kind = k.kind AND e.connection = k.connection AND e.state = 'present') AS present,
  (SELECT CASE WHEN count(*) = count(r.read_at) THEN min(r.read_at) END
   FROM elements AS e LEFT JOIN run_reads AS r
     ON r.connection = e.connection AND r.kind = e.kind AND r.part = 'detail' AND r.id = e.id
   WHERE e.kind = k.kind AND e.connection = k.connection AND e.state = 'present') AS details_as_of,
  (SELECT CASE WHEN count(*) = count(r.read_at) THEN min(r.read_at) END
   FROM elements AS e LEFT JOIN run_reads AS r
     ON r.connection = e.connection AND r.kind = e.kind AND r.part = 'values' AND r.id = e.id
   WHERE e.kind = k.kind AND e.connection = k.connection AND e.state = 'present'
     AND k.kind = 'measures') AS values_as_of
FROM run_kinds AS k GROUP BY k.connection, k.kind",
    ),
];
