//! The simulator: ClearPoint as far as it is known, over real HTTP on loopback. For `demo` and the
//! tests; nothing that runs against a real account comes through here.
//!
//! A test makes a [`World`], starts a [`Simulator`] on it, flips [`Switches`], arms [`Fault`]s, and
//! changes the world while the program under test pulls from it. The same seed gives the same world.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

mod answer;
mod disturb;
mod document;
mod edits;
mod faults;
mod permission;
mod schema;
mod size;
mod stamps;
mod switches;
mod text;
mod values;
mod wire;
mod world;

pub use document::Richness;
pub use faults::{Fault, What};
pub use permission::{ApiKey, Sees};
pub use size::Size;
pub use switches::{
    CountMax, Duplicates, End, Envelope, Filter, Ids, MeasureDataShape, Order, Over, PagingHeed, Refused,
    Rows, SingleEnvelope, Switches, Totals, Unavailable, Volatile,
};
pub use values::{Period, Point};
pub use world::{Unstamped, World};

use crate::clock::Clock;
use faults::Script;

const BASE: &str = "/api/v1";

/// A simulated server, alive until dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    port: u16,
    accepting: JoinHandle<()>,
}

/// One request, as it was answered. Never holds a header, so never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// The method.
    pub method: String,
    /// The path below the base URL (`/measures/7`).
    pub path: String,
    /// The query as it came, without its question mark.
    pub query: String,
    /// The status answered; 0: the connection was broken instead.
    pub status: u16,
    /// Whether the client said that it takes gzip.
    pub had_gzip: bool,
}

struct Shared {
    clock: Clock,
    world: Mutex<World>,
    switches: Mutex<Switches>,
    script: Mutex<Script>,
    log: Mutex<Vec<RequestRecord>>,
    reads: AtomicU64,
    in_flight: watch::Sender<InFlight>,
    is_held: watch::Sender<bool>,
}

#[derive(Debug, Clone, Copy, Default)]
struct InFlight {
    now: usize,
    max: usize,
}

impl Simulator {
    /// Starts a server on a free port of 127.0.0.1. Its pauses and its `Date` header go by
    /// `clock`; the header is never behind the world's time.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(world: World, switches: Switches, clock: Clock) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            clock,
            world: Mutex::new(world),
            switches: Mutex::new(switches),
            script: Mutex::default(),
            log: Mutex::default(),
            reads: AtomicU64::new(0),
            in_flight: watch::Sender::default(),
            is_held: watch::Sender::new(false),
        });
        let accepting = tokio::spawn(wire::accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, port, accepting })
    }

    /// What a connection's `base_url` is set to.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}{BASE}", self.port)
    }

    /// The world, to look at or to change; requests wait while the guard lives.
    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.shared.world)
    }

    /// Flips switches.
    pub fn switch(&self, flip: impl FnOnce(&mut Switches)) {
        flip(&mut locked(&self.shared.switches));
    }

    /// [`World::visible`] under the switches as they are: what a test compares a store with.
    #[must_use]
    pub fn visible(&self, kind: &str, user: &str) -> std::collections::BTreeMap<i64, String> {
        self.world().visible(kind, user, &locked(&self.shared.switches))
    }

    /// Arms a fault.
    pub fn fault(&self, fault: Fault) {
        locked(&self.shared.script).arm(fault);
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        locked(&self.shared.script).clear();
    }

    /// Changes the world once, when this page of the list at `path` (`/measures`) is about to be
    /// served.
    pub fn on_page(&self, path: &str, page: usize, change: impl FnOnce(&mut World) + Send + 'static) {
        locked(&self.shared.script).hook_page(path, page, Box::new(change));
    }

    /// Changes the world once, when the nth request from now whose path begins with `prefix` is about
    /// to be answered.
    pub fn on_request(&self, prefix: &str, nth: u32, change: impl FnOnce(&mut World) + Send + 'static) {
        locked(&self.shared.script).hook_request(prefix, nth, Box::new(change));
    }

    /// Changes the world before every answer from now on, until [`Simulator::leave_quiet`].
    pub fn on_every_request(&self, change: impl FnMut(&mut World) + Send + 'static) {
        locked(&self.shared.script).hook_all(Some(Box::new(change)));
    }

    /// Ends what [`Simulator::on_every_request`] began.
    pub fn leave_quiet(&self) {
        locked(&self.shared.script).hook_all(None);
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.reads.load(Ordering::SeqCst)
    }

    /// Every request so far, in the order of the answers.
    #[must_use]
    pub fn log(&self) -> Vec<RequestRecord> {
        locked(&self.shared.log).clone()
    }

    /// Forgets the requests so far, but not how many they were.
    pub fn clear_log(&self) {
        locked(&self.shared.log).clear();
    }

    /// The most requests that were ever in flight at once.
    #[must_use]
    pub fn requests_in_flight_max(&self) -> usize {
        self.shared.in_flight.borrow().max
    }

    /// Keeps all requests waiting from now on, so that a test sees how many are sent at once.
    pub fn hold(&self) {
        self.shared.is_held.send_replace(true);
    }

    /// Answers the requests that were kept waiting, and those to come.
    pub fn release(&self) {
        self.shared.is_held.send_replace(false);
    }

    /// Waits until at least so many requests are in flight.
    pub async fn in_flight(&self, requests: usize) {
        let mut in_flight = self.shared.in_flight.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = in_flight.wait_for(|seen| seen.now >= requests).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A test that panicked while it held a lock has failed already; the server goes on.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
