//! The kinds of one connection: how many elements, and how each was last pulled.

use chrono::{DateTime, Utc};

use super::tone::Tone;
use super::words::{Moment, grouped, plural, stored};
use crate::status::KindStatus;

/// The kinds of one connection, and what they come to.
pub(super) struct Kinds<'a> {
    pub(super) rows: Vec<Kind<'a>>,
    /// The oldest instant that any kind is complete as of; `None`: some never was.
    pub(super) complete_as_of: Option<Moment>,
    /// The same for changes.
    pub(super) changes_as_of: Option<Moment>,
}

pub(super) struct Kind<'a> {
    pub(super) tone: Tone,
    pub(super) status: &'a KindStatus,
    pub(super) complete_as_of: Option<Moment>,
}

impl<'a> Kinds<'a> {
    pub(super) fn new(kinds: &'a [KindStatus], now: DateTime<Utc>) -> Self {
        let oldest = |as_of: fn(&KindStatus) -> Option<&str>| {
            // A kind that the API says it has not keeps nobody waiting.
            let awaited = kinds.iter().filter(|kind| kind.outcome != "unavailable");
            let oldest = awaited.map(|kind| stored(as_of(kind))).min().flatten();
            oldest.map(|at| Moment::new(at, now))
        };
        Self {
            rows: kinds.iter().map(|status| Kind::new(status, now)).collect(),
            complete_as_of: oldest(|kind| kind.complete_as_of.as_deref()),
            changes_as_of: oldest(|kind| kind.changes_as_of.as_deref()),
        }
    }

    /// Elements that people see.
    pub(super) fn present(&self) -> u64 {
        self.rows.iter().map(|kind| kind.status.present).sum()
    }

    /// The same, for people.
    pub(super) fn present_text(&self) -> String {
        grouped(self.present())
    }

    /// `20 kinds, 3,345 elements; 2 kinds need a look`
    pub(super) fn text(&self) -> String {
        let text =
            format!("{}, {}", plural(self.rows.len() as u64, "kind"), plural(self.present(), "element"));
        match self.rows.iter().filter(|kind| kind.tone >= Tone::Warn).count() {
            0 => text,
            1 => text + "; 1 kind needs a look",
            count => format!("{text}; {count} kinds need a look"),
        }
    }
}

impl<'a> Kind<'a> {
    fn new(status: &'a KindStatus, now: DateTime<Utc>) -> Self {
        let is_whole =
            matches!(status.outcome.as_str(), "complete" | "incremental" | "unavailable" | "deferred");
        let is_odd = !is_whole || status.held > 0 || status.rejected > 0;
        let complete_as_of = stored(status.complete_as_of.as_deref()).map(|at| Moment::new(at, now));
        Self { tone: if is_odd { Tone::Warn } else { Tone::Well }, status, complete_as_of }
    }

    /// The counts, as the columns stand.
    pub(super) fn counts(&self) -> [String; 6] {
        let KindStatus { present, unlisted, removed, missing, held, rejected, .. } = self.status;
        [present, removed, missing, held, rejected, unlisted].map(|count| grouped(*count))
    }

    /// Why it ended so, or what its end leaves open.
    pub(super) fn reason(&self) -> &str {
        match (&self.status.reason, self.status.outcome.as_str()) {
            (Some(reason), _) => reason,
            (None, "complete") if !self.status.is_end_told => {
                "end unproven: no total, only pages without rows"
            }
            _ => "",
        }
    }
}
