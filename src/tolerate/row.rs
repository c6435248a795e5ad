//! A row made fit for the store, in one pass over its text.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::envelope::Object;
use super::imprint::Imprints;
use super::rewrite::{is_signed_link, rewrite};
use super::{DEPTH_MAX, DOCUMENT_BYTES_MAX};
use crate::element::{ElementId, Fingerprint};
use crate::fingerprint::{self, Fault, Look, Member, Reader, Seen, unescape};
use crate::kind::Kind;
use crate::snapshot::Rejected;

/// A row made fit for the store.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its id.
    pub id: ElementId,
    /// Canonical hash of the document without the volatile fields.
    pub fingerprint: Fingerprint,
    /// The document: valid JSON, no duplicate keys (the last one counts), numbers outside i64 and f64
    /// as text, signed links without their query.
    pub document: Cow<'a, str>,
    /// Its `scorecardId`, where it has one.
    pub scorecard_id: Option<i64>,
    /// Its `lastEdited`, as written (a number as its digits).
    pub last_edited: Option<Cow<'a, str>>,
}

/// Reads a row.
///
/// # Errors
/// [`Rejected`] for a row that cannot be stored; the rest of its kind can.
pub fn row<'a>(text: &'a str, kind: &Kind, id_field: &str) -> Result<Row<'a>, Rejected> {
    let mut reader = Reader::new(text);
    let row = next_row(&mut reader, kind, id_field, &mut Imprints::none());
    match row.and_then(|row| reader.end().map(|()| row)) {
        Ok(row) => row,
        Err(fault) => Err(faulty(text, fault)),
    }
}

/// Reads the row before which a reader stands, unless it is recognised, and leaves it behind.
///
/// # Errors
/// It is not JSON. Within: [`Rejected`], as [`row`] has it.
pub(super) fn next_row<'a>(
    reader: &mut Reader<'a>,
    kind: &Kind,
    id_field: &str,
    imprints: &mut Imprints<'a>,
) -> Result<Result<Row<'a>, Rejected>, Fault> {
    if reader.peek()? != b'{' {
        return Ok(Err(rejected(reader.value()?, "not an object".to_owned())));
    }
    if let Some(row) = imprints.recognise(reader.rest()) {
        reader.pass(row.document.len());
        return Ok(Ok(row));
    }
    let start = reader.at();
    let mut facts = Facts::new(id_field);
    let seen = fingerprint::walk_next(reader, look(kind), |member| facts.see(&member));
    if let Err(Fault::Malformed) = seen {
        return Err(Fault::Malformed);
    }
    let row = made_fit(reader.since(start), kind, seen, facts);
    row.iter().for_each(|row| imprints.note(row));
    Ok(row)
}

fn made_fit<'a>(
    text: &'a str,
    kind: &Kind,
    seen: Result<Seen, Fault>,
    facts: Facts<'a, '_>,
) -> Result<Row<'a>, Rejected> {
    let id_field = facts.id_field;
    let (document, fingerprint, facts) = match fit(text, kind, seen)? {
        Fit::AsWritten(fingerprint) => (Cow::Borrowed(text), fingerprint, facts),
        Fit::Rewritten(rewritten) => {
            let mut facts = Facts::new(id_field);
            let seen = fingerprint::walk(&rewritten, look(kind), |member| facts.see(&member));
            let fingerprint = seen.map_err(|fault| faulty(text, fault))?.fingerprint;
            let facts = facts.into_owned();
            (Cow::Owned(rewritten), fingerprint, facts)
        }
    };
    let Some(id) = facts.id else {
        return Err(rejected(text, format!("no integer in {id_field}")));
    };
    let Facts { scorecard_id, last_edited, .. } = facts;
    Ok(Row { id: ElementId(id), fingerprint, document, scorecard_id, last_edited })
}

/// Any JSON value as the store holds it, by the same rules as a row: for single reads and measure data.
///
/// # Errors
/// [`Rejected`] for a value that cannot be stored.
pub fn document<'a>(text: &'a str, kind: &Kind) -> Result<Cow<'a, str>, Rejected> {
    Ok(match fit(text, kind, fingerprint::walk(text, look(kind), |_| ()))? {
        Fit::AsWritten(_) => Cow::Borrowed(text),
        Fit::Rewritten(text) => Cow::Owned(text),
    })
}

enum Fit {
    AsWritten(Fingerprint),
    Rewritten(String),
}

/// What the store gets of a text in which a walk saw this.
fn fit(text: &str, kind: &Kind, seen: Result<Seen, Fault>) -> Result<Fit, Rejected> {
    let too_large = |text: &str| text.len() > DOCUMENT_BYTES_MAX;
    let large = || rejected(text, format!("larger than {} MB", DOCUMENT_BYTES_MAX >> 20));
    if too_large(text) {
        return Err(large());
    }
    let seen = seen.map_err(|fault| faulty(text, fault))?;
    if !seen.is_odd {
        return Ok(Fit::AsWritten(seen.fingerprint));
    }
    let text = rewrite(text, kind.signed_links);
    if too_large(&text) {
        return Err(large());
    }
    Ok(Fit::Rewritten(text))
}

fn look(kind: &Kind) -> Look<'_> {
    Look {
        volatile: &kind.volatile,
        odd_text: kind.signed_links.then_some(is_signed_link as fn(&str) -> bool),
    }
}

/// What a row is asked for, as its fields come by.
struct Facts<'a, 'f> {
    id_field: &'f str,
    id: Option<i64>,
    scorecard_id: Option<i64>,
    last_edited: Option<Cow<'a, str>>,
}

impl<'a, 'f> Facts<'a, 'f> {
    fn new(id_field: &'f str) -> Self {
        Self { id_field, id: None, scorecard_id: None, last_edited: None }
    }

    fn see(&mut self, member: &Member<'a>) {
        if member.key == self.id_field {
            self.id = read_id(member.value);
        }
        if member.key == "scorecardId" {
            self.scorecard_id = read_id(member.value);
        } else if member.key == "lastEdited" {
            self.last_edited = scalar(member.value);
        }
    }

    fn into_owned(self) -> Facts<'static, 'f> {
        let last_edited = self.last_edited.map(|stamp| Cow::Owned(stamp.into_owned()));
        Facts { id_field: self.id_field, id: self.id, scorecard_id: self.scorecard_id, last_edited }
    }
}

/// An id: a JSON integer, or a string of one as it would be printed (`"12"`; not `"012"`, `"+12"`,
/// `1.0`, `1e3`).
pub(super) fn read_id(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let is_canonical =
        unsigned.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !unsigned.starts_with('0'));
    is_canonical.then(|| digits.parse().ok())?
}

/// The text of a string that is not blank, or a number's digits.
pub(super) fn scalar(value: &str) -> Option<Cow<'_, str>> {
    match value.strip_prefix('"') {
        Some(rest) => {
            let text = unescape(rest.strip_suffix('"')?);
            (!text.trim().is_empty()).then_some(text)
        }
        None => value.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(Cow::Borrowed(value)),
    }
}

fn faulty(text: &str, fault: Fault) -> Rejected {
    let reason = match fault {
        Fault::Deep => format!("nested deeper than {DEPTH_MAX}"),
        Fault::Malformed => "not JSON".to_owned(),
    };
    rejected(text, reason)
}

fn rejected(text: &str, reason: String) -> Rejected {
    let object = Object::read(text).unwrap_or_default();
    Rejected { reason, keys: object.keys(), digest: fingerprint::of_bytes(text.as_bytes()) }
}

/// Chooses the id field: the candidate that reads as an id in most rows (at least in half of those that
/// are objects), the first one of equals. Rows that lack it are rejected one by one.
///
/// It must tell rows apart: distinct (id, `scorecardId`) pairs are at least half as many as distinct
/// rows, for an element may be listed once for each scorecard it is placed in, but a reference to
/// something else comes again and again. `None` when no candidate does (or there are no rows).
#[must_use]
pub fn choose_id_field(rows: &[&str], candidates: &[String]) -> Option<String> {
    let objects: HashMap<&str, Object<'_>> =
        rows.iter().filter_map(|row| Some((*row, Object::read(row)?))).collect();
    let mut best: Option<(usize, &String)> = None;
    for candidate in candidates {
        let ids = objects.values().filter_map(|object| {
            let value_of = |name| object.get(name).and_then(read_id);
            Some((value_of(candidate)?, value_of("scorecardId")))
        });
        let readable = ids.clone().count();
        let distinct = ids.collect::<HashSet<_>>().len();
        let is_fit = readable > 0 && readable * 2 >= objects.len() && distinct * 2 >= readable;
        if is_fit && best.is_none_or(|(most, _)| readable > most) {
            best = Some((readable, candidate));
        }
    }
    best.map(|(_, candidate)| candidate.clone())
}
