//! How SQLite shows a field of a document, and tells how it made a view. Keeps to what SQLite 3.26 reads, for
//! people bring their own tools.

use super::super::columns::Type;
use super::{Column, DIGITS_MAX, literal};

/// The views there are, with their SQL.
pub(super) const MADE: &str = "SELECT name, sql FROM sqlite_master WHERE type = 'view'";

/// How many whole days are left until a key lapses, fewer than none after it did. Division cuts towards nought.
pub(super) const DAYS_LEFT: &str = "(strftime('%s', k.lapses_at) - strftime('%s', 'now')
    - CASE WHEN k.lapses_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now') THEN 86399 ELSE 0 END) / 86400";

/// An expression for a field of the JSON in `source`, typed with guarded casts.
pub(super) fn value(source: &str, column: &Column) -> String {
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
             CASE WHEN length({value}) <= {DIGITS_MAX} AND {value} GLOB '*[0-9]*' \
             AND {value} NOT GLOB '*[^-0-9.]*' AND {value} NOT GLOB '?*-*' AND {value} NOT GLOB '*.*.*' \
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
