//! A clock that is wrong is said, and days are counted by the server's.

use std::time::Instant;

use chrono::{Days, TimeDelta};
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Simulator, Size, Switches, World};

use crate::harness::{Bench, Setup};
use crate::patience::today;

/// A synced account whose server is so far ahead of this machine.
async fn bench(ahead: TimeDelta) -> Bench {
    let mut world = World::generate(131, &Size::small().with("measures", 5));
    world.now = Clock::System.now() - TimeDelta::days(30);
    let switches = Switches { date_skew: ahead, ..Switches::default() };
    let expires = today().checked_add_days(Days::new(40));
    Setup { switches, expires, measure_data: "off", ..Setup::of(world) }.start().await
}

fn set(simulator: &Simulator, ahead: TimeDelta) {
    simulator.switch(|switches| switches.date_skew = ahead);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_more_than_five_minutes_off_is_said_once_until_it_is_right() {
    for (minutes, our_clock) in [(7, "behind"), (-7, "ahead")] {
        let bench = bench(TimeDelta::minutes(minutes)).await;
        let started = Instant::now();
        let ran = bench.sync_full().await;
        let took = started.elapsed().as_secs();
        assert_eq!(ran.said("clock_skew"), 1, "{ran}");
        ran.assert_names(&["clock_skew", "WARN", our_clock]);
        let seconds: i64 = ran.told("seconds").unwrap().parse().unwrap();
        assert!((seconds - 420).unsigned_abs() <= 2 + took, "within {took} s: {ran}");
        assert_eq!(bench.sync_full().await.said("clock_skew"), 0);
        set(&bench.simulator, TimeDelta::minutes(minutes / 2));
        let ran = bench.sync_full().await;
        assert_eq!(ran.told("resolved").as_deref(), Some("clock_skew"), "{ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_minutes_are_nothing() {
    let bench = bench(TimeDelta::minutes(4)).await;
    assert_eq!(bench.sync_full().await.said("clock_skew"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_of_a_key_are_counted_by_the_servers_clock() {
    let bench = bench(TimeDelta::days(12)).await;
    let ran = bench.sync_full().await;
    let days_left: i64 = ran.told("key_days_left").unwrap().parse().unwrap();
    assert!((27..=28).contains(&days_left), "{ran}");
}
