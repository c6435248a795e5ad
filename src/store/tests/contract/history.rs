//! The log of changes from a point on, and one element with what is known of it.

use super::*;
use crate::kind::KindName;
use crate::store::{Change, Since};

impl Bench {
    async fn since(&self, since: Since, kind: Option<&str>, limit: Option<u64>) -> Vec<Change> {
        let (city, kind) = (city(), kind.map(KindName::new));
        let mut taken = Vec::new();
        let result = self.store.changes_since(since, Some(&city), kind.as_ref(), limit, |change| {
            taken.push(change);
            Ok::<_, StoreError>(())
        });
        result.await.unwrap();
        taken
    }
}

fn sequences(changes: &[Change]) -> Vec<i64> {
    changes.iter().map(|change| change.row.sequence).collect()
}

/// 1,100 inserts by the first run, and an update by the second.
async fn bench() -> Bench {
    let mut bench = Bench::new().await;
    let mut rows: Vec<String> = (1..=1100).map(|id| format!(r#"{{"objectId":{id},"name":"n"}}"#)).collect();
    bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    rows[4] = r#"{"objectId":5,"name":"new","more":[1, 2]}"#.into();
    bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_in_order_and_go_on_where_a_reader_left_off() {
    let bench = bench().await;
    let all: Vec<i64> = (1..=1101).collect();
    assert_eq!(sequences(&bench.since(Since::Sequence(0), None, None).await), all);
    let (mut read, mut last) = (Vec::new(), 0);
    loop {
        let some = bench.since(Since::Sequence(last), Some("objectives"), Some(300)).await;
        let Some(change) = some.last() else { break };
        last = change.row.sequence;
        read.extend(sequences(&some));
    }
    assert_eq!(read, all);
    assert_eq!(bench.since(Since::Sequence(0), Some("risks"), None).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_found_by_their_time() {
    let bench = bench().await;
    let found = bench.since(Since::Instant(bench.now), None, None).await;
    let [change] = &found[..] else { panic!("{found:?}") };
    assert_eq!((change.row.sequence, change.run, change.row.id), (1101, RunId(2), ElementId(5)));
    let told = [&change.before, &change.after].map(|json| reading::canonical(json.as_ref().unwrap()));
    assert_eq!(told, [r#"{"name":"n"}"#, r#"{"more":[1,2],"name":"new"}"#]);
    let second = TimeDelta::seconds(1);
    assert_eq!(bench.since(Since::Instant(bench.now + second), None, None).await, []);
    assert_eq!(bench.since(Since::Instant(noon()), None, None).await.len(), 1101);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_changes_come_in_the_same_order() {
    let bench = bench().await;
    let newest = bench.store.newest_changes(Since::Sequence(0), Some(&city()), None, 3).await.unwrap();
    assert_eq!(sequences(&newest), [1099, 1100, 1101]);
    let newest = bench.store.newest_changes(Since::Instant(bench.now), None, None, 3).await.unwrap();
    assert_eq!(sequences(&newest), [1101]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_change_that_is_kept_is_known() {
    let bench = bench().await;
    assert_eq!(bench.store.oldest_change().await.unwrap(), Some(1));
    bench.store.prune(bench.now, noon()).await.unwrap();
    assert_eq!(bench.store.oldest_change().await.unwrap(), Some(1101));
    bench.store.prune(bench.now + TimeDelta::days(1), noon()).await.unwrap();
    assert_eq!(bench.store.oldest_change().await.unwrap(), None);
    assert_eq!(bench.store.last_change().await.unwrap(), 1101);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_is_found_with_the_names_of_its_scorecards_and_its_owner() {
    let mut bench = Bench::new().await;
    let element = r#"{"objectId":1,"name":"a","scorecardId":7,"ownerId":3}"#;
    for (name, row) in [
        ("scorecards", r#"{"scorecardId":7,"name":"Works"}"#),
        ("users", r#"{"userId":3,"fullName":"Ada L."}"#),
        ("objectives", element),
    ] {
        bench.kind = kind(name);
        bench.sync_rows(&[row]).await;
    }
    bench.connection = ConnectionName::parse("town").unwrap();
    let mut pull = bench.pull(&[element]);
    pull.verdicts.undecided = vec![in_question(1)];
    bench.sync(&pull).await;
    let found = bench.store.elements_with(None, &bench.kind.name, ElementId(1)).await.unwrap();
    let [city, town] = &found[..] else { panic!("{found:?}") };
    assert_eq!((city.connection.as_str(), town.connection.as_str()), ("city", "town"));
    assert_eq!((city.owner.as_deref(), town.owner.as_deref()), (Some("Ada L."), None));
    assert_eq!(city.placements[0].scorecard.as_deref(), Some("Works"));
    assert_eq!((&town.placements[0].scorecard, town.placements[0].scorecard_id), (&None, ElementId(7)));
    assert_eq!((city.missing_since.is_none(), town.missing_since.is_some()), (true, true));
    let name = ConnectionName::parse("city").unwrap();
    let found = bench.store.elements_with(Some(&name), &bench.kind.name, ElementId(1)).await.unwrap();
    assert_eq!(found, std::slice::from_ref(city));
    assert_eq!(bench.store.elements_with(None, &bench.kind.name, ElementId(2)).await.unwrap(), []);
}
