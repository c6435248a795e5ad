//! What Prometheus scrapes: how everything stands, by the board, and what was counted since the start. A
//! scrape reads memory and `/proc` alone, never the store or the network.
//!
//! Every name, what it means and who needs it: `docs/metrics.md`. Labels come from closed sets, and the
//! series of a connection are there as soon as it is configured, at 0 where nothing happened.

mod connections;
mod durations;
mod kinds;
mod page;
mod process;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Connection;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::Operation;
use crate::run::{Counts, Mode, Outcome, Run};
use crate::status::{ConnectionStatus, Status, WarningStatus};
use crate::traffic::Traffic;
use crate::version;
use durations::Durations;
use page::Page;

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    tallies: Mutex<BTreeMap<ConnectionName, Tally>>,
    durations: Mutex<Durations>,
}

/// What was counted of one connection.
#[derive(Debug, Clone, Default)]
struct Tally {
    /// The kinds that are pulled.
    kinds: Vec<KindName>,
    runs: HashMap<(Mode, Outcome), u64>,
    changes: Counts,
    traffic: Arc<Traffic>,
}

impl Tally {
    fn runs(&self, mode: Mode, outcome: Outcome) -> u64 {
        self.runs.get(&(mode, outcome)).copied().unwrap_or_default()
    }

    /// Changes by what they did; one that takes out of the views is a removal here, whatever its reason.
    fn changes(&self) -> [(Operation, u64); 4] {
        let Counts { inserted, updated, restored, removed, .. } = self.changes;
        [
            (Operation::Insert, inserted),
            (Operation::Update, updated),
            (Operation::Restore, restored),
            (Operation::Remove, removed),
        ]
    }
}

/// One connection: what was counted of it, and how it stands.
struct Seen<'a> {
    name: &'a str,
    tally: &'a Tally,
    /// `None`: nobody has looked yet.
    status: Option<&'a ConnectionStatus>,
    /// What is open for it.
    warnings: Vec<&'a WarningStatus>,
}

impl Metrics {
    /// Tells of these connections and of no others. Called at the start and at each reload; what was
    /// counted of a connection that stays is kept.
    pub fn keep(&self, connections: &[Connection]) {
        let mut tallies = self.tallies();
        tallies.retain(|name, _| connections.iter().any(|connection| connection.name == *name));
        for connection in connections {
            let tally = tallies.entry(connection.name.clone()).or_default();
            tally.kinds = connection.kinds.iter().map(|kind| kind.name.clone()).collect();
        }
    }

    /// Where the requests of a connection are counted; where nobody looks, if it is not told of.
    #[must_use]
    pub fn traffic(&self, name: &ConnectionName) -> Arc<Traffic> {
        self.tallies().get(name).map(|tally| Arc::clone(&tally.traffic)).unwrap_or_default()
    }

    /// Counts a run that has ended.
    pub fn count(&self, run: &Run) {
        let outcome = run.outcome.expect("a counted run has ended");
        if let Some(tally) = self.tallies().get_mut(&run.connection) {
            *tally.runs.entry((run.mode, outcome)).or_default() += 1;
            tally.changes.add(&run.counts);
            self.durations().count(run.mode, run.lasted().map_or(0.0, page::span));
        }
    }

    /// Counts a run that could not begin, or that the store broke off.
    pub fn count_failed(&self, name: &ConnectionName, mode: Mode) {
        if let Some(tally) = self.tallies().get_mut(name) {
            *tally.runs.entry((mode, Outcome::Failed)).or_default() += 1;
        }
    }

    /// All series, in the text format 0.0.4 of Prometheus.
    #[must_use]
    pub fn render(&self, status: &Status) -> String {
        let tallies = self.tallies();
        let all = see(&tallies, status);
        let mut page = Page::default();
        program(&mut page, status);
        connections::add(&mut page, &all);
        kinds::add(&mut page, &all);
        self.durations().add(&mut page);
        process::add(&mut page, status);
        page.into_text()
    }

    fn tallies(&self) -> MutexGuard<'_, BTreeMap<ConnectionName, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn durations(&self) -> MutexGuard<'_, Durations> {
        self.durations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections that are told of, in the order of their names.
fn see<'a>(tallies: &'a BTreeMap<ConnectionName, Tally>, status: &'a Status) -> Vec<Seen<'a>> {
    let mut all: BTreeMap<&str, Seen<'_>> = BTreeMap::new();
    for (name, tally) in tallies {
        let name = name.as_str();
        all.insert(name, Seen { name, tally, status: None, warnings: Vec::new() });
    }
    for connection in &status.connections {
        if let Some(seen) = all.get_mut(connection.connection.as_str()) {
            seen.status = Some(connection);
        }
    }
    for warning in &status.warnings {
        if let Some(seen) = all.get_mut(warning.connection.as_str()) {
            seen.warnings.push(warning);
        }
    }
    all.into_values().collect()
}

/// The program and its store.
fn program(page: &mut Page, status: &Status) {
    let store = &status.store;
    page.gauge(
        "clearpoint_sync_build_info",
        "Which program this is; always 1.",
        [([("version", version::NUMBER), ("commit", version::COMMIT.unwrap_or_default())], 1.0)],
    );
    let turned_at = status.daemon.as_ref().and_then(|daemon| daemon.turned_at);
    page.gauge(
        "clearpoint_sync_loop_turned_timestamp_seconds",
        "When the daemon's loop last turned, in seconds since 1970; 0: not yet.",
        [([], page::seconds(turned_at))],
    );
    page.gauge(
        "clearpoint_sync_store_up",
        "Whether the store could be used when it was last asked.",
        [([], f64::from(store.unreachable.is_none()))],
    );
    page.gauge(
        "clearpoint_sync_store_bytes",
        "What the store takes on the disk, its write-ahead log included.",
        [([], page::number(store.bytes))],
    );
}
