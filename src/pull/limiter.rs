//! Politeness and fairness: how many requests a second and how many at once, lowered when the server
//! says it is too much and raised again slowly; and who goes next where several connections want more
//! than there is.
//!
//! Nothing that is under way is ever taken back, so room is kept for those who come later: a connection
//! takes one more only while more is free than it holds, and connections whose answers are slow take no
//! more than half of all while there are quick ones. Whoever holds least goes first, and of equals who
//! waited longest for its last leave.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::name::ConnectionName;

/// What is left of the limits at least, after the server complained again and again.
const SHARE_MIN: f64 = 1.0 / 16.0;
/// What one good answer gives back.
const SHARE_BACK: f64 = 0.02;
/// Complaints within this time are one: they answer requests that went out together.
const COMPLAINT: TimeDelta = TimeDelta::seconds(1);
/// A token further away than this, and than the next one ever is, was reckoned before the clock was set back.
const TOKEN_FAR: TimeDelta = TimeDelta::minutes(5);
/// An answer that takes this long is slow, and so is whoever it belongs to, until a quick one.
const SLOW: TimeDelta = TimeDelta::seconds(5);
/// Who asked for nothing this long is forgotten: longer than from one full run to the next.
const ACCOUNT_KEPT: TimeDelta = TimeDelta::days(2);
/// How often is looked for whom to forget.
const FORGET_EVERY: TimeDelta = TimeDelta::hours(1);

/// A limit on requests a second (in bursts of one second's worth) and on requests at once.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    requests_per_second: f64,
    concurrency: u32,
    /// What part of the limits is in force.
    share: f64,
    lowered_at: Option<DateTime<Utc>>,
    /// When the next request would go if all went evenly.
    next_at: Option<DateTime<Utc>>,
    /// Who has requests under way or waiting.
    busy: HashMap<ConnectionName, Account>,
    /// Who has none, but asked within [`ACCOUNT_KEPT`].
    idle: HashMap<ConnectionName, Account>,
    /// How many of those are slow.
    idle_slow: usize,
    forgot_at: Option<DateTime<Utc>>,
    /// Counts leaves to go and places in the queue.
    sequence: u64,
}

/// One connection, as this limiter knows it.
#[derive(Debug)]
struct Account {
    /// When each of its requests under way began.
    under_way: Vec<DateTime<Utc>>,
    /// Its requests that wait, in order.
    waiting: VecDeque<Waiter>,
    /// When it last got leave, as a count.
    last_leave: u64,
    was_slow: bool,
    asked_at: DateTime<Utc>,
}

/// A request that waits.
#[derive(Debug, Clone)]
struct Waiter {
    number: u64,
    /// It may go now, or knows best when it may.
    woken: Arc<Notify>,
}

/// Leave to have one request under way; given back when dropped.
#[derive(Debug)]
pub struct Ticket<'a> {
    limiter: &'a Limiter,
    who: ConnectionName,
    since: DateTime<Utc>,
    clock: Clock,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.limiter.change(&self.who, now, |account| {
            let idx = account.under_way.iter().position(|since| *since == self.since);
            idx.map(|idx| account.under_way.swap_remove(idx));
            account.was_slow = now - self.since >= SLOW;
        });
    }
}

/// A place in the queue; left when dropped.
struct Place<'a> {
    limiter: &'a Limiter,
    who: &'a ConnectionName,
    clock: &'a Clock,
    waiter: Waiter,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let number = self.waiter.number;
        self.limiter.change(self.who, self.clock.now(), |account| {
            account.waiting.retain(|waiter| waiter.number != number);
        });
    }
}

/// What a request that waits is to do.
enum Step {
    Go,
    /// Its turn comes with the next token.
    Token(Duration),
    /// Others go first, or all places are taken.
    Wait,
}

impl Limiter {
    /// A limiter at its full limits.
    #[must_use]
    pub fn new(requests_per_second: f64, concurrency: u32) -> Self {
        let state = State {
            requests_per_second,
            concurrency,
            share: 1.0,
            lowered_at: None,
            next_at: None,
            busy: HashMap::new(),
            idle: HashMap::new(),
            idle_slow: 0,
            forgot_at: None,
            sequence: 0,
        };
        Self { state: Mutex::new(state) }
    }

    /// Puts other limits in force; what the server said of the old ones stays.
    pub fn set(&self, requests_per_second: f64, concurrency: u32) {
        let mut state = self.locked();
        state.requests_per_second = requests_per_second;
        state.concurrency = concurrency;
        state.wake_all();
    }

    /// Waits until one more request of `who` may go.
    pub async fn enter(&self, who: &ConnectionName, clock: &Clock) -> Ticket<'_> {
        let waiter = self.locked().queue(who, clock.now());
        let place = Place { limiter: self, who, clock, waiter };
        let Waiter { number, woken } = &place.waiter;
        loop {
            let now = clock.now();
            let step = self.locked().step(who, *number, now);
            match step {
                Step::Go => {
                    drop(place);
                    return Ticket { limiter: self, who: who.clone(), since: now, clock: clock.clone() };
                }
                Step::Token(wait) => tokio::select! {
                    // Meanwhile it may have become somebody else's.
                    () = clock.sleep(wait) => self.locked().wake(clock.now()),
                    () = woken.notified() => {}
                },
                Step::Wait => woken.notified().await,
            }
        }
    }

    /// The server complained (429, 503): half of what was allowed.
    pub fn lower(&self, now: DateTime<Utc>) {
        let mut state = self.locked();
        if state.lowered_at.is_none_or(|at| now - at >= COMPLAINT || now < at) {
            state.share = (state.share / 2.0).max(SHARE_MIN);
            state.lowered_at = Some(now);
        }
    }

    /// The server answered well: a little more is allowed again.
    pub fn raise(&self) {
        let mut state = self.locked();
        if state.share < 1.0 {
            state.share = (state.share + SHARE_BACK).min(1.0);
            state.wake_all();
        }
    }

    /// Changes an account, and wakes whoever goes next then.
    fn change(&self, who: &ConnectionName, now: DateTime<Utc>, change: impl FnOnce(&mut Account)) {
        let mut state = self.locked();
        if let Some(account) = state.busy.get_mut(who) {
            change(account);
            state.rest(who);
        }
        state.wake(now);
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, who: &ConnectionName, now: DateTime<Utc>) -> Waiter {
        self.forget(now);
        self.sequence += 1;
        let account = self.busy.entry(who.clone()).or_insert_with(|| {
            let known = self.idle.remove(who);
            self.idle_slow -= usize::from(known.as_ref().is_some_and(|account| account.was_slow));
            known.unwrap_or_else(|| Account {
                under_way: Vec::new(),
                waiting: VecDeque::new(),
                last_leave: 0,
                was_slow: false,
                asked_at: now,
            })
        });
        account.asked_at = now;
        let waiter = Waiter { number: self.sequence, woken: Arc::default() };
        account.waiting.push_back(waiter.clone());
        waiter
    }

    /// Puts an account aside that wants nothing any more.
    fn rest(&mut self, who: &ConnectionName) {
        let is_idle = |account: &mut Account| account.under_way.is_empty() && account.waiting.is_empty();
        if self.busy.get_mut(who).is_some_and(is_idle)
            && let Some((who, account)) = self.busy.remove_entry(who)
        {
            self.idle_slow += usize::from(account.was_slow);
            self.idle.insert(who, account);
        }
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        let soon = TimeDelta::zero()..FORGET_EVERY;
        if !self.forgot_at.is_some_and(|at| soon.contains(&(now - at))) {
            self.forgot_at = Some(now);
            self.idle.retain(|_, account| now - account.asked_at < ACCOUNT_KEPT);
            self.idle_slow = self.idle.values().filter(|account| account.was_slow).count();
        }
    }

    /// Wakes whoever goes next, and nobody else: where many wait, each has to be looked at.
    fn wake(&self, now: DateTime<Utc>) {
        let next = self.next(now).and_then(|who| self.busy[who].waiting.front());
        if let Some(waiter) = next {
            waiter.woken.notify_one();
        }
    }

    /// Lets all look for themselves.
    fn wake_all(&self) {
        for waiter in self.busy.values().filter_map(|account| account.waiting.front()) {
            waiter.woken.notify_one();
        }
    }

    /// Decides for one request that waits; one that goes has taken its place and its token.
    fn step(&mut self, who: &ConnectionName, number: u64, now: DateTime<Utc>) -> Step {
        let is_next = self.next(now).is_some_and(|next| next == who);
        if !is_next || self.busy[who].waiting.front().is_none_or(|first| first.number != number) {
            return Step::Wait;
        }
        let wait = self.token_in(now);
        if !wait.is_zero() {
            return Step::Token(wait);
        }
        self.take_token(now);
        self.sequence += 1;
        let last_leave = self.sequence;
        let account = self.busy.get_mut(who).expect("who waits has an account");
        account.under_way.push(now);
        account.last_leave = last_leave;
        Step::Go
    }

    /// Whose request goes next, if any may go.
    fn next(&self, now: DateTime<Utc>) -> Option<&ConnectionName> {
        let taken: usize = self.busy.values().map(|account| account.under_way.len()).sum();
        let free = self.allowed().checked_sub(taken).filter(|free| *free > 0)?;
        let is_alone = self.known() == 1;
        let may_slow = self.may_slow(now);
        let may_go = |account: &&Account| {
            let held = account.under_way.len();
            !account.waiting.is_empty()
                && (is_alone || held == 0 || free > held)
                && (may_slow || !account.is_slow(now))
        };
        let waiting = self.busy.iter().filter(|(_, account)| may_go(account));
        let next = waiting.min_by_key(|(_, account)| (account.under_way.len(), account.last_leave));
        next.map(|(who, _)| who)
    }

    /// Whether one more request of a slow connection may go.
    fn may_slow(&self, now: DateTime<Utc>) -> bool {
        let slow = self.busy.values().filter(|account| account.is_slow(now));
        let (count, taken) = slow.fold((self.idle_slow, 0), |(count, taken), account| {
            (count + 1, taken + account.under_way.len())
        });
        count == self.known() || taken < (self.allowed() / 2).max(1)
    }

    /// How many connections are known.
    fn known(&self) -> usize {
        self.busy.len() + self.idle.len()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a u32")]
    fn allowed(&self) -> usize {
        (f64::from(self.concurrency) * self.share).max(1.0) as usize
    }

    /// How long until the next token.
    fn token_in(&self, now: DateTime<Utc>) -> Duration {
        let burst = (self.rate() - 1.0).max(0.0) / self.rate();
        (self.token_at(now) - seconds(burst) - now).to_std().unwrap_or_default()
    }

    fn take_token(&mut self, now: DateTime<Utc>) {
        self.next_at = Some(self.token_at(now) + seconds(1.0 / self.rate()));
    }

    fn token_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let far = TOKEN_FAR.max(seconds(1.0 / self.rate()));
        self.next_at.filter(|at| *at - now <= far).unwrap_or(now).max(now)
    }

    fn rate(&self) -> f64 {
        (self.requests_per_second * self.share).max(0.001)
    }
}

impl Account {
    fn is_slow(&self, now: DateTime<Utc>) -> bool {
        self.was_slow || self.under_way.iter().any(|since| now - *since >= SLOW)
    }
}

fn seconds(seconds: f64) -> TimeDelta {
    TimeDelta::from_std(Duration::from_secs_f64(seconds)).unwrap_or(TimeDelta::MAX)
}
