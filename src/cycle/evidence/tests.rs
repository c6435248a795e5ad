//! Weighing, with a source that answers from a table.

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
    async fn users_with(&self, _: &Kind, _: &str) -> Result<Vec<String>, PullError> {
        unreachable!("evidence looks for no user")
    }
    async fn measure_data(&self, _: ElementId) -> Result<Single, PullError> {
        unreachable!("evidence reads no values")
    }
}

const CANARY: i64 = 1;

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

static MEASURES: LazyLock<Kind> =
    LazyLock::new(|| kind::catalogue().into_iter().find(|kind| kind.name.as_str() == "measures").unwrap());

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
