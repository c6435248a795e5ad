//! The kinds of one connection: how many elements, and how each was last pulled.

use chrono::{DateTime, Utc};

use super::tone::Tone;
use super::words::{Moment, grouped, plural, stored};
use crate::status::KindStatus;

/// The kinds of one connection, and what they come to.
pub(super) struct Kinds<'a> {
    all: &'a [KindStatus],
    now: DateTime<Utc>,
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
            all: kinds,
            now,
            complete_as_of: oldest(|kind| kind.complete_as_of.as_deref()),
            changes_as_of: oldest(|kind| kind.changes_as_of.as_deref()),
        }
    }

    /// A row for each kind, in the order they were pulled.
    pub(super) fn rows(&self) -> impl Iterator<Item = Kind<'a>> {
        let now = self.now;
        self.all.iter().map(move |status| Kind::new(status, now))
    }

    /// Elements that people see.
    pub(super) fn present(&self) -> u64 {
        self.all.iter().map(|kind| kind.present).sum()
    }

    /// `20 kinds, 3,345 elements; 2 kinds need a look`
    pub(super) fn text(&self) -> String {
        let text =
            format!("{}, {}", plural(self.all.len() as u64, "kind"), plural(self.present(), "element"));
        match self.rows().filter(|kind| kind.tone >= Tone::Warn).count() {
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
}
