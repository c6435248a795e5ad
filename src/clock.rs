//! The only place that reads a clock or sleeps. Rules take `now` as an argument; jobs and services
//! carry a [`Clock`]; tests drive a [`Simulated`] one and never sleep.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// Where the program's time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's wall clock.
    System,
    /// The clock of a server that several machines share.
    Shared(Arc<Anchor>),
    /// A clock that a test moves.
    Simulated(Arc<Simulated>),
}

impl Clock {
    /// A simulated clock that jumps ahead by itself whenever someone sleeps on it: for tests of one
    /// task that waits (retries, throttles) and for `demo`.
    #[must_use]
    pub fn hurried(start: DateTime<Utc>) -> Self {
        Self::Simulated(Arc::new(Simulated::new(start, Pace::Hurried)))
    }

    /// A simulated clock that stands still until the test calls [`Simulated::advance_to`]: for tests
    /// of several tasks that wait on each other.
    #[must_use]
    pub fn stepped(start: DateTime<Utc>) -> (Self, Arc<Simulated>) {
        let simulated = Arc::new(Simulated::new(start, Pace::Stepped));
        (Self::Simulated(Arc::clone(&simulated)), simulated)
    }

    /// The present instant, to the millisecond, as it is stored.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock's home")]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now().trunc_subsecs(3),
            Self::Shared(anchor) => anchor.now(Instant::now()),
            Self::Simulated(simulated) => simulated.now(),
        }
    }

    /// How long the machine has been up, the time it slept left out. Nobody sets this clock, and all processes
    /// of a machine read the same; on another machine it is another.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        match self {
            Self::System | Self::Shared(_) => {
                let uptime = clock_gettime(ClockId::Monotonic);
                Duration::try_from(uptime).unwrap_or_default()
            }
            Self::Simulated(simulated) => {
                (simulated.now() - DateTime::UNIX_EPOCH).to_std().unwrap_or_default()
            }
        }
    }

    /// Waits for `duration`. A wait of the system clock is monotonic: a clock step does not stretch it.
    #[expect(clippy::disallowed_methods, reason = "this is the clock's home")]
    pub async fn sleep(&self, duration: Duration) {
        match self {
            Self::System | Self::Shared(_) => tokio::time::sleep(duration).await,
            Self::Simulated(simulated) => {
                let delta = chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::MAX);
                let wake = simulated.now().checked_add_signed(delta);
                simulated.sleep_until(wake.unwrap_or(DateTime::<Utc>::MAX_UTC)).await;
            }
        }
    }
}

/// What a server's clock said, and how long ago by a clock of this machine that nobody sets: between two
/// looks at the server it goes on by itself.
#[derive(Debug)]
pub struct Anchor {
    last: Mutex<Reading>,
}

/// A look at a server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What it said.
    pub said: DateTime<Utc>,
    /// When it was asked.
    pub asked: Instant,
    /// When the answer was there.
    pub answered: Instant,
}

impl Anchor {
    /// A clock that goes on from this reading.
    #[must_use]
    pub fn new(reading: Reading) -> Self {
        Self { last: Mutex::new(reading) }
    }

    /// Takes in what the server's clock says now. What lies within the error of the measurement is no news,
    /// so that the time does not jump to and fro.
    pub fn set(&self, reading: Reading) {
        let mut last = self.last();
        let off = reading.at(reading.answered) - last.at(reading.answered);
        if off.abs() > reading.error() {
            *last = reading;
        }
    }

    /// The server's time at an instant of this machine, to the millisecond.
    fn now(&self, instant: Instant) -> DateTime<Utc> {
        self.last().at(instant).trunc_subsecs(3)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// The server's time at `instant`. It is taken to have spoken in the middle of the time that asking took.
    fn at(&self, instant: Instant) -> DateTime<Utc> {
        let gone = instant.saturating_duration_since(self.asked);
        self.said + TimeDelta::from_std(gone).unwrap_or_default() - self.error()
    }

    /// How far off it may be.
    fn error(&self) -> TimeDelta {
        let took = self.answered.saturating_duration_since(self.asked);
        TimeDelta::from_std(took / 2).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Hurried,
    Stepped,
}

/// A clock that stands where a test put it.
#[derive(Debug)]
pub struct Simulated {
    now: watch::Sender<DateTime<Utc>>,
    sleepers: Mutex<BTreeMap<DateTime<Utc>, usize>>,
    pace: Pace,
}

impl Simulated {
    fn new(start: DateTime<Utc>, pace: Pace) -> Self {
        Self { now: watch::Sender::new(start), sleepers: Mutex::default(), pace }
    }

    /// The simulated instant.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        *self.now.borrow()
    }

    /// Moves the clock to `instant` (also backwards, as a clock step does) and wakes who waited for it.
    pub fn advance_to(&self, instant: DateTime<Utc>) {
        self.now.send_replace(instant);
    }

    /// When the next sleeper wants to wake, if anyone sleeps: the step a test takes next.
    #[must_use]
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        self.sleepers().keys().next().copied()
    }

    fn sleepers(&self) -> std::sync::MutexGuard<'_, BTreeMap<DateTime<Utc>, usize>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep_until(&self, wake: DateTime<Utc>) {
        if self.pace == Pace::Hurried {
            self.now.send_if_modified(|now| {
                let ahead = wake > *now;
                *now = wake.max(*now);
                ahead
            });
            // Lets other tasks move, as a real wait would.
            tokio::task::yield_now().await;
            return;
        }
        let mut receiver = self.now.subscribe();
        *self.sleepers().entry(wake).or_default() += 1;
        let _leave = Leave { clock: self, wake };
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|now| *now >= wake).await;
    }
}

/// Takes a sleeper off the list, also when its task is cancelled.
struct Leave<'a> {
    clock: &'a Simulated,
    wake: DateTime<Utc>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut sleepers = self.clock.sleepers();
        if let Some(count) = sleepers.get_mut(&self.wake) {
            *count -= 1;
            if *count == 0 {
                sleepers.remove(&self.wake);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_shared_clock_tells_the_servers_time_whatever_this_machine_believes() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let reading = |said, asked, took| Reading {
            said,
            asked: start + ms(asked),
            answered: start + ms(asked + took),
        };
        let anchor = Anchor::new(reading(noon(), 0, 20));
        let at = |instant| anchor.now(start + ms(instant)) - noon();
        assert_eq!([at(10), at(20), at(60_010)].map(|past| past.num_milliseconds()), [0, 10, 60_000]);
        // 4 ms off, where the measurement is as good as 5 ms.
        anchor.set(reading(noon() + TimeDelta::milliseconds(60_009), 60_010, 10));
        assert_eq!(at(60_020).num_milliseconds(), 60_010);
        // Another server, whose clock is five minutes behind.
        anchor.set(reading(noon() - TimeDelta::minutes(5), 70_000, 2));
        assert_eq!(at(70_001), TimeDelta::minutes(-5));
    }

    #[tokio::test]
    async fn a_hurried_clock_jumps_over_a_sleep() {
        let clock = Clock::hurried(noon());
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.now(), noon() + TimeDelta::hours(1));
    }

    #[tokio::test]
    async fn a_stepped_clock_wakes_a_sleeper_only_when_moved_there() {
        let (clock, hand) = Clock::stepped(noon());
        let sleeper = tokio::spawn(async move { clock.sleep(Duration::from_secs(60)).await });
        while hand.next_wake().is_none() {
            tokio::task::yield_now().await;
        }
        hand.advance_to(noon() + TimeDelta::seconds(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.advance_to(noon() + TimeDelta::seconds(60));
        sleeper.await.unwrap();
        assert_eq!(hand.next_wake(), None);
    }
}
