//! Whose turn is it: which connection is due, for which run, and when the next one will be. Holds no
//! clock and starts nothing; only the daemon's loop calls it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::name::ConnectionName;
use crate::run::{Mode, Outcome};
use crate::schedule::Schedule;
use crate::watch::Standing;

/// A key's expiry is looked at this often between runs, so that a weekly schedule is no silence.
const WATCH_EVERY: TimeDelta = TimeDelta::hours(1);

/// Starts are spread over at most this long.
const JITTER_MAX: Duration = Duration::from_secs(30);

/// A connection as the daemon serves it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: ConnectionName,
    /// When to pull what changed.
    pub schedule: Schedule,
    /// When to pull everything.
    pub schedule_full: Schedule,
    /// When its last run of any mode that stored something began, from the store.
    pub last_run: Option<DateTime<Utc>>,
    /// When its last full run that stored something began, from the store; `None` also where that run
    /// asked for another.
    pub last_full: Option<DateTime<Utc>>,
}

/// What a connection's turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A run.
    Run(Mode),
    /// A look at its keys between runs.
    Watch,
}

/// One connection's turn, to be started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Which connection, counted as the members were given.
    pub member_idx: usize,
    /// What for.
    pub work: Work,
    /// When it was due.
    pub due_at: DateTime<Utc>,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// A run ended.
    Ran {
        /// How.
        outcome: Outcome,
        /// Why not well, for people.
        reason: Option<String>,
        /// Whether another full run must follow, because this one saw a list that moved.
        needs_full: bool,
        /// How the key stands, where that was looked at.
        standing: Option<Standing>,
    },
    /// The keys were looked at.
    Watched,
}

/// A due time that passed while the connection's run before it was still under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The first due time that was skipped.
    pub due_at: DateTime<Utc>,
    /// The next run.
    pub next_at: DateTime<Utc>,
}

/// All connections and their turns.
#[derive(Debug)]
pub struct Turns {
    seats: Vec<Seat>,
    runs_max: usize,
    jitter: f64,
}

#[derive(Debug)]
struct Seat {
    member: Member,
    /// Due times of `schedule` up to here are served or skipped; `None`: it never ran.
    served: Option<DateTime<Utc>>,
    /// The same for `schedule_full`.
    served_full: Option<DateTime<Utc>>,
    /// When it is due next, and with its jitter when it starts.
    due_at: DateTime<Utc>,
    starts_at: DateTime<Utc>,
    watched_at: Option<DateTime<Utc>>,
    /// The last full run was made because the one before asked for it.
    is_follow_up: bool,
    busy: Option<Busy>,
}

#[derive(Debug, Clone, Copy)]
struct Busy {
    work: Work,
    started_at: DateTime<Utc>,
}

impl Turns {
    /// Seats the members. What was missed since their last runs is due at once, as one run each.
    /// `jitter` is the share of an interval over which starts are spread (0.1), 0 for none.
    #[must_use]
    pub fn new(members: Vec<Member>, runs_max: usize, jitter: f64, now: DateTime<Utc>) -> Self {
        let seats = members.into_iter().map(|member| Seat::new(member, jitter, now)).collect();
        Self { seats, runs_max: runs_max.max(1), jitter }
    }

    /// The name of a member.
    #[must_use]
    pub fn name(&self, member_idx: usize) -> &ConnectionName {
        &self.seats[member_idx].member.name
    }

    /// How many runs are under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.seats.iter().filter(|seat| matches!(seat.busy, Some(Busy { work: Work::Run(_), .. }))).count()
    }

    /// Takes the turns that begin now, the latest first; from here on they are under way.
    pub fn take(&mut self, now: DateTime<Utc>) -> Vec<Turn> {
        for seat in &mut self.seats {
            seat.notice_clock_step(self.jitter, now);
        }
        let mut free = self.runs_max.saturating_sub(self.running());
        let mut waiting: Vec<usize> =
            (0..self.seats.len()).filter(|&idx| self.seats[idx].is_due(now)).collect();
        waiting.sort_by_key(|&idx| self.seats[idx].due_at);
        let mut turns = Vec::new();
        for member_idx in waiting {
            if free == 0 {
                break;
            }
            free -= 1;
            turns.push(self.seats[member_idx].begin(member_idx, now));
        }
        for (member_idx, seat) in self.seats.iter_mut().enumerate() {
            if seat.is_watch_due(now) {
                seat.busy = Some(Busy { work: Work::Watch, started_at: now });
                turns.push(Turn { member_idx, work: Work::Watch, due_at: now });
            }
        }
        turns
    }

    /// Ends a turn; what came due meanwhile is skipped, except that a full run is never skipped for an
    /// incremental one.
    pub fn end(&mut self, member_idx: usize, ended: &Ended, now: DateTime<Utc>) -> Option<Skipped> {
        self.seats[member_idx].end(ended, self.jitter, now)
    }

    /// When the next turn begins, if not now; `None` while only the end of a run can make one.
    #[must_use]
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        let is_full = self.running() >= self.runs_max;
        let idle = self.seats.iter().filter(|seat| seat.busy.is_none());
        idle.filter_map(|seat| {
            let watch_at = seat.watched_at.map(|at| at + WATCH_EVERY);
            let starts_at = (!is_full).then_some(seat.starts_at);
            [watch_at, starts_at].into_iter().flatten().min()
        })
        .min()
    }

    /// The next run of a member.
    #[must_use]
    pub fn next_run_at(&self, member_idx: usize) -> DateTime<Utc> {
        self.seats[member_idx].starts_at
    }

    /// The next run of all, and whose.
    #[must_use]
    pub fn next_run(&self) -> Option<(DateTime<Utc>, &ConnectionName)> {
        let idle = self.seats.iter().filter(|seat| seat.busy.is_none());
        idle.map(|seat| (seat.starts_at, &seat.member.name)).min()
    }
}

impl Seat {
    fn new(member: Member, jitter: f64, now: DateTime<Utc>) -> Self {
        let mut seat = Self {
            served: member.last_run,
            served_full: member.last_full.or(member.last_run),
            member,
            due_at: now,
            starts_at: now,
            watched_at: None,
            is_follow_up: false,
            busy: None,
        };
        seat.plan(jitter, now);
        seat
    }

    /// Works out when it is due next. What is due already starts without jitter.
    fn plan(&mut self, jitter: f64, now: DateTime<Utc>) {
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
    }

    /// A clock that was set back must not leave a connection waiting for the old time to return.
    fn notice_clock_step(&mut self, jitter: f64, now: DateTime<Utc>) {
        let is_ahead = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at > now);
        if is_ahead(self.watched_at) {
            self.watched_at = None;
        }
        if is_ahead(self.member.last_full) {
            self.member.last_full = Some(now);
        }
        if self.busy.is_none() && (is_ahead(self.served) || is_ahead(self.served_full)) {
            self.served = self.served.map(|at| at.min(now));
            self.served_full = self.served_full.map(|at| at.min(now));
            self.plan(jitter, now);
        }
    }

    fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.busy.is_none() && self.starts_at <= now
    }

    fn is_watch_due(&self, now: DateTime<Utc>) -> bool {
        self.busy.is_none() && self.watched_at.is_none_or(|at| now - at >= WATCH_EVERY)
    }

    /// Whether a full run was due since the last one that stored something: one full run serves both.
    fn owes_full(&self, now: DateTime<Utc>) -> bool {
        self.member.last_full.is_none_or(|last| self.member.schedule_full.next_after(last) <= now)
    }

    fn begin(&mut self, member_idx: usize, now: DateTime<Utc>) -> Turn {
        let work = Work::Run(if self.owes_full(now) { Mode::Full } else { Mode::Incremental });
        self.busy = Some(Busy { work, started_at: now });
        Turn { member_idx, work, due_at: self.due_at }
    }

    fn end(&mut self, ended: &Ended, jitter: f64, now: DateTime<Utc>) -> Option<Skipped> {
        let busy = self.busy.take()?;
        let Work::Run(mode) = busy.work else {
            self.watched_at = Some(now);
            return None;
        };
        // A run that did not get so far as to look at the keys' dates has not spoken of them.
        if let Ended::Ran { standing: Some(_), .. } = ended {
            self.watched_at = Some(now);
        }
        if let Ended::Ran { outcome: Outcome::Ok | Outcome::Partial, needs_full, .. } = ended
            && mode == Mode::Full
        {
            // A list that never stands still must not make every run a full one: one follow-up.
            self.is_follow_up = *needs_full && !self.is_follow_up;
            self.member.last_full = (!self.is_follow_up).then_some(now);
        }
        let skipped_at = self.member.schedule.next_after(busy.started_at);
        self.served = Some(now);
        self.served_full = Some(if mode == Mode::Full { now } else { busy.started_at.min(now) });
        self.plan(jitter, now);
        (skipped_at <= now).then_some(Skipped { due_at: skipped_at, next_at: self.starts_at })
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
