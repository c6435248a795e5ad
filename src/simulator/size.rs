//! How large a world is made.

use std::collections::BTreeMap;

use super::document::Richness;

/// How many elements of each kind a world starts with, and how rich they are.
#[derive(Debug, Clone)]
pub struct Size {
    pub(super) counts: BTreeMap<String, usize>,
    pub(super) richness: Richness,
    pub(super) periods: u32,
    pub(super) forecast_every: i64,
}

impl Size {
    /// A handful of each kind in small documents, for quick tests: more than a page of 25 of the five
    /// kinds of elements, fewer of the rest.
    #[must_use]
    pub fn small() -> Self {
        let counts = [
            ("scorecards", 6),
            ("objectives", 40),
            ("measures", 60),
            ("initiatives", 40),
            ("action_items", 30),
            ("risks", 27),
            ("goals", 10),
            ("users", 8),
            ("schedules", 3),
            ("groups", 4),
            ("reports", 5),
            ("notifications", 4),
            ("attachments", 30),
            ("files", 30),
        ];
        Self {
            counts: counts.map(|(kind, n)| (kind.to_owned(), n)).into(),
            richness: Richness::Small,
            periods: 6,
            forecast_every: 5,
        }
    }

    /// The same counts in documents of realistic size, with 24 periods of measure data.
    #[must_use]
    pub fn realistic() -> Self {
        Self { richness: Richness::Realistic, periods: 24, ..Self::small() }
    }

    /// Starts with `count` elements of this kind.
    #[must_use]
    pub fn with(mut self, kind: &str, count: usize) -> Self {
        self.counts.insert(kind.to_owned(), count);
        self
    }

    /// Gives every measure a forecast beside its other series, not only every fifth.
    #[must_use]
    pub fn with_forecasts(mut self) -> Self {
        self.forecast_every = 1;
        self
    }

    /// Starts with no element of any kind; add some by [`Size::with`].
    #[must_use]
    pub fn none(mut self) -> Self {
        self.counts.clear();
        self
    }
}
