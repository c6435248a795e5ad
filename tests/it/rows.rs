//! Rows of the store as text, to compare and to print.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// The rows of a query, of the columns that `column` lets through, parted by `|`, and NULL as `-`.
#[track_caller]
pub(super) fn rows(store: &Connection, query: &str, column: impl Fn(&str) -> bool) -> Vec<String> {
    let mut statement = store.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let kept: Vec<usize> = (0..names.len()).filter(|position| column(&names[*position])).collect();
    let mut found = statement.query([]).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap_or_else(|error| panic!("{query}: {error}")) {
        let cells: Vec<String> = kept.iter().map(|at| cell(row.get_ref(*at).unwrap())).collect();
        rows.push(cells.join("|"));
    }
    rows
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The rows of some tables, and how often each is there.
#[derive(Clone)]
pub(super) struct Rows(pub(super) BTreeMap<String, BTreeMap<String, usize>>);

impl Rows {
    /// Without one table.
    pub(super) fn without(mut self, table: &str) -> Self {
        self.0.remove(table);
        self
    }

    /// Fails with the first rows that only one side has.
    #[track_caller]
    pub(super) fn assert_same(&self, expected: &Self) {
        let mut report = String::new();
        for (table, rows) in &expected.0 {
            let found = self.0.get(table).unwrap_or_else(|| panic!("no table {table}"));
            report += &only_in(rows, found, &format!("{table}: gone "));
            report += &only_in(found, rows, &format!("{table}: added"));
        }
        assert!(report.is_empty(), "{report}");
    }
}

/// The first rows that stand more often in `these` than in `those`.
fn only_in(these: &BTreeMap<String, usize>, those: &BTreeMap<String, usize>, what: &str) -> String {
    let more = these.iter().filter(|(row, count)| those.get(*row).is_none_or(|other| other < count));
    more.take(5).map(|(row, _)| format!("{what} {}\n", row.chars().take(400).collect::<String>())).collect()
}
