//! What is read out of a document that is stored already.

use super::members::{Member, members};
use super::row::{read_id, scalar};
use crate::fingerprint;

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

impl Columns {
    /// Reads the columns from the fields of a document.
    #[must_use]
    pub fn of(members: &[Member<'_>]) -> Self {
        let value = |name| value(members, name);
        let text = |name| value(name).and_then(scalar).map(String::from);
        Self {
            name: NAMES.into_iter().find_map(text),
            scorecard_id: value("scorecardId").and_then(read_id),
            owner_id: value("ownerId").and_then(read_id),
            last_edited: text("lastEdited").filter(|stamp| stamp.len() <= STAMP_BYTES_MAX),
        }
    }
}

/// Reads the columns of a stored document.
#[must_use]
pub fn columns(document: &str) -> Columns {
    Columns::of(&members(document))
}

/// A document's `email`, where that is an address.
#[must_use]
pub fn email(document: &str) -> Option<String> {
    let text = scalar(value(&members(document), "email")?)?;
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
        if old.zip(new).is_some_and(|(old, new)| is_same(old.value, new.value)) {
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

/// Whether two JSON texts mean the same.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    let canonical = |text| fingerprint::of_document(text, &[]);
    one == other || canonical(one) == canonical(other)
}

/// A top-level field of a document with the JSON type of its value
/// (`null` `boolean` `number` `string` `array` `object`).
#[must_use]
pub fn fields(document: &str) -> Vec<(String, &'static str)> {
    members(document).iter().map(|member| (member.key.to_string(), member.json_type())).collect()
}

fn sorted<'a>(document: &'a str, volatile: &[String]) -> Vec<Member<'a>> {
    let mut members = members(document);
    members.retain(|member| !volatile.iter().any(|name| *name == member.key));
    members.sort_by(|one, other| one.key.cmp(&other.key));
    members
}

/// The value of a field.
fn value<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    members.iter().find(|member| member.key == name).map(|member| member.value)
}
