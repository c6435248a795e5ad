//! Several processes on one database do at once what no lease guards.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::leases::{city, noon, processes};
use super::*;
use crate::name::TargetName;
use crate::store::Store;
use crate::warning::{Ending, Event, Phase, Severity, Warning, WarningId};

fn ops() -> TargetName {
    TargetName::parse("ops").unwrap()
}

fn about(number: usize) -> Warning {
    Warning {
        id: WarningId { event: Event::KeyExpiring, connection: city(), subject: number.to_string() },
        severity: Severity::Warn,
        level: 1,
        message: "key expires soon".into(),
        action: "edit it".into(),
        fields: Vec::new(),
    }
}

/// What each process comes to when all do the same at once.
async fn at_once<T: Send + 'static, F>(stores: &[Store; 4], work: impl Fn(Store) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = stores.iter().map(|store| tokio::spawn(work(store.clone()))).collect();
    let mut ended = Vec::new();
    for task in tasks {
        ended.push(task.await.unwrap());
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_claimed_once() {
    let (_database, stores) = processes::<4>(Duration::from_secs(600)).await;
    for number in 0..30 {
        stores[0].told(&about(number), Phase::Raised, &[&ops()], noon()).await.unwrap();
    }
    let claimed = at_once(&stores, |store| async move {
        let mut names = Vec::new();
        while let Some(delivery) = store.claim_delivery(&ops(), TimeDelta::seconds(15), noon()).await.unwrap()
        {
            names.push(delivery.name);
        }
        names
    });
    let names: Vec<String> = claimed.await.into_iter().flatten().collect();
    assert_eq!((names.len(), names.iter().collect::<BTreeSet<_>>().len()), (30, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_introduced_to_a_warning_once_and_one_resolves_it() {
    let (database, stores) = processes::<4>(Duration::from_secs(600)).await;
    for number in 0..10 {
        stores[0].told(&about(number), Phase::Raised, &[], noon()).await.unwrap();
        let open = stores[0].open_warnings().await.unwrap().remove(0);
        at_once(&stores, |store| {
            let open = open.clone();
            async move { store.introduce(&open, &[&ops()]).await.unwrap() }
        })
        .await;
        let resolved = at_once(&stores, |store| async move {
            store.resolve(&about(number), Ending::Over, &[&ops()], noon()).await.unwrap()
        });
        assert_eq!(resolved.await.into_iter().filter(|was_open| *was_open).count(), 1);
    }
    let queued = "SELECT phase, count(*) FROM deliveries GROUP BY phase ORDER BY phase";
    assert_eq!(database.psql(queued), "raised|10\nresolved|10");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_history_goes_once_whoever_prunes() {
    let (database, stores) = processes::<4>(Duration::from_secs(600)).await;
    database.psql(
        "INSERT INTO runs (connection, mode, started_at, finished_at, outcome)
         SELECT 'city', 'incremental', now() - interval '40 days', now() - interval '40 days', 'ok'
         FROM generate_series(1, 2500)",
    );
    let before = noon() + TimeDelta::days(10_000);
    let gone = at_once(&stores, |store| async move { store.prune(before, before).await.unwrap().1 }).await;
    assert_eq!(gone.into_iter().sum::<u64>(), 2500);
    assert_eq!(database.psql("SELECT count(*) FROM runs"), "0");
    assert_eq!(at_once(&stores, |store| async move { store.keep_targets(&[]).await.unwrap() }).await, [0; 4]);
    at_once(&stores, |store| async move { store.refresh_views().await.unwrap() }).await;
}
