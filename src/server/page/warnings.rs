//! Open warnings: what is so, since when, and what to do. Many with the same trouble share a card.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::facts::{self, Fact, Title};
use super::tone::Tone;
use super::words::{Moment, plural, spaced};
use crate::status::WarningStatus;

/// So many of the same event and severity have a card each; more share one.
const SINGLE_MAX: usize = 5;
/// So many that share a card take a line each; the others are counted.
const LINES_MAX: usize = 400;
/// What comes first among equals in severity.
const FIRST: [&str; 3] = ["key_refused", "key_expired", "key_expiring"];
/// A refused key, and what that entails well before its date.
const CAUSE: &str = "key_refused";
const ENTAILED: &str = "key_expiry_mismatch";

/// A card: one warning, or many with the same trouble.
pub(super) enum Card<'a> {
    One(Warning<'a>),
    Many(Group<'a>),
}

pub(super) struct Warning<'a> {
    pub(super) tone: Tone,
    pub(super) status: &'a WarningStatus,
    pub(super) raised: Moment,
    pub(super) title: Title<'a>,
    pub(super) facts: Vec<Fact<'a>>,
    /// What follows from it, and is told with it.
    pub(super) also: Vec<&'a WarningStatus>,
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
    let mut alike = count_alike(all.iter().copied());
    let is_single = |status: &WarningStatus| alike[&trouble(status)].len() <= SINGLE_MAX;
    // What a refused key entails stands with it, where that has a card of its own.
    let refused: HashSet<&str> = all
        .iter()
        .filter(|status| status.event == CAUSE && is_single(status))
        .map(|status| status.connection.as_str())
        .collect();
    let (entailed, all): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|status| status.event == ENTAILED && refused.contains(status.connection.as_str()));
    alike = count_alike(all.iter().copied());
    let also = |status: &WarningStatus| {
        let is_its = |also: &&&WarningStatus| status.event == CAUSE && also.connection == status.connection;
        entailed.iter().filter(is_its).copied().collect()
    };
    let mut cards = Vec::new();
    for status in all {
        match alike.get(&trouble(status)) {
            Some(few) if few.len() <= SINGLE_MAX => {
                cards.push(Card::One(Warning { also: also(status), ..Warning::new(status, now) }));
            }
            // The first of many stands for them all.
            Some(_) => {
                cards.extend(alike.remove(&trouble(status)).map(|many| Card::Many(Group::new(&many, now))));
            }
            None => {}
        }
    }
    cards
}

/// What passed lately.
pub(super) fn passed(passed: &[WarningStatus], now: DateTime<Utc>) -> Vec<Warning<'_>> {
    passed.iter().map(|status| Warning::new(status, now)).collect()
}

type Trouble = (&'static str, &'static str);

/// What makes two warnings the same trouble: event and severity.
fn trouble(status: &WarningStatus) -> Trouble {
    (status.event, status.severity)
}

fn count_alike<'a>(all: impl Iterator<Item = &'a WarningStatus>) -> HashMap<Trouble, Vec<&'a WarningStatus>> {
    let mut alike: HashMap<_, Vec<_>> = HashMap::new();
    all.for_each(|status| alike.entry(trouble(status)).or_default().push(status));
    alike
}

impl<'a> Warning<'a> {
    fn new(status: &'a WarningStatus, now: DateTime<Utc>) -> Self {
        Self {
            tone: Tone::of(status),
            status,
            raised: Moment::new(status.raised_at, now),
            title: facts::title(status),
            facts: facts::facts(status, now),
            also: Vec::new(),
        }
    }

    /// What to do before and after what the action says.
    pub(super) fn around_action(&self) -> (&'static str, &'static str) {
        facts::around_action(self.status)
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

    /// What to do before and after what the action says.
    pub(super) fn around_action(&self) -> (&'static str, &'static str) {
        self.lines.first().map_or(("", ""), Warning::around_action)
    }

    /// What there is to do about this one where it is something else than about most.
    pub(super) fn own_action(&self, line: &Warning<'a>) -> Option<&'a str> {
        Some(line.status.action.as_str()).filter(|action| self.action != Some(action))
    }
}

fn title(many: &[&WarningStatus]) -> String {
    let connections = many.iter().map(|status| &status.connection).collect::<HashSet<_>>().len();
    let spelled = facts::spelled(many[0]);
    let is_shared = many.iter().all(|status| facts::spelled(status) == spelled);
    let told = if is_shared { spelled.to_owned() } else { spaced(many[0].event) };
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
