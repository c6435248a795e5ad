//! A run: one pass over one connection, its mode, what became of each kind, and its outcome.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::kind::KindName;
use crate::name::ConnectionName;

/// Number of a run in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a run that the program was asked to stop did not come to its end.
pub const STOPPED: &str = "stopped before the end, because the program was asked to stop";

/// How much a run asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every kind, whole: the only mode that finds removals.
    Full,
    /// What changed, where the API has proved that it can tell.
    Incremental,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Full, Self::Incremental];

    /// The word in logs, metrics and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every kind that can be pulled is stored.
    Ok,
    /// Something usable was stored, something else was not: a kind failed, was deferred or
    /// incomplete, rows were rejected, removals are held, or the account changed.
    Partial,
    /// Nothing usable was stored.
    Failed,
    /// The key was refused.
    Refused,
    /// The server asked to come back later, before anything was stored.
    Deferred,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Partial, Self::Failed, Self::Refused, Self::Deferred];

    /// The word in logs, metrics and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Deferred => "deferred",
        }
    }
}

/// How one kind of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindOutcome {
    /// All its elements were listed, the end proved.
    Complete,
    /// What changed since the cursor was listed.
    Incremental,
    /// Rows were stored, but the end of the list was not proved.
    Incomplete,
    /// It never made a snapshot and answers that it cannot: no part of the run's outcome.
    Unavailable,
    /// It once worked and now answers 403.
    Forbidden,
    /// It failed.
    Failed,
    /// The server asked to come back later.
    Deferred,
    /// Not asked in this run: it has no trusted filter and is too large for the short schedule.
    Skipped,
}

impl KindOutcome {
    /// The word in logs, metrics and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incremental => "incremental",
            Self::Incomplete => "incomplete",
            Self::Unavailable => "unavailable",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
            Self::Deferred => "deferred",
            Self::Skipped => "skipped",
        }
    }
}

/// What was counted for a kind, or added up for a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Elements seen for the first time.
    pub inserted: u64,
    /// Elements whose document changed.
    pub updated: u64,
    /// Elements that came back.
    pub restored: u64,
    /// Elements removed or unlisted on evidence.
    pub removed: u64,
    /// Elements equal to what is stored.
    pub unchanged: u64,
    /// Removals held back by a limit.
    pub held: u64,
    /// Known elements not listed, in question.
    pub missing: u64,
    /// Rows kept aside.
    pub rejected: u64,
    /// Requests sent.
    pub requests: u64,
}

impl Counts {
    /// Adds another kind's counts.
    pub fn add(&mut self, other: &Self) {
        let Self { inserted, updated, restored, removed, unchanged, held, missing, rejected, requests } =
            other;
        self.inserted += inserted;
        self.updated += updated;
        self.restored += restored;
        self.removed += removed;
        self.unchanged += unchanged;
        self.held += held;
        self.missing += missing;
        self.rejected += rejected;
        self.requests += requests;
    }
}

/// What became of one kind in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindRun {
    /// Which kind.
    pub kind: KindName,
    /// How it ended.
    pub outcome: KindOutcome,
    /// Why, for people; `None` where the outcome says it all.
    pub reason: Option<String>,
    /// When its pull began: what the kind is "complete as of", when it is complete.
    pub started_at: DateTime<Utc>,
    /// What was counted.
    pub counts: Counts,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Over which connection.
    pub connection: ConnectionName,
    /// How much it asked for.
    pub mode: Mode,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it runs, and for ever when it was killed.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it did not end well, for people.
    pub reason: Option<String>,
    /// Whether the next run must be a full one: this was the first, or a list shifted while it was
    /// paged, and rows may have slipped past while unknown.
    pub needs_full: bool,
    /// What was counted, over all kinds.
    pub counts: Counts,
    /// What became of each kind, in the order they were pulled.
    pub kinds: Vec<KindRun>,
}

impl Run {
    /// Whether it did not come to its end because the program was asked to stop.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.reason.as_deref() == Some(STOPPED)
    }

    /// How long it took; `None` while it runs.
    #[must_use]
    pub fn lasted(&self) -> Option<TimeDelta> {
        Some(self.finished_at? - self.started_at)
    }
}
