//! What is remembered of a kind between runs: how its list looks, where its cursor stands, and which
//! claims of the API have been seen to hold. One JSON document per connection and kind in the store.
//!
//! Holds nothing that changes when nothing changed: a clean run must not write it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::stamp::StampFormat;

/// What is remembered of one kind of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KindMemory {
    /// Whether this kind ever made a snapshot (its end proved).
    pub ever_complete: bool,
    /// Keys that lead to the list (`[]`: a bare array; `["measures"]`), once a non-empty page showed them.
    pub list_at: Option<Vec<String>>,
    /// The id field, once a page showed it.
    pub id_field: Option<String>,
    /// The largest `count` the server takes, where it has shown one smaller than asked.
    pub count_max: Option<u32>,
    /// How `lastEdited` is written, once settled.
    pub stamp: Option<StampFormat>,
    /// The newest `lastEdited` seen that is not in the server's future, as the server wrote it.
    pub cursor: Option<String>,
    /// Whether the `lastEdited` filter may be relied on.
    pub filter: Filter,
    /// What the list answered when it never yet worked (`403 Forbidden`); said once.
    pub unavailable: Option<String>,
    /// How many runs in a row the list, which once worked, answered 204, nothing or `null`.
    pub empty_claims: u32,
    /// Whether the last full list told its length, or ended with a page shorter than the others: else
    /// nothing but pages without rows shows where it ends.
    pub is_end_told: bool,
    /// Requests the last full pull took, rounded up to a power of two so that a row more does not
    /// rewrite this.
    pub full_requests: u32,
    /// Whether the last full list had an element in several rows that differ: then all rows are put aside,
    /// also those that say what is stored, for which of them is the newest shows in their texts alone.
    // Told only of such a list, so that nothing is written anew for all the others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rows_differ: bool,
}

/// Whether the `lastEdited` filter of a kind may be relied on, and what shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Never tried, or no full pull has checked it yet.
    #[default]
    Untried,
    /// An incremental pull brought what it had to, this many contradictions in a row (0, 1 or 2).
    Trusted {
        /// Contradictions in a row; the third ends the trust.
        contradictions: u8,
    },
    /// Contradicted three times in a row; tried again a week later.
    Contradicted {
        /// When it was last contradicted.
        since: DateTime<Utc>,
    },
    /// A full pull found an element that changed while its `lastEdited` did not: full pulls only,
    /// until 14 of them in a row found no other.
    Unreliable {
        /// When such an element was last found.
        since: DateTime<Utc>,
    },
}
