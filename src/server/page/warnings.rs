//! Open warnings: what is so, since when, and what to do.

use chrono::{DateTime, Utc};

use super::tone::Tone;
use super::words::{Moment, plural};
use crate::status::WarningStatus;

/// So many stand there whole; the others take a line each.
const WHOLE_MAX: usize = 40;
/// So many take a line; the others are counted.
const LINES_MAX: usize = 400;

/// All that is open, the most urgent first.
pub(super) struct Warnings<'a> {
    pub(super) whole: Vec<Warning<'a>>,
    pub(super) lines: Vec<Warning<'a>>,
    /// How many more there are than are shown.
    pub(super) untold: usize,
}

pub(super) struct Warning<'a> {
    pub(super) tone: Tone,
    pub(super) status: &'a WarningStatus,
    pub(super) raised: Moment,
}

impl<'a> Warnings<'a> {
    pub(super) fn new(open: &'a [WarningStatus], now: DateTime<Utc>) -> Self {
        let mut all = open.iter().map(|status| Warning {
            tone: Tone::of(status),
            status,
            raised: Moment::new(status.raised_at, now),
        });
        let whole = all.by_ref().take(WHOLE_MAX).collect();
        let lines = all.by_ref().take(LINES_MAX).collect();
        Self { whole, lines, untold: all.count() }
    }

    /// What the fold holds.
    pub(super) fn lines_text(&self) -> String {
        plural(self.lines.len() as u64, "more warning")
    }
}

impl Warning<'_> {
    /// How urgent, in a word.
    pub(super) fn word(&self) -> &'static str {
        match self.tone {
            Tone::Error => "Error",
            Tone::Warn => "Warning",
            _ => "Note",
        }
    }
}
