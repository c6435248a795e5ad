//! The first row of each element that a pull listed, small: a pull of a million elements holds a million
//! of them. Pure.

use std::collections::HashSet;

use crate::element::{ElementId, Fingerprint};
use crate::snapshot::{Entry, Span};

/// Rows out of order that are kept so, at least.
const LATE_MIN: usize = 4096;
/// And at most this part of the others.
const LATE_PART: usize = 4;

/// A row as listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    /// Its element.
    pub(super) id: ElementId,
    /// Its document's fingerprint.
    pub(super) fingerprint: Fingerprint,
    /// Its document's place in the spool.
    pub(super) span: Span,
    /// The page that listed it; 0 where it was asked for again.
    pub(super) page: u32,
}

impl Listed {
    /// What a snapshot keeps of it.
    #[must_use]
    pub(super) fn entry(self) -> Entry {
        let Self { id, fingerprint, span, page: _ } = self;
        Entry { id, fingerprint, span }
    }
}

/// Rows of distinct elements. Lists mostly come in the order of ids: then the rows themselves are the
/// index of what came, and only what is out of order needs another.
#[derive(Debug, Default)]
pub(super) struct Firsts {
    /// In ascending order as far as `sorted`.
    rows: Vec<Listed>,
    sorted: usize,
    /// The ids of the others.
    late: HashSet<ElementId>,
}

impl Firsts {
    /// Whether there is a row of this element.
    #[must_use]
    pub(super) fn has(&self, id: ElementId) -> bool {
        let sorted = &self.rows[..self.sorted];
        let is_within = sorted.last().is_some_and(|last| id <= last.id);
        is_within && sorted.binary_search_by_key(&id, |row| row.id).is_ok() || self.late.contains(&id)
    }

    /// Adds the row of an element that has none.
    pub(super) fn push(&mut self, row: Listed) {
        let is_next = self.late.is_empty() && self.rows.last().is_none_or(|last| last.id < row.id);
        self.rows.push(row);
        if is_next {
            self.sorted += 1;
            return;
        }
        self.late.insert(row.id);
        if self.late.len() >= LATE_MIN.max(self.sorted / LATE_PART) {
            self.sort();
        }
    }

    /// All rows in ascending order.
    #[must_use]
    pub(super) fn into_sorted(mut self) -> Vec<Listed> {
        self.sort();
        self.rows
    }

    fn sort(&mut self) {
        self.rows.sort_unstable_by_key(|row| row.id);
        self.sorted = self.rows.len();
        self.late.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(id: i64) -> Listed {
        let span = Span { offset: 0, length: 0 };
        Listed { id: ElementId(id), fingerprint: Fingerprint(0), span, page: 1 }
    }

    #[test]
    fn a_million_rows_are_a_few_dozen_bytes_each() {
        assert_eq!((size_of::<Listed>(), size_of::<Entry>()), (40, 40));
    }

    proptest! {
        #[test]
        fn what_was_pushed_is_there_and_comes_out_in_order(
            steps in prop::collection::vec((-3..9_i64, 1..400_i64), 1..60),
        ) {
            // Runs up and down, so that some rows are next, some are late, and late ones are sorted in.
            let (mut firsts, mut expected, mut id) = (Firsts::default(), std::collections::BTreeSet::new(), 0);
            for (step, times) in steps {
                for _ in 0..times {
                    id += step;
                    prop_assert_eq!(firsts.has(ElementId(id)), !expected.insert(id));
                    if !firsts.has(ElementId(id)) {
                        firsts.push(listed(id));
                    }
                }
            }
            let ids: Vec<i64> = firsts.into_sorted().iter().map(|row| row.id.0).collect();
            prop_assert_eq!(ids, Vec::from_iter(expected));
        }
    }
}
