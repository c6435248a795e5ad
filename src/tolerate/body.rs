//! What a body is: a list, nothing, an error, or something else. A strange body is never an empty list.

use std::mem;

use serde::de::IgnoredAny;

use super::document::NAMES;
use super::envelope::{Object, Parts, Value};
use super::imprint::Imprints;
use super::row::{Row, next_row, read_id};
use crate::fingerprint::{Fault, Reader};
use crate::kind::Kind;
use crate::snapshot::Rejected;

/// Longest error text that is passed on.
const ERROR_CHARACTERS_MAX: usize = 200;
/// Levels of containers that a list may stand in, itself included.
const LEVELS: usize = 3;
/// Where a list may stand when it is not under the kind's name.
const LISTS: [&str; 5] = ["data", "results", "items", "rows", "records"];
/// Where an object that holds the list may stand, besides [`LISTS`].
const WRAPPERS: [&str; 2] = ["response", "result"];
/// Where totals may stand, besides beside the list.
const TALLIES: [&str; 4] = ["meta", "paging", "pagination", "page"];
/// Names that mean the rows of all pages together; `count` and `size` may be those of one page.
const TOTALS: [&str; 7] =
    ["totalCount", "total_count", "total", "totalRecords", "totalRows", "totalItems", "recordCount"];
/// Names that mean how many pages there are.
const PAGE_COUNTS: [&str; 4] = ["pageCount", "page_count", "totalPages", "total_pages"];

/// What a body turned out to be. `R` is a row.
#[derive(Debug)]
pub enum Body<R> {
    /// A list of rows.
    List(List<R>),
    /// Nothing at all, or `null`: what some APIs say for "none".
    Nothing,
    /// An object with a non-empty `error` or `errors`, or one without a list whose `status` is an HTTP
    /// error; status and text, shortened, control characters out.
    Error(String),
    /// JSON, but no list; its top-level keys.
    NoList(Vec<String>),
    /// Not JSON: what it looks like (`an HTML page`, `JSON cut short at byte 812`).
    NotJson(String),
}

/// A recognised list.
#[derive(Debug)]
pub struct List<R> {
    /// The rows.
    pub rows: Vec<R>,
    /// Keys that lead to it; `[]` for a bare array.
    pub list_at: Vec<String>,
    /// `totalCount` or a relative of it, when present: how many rows there are in all pages.
    pub total: Option<u64>,
    /// `pageCount` or a relative of it, when present.
    pub page_count: Option<u64>,
}

/// Finds the list in a body: a bare array, or an object that holds it under `list_name`, else `data`,
/// `results`, `items`, `rows`, `records`, up to one level deep. With `list_at` learned, there only. The
/// rows are as the server wrote them.
#[must_use]
pub fn body<'a>(text: &'a str, list_name: &str, list_at: Option<&[String]>) -> Body<&'a str> {
    body_of(text, list_name, list_at, Reader::value)
}

/// The same, its rows read where they are found, by their id field: the text is gone through once.
#[must_use]
pub fn body_of_rows<'a>(
    text: &'a str,
    kind: &Kind,
    list_at: Option<&[String]>,
    id_field: &str,
) -> Body<Result<Row<'a>, Rejected>> {
    body_of_sent_rows(text, kind, list_at, id_field, &mut Imprints::none())
}

/// The same; rows that `imprints` recognise are not read again.
#[must_use]
pub fn body_of_sent_rows<'a>(
    text: &'a str,
    kind: &Kind,
    list_at: Option<&[String]>,
    id_field: &str,
    imprints: &mut Imprints<'a>,
) -> Body<Result<Row<'a>, Rejected>> {
    imprints.begin(kind, id_field);
    body_of(text, &kind.list_name, list_at, |reader| next_row(reader, kind, id_field, imprints))
}

fn body_of<'a, R>(
    text: &'a str,
    list_name: &str,
    list_at: Option<&[String]>,
    row: impl FnMut(&mut Reader<'a>) -> Result<R, Fault>,
) -> Body<R> {
    if text.trim_start().is_empty() {
        return Body::Nothing;
    }
    let levels = list_at.map_or(LEVELS, |path| path.len() + 1);
    let Ok(value) = Value::read_with(text, levels, row) else {
        return Body::NotJson(what_it_is(text));
    };
    match value.parts {
        Parts::Items(rows) if list_at.is_none_or(<[_]>::is_empty) => {
            Body::List(List { rows, list_at: Vec::new(), total: None, page_count: None })
        }
        Parts::Fields(object) => object_body(object, list_name, list_at),
        Parts::Whole if value.text == "null" => Body::Nothing,
        Parts::Items(_) | Parts::Whole => Body::NoList(Vec::new()),
    }
}

fn object_body<R>(mut object: Object<'_, R>, list_name: &str, list_at: Option<&[String]>) -> Body<R> {
    if let Some(error) = stated_error(&object) {
        return Body::Error(error);
    }
    let found = match list_at {
        Some(path) => at_path(&mut object, path),
        None => search(&mut object, list_name),
    };
    match found {
        Some(Found { list_at, rows: Some(rows) }) => {
            let total = tally(&object, &list_at, &TOTALS);
            let page_count = tally(&object, &list_at, &PAGE_COUNTS);
            Body::List(List { rows, list_at, total, page_count })
        }
        Some(_) => Body::Nothing,
        None => status_error(&object).map_or_else(|| Body::NoList(object.keys()), Body::Error),
    }
}

/// A place where a list may stand.
struct Found<R> {
    /// The way there.
    list_at: Vec<String>,
    /// What stood there; `None` for `null`.
    rows: Option<Vec<R>>,
}

/// Takes the list from its place.
fn at_path<R>(object: &mut Object<'_, R>, path: &[String]) -> Option<Found<R>> {
    let (name, way) = path.split_last()?;
    let mut holder = object;
    for outer in way {
        let Parts::Fields(inner) = &mut holder.field_mut(outer)?.parts else { return None };
        holder = inner;
    }
    let value = holder.field_mut(name)?;
    let rows = match &mut value.parts {
        Parts::Items(rows) => Some(mem::take(rows)),
        Parts::Whole if value.text == "null" => None,
        Parts::Fields(_) | Parts::Whole => return None,
    };
    Some(Found { list_at: path.to_vec(), rows })
}

/// The first place with an array; else the first with `null`.
fn search<R>(object: &mut Object<'_, R>, list_name: &str) -> Option<Found<R>> {
    let names = || std::iter::once(list_name).chain(LISTS);
    let paths = names().map(|name| vec![name.to_owned()]).chain(
        names()
            .chain(WRAPPERS)
            .flat_map(|outer| names().map(move |name| vec![outer.to_owned(), name.to_owned()])),
    );
    let mut null = None;
    for path in paths {
        match at_path(object, &path) {
            Some(found) if found.rows.is_some() => return Some(found),
            Some(found) => null = null.or(Some(found)),
            None => {}
        }
    }
    null
}

/// A number that stands beside the list or in an object around it, or in one of the objects there in which
/// tallies stand.
fn tally<R>(object: &Object<'_, R>, list_at: &[String], names: &[&str]) -> Option<u64> {
    let holder = match list_at {
        [outer, _] => object.object(outer),
        _ => None,
    };
    let mut holders = std::iter::once(object).chain(holder);
    let texts = holders.clone().flat_map(|holder| TALLIES.iter().filter_map(|name| holder.get(name)));
    let mut inner = texts.filter_map(Object::read);
    let own = holders.find_map(|holder| number(holder, names));
    own.or_else(|| inner.find_map(|object| number(&object, names)))
}

/// The first field of these names that is a number.
fn number<R>(object: &Object<'_, R>, names: &[&str]) -> Option<u64> {
    let mut values = names.iter().filter_map(|name| object.get(name));
    values.find_map(|value| value.trim_matches('"').parse().ok())
}

/// The text of a non-empty `error` or `errors`, after the status where there is one.
fn stated_error<R>(object: &Object<'_, R>) -> Option<String> {
    let stated = ["error", "errors"].into_iter().find_map(|name| {
        let value = object.get(name)?;
        (!matches!(value, "null" | "false" | "0" | "\"\"") && !is_empty(value)).then_some(value)
    })?;
    let inner = Object::read(stated);
    let status = status(object).or_else(|| status(inner.as_ref()?));
    let text = match inner.as_ref().and_then(message) {
        Some(text) => text,
        None if stated == "true" => message(object).unwrap_or_else(|| "error".to_owned()),
        None => plain(stated),
    };
    Some(printable(&with_status(status, &text), ERROR_CHARACTERS_MAX))
}

/// An object that only says what went wrong: `{"status":401,"message":"Unauthorized"}`. One with a name
/// is an element, whose `status` is the customer's own.
fn status_error<R>(object: &Object<'_, R>) -> Option<String> {
    if NAMES.iter().any(|field| object.get(field).is_some()) {
        return None;
    }
    let status = status(object);
    let failed = object.get("success").is_some_and(|value| value == "false");
    (status.is_some() || failed).then(|| {
        let text = message(object).unwrap_or_else(|| "error".to_owned());
        printable(&with_status(status, &text), ERROR_CHARACTERS_MAX)
    })
}

fn with_status(status: Option<u16>, text: &str) -> String {
    match status {
        Some(status) if !text.contains(&status.to_string()) => format!("{status} {text}"),
        _ => text.to_owned(),
    }
}

fn status<R>(object: &Object<'_, R>) -> Option<u16> {
    let names = ["status", "statusCode", "status_code", "code", "errorCode"];
    let mut values = names.iter().filter_map(|name| object.get(name));
    values.find_map(|value| {
        let status = value.trim_matches('"').parse().ok()?;
        (400..600).contains(&status).then_some(status)
    })
}

fn message<R>(object: &Object<'_, R>) -> Option<String> {
    let names = ["message", "error_description", "description", "detail", "title", "msg"];
    let mut values = names.iter().filter_map(|name| object.get(name));
    values.find_map(|value| serde_json::from_str::<String>(value).ok())
}

/// A string's text; anything else as it is written.
fn plain(value: &str) -> String {
    serde_json::from_str(value).unwrap_or_else(|_| value.to_owned())
}

fn is_empty(value: &str) -> bool {
    let inside = |open, close| Some(value.strip_prefix(open)?.strip_suffix(close)?.trim());
    inside('[', ']').or(inside('{', '}')) == Some("")
}

/// A text from the network, fit to be printed: shortened, on one line, control characters out.
pub(super) fn printable(text: &str, characters_max: usize) -> String {
    let visible = text.chars().filter(|c| !c.is_control());
    visible.take(characters_max).collect()
}

fn what_it_is(text: &str) -> String {
    let start: String = text.trim_start().chars().take(1000).collect();
    let start = start.to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.contains("<html") {
        "an HTML page".to_owned()
    } else if start.starts_with('<') {
        "an XML document".to_owned()
    } else if !start.starts_with(['{', '[', '"']) {
        "a plain text".to_owned()
    } else {
        match serde_json::from_str::<IgnoredAny>(text) {
            Err(error) if !error.is_eof() => format!("no JSON from byte {} on", offset_of(text, &error)),
            _ => format!("JSON cut short at byte {}", text.len()),
        }
    }
}

fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    lines.map(str::len).sum::<usize>() + error.column()
}

/// The single document of a single read: an object, or an object that wraps it under the kind's
/// singular, `data`, `result` or `item`, or an array of one. `None` when it is none of these, or shows
/// neither an id nor a name: an error text in an object is no document.
#[must_use]
pub fn single<'a>(text: &'a str, kind: &Kind) -> Option<&'a str> {
    unwrap_single(Value::read(text, 0).ok()?.text, kind, 2)
}

fn unwrap_single<'a>(value: &'a str, kind: &Kind, levels: u8) -> Option<&'a str> {
    let object = match Value::read(value, 1).ok()?.parts {
        Parts::Fields(object) => object,
        Parts::Items(rows) => {
            let [row] = rows[..] else { return None };
            return unwrap_single(row, kind, levels.checked_sub(1)?);
        }
        Parts::Whole => return None,
    };
    // A bare `id` may be that of a failed request.
    let has_id = |field: &String| object.get(field).is_some_and(|id| read_id(id).is_some());
    let (bare, own): (Vec<_>, Vec<_>) = kind.id_fields.iter().partition(|field| *field == "id");
    if own.into_iter().any(has_id) {
        return Some(value);
    }
    if stated_error(&object).is_some() {
        return None;
    }
    if bare.into_iter().any(has_id) {
        return Some(value);
    }
    let singulars = singulars(&kind.list_name);
    let names = singulars.iter().map(String::as_str);
    let mut wrapped =
        names.chain([kind.list_name.as_str(), "data", "result", "item"]).filter_map(|name| object.get(name));
    let is_container = |value: &&str| value.starts_with(['{', '[']);
    if let Some(inner) = wrapped.find(is_container) {
        return unwrap_single(inner, kind, levels.checked_sub(1)?);
    }
    let has_name = NAMES.iter().any(|field| object.get(field).is_some());
    has_name.then_some(value)
}

/// What one of `categories`, `statuses`, `measures` may be called.
fn singulars(plural: &str) -> Vec<String> {
    let mut singulars: Vec<String> =
        ["s", "es"].iter().filter_map(|ending| plural.strip_suffix(ending)).map(str::to_owned).collect();
    singulars.extend(plural.strip_suffix("ies").map(|stem| format!("{stem}y")));
    singulars
}
