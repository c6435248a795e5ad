//! Refuses plans that would take too much of a kind out of sight at once: a scorecard unticked, a
//! mapped user exchanged or a list gone wrong looks like many deletions. Pure.

use chrono::{DateTime, Utc};

use crate::element::ElementId;
use crate::fingerprint;
use crate::plan::{Held, Missing, Plan, Verdicts};

/// How much may go out of sight in one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Removals {
    /// Share of the known elements of a kind, in percent.
    pub max_percent: f64,
    /// Below this many removals the share does not count.
    pub min: u64,
}

/// What a limit leaves of the verdicts of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// What may be applied.
    pub verdicts: Verdicts,
    /// What is held back until a person releases it.
    pub held: Option<Held>,
}

/// Splits the verdicts into what may be applied and what is held.
///
/// Elements still in question count as if they were gone: else a capped number of direct reads a run
/// would carry a mass disappearance past the limit in small steps. What was held before and is still
/// missing stays held without being read again. A released set is applied whatever its size, as far as
/// its elements are seen to be gone once more; what has joined them since is judged by itself.
#[must_use]
pub fn judge(
    limit: Removals,
    plan: &Plan,
    mut verdicts: Verdicts,
    before: Option<&Held>,
    now: DateTime<Utc>,
) -> Judged {
    let contains = |held: &Held, id: &ElementId| held.ids.binary_search(id).is_ok();
    let released = before.filter(|held| held.is_released);
    let waiting = before.filter(|held| !held.is_released);
    let is_released = |id: &ElementId| released.is_some_and(|held| contains(held, id));
    let (still_held, others): (Vec<_>, Vec<_>) = verdicts
        .undecided
        .iter()
        .partition(|missing| waiting.is_some_and(|held| contains(held, &missing.id)));
    let is_in_question = |missing: &&Missing| missing.answer.as_deref() != Some("200");
    let in_question: Vec<ElementId> =
        others.into_iter().filter(is_in_question).map(|missing| missing.id).collect();
    let still_held = still_held.into_iter().map(|missing| missing.id);
    let mut ids: Vec<ElementId> =
        leaving(&verdicts).filter(|id| !is_released(id)).chain(still_held).collect();
    ids.sort_unstable();
    let count = ids.len() + in_question.len();
    if ids.is_empty() || !exceeds(limit, count as u64, plan.known) {
        // A release outlives a run that could not read its elements again.
        let held = released.filter(|held| in_question.iter().any(|id| contains(held, id))).cloned();
        return Judged { verdicts, held };
    }
    verdicts.removals.retain(|removal| is_released(&removal.id));
    verdicts.unlisted.retain(is_released);
    let digest = digest(&ids);
    let since = before.filter(|held| held.digest == digest).map_or(now, |held| held.since);
    Judged { verdicts, held: Some(Held { digest, ids, since, is_released: false }) }
}

/// Everything that would leave the views.
fn leaving(verdicts: &Verdicts) -> impl Iterator<Item = ElementId> {
    verdicts.removals.iter().map(|removal| removal.id).chain(verdicts.unlisted.iter().copied())
}

/// Whether `count` elements out of sight are more than a limit lets go, given how many are known.
#[expect(clippy::cast_precision_loss, reason = "counts of elements stay far below 2^52")]
#[must_use]
pub fn exceeds(limit: Removals, count: u64, known: u64) -> bool {
    count >= limit.min && count as f64 * 100.0 > limit.max_percent * known as f64
}

/// Digest of a set of ids, as shown to people and compared on release.
fn digest(ids: &[ElementId]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0.to_be_bytes()).collect();
    format!("{:08x}", fingerprint::of_bytes(&bytes).0 >> 96)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Reason;
    use crate::plan::Removal;

    const DEFAULT: Removals = Removals { max_percent: 10.0, min: 10 };

    fn now() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn gone(ids: std::ops::Range<i64>) -> Verdicts {
        let removal = |id| Removal { id: ElementId(id), reason: Reason::Absent, evidence: "404".into() };
        Verdicts { removals: ids.map(removal).collect(), ..Verdicts::default() }
    }

    fn in_question(ids: std::ops::Range<i64>) -> Vec<Missing> {
        ids.map(|id| Missing { id: ElementId(id), since: now(), checked_at: None, checks: 0, answer: None })
            .collect()
    }

    fn judged(known: u64, verdicts: Verdicts, before: Option<&Held>) -> Judged {
        judge(DEFAULT, &Plan { known, ..Plan::default() }, verdicts, before, now())
    }

    #[test]
    fn a_tenth_may_go_and_one_more_is_held_with_all_the_others() {
        assert_eq!(judged(200, gone(0..20), None).held, None);
        let over = judged(200, gone(0..21), None);
        assert_eq!(over.held.unwrap().ids.len(), 21);
        assert!(over.verdicts.removals.is_empty());
    }

    #[test]
    fn fewer_than_the_minimum_always_go() {
        assert_eq!(judged(9, gone(0..9), None).verdicts, gone(0..9));
    }

    #[test]
    fn elements_in_question_count_so_that_a_mass_removal_cannot_trickle_through() {
        let verdicts = Verdicts { undecided: in_question(100..200), ..gone(0..15) };
        assert_eq!(judged(1000, verdicts, None).held.unwrap().ids.len(), 15);
    }

    #[test]
    fn a_release_frees_exactly_the_held_set() {
        let held = judged(100, gone(0..50), None).held.unwrap();
        let released = Held { is_released: true, ..held };
        assert_eq!(judged(100, gone(0..50), Some(&released)), Judged { verdicts: gone(0..50), held: None });
        let grown = judged(100, gone(0..80), Some(&released));
        assert_eq!(grown.verdicts, gone(0..50));
        assert_eq!(grown.held.unwrap().ids, (50..80).map(ElementId).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_held_stays_held_without_being_read_again() {
        let held = judged(100, gone(0..50), None).held.unwrap();
        let verdicts = Verdicts { undecided: in_question(0..50), ..Verdicts::default() };
        assert_eq!(judged(100, verdicts, Some(&held)).held, Some(held));
    }

    #[test]
    fn what_is_readable_but_unlisted_stays_held_too() {
        let unlisted = (0..50).map(ElementId).collect();
        let held = judged(100, Verdicts { unlisted, ..Verdicts::default() }, None).held.unwrap();
        let readable = |missing| Missing { answer: Some("200".into()), ..missing };
        let undecided = in_question(0..50).into_iter().map(readable).collect();
        let next = judged(100, Verdicts { undecided, ..Verdicts::default() }, Some(&held));
        assert_eq!(next.held, Some(held));
    }

    #[test]
    fn a_release_outlives_a_run_that_could_not_read() {
        let held = judged(100, gone(0..50), None).held.unwrap();
        let released = Held { is_released: true, ..held };
        let verdicts = Verdicts { undecided: in_question(0..50), ..Verdicts::default() };
        assert_eq!(judged(100, verdicts, Some(&released)).held, Some(released));
    }

    #[test]
    fn a_set_held_again_keeps_its_first_time() {
        let first = judged(100, gone(0..50), None).held.unwrap();
        let earlier = Held { since: now() - chrono::TimeDelta::days(2), ..first };
        assert_eq!(judged(100, gone(0..50), Some(&earlier)).held, Some(earlier));
    }
}
