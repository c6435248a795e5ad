//! Weighs the evidence about known elements that a snapshot lacks: absence is graded, never an instant
//! delete. Asks the network, writes nothing. Called by the cycle, between plan and limits.

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

#[cfg(test)]
mod tests {
    use std::sync::{LazyLock, Mutex};

    use super::*;
    use crate::element::Fingerprint;
    use crate::kind;
    use crate::pull::{Ask, Door, Pulled};

    /// Answers direct reads from a table; everything else is readable.
    #[derive(Default)]
    struct Singles {
        answers: BTreeMap<i64, Single>,
        asked: Mutex<Vec<i64>>,
    }

    fn readable() -> Single {
        Single::Readable { document: "{}".into(), name: None }
    }

    impl Source for Singles {
        async fn door(&self) -> Result<Door, PullError> {
            unreachable!("evidence opens no door")
        }
        async fn pull(&self, _: Ask<'_>) -> Result<Pulled, PullError> {
            unreachable!("evidence pulls no list")
        }
        async fn read(&self, _: &Kind, id: ElementId) -> Result<Single, PullError> {
            self.asked.lock().unwrap().push(id.0);
            Ok(self.answers.get(&id.0).cloned().unwrap_or_else(readable))
        }
        async fn measure_data(&self, _: ElementId) -> Result<Single, PullError> {
            unreachable!("evidence reads no values")
        }
    }

    const CANARY: i64 = 1;

    fn now() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    static MEASURES: LazyLock<Kind> = LazyLock::new(|| {
        kind::catalogue().into_iter().find(|kind| kind.name.as_str() == "measures").unwrap()
    });

    fn missing_plan(ids: std::ops::Range<i64>) -> Plan {
        let row = |id| Stored { id: ElementId(id), fingerprint: Fingerprint(0), state: State::Present };
        Plan { known: 1000, missing: ids.map(row).collect(), ..Plan::default() }
    }

    async fn weighed<'a>(source: &Singles, plan: &'a Plan, change: impl FnOnce(&mut Case<'a>)) -> Verdicts {
        let mut case = Case {
            kind: &MEASURES,
            plan,
            known: BTreeMap::new(),
            held: None,
            placements: BTreeMap::new(),
            visible: &[],
            canaries: vec![(&MEASURES, ElementId(CANARY))],
            concurrency: 4,
            now: now(),
        };
        change(&mut case);
        weigh(source, &case).await.unwrap()
    }

    fn answering(answers: &[(i64, Single)]) -> Singles {
        Singles { answers: answers.iter().cloned().collect(), ..Singles::default() }
    }

    #[tokio::test]
    async fn each_answer_has_its_verdict() {
        let source = answering(&[
            (10, Single::Forbidden),
            (11, Single::Absent),
            (13, Single::Unclear("500 five times".into())),
        ]);
        let verdicts = weighed(&source, &missing_plan(10..14), |_| {}).await;
        let removed: Vec<_> = verdicts.removals.iter().map(|gone| (gone.id.0, gone.reason)).collect();
        assert_eq!(removed, [(10, Reason::Hidden), (11, Reason::Absent)]);
        let answers: Vec<_> = verdicts.undecided.iter().map(|open| open.answer.as_deref().unwrap()).collect();
        assert_eq!(answers, ["200", "500 five times"]);
        assert!(verdicts.listing_contradicted);
    }

    #[tokio::test]
    async fn a_404_proves_nothing_when_a_listed_element_answers_404_too() {
        let source = answering(&[(CANARY, Single::Absent), (10, Single::Absent)]);
        let verdicts = weighed(&source, &missing_plan(10..11), |_| {}).await;
        assert_eq!((verdicts.removals.len(), verdicts.undecided.len()), (0, 1));
    }

    #[tokio::test]
    async fn a_second_listed_element_stands_in_for_one_that_is_never_readable() {
        let source = answering(&[(CANARY, Single::Absent), (10, Single::Absent)]);
        let plan = missing_plan(10..11);
        let second = (&*MEASURES, ElementId(CANARY + 1));
        let verdicts = weighed(&source, &plan, |case| case.canaries.push(second)).await;
        assert_eq!(verdicts.removals.len(), 1);
    }

    #[tokio::test]
    async fn without_a_canary_nothing_is_asked_and_nothing_goes() {
        let source = answering(&[(10, Single::Absent)]);
        let verdicts = weighed(&source, &missing_plan(10..11), |case| case.canaries.clear()).await;
        assert_eq!((verdicts.removals.len(), source.asked.lock().unwrap().len()), (0, 0));
    }

    #[tokio::test]
    async fn an_element_whose_scorecards_are_all_out_of_sight_is_hidden_without_a_read() {
        let source = Singles::default();
        let verdicts = weighed(&source, &missing_plan(10..12), |case| {
            case.visible = &[ElementId(7)];
            case.placements = BTreeMap::from([
                (ElementId(10), vec![ElementId(5), ElementId(6)]),
                (ElementId(11), vec![ElementId(5), ElementId(7)]),
            ]);
        })
        .await;
        assert_eq!(verdicts.removals[0].evidence, "no visible scorecard of 5, 6");
        assert_eq!(*source.asked.lock().unwrap(), [CANARY, 11, CANARY]);
    }

    #[tokio::test]
    async fn a_run_reads_at_most_200_and_the_least_recently_read_first() {
        let source = Singles::default();
        let read = |id, days| {
            let checked_at = Some(now() - TimeDelta::days(days));
            (ElementId(id), Missing { id: ElementId(id), since: now(), checked_at, checks: 1, answer: None })
        };
        let plan = missing_plan(10..310);
        weighed(&source, &plan, |case| case.known = (10..150).map(|id| read(id, 2)).collect()).await;
        let asked = source.asked.lock().unwrap();
        assert_eq!(asked.len(), 202);
        assert!((150..310).all(|id| asked.contains(&id)));
    }

    #[tokio::test]
    async fn checks_grow_apart_and_a_time_in_the_future_is_due() {
        let record = |days, checks| Missing {
            id: ElementId(10),
            since: now(),
            checked_at: Some(now() - TimeDelta::days(days)),
            checks,
            answer: None,
        };
        assert!(is_due(&record(1, 1), now()) && !is_due(&record(1, 2), now()));
        assert!(is_due(&record(30, 99), now()) && !is_due(&record(29, 99), now()));
        assert!(is_due(&record(-3, 1), now()));
    }

    #[tokio::test]
    async fn what_is_readable_but_unlisted_for_a_week_leaves_the_views() {
        let source = Singles::default();
        let verdicts = weighed(&source, &missing_plan(10..12), |case| {
            let week = Missing {
                id: ElementId(10),
                since: now() - TimeDelta::days(7),
                checked_at: Some(now() - TimeDelta::days(4)),
                checks: 3,
                answer: Some("200".into()),
            };
            case.known = BTreeMap::from([(ElementId(10), week)]);
        })
        .await;
        assert_eq!(verdicts.unlisted, [ElementId(10)]);
    }

    #[tokio::test]
    async fn a_week_that_began_in_the_future_begins_now() {
        let source = Singles::default();
        let verdicts = weighed(&source, &missing_plan(10..11), |case| {
            let since = now() + TimeDelta::days(3650);
            let missing = Missing { id: ElementId(10), since, checked_at: None, checks: 1, answer: None };
            case.known = BTreeMap::from([(ElementId(10), missing)]);
        })
        .await;
        assert_eq!(verdicts.undecided[0].since, now());
    }

    #[tokio::test]
    async fn a_held_element_is_read_only_once_it_is_released() {
        for (is_released, reads) in [(false, 0), (true, 3)] {
            let source = Singles::default();
            let held = Held { digest: "d".into(), ids: vec![ElementId(10)], since: now(), is_released };
            let plan = missing_plan(10..11);
            weighed(&source, &plan, |case| case.held = Some(&held)).await;
            assert_eq!(source.asked.lock().unwrap().len(), reads);
        }
    }
}
