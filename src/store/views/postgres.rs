//! How PostgreSQL shows a field of a document, and tells how it made a view.

use super::super::columns::Type;
use super::{Column, DIGITS_MAX, literal};

/// The views there are, with their SQL as it was given: the server keeps them in words of its own.
pub(super) const MADE: &str = "SELECT name, body FROM made_views WHERE name IN
    (SELECT table_name FROM information_schema.views WHERE table_schema = current_schema())";

/// How many whole days are left until a key lapses, fewer than none after it did.
pub(super) const DAYS_LEFT: &str = "CAST(floor(extract(epoch FROM k.lapses_at - now()) / 86400) AS integer)";

/// How long those who read a view are waited for before it is replaced: they keep it as it is until their
/// transaction ends, and whoever comes after us waits behind us.
pub(super) const WAIT_FOR_READERS: &str = "SET LOCAL lock_timeout TO '2s'";

/// An expression for a field of the JSON in `source`, typed with guarded casts. A cast stands in a `CASE` of
/// its own, for nothing else keeps the server from trying it first.
pub(super) fn value(source: &str, column: &Column) -> String {
    let field = literal(&column.field);
    let (json, text) = (format!("{source} -> {field}"), format!("({source} ->> {field})"));
    let number = format!("CAST({text} AS numeric)");
    let integer = format!(
        "CASE WHEN {number} BETWEEN {} AND {} AND {number} = trunc({number}) THEN CAST({number} AS bigint) END",
        i64::MIN,
        i64::MAX
    );
    match column.shown {
        Type::Integer => format!(
            "CASE jsonb_typeof({json}) WHEN 'number' THEN {integer} WHEN 'string' THEN \
             CASE WHEN {text} ~ '^(0|-?[1-9][0-9]{{0,18}})$' THEN {integer} END END"
        ),
        Type::Number => format!(
            "CASE jsonb_typeof({json}) WHEN 'number' THEN {number} WHEN 'string' THEN \
             CASE WHEN length({text}) <= {DIGITS_MAX} AND {text} ~ '^-?([0-9]+[.]?[0-9]*|[.][0-9]+)$' \
             THEN {number} END END"
        ),
        Type::Boolean => format!(
            "CASE lower({text}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE \
             WHEN '1' THEN TRUE WHEN '0' THEN FALSE END"
        ),
        Type::Text => text,
    }
}
