//! Who is connected. There is room for so many at a time, half of it at most for one address, and whoever comes
//! gets in: where there is no room, the connection gives way that has been of no use for longest.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;

/// Who has asked is in use for so much longer: to put an answer together takes its time.
const ANSWER: Duration = Duration::from_secs(2);

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
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Seat {
        let (peer, usage) = (peer(address), Usage::new(&self.clock));
        let (until, gives_way) = oneshot::channel();
        let mut guests = self.guests();
        guests.make_room(peer, self.connections_max);
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
    /// Sees to it that one more of `peer` has room.
    fn make_room(&mut self, peer: IpAddr, connections_max: usize) {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.present.values().for_each(|guest| *counts.entry(guest.peer).or_default() += 1);
        let of_peer = counts.get(&peer).copied().unwrap_or_default();
        let from = if of_peer >= (connections_max / 2).max(1) {
            Some(peer)
        } else if self.present.len() >= connections_max {
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(most, _)| most)
        } else {
            None
        };
        let of_it = self.present.iter().filter(|(_, guest)| Some(guest.peer) == from);
        let idlest = of_it.min_by_key(|(_, guest)| guest.usage.last()).map(|(id, _)| *id);
        if let Some(id) = idlest {
            self.present.remove(&id);
        }
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
        self.extend(Duration::ZERO);
    }

    /// It has asked for something now.
    pub(super) fn asked(&self) {
        self.extend(ANSWER);
    }

    fn extend(&self, more: Duration) {
        let until = u64::try_from((self.clock.uptime() + more).as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_max(until, Ordering::Relaxed);
    }

    fn last(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
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
        let (clock, hand) = Clock::stepped(DateTime::UNIX_EPOCH);
        (Arc::new(Crowd::new(connections_max, clock)), hand)
    }

    fn enter(crowd: &Arc<Crowd>, address: &str) -> Seat {
        crowd.enter(address.parse().unwrap())
    }

    /// Which of them must go.
    fn going<const N: usize>(seats: [&mut Seat; N]) -> [bool; N] {
        seats.map(|seat| seat.gives_way.try_recv() == Err(oneshot::error::TryRecvError::Closed))
    }

    #[test]
    fn the_one_of_no_use_for_longest_gives_way() {
        let (crowd, hand) = crowd(6);
        let [mut first, mut second, mut third] = [(); 3].map(|()| enter(&crowd, "127.0.0.1"));
        hand.advance_to(hand.now() + TimeDelta::seconds(1));
        first.usage().touch();
        third.usage().touch();
        let _fourth = enter(&crowd, "127.0.0.1");
        assert_eq!(going([&mut first, &mut second, &mut third]), [false, true, false]);
    }

    #[test]
    fn one_whose_answer_is_put_together_is_in_use() {
        let (crowd, hand) = crowd(4);
        let [mut asking, mut silent] = [(); 2].map(|()| enter(&crowd, "127.0.0.1"));
        asking.usage().asked();
        hand.advance_to(hand.now() + TimeDelta::seconds(1));
        silent.usage().touch();
        let mut third = enter(&crowd, "127.0.0.1");
        assert_eq!(going([&mut asking, &mut silent]), [false, true]);
        hand.advance_to(hand.now() + TimeDelta::seconds(2));
        third.usage().touch();
        let _fourth = enter(&crowd, "127.0.0.1");
        assert_eq!(going([&mut asking, &mut third]), [true, false]);
    }

    #[test]
    fn one_address_has_half_of_the_room_and_who_has_most_gives_way() {
        let (crowd, _hand) = crowd(4);
        let mut other = enter(&crowd, "192.0.2.1");
        let mut many: Vec<Seat> = (0..10).map(|_| enter(&crowd, "192.0.2.2")).collect();
        assert_eq!(crowd.guests().present.len(), 3);
        let _third = enter(&crowd, "192.0.2.3");
        let _fourth = enter(&crowd, "192.0.2.4");
        assert_eq!(going([&mut other]), [false]);
        let staying = many.iter_mut().filter_map(|seat| (!going([seat])[0]).then_some(())).count();
        assert_eq!(staying, 1);
    }

    #[test]
    fn who_goes_leaves_room() {
        let (crowd, _hand) = crowd(4);
        let mut first = enter(&crowd, "192.0.2.1");
        (0..10).for_each(|_| drop(enter(&crowd, "192.0.2.1")));
        assert_eq!(going([&mut first]), [false]);
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
