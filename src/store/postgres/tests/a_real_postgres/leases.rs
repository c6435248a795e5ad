//! Leases between handles that stand for processes: who gets one, who loses it, and what is stored then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use chrono::{DateTime, Utc};

use super::*;
use crate::clock::Clock;
use crate::name::ConnectionName;
use crate::run::{Mode, Outcome};
use crate::store::{Place, Store};

pub(super) fn city() -> ConnectionName {
    ConnectionName::parse("city").unwrap()
}

pub(super) fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A database, and as many processes on it.
pub(super) async fn processes<const N: usize>(lease: Duration) -> (server::Database, [Store; N]) {
    let database = server::Postgres::shared().database();
    let place = |lease| Place::Server(Box::new(Settings { lease, ..settings(&database) }));
    // Under a short lease a pause while the schema is made would end that.
    drop(Store::open(&place(LONG), noon()).await.unwrap());
    let place = place(lease);
    let mut stores = Vec::new();
    for _ in 0..N {
        stores.push(Store::open(&place, noon()).await.unwrap());
    }
    (database, stores.try_into().unwrap())
}

/// As long as no test lasts.
const LONG: Duration = Duration::from_secs(600);

/// Has the lease end, as it does when its holder is silent.
fn expire(database: &server::Database) {
    database.psql("UPDATE leases SET expires_at = clock_timestamp() - interval '1 second'");
}

fn tokens(database: &server::Database) -> String {
    database.psql("SELECT name, token, holder IS NOT NULL FROM leases ORDER BY name")
}

async fn begin(store: &Store) -> Result<(), StoreError> {
    store.begin_run(&city(), Mode::Full, noon()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_want_a_lease_one_gets_it_at_a_time() {
    let (database, stores) = processes::<4>(LONG).await;
    let (holders, rounds) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks = stores.map(|store| {
        let (holders, rounds) = (Arc::clone(&holders), Arc::clone(&rounds));
        tokio::spawn(async move {
            while rounds.load(Ordering::SeqCst) < 40 {
                match store.lock(&city(), "sync", noon()).await {
                    Ok(lock) => {
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        rounds.fetch_add(1, Ordering::SeqCst);
                        begin(&store).await.unwrap();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                    Err(StoreError::Busy(text)) => {
                        assert!(text.starts_with("connection city is in use ("), "{text}");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    let taken = rounds.load(Ordering::SeqCst);
    assert_eq!(tokens(&database), format!("city|{taken}|f"), "the token grows with each holder");
    assert_eq!(database.psql("SELECT count(*) FROM runs"), taken.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_names_its_holder_and_is_free_once_it_is_dropped() {
    let (database, [one, other]) = processes(LONG).await;
    let lock = one.lock(&city(), "sync", noon()).await.unwrap();
    let Err(StoreError::Busy(text)) = other.lock(&city(), "run", noon()).await else { panic!("it is held") };
    let pid = std::process::id();
    assert!(text.contains(&format!(", pid {pid}, sync since 2026-03-01T12:00:00Z")), "{text}");
    assert!(matches!(one.lock(&city(), "sync", noon()).await, Err(StoreError::Busy(_))));
    assert!(other.lock_out_replicas(&city(), noon()).await.unwrap().is_none());
    let town = ConnectionName::parse("town").unwrap();
    let of_another = other.lock(&town, "run", noon()).await.unwrap();
    assert_eq!((one.leases_held(), other.leases_held()), (Some(1), Some(1)));
    drop((lock, of_another));
    other.lock(&city(), "run", noon()).await.unwrap();
    assert_eq!(tokens(&database), "city|2|f\ntown|1|f");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_a_takeover_is_refused_and_nothing_of_it_is_stored() {
    let (database, [frozen, next]) = processes(LONG).await;
    let lost = frozen.lock(&city(), "run", noon()).await.unwrap();
    begin(&frozen).await.unwrap();
    lost.check().unwrap();
    expire(&database);
    let _lock = next.lock(&city(), "run", noon()).await.unwrap();
    let refused = begin(&frozen).await.unwrap_err();
    let StoreError::LeaseLost(text) = &refused else { panic!("{refused:?}") };
    assert!(text.contains("lost the lease of connection city to host "), "{text}");
    assert!(matches!(lost.check(), Err(StoreError::LeaseLost(_))));
    // Whatever a pass writes, with the fact it tells of.
    let run = crate::run::RunId(1);
    let counts = crate::run::Counts::default();
    let kind = crate::kind::KindName::new("measures");
    let late = [
        frozen.end_run(run, &city(), Outcome::Ok, None, false, &counts, noon()).await,
        frozen.record_singles(run, &city(), &kind, 3, None).await,
        frozen.raise(&warning(), noon()).await.map(drop),
        frozen.told(&warning(), crate::warning::Phase::Raised, &[], noon()).await,
        frozen.resolve(&warning(), crate::warning::Ending::Over, &[], noon()).await.map(drop),
    ];
    for late in late {
        assert!(matches!(late, Err(StoreError::LeaseLost(_))), "{late:?}");
    }
    assert_eq!(database.psql("SELECT count(*), count(finished_at) FROM runs"), "1|0");
    assert_eq!(database.psql("SELECT count(*) FROM warnings"), "0");
    begin(&next).await.unwrap();
    // To let go of what is lost does no harm to who has it.
    drop(lost);
    assert_eq!(tokens(&database), "city|2|t");
    begin(&next).await.unwrap();
}

fn warning() -> crate::warning::Warning {
    crate::warning::Warning {
        id: crate::warning::WarningId {
            event: crate::warning::Event::KeyRefused,
            connection: city(),
            subject: String::new(),
        },
        severity: crate::warning::Severity::Error,
        level: 1,
        message: "key is refused".into(),
        action: "renew it".into(),
        fields: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_no_lease_writes_beside_the_one_who_does() {
    let (_database, [daemon, person]) = processes(LONG).await;
    let _lock = daemon.lock(&city(), "run", noon()).await.unwrap();
    person.release_connection(&city()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_nobody_took_goes_on_with_the_next_write() {
    let (database, [slow]) = processes(LONG).await;
    let lock = slow.lock(&city(), "run", noon()).await.unwrap();
    expire(&database);
    begin(&slow).await.unwrap();
    lock.check().unwrap();
    assert_eq!(database.psql("SELECT token, expires_at > clock_timestamp() FROM leases"), "1|t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_waits_for_a_commit_under_way_and_finds_the_lease_prolonged() {
    let (database, [holder, next]) = processes(LONG).await;
    let lock = holder.lock(&city(), "run", noon()).await.unwrap();
    expire(&database);
    let (proved, both) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        let db = Postgres::open(settings(&database)).unwrap();
        let (proved, both) = (&proved, &both);
        scope.spawn(move || {
            db.write("prove a token", |sql| {
                sql.batch("UPDATE leases SET expires_at = clock_timestamp() + interval '1 hour'")?;
                proved.wait();
                both.wait();
                Ok(())
            })
            .unwrap();
        });
        proved.wait();
        let runtime = tokio::runtime::Handle::current();
        let taking = scope.spawn(move || runtime.block_on(next.lock(&city(), "run", noon())).map(drop));
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE NOT granted AND datname = current_database()";
        while !taking.is_finished() && database.psql(waiting) != "1" {}
        let has_waited = !taking.is_finished();
        both.wait();
        assert!(has_waited);
        assert!(matches!(taking.join().unwrap(), Err(StoreError::Busy(_))));
    });
    lock.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_prolonged_while_a_commit_under_one_of_them_takes_long() {
    let (database, [holder, next]) = processes(Duration::from_secs(6)).await;
    let town = ConnectionName::parse("town").unwrap();
    let locks = [
        holder.lock(&city(), "run", noon()).await.unwrap(),
        holder.lock(&town, "run", noon()).await.unwrap(),
    ];
    let db = Postgres::open(settings(&database)).unwrap();
    db.write("commit for long", |sql| {
        sql.batch(
            "UPDATE leases SET expires_at = clock_timestamp() + interval '1 hour' WHERE name = 'city'",
        )?;
        let ends = || database.psql("SELECT expires_at FROM leases WHERE name = 'town'");
        // Four times take longer than a lease, which is prolonged three times while it lasts.
        (0..4).fold(ends(), |end, _| until(ends, |later| later != end));
        Ok(())
    })
    .unwrap();
    assert!(matches!(next.lock(&town, "run", noon()).await, Err(StoreError::Busy(_))));
    for lock in locks {
        lock.check().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_its_lease_is_told_to_stop() {
    let (database, [frozen, next]) = processes(Duration::from_secs(6)).await;
    let lock = frozen.lock(&city(), "run", noon()).await.unwrap();
    let (_never, cancel) = tokio::sync::watch::channel(false);
    let mut cancel = lock.or_lost(cancel);
    database.psql(
        "UPDATE leases SET token = 7, holder = 'host b, pid 1', process = 'b', expires_at = 'infinity'",
    );
    let told = tokio::time::timeout(Duration::from_secs(60), cancel.wait_for(|stop| *stop)).await;
    assert!(*told.expect("it is told").unwrap());
    let told = lock.check().unwrap_err().to_string();
    assert!(told.contains("lost the lease of connection city to host b, pid 1;"), "{told}");
    assert_eq!((frozen.leases_held(), next.leases_held()), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_stop_stops_under_a_lease_too() {
    let (_database, [store]) = processes(LONG).await;
    let lock = store.lock(&city(), "run", noon()).await.unwrap();
    let (stop, cancel) = tokio::sync::watch::channel(false);
    let mut cancel = lock.or_lost(cancel);
    stop.send_replace(true);
    assert!(*cancel.wait_for(|stop| *stop).await.unwrap());
    lock.check().unwrap();
}

#[test]
fn a_process_that_is_frozen_in_a_transaction_keeps_nobody_waiting_for_longer_than_a_lease() {
    let database = server::Postgres::shared().database();
    let lease = Duration::from_secs(3);
    let frozen = Postgres::open(Settings { lease, ..settings(&database) }).unwrap();
    database.psql("CREATE TABLE t (n bigint); INSERT INTO t VALUES (1)");
    let said = frozen.write("write it", |sql| {
        sql.batch("UPDATE t SET n = 2")?;
        database.psql("UPDATE t SET n = 3");
        sql.batch("UPDATE t SET n = 4")
    });
    assert!(told(&said.unwrap_err()).contains("cannot write it"), "it is told");
    assert_eq!(database.psql("SELECT n FROM t"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_go_by_the_servers_clock() {
    let (database, [store]) = processes(LONG).await;
    let clock = store.clock(Clock::System).unwrap();
    assert!(matches!(clock, Clock::Shared(_)));
    let ask = || database.psql("SELECT extract(epoch FROM clock_timestamp())").parse::<f64>().unwrap();
    let (before, now, after) = (ask(), clock.now(), ask());
    let now = now.timestamp_millis() as f64 / 1000.0;
    assert!(before - 5.0 < now && now < after + 5.0, "{before} {now} {after}");
}

/// The lease could not be given back, and would keep its own holder waiting.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_could_not_give_back_it_takes_again_at_once_and_no_other_does() {
    let (database, [ours, other]) = processes::<2>(LONG).await;
    let lock = ours.lock(&city(), "run", noon()).await.unwrap();
    let again = ours.lock(&city(), "sync", noon()).await;
    assert!(matches!(again, Err(StoreError::Busy(text)) if text.contains("this process")));
    drop(lock);
    // As if the server had been away when it was dropped.
    database.psql("UPDATE leases SET holder = 'host a, pid 7', expires_at = 'infinity'");
    assert!(matches!(other.lock(&city(), "run", noon()).await, Err(StoreError::Busy(_))));
    let _lock = ours.lock(&city(), "run", noon()).await.unwrap();
    assert_eq!(tokens(&database), "city|2|t");
    begin(&ours).await.unwrap();
}

/// A machine that slept finds its lease at its end, and its run under way: what looks at the connection beside
/// that run must not take the run's right to write, nor let it write without one.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_takes_no_second_lease_of_a_connection_beside_its_own() {
    let (database, [slept, next]) = processes(LONG).await;
    let run = slept.lock(&city(), "run", noon()).await.unwrap();
    expire(&database);
    drop(slept.lock_out_replicas(&city(), noon()).await.unwrap());
    let _taken_over = next.lock(&city(), "run", noon()).await.unwrap();
    let written = begin(&slept).await;
    assert!(matches!(written, Err(StoreError::LeaseLost(_))), "{written:?}");
    assert!(run.check().is_err());
}
