//! Rows of the store as text, to compare and to print.

use std::collections::BTreeMap;

use serde_json::Value;

/// The rows of some tables, and how often each is there.
#[derive(Clone)]
pub(super) struct Rows(pub(super) BTreeMap<String, BTreeMap<String, usize>>);

impl Rows {
    /// Without one table.
    pub(super) fn without(mut self, table: &str) -> Self {
        self.0.remove(table);
        self
    }

    /// With JSON told as both engines could have kept it.
    pub(super) fn canonical(self) -> Self {
        let row = |(row, count): (String, usize)| {
            (row.split('|').map(canonical).collect::<Vec<_>>().join("|"), count)
        };
        let table = |(name, rows): (String, BTreeMap<_, _>)| (name, rows.into_iter().map(row).collect());
        Self(self.0.into_iter().map(table).collect())
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

/// A JSON text with its keys in order, without blanks, numbers told by their value; another text as it is.
pub(super) fn canonical(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => by_value(value).to_string(),
        _ => text.to_owned(),
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

/// Takes the query off every address.
pub(super) fn unsign(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("https://") => {
            text.truncate(text.find('?').unwrap_or(text.len()));
        }
        Value::Array(values) => values.iter_mut().for_each(unsign),
        Value::Object(fields) => fields.values_mut().for_each(unsign),
        _ => {}
    }
}
