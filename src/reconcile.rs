//! Decides what must change: a merge join of the stored elements and a snapshot, both in id order, so
//! that memory holds ids and changes and never all documents. Pure: no I/O, no clock. Only a complete
//! snapshot finds something missing, so a list that broke off can never look like a deletion.

use std::cmp::Ordering;

use crate::element::State;
use crate::plan::{Operation, Plan, Stored, Write};
use crate::snapshot::{Entry, Snapshot};

/// The comparison of the stored elements of one kind with a snapshot, while it is made.
#[derive(Debug)]
pub struct Planning<'a> {
    snapshot: &'a Snapshot,
    plan: Plan,
    /// How many of the listed elements were met or passed.
    listed: usize,
}

impl<'a> Planning<'a> {
    /// Nothing stored was compared yet.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, plan: Plan::default(), listed: 0 }
    }

    /// Compares the next stored element; they come in ascending id order.
    pub fn compare(&mut self, row: &Stored) {
        let Self { snapshot, plan, listed } = self;
        plan.known += u64::from(row.state == State::Present);
        while snapshot.entries.get(*listed).is_some_and(|entry| entry.id < row.id) {
            plan.writes.push(Write { operation: Operation::Insert, entry: *listed });
            *listed += 1;
        }
        match snapshot.entries.get(*listed).map(|entry| (entry.id.cmp(&row.id), entry)) {
            Some((Ordering::Equal, entry)) => {
                meet(plan, row, entry, *listed);
                *listed += 1;
            }
            _ => miss(plan, row, snapshot),
        }
    }

    /// The difference, now that all stored elements were compared.
    #[must_use]
    pub fn finish(mut self) -> Plan {
        let inserts = self.listed..self.snapshot.entries.len();
        self.plan.writes.extend(inserts.map(|entry| Write { operation: Operation::Insert, entry }));
        self.plan
    }
}

/// A stored element that was listed.
fn meet(plan: &mut Plan, row: &Stored, entry: &Entry, listed: usize) {
    let operation = match row.state {
        State::Removed | State::Unlisted => Operation::Restore,
        State::Present if row.fingerprint != entry.fingerprint => Operation::Update,
        State::Present => {
            plan.unchanged += 1;
            return;
        }
    };
    plan.writes.push(Write { operation, entry: listed });
}

/// A stored element that was not listed. What is unlisted already stays in question: its direct read
/// may show by now that it is gone.
fn miss(plan: &mut Plan, row: &Stored, snapshot: &Snapshot) {
    if row.state != State::Removed && snapshot.is_complete() {
        plan.missing.push(*row);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;
    use crate::element::{ElementId, Fingerprint};
    use crate::snapshot::{Extent, Span};

    const STATES: [State; 3] = [State::Present, State::Unlisted, State::Removed];

    fn snapshot(rows: impl IntoIterator<Item = (i64, u128)>, extent: Extent) -> Snapshot {
        let span = Span { offset: 0, length: 0 };
        let entry = |(id, hash)| Entry { id: ElementId(id), fingerprint: Fingerprint(hash), span };
        Snapshot { entries: rows.into_iter().map(entry).collect(), placements: Vec::new(), extent }
    }

    fn plan_of(stored: &[(i64, u128, State)], snapshot: &Snapshot) -> Plan {
        let mut planning = Planning::new(snapshot);
        for &(id, hash, state) in stored {
            planning.compare(&Stored { id: ElementId(id), fingerprint: Fingerprint(hash), state });
        }
        planning.finish()
    }

    fn operations(plan: &Plan, snapshot: &Snapshot) -> Vec<(i64, Operation)> {
        plan.writes.iter().map(|write| (snapshot.entries[write.entry].id.0, write.operation)).collect()
    }

    fn ids(plan: &Plan) -> Vec<i64> {
        plan.missing.iter().map(|row| row.id.0).collect()
    }

    #[test]
    fn each_element_gets_the_operation_its_two_sides_call_for() {
        let stored = [
            (2, 20, State::Present),
            (3, 30, State::Present),
            (4, 40, State::Removed),
            (5, 50, State::Present),
        ];
        let now = snapshot([(1, 10), (2, 20), (3, 31), (4, 40), (6, 60)], Extent::Complete);
        let plan = plan_of(&stored, &now);
        assert_eq!(
            operations(&plan, &now),
            [(1, Operation::Insert), (3, Operation::Update), (4, Operation::Restore), (6, Operation::Insert)]
        );
        assert_eq!((plan.unchanged, plan.known, ids(&plan)), (1, 3, vec![5]));
    }

    #[test]
    fn a_list_without_a_proved_end_misses_nothing() {
        let stored = [(1, 10, State::Present), (2, 20, State::Present)];
        for extent in [Extent::Incomplete("page 3 answered null".into()), Extent::Incremental] {
            assert_eq!(plan_of(&stored, &snapshot([], extent)).missing, []);
        }
    }

    #[test]
    fn what_is_removed_already_is_not_missed_again() {
        assert_eq!(plan_of(&[(1, 10, State::Removed)], &snapshot([], Extent::Complete)).missing, []);
    }

    proptest! {
        #[test]
        fn every_element_of_either_side_is_accounted_for_once(
            stored in btree_map(0i64..40, (0u128..3, 0usize..3), 0..30),
            listed in btree_map(0i64..40, 0u128..3, 0..30),
        ) {
            let rows: Vec<_> = stored.iter().map(|(&id, &(hash, state))| (id, hash, STATES[state])).collect();
            let now = snapshot(listed.iter().map(|(&id, &hash)| (id, hash)), Extent::Complete);
            let plan = plan_of(&rows, &now);
            prop_assert_eq!(plan.writes.len() + usize::try_from(plan.unchanged).unwrap(), listed.len());
            let missing: Vec<_> = rows.iter()
                .filter(|(id, _, state)| *state != State::Removed && !listed.contains_key(id))
                .map(|&(id, ..)| id).collect();
            prop_assert_eq!(ids(&plan), missing);
        }

        #[test]
        fn the_same_source_twice_changes_nothing(listed in btree_map(0i64..40, 0u128..3, 0..30)) {
            let rows: Vec<_> = listed.iter().map(|(&id, &hash)| (id, hash, State::Present)).collect();
            let now = snapshot(listed.iter().map(|(&id, &hash)| (id, hash)), Extent::Complete);
            let plan = plan_of(&rows, &now);
            prop_assert!(plan.writes.is_empty() && plan.missing.is_empty());
        }
    }
}
