//! Whose turn is it: which connection is due, for which run, and when the next one will be. Holds no
//! clock and starts nothing; only the daemon's loop calls it.
//!
//! What waits is kept in order, so that a look costs little however many connections there are.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::seat::{Busy, Place, Seat};
use crate::board::TurnShown;
use crate::name::ConnectionName;
use crate::retry::NextTry;
use crate::run::{Mode, Outcome};
use crate::schedule::Schedule;
use crate::watch::Standing;

/// Turns begin no faster than this: hundreds that are due together start in order and not in one instant.
const START_EVERY: TimeDelta = TimeDelta::milliseconds(50);

/// A connection as the daemon serves it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: ConnectionName,
    /// When to pull what changed.
    pub schedule: Schedule,
    /// When to pull everything.
    pub schedule_full: Schedule,
    /// When its last run of any mode began that stored something and was not asked to stop, from the store.
    pub last_run: Option<DateTime<Utc>>,
    /// When its last full run that stored something ended, from the store; `None` also where that run
    /// asked for another.
    pub last_full: Option<DateTime<Utc>>,
}

/// Who is to be served from now on, and how many at once.
#[derive(Debug, Clone)]
pub struct Seating {
    /// The connections.
    pub members: Vec<Member>,
    /// Runs under way at once, at most.
    pub runs_max: usize,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Whose. A name, for a reload moves connections about.
    pub name: ConnectionName,
    /// What for.
    pub work: Work,
    /// When it was due; of a run that is tried again, when the one before had failed.
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
        /// When it is tried again, where it stored nothing.
        next_try: NextTry,
    },
    /// The keys were looked at.
    Watched,
    /// Another process has made the run.
    Served(Served),
    /// Another process is at it, or died there.
    Elsewhere {
        /// When to try again.
        again_in: TimeDelta,
    },
}

/// A run of another process, which served what was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// What it was.
    pub mode: Mode,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// When the last full run ended that asks for no other one.
    pub last_full: Option<DateTime<Utc>>,
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
    seats: BTreeMap<ConnectionName, Seat>,
    /// Those at rest whose run starts later, by when it does.
    ahead: Order,
    /// Those at rest whose run waits for its turn: the latest is the first.
    waiting: BTreeSet<Place>,
    /// Those at rest, by when their keys are to be looked at.
    watches: Order,
    running: usize,
    running_slow: usize,
    /// Looks at keys under way: no more than runs may be, and beside them.
    watching: usize,
    runs_max: usize,
    jitter: f64,
    /// No turn begins before.
    next_start: DateTime<Utc>,
    /// The last instant that was told.
    seen_at: DateTime<Utc>,
}

type Order = BTreeSet<(DateTime<Utc>, ConnectionName)>;

impl Turns {
    /// Seats the members. What was missed since their last runs is due at once, as one run each.
    /// `jitter` is the share of an interval over which starts are spread (0.1), 0 for none.
    #[must_use]
    pub fn new(seating: Seating, jitter: f64, now: DateTime<Utc>) -> Self {
        let mut turns = Self {
            seats: BTreeMap::new(),
            ahead: Order::new(),
            waiting: BTreeSet::new(),
            watches: Order::new(),
            running: 0,
            running_slow: 0,
            watching: 0,
            runs_max: 1,
            jitter,
            next_start: now,
            seen_at: now,
        };
        let _nobody_left = turns.reseat(seating, now);
        turns
    }

    /// Seats others. Who stays keeps what is under way and when it was served; who is new is due as at
    /// a start. Gives the names of those who left in the middle of a turn: they keep their seats until it
    /// has ended, so that one who comes back meanwhile never has two.
    pub fn reseat(&mut self, seating: Seating, now: DateTime<Utc>) -> Vec<ConnectionName> {
        let Seating { members, runs_max } = seating;
        self.runs_max = runs_max.max(1);
        let mut before = std::mem::take(&mut self.seats);
        for member in members {
            let name = member.name.clone();
            let seat = match before.remove(&name) {
                Some(mut seat) => {
                    seat.take_on(member, self.jitter, now);
                    seat
                }
                None => Seat::new(member, self.jitter, now),
            };
            self.seats.insert(name, seat);
        }
        before.retain(|_, seat| seat.busy.is_some());
        before.values_mut().for_each(Seat::leave);
        let left = before.keys().cloned().collect();
        self.seats.append(&mut before);
        self.order_anew();
        left
    }

    /// How many runs are under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// The turn that begins now, if one does: of runs the one that is latest, else a look at keys. From
    /// here on it is under way.
    pub fn take(&mut self, now: DateTime<Utc>) -> Option<Turn> {
        self.notice_clock(now);
        if self.next_start > now {
            return None;
        }
        while self.ahead.first().is_some_and(|(starts_at, _)| *starts_at <= now) {
            let (_, name) = self.ahead.pop_first()?;
            self.waiting.insert(self.seats[&name].place());
        }
        let turn = match self.next_waiting().cloned() {
            Some(name) => {
                let seat = self.rise(&name);
                let (turn, is_slow) = (seat.begin_run(now), seat.is_slow);
                self.running += 1;
                self.running_slow += usize::from(is_slow);
                turn
            }
            None => {
                let (_, name) = self.next_watch().filter(|(watch_at, _)| *watch_at <= now)?.clone();
                self.watching += 1;
                self.rise(&name).begin_watch(now)
            }
        };
        self.next_start = now + START_EVERY;
        Some(turn)
    }

    /// Ends a turn; what came due meanwhile is skipped, except that a full run is never skipped for an
    /// incremental one.
    pub fn end(&mut self, name: &ConnectionName, ended: &Ended, now: DateTime<Utc>) -> Option<Skipped> {
        self.seen_at = self.seen_at.max(now);
        let seat = self.seats.get_mut(name)?;
        match seat.busy {
            Some(Busy { work: Work::Run(_), .. }) => {
                self.running -= 1;
                self.running_slow -= usize::from(seat.is_slow);
            }
            Some(Busy { work: Work::Watch, .. }) => self.watching -= 1,
            None => {}
        }
        if seat.is_leaving() {
            self.seats.remove(name);
            return None;
        }
        let skipped = seat.end(ended, self.jitter, now);
        self.sit_down(name);
        skipped
    }

    /// When the next turn begins, if not now; `None` while only the end of a run can make one.
    #[must_use]
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        let run_at = match self.next_waiting() {
            Some(_) => Some(self.next_start),
            None if self.running >= self.runs_max => None,
            None => self.ahead.first().map(|(starts_at, _)| *starts_at),
        };
        let watch_at = self.next_watch().map(|(watch_at, _)| *watch_at);
        let next = [run_at, watch_at].into_iter().flatten().min();
        next.map(|at| at.max(self.next_start))
    }

    /// The next run of a member; `None`: it left.
    #[must_use]
    pub fn next_run_at(&self, name: &ConnectionName) -> Option<DateTime<Utc>> {
        self.seats.get(name).map(|seat| seat.starts_at)
    }

    /// The next run of all, and whose.
    #[must_use]
    pub fn next_run(&self) -> Option<(DateTime<Utc>, &ConnectionName)> {
        let waits = self.waiting.first().map(|Place { due_at, name, .. }| (*due_at, name));
        waits.or_else(|| self.ahead.first().map(|(at, name)| (*at, name)))
    }

    /// Everybody's turn, to be shown.
    pub fn shown(&self) -> impl Iterator<Item = (&ConnectionName, TurnShown)> {
        self.seats.iter().map(|(name, seat)| (name, seat.shown()))
    }

    /// How many entries all collections hold.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.seats.len() + self.ahead.len() + self.waiting.len() + self.watches.len()
    }

    /// Whose run begins next, if one may. At most half of the places go to those whose last run was slow,
    /// while there are others: accounts that hang keep nobody waiting twice.
    fn next_waiting(&self) -> Option<&ConnectionName> {
        if self.running >= self.runs_max {
            return None;
        }
        let may_slow = self.running_slow < (self.runs_max / 2).max(1);
        let may_run = |name: &&ConnectionName| may_slow || !self.seats[*name].is_slow;
        let mut waiting = self.waiting.iter().map(|place| &place.name);
        match waiting.clone().find(may_run) {
            None if self.seats.values().all(|seat| seat.is_slow) => waiting.next(),
            next => next,
        }
    }

    /// Whose keys are looked at next, if they may be.
    fn next_watch(&self) -> Option<&(DateTime<Utc>, ConnectionName)> {
        self.watches.first().filter(|_| self.watching < self.runs_max)
    }

    /// A clock that was set back must not leave anybody waiting for the old time to return.
    fn notice_clock(&mut self, now: DateTime<Utc>) {
        if now < self.seen_at {
            self.next_start = self.next_start.min(now);
            self.seats.values_mut().for_each(|seat| seat.notice_clock_step(self.jitter, now));
            self.order_anew();
        }
        self.seen_at = now;
    }

    fn order_anew(&mut self) {
        self.ahead.clear();
        self.waiting.clear();
        self.watches.clear();
        let names: Vec<_> = self.seats.keys().cloned().collect();
        names.iter().for_each(|name| self.sit_down(name));
    }

    /// Puts who is at rest in order.
    fn sit_down(&mut self, name: &ConnectionName) {
        let Some(seat) = self.seats.get(name).filter(|seat| seat.busy.is_none()) else { return };
        self.ahead.insert((seat.starts_at, name.clone()));
        self.watches.insert((seat.watch_at, name.clone()));
    }

    /// Takes who is at rest out of the order.
    fn rise(&mut self, name: &ConnectionName) -> &mut Seat {
        let seat = self.seats.get_mut(name).expect("who is in order has a seat");
        self.ahead.remove(&(seat.starts_at, name.clone()));
        self.waiting.remove(&seat.place());
        self.watches.remove(&(seat.watch_at, name.clone()));
        seat
    }
}
