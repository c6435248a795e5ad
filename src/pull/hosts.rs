//! Politeness: how many requests a second, and how many at once, per connection and per host; lowered
//! when the server says it is too much, raised again slowly. And the hour before which a host asked
//! not to be asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use url::Url;

use crate::clock::Clock;
use crate::config::HostLimits;

/// What is left of the limits at least, after the server complained again and again.
const SHARE_MIN: f64 = 1.0 / 16.0;
/// What one good answer gives back.
const SHARE_BACK: f64 = 0.02;
/// Complaints within this time are one: they answer requests that went out together.
const COMPLAINT: TimeDelta = TimeDelta::seconds(1);
/// A token further away than this was reckoned before the clock was set back.
const TOKEN_FAR: TimeDelta = TimeDelta::minutes(5);

/// Every host that is asked, shared by all connections.
#[derive(Debug)]
pub struct Hosts {
    limits: HostLimits,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

impl Hosts {
    /// No hosts yet, all under the same limits.
    #[must_use]
    pub fn new(limits: HostLimits) -> Self {
        Self { limits, hosts: Mutex::default() }
    }

    /// The host behind a URL (with its port).
    #[must_use]
    pub fn host(&self, url: &Url) -> Arc<Host> {
        let name = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let HostLimits { requests_per_second, concurrency } = self.limits;
        let mut hosts = locked(&self.hosts);
        let host = hosts.entry(format!("{name}:{port}")).or_insert_with(|| {
            Arc::new(Host {
                limiter: Limiter::new(requests_per_second, concurrency),
                not_before: Mutex::default(),
            })
        });
        Arc::clone(host)
    }
}

/// One host.
#[derive(Debug)]
pub struct Host {
    /// The limits shared by all connections to it.
    pub limiter: Limiter,
    not_before: Mutex<Option<DateTime<Utc>>>,
}

impl Host {
    /// The instant before which nothing may ask this host, if that is still to come.
    #[must_use]
    pub fn not_before(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        locked(&self.not_before).filter(|until| *until > now)
    }

    /// Nothing asks this host before `until`; never shortened.
    pub fn ask_not_before(&self, until: DateTime<Utc>) {
        let mut not_before = locked(&self.not_before);
        *not_before = (*not_before).max(Some(until));
    }
}

/// A limit on requests a second (in bursts of one second's worth) and on requests at once.
#[derive(Debug)]
pub struct Limiter {
    requests_per_second: f64,
    concurrency: u32,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    /// What part of the limits is in force.
    share: f64,
    lowered_at: Option<DateTime<Utc>>,
    /// When the next request would go if all went evenly.
    next_at: Option<DateTime<Utc>>,
    under_way: u32,
}

/// Leave to have one request under way; given back when dropped.
#[derive(Debug)]
pub struct Ticket<'a>(&'a Limiter);

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        locked(&self.0.state).under_way -= 1;
        self.0.freed.notify_one();
    }
}

impl Limiter {
    /// A limiter at its full limits.
    #[must_use]
    pub fn new(requests_per_second: f64, concurrency: u32) -> Self {
        let state = State { share: 1.0, lowered_at: None, next_at: None, under_way: 0 };
        Self { requests_per_second, concurrency, state: Mutex::new(state), freed: Notify::new() }
    }

    /// Waits until one more request may go.
    pub async fn enter(&self, clock: &Clock) -> Ticket<'_> {
        let ticket = loop {
            if let Some(ticket) = self.try_enter() {
                break ticket;
            }
            self.freed.notified().await;
        };
        let wait = self.take_token(clock.now());
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        ticket
    }

    /// The server complained (429, 503): half of what was allowed.
    pub fn lower(&self, now: DateTime<Utc>) {
        let mut state = locked(&self.state);
        if state.lowered_at.is_none_or(|at| now - at >= COMPLAINT || now < at) {
            state.share = (state.share / 2.0).max(SHARE_MIN);
            state.lowered_at = Some(now);
        }
    }

    /// The server answered well: a little more is allowed again.
    pub fn raise(&self) {
        let mut state = locked(&self.state);
        if state.share < 1.0 {
            state.share = (state.share + SHARE_BACK).min(1.0);
            drop(state);
            self.freed.notify_one();
        }
    }

    fn try_enter(&self) -> Option<Ticket<'_>> {
        let mut state = locked(&self.state);
        let allowed = (f64::from(self.concurrency) * state.share).max(1.0);
        (f64::from(state.under_way) + 1.0 <= allowed).then(|| {
            state.under_way += 1;
            Ticket(self)
        })
    }

    fn take_token(&self, now: DateTime<Utc>) -> Duration {
        let mut state = locked(&self.state);
        let rate = (self.requests_per_second * state.share).max(0.001);
        let spacing = 1.0 / rate;
        let burst = (rate - 1.0).max(0.0) * spacing;
        let next_at = state.next_at.filter(|at| *at - now < TOKEN_FAR);
        let next_at = next_at.unwrap_or(now).max(now);
        state.next_at = Some(next_at + seconds(spacing));
        (next_at - seconds(burst) - now).to_std().unwrap_or_default()
    }
}

fn seconds(seconds: f64) -> TimeDelta {
    TimeDelta::from_std(Duration::from_secs_f64(seconds)).unwrap_or(TimeDelta::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    async fn seconds_for(limiter: &Limiter, requests: u32) -> f64 {
        let clock = Clock::hurried(noon());
        for _ in 0..requests {
            drop(limiter.enter(&clock).await);
        }
        (clock.now() - noon()).as_seconds_f64()
    }

    #[tokio::test]
    async fn requests_keep_to_the_rate_after_one_seconds_worth() {
        let limiter = Limiter::new(4.0, 4);
        let took = seconds_for(&limiter, 44).await;
        assert!((took - 10.0).abs() < 0.3, "{took}");
    }

    #[tokio::test]
    async fn a_complaint_halves_the_rate_and_good_answers_bring_it_back() {
        let limiter = Limiter::new(4.0, 4);
        limiter.lower(noon());
        limiter.lower(noon());
        let took = seconds_for(&limiter, 42).await;
        assert!((took - 20.0).abs() < 0.6, "{took}");
        (0..25).for_each(|_| limiter.raise());
        let took = seconds_for(&Limiter::new(4.0, 4), 44).await;
        assert!((took - 10.0).abs() < 0.3, "{took}");
    }

    #[tokio::test]
    async fn no_more_than_the_limit_are_under_way_at_once() {
        let limiter = Limiter::new(1000.0, 2);
        let clock = Clock::hurried(noon());
        let first = limiter.enter(&clock).await;
        let _second = limiter.enter(&clock).await;
        assert!(limiter.try_enter().is_none());
        drop(first);
        assert!(limiter.try_enter().is_some());
    }

    #[tokio::test]
    async fn a_clock_set_back_does_not_stop_requests() {
        let limiter = Limiter::new(1.0, 1);
        drop(limiter.enter(&Clock::hurried(noon() + TimeDelta::days(1))).await);
        assert!(seconds_for(&limiter, 1).await < 2.0);
    }

    #[test]
    fn the_hour_a_host_asked_for_is_never_shortened() {
        let hosts = Hosts::new(HostLimits { requests_per_second: 1.0, concurrency: 1 });
        let host = hosts.host(&Url::parse("https://example.com/api").unwrap());
        host.ask_not_before(noon() + TimeDelta::hours(2));
        host.ask_not_before(noon() + TimeDelta::hours(1));
        let same = hosts.host(&Url::parse("https://EXAMPLE.com:443/").unwrap());
        assert_eq!(same.not_before(noon()), Some(noon() + TimeDelta::hours(2)));
        assert_eq!(same.not_before(noon() + TimeDelta::hours(3)), None);
    }
}
