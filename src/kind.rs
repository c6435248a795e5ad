//! Kinds: the sorts of elements and records that are pulled, and what is known of each.
//!
//! The catalogue is what a third-party reference lists (nobody has run a call against the live
//! service), so every entry is a claim that the pull checks. `[kinds.NAME]` adds to it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A kind's name in our words: snake_case, the name of its view and of its configuration section.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KindName(Arc<str>);

impl KindName {
    /// The kind that is pulled first: what it shows is the evidence of who the mapped user is.
    pub const SCORECARDS: &'static str = "scorecards";
    /// The kind whose elements carry series of values.
    pub const MEASURES: &'static str = "measures";
    /// The kind that the mapped user is one of.
    pub const USERS: &'static str = "users";

    /// Takes a checked name; `config` has refused anything but `a-z`, `0-9` and `_`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a kind's list is cut into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Paging {
    /// `page` (from 1) and `count`.
    Page,
    /// `start` (an offset in rows) and `count`.
    Start,
    /// The whole list in one answer; no query known.
    None,
}

impl Paging {
    /// The words of the configuration.
    pub const WORDS: [(&str, Self); 3] = [("page", Self::Page), ("start", Self::Start), ("none", Self::None)];
}

/// A kind and how it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Our name for it.
    pub name: KindName,
    /// Path of the list below the base URL, with its slash (`/actionItems`); a single read adds `/{id}`.
    pub path: String,
    /// The name under which an envelope may hold the list (`actionItems`).
    pub list_name: String,
    /// Candidates for the id field, best first; the first page settles which.
    pub id_fields: Vec<String>,
    /// How the list is paged.
    pub paging: Paging,
    /// Whether the list takes the `lastEdited` filter.
    pub last_edited: bool,
    /// Fields kept in the document but outside the fingerprint.
    pub volatile: Vec<String>,
    /// Whether the rows carry links with signatures in their query, which is a secret and never stored.
    pub signed_links: bool,
}

impl Kind {
    /// Whether this is the kind that proves the mapped user.
    #[must_use]
    pub fn is_scorecards(&self) -> bool {
        self.name.as_str() == KindName::SCORECARDS
    }
}

/// Every kind that is known of, scorecards first.
#[must_use]
pub fn catalogue() -> Vec<Kind> {
    let paged = |name, path, id_fields: &[&str]| entry(name, path, id_fields, Paging::Page, true);
    let mut kinds = vec![
        entry("scorecards", "scorecards", &["scorecardId", "id"], Paging::Page, false),
        paged("objectives", "objectives", &["objectId", "objectiveId", "id"]),
        paged("measures", "measures", &["objectId", "measureId", "id"]),
        paged("initiatives", "initiatives", &["objectId", "initiativeId", "id"]),
        paged("action_items", "actionItems", &["objectId", "actionItemId", "id"]),
        paged("risks", "risks", &["objectId", "riskId", "id"]),
        paged("goals", "goals", &["goalId", "id"]),
        paged("users", "users", &["userId", "id"]),
        paged("schedules", "schedules", &["scheduleId", "id"]),
        entry("groups", "groups", &["groupId", "id"], Paging::None, false),
        entry("reports", "reports", &["reportId", "id"], Paging::None, false),
        entry("notifications", "notifications", &["notificationId", "id"], Paging::None, false),
        entry("attachments", "attachments", &["attachmentId", "id"], Paging::Start, false),
        entry("files", "files", &["fileId", "id"], Paging::Start, false),
    ];
    for kind in &mut kinds {
        let volatile: &[&str] = match kind.name.as_str() {
            "users" => &["lastLoginDate"],
            "schedules" => &["lastRun", "nextRun", "state"],
            _ => &[],
        };
        kind.volatile = volatile.iter().map(ToString::to_string).collect();
        kind.signed_links = matches!(kind.name.as_str(), "attachments" | "files");
    }
    kinds
}

fn entry(name: &str, path: &str, id_fields: &[&str], paging: Paging, last_edited: bool) -> Kind {
    Kind {
        name: KindName::new(name),
        path: format!("/{path}"),
        list_name: path.to_owned(),
        id_fields: id_fields.iter().map(ToString::to_string).collect(),
        paging,
        last_edited,
        volatile: Vec::new(),
        signed_links: false,
    }
}
