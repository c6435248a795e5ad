//! The spelling of statements: the shared `?1` becomes PostgreSQL's `$1`, and a set of rows becomes a
//! relation in front of the statement.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Writes `$1` for each `?1` that stands outside of quotes and comments.
pub(super) fn numbered(statement: &str) -> String {
    let mut out = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(at) = rest.find(['?', '\'', '"', '-', '/', '$']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let is_placeholder = from[1..].starts_with(|c: char| c.is_ascii_digit());
        if from.starts_with('?') && is_placeholder {
            out.push('$');
            rest = &from[1..];
        } else {
            let is_escaping = before.ends_with(['e', 'E']) && !before[..before.len() - 1].ends_with(is_word);
            let (text, after) = from.split_at(text_length(from, is_escaping));
            out.push_str(text);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A name as the server takes it, whatever it is made of.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The statement with the relation `rows` before it, made of one array a column (`$1`, `$2`, …).
pub(super) fn with_rows(statement: &str, columns: &[(&str, &str)]) -> String {
    let (mut names, mut arrays) = (String::new(), String::new());
    for (number, (name, kind)) in columns.iter().enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(names, "{comma}{}", quoted(name));
        let _ = write!(arrays, "{comma}${}::{kind}[]", number + 1);
    }
    let rows = format!("rows ({names}) AS (SELECT * FROM unnest({arrays}))");
    let (word, rest) = first_word(statement);
    if !word.eq_ignore_ascii_case("with") {
        return format!("WITH {rows} {statement}");
    }
    let (word, after) = first_word(rest);
    match word.eq_ignore_ascii_case("recursive") {
        true => format!("WITH RECURSIVE {rows}, {after}"),
        false => format!("WITH {rows}, {rest}"),
    }
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(|c: char| !is_word(c)).unwrap_or(text.len()))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the quoted text or comment is that `rest` begins with; the length of its first character where
/// it begins with neither.
fn text_length(rest: &str, is_escaping: bool) -> usize {
    let until =
        |end: &str, skip: usize| rest[skip..].find(end).map_or(rest.len(), |at| skip + at + end.len());
    if rest.starts_with('\'') && is_escaping {
        return escaped_length(rest);
    }
    match rest.as_bytes() {
        // A doubled quote is the end of one text and the beginning of the next.
        [b'\'', ..] => until("'", 1),
        [b'"', ..] => until("\"", 1),
        [b'-', b'-', ..] => until("\n", 2),
        [b'/', b'*', ..] => until("*/", 2),
        [b'$', ..] => dollar_tag(rest).map_or(1, |tag| until(&tag, tag.len())),
        _ => 1,
    }
}

/// The length of a text in which a backslash escapes the next character.
fn escaped_length(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `$tag$`, if the text begins with one; `$1` is none.
fn dollar_tag(rest: &str) -> Option<Cow<'_, str>> {
    let end = rest[1..].find('$')? + 1;
    let tag = &rest[1..end];
    let is_tag = tag.chars().all(is_word) && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| rest[..=end].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_outside_of_texts_are_numbered() {
        for (statement, expected) in [
            ("a = ?1 AND b = ?12", "a = $1 AND b = $12"),
            ("a = '?1' AND b = ?1", "a = '?1' AND b = $1"),
            ("a = 'it''s ?1' OR b = ?2", "a = 'it''s ?1' OR b = $2"),
            ("\"odd?1\" = ?1 -- ?2\n, ?2 /* ?3 */ ?3", "\"odd?1\" = $1 -- ?2\n, $2 /* ?3 */ $3"),
            ("a = E'\\'?1' AND ?1", "a = E'\\'?1' AND $1"),
            ("name'?1'", "name'?1'"),
            ("$body$ ?1 '$body$ ?1 $$?2$$", "$body$ ?1 '$body$ $1 $$?2$$"),
            ("doc ? 'key' AND a - ?1 / ?2 - $3", "doc ? 'key' AND a - $1 / $2 - $3"),
            ("'é?1' || ?1", "'é?1' || $1"),
            ("'open ?1", "'open ?1"),
        ] {
            assert_eq!(numbered(statement), expected);
        }
    }

    #[test]
    fn rows_stand_before_every_kind_of_statement() {
        let columns = [("id", "bigint"), ("name", "text")];
        let rows = "rows (\"id\", \"name\") AS (SELECT * FROM unnest($1::bigint[], $2::text[]))";
        let with = |statement: &str| with_rows(statement, &columns);
        assert_eq!(with("SELECT 1"), format!("WITH {rows} SELECT 1"));
        assert_eq!(with("\n with a AS (x) SELECT 1"), format!("WITH {rows},  a AS (x) SELECT 1"));
        assert_eq!(with("WITH RECURSIVE a AS (x) y"), format!("WITH RECURSIVE {rows},  a AS (x) y"));
        assert_eq!(with("withdraw"), format!("WITH {rows} withdraw"));
    }
}
