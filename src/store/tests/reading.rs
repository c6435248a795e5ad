//! Reads a store file as a test wants to see it: queries as lines of text, and a digest of everything.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::fingerprint;

/// The rows of a query, each as its values joined by `|`.
pub(crate) fn rows(store: &Path, query: &str) -> Vec<String> {
    let sql = Connection::open(store).unwrap();
    let mut statement = sql.prepare(query).unwrap();
    let width = statement.column_count();
    let line = |row: &Row<'_>| {
        let cells = (0..width).map(|column| cell(row.get_ref(column).unwrap()));
        Ok(cells.collect::<Vec<_>>().join("|"))
    };
    statement.query_map([], line).unwrap().map(Result::unwrap).collect()
}

/// The one row of a query.
pub(crate) fn one(store: &Path, query: &str) -> String {
    let rows = rows(store, query);
    assert_eq!(rows.len(), 1, "{query}: {rows:?}");
    rows.into_iter().next().unwrap()
}

/// Every row of every table but the run records, and the views' texts.
pub(crate) fn digest(store: &Path) -> BTreeMap<String, Vec<String>> {
    let tables = rows(
        store,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
           AND name NOT IN ('runs', 'run_kinds', 'run_reads')",
    );
    let content = |table: String| (table.clone(), rows(store, &format!("SELECT * FROM {table}")));
    let mut digest: BTreeMap<_, _> = tables.into_iter().map(content).collect();
    digest.insert("views".into(), rows(store, "SELECT sql FROM sqlite_master ORDER BY name"));
    digest
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{:x}", fingerprint::of_bytes(bytes).0),
    }
}
