//! One connection among the others: when its next run is due, and what becomes of that when it ends or
//! is given other schedules. Pure, as [`Turns`](super::Turns) is, which alone calls it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Ended, Member, Served, Skipped, Turn, Work};
use crate::board::TurnShown;
use crate::name::ConnectionName;
use crate::retry::NextTry;
use crate::run::{Mode, Outcome};
use crate::status::Running;

/// A key's expiry is looked at this often between runs, so that a weekly schedule is no silence.
const WATCH_EVERY: TimeDelta = TimeDelta::hours(1);

/// Starts are spread over at most this long.
const JITTER_MAX: Duration = Duration::from_secs(30);

/// A run that takes this long is slow, and so is its connection until a quick one.
const SLOW: TimeDelta = TimeDelta::minutes(5);

/// A place among those whose run waits for its turn: who was due first goes first, and of those that were due
/// together who was served longest ago, so that a name keeps nobody waiting every time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) due_at: DateTime<Utc>,
    /// `None`: never.
    served: Option<DateTime<Utc>>,
    pub(super) name: ConnectionName,
}

/// A connection's seat.
#[derive(Debug)]
pub(super) struct Seat {
    member: Member,
    /// Due times of `schedule` up to here are served or skipped; `None`: it never ran.
    served: Option<DateTime<Utc>>,
    /// The same for `schedule_full`.
    served_full: Option<DateTime<Utc>>,
    /// From then on a run is a full one: when `schedule_full` is due after the last full run that stored
    /// something.
    full_at: DateTime<Utc>,
    /// When it is due next, and with its jitter when it starts.
    pub(super) due_at: DateTime<Utc>,
    pub(super) starts_at: DateTime<Utc>,
    /// Its last runs failed.
    failing: Option<Failing>,
    /// What is due next is the run that failed, and not yet the next by its schedules.
    is_again: bool,
    /// When its keys are to be looked at next.
    pub(super) watch_at: DateTime<Utc>,
    /// The last full run was made because the one before asked for it.
    is_follow_up: bool,
    /// Its last run was slow.
    pub(super) is_slow: bool,
    pub(super) busy: Option<Busy>,
    stay: Stay,
}

/// Runs that failed, one after the other.
#[derive(Debug, Clone, Copy)]
struct Failing {
    count: usize,
    /// When the last of them ended.
    ended_at: DateTime<Utc>,
    /// When it is tried again; `None`: when it is due.
    again_at: Option<DateTime<Utc>>,
}

/// What is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Busy {
    pub(super) work: Work,
    started_at: DateTime<Utc>,
    /// It was tried again before it was due.
    is_again: bool,
}

/// Whether a seat is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    Stays,
    /// It was taken out of the configuration, and stands only until what is under way has ended.
    Leaves,
    /// It was put back before that: its run was asked to stop, and is made up for at once.
    Returns,
}

impl Seat {
    /// Whose turn it is, to be shown.
    pub(super) fn shown(&self) -> TurnShown {
        let running = self.busy.and_then(|Busy { work, started_at, .. }| match work {
            Work::Run(mode) => Some(Running { mode, since: started_at }),
            Work::Watch => None,
        });
        let next_full_run = match running {
            Some(_) => self.full_at,
            None => self.full_at.max(self.starts_at),
        };
        TurnShown { running, next_run: self.starts_at, next_full_run }
    }

    /// Where it stands once its run waits for its turn.
    pub(super) fn place(&self) -> Place {
        // Who failed goes before nobody for that.
        let due_at = if self.is_again { self.starts_at } else { self.due_at };
        Place { due_at, served: self.served, name: self.member.name.clone() }
    }

    pub(super) fn new(member: Member, jitter: f64, now: DateTime<Utc>) -> Self {
        let mut seat = Self {
            served: member.last_run,
            served_full: member.last_full.or(member.last_run),
            full_at: member.schedule_full.owed_at(member.last_full),
            member,
            due_at: now,
            starts_at: now,
            failing: None,
            is_again: false,
            watch_at: now,
            is_follow_up: false,
            is_slow: false,
            busy: None,
            stay: Stay::Stays,
        };
        seat.plan(jitter, now);
        seat.notice_clock_step(jitter, now);
        seat
    }

    /// Takes on what the configuration says now. What is under way goes on; a due time that waits for its
    /// turn is kept unless the schedules are others.
    pub(super) fn take_on(&mut self, member: Member, jitter: f64, now: DateTime<Utc>) {
        let Member { name: _, schedule, schedule_full, last_run: _, last_full: _ } = member;
        if self.stay == Stay::Leaves {
            self.stay = Stay::Returns;
        }
        if self.member.schedule != schedule || self.member.schedule_full != schedule_full {
            self.member.schedule = schedule;
            self.member.schedule_full = schedule_full;
            self.remember_full(self.member.last_full);
            self.plan(jitter, now);
        }
    }

    /// It is no longer wanted.
    pub(super) fn leave(&mut self) {
        self.stay = Stay::Leaves;
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.stay == Stay::Leaves
    }

    /// Works out when it is due next. What is due already starts without jitter; what failed is tried again
    /// before it is due.
    fn plan(&mut self, jitter: f64, now: DateTime<Utc>) {
        self.is_again = false;
        let (Some(served), Some(served_full)) = (self.served, self.served_full) else {
            self.due_at = now;
            self.starts_at = now;
            return;
        };
        let full_at = self.member.schedule_full.next_after(served_full);
        self.due_at = self.member.schedule.next_after(served).min(full_at);
        self.starts_at = self.due_at;
        if self.due_at > now {
            let interval = self.member.schedule.next_after(self.due_at) - self.due_at;
            self.starts_at += spread(&self.member.name, self.due_at, interval, jitter);
        }
        if let Some(Failing { ended_at, again_at: Some(again_at), .. }) = self.failing
            && again_at < self.starts_at
        {
            self.is_again = true;
            // Whatever run of whomever ends after the failed one serves it.
            self.due_at = ended_at + TimeDelta::milliseconds(1);
            self.starts_at = again_at;
        }
    }

    /// A run ended so, and then. A refused key is asked with when a run is due, at most hourly.
    fn take_in(&mut self, outcome: Outcome, next_try: NextTry, ended_at: DateTime<Utc>) {
        self.failing = match outcome {
            Outcome::Ok | Outcome::Partial | Outcome::Refused => None,
            Outcome::Failed | Outcome::Deferred => {
                let count = self.failing.map_or(0, |failing| failing.count) + 1;
                Some(Failing { count, ended_at, again_at: next_try.at(ended_at, count) })
            }
        };
    }

    /// A clock that was set back must not leave a connection waiting for the old time to return.
    pub(super) fn notice_clock_step(&mut self, jitter: f64, now: DateTime<Utc>) {
        let is_ahead = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at > now);
        if self.watch_at > now + WATCH_EVERY {
            self.watch_at = now;
        }
        // Only who waits for another process, or failed, starts so much later than due.
        let latest = self.due_at + TimeDelta::from_std(JITTER_MAX).unwrap_or_default();
        if self.busy.is_none() && self.starts_at > latest && !self.is_again {
            self.starts_at = self.due_at;
        }
        if let Some(failing) = self.failing.as_mut().filter(|failing| failing.ended_at > now) {
            failing.again_at = failing.again_at.map(|at| now + (at - failing.ended_at));
            failing.ended_at = now;
        }
        if is_ahead(self.member.last_full) {
            self.remember_full(Some(now));
        }
        if self.busy.is_none() && (is_ahead(self.served) || is_ahead(self.served_full)) {
            self.served = self.served.map(|at| at.min(now));
            self.served_full = self.served_full.map(|at| at.min(now));
            self.plan(jitter, now);
        }
    }

    /// The last full run that stored something ended then; `None`: there is none, or it asked for another.
    fn remember_full(&mut self, last_full: Option<DateTime<Utc>>) {
        self.member.last_full = last_full;
        self.full_at = self.member.schedule_full.owed_at(last_full);
    }

    /// One full run serves both schedules.
    pub(super) fn begin_run(&mut self, now: DateTime<Utc>) -> Turn {
        let mode = if self.full_at <= now { Mode::Full } else { Mode::Incremental };
        self.begin(Work::Run(mode), self.due_at, now)
    }

    pub(super) fn begin_watch(&mut self, now: DateTime<Utc>) -> Turn {
        self.begin(Work::Watch, now, now)
    }

    fn begin(&mut self, work: Work, due_at: DateTime<Utc>, now: DateTime<Utc>) -> Turn {
        self.busy = Some(Busy { work, started_at: now, is_again: self.is_again });
        Turn { name: self.member.name.clone(), work, due_at }
    }

    /// What came due meanwhile is skipped, except that a full run is never skipped for an incremental one. A run
    /// that was tried again outlasts no interval, for it began within one.
    pub(super) fn end(&mut self, ended: &Ended, jitter: f64, now: DateTime<Utc>) -> Option<Skipped> {
        let busy = self.busy.take()?;
        let is_back = std::mem::replace(&mut self.stay, Stay::Stays) == Stay::Returns;
        let Work::Run(mode) = busy.work else {
            self.watch_at = now + WATCH_EVERY;
            return None;
        };
        // A run that did not get so far as to look at the keys' dates has not spoken of them.
        if let Ended::Ran { standing: Some(_), .. } = ended {
            self.watch_at = now + WATCH_EVERY;
        }
        if let Ended::Ran { outcome: Outcome::Ok | Outcome::Partial, needs_full, .. } = ended
            && mode == Mode::Full
        {
            // A list that never stands still must not make every run a full one: one follow-up.
            self.is_follow_up = *needs_full && !self.is_follow_up;
            self.remember_full((!self.is_follow_up).then_some(now));
        }
        self.is_slow = now - busy.started_at >= SLOW;
        if is_back {
            (self.served, self.failing) = (None, None);
            self.plan(jitter, now);
            return None;
        }
        match ended {
            Ended::Elsewhere { again_in } => {
                self.starts_at = now + *again_in;
                return None;
            }
            Ended::Served(Served { mode, outcome, started_at, finished_at, last_full }) => {
                self.remember_full(*last_full);
                self.served = Some(*finished_at);
                self.served_full = Some(if *mode == Mode::Full { *finished_at } else { *started_at });
                // Whose run it was tries it again sooner, while it lives.
                self.take_in(*outcome, NextTry::Hourly, *finished_at);
                self.plan(jitter, now);
                return None;
            }
            Ended::Ran { outcome, next_try, .. } => self.take_in(*outcome, *next_try, now),
            Ended::Watched => {}
        }
        let skipped_at = self.member.schedule.next_after(busy.started_at);
        self.served = Some(now);
        self.served_full = Some(if mode == Mode::Full { now } else { busy.started_at.min(now) });
        self.plan(jitter, now);
        (skipped_at <= now && !busy.is_again)
            .then_some(Skipped { due_at: skipped_at, next_at: self.starts_at })
    }
}

/// How much later than due a run starts: the same for the same connection and due time, different for
/// others, below `share` of the interval and [`JITTER_MAX`].
#[must_use]
pub(super) fn spread(
    name: &ConnectionName,
    due_at: DateTime<Utc>,
    interval: TimeDelta,
    share: f64,
) -> TimeDelta {
    let interval = interval.to_std().unwrap_or_default();
    let most = interval.mul_f64(share.clamp(0.0, 1.0)).min(JITTER_MAX);
    let hash = xxh3_64_with_seed(name.as_str().as_bytes(), due_at.timestamp().unsigned_abs());
    let part = u32::try_from(hash % 1000).unwrap_or_default();
    TimeDelta::from_std(most * part / 1000).unwrap_or_default()
}
