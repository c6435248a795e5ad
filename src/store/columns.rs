//! Columns of the views: the catalogue's fields with their types, and lawful names for the rest. Pure.

use std::collections::HashSet;

use Type::{Boolean, Integer, Number, Text};

/// Longest column name, in bytes.
const NAME_BYTES_MAX: usize = 60;

/// How a view shows a field. A value that does not fit is NULL, never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Integer,
    Number,
    /// 0 or 1.
    Boolean,
    Text,
}

impl Type {
    /// The word the store keeps.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Text => "text",
        }
    }

    /// The type behind a stored word; an unknown one is shown as text.
    pub(super) fn parse(word: &str) -> Self {
        let all = [Self::Integer, Self::Number, Self::Boolean];
        all.into_iter().find(|known| known.as_str() == word).unwrap_or(Self::Text)
    }
}

/// Columns of every kind's view, in this order, before all others.
pub(super) const FIXED: [&str; 5] = ["connection", "id", "name", "first_seen_at", "changed_at"];

/// Fields of the five element kinds.
const ELEMENT: &[(&str, Type)] = &[
    ("objectId", Integer),
    ("type", Text),
    ("scorecardId", Integer),
    ("ownerId", Integer),
    ("completed", Boolean),
    ("favorite", Boolean),
    ("lastEdited", Text),
    ("description", Text),
];

const SCORECARDS: &[(&str, Type)] = &[
    ("scorecardId", Integer),
    ("active", Boolean),
    ("archived", Boolean),
    ("favorite", Boolean),
    ("ownerId", Integer),
    ("periodId", Integer),
    ("mission", Text),
    ("vision", Text),
];
const GOALS: &[(&str, Type)] = &[
    ("goalId", Integer),
    ("object", Text),
    ("ownerId", Integer),
    ("completed", Boolean),
    ("percentComplete", Number),
    ("periodId", Integer),
    ("statusId", Integer),
    ("description", Text),
];
const USERS: &[(&str, Type)] = &[
    ("userId", Integer),
    ("firstName", Text),
    ("lastName", Text),
    ("fullName", Text),
    ("email", Text),
    ("title", Text),
    ("department", Text),
    ("lastLoginDate", Text),
];
const GROUPS: &[(&str, Type)] = &[
    ("groupId", Integer),
    ("active", Boolean),
    ("dashboardAccess", Text),
    ("sortOrder", Integer),
    ("users", Text),
];
const NOTIFICATIONS: &[(&str, Type)] = &[
    ("notificationId", Integer),
    ("object", Text),
    ("userId", Integer),
    ("periodOffset", Integer),
    ("sortOrder", Integer),
];
const SCHEDULES: &[(&str, Type)] = &[
    ("scheduleId", Integer),
    ("active", Boolean),
    ("enabled", Boolean),
    ("recurrence", Text),
    ("state", Text),
    ("lastRun", Text),
    ("nextRun", Text),
];
const REPORTS: &[(&str, Type)] =
    &[("reportId", Integer), ("format", Text), ("periodId", Integer), ("templateId", Integer)];
const ATTACHMENTS: &[(&str, Type)] = &[
    ("attachmentId", Integer),
    ("filename", Text),
    ("filetype", Text),
    ("fileExists", Boolean),
    ("object", Text),
    ("objectId", Integer),
    ("uploadDate", Text),
];
const FILES: &[(&str, Type)] = &[
    ("fileId", Integer),
    ("fileName", Text),
    ("filetype", Text),
    ("fileExists", Boolean),
    ("scorecardId", Integer),
    ("userId", Integer),
    ("uploadDate", Text),
];

/// The fields that the catalogue knows of a kind, in the order of their columns. `name` is a fixed one.
pub(super) fn catalogue(kind: &str) -> &'static [(&'static str, Type)] {
    match kind {
        "objectives" | "measures" | "initiatives" | "action_items" | "risks" => ELEMENT,
        "scorecards" => SCORECARDS,
        "goals" => GOALS,
        "users" => USERS,
        "groups" => GROUPS,
        "notifications" => NOTIFICATIONS,
        "schedules" => SCHEDULES,
        "reports" => REPORTS,
        "attachments" => ATTACHMENTS,
        "files" => FILES,
        _ => &[],
    }
}

/// A column name for `field` that is not in `taken`, which it joins: snake_case, at most 60 bytes,
/// numbered from the second of a name on. Letters of every script are kept, for SQL takes them.
pub(super) fn name(field: &str, taken: &mut HashSet<String>) -> String {
    let base = snake_case(field);
    let mut name = cut(&base, NAME_BYTES_MAX).to_owned();
    let mut number = 1;
    while !taken.insert(name.clone()) {
        number += 1;
        let suffix = format!("_{number}");
        name = cut(&base, NAME_BYTES_MAX - suffix.len()).to_owned() + &suffix;
    }
    name
}

/// `scorecardId` → `scorecard_id`, `KPI Owner (%)` → `kpi_owner`, `2026` → `_2026`, nothing → `field`.
fn snake_case(field: &str) -> String {
    let letters: Vec<char> = field.chars().collect();
    let mut out = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            continue;
        }
        let before = index.checked_sub(1).map(|before| letters[before]);
        let ends_word = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let ends_capitals = before.is_some_and(char::is_uppercase)
            && letters.get(index + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (ends_word || ends_capitals) && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    let word = out.trim_end_matches('_');
    match word.chars().next() {
        None => "field".into(),
        Some(first) if first.is_numeric() => format!("_{word}"),
        Some(_) => word.into(),
    }
}

/// The longest beginning of `text` that fits.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], expected: &[&str]) {
        let mut taken = HashSet::new();
        let names: Vec<String> = fields.iter().map(|field| name(field, &mut taken)).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn names_are_snake_case() {
        check(
            &["scorecardId", "URLName", "KPI Owner (%)", "2026", "", "Größe", "a.b\"c'd"],
            &["scorecard_id", "url_name", "kpi_owner", "_2026", "field", "größe", "a_b_c_d"],
        );
    }

    #[test]
    fn names_that_meet_are_numbered() {
        check(
            &["ownerId", "owner_id", "OwnerID", "\"", "?"],
            &["owner_id", "owner_id_2", "owner_id_3", "field", "field_2"],
        );
    }

    #[test]
    fn long_names_are_cut_between_letters_also_when_numbered() {
        let mut taken = HashSet::new();
        let long = "é".repeat(50);
        assert_eq!(name(&long, &mut taken), "é".repeat(30));
        assert_eq!(name(&long, &mut taken), format!("{}_2", "é".repeat(29)));
    }
}
