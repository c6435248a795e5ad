//! What is read out of a document that is stored already.

use crate::fingerprint::{self, Look, Member};

use super::row::{member, read_id, scalar};

/// Fields that may hold an element's name, best first.
pub(super) const NAMES: [&str; 4] = ["name", "fullName", "filename", "fileName"];

/// A longer text tells no time, and an index of the store could not take it.
const STAMP_BYTES_MAX: usize = 100;

/// The columns that the store keeps beside a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// `name`, else `fullName`, else `filename`, `fileName`.
    pub name: Option<String>,
    /// `scorecardId`.
    pub scorecard_id: Option<i64>,
    /// `ownerId`.
    pub owner_id: Option<i64>,
    /// `lastEdited` as written, where it can be a time.
    pub last_edited: Option<String>,
}

/// Reads the columns of a stored document.
#[must_use]
pub fn columns(document: &str) -> Columns {
    let members = members(document);
    let value = |name| member(&members, name).map(|member| member.value);
    let text = |name| value(name).and_then(scalar).map(String::from);
    Columns {
        name: NAMES.into_iter().find_map(text),
        scorecard_id: value("scorecardId").and_then(read_id),
        owner_id: value("ownerId").and_then(read_id),
        last_edited: text("lastEdited").filter(|stamp| stamp.len() <= STAMP_BYTES_MAX),
    }
}

/// A document's `email`, where that is an address.
#[must_use]
pub fn email(document: &str) -> Option<String> {
    let members = members(document);
    let text = scalar(member(&members, "email")?.value)?;
    text.contains('@').then(|| text.trim().to_owned())
}

/// A top-level field that differs between two documents; values are JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Which field.
    pub field: String,
    /// Its value before; `None`: it was not there.
    pub before: Option<String>,
    /// Its value after; `None`: it is gone.
    pub after: Option<String>,
}

/// Top-level fields that differ canonically, sorted by name; `volatile` ones are left out.
#[must_use]
pub fn changed_fields(before: &str, after: &str, volatile: &[String]) -> Vec<FieldChange> {
    let (before, after) = (sorted(before, volatile), sorted(after, volatile));
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let (old, new) = match (before.peek(), after.peek()) {
            (None, None) => return changes,
            (Some(old), Some(new)) if old.key == new.key => (before.next(), after.next()),
            (Some(old), Some(new)) if new.key < old.key => (None, after.next()),
            (None, Some(_)) => (None, after.next()),
            (Some(_), _) => (before.next(), None),
        };
        if old.map(|member| member.fingerprint) == new.map(|member| member.fingerprint) {
            continue;
        }
        let value = |member: Option<&Member<'_>>| member.map(|member| member.value.to_owned());
        changes.extend(old.or(new).map(|member| FieldChange {
            field: member.key.to_string(),
            before: value(old),
            after: value(new),
        }));
    }
}

/// A top-level field of a document with the JSON type of its value
/// (`null` `boolean` `number` `string` `array` `object`).
#[must_use]
pub fn fields(document: &str) -> Vec<(String, &'static str)> {
    let members = members(document).into_iter();
    members.map(|member| (member.key.into_owned(), json_type(member.value))).collect()
}

fn json_type(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "boolean",
        Some(b'"') => "string",
        Some(b'[') => "array",
        Some(b'{') => "object",
        _ => "number",
    }
}

fn sorted<'a>(document: &'a str, volatile: &[String]) -> Vec<Member<'a>> {
    let mut members = members(document);
    members.retain(|member| !volatile.iter().any(|name| *name == member.key));
    members.sort_by(|one, other| one.key.cmp(&other.key));
    members
}

/// None for a text that no store holds.
fn members(document: &str) -> Vec<Member<'_>> {
    fingerprint::read(document, Look::default()).map_or_else(|_| Vec::new(), |read| read.members)
}
