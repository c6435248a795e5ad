//! What happened lately, and the marks by which a change of anybody's is noticed.

use super::*;
use crate::plan::Operation;
use crate::store::Scope;
use crate::warning::{Event, Phase, Severity, Warning, WarningId};

fn objectives(ids: std::ops::RangeInclusive<i64>, name: &str) -> Vec<String> {
    ids.map(|id| format!(r#"{{"objectId":{id},"name":"{name}"}}"#)).collect()
}

async fn sync(bench: &mut Bench, rows: &[String]) {
    bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_did_alike_to_many_is_one_of_the_latest_changes() {
    let mut bench = Bench::new().await;
    let mut rows = objectives(1..=2100, "old");
    sync(&mut bench, &rows).await;
    rows.splice(4..6, objectives(5..=6, "new"));
    sync(&mut bench, &rows).await;
    let told = async |limit| {
        let latest = bench.store.latest_changes(limit).await.unwrap();
        let told = latest.into_iter().map(|group| {
            (group.latest.operation, group.latest.id.0, group.latest.name, group.count, group.has_more)
        });
        told.collect::<Vec<_>>()
    };
    let update = |id| (Operation::Update, id, Some("new".to_owned()), 1, false);
    // Of the first run's inserts, as many as are read.
    let inserts = (Operation::Insert, 2100, Some("old".to_owned()), 1998, true);
    assert_eq!(told(25).await, [update(6), update(5), inserts]);
    assert_eq!(told(1).await, [update(6)]);
}

fn warning(event: Event, subject: &str) -> Warning {
    Warning {
        id: WarningId { event, connection: city(), subject: subject.to_owned() },
        severity: Severity::Warn,
        level: 1,
        message: "something is so".to_owned(),
        action: "look at it".to_owned(),
        fields: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_that_passed_are_told_for_as_long_as_asked_and_open_ones_are_not_among_them() {
    let bench = Bench::new().await;
    let days = |days| noon() + TimeDelta::days(days);
    let seen = [
        (Event::VisibilityChanged, "run 1", 0),
        (Event::VisibilityChanged, "run 2", 3),
        (Event::SyncStale, "", 4),
    ];
    for (event, subject, day) in seen {
        bench.store.told(&warning(event, subject), Phase::Raised, &[], days(day)).await.unwrap();
    }
    let passed = async |since, limit| {
        let passed = bench.store.passed_warnings(since, limit).await.unwrap();
        passed.into_iter().map(|passed| passed.warning.id.subject).collect::<Vec<_>>()
    };
    assert_eq!(passed(days(0), 9).await, ["run 2", "run 1"]);
    assert_eq!(passed(days(1), 9).await, ["run 2"]);
    assert_eq!(passed(days(0), 1).await, ["run 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_moves_with_what_is_shown_of_a_connection_and_with_nothing_else() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.store.mark(&city()).await.unwrap(), None);
    let another = bench.another().await;
    another.record_keys(&city(), None, chrono_tz::UTC, &[]).await.unwrap();
    let mut seen = bench.store.marks().await.unwrap();
    let mut has_moved = async |bench: &Bench| {
        let marks = bench.store.marks().await.unwrap();
        assert_eq!(bench.store.mark(&city()).await.unwrap().as_ref(), marks.of.get(&city()));
        let before = std::mem::replace(&mut seen, marks);
        (before.of != seen.of, before.forgets != seen.forgets)
    };
    assert_eq!(has_moved(&bench).await, (false, false));
    let run = bench.begin().await;
    assert_eq!(has_moved(&bench).await, (false, false), "a run under way has changed nothing yet");
    let users = KindRun {
        kind: kind("users").name,
        outcome: KindOutcome::Complete,
        reason: None,
        started_at: noon(),
        counts: Counts::default(),
    };
    bench.store.record_kind(run, &city(), &users, None).await.unwrap();
    assert_eq!(has_moved(&bench).await, (true, false), "it is done with a kind");
    sync(&mut bench, &objectives(1..=3, "old")).await;
    assert_eq!(has_moved(&bench).await, (true, false));
    another.told(&warning(Event::SyncStale, ""), Phase::Raised, &[], noon()).await.unwrap();
    assert_eq!(has_moved(&bench).await, (true, false));
    let mut pull = bench.pull(&[]);
    let digest = "one".to_owned();
    pull.held = Some(Held { digest, ids: vec![ElementId(1)], since: noon(), is_released: false });
    bench.sync(&pull).await;
    assert_eq!(has_moved(&bench).await, (true, false));
    another.release_kind(&city(), &bench.kind.name).await.unwrap();
    assert_eq!(has_moved(&bench).await, (true, false));
    another.accept(&city(), "https://example.com", &[ElementId(1)]).await.unwrap();
    assert!(another.release_connection(&city()).await.unwrap());
    assert_eq!(has_moved(&bench).await, (true, false));
    sync(&mut bench, &objectives(1..=3, "old")).await;
    assert_eq!(has_moved(&bench).await, (true, false));
    let element = Scope::Element(bench.kind.name.clone(), ElementId(1));
    another.forget(&city(), &element).await.unwrap();
    assert_eq!(has_moved(&bench).await, (false, true));
    another.forget(&city(), &element).await.unwrap();
    assert_eq!(has_moved(&bench).await, (false, false), "nothing was left to forget");
}
