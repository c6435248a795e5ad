//! Keys, and how much is left of each.

use std::cmp::Reverse;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::tone::Tone;
use super::words::{Moment, plural};
use crate::status::{ConnectionStatus, KeyStatus};

/// A full bar is this many days, or more.
pub(super) const BAR_DAYS: i64 = 90;
/// So many keys stand open; the others are folded, unless a person must see to them.
const OPEN_MAX: usize = 12;

/// All keys, those that need a person first, then the soonest.
pub(super) struct Keys<'a> {
    pub(super) open: Vec<Key<'a>>,
    pub(super) folded: Vec<Key<'a>>,
}

pub(super) struct Key<'a> {
    pub(super) tone: Tone,
    pub(super) status: &'a KeyStatus,
    pub(super) refused_since: Option<Moment>,
    /// Whether another key of the connection could take its place.
    pub(super) is_one_of_two: bool,
}

/// The key that lapses next, or why none does.
pub(super) enum NextToLapse<'a> {
    /// In so many days.
    In(i64, &'a KeyStatus),
    /// Nobody wrote down a date.
    Unknown,
    /// Every key is refused now.
    AllRefused,
    /// Every key is refused, or past its date.
    AllLapsed,
}

impl<'a> Keys<'a> {
    pub(super) fn new(connections: &'a [Arc<ConnectionStatus>], now: DateTime<Utc>) -> Self {
        let of = |connection: &'a Arc<ConnectionStatus>| {
            let is_one_of_two = connection.keys.len() > 1;
            connection.keys.iter().map(move |status| Key::new(status, is_one_of_two, now))
        };
        let mut open: Vec<Key<'_>> = connections.iter().flat_map(of).collect();
        open.sort_by_key(|key| (Reverse(key.tone), key.status.days_left.unwrap_or(i64::MAX)));
        let urgent = open.partition_point(|key| key.tone >= Tone::Warn);
        let folded = open.split_off(urgent.max(OPEN_MAX).min(open.len()));
        Self { open, folded }
    }

    /// What a fold holds: `288 more keys; the next of them lapses in 61 days`.
    pub(super) fn folded_text(&self) -> String {
        let count = plural(self.folded.len() as u64, "more key");
        match self.folded.first().and_then(|key| key.status.days_left) {
            Some(days) => format!("{count}; the next of them lapses in {}", plural(days, "day")),
            None => count,
        }
    }

    /// What lapses next, of the keys that work.
    pub(super) fn next_to_lapse(&self) -> NextToLapse<'a> {
        let all = || self.open.iter().chain(&self.folded).map(|key| key.status);
        let dated = all().filter(|key| key.state == "valid");
        let dated = dated.filter_map(|key| Some((key.days_left?, key)));
        if let Some((days, key)) = dated.min_by_key(|(days, _)| *days) {
            return NextToLapse::In(days, key);
        }
        match () {
            () if all().any(|key| key.state == "unknown") || all().next().is_none() => NextToLapse::Unknown,
            () if all().all(|key| key.state == "refused") => NextToLapse::AllRefused,
            () => NextToLapse::AllLapsed,
        }
    }
}

impl<'a> Key<'a> {
    fn new(status: &'a KeyStatus, is_one_of_two: bool, now: DateTime<Utc>) -> Self {
        let said = status.warnings.iter().map(Tone::of).max();
        let tone = match status.state {
            "refused" | "expired" => Tone::Error,
            "valid" => said.unwrap_or(Tone::Well),
            _ => said.unwrap_or(Tone::Unknown),
        };
        let refused_since = status.refused_since.map(|since| Moment::new(since, now));
        Self { tone, status, refused_since, is_one_of_two }
    }

    /// What it is for beside the other key of its connection; one that is refused can stand by for none.
    pub(super) fn role(&self) -> Option<&'static str> {
        match (self.is_one_of_two, self.status.leads, self.status.state) {
            (false, ..) | (true, false, "refused") => None,
            (true, true, _) => Some("asked with first"),
            (true, false, _) => Some("stands by"),
        }
    }

    /// How it stands, in words that say what the colour says.
    pub(super) fn state(&self) -> &'static str {
        let is_expiring = self.status.warnings.iter().any(|warning| warning.event == "key_expiring");
        match self.status.state {
            "valid" if is_expiring => "Valid, lapses soon",
            "valid" if self.tone >= Tone::Warn => "Valid, with a warning",
            state => state,
        }
    }

    /// How much of the bar is full; `None`: nobody knows.
    pub(super) fn bar(&self) -> Option<i64> {
        self.status.days_left.map(|days| days.clamp(0, BAR_DAYS))
    }

    /// The days, for people.
    pub(super) fn days(&self) -> String {
        match self.status.days_left {
            // It does not work now; the date is all that is left of it.
            Some(days) if self.refused_since.is_some() && days >= 0 => {
                format!("{} by its date", plural(days, "day"))
            }
            None => "date unknown".to_owned(),
            Some(0) => "today is the last day".to_owned(),
            Some(days) if days < 0 => format!("lapsed {} ago", plural(-days, "day")),
            Some(1) => "1 day left".to_owned(),
            Some(days) => format!("{days} days left"),
        }
    }
}
