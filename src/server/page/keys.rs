//! Keys, and how much is left of each.

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
    /// `is_known`: whether anybody can look now.
    pub(super) fn new(connections: &'a [Arc<ConnectionStatus>], is_known: bool, now: DateTime<Utc>) -> Self {
        let of = |connection: &'a Arc<ConnectionStatus>| {
            connection.keys.iter().map(move |status| Key::new(status, &connection.keys, is_known, now))
        };
        let mut all: Vec<Key<'_>> = connections.iter().flat_map(of).collect();
        let place = |state: &str| ["refused", "expired"].iter().position(|first| *first == state);
        all.sort_by_key(|key| {
            (place(key.status.state).unwrap_or(usize::MAX), key.status.days_left.unwrap_or(i64::MAX))
        });
        let ranked = all.into_iter().enumerate();
        let (open, folded): (Vec<_>, Vec<_>) =
            ranked.partition(|(rank, key)| *rank < OPEN_MAX || key.tone >= Tone::Warn);
        let [open, folded] = [open, folded].map(|keys| keys.into_iter().map(|(_, key)| key).collect());
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
    fn new(status: &'a KeyStatus, all: &'a [KeyStatus], is_known: bool, now: DateTime<Utc>) -> Self {
        let said = status.warnings.iter().map(Tone::of).max();
        let has_another = all.iter().any(|key| key.slot != status.slot && key.state != "refused");
        let tone = match status.state {
            // The other one is asked with: nothing stands still.
            "refused" if has_another => said.unwrap_or(Tone::Warn),
            "refused" | "expired" => Tone::Error,
            "valid" if status.asked_at.is_some() && is_known => said.unwrap_or(Tone::Well),
            _ => said.unwrap_or(Tone::Unknown),
        };
        let refused_since = status.refused_since.map(|since| Moment::new(since, now));
        Self { tone, status, refused_since, is_one_of_two: all.len() > 1 }
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
        let KeyStatus { state, asked_at, warnings, .. } = self.status;
        let is_expiring = warnings.iter().any(|warning| warning.event == "key_expiring");
        match (*state, asked_at) {
            ("valid", None) if is_expiring => "Lapses soon, not tried",
            ("valid", None) => "In date, not tried",
            ("valid", Some(_)) if is_expiring => "Valid, lapses soon",
            ("valid", Some(_)) if self.tone >= Tone::Warn => "Valid, with a warning",
            ("expired", _) if self.still_works() => "Expired by its date, still works",
            ("unknown", None) => "Not tried",
            ("unknown", Some(_)) => "Works, date unknown",
            (state, _) => state,
        }
    }

    fn still_works(&self) -> bool {
        let facts = self.status.warnings.iter().flat_map(|warning| &warning.facts);
        facts.into_iter().any(|(name, value)| name == "still_works" && value == "true")
    }

    /// How much of the bar is full; `None`: nobody knows, or nothing is left of one that is refused.
    pub(super) fn bar(&self) -> Option<i64> {
        let days_left = self.status.days_left.filter(|_| self.refused_since.is_none());
        days_left.map(|days| days.clamp(0, BAR_DAYS))
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
