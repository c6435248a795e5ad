//! Who is connected. There is room for so many at a time, half of it at most for one address, and whoever comes
//! gets in: where there is no room, the connection gives way that has been of no use for longest.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;

/// Who has asked is in use for so much longer, until the answer begins: to put it together takes its time.
const ANSWER: Duration = Duration::from_secs(2);

/// Whoever comes waits until the idlest has been idle for so long: then each gets to ask, however many come.
const IDLE_MIN: Duration = Duration::from_millis(50);

/// Who is connected.
#[derive(Debug)]
pub(super) struct Crowd {
    guests: Mutex<Guests>,
    connections_max: usize,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Guests {
    present: BTreeMap<u64, Guest>,
    /// How many ever came.
    count: u64,
}

/// One connection, as the crowd knows it.
#[derive(Debug)]
struct Guest {
    peer: IpAddr,
    usage: Usage,
    /// Its end is the sign to go.
    _until: oneshot::Sender<()>,
}

/// When a connection was last of use, by the clock that nobody sets.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    nanos: Arc<AtomicU64>,
    clock: Clock,
}

/// A connection's place, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    id: u64,
    usage: Usage,
    gives_way: oneshot::Receiver<()>,
}

impl Crowd {
    pub(super) fn new(connections_max: usize, clock: Clock) -> Self {
        Self { guests: Mutex::default(), connections_max, clock }
    }

    /// Lets in who comes from `address`.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Seat {
        let peer = peer(address);
        let idlest = self.guests().idlest(peer, self.connections_max);
        if let Some((_, last_used)) = idlest {
            let idle = self.clock.uptime().saturating_sub(last_used);
            if idle < IDLE_MIN {
                self.clock.sleep(IDLE_MIN - idle).await;
            }
        }
        let (until, gives_way) = oneshot::channel();
        let usage = Usage::new(&self.clock);
        let mut guests = self.guests();
        if let Some((id, _)) = guests.idlest(peer, self.connections_max) {
            guests.present.remove(&id);
        }
        guests.count += 1;
        let id = guests.count;
        guests.present.insert(id, Guest { peer, usage: usage.clone(), _until: until });
        drop(guests);
        Seat { crowd: Arc::clone(self), id, usage, gives_way }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Who gives way to one more of `peer`, and when it was last of use; `None`: there is room.
    fn idlest(&self, peer: IpAddr, connections_max: usize) -> Option<(u64, Duration)> {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.present.values().for_each(|guest| *counts.entry(guest.peer).or_default() += 1);
        let of_peer = counts.get(&peer).copied().unwrap_or_default();
        let from = if of_peer >= (connections_max / 2).max(1) {
            peer
        } else if self.present.len() >= connections_max {
            counts.into_iter().max_by_key(|(_, count)| *count)?.0
        } else {
            return None;
        };
        let of_it = self.present.iter().filter(|(_, guest)| guest.peer == from);
        of_it.map(|(id, guest)| (*id, guest.usage.last())).min_by_key(|(_, last_used)| *last_used)
    }
}

impl Usage {
    pub(super) fn new(clock: &Clock) -> Self {
        let usage = Self { nanos: Arc::default(), clock: clock.clone() };
        usage.touch();
        usage
    }

    /// It sends or takes something now.
    pub(super) fn touch(&self) {
        self.set(self.clock.uptime());
    }

    /// It has asked for something now.
    pub(super) fn asked(&self) {
        self.set(self.clock.uptime() + ANSWER);
    }

    fn set(&self, at: Duration) {
        self.nanos.store(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn last(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

impl Seat {
    /// To be kept up to date by whoever serves it.
    pub(super) fn usage(&self) -> Usage {
        self.usage.clone()
    }

    /// Waits until it must give way to others.
    pub(super) async fn gives_way(&mut self) {
        let _ = (&mut self.gives_way).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.guests().present.remove(&self.id);
    }
}

/// Who is taken for one: an address, or the network that one who has IPv6 is given.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::clock::Simulated;

    fn crowd(connections_max: usize) -> (Arc<Crowd>, Arc<Simulated>) {
        let clock = Clock::hurried(DateTime::UNIX_EPOCH);
        let Clock::Simulated(hand) = &clock else { unreachable!("a hurried clock is simulated") };
        let hand = Arc::clone(hand);
        (Arc::new(Crowd::new(connections_max, clock)), hand)
    }

    async fn enter(crowd: &Arc<Crowd>, address: &str) -> Seat {
        crowd.enter(address.parse().unwrap()).await
    }

    fn seconds_later(hand: &Simulated, seconds: i64) {
        hand.advance_to(hand.now() + TimeDelta::seconds(seconds));
    }

    /// Whether it must go.
    fn goes(seat: &mut Seat) -> bool {
        seat.gives_way.try_recv() == Err(oneshot::error::TryRecvError::Closed)
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
}
