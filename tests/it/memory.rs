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

/// The most memory a process ever held, as Linux tells it.
fn peak_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches("kB").trim().parse().ok()
}
