//! The file: whose it is, who may use it, what survives.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use rusqlite::Connection;
use tempfile::TempDir;

use super::sqlite::{Bench, city, noon};
use crate::clock::Clock;
use crate::config::DaemonPlace;
use crate::element::ElementId;
use crate::name::ConnectionName;
use crate::store::{DaemonLock, Place, Pulse, Read, Scope, Store, StoreError};

async fn open(path: impl Into<PathBuf>) -> Result<Store, StoreError> {
    Store::open(&Place::file(path), noon()).await
}

#[track_caller]
pub(super) fn unusable<T>(opened: Result<T, StoreError>) -> String {
    match opened {
        Err(StoreError::Unusable(text)) => text,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it opened"),
    }
}

fn place(store: &Path) -> DaemonPlace {
    DaemonPlace::Store(store.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_is_for_its_owner_and_group() {
    let bench = Bench::new().await;
    let mode = bench.dir.path().join("store.db").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_with_a_synced_log() {
    let bench = Bench::new().await;
    assert_eq!(bench.one("PRAGMA journal_mode"), "wal");
    let Store::Sqlite(db) = &bench.store else { unreachable!() };
    let writer = db.writer.as_ref().unwrap().lock().unwrap();
    let synchronous: i32 = writer.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2);
}

/// The planner looks at the values of a list's keys, unless it is told not to, and plans anew for each.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_planned_once_however_often_it_is_run() {
    let bench = Bench::new().await;
    let Store::Sqlite(db) = &bench.store else { unreachable!() };
    let plans = |sql: &Connection| {
        let list = "SELECT id FROM elements WHERE kind = ?1 AND connection = ?2 LIMIT ?3";
        let mut list = sql.prepare(list).unwrap();
        for kind in ["measures", "risks", "goals"] {
            list.query_map((kind, "city", 5), |_| Ok(())).unwrap().for_each(drop);
        }
        list.get_status(rusqlite::StatementStatus::RePrepare)
    };
    let read = || db.read("read thrice", |sql| Ok(plans(sql))).unwrap();
    // The views were made since this connection last looked.
    let _is_up_to_date = read();
    assert_eq!((read(), db.write("read thrice", |sql| Ok(plans(sql))).unwrap()), (0, 0));
}

/// A container has no folder for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_written_without_temporary_files() {
    let bench = Bench::new().await;
    let Store::Sqlite(db) = &bench.store else { unreachable!() };
    let place = || -> i32 {
        let writer = db.writer.as_ref().unwrap().lock().unwrap();
        writer.pragma_query_value(None, "temp_store", |row| row.get(0)).unwrap()
    };
    assert_eq!(place(), 2);
    bench.store.wipe_freed().await.unwrap();
    assert_eq!(place(), 2, "only the file written anew is too large for memory");
}

/// The third version had an index of stamps alone, and none that held them beside the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_earlier_version_is_brought_to_this_one() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"lastEdited":"01/02/2026"}"#]).await;
    let read = Read { id: ElementId(1), document: Some(r#"{"objectId":1,"tier":"gold"}"#.into()) };
    bench.store.commit_details(bench.begin().await, &city(), &bench.kind, &[read], noon()).await.unwrap();
    bench.store.refresh_views_of(&city()).await.unwrap();
    let path = bench.dir.path().join("store.db");
    let sql = || Connection::open(&path).unwrap();
    let before = "DROP INDEX elements_plan; DROP INDEX fields_unnamed; DROP TABLE imprints;
        ALTER TABLE view_columns DROP COLUMN is_detailed; PRAGMA user_version = 3;
        DELETE FROM migrations WHERE version > 3;
        DROP VIEW key_expiry; ALTER TABLE keys DROP COLUMN lapses_at;
        INSERT INTO keys (connection, slot, name, expires) VALUES ('city', 'key', 'Integration', '2027-02-28');
        CREATE INDEX elements_plan ON elements (kind, connection, id, state, fingerprint, changed_run);
        CREATE INDEX elements_last_edited ON elements (kind, connection, last_edited)";
    sql().execute_batch(before).unwrap();
    let expected = open(&path).await.unwrap().expected(&city(), &bench.kind.name, "01/02/2026", 9).await;
    assert_eq!(expected.unwrap(), [ElementId(1)]);
    assert_eq!(bench.one("SELECT field FROM view_columns WHERE is_detailed"), "tier");
    assert_eq!(bench.one("SELECT lapses_at FROM keys"), "2027-03-01T00:00:00.000Z");
    let rows = "SELECT id FROM elements WHERE kind = '' AND connection = '' AND last_edited = ''";
    let plan =
        sql().query_row(&format!("EXPLAIN QUERY PLAN {rows}"), [], |row| row.get::<_, String>(3)).unwrap();
    assert!(plan.contains("COVERING INDEX elements_plan"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_and_left_alone() {
    let bench = Bench::new().await;
    let path = bench.dir.path().join("store.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let text = unusable(open(&path).await);
    assert!(text.contains("schema version 99, newer than this program's 5"), "{text}");
    assert_eq!(bench.one("PRAGMA user_version"), "99");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_database_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("theirs.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let text = unusable(open(&path).await);
    assert!(text.contains("another program's database"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "not a database ".repeat(100)).unwrap();
    let text = unusable(open(&path).await);
    assert!(text.contains("no SQLite database"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_directory_is_named_and_not_made() {
    let dir = TempDir::new().unwrap();
    let text = unusable(open(dir.path().join("gone/store.db")).await);
    assert!(text.contains("make its directory first"), "{text}");
    assert!(!dir.path().join("gone").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_who_holds_the_connection() {
    let bench = Bench::new().await;
    let lock = bench.store.lock(&city(), "sync", noon()).await.unwrap();
    let other = open(bench.dir.path().join("store.db")).await.unwrap();
    let Err(StoreError::Busy(text)) = other.lock(&city(), "sync", noon()).await else { panic!("not busy") };
    let holder = format!("pid {}, sync since 2026-03-01T12:00:00Z", std::process::id());
    assert_eq!(text, format!("connection city is in use ({holder})"));
    let town = ConnectionName::parse("daemon").unwrap();
    other.lock(&town, "sync", noon()).await.unwrap();
    drop(lock);
    other.lock(&city(), "sync", noon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_daemon_a_store() {
    let bench = Bench::new().await;
    let (path, clock) = (bench.dir.path().join("store.db"), Clock::hurried(noon()));
    let _lock = DaemonLock::take(&place(&path), &clock).await.unwrap();
    assert!(matches!(DaemonLock::take(&place(&path), &clock).await, Err(StoreError::Busy(_))));
    // Where the store is no file, a daemon has a folder to itself.
    let folder = DaemonPlace::SpoolDir(path.parent().unwrap().to_owned());
    let _other = DaemonLock::take(&folder, &clock).await.unwrap();
    assert!(path.with_file_name("clearpoint-sync.daemon.lock").exists());
    match DaemonLock::take(&folder, &clock).await {
        Err(StoreError::Busy(text)) => assert!(text.contains("daemon.spool_dir of its own"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemons_lock_tells_who_holds_it_and_when_it_last_turned() {
    let (dir, (clock, hand)) = (TempDir::new().unwrap(), Clock::stepped(noon()));
    let path = dir.path().join("store.db");
    assert_eq!(DaemonLock::look(&place(&path)).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let mut lock = DaemonLock::take(&place(&path), &clock).await.unwrap();
    let holder = format!("pid {}, run since 2026-03-01T12:00:00Z", std::process::id());
    let Pulse { is_held, is_starting, holder: told, .. } = DaemonLock::look(&place(&path)).unwrap();
    assert_eq!((is_held, is_starting, told), (true, true, holder.clone()));
    lock.serving();
    hand.advance_to(noon() + TimeDelta::minutes(7));
    lock.beat();
    let (beat_at, beat_after) = (hand.now(), Some(clock.uptime()));
    let pulse = Pulse { is_held: true, is_starting: false, holder, beat_at, beat_after };
    assert_eq!(DaemonLock::look(&place(&path)).unwrap(), pulse);
    drop(lock);
    assert_eq!(DaemonLock::look(&place(&path)).unwrap(), Pulse { is_held: false, ..pulse });
}

/// A probe looks at the very instant at which a daemon starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_lock_keeps_no_daemon_from_starting() {
    let (dir, clock) = (TempDir::new().unwrap(), Clock::stepped(noon()));
    let path = dir.path().join("store.db");
    drop(DaemonLock::take(&place(&path), &clock.0).await.unwrap());
    let probe = std::fs::File::open(DaemonLock::path(&place(&path))).unwrap();
    probe.lock_shared().unwrap();
    let daemon = tokio::spawn(async move { DaemonLock::take(&place(&path), &clock.0).await });
    while clock.1.next_wake().is_none() {
        tokio::task::yield_now().await;
    }
    // A child that another test starts may have it open still.
    probe.unlock().unwrap();
    clock.1.advance_to(noon() + TimeDelta::seconds(1));
    daemon.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_answers_until_its_file_is_gone() {
    let bench = Bench::new().await;
    bench.store.answers().await.unwrap();
    let (path, aside) = (bench.dir.path().join("store.db"), bench.dir.path().join("aside.db"));
    std::fs::rename(&path, &aside).unwrap();
    assert!(bench.store.answers().await.unwrap_err().to_string().contains("was removed or replaced"));
    std::fs::rename(&aside, &path).unwrap();
    bench.store.answers().await.unwrap();
    assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 3, "nothing is left behind");
}

#[tokio::test]
async fn a_store_keeps_a_megabyte_and_a_half_of_its_file_at_most() {
    let bench = Bench::new().await;
    let Store::Sqlite(db) = &bench.store else { unreachable!() };
    let kept =
        |sql: &Connection| -> i64 { sql.pragma_query_value(None, "cache_size", |row| row.get(0)).unwrap() };
    let writer = db.writer.as_ref().unwrap().lock().unwrap();
    let reader = crate::store::sqlite::reader(db.path()).unwrap();
    assert_eq!((kept(&writer), kept(&reader)), (-1056, -544));
}

/// What this thread has read so far, in bytes.
fn bytes_read() -> u64 {
    let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap()
}

#[tokio::test]
async fn a_store_keeps_pages_in_memory_until_it_rests() {
    let bench = Bench::new().await;
    let look = async || {
        let before = bytes_read();
        bench.store.present(&city()).await.unwrap();
        bytes_read() - before
    };
    look().await;
    assert!(look().await < 4096);
    bench.store.rest();
    assert!(look().await > 4096);
}

#[tokio::test]
async fn a_store_at_work_is_not_waited_for() {
    let bench = Bench::new().await;
    let Store::Sqlite(db) = &bench.store else { unreachable!() };
    let _at_work = db.writer.as_ref().unwrap().lock().unwrap();
    bench.store.rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_taken_away_is_not_written_to() {
    let bench = Bench::new().await;
    let (path, aside) = (bench.dir.path().join("store.db"), bench.dir.path().join("aside.db"));
    std::fs::rename(&path, &aside).unwrap();
    unusable(bench.store.lock(&city(), "run", noon()).await);
    std::fs::rename(&aside, &path).unwrap();
    bench.store.lock(&city(), "run", noon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_probe_leaves_nothing() {
    let bench = Bench::new().await;
    let before = bench.digest();
    bench.store.write_probe().await.unwrap();
    assert_eq!(bench.digest(), before);
    assert_eq!(bench.store.quick_check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_survives_and_what_was_not_leaves_no_trace() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"name":"a"}"#]).await;
    let before = bench.digest();
    let Store::Sqlite(db) = &bench.store else { unreachable!() };
    {
        let writer = db.writer.as_ref().unwrap().lock().unwrap();
        writer.execute_batch("BEGIN; DELETE FROM elements; UPDATE cursors SET memory = ''").unwrap();
    }
    // The process dies here: its connection goes without a commit.
    bench.store = open(bench.dir.path().join("store.db")).await.unwrap();
    assert_eq!(bench.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stores_nothing_of_the_kind_and_the_next_run_all_of_it() {
    let mut bench = Bench::new().await;
    let large = format!(r#"{{"objectId":1,"text":"{}"}}"#, "x".repeat(1 << 20));
    let rows = [r#"{"objectId":2,"name":"small"}"#, &large];
    let run = bench.begin().await;
    let before = bench.digest();
    let limit = |pages: i64| {
        let Store::Sqlite(db) = &bench.store else { unreachable!() };
        let writer = db.writer.as_ref().unwrap().lock().unwrap();
        writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    limit(1);
    let error = bench.try_commit(run, &bench.pull(&rows)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Failed { .. }));
    assert!(text.starts_with("cannot store the objectives of city: no space left for "), "{text}");
    assert_eq!(bench.digest(), before);
    limit(1 << 30);
    assert_eq!(bench.sync_rows(&rows).await.counts.inserted, 2);
}

/// The service's user could lay a link where root, by hand, writes who holds a lock.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_no_way_to_another_file() {
    let bench = Bench::new().await;
    let (precious, path) = (bench.dir.path().join("precious"), bench.dir.path().join("store.db"));
    std::fs::write(&precious, "theirs").unwrap();
    for what in ["connection-city", "daemon", "publish"] {
        symlink(&precious, path.with_file_name(format!("store.db.{what}.lock"))).unwrap();
    }
    unusable(bench.store.lock(&city(), "sync", noon()).await);
    unusable(DaemonLock::take(&place(&path), &Clock::hurried(noon())).await);
    unusable(bench.store.publish(&bench.dir.path().join("copy.db"), noon()).await);
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "theirs");
}

/// Else the service, under its own user, could never again take a lock that root made by hand.
#[tokio::test(flavor = "multi_thread")]
async fn what_root_makes_beside_the_store_belongs_to_the_owner_of_the_folder() {
    let bench = Bench::new().await;
    if rustix::process::geteuid().is_root() {
        chown(bench.dir.path(), Some(65534), Some(65533)).unwrap();
    }
    let _lock = bench.store.lock(&city(), "sync", noon()).await.unwrap();
    bench.store.publish(&bench.dir.path().join("copy.db"), noon()).await.unwrap();
    let folder = bench.dir.path().metadata().unwrap();
    for name in ["store.db.connection-city.lock", "store.db.publish.lock", "copy.db"] {
        let file = bench.dir.path().join(name).metadata().unwrap();
        assert_eq!((file.uid(), file.gid()), (folder.uid(), folder.gid()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_hold_nothing_of_what_was_forgotten() {
    let mut bench = Bench::new().await;
    for round in 0..8_usize {
        let row = |id: usize| {
            // Of all sizes, so that rows move from page to page as they grow and shrink.
            let text = format!("mark{id:04} ").repeat(1 + (id * 7 + round * 13) % 90);
            format!(r#"{{"objectId":{id},"name":"mark{id:04}","text":"{text}"}}"#)
        };
        let rows: Vec<String> = (1..=400).map(row).collect();
        bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let path = bench.dir.path().join("store.db");
    let log = path.with_file_name("store.db-wal");
    let files = || [std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap_or_default()].concat();
    let has = |bytes: &[u8], id: i64| {
        let mark = format!("mark{id:04}");
        bytes.windows(mark.len()).any(|part| part == mark.as_bytes())
    };
    assert!(has(&files(), 17));
    for id in (17..=400).step_by(40) {
        let scope = Scope::Element(bench.kind.name.clone(), ElementId(id));
        bench.store.forget(&city(), &scope).await.unwrap();
    }
    bench.store.wipe_freed().await.unwrap();
    let bytes = files();
    let left: Vec<i64> = (17..=400).step_by(40).filter(|id| has(&bytes, *id)).collect();
    assert_eq!(left, [] as [i64; 0]);
    assert!(has(&bytes, 18), "the others are still there");
    assert_eq!(bench.store.quick_check().await.unwrap(), Vec::<String>::new());
    bench.sync_rows(&[r#"{"objectId":1,"name":"goes on"}"#]).await;
}
