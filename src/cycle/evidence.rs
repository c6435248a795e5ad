//! Weighs the evidence about known elements that a snapshot lacks: absence is graded, never an instant
//! delete. Asks the network, writes nothing. Called by the cycle, between plan and limits.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::element::{ElementId, Reason, State};
use crate::kind::Kind;
use crate::plan::{Held, Missing, Plan, Removal, Stored, Verdicts};
use crate::pull::{PullError, Single, Source};

/// What is known about the missing elements of one kind before anyone is asked.
#[derive(Debug)]
pub(super) struct Case<'a> {
    /// Which kind.
    pub kind: &'a Kind,
    /// The plan that misses them.
    pub plan: &'a Plan,
    /// What earlier runs learned of them.
    pub known: BTreeMap<ElementId, Missing>,
    /// The set that a limit held before: read again only once it is released.
    pub held: Option<&'a Held>,
    /// The scorecards each missing element was last placed in.
    pub placements: BTreeMap<ElementId, Vec<ElementId>>,
    /// The scorecards visible in this run, ascending.
    pub visible: &'a [ElementId],
    /// An element that this run has listed: 403 and 404 count only if it is readable before and after.
    /// The first readable of these is the one; the second is for a first that is never readable.
    pub canaries: Vec<(&'a Kind, ElementId)>,
    /// Direct reads under way at once.
    pub concurrency: usize,
    /// The present instant.
    pub now: DateTime<Utc>,
}

/// A missing element as stored, and what is known of its absence.
type Absentee = (Stored, Missing);

/// Direct reads a run makes for one kind, at least; more where 2 % of the kind are more.
const READS_MIN: u64 = 200;
/// How long an element may be readable but unlisted before it leaves the views.
const UNLISTED_AFTER: TimeDelta = TimeDelta::days(7);
/// The longest distance between two direct reads of one element.
const CHECK_DISTANCE_MAX_DAYS: i64 = 30;

/// Gives each missing element its verdict: out of sight with all its scorecards, or what a direct read
/// answers.
///
/// # Errors
/// As [`Source::read`]: the key is refused, or the server asks to come back later.
pub(super) async fn weigh<S: Source>(source: &S, case: &Case<'_>) -> Result<Verdicts, PullError> {
    let mut verdicts = Verdicts::default();
    let mut open = Vec::new();
    for row in &case.plan.missing {
        match case.out_of_sight(row.id) {
            Some(evidence) => {
                verdicts.removals.push(Removal { id: row.id, reason: Reason::Hidden, evidence });
            }
            None => open.push((*row, case.record(row.id))),
        }
    }
    let (due, waiting) = case.choose(open);
    verdicts.undecided.extend(waiting.into_iter().map(|(_, record)| record));
    match read_between_canaries(source, case, &due).await? {
        Ok(answers) => {
            for ((row, record), answer) in due.into_iter().zip(answers) {
                case.judge(&mut verdicts, &row, record, answer);
            }
        }
        Err(doubt) => {
            verdicts.undecided.extend(due.into_iter().map(|(_, record)| Missing {
                answer: record.answer.or_else(|| Some(doubt.clone())),
                ..record
            }));
        }
    }
    verdicts.removals.sort_unstable_by_key(|removal| removal.id);
    verdicts.undecided.sort_unstable_by_key(|missing| missing.id);
    Ok(verdicts)
}

impl Case<'_> {
    /// The evidence that every scorecard the element is placed in is out of sight, if so.
    fn out_of_sight(&self, id: ElementId) -> Option<String> {
        let scorecards = self.placements.get(&id).filter(|ids| !ids.is_empty())?;
        if self.kind.is_scorecards() || scorecards.iter().any(|id| self.visible.binary_search(id).is_ok()) {
            return None;
        }
        let names: Vec<String> = scorecards.iter().take(5).map(ToString::to_string).collect();
        Some(format!("no visible scorecard of {}", names.join(", ")))
    }

    fn record(&self, id: ElementId) -> Missing {
        let fresh = Missing { id, since: self.now, checked_at: None, checks: 0, answer: None };
        let known = self.known.get(&id).cloned().unwrap_or(fresh);
        // The clock was set back: the week begins now, and not when the old time returns.
        Missing { since: known.since.min(self.now), ..known }
    }

    /// Splits into those to read now, least recently read first, and those that wait.
    fn choose(&self, open: Vec<Absentee>) -> (Vec<Absentee>, Vec<Absentee>) {
        let (released, open): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(row, _)| self.holds(row.id) == Some(true));
        let (mut due, mut waiting): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|(row, record)| self.holds(row.id).is_none() && is_due(record, self.now));
        due.sort_by_key(|(row, record)| (record.checked_at, Reverse(row.state == State::Present), row.id));
        let reads_max = usize::try_from(READS_MIN.max(self.plan.known / 50)).unwrap_or(usize::MAX);
        if due.len() > reads_max {
            waiting.extend(due.split_off(reads_max));
        }
        due.extend(released);
        (due, waiting)
    }

    /// Whether a limit holds the element, and whether a person has released it.
    fn holds(&self, id: ElementId) -> Option<bool> {
        self.held.filter(|held| held.ids.binary_search(&id).is_ok()).map(|held| held.is_released)
    }

    /// Turns one answer into a verdict.
    fn judge(&self, verdicts: &mut Verdicts, row: &Stored, record: Missing, answer: Single) {
        let (reason, status) = match answer {
            Single::Forbidden => (Reason::Hidden, "403"),
            Single::Absent => (Reason::Absent, "404 or 410"),
            Single::Readable { .. } => return self.keep(verdicts, row, record, "200".into()),
            Single::Unclear(what) => return self.keep(verdicts, row, record, what),
        };
        let evidence = format!("a direct read answered {status}");
        verdicts.removals.push(Removal { id: row.id, reason, evidence });
    }

    fn keep(&self, verdicts: &mut Verdicts, row: &Stored, record: Missing, answer: String) {
        if answer == "200" {
            verdicts.listing_contradicted |= record.answer.as_deref() != Some("200");
            if row.state == State::Present && self.now - record.since >= UNLISTED_AFTER {
                verdicts.unlisted.push(row.id);
            }
        }
        verdicts.undecided.push(Missing {
            checked_at: Some(self.now),
            checks: record.checks + 1,
            answer: Some(answer),
            ..record
        });
    }
}

/// Whether an element is to be read again: at once, then after 1, 2, 4 … 30 days. A check time in the
/// future (the clock was set back) counts as due.
fn is_due(record: &Missing, now: DateTime<Utc>) -> bool {
    let Some(checked_at) = record.checked_at else { return true };
    let days = 1i64.checked_shl(record.checks.saturating_sub(1)).unwrap_or(i64::MAX);
    let distance = TimeDelta::days(days.clamp(1, CHECK_DISTANCE_MAX_DAYS));
    checked_at > now || now - checked_at >= distance
}

/// Reads `due` in order, between two reads of the canary; or says why the answers do not count.
async fn read_between_canaries<S: Source>(
    source: &S,
    case: &Case<'_>,
    due: &[Absentee],
) -> Result<Result<Vec<Single>, String>, PullError> {
    if due.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let (kind, canary) = match readable_canary(source, case).await? {
        Ok(canary) => canary,
        Err(doubt) => return Ok(Err(doubt)),
    };
    // By value: a closure over borrowed rows would make the run's future unfit to be spawned.
    let ids: Vec<ElementId> = due.iter().map(|(row, _)| row.id).collect();
    let answers: Vec<Single> = stream::iter(ids.into_iter().map(|id| source.read(case.kind, id)))
        .buffered(case.concurrency.max(1))
        .try_collect()
        .await?;
    Ok(doubt(&source.read(kind, canary).await?).map_or(Ok(answers), Err))
}

/// The first canary that is readable, or why none is.
async fn readable_canary<'a, S: Source>(
    source: &S,
    case: &Case<'a>,
) -> Result<Result<(&'a Kind, ElementId), String>, PullError> {
    let mut last = "no listed element to compare with".to_owned();
    for (kind, id) in &case.canaries {
        match doubt(&source.read(kind, *id).await?) {
            None => return Ok(Ok((kind, *id))),
            Some(doubt) => last = doubt,
        }
    }
    Ok(Err(last))
}

/// Why a canary's answer proves nothing, if it is not readable.
fn doubt(answer: &Single) -> Option<String> {
    let what = match answer {
        Single::Readable { .. } => return None,
        Single::Forbidden => "403",
        Single::Absent => "404",
        Single::Unclear(what) => what,
    };
    Some(format!("a listed element answered {what} too"))
}
