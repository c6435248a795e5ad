//! The process itself, under the names that every Prometheus client library gives it, so that boards made
//! for any program show this one. What the system does not tell is left out.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

use super::page::{self, Page};
use crate::status::Status;

/// Adds start, memory, open files and CPU time of this process.
pub(super) fn add(page: &mut Page, status: &Status) {
    page.gauge(
        "process_start_time_seconds",
        "When the daemon started, in seconds since 1970.",
        status.daemon.iter().map(|daemon| ([], page::seconds(Some(daemon.started_at)))),
    );
    page.gauge(
        "process_resident_memory_bytes",
        "Memory of the process that is in RAM.",
        resident_bytes().map(|bytes| ([], page::number(bytes))),
    );
    page.gauge(
        "process_open_fds",
        "Files and sockets that the process holds open.",
        fs::read_dir("/proc/self/fd").ok().map(|open| ([], page::number(open.count() as u64))),
    );
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    page.counter(
        "process_cpu_seconds_total",
        "CPU time that the process has spent.",
        [([], spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9)],
    );
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
