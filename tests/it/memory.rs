//! Memory stays bounded however large the account is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clearpoint_sync::simulator::{Size, World};

use crate::harness::Setup;

const MEMORY_MAX_KB: u64 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_of_200_000_elements_stays_under_100_mb() {
    let size = Size::small().none().with("scorecards", 10).with("objectives", 200_000).with("files", 10);
    let setup = Setup { page_size: 500, ..Setup::of(World::generate(151, &size)) };
    let bench = Setup { measure_data: "off", details: "off", ..setup }.start().await;
    let sync = bench.start_held(&["sync", "--full"]).await;
    let (pid, peak) = (sync.pid, Arc::new(AtomicU64::new(0)));
    // The files are asked for after the objectives were stored, so the last look sees that peak as well.
    let seen = Arc::clone(&peak);
    bench.simulator.on_every_request(move |_| {
        seen.fetch_max(peak_kb(pid).unwrap_or(0), Ordering::SeqCst);
    });
    bench.simulator.release();
    sync.end().await.assert_code(&[0]);
    assert_eq!(bench.number("SELECT count(*) FROM objectives"), 200_000);
    let peak = peak.load(Ordering::SeqCst);
    assert!(peak > 0 && peak < MEMORY_MAX_KB, "peak resident memory: {peak} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_store_of_an_earlier_version_is_taken_on_within_100_mb() {
    let bench = Setup::of(World::generate(152, &Size::small())).start().await;
    bench.sync_full().await;
    // The third version had no stamps in the index that is made anew: here they are a hundred megabytes.
    rusqlite::Connection::open(bench.file("clearpoint.db"))
        .unwrap()
        .execute_batch(
            "DROP INDEX elements_plan; DROP INDEX fields_unnamed; DROP TABLE imprints;
             ALTER TABLE view_columns DROP COLUMN is_detailed;
             DROP VIEW key_expiry; ALTER TABLE keys DROP COLUMN lapses_at;
             PRAGMA user_version = 3; DELETE FROM migrations WHERE version > 3;
             CREATE INDEX elements_plan ON elements (kind, connection, id, state, fingerprint, changed_run);
             CREATE INDEX elements_last_edited ON elements (kind) WHERE kind = 'none';
             WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 20000)
             INSERT INTO elements (connection, kind, id, last_edited, fingerprint, state, first_seen_at,
               changed_at, changed_run, doc)
             SELECT 'gone', 'files', id, hex(zeroblob(2500)), zeroblob(16), 'present', '', '', 1, '{}' FROM n",
        )
        .unwrap();
    let sync = bench.start_held(&["sync"]).await;
    let peak = peak_kb(sync.pid).unwrap_or(0);
    bench.simulator.release();
    sync.end().await.assert_code(&[0]);
    assert_eq!(bench.number("SELECT max(version) FROM migrations"), 5);
    assert!(peak > 0 && peak < MEMORY_MAX_KB, "peak resident memory: {peak} kB");
}

/// The most memory a process ever held, as Linux tells it.
fn peak_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches("kB").trim().parse().ok()
}
