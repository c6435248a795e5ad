//! Looks at a store with SQL, whichever engine keeps it: with SQLite's library, or with PostgreSQL's own
//! client. What both hold is read as the same text.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::patience::patient;
use crate::postgres_server::Database;

/// The way to a store.
pub(super) enum Look {
    File(PathBuf),
    Database(Database),
}

/// A row: the name and the text of each column. NULL is `-`, truth is 0 or 1, an instant is told in UTC.
pub(super) type Row = Vec<(String, String)>;

impl Look {
    /// The rows of a query.
    #[track_caller]
    pub(super) fn rows(&self, query: &str) -> Vec<Row> {
        match self {
            Self::File(path) => of_file(path, query),
            Self::Database(database) => {
                let answer = database.psql(&format!(
                    "SET search_path = clearpoint; SET timezone = 'UTC'; \
                     SET bytea_output = hex; SELECT row_to_json(q) FROM ({query}) AS q"
                ));
                let row =
                    |line| serde_json::from_str::<Cells>(line).unwrap_or_else(|e| panic!("{line}: {e}")).0;
                answer.lines().map(row).collect()
            }
        }
    }

    /// The names of all relations of a type, `table` or `view`.
    pub(super) fn names(&self, of: &str) -> Vec<String> {
        let query = match (self, of) {
            (Self::File(_), _) => {
                format!("SELECT name FROM sqlite_schema WHERE type = '{of}' AND name NOT LIKE 'sqlite_%'")
            }
            (Self::Database(_), "view") => {
                "SELECT viewname FROM pg_views WHERE schemaname = 'clearpoint'".into()
            }
            (Self::Database(_), _) => {
                "SELECT tablename FROM pg_tables WHERE schemaname = 'clearpoint'".into()
            }
        };
        self.rows(&query).into_iter().flatten().map(|(_, name)| name).collect()
    }

    /// Changes the store as only a test may.
    pub(super) fn change(&self, sql: &str) {
        match self {
            Self::File(path) => patient(Connection::open(path)).execute_batch(sql).unwrap(),
            Self::Database(database) => {
                database.psql(&format!("SET search_path = clearpoint; {sql}"));
            }
        }
    }

    /// What a killed process held is free at once, as after the time that its leases would have stood. A
    /// lock on a file ends with its process.
    pub(super) fn end_leases(&self) {
        if let Self::Database(_) = self {
            self.change("UPDATE leases SET expires_at = '2000-01-01'");
        }
    }

    /// Sets an instant back: `hours = 3`.
    pub(super) fn earlier(&self, column: &str, count: u32, unit: &str) -> String {
        match self {
            Self::File(_) => {
                format!("{column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{count} {unit}')")
            }
            Self::Database(_) => format!("{column} = {column} - interval '{count} {unit}'"),
        }
    }

    /// The engine finds nothing wrong with what it keeps; one whose server looks after that is not asked.
    #[track_caller]
    pub(super) fn assert_sound(&self) {
        if let Self::File(_) = self {
            let found = self.rows("PRAGMA integrity_check");
            assert!(found.len() == 1 && found[0][0].1 == "ok", "{found:?}");
        }
    }
}

#[track_caller]
fn of_file(path: &PathBuf, query: &str) -> Vec<Row> {
    let sql = patient(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY));
    let mut statement = sql.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query([]).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap_or_else(|error| panic!("{query}: {error}")) {
        let cell = |(at, name): (usize, &String)| (name.clone(), stored(row.get_ref(at).unwrap()));
        rows.push(names.iter().enumerate().map(cell).collect());
    }
    rows
}

fn stored(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The fields of a JSON object, in its order.
struct Cells(Row);

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Row;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Row, M::Error> {
                let mut row = Row::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    row.push((name, told(&value)));
                }
                Ok(row)
            }
        }
        deserializer.deserialize_map(Fields).map(Self)
    }
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(is_true) => u8::from(*is_true).to_string(),
        // What numeric columns hold is told as a file tells it: by its value.
        Value::Number(number) if !number.is_i64() => number.as_f64().unwrap_or(f64::NAN).to_string(),
        Value::String(text) if text.starts_with("\\x") => text[2..].to_owned(),
        Value::String(text) if text.ends_with("+00:00") => match text.parse::<DateTime<Utc>>() {
            Ok(instant) => instant.to_rfc3339_opts(SecondsFormat::Millis, true),
            Err(_) => text.clone(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
