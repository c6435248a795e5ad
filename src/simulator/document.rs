//! Documents: what an element's row and its single read look like. Generated from the element's seed
//! each time, so that a million elements take little memory; what was edited is kept beside the seed.

use std::collections::BTreeMap;
use std::io::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::schema::{Shown, Sort, custom_fields, schema};
use super::stamps;
use super::switches::{Ids, Rows, Switches, Volatile};
use super::text;

/// How rich the documents of a world are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Richness {
    /// The known fields with a sentence each: about 300 bytes.
    Small,
    /// 30 custom fields and HTML: median 1.5 KB, p99 40 KB.
    Realistic,
}

/// An element, without its id.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) seed: u64,
    /// The scorecard it lives in; 0: its kind knows no scorecards.
    pub(super) home: i64,
    /// Further scorecards that it is linked into.
    pub(super) links: Vec<i64>,
    pub(super) last_edited: DateTime<Utc>,
    pub(super) is_deleted: bool,
    pub(super) written: Option<Box<Written>>,
}

/// What was written over an element's generated document.
#[derive(Debug, Clone)]
pub(super) enum Written {
    /// Some fields.
    Fields(BTreeMap<String, Value>),
    /// All of it, not even JSON perhaps.
    Raw(Vec<u8>),
}

/// What a document is drawn for.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) switches: &'a Switches,
    pub(super) richness: Richness,
    pub(super) is_single: bool,
    /// Requests so far: what volatile fields are made of.
    pub(super) reads: u64,
}

/// Which element is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Our name of its kind.
    pub(super) kind: &'a str,
    pub(super) id: i64,
    pub(super) element: &'a Element,
    /// The scorecard that the row tells, where the kind tells one.
    pub(super) placement: i64,
}

/// Appends the element's document.
pub(super) fn write(out: &mut Vec<u8>, subject: Subject<'_>, view: View<'_>) {
    let mut edits = None;
    match subject.element.written.as_deref() {
        Some(Written::Raw(raw)) => {
            out.extend_from_slice(raw);
            return;
        }
        Some(Written::Fields(fields)) => edits = Some(fields),
        None => {}
    }
    out.push(b'{');
    for (field, shown, sort) in schema(subject.kind) {
        if is_shown(*shown, view) {
            key(out, field);
            match edits.and_then(|edits| edits.get(*field)) {
                Some(value) => json(out, value),
                None => generated(out, field, *sort, subject, view),
            }
        }
    }
    if view.richness == Richness::Realistic && is_shown(Shown::Single, view) {
        for (field, sort) in custom_fields(subject.kind) {
            key(out, field);
            match edits.and_then(|edits| edits.get(*field)) {
                Some(value) => json(out, value),
                None => generated(out, field, *sort, subject, view),
            }
        }
    }
    for (field, value) in edits.into_iter().flatten() {
        if !is_known(subject.kind, field, view.richness) {
            key(out, field);
            json(out, value);
        }
    }
    if view.switches.volatile == Volatile::Unknown {
        key(out, "viewCount");
        number(out, view.reads);
    }
    out.push(b'}');
}

fn is_shown(shown: Shown, view: View<'_>) -> bool {
    match (shown, view.switches.rows) {
        (Shown::Both, _) | (_, Rows::Full) => true,
        (Shown::List, Rows::Poorer) => !view.is_single,
        (Shown::Single, Rows::Poorer) => view.is_single,
    }
}

fn is_known(kind: &str, field: &str, richness: Richness) -> bool {
    schema(kind).iter().any(|(known, ..)| *known == field)
        || (richness == Richness::Realistic && custom_fields(kind).iter().any(|(known, _)| *known == field))
}

fn key(out: &mut Vec<u8>, field: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    // Added fields may have any name, so names are escaped like all text.
    json(out, field);
    out.push(b':');
}

fn json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("JSON is written to memory");
}

fn number(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    write!(out, "{number}").expect("memory takes all writes");
}

fn quoted(out: &mut Vec<u8>, text: impl std::fmt::Display) {
    write!(out, "\"{text}\"").expect("memory takes all writes");
}

/// Appends an id the way the switch says.
pub(super) fn id(out: &mut Vec<u8>, id: i64, ids: Ids) {
    match ids {
        Ids::Number => number(out, id),
        Ids::Text => quoted(out, id),
    }
}

/// A user's e-mail address.
pub(super) fn email(id: i64, element: &Element) -> String {
    let written = match element.written.as_deref() {
        Some(Written::Fields(fields)) => fields.get("email").and_then(Value::as_str),
        Some(Written::Raw(_)) | None => None,
    };
    written.map_or_else(|| format!("user{id}@city.example"), str::to_owned)
}

/// Appends the value that the element's seed gives to this field.
fn generated(out: &mut Vec<u8>, field: &str, sort: Sort, subject: Subject<'_>, view: View<'_>) {
    let Subject { element, .. } = subject;
    let mut random = text::random(element.seed, field);
    let ids = view.switches.ids;
    let reads = match view.switches.volatile {
        Volatile::Still => 0,
        Volatile::Known | Volatile::Unknown => view.reads,
    };
    match sort {
        Sort::Id => id(out, subject.id, ids),
        Sort::Home => id(out, subject.placement, ids),
        Sort::Reference { from, span } => id(out, from + random.i64(0..span), ids),
        Sort::Name => text::name(out, &mut random),
        Sort::Words => text::sentence(out, &mut random),
        Sort::Html => text::html(out, &mut random, view.richness),
        Sort::Choice(choices) => quoted(out, choices[random.usize(..choices.len())]),
        Sort::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
        Sort::Flag => number(out, random.bool()),
        Sort::Number { below } => number(out, random.u32(..below)),
        Sort::Decimal => match random.u32(..100_000) {
            hole if hole % 9 == 0 => out.extend_from_slice(b"null"),
            cents => number(out, format_args!("{}.{:02}", cents / 100, cents % 100)),
        },
        Sort::LastEdited => stamps::write(out, element.last_edited, view.switches),
        Sort::Day => quoted(out, day(element, &mut random).format("%Y-%m-%d")),
        Sort::VolatileTime => {
            let seconds = i64::try_from(reads).unwrap_or(i64::MAX / 2_000);
            let at = day(element, &mut random) + TimeDelta::seconds(seconds);
            quoted(out, at.format("%Y-%m-%dT%H:%M:%SZ"));
        }
        Sort::VolatileState => {
            let states = ["idle", "queued", "running"];
            quoted(out, states[usize::from(reads.to_le_bytes()[0]) % 3]);
        }
        Sort::Email => quoted(out, email(subject.id, element)),
        Sort::SignedLink => {
            let (subject_id, signature) = (subject.id, random.u64(..) ^ reads);
            write!(
                out,
                "{{\"url\":\"https://files.city.example/{subject_id}?Expires=1790000000&Signature={signature:016x}\"}}"
            )
            .expect("memory takes all writes");
        }
    }
}

/// A day in the two years before the element was made; edits do not move it.
fn day(element: &Element, random: &mut fastrand::Rng) -> DateTime<Utc> {
    let base = DateTime::from_timestamp(1_767_225_600, 0).expect("2026-01-01 is a date");
    base - TimeDelta::minutes(random.i64(0..1_000_000) + i64::from(element.seed.to_le_bytes()[0]))
}
