//! Reads a store as a test wants to see it: queries as lines of text, and a digest of everything. What both
//! engines hold is read as the same text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use serde_json::Value;

use crate::fingerprint;
use crate::store::sql::{Cell, Sql};
use crate::store::{Sqlite, Store};

/// Tables that every run writes, whatever it finds.
const RUN_RECORDS: [&str; 3] = ["runs", "run_kinds", "run_reads"];

/// The rows of a query, each as its values joined by `|`. JSON is told as [`canonical`].
#[track_caller]
pub(crate) fn rows(store: &Store, query: &str) -> Vec<String> {
    let rows = match store {
        Store::Sqlite(db) => of_file(db, query),
        Store::Postgres(db) => db.read("look", |sql| sql.query(query, &[])).unwrap(),
    };
    rows.into_iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|")).collect()
}

/// The one row of a query.
#[track_caller]
pub(crate) fn one(store: &Store, query: &str) -> String {
    let rows = rows(store, query);
    assert_eq!(rows.len(), 1, "{query}: {rows:?}");
    rows.into_iter().next().unwrap()
}

/// The names of all tables, views, or both.
pub(crate) fn names(store: &Store, types: &[&str]) -> Vec<String> {
    let types: Vec<String> = types.iter().map(|name| format!("'{name}'")).collect();
    let query = match store {
        Store::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type IN ({}) AND name NOT LIKE 'sqlite_%'",
        Store::Postgres(_) => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()
             AND CASE table_type WHEN 'VIEW' THEN 'view' ELSE 'table' END IN ({})"
        }
    };
    rows(store, &query.replace("{}", &types.join(", ")))
}

/// Every row of every table but the run records, and the views' texts.
pub(crate) fn digest(store: &Store) -> BTreeMap<String, Vec<String>> {
    let mut digest = BTreeMap::new();
    for table in names(store, &["table"]) {
        if !RUN_RECORDS.contains(&table.as_str()) {
            let mut rows = rows(store, &format!("SELECT * FROM {table}"));
            rows.sort();
            digest.insert(table, rows);
        }
    }
    if let Store::Sqlite(_) = store {
        digest.insert("views".into(), rows(store, "SELECT sql FROM sqlite_master ORDER BY name"));
    }
    digest
}

/// Changes the store in a way that the program does not.
pub(crate) fn script(store: &Store, script: &str) {
    match store {
        Store::Sqlite(db) => Connection::open(db.path()).unwrap().execute_batch(script).unwrap(),
        Store::Postgres(db) => db.write("meddle", |sql| sql.batch(script)).unwrap(),
    }
}

/// Which tables are written to from now on.
pub(crate) enum Writes {
    File(Arc<Mutex<Vec<String>>>),
    /// The versions of all rows, as they were.
    Database(BTreeMap<String, Vec<String>>),
}

impl Writes {
    pub(crate) fn watch(store: &Store) -> Self {
        let Store::Sqlite(db) = store else { return Self::Database(versions(store)) };
        let written = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&written);
        let hook = move |_, _: &str, table: &str, _| seen.lock().unwrap().push(table.to_owned());
        db.writer.as_ref().unwrap().lock().unwrap().update_hook(Some(hook)).unwrap();
        Self::File(written)
    }

    /// The tables, without `run_kinds`, which has no rowid and so goes unseen in a file.
    pub(crate) fn tables(self, store: &Store) -> Vec<String> {
        let mut tables = match self {
            Self::File(written) => written.lock().unwrap().clone(),
            Self::Database(before) => {
                let changed = versions(store).into_iter().filter(|(table, rows)| before[table] != *rows);
                changed.map(|(table, _)| table).collect()
            }
        };
        tables.retain(|table| table != "run_kinds");
        tables.dedup();
        tables
    }
}

/// Where each row of each table stands, and which transaction put it there.
fn versions(store: &Store) -> BTreeMap<String, Vec<String>> {
    let rows = |table: &String| {
        rows(store, &format!("SELECT CAST(ctid AS text), CAST(xmin AS text) FROM {table} ORDER BY 1"))
    };
    names(store, &["table"]).into_iter().map(|table| (table.clone(), rows(&table))).collect()
}

/// A JSON text as both engines could have kept it: keys in order, no blanks, numbers told by their value.
pub(crate) fn canonical(json: &str) -> String {
    match serde_json::from_str::<Value>(json) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => by_value(value).to_string(),
        _ => json.to_owned(),
    }
}

fn by_value(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() => {
            number.as_f64().map_or(Value::Number(number), Value::from)
        }
        Value::Array(values) => values.into_iter().map(by_value).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, by_value(value))).collect(),
        other => other,
    }
}

#[track_caller]
fn of_file(db: &Sqlite, query: &str) -> Vec<Vec<Cell<'static>>> {
    let sql = Connection::open(db.path()).unwrap();
    let width = sql.prepare(query).unwrap().column_count();
    let row =
        |row: &crate::store::sql::Row<'_>| (0..width).map(|at| Ok(row.cell(at)?.into_owned())).collect();
    Sql::Sqlite(&sql).prepare_cached(query).unwrap().query_map((), row).unwrap()
}

fn cell(value: &Cell<'_>) -> String {
    match value {
        Cell::Null => "-".into(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => canonical(text),
        Cell::Bytes(bytes) => format!("{:x}", fingerprint::of_bytes(bytes)),
    }
}
