//! The kinds of one connection, and of all: how many elements, and how each was last pulled.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::tone::Tone;
use super::words::{Moment, grouped, plural, spaced, stored};
use crate::status::{ConnectionStatus, KindStatus};

/// So many kinds that need a look are named.
const ODD_MAX: usize = 3;

/// The kinds of one connection, and what they come to.
pub(super) struct Kinds<'a> {
    all: &'a [KindStatus],
    now: DateTime<Utc>,
    /// The oldest instant that any kind is complete as of; `None`: some never was.
    pub(super) complete_as_of: Option<Moment>,
    /// The same for changes.
    pub(super) changes_as_of: Option<Moment>,
    /// Whether only those that need a look are told one by one.
    pub(super) is_brief: bool,
}

pub(super) struct Kind<'a> {
    pub(super) tone: Tone,
    pub(super) status: &'a KindStatus,
    pub(super) complete_as_of: Option<Moment>,
    pub(super) details_as_of: Option<Moment>,
    pub(super) values_as_of: Option<Moment>,
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
            is_brief: false,
        }
    }

    /// A row for each kind: those that need a look first, then in the order they were pulled.
    pub(super) fn rows(&self) -> Vec<Kind<'a>> {
        let mut rows: Vec<Kind<'a>> = self.all.iter().map(|status| Kind::new(status, self.now)).collect();
        rows.sort_by_key(|kind| Reverse(kind.tone));
        rows.retain(|kind| !self.is_brief || kind.tone >= Tone::Warn);
        rows
    }

    /// Elements that people see.
    pub(super) fn present(&self) -> u64 {
        self.all.iter().map(|kind| kind.present).sum()
    }

    /// `20 kinds, 3,345 elements`
    pub(super) fn text(&self) -> String {
        format!("{}, {}", plural(self.all.len() as u64, "kind"), plural(self.present(), "element"))
    }

    /// Which kinds need a look, and why: `risks (incomplete), measures (12 held)`.
    pub(super) fn odd(&self) -> Option<String> {
        let rows = self.rows();
        let odd = rows.iter().filter(|kind| kind.tone >= Tone::Warn);
        let told: Vec<String> =
            odd.map(|kind| format!("{} ({})", spaced(&kind.status.kind), kind.odd())).collect();
        let more = told.len().saturating_sub(ODD_MAX);
        let text = told[..told.len() - more].join(", ");
        match (told.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(text),
            (false, more) => Some(format!("{text} and {}", plural(more as u64, "more kind"))),
        }
    }
}

impl<'a> Kind<'a> {
    fn new(status: &'a KindStatus, now: DateTime<Utc>) -> Self {
        let is_odd = !is_whole(status) || status.held > 0 || status.rejected > 0;
        let moment = |text: &Option<String>| stored(text.as_deref()).map(|at| Moment::new(at, now));
        Self {
            tone: if is_odd { Tone::Warn } else { Tone::Well },
            status,
            complete_as_of: moment(&status.complete_as_of),
            details_as_of: moment(&status.details_as_of),
            values_as_of: moment(&status.values_as_of),
        }
    }

    /// The counts, as the columns stand.
    pub(super) fn counts(&self) -> [String; 6] {
        let KindStatus { present, unlisted, removed, missing, held, rejected, .. } = self.status;
        [present, removed, missing, held, rejected, unlisted].map(|count| grouped(*count))
    }

    /// What is odd about it, in words.
    fn odd(&self) -> String {
        let KindStatus { outcome, held, rejected, .. } = self.status;
        let counts = [(*held, "held"), (*rejected, "rejected")];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let outcome = (!is_whole(self.status)).then(|| spaced(outcome));
        let counts = counts.map(|(count, word)| format!("{} {word}", grouped(*count)));
        outcome.into_iter().chain(counts).collect::<Vec<_>>().join(", ")
    }
}

fn is_whole(status: &KindStatus) -> bool {
    matches!(status.outcome.as_str(), "complete" | "incremental" | "unavailable" | "deferred")
}

/// One kind over all connections.
#[derive(Default)]
pub(super) struct KindSum<'a> {
    pub(super) kind: &'a str,
    connections: u64,
    counts: [u64; 6],
    odd: u64,
}

/// What each kind comes to over all connections that are configured; none, where a single one says it.
pub(super) fn sums(connections: &[Arc<ConnectionStatus>]) -> Vec<KindSum<'_>> {
    let mut sums: BTreeMap<&str, KindSum<'_>> = BTreeMap::new();
    let configured = || connections.iter().filter(|connection| connection.is_configured);
    if configured().count() < 2 {
        return Vec::new();
    }
    for status in configured().flat_map(|connection| &connection.kinds) {
        let sum = sums.entry(&status.kind).or_default();
        let KindStatus { present, unlisted, removed, missing, held, rejected, .. } = status;
        let counts = [present, removed, missing, held, rejected, unlisted];
        sum.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        sum.kind = &status.kind;
        sum.connections += 1;
        sum.odd += u64::from(!is_whole(status) || *held > 0 || *rejected > 0);
    }
    sums.into_values().collect()
}

impl KindSum<'_> {
    /// The numbers, as the columns stand.
    pub(super) fn numbers(&self) -> impl Iterator<Item = String> {
        let counts = self.counts.into_iter();
        [self.connections].into_iter().chain(counts).chain([self.odd]).map(grouped)
    }
}
