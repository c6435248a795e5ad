//! A plan: the difference between the stored elements and a snapshot, as a value. Printed by `plan`,
//! refused by limits, applied by the store.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::element::{ElementId, Fingerprint, Reason, State};

/// A stored element as the merge join reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: ElementId,
    /// Fingerprint of the stored document.
    pub fingerprint: Fingerprint,
    /// Whether people see it.
    pub state: State,
}

/// What a change does. Also the word in the `changes` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// First seen.
    Insert,
    /// Its document changed.
    Update,
    /// It came back: same row, history continuous.
    Restore,
    /// It went, on evidence.
    Remove,
    /// Readable but unlisted for a week: out of the views.
    Unlist,
}

impl Operation {
    /// The word the store keeps and people read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Restore => "restore",
            Self::Remove => "remove",
            Self::Unlist => "unlist",
        }
    }
}

/// A change that writes a document of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Insert, update or restore.
    pub operation: Operation,
    /// Index of the entry in the snapshot.
    pub entry: usize,
}

/// A change that takes an element out of the views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Which element.
    pub id: ElementId,
    /// Why.
    pub reason: Reason,
    /// What showed it (`GET answered 404`, `no visible scorecard of 154480`).
    pub evidence: String,
}

/// The difference between the stored elements of one kind and a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Documents to write, in id order.
    pub writes: Vec<Write>,
    /// Elements equal to their entry.
    pub unchanged: u64,
    /// Known elements that the snapshot lacks, in id order. Empty unless the snapshot is complete: they
    /// need evidence before anything happens to them.
    pub missing: Vec<Stored>,
    /// Elements people see, before this plan: what limits are reckoned on.
    pub known: u64,
}

/// An element that is known and was not listed, and what is known about that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which element.
    pub id: ElementId,
    /// When it was first not listed.
    pub since: DateTime<Utc>,
    /// When it was last asked for directly.
    pub checked_at: Option<DateTime<Utc>>,
    /// How often it was asked for directly.
    pub checks: u32,
    /// What the last direct read answered (`200`, `500`, `canary failed`).
    pub answer: Option<String>,
}

/// What the evidence says of the missing elements of one kind: each is among the removals or the
/// undecided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Gone, and why.
    pub removals: Vec<Removal>,
    /// Those of the undecided that have been readable but unlisted for a week: out of the views.
    pub unlisted: Vec<ElementId>,
    /// Still in question; what is known of them by now.
    pub undecided: Vec<Missing>,
    /// Whether some missing element answered 200 for the first time: the listing cannot be called
    /// complete.
    pub listing_contradicted: bool,
}

/// Removals that a limit holds back until someone releases exactly this set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Digest of the held ids: a release is of this set and no other.
    pub digest: String,
    /// The held elements, ascending.
    pub ids: Vec<ElementId>,
    /// When the set was first held.
    pub since: DateTime<Utc>,
    /// Whether a person released the set; the next run then removes it.
    pub is_released: bool,
}
