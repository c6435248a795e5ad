//! Open warnings: what is so, since when, and what to do. Many with the same trouble share a card.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::tone::Tone;
use super::words::{Moment, plural};
use crate::status::WarningStatus;

/// So many of the same event and severity have a card each; more share one.
const SINGLE_MAX: usize = 5;
/// So many that share a card take a line each; the others are counted.
const LINES_MAX: usize = 400;
/// What comes first among equals in severity.
const FIRST: [&str; 3] = ["key_refused", "key_expired", "key_expiring"];

/// A card: one warning, or many with the same trouble.
pub(super) enum Card<'a> {
    One(Warning<'a>),
    Many(Group<'a>),
}

pub(super) struct Warning<'a> {
    pub(super) tone: Tone,
    pub(super) status: &'a WarningStatus,
    pub(super) raised: Moment,
}

/// Many warnings of the same event and severity.
pub(super) struct Group<'a> {
    pub(super) tone: Tone,
    pub(super) event: &'static str,
    /// `Key refused · 300 connections`
    pub(super) title: String,
    /// When the first of them was raised.
    pub(super) raised: Moment,
    /// What there is to do about most of them.
    pub(super) action: Option<&'a str>,
    pub(super) lines: Vec<Warning<'a>>,
    /// How many more there are than are shown.
    pub(super) untold: usize,
}

/// All that is open, the most urgent first.
pub(super) fn cards(open: &[WarningStatus], now: DateTime<Utc>) -> Vec<Card<'_>> {
    let mut all: Vec<&WarningStatus> = open.iter().collect();
    all.sort_by_key(|status| {
        let place = FIRST.iter().position(|event| *event == status.event).unwrap_or(FIRST.len());
        (Reverse(Tone::of(status)), place, &status.connection)
    });
    let mut alike: HashMap<_, Vec<&WarningStatus>> = HashMap::new();
    for status in &all {
        alike.entry((status.event, status.severity)).or_default().push(status);
    }
    let mut cards = Vec::new();
    for status in all {
        let trouble = (status.event, status.severity);
        match alike.get(&trouble) {
            Some(few) if few.len() <= SINGLE_MAX => cards.push(Card::One(Warning::new(status, now))),
            // The first of many stands for them all.
            Some(_) => cards.extend(alike.remove(&trouble).map(|many| Card::Many(Group::new(&many, now)))),
            None => {}
        }
    }
    cards
}

impl<'a> Warning<'a> {
    fn new(status: &'a WarningStatus, now: DateTime<Utc>) -> Self {
        Self { tone: Tone::of(status), status, raised: Moment::new(status.raised_at, now) }
    }

    /// The facts, each once: a key lapses after the day that it is usable through.
    pub(super) fn facts(&self) -> impl Iterator<Item = &'a (String, String)> {
        let WarningStatus { event, facts, .. } = self.status;
        facts.iter().filter(move |(name, _)| *event != "key_expiring" || name != "usable_through")
    }
}

impl<'a> Group<'a> {
    fn new(many: &[&'a WarningStatus], now: DateTime<Utc>) -> Self {
        let first = many[0];
        let raised_at = many.iter().map(|status| status.raised_at).min();
        Self {
            tone: Tone::of(first),
            event: first.event,
            title: title(many),
            raised: Moment::new(raised_at.unwrap_or(now), now),
            action: shared_action(many),
            lines: many.iter().take(LINES_MAX).map(|status| Warning::new(status, now)).collect(),
            untold: many.len().saturating_sub(LINES_MAX),
        }
    }

    /// What there is to do about this one where it is something else than about most.
    pub(super) fn own_action(&self, line: &Warning<'a>) -> Option<&'a str> {
        Some(line.status.action.as_str()).filter(|action| self.action != Some(action))
    }
}

fn title(many: &[&WarningStatus]) -> String {
    let connections = many.iter().map(|status| &status.connection).collect::<HashSet<_>>().len();
    let told = many[0].event.replace('_', " ");
    let whose = plural(connections as u64, "connection");
    if connections == many.len() {
        return format!("{told} · {whose}");
    }
    format!("{told} · {} of {whose}", plural(many.len() as u64, "warning"))
}

/// What is to be done about more than half of them.
fn shared_action<'a>(many: &[&'a WarningStatus]) -> Option<&'a str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for status in many {
        *counts.entry(&status.action).or_default() += 1;
    }
    counts.into_iter().find(|(_, count)| count * 2 > many.len()).map(|(action, _)| action)
}
