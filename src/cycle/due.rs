//! Which elements a run reads singly, and in which order: those never read, those whose list row
//! changed, and, because a list row may stay the same while what is behind it moves, at each full run a
//! share of those read longest ago. Pure.

use crate::element::ElementId;
use crate::run::RunId;
use crate::store::ReadState;

/// Up to this many elements of a kind are all read again by each full run.
pub(super) const ALL_UP_TO: usize = 2_000;
/// Of more than that, this part is; so each is read again by the seventh full run at the latest.
pub(super) const FULL_RUNS: u32 = 7;
/// So many elements answered in vain, and none ever otherwise, show that the kind has no such reads.
pub(super) const UNAVAILABLE_MIN: usize = 20;

/// By what the elements of one kind are chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<'a> {
    /// Whether this run is full.
    pub is_full: bool,
    /// Whether every full run reads all of them.
    pub all: bool,
    /// The last full run, which may be this one.
    pub last_full: Option<RunId>,
    /// The seventh last, likewise.
    pub seventh_full: Option<RunId>,
    /// Elements whose held values a person has released.
    pub released: &'a [ElementId],
}

/// An element to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Which.
    pub id: ElementId,
    /// Whether its list row is the same as when it was last read.
    pub is_unmoved: bool,
}

/// What to read, most urgent first.
pub(super) fn choose(states: &[ReadState], rule: &Rule<'_>) -> Vec<Due> {
    let mut due = Vec::new();
    let mut rest = Vec::new();
    let mut aged = 0;
    for state in states {
        match urgency(state, rule) {
            Some(urgency) => {
                aged += usize::from(urgency == Urgency::Aged);
                due.push((urgency, state.asked, state));
            }
            None => rest.push((Urgency::Aged, state.asked, state)),
        }
    }
    if rule.is_full && !rule.all {
        let share = states.len().div_ceil(FULL_RUNS as usize).saturating_sub(aged);
        rest.sort_unstable_by_key(|(_, asked, state)| (*asked, state.id));
        due.extend(rest.into_iter().take(share));
    }
    due.sort_unstable_by_key(|(urgency, asked, state)| (*urgency, *asked, state.id));
    if is_unavailable(states) {
        due.truncate(if rule.is_full { UNAVAILABLE_MIN } else { 0 });
    }
    due.into_iter().map(|(.., state)| Due { id: state.id, is_unmoved: is_unmoved(state) }).collect()
}

/// Whether the API was asked often enough and never had a document.
fn is_unavailable(states: &[ReadState]) -> bool {
    let in_vain = states.iter().filter(|state| state.asked.is_some()).count();
    in_vain >= UNAVAILABLE_MIN && !states.iter().any(|state| state.was_read)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Never asked, or changed since.
    New,
    /// Read too long ago.
    Aged,
    /// No clear answer the last time: last of all, so that it keeps nobody waiting.
    Unclear,
}

fn urgency(state: &ReadState, rule: &Rule<'_>) -> Option<Urgency> {
    if state.unclear > state.asked {
        return Some(Urgency::Unclear);
    }
    let Some(asked) = state.asked else { return Some(Urgency::New) };
    if state.changed > asked || rule.released.contains(&state.id) {
        return Some(Urgency::New);
    }
    // What was asked in vain is asked again by each full run.
    let full = if rule.all || !state.was_read { rule.last_full } else { rule.seventh_full };
    full.is_some_and(|full| asked < full).then_some(Urgency::Aged)
}

fn is_unmoved(state: &ReadState) -> bool {
    state.was_read && state.asked.is_some_and(|asked| state.changed <= asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Rule<'static> =
        Rule { is_full: false, all: false, last_full: None, seventh_full: None, released: &[] };

    fn read(id: i64, changed: i64, asked: i64) -> ReadState {
        let (id, changed, asked) = (ElementId(id), RunId(changed), Some(RunId(asked)));
        ReadState { id, changed, asked, was_read: true, unclear: None }
    }

    fn unread(id: i64) -> ReadState {
        ReadState { asked: None, was_read: false, ..read(id, 1, 0) }
    }

    #[track_caller]
    fn check(states: &[ReadState], rule: Rule<'_>, expected: &[i64]) {
        let due: Vec<i64> = choose(states, &rule).iter().map(|due| due.id.0).collect();
        assert_eq!(due, expected);
    }

    #[test]
    fn what_is_new_or_changed_is_read_by_any_run() {
        check(&[read(1, 1, 1), unread(2), read(3, 5, 4)], QUIET, &[2, 3]);
        let due = choose(&[unread(2), read(3, 5, 4)], &QUIET);
        assert!(due.iter().all(|due| !due.is_unmoved));
    }

    #[test]
    fn a_full_run_reads_the_seventh_read_longest_ago() {
        let states: Vec<_> = (1..=14).map(|id| read(id, 1, 20 - id)).collect();
        check(&states, Rule { is_full: true, ..QUIET }, &[14, 13]);
        check(&states, QUIET, &[]);
    }

    #[test]
    fn each_is_read_again_within_seven_full_runs_even_if_one_was_cut_off() {
        let states = [read(1, 1, 3), read(2, 1, 4)];
        check(&states, Rule { seventh_full: Some(RunId(4)), ..QUIET }, &[1]);
    }

    #[test]
    fn a_full_run_that_reads_all_is_finished_by_the_next_run() {
        let states = [read(1, 1, 3), read(2, 1, 4)];
        let all = Rule { all: true, last_full: Some(RunId(4)), ..QUIET };
        check(&states, all, &[1]);
        assert!(choose(&states, &all)[0].is_unmoved);
    }

    #[test]
    fn no_clear_answer_is_asked_again_after_all_others() {
        let unclear = ReadState { unclear: Some(RunId(3)), ..unread(1) };
        check(&[unclear, unread(2)], QUIET, &[2, 1]);
    }

    #[test]
    fn what_a_person_released_is_read_at_once() {
        check(&[read(1, 1, 3), read(2, 1, 3)], Rule { released: &[ElementId(2)], ..QUIET }, &[2]);
    }

    #[test]
    fn what_is_forbidden_waits_for_a_change_or_a_full_run() {
        let forbidden = ReadState { asked: Some(RunId(3)), ..unread(1) };
        check(&[forbidden], Rule { last_full: Some(RunId(3)), ..QUIET }, &[]);
        check(&[forbidden], Rule { last_full: Some(RunId(4)), ..QUIET }, &[1]);
        check(&[ReadState { changed: RunId(4), ..forbidden }], QUIET, &[1]);
    }

    #[test]
    fn an_api_without_such_reads_is_asked_a_little_by_full_runs_only() {
        let states: Vec<_> = (0..50).map(|id| ReadState { asked: Some(RunId(1)), ..unread(id) }).collect();
        let full = Rule { is_full: true, all: true, last_full: Some(RunId(2)), ..QUIET };
        assert_eq!(choose(&states, &full).len(), UNAVAILABLE_MIN);
        check(&states, Rule { is_full: false, ..full }, &[]);
    }
}
