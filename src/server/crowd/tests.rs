//! Who gets in, who waits and who gives way, on a clock that the test moves.

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::clock::Simulated;

fn crowd(connections_max: usize) -> (Arc<Crowd>, Arc<Simulated>) {
    let clock = Clock::hurried(DateTime::UNIX_EPOCH);
    let Clock::Simulated(hand) = &clock else { unreachable!("a hurried clock is simulated") };
    let hand = Arc::clone(hand);
    (Arc::new(Crowd::new(connections_max, clock)), hand)
}

fn stepped(connections_max: usize) -> (Arc<Crowd>, Arc<Simulated>) {
    let (clock, hand) = Clock::stepped(DateTime::UNIX_EPOCH);
    (Arc::new(Crowd::new(connections_max, clock)), hand)
}

async fn enter(crowd: &Arc<Crowd>, address: &str) -> Guest {
    crowd.enter(address.parse().unwrap()).await.expect("few wait")
}

fn seconds_later(hand: &Simulated, seconds: i64) {
    hand.advance_to(hand.now() + TimeDelta::seconds(seconds));
}

/// Whether it must go.
fn goes(guest: &mut Guest) -> bool {
    guest.gives_way.try_recv() == Err(oneshot::error::TryRecvError::Closed)
}

#[tokio::test]
async fn the_one_of_no_use_for_longest_gives_way() {
    let (crowd, hand) = crowd(6);
    let mut first = enter(&crowd, "127.0.0.1").await;
    let mut second = enter(&crowd, "127.0.0.1").await;
    let mut third = enter(&crowd, "127.0.0.1").await;
    seconds_later(&hand, 1);
    first.usage().touch();
    third.usage().touch();
    let _fourth = enter(&crowd, "127.0.0.1").await;
    assert_eq!([goes(&mut first), goes(&mut second), goes(&mut third)], [false, true, false]);
}

#[tokio::test]
async fn one_whose_answer_is_put_together_is_in_use_until_it_begins() {
    let (crowd, hand) = crowd(4);
    let mut asking = enter(&crowd, "127.0.0.1").await;
    let mut silent = enter(&crowd, "127.0.0.1").await;
    asking.usage().asked();
    seconds_later(&hand, 1);
    silent.usage().touch();
    let mut third = enter(&crowd, "127.0.0.1").await;
    assert_eq!([goes(&mut asking), goes(&mut silent)], [false, true]);
    asking.usage().touch();
    seconds_later(&hand, 1);
    third.usage().touch();
    let _fourth = enter(&crowd, "127.0.0.1").await;
    assert_eq!([goes(&mut asking), goes(&mut third)], [true, false]);
}

#[tokio::test]
async fn whoever_comes_has_time_to_ask() {
    let (crowd, hand) = crowd(4);
    let _first = enter(&crowd, "127.0.0.1").await;
    let mut second = enter(&crowd, "127.0.0.1").await;
    let came_at = hand.now();
    let _third = enter(&crowd, "127.0.0.1").await;
    let _fourth = enter(&crowd, "127.0.0.1").await;
    assert!(goes(&mut second));
    assert_eq!(hand.now() - came_at, TimeDelta::from_std(IDLE_MIN).unwrap());
}

/// Moves the clock to each wake in turn, until nobody sleeps; `meanwhile` happens just before they wake.
async fn let_pass(hand: &Simulated, meanwhile: impl Fn()) {
    loop {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let Some(wake) = hand.next_wake() else { break };
        hand.advance_to(wake);
        meanwhile();
    }
}

#[tokio::test]
async fn of_three_times_as_many_as_there_is_room_for_each_has_time_to_ask_in_their_order() {
    let (crowd, hand) = stepped(8);
    let (stays, mut stayed) = sync::mpsc::unbounded_channel();
    for n in 0..12 {
        let (crowd, hand, stays) = (Arc::clone(&crowd), Arc::clone(&hand), stays.clone());
        tokio::spawn(async move {
            let mut guest = enter(&crowd, "127.0.0.1").await;
            let came_at = hand.now();
            stays.send((n, None)).unwrap();
            guest.gives_way().await;
            stays.send((n, Some(hand.now() - came_at))).unwrap();
        });
    }
    let_pass(&hand, || {}).await;
    let (mut came, mut gave_way) = (Vec::new(), Vec::new());
    while let Ok((n, stay)) = stayed.try_recv() {
        match stay {
            None => came.push(n),
            Some(stay) => gave_way.push(stay),
        }
    }
    assert_eq!(came, (0..12).collect::<Vec<_>>());
    assert_eq!(gave_way, [TimeDelta::from_std(IDLE_MIN).unwrap(); 8]);
}

#[tokio::test]
async fn whoever_is_next_gets_in_though_all_others_are_in_use() {
    let (crowd, hand) = stepped(4);
    let held = [enter(&crowd, "127.0.0.1").await, enter(&crowd, "127.0.0.1").await];
    let came_at = hand.now();
    let third = Arc::clone(&crowd);
    let third = tokio::spawn(async move { enter(&third, "127.0.0.1").await });
    let_pass(&hand, || held.iter().for_each(|guest| guest.usage().touch())).await;
    third.await.unwrap();
    assert_eq!(hand.now() - came_at, TimeDelta::from_std(WAIT_MAX).unwrap());
}

#[tokio::test]
async fn who_finds_too_many_waiting_is_turned_away_and_others_wait_on() {
    let (crowd, hand) = stepped(4);
    let mut entering = tokio::task::JoinSet::new();
    for _ in 0..2 + WAITING_MAX + 1 {
        let crowd = Arc::clone(&crowd);
        entering.spawn(async move { crowd.enter("192.0.2.1".parse().unwrap()).await });
    }
    let other = Arc::clone(&crowd);
    entering.spawn(async move { other.enter("192.0.2.2".parse().unwrap()).await });
    let_pass(&hand, || {}).await;
    let came = entering.join_all().await;
    assert_eq!(came.iter().filter(|came| came.is_none()).count(), 1);
    assert!(crowd.guests().queues.is_empty());
}

#[tokio::test]
async fn one_address_has_half_of_the_room_and_who_has_most_gives_way() {
    let (crowd, _hand) = crowd(4);
    let mut other = enter(&crowd, "192.0.2.1").await;
    let mut many = Vec::new();
    for _ in 0..10 {
        many.push(enter(&crowd, "192.0.2.2").await);
    }
    assert_eq!(crowd.guests().present.len(), 3);
    let _third = enter(&crowd, "192.0.2.3").await;
    let _fourth = enter(&crowd, "192.0.2.4").await;
    assert!(!goes(&mut other));
    assert_eq!(many.iter_mut().map(goes).filter(|goes| !goes).count(), 1);
}

#[tokio::test]
async fn who_goes_leaves_room() {
    let (crowd, _hand) = crowd(4);
    let mut first = enter(&crowd, "192.0.2.1").await;
    for _ in 0..10 {
        drop(enter(&crowd, "192.0.2.1").await);
    }
    assert!(!goes(&mut first));
    assert_eq!(crowd.guests().present.len(), 1);
}

#[test]
fn a_network_of_version_6_is_one() {
    let one = |address: &str| peer(address.parse().unwrap());
    assert_eq!(one("2001:db8:1:2:3:4:5:6"), one("2001:db8:1:2::1"));
    assert_ne!(one("2001:db8:1:2::1"), one("2001:db8:1:3::1"));
    assert_eq!(one("::ffff:192.0.2.1"), one("192.0.2.1"));
}
