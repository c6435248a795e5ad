//! The demo's one screen, read back by SQL from the store.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::cli::output::table;

const PULLED: &str = "SELECT k.kind, k.inserted AS first_sync, f.present AS now, f.complete_as_of \
FROM run_kinds AS k JOIN freshness AS f USING (connection, kind) \
WHERE k.run = (SELECT min(id) FROM runs WHERE connection = 'city') ORDER BY k.position";

const CHANGED: &str = "SELECT c.connection, c.kind, c.id, c.operation, e.name, coalesce(c.fields, c.evidence) \
AS what FROM changes AS c JOIN elements AS e USING (connection, kind, id) \
WHERE c.run IN (SELECT max(id) FROM runs GROUP BY connection) AND c.part <> 'values' ORDER BY c.sequence";

const KEYS: &str = "SELECT k.connection, k.key, k.expires, k.days_left, k.mapped_user, coalesce(\
(SELECT group_concat(w.event) FROM warnings AS w WHERE w.connection = k.connection AND w.resolved_at IS NULL \
AND w.event LIKE 'key_%'), 'valid') AS state FROM key_expiry AS k ORDER BY k.days_left";

/// A question that a newcomer can paste.
const QUERY: &str = "SELECT measure, series, period, value FROM measure_series \
WHERE connection = 'city' AND value IS NOT NULL ORDER BY measure, series, period LIMIT 6";

/// A query's answer.
#[derive(Debug, Serialize)]
struct Answer {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// All that the demo shows.
#[derive(Debug, Serialize)]
pub(super) struct Screen {
    store: String,
    pulled: Answer,
    changed: Answer,
    keys: Answer,
    query: &'static str,
    answer: Answer,
}

/// Reads the screen from the store.
///
/// # Errors
/// The store cannot be read, or a table is not as the demo expects it.
pub(super) fn draw(store: &Path) -> rusqlite::Result<Screen> {
    let sql = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(Screen {
        store: store.display().to_string(),
        pulled: ask(&sql, PULLED)?,
        changed: ask(&sql, CHANGED)?,
        keys: ask(&sql, KEYS)?,
        query: QUERY,
        answer: ask(&sql, QUERY)?,
    })
}

fn ask(sql: &Connection, query: &str) -> rusqlite::Result<Answer> {
    let mut statement = sql.prepare(query)?;
    let head: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let columns = head.len();
    let rows =
        statement.query_map([], |row| (0..columns).map(|idx| Ok(text(row.get_ref(idx)?))).collect())?;
    let rows = rows.collect::<Result<_, _>>()?;
    Ok(Answer { head, rows })
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

impl Answer {
    fn to_text(&self) -> String {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        table(&head, self.rows.iter().cloned())
    }
}

impl Screen {
    /// The screen for people.
    pub(super) fn to_text(&self) -> String {
        let Self { store, pulled, changed, keys, query, answer } = self;
        format!(
            "\nPulled for city\n{}\nChanged between the two syncs\n{}\nKeys\n{}\n\
             Ask the store yourself:\n  sqlite3 {store} \"{query}\"\n{}",
            pulled.to_text(),
            changed.to_text(),
            keys.to_text(),
            answer.to_text()
        )
    }
}
