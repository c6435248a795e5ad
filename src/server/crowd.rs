//! Who is connected. There is room for so many at a time, half of it at most for one address, and whoever comes
//! gets in, in the order in which they came, unless very many wait already. Where there is no room, the
//! connection gives way that has been of no use for longest. Who has just come has time to ask first, however
//! many others come.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{self, Notify, oneshot};

use crate::clock::Clock;

/// Who has asked is in use for so much longer, until the answer begins: to put it together takes its time.
const ANSWER: Duration = Duration::from_secs(2);

/// Nobody gives way before they have been idle for so long: each gets to ask, also from afar.
const IDLE_MIN: Duration = Duration::from_millis(200);

/// But whoever is next gets in after so long, though all others are in use.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// So many of one address wait at most: more would take more files than they are worth.
const WAITING_MAX: usize = 256;

/// Who is connected.
#[derive(Debug)]
pub(super) struct Crowd {
    guests: Mutex<Guests>,
    connections_max: usize,
    clock: Clock,
    /// Somebody has gone: there may be room.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Guests {
    present: BTreeMap<u64, Entry>,
    /// How many ever came in.
    count: u64,
    /// Who waits to get in.
    queues: BTreeMap<IpAddr, Queue>,
}

/// One connection, as the crowd knows it.
#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    usage: Usage,
    /// Its end is the sign to go.
    _until: oneshot::Sender<()>,
}

/// Those of one peer who wait.
#[derive(Debug, Default)]
struct Queue {
    length: usize,
    /// Held by the first of them; gives itself to the others in the order in which they came.
    turn: Arc<sync::Mutex<()>>,
}

/// A place in the queue of a peer, until this is dropped.
#[derive(Debug)]
struct Waiting<'a> {
    crowd: &'a Crowd,
    peer: IpAddr,
}

/// When a connection was last of use, by the clock that nobody sets.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    nanos: Arc<AtomicU64>,
    clock: Clock,
}

/// A connection that has come in, until this is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    crowd: Arc<Crowd>,
    id: u64,
    usage: Usage,
    gives_way: oneshot::Receiver<()>,
}

impl Crowd {
    pub(super) fn new(connections_max: usize, clock: Clock) -> Self {
        Self { guests: Mutex::default(), connections_max, clock, gone: Notify::new() }
    }

    /// Lets in who comes from `address`, after those of the same address who came before; `None`: too many of
    /// them wait.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let peer = peer(address);
        let (_waiting, turn) = self.queue_up(peer)?;
        let _turn = turn.lock().await;
        let came_at = self.clock.uptime();
        loop {
            // From before the look: who goes meanwhile is not missed.
            let gone = self.gone.notified();
            let waited = self.clock.uptime().saturating_sub(came_at);
            let wait = match self.admit(peer, waited) {
                Ok(guest) => return Some(guest),
                Err(wait) => wait,
            };
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = gone => {}
            }
        }
    }

    fn queue_up(&self, peer: IpAddr) -> Option<(Waiting<'_>, Arc<sync::Mutex<()>>)> {
        let mut guests = self.guests();
        let queue = guests.queues.entry(peer).or_default();
        if queue.length >= WAITING_MAX {
            return None;
        }
        queue.length += 1;
        Some((Waiting { crowd: self, peer }, Arc::clone(&queue.turn)))
    }

    /// Lets in one of `peer` who has waited for so long, in the place of another if need be; an error says when
    /// to try again.
    fn admit(self: &Arc<Self>, peer: IpAddr, waited: Duration) -> Result<Guest, Duration> {
        let mut guests = self.guests();
        if let Some((id, last_used)) = guests.idlest(peer, self.connections_max) {
            let idle = self.clock.uptime().saturating_sub(last_used);
            let wait = IDLE_MIN.saturating_sub(idle).min(WAIT_MAX.saturating_sub(waited));
            if !wait.is_zero() {
                return Err(wait);
            }
            guests.present.remove(&id);
        }
        let (until, gives_way) = oneshot::channel();
        let usage = Usage::new(&self.clock);
        guests.count += 1;
        let id = guests.count;
        guests.present.insert(id, Entry { peer, usage: usage.clone(), _until: until });
        Ok(Guest { crowd: Arc::clone(self), id, usage, gives_way })
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut guests = self.crowd.guests();
        if let Some(queue) = guests.queues.get_mut(&self.peer) {
            queue.length -= 1;
            if queue.length == 0 {
                guests.queues.remove(&self.peer);
            }
        }
    }
}

impl Guests {
    /// Who gives way to one more of `peer`, and when it was last of use; `None`: there is room.
    fn idlest(&self, peer: IpAddr, connections_max: usize) -> Option<(u64, Duration)> {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.present.values().for_each(|entry| *counts.entry(entry.peer).or_default() += 1);
        let of_peer = counts.get(&peer).copied().unwrap_or_default();
        let from = if of_peer >= (connections_max / 2).max(1) {
            peer
        } else if self.present.len() >= connections_max {
            counts.into_iter().max_by_key(|(_, count)| *count)?.0
        } else {
            return None;
        };
        let of_it = self.present.iter().filter(|(_, entry)| entry.peer == from);
        of_it.map(|(id, entry)| (*id, entry.usage.last())).min_by_key(|(_, last_used)| *last_used)
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

impl Guest {
    /// To be kept up to date by whoever serves it.
    pub(super) fn usage(&self) -> Usage {
        self.usage.clone()
    }

    /// Waits until it must give way to others.
    pub(super) async fn gives_way(&mut self) {
        let _ = (&mut self.gives_way).await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.crowd.guests().present.remove(&self.id);
        self.crowd.gone.notify_waiters();
    }
}

/// Who is taken for one: an address, or the network that one who has IPv6 is given.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}
