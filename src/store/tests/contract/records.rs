//! What outlives a run: placements, elements in question, held sets, rejected rows, memory, accounts,
//! warnings, run records.

use super::*;
use crate::clock::Clock;
use crate::gate::Account;
use crate::key::{Key, KeySlot};
use crate::warning::{Ending, Event, Phase, Severity, Warning, WarningId};

fn held(ids: &[i64], is_released: bool) -> Held {
    let digest = format!("{ids:?}");
    Held { digest, ids: ids.iter().copied().map(ElementId).collect(), since: noon(), is_released }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_complete_list_takes_a_placement_away_and_only_from_what_it_lists() {
    let mut bench = Bench::new().await;
    let place = |pull: &mut Pull, placed: &[(i64, i64)]| {
        pull.snapshot.placements =
            placed.iter().map(|(id, scorecard)| (ElementId(*id), *scorecard)).collect();
    };
    let rows = [r#"{"objectId":1}"#, r#"{"objectId":2}"#];
    let mut pull = bench.pull(&rows);
    place(&mut pull, &[(1, 7), (1, 8), (2, 7)]);
    bench.sync(&pull).await;

    let mut pull = bench.pull(&rows[..1]);
    pull.snapshot.extent = Extent::Incremental;
    place(&mut pull, &[(1, 9)]);
    bench.sync(&pull).await;
    let query = "SELECT id, scorecard_id FROM placements ORDER BY id, scorecard_id";
    assert_eq!(bench.rows(query), ["1|7", "1|8", "1|9", "2|7"]);

    let mut pull = bench.pull(&rows[..1]);
    place(&mut pull, &[(1, 8)]);
    bench.sync(&pull).await;
    assert_eq!(bench.rows(query), ["1|8", "2|7"]);
    let placed =
        bench.store.placements_of(&city(), &bench.kind.name, &[ElementId(2), ElementId(3)]).await.unwrap();
    assert_eq!(placed, BTreeMap::from([(ElementId(2), vec![ElementId(7)])]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_question_stays_until_it_is_listed_or_removed() {
    let mut bench = Bench::new().await;
    let mut pull = bench.pull(&[]);
    let checked =
        Missing { checked_at: Some(noon()), checks: 2, answer: Some("200".into()), ..in_question(2) };
    pull.verdicts.undecided = vec![in_question(1), checked.clone(), in_question(3)];
    bench.sync(&pull).await;
    let missing = bench.store.missing(&city(), &bench.kind.name).await.unwrap();
    assert_eq!(missing, [in_question(1), checked.clone(), in_question(3)]);

    let mut pull = bench.pull(&[r#"{"objectId":1}"#]);
    pull.snapshot.extent = Extent::Incremental;
    bench.sync(&pull).await;
    let mut pull = bench.pull(&[r#"{"objectId":1}"#]);
    pull.verdicts.removals = vec![gone(3)];
    bench.sync(&pull).await;
    assert_eq!(bench.store.missing(&city(), &bench.kind.name).await.unwrap(), [checked]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_given_during_a_run_outlives_it_for_the_same_set_only() {
    let mut bench = Bench::new().await;
    let name = bench.kind.name.clone();
    let mut pull = bench.pull(&[]);
    pull.held = Some(held(&[1, 2], false));
    bench.sync(&pull).await;
    let released = bench.store.release_kind(&city(), &name).await.unwrap();
    assert_eq!(released, Some(held(&[1, 2], true)));
    bench.sync(&pull).await;
    assert_eq!(bench.store.held(&city(), &name).await.unwrap(), Some(held(&[1, 2], true)));
    pull.held = Some(held(&[1, 2, 3], false));
    bench.sync(&pull).await;
    assert_eq!(bench.store.held(&city(), &name).await.unwrap(), Some(held(&[1, 2, 3], false)));
    pull.held = None;
    bench.sync(&pull).await;
    assert_eq!(bench.store.release_kind(&city(), &name).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_rejected_in_three_full_runs_is_standing() {
    let mut bench = Bench::new().await;
    let row = |text: &str| Rejected {
        reason: "no integer in objectId".into(),
        keys: vec!["name".into()],
        digest: fingerprint::of_bytes(text.as_bytes()),
    };
    let mut pull = bench.pull(&[]);
    pull.rejected = vec![row("a"), row("b")];
    bench.sync(&pull).await;
    pull.snapshot.extent = Extent::Incremental;
    pull.rejected = vec![];
    bench.sync(&pull).await;
    pull.snapshot.extent = Extent::Complete;
    pull.rejected = vec![row("a")];
    bench.sync(&pull).await;
    assert!(
        bench.store.rejected(&city(), &bench.kind.name).await.unwrap().iter().all(|row| !row.is_standing())
    );
    bench.sync(&pull).await;
    let before = bench.digest();
    bench.sync(&pull).await;
    let rejected = bench.store.rejected(&city(), &bench.kind.name).await.unwrap();
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].is_standing());
    assert_eq!(bench.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_findings_come_back_as_kept() {
    let mut bench = Bench::new().await;
    let name = bench.kind.name.clone();
    assert_eq!(bench.store.memory(&city(), &name).await.unwrap(), KindMemory::default());
    let mut pull = bench.pull(&[]);
    pull.memory.cursor = Some("2026-02-01".into());
    bench.sync(&pull).await;
    assert_eq!(bench.store.memory(&city(), &name).await.unwrap(), pull.memory);
    let store = &bench.store;
    assert_eq!(store.finding(&city(), &name, "details").await.unwrap(), None);
    for (value, now) in [("poorer", noon()), ("poorer", bench.now)] {
        store.record_finding(&city(), &name, "details", value, now).await.unwrap();
    }
    assert_eq!(store.finding(&city(), &name, "details").await.unwrap(), Some(("poorer".into(), noon())));
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_with_the_newest_stamp_are_expected_back() {
    let mut bench = Bench::new().await;
    let row = |id: i64, stamp: &str| format!(r#"{{"objectId":{id},"name":"n{id}","lastEdited":"{stamp}"}}"#);
    let rows = [row(1, "2026-02-01"), row(2, "2026-02-02"), row(3, "2026-02-02"), row(4, "2026-02-02")];
    bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut pull = bench.pull(&[&rows[0], &rows[1]]);
    pull.verdicts.removals = vec![gone(4)];
    pull.verdicts.undecided = vec![in_question(3)];
    bench.sync(&pull).await;
    let expected = bench.store.expected(&city(), &bench.kind.name, "2026-02-02", 9).await.unwrap();
    assert_eq!(expected, [ElementId(2)]);
    let names = bench.store.names(&city(), std::slice::from_ref(&bench.kind), 2).await.unwrap();
    assert_eq!(
        names.iter().map(|(_, id, name)| (id.0, name.as_str())).collect::<Vec<_>>(),
        [(1, "n1"), (2, "n2")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_accepted_released_and_accepted_again() {
    let Bench { store, .. } = &Bench::new().await;
    assert!(!store.release_connection(&city()).await.unwrap());
    store.record_doors_closed(&city(), 1).await.unwrap();
    assert_eq!(store.account(&city()).await.unwrap(), None);
    assert_eq!(store.doors_closed(&city()).await.unwrap(), 1);
    store.accept(&city(), "https://a/v1", &[ElementId(1), ElementId(2)]).await.unwrap();
    assert!(store.release_connection(&city()).await.unwrap());
    let account = Account {
        base_url: "https://a/v1".into(),
        accepted: vec![ElementId(1), ElementId(2)],
        is_released: true,
        doors_closed: 1,
    };
    assert_eq!(store.account(&city()).await.unwrap(), Some(account.clone()));
    store.record_doors_closed(&city(), 0).await.unwrap();
    store.accept(&city(), "https://b/v1", &[ElementId(3)]).await.unwrap();
    let accepted = vec![ElementId(3)];
    let account = Account { base_url: "https://b/v1".into(), accepted, is_released: false, doors_closed: 0 };
    assert_eq!(store.account(&city()).await.unwrap(), Some(account));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_open_once_and_keeps_its_history() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let mut warning = Warning {
        id: WarningId { event: Event::KeyExpiring, connection: city(), subject: "key 2027-03-31".into() },
        severity: Severity::Warn,
        level: 1,
        message: "key expires soon".into(),
        action: "edit it".into(),
        fields: vec![("days_left".into(), "30".into())],
    };
    assert_eq!(store.raise(&warning, noon()).await.unwrap().said, 0);
    store.told(&warning, Phase::Raised, &[], noon()).await.unwrap();
    let before = bench.digest();
    assert_eq!(store.raise(&warning, bench.now).await.unwrap().said, 1);
    assert_eq!(bench.digest(), before);
    warning.level = 2;
    let later = noon() + TimeDelta::days(16);
    let raised = store.raise(&warning, later).await.unwrap();
    assert_eq!((raised.warning, raised.raised_at, raised.said_at), (warning.clone(), noon(), noon()));
    assert_eq!(store.open_warnings().await.unwrap().len(), 1);
    assert!(store.resolve(&warning, Ending::Over, &[], later).await.unwrap());
    assert!(!store.resolve(&warning, Ending::Over, &[], later).await.unwrap());
    assert_eq!(store.raise(&warning, later).await.unwrap().said, 0);
    assert_eq!(bench.rows("SELECT said, resolved_at IS NULL FROM warnings"), ["1|0", "0|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_kept_as_declared_and_only_those() {
    let bench = Bench::new().await;
    let key = |slot, name: &str| Key { name: name.into(), ..Key::sample(slot, "2027-03-31".parse().ok()) };
    let both = [key(KeySlot::Key, "Integration"), key(KeySlot::NextKey, "Next")];
    let zone = chrono_tz::America::New_York;
    bench.store.record_keys(&city(), Some("r@city.example"), zone, &[&both[0], &both[1]]).await.unwrap();
    bench.store.record_keys(&city(), Some("r@city.example"), zone, &[&both[0]]).await.unwrap();
    assert_eq!(
        bench.one("SELECT connection, slot, key, expires, mapped_user, timezone, lapses_at FROM key_expiry"),
        "city|key|Integration|2027-03-31|r@city.example|America/New_York|2027-04-01T04:00:00.000Z"
    );
}

/// The ends of the world are a day apart; neither changes its clocks.
#[tokio::test(flavor = "multi_thread")]
async fn days_left_are_counted_in_the_time_zone_of_the_connection() {
    let bench = Bench::new().await;
    for zone in [chrono_tz::Pacific::Kiritimati, chrono_tz::Pacific::Pago_Pago] {
        for days in [5, 0, -1, -3] {
            let today = || Clock::System.now().with_timezone(&zone).date_naive();
            let (before, expires) = (today(), today() + TimeDelta::days(days));
            let key = Key::sample(KeySlot::Key, Some(expires));
            bench.store.record_keys(&city(), None, zone, &[&key]).await.unwrap();
            let shown = bench.one("SELECT days_left FROM key_expiry");
            let days = |today: chrono::NaiveDate| (expires - today).num_days().to_string();
            assert!([days(before), days(today())].contains(&shown), "{zone}, {expires}: {shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_record_comes_back_with_its_kinds() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1}"#]).await;
    let run = bench.begin().await;
    let forbidden = KindRun {
        kind: kind("users").name,
        outcome: KindOutcome::Forbidden,
        reason: Some("users: page 1 answered 403".into()),
        started_at: noon(),
        counts: Counts::default(),
    };
    bench.store.record_kind(run, &city(), &forbidden, None).await.unwrap();
    let reason = Some("users: page 1 answered 403");
    let counts = Counts { requests: 3, ..Counts::default() };
    bench.store.end_run(run, &city(), Outcome::Failed, reason, true, &counts, bench.now).await.unwrap();
    let last = bench.store.last_run(&city(), None).await.unwrap().unwrap();
    assert_eq!((last.id, last.outcome, last.counts), (run, Some(Outcome::Failed), counts));
    assert_eq!(last.kinds, [forbidden]);
    let full = bench.store.last_full_success(&city()).await.unwrap().unwrap();
    assert_eq!((full.outcome, full.counts.inserted, full.needs_full), (Some(Outcome::Ok), 1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_keeps_what_freshness_and_the_schedule_go_by() {
    let mut bench = Bench::new().await;
    for name in ["a", "b", "c"] {
        bench.sync_rows(&[&format!(r#"{{"objectId":1,"name":"{name}"}}"#)]).await;
    }
    let late = noon() + TimeDelta::days(1);
    assert_eq!(bench.store.prune(noon(), noon()).await.unwrap(), (0, 0));
    assert_eq!(bench.store.prune(bench.now, late).await.unwrap(), (2, 2));
    assert_eq!(bench.rows("SELECT run FROM run_kinds"), ["3"]);
    assert_eq!(bench.one("SELECT sequence FROM changes"), "3");
}
