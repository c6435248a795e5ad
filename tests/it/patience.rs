//! How tests wait: not for ever, not while a day ends, and by a watch that stands still with the machine.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{NaiveDate, Timelike as _};
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::Simulator;
use rusqlite::Connection;

/// Longer than anything may take that a test waits for; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(240);

/// Between two looks at what is waited for, and between two beats of a watch.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Between two beats so much later than meant, nobody was let run.
const STANDSTILL: Duration = Duration::from_millis(200);

/// Seconds in which a test that counts days is over.
const DAY_NEEDS: u32 = 120;

/// So often something is tried that tells nothing where the machine stood still meanwhile.
pub(super) const TRIES: usize = 10;

/// Schedules, incremental and full, by which only what never ran is due while a test runs.
pub(super) const ONCE: [&str; 2] = ["0 0 1 1 *"; 2];

/// Waits until it is so.
pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        rest().await;
    }
}

/// The time between two looks.
pub(super) async fn rest() {
    Clock::System.sleep(LOOK_EVERY).await;
}

/// Waits until at least so many requests are in flight.
pub(super) async fn in_flight(simulator: &Simulator, requests: usize) {
    let waiting = tokio::time::timeout(PATIENCE, simulator.in_flight(requests)).await;
    waiting.unwrap_or_else(|_| panic!("never {requests} requests at once"));
}

/// A look at a store that waits for whoever is at work there.
pub(super) fn patient(store: rusqlite::Result<Connection>) -> Connection {
    let store = store.unwrap();
    store.busy_timeout(PATIENCE).unwrap();
    store
}

/// The day it is in UTC, and will be for the next minutes: the program finds the same.
pub(super) fn today() -> NaiveDate {
    loop {
        let now = Clock::System.now();
        if now.num_seconds_from_midnight() < 24 * 3600 - DAY_NEEDS {
            return now.date_naive();
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Measures what a program takes. While the machine lets nobody run, as where a host gives its cores to others, it
/// stands still.
pub(super) struct Stopwatch {
    started: Instant,
    beats: Arc<Mutex<Beats>>,
}

#[derive(Debug, Clone, Copy)]
struct Beats {
    last: Instant,
    lost: Duration,
}

impl Beats {
    fn beat(&mut self, now: Instant) {
        let passed = now - self.last;
        if passed > STANDSTILL {
            self.lost += passed;
        }
        self.last = now;
    }
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        let started = Instant::now();
        let beats = Arc::new(Mutex::new(Beats { last: started, lost: Duration::ZERO }));
        let watched = Arc::downgrade(&beats);
        std::thread::spawn(move || {
            while let Some(beats) = watched.upgrade() {
                beats.lock().unwrap().beat(Instant::now());
                drop(beats);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self { started, beats }
    }

    /// For how long nobody was let run so far.
    pub(super) fn lost(&self) -> Duration {
        let asked = Instant::now();
        loop {
            // A standstill that has just ended is known with the next beat.
            let Beats { last, lost } = *self.beats.lock().unwrap();
            if last >= asked {
                return lost;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// How long it took so far, but for that.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.lost())
    }

    /// Nobody was let run for so long that by its own clock the program may have waited long enough.
    pub(super) fn stood_still(&self) -> bool {
        self.lost() > Duration::from_secs(1)
    }
}

#[test]
fn a_stopwatch_counts_what_is_slow_and_leaves_out_what_stands_still() {
    let started = Instant::now();
    let mut beats = Beats { last: started, lost: Duration::ZERO };
    for millis in [20, 45, 200, 7_200, 7_220] {
        beats.beat(started + Duration::from_millis(millis));
    }
    assert_eq!(beats.lost, Duration::from_secs(7));
}
