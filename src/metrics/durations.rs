//! How long runs took, counted by mode. Not by connection, which would be thirty series for each.

use super::page::{Page, number};
use crate::run::Mode;

/// From a look at an account that did not change to the first pull of a large one.
const SECONDS: [(f64, &str); 13] = [
    (0.1, "0.1"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.5, "2.5"),
    (5.0, "5"),
    (10.0, "10"),
    (30.0, "30"),
    (60.0, "60"),
    (300.0, "300"),
    (900.0, "900"),
    (3600.0, "3600"),
    (7200.0, "7200"),
    (14_400.0, "14400"),
];

const NAME: &str = "clearpoint_sync_run_duration_seconds";

/// How long runs took.
#[derive(Debug, Default)]
pub(super) struct Durations([Histogram; Mode::ALL.len()]);

#[derive(Debug, Default)]
struct Histogram {
    /// Runs that took no longer than each of [`SECONDS`].
    within: [u64; SECONDS.len()],
    count: u64,
    sum: f64,
}

impl Durations {
    /// Counts a run that took so many seconds.
    pub(super) fn count(&mut self, mode: Mode, seconds: f64) {
        let Histogram { within, count, sum } = &mut self.0[mode as usize];
        for (runs, (most, _)) in within.iter_mut().zip(SECONDS) {
            *runs += u64::from(seconds <= most);
        }
        *count += 1;
        *sum += seconds;
    }

    /// Adds the family.
    pub(super) fn add(&self, page: &mut Page) {
        page.head("histogram", NAME, "How long runs took.");
        let (bucket, sum, count) = (format!("{NAME}_bucket"), format!("{NAME}_sum"), format!("{NAME}_count"));
        for mode in Mode::ALL {
            let (histogram, label) = (&self.0[mode as usize], ("mode", mode.as_str()));
            for (runs, (_, most)) in histogram.within.iter().zip(SECONDS) {
                page.series(&bucket, [label, ("le", most)], number(*runs));
            }
            page.series(&bucket, [label, ("le", "+Inf")], number(histogram.count));
            page.series(&sum, [label], histogram.sum);
            page.series(&count, [label], number(histogram.count));
        }
    }
}
