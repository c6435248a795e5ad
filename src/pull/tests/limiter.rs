//! Limits kept, and shared fairly.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::poll_immediate;

use super::*;
use crate::clock::Simulated;
use crate::pull::limiter::{Limiter, Ticket};

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn name(name: &str) -> ConnectionName {
    ConnectionName::parse(name).unwrap()
}

async fn seconds_for(limiter: &Limiter, requests: u32) -> f64 {
    let clock = Clock::hurried(noon());
    for _ in 0..requests {
        drop(limiter.enter(&name("city"), &clock).await);
    }
    (clock.now() - noon()).as_seconds_f64()
}

/// A limiter under a clock that the test moves.
struct Gate {
    limiter: Limiter,
    clock: Clock,
    hand: Arc<Simulated>,
}

impl Gate {
    fn new(concurrency: u32) -> Self {
        let (clock, hand) = Clock::stepped(noon());
        Self { limiter: Limiter::new(1000.0, concurrency), clock, hand }
    }

    /// As many tickets of `who` as there are now, but no more than `most`.
    fn take(&self, who: &str, most: usize) -> Vec<Ticket<'_>> {
        let who = name(who);
        let one = || self.limiter.enter(&who, &self.clock).now_or_never();
        std::iter::from_fn(one).take(most).collect()
    }

    fn let_pass(&self, seconds: i64) {
        self.hand.advance_to(self.clock.now() + TimeDelta::seconds(seconds));
    }
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
async fn a_connection_that_is_alone_may_use_the_whole_limit() {
    let gate = Gate::new(2);
    let both = gate.take("city", 9);
    assert_eq!(both.len(), 2);
    assert!(gate.take("city", 1).is_empty());
    drop(both);
    assert_eq!(gate.take("city", 1).len(), 1);
}

#[tokio::test]
async fn each_that_comes_finds_room_that_those_before_left() {
    let gate = Gate::new(8);
    drop((gate.take("a", 1), gate.take("b", 1), gate.take("c", 1), gate.take("d", 1)));
    let held = ["a", "b", "c", "d"].map(|who| gate.take(who, 9));
    assert_eq!(held.map(|held| held.len()), [4, 2, 1, 1]);
}

#[tokio::test]
async fn however_many_slow_ones_there_are_half_is_left_for_the_quick() {
    let gate = Gate::new(8);
    drop(gate.take("quick", 1));
    let slow = ["s1", "s2", "s3", "s4"];
    // Nobody knows yet that they are slow: they take all there is.
    let first: Vec<_> = slow.iter().flat_map(|who| gate.take(who, 4)).collect();
    assert_eq!(first.len(), 8);
    gate.let_pass(60);
    drop(first);
    let then: Vec<_> = slow.iter().flat_map(|who| gate.take(who, 4)).collect();
    assert_eq!(then.len(), 4);
    assert_eq!(gate.take("quick", 2).len(), 2);
    gate.let_pass(1);
    drop(then);
    let mended: Vec<_> = slow.iter().flat_map(|who| gate.take(who, 4)).collect();
    assert!(mended.len() > 4, "quick answers make up for it");
}

#[tokio::test]
async fn those_who_hold_least_go_first_and_take_turns() {
    let gate = Gate::new(2);
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let ask = |who: &'static str| {
        let (gate, served) = (&gate, Arc::clone(&served));
        async move {
            let _ticket = gate.limiter.enter(&name(who), &gate.clock).await;
            served.lock().unwrap().push(who);
            tokio::task::yield_now().await;
        }
    };
    let greedy = futures_util::future::join_all((0..6).map(|_| ask("greedy")));
    tokio::join!(greedy, ask("modest"), ask("shy"));
    let order = served.lock().unwrap().clone();
    let place = |who| order.iter().position(|served| *served == who).unwrap();
    assert!(place("modest") <= 3 && place("shy") <= 4, "{order:?}");
}

/// A request that waits for its token holds no place that another could use.
#[tokio::test]
async fn nobody_sits_on_a_place_while_waiting_for_a_token() {
    let clock = Clock::hurried(noon());
    let limiter = Limiter::new(1.0, 4);
    drop(limiter.enter(&name("city"), &clock).await);
    let stepped = Clock::stepped(noon()).0;
    assert!(limiter.enter(&name("city"), &stepped).now_or_never().is_none());
    limiter.set(1000.0, 4);
    let later = Clock::stepped(noon() + TimeDelta::seconds(2)).0;
    let port = name("port");
    let tickets = std::iter::from_fn(|| limiter.enter(&port, &later).now_or_never());
    assert_eq!(tickets.take(2).count(), 2);
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_requests() {
    let limiter = Limiter::new(1.0, 1);
    drop(limiter.enter(&name("city"), &Clock::hurried(noon() + TimeDelta::days(1))).await);
    assert!(seconds_for(&limiter, 1).await < 2.0);
}

#[tokio::test]
async fn a_rate_of_less_than_one_in_five_minutes_is_kept_too() {
    let took = seconds_for(&Limiter::new(0.0025, 1), 4).await;
    assert!((took - 1200.0).abs() < 1.0, "{took}");
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn of_many_that_wait_one_is_woken_for_one_place() {
    let gate = Gate::new(1);
    let held = gate.take("first", 1);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let crowd: Vec<_> = (0..50).map(|n| name(&format!("c{n}"))).collect();
    let mut waiting: Vec<_> =
        crowd.iter().map(|who| Box::pin(gate.limiter.enter(who, &gate.clock))).collect();
    let mut poll = |n: usize| pin!(&mut waiting[n]).poll(&mut Context::from_waker(&waker));
    assert!((0..50).map(&mut poll).all(|polled| polled.is_pending()));
    drop(held);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    let went: Vec<_> = (0..50).map(poll).filter(Poll::is_ready).collect();
    assert_eq!(went.len(), 1);
}

#[tokio::test]
async fn who_asks_for_nothing_for_two_days_is_forgotten() {
    let gate = Gate::new(2);
    drop((gate.take("gone", 1), gate.take("city", 1)));
    assert_eq!(gate.take("city", 9).len(), 1, "room is kept for the other");
    gate.let_pass(49 * 3600);
    assert_eq!(gate.take("city", 9).len(), 2);
}

/// Asks again and again, and gives up as often as not.
async fn come_and_go(limiter: Arc<Limiter>, who: ConnectionName, mut dice: fastrand::Rng) {
    for _ in 0..1000 {
        let mut entering = Box::pin(limiter.enter(&who, &Clock::System));
        let mut ticket = None;
        for _ in 0..dice.u8(0..6) {
            ticket = ticket.or(poll_immediate(&mut entering).await);
            if ticket.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let ticket = if ticket.is_none() && dice.bool() { Some(entering.await) } else { ticket };
        match dice.u8(0..40) {
            0 => limiter.lower(Clock::System.now()),
            1 => limiter.set(1e6, dice.u32(1..5)),
            2..5 => limiter.raise(),
            _ => tokio::task::yield_now().await,
        }
        drop(ticket);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_ever_however_many_come_and_give_up() {
    let limiter = Arc::new(Limiter::new(1e6, 3));
    let tasks = (0..24).map(|n| {
        let who = name(&format!("c{}", n % 7));
        tokio::spawn(come_and_go(Arc::clone(&limiter), who, fastrand::Rng::with_seed(n)))
    });
    let ended = tokio::time::timeout(Duration::from_secs(60), futures_util::future::join_all(tasks)).await;
    assert!(ended.unwrap().into_iter().all(|task| task.is_ok()));
}
