//! The pull over real sockets, against the simulator: whichever way the API's open questions fall.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use super::client::{Client, Contender, Reread, Tools};
use super::hosts::Hosts;
use super::*;
use crate::clock::Clock;
use crate::config::{Connection, Details, HostLimits, Limits, MeasureData, Network, Proxy};
use crate::key::{Key, KeyPair, KeySlot};
use crate::kind::{Kind, catalogue};
use crate::name::ConnectionName;
use crate::schedule::Schedule;
use crate::simulator::{Fault, Simulator, Size, Switches, What, World};
use crate::snapshot::Extent;
use crate::spool::Budget;

mod endings;
mod failures;
mod fairness;
mod filters;
mod gather;
mod keys;
mod known;
mod limiter;
mod listing;
mod network;
mod tls;

/// A simulator and a client on it.
struct Bench {
    simulator: Simulator,
    client: Client,
    clock: Clock,
    hosts: Arc<Hosts>,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn new(size: Size, switches: Switches) -> Self {
        Self::on(World::generate(7, &size), switches, |_| {}).await
    }

    async fn small(switches: Switches) -> Self {
        Self::new(Size::small(), switches).await
    }

    async fn on(world: World, switches: Switches, change: impl FnOnce(&mut Connection)) -> Self {
        let clock = Clock::hurried(world.now);
        let simulator = Simulator::start(world, switches, clock.clone()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let hosts = Arc::new(Hosts::new(HostLimits { requests_per_second: 1000.0, concurrency: 8 }));
        let mut connection = connection(&simulator.base_url());
        change(&mut connection);
        let client = client(&connection, &clock, &hosts, dir.path());
        Self { simulator, client, clock, hosts, dir }
    }

    async fn full(&self, kind: &str, memory: &KindMemory) -> Result<Pulled, PullError> {
        let kind = kind_named(kind);
        let ask = Ask { kind: &kind, mode: Mode::Full, memory, expected: &[], known: None };
        self.client.pull(ask).await
    }

    /// A first full pull.
    async fn first(&self, kind: &str) -> Result<Pulled, PullError> {
        self.full(kind, &KindMemory::default()).await
    }

    /// A full pull of a kind that worked before.
    async fn later(&self, kind: &str) -> Result<Pulled, PullError> {
        self.full(kind, &worked()).await
    }

    /// Checks that a pull lists exactly what the mapped user may see.
    #[track_caller]
    fn check_mirrors(&self, kind: &str, pulled: &Pulled) {
        let truth = self.simulator.visible(kind, World::USER);
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let kind = kind_named(kind);
        let stored = |row: &str| json(&crate::tolerate::document(row, &kind).unwrap());
        let truth: BTreeMap<i64, Value> = truth.iter().map(|(id, row)| (*id, stored(row))).collect();
        let read = |span| json(&pulled.spool.read(span).unwrap());
        let entries = &pulled.snapshot.entries;
        let listed: BTreeMap<i64, Value> = entries.iter().map(|e| (e.id.0, read(e.span))).collect();
        assert_eq!(listed.len(), entries.len());
        assert!(listed == truth, "{} listed, {} visible", listed.len(), truth.len());
    }

    /// Checks that a pull is complete and exact.
    #[track_caller]
    fn check_complete(&self, kind: &str, pulled: &Pulled) {
        assert_eq!(pulled.snapshot.extent, Extent::Complete);
        self.check_mirrors(kind, pulled);
    }
}

/// Keeps requests waiting once paging is understood, until so many are under way together.
async fn hold_until(bench: &Bench, requests: usize) {
    while bench.simulator.requests() < 2 {
        tokio::task::yield_now().await;
    }
    bench.simulator.hold();
    bench.simulator.in_flight(requests).await;
    bench.simulator.release();
}

fn client(connection: &Connection, clock: &Clock, hosts: &Arc<Hosts>, spool_dir: &std::path::Path) -> Client {
    let tools = Tools {
        keys: vec![contender(keys(), Arc::new(|| Ok(keys())))],
        hosts: Arc::clone(hosts),
        budget: Budget::new(64 << 20),
        spool_dir: spool_dir.to_owned(),
        traffic: Arc::default(),
        clock: clock.clone(),
    };
    Client::new(connection, &network(), tools).unwrap()
}

/// The only key, never refused before.
fn contender(pair: KeyPair, reread: Reread) -> Contender {
    Contender { slot: KeySlot::Key, pair, reread, has_second_chance: true }
}

fn network() -> Network {
    Network { proxy: Proxy::Env, ca_file: None }
}

fn keys() -> KeyPair {
    KeyPair { access_key: World::ACCESS_KEY.into(), secret_key: World::SECRET_KEY.into() }
}

fn connection(base_url: &str) -> Connection {
    let schedule = Schedule::parse("*/15 * * * *", chrono_tz::UTC).unwrap();
    Connection {
        name: ConnectionName::parse("city").unwrap(),
        base_url: url::Url::parse(base_url).unwrap(),
        mapped_user: Some(World::USER.to_owned()),
        schedule: schedule.clone(),
        schedule_full: schedule,
        timezone: chrono_tz::UTC,
        kinds: catalogue(),
        measure_data: MeasureData::Changed,
        details: Details::Auto,
        key: Key::sample(KeySlot::Key, None),
        next_key: None,
        limits: Limits {
            requests_per_second: 1000.0,
            concurrency: 4,
            page_size: 25,
            request_timeout: Duration::from_secs(600),
            removals_max: 10.0,
            removals_min: 10,
        },
    }
}

fn kind_named(name: &str) -> Kind {
    catalogue().into_iter().find(|kind| kind.name.as_str() == name).unwrap()
}

/// What is remembered of a kind that worked before.
fn worked() -> KindMemory {
    KindMemory { ever_complete: true, ..KindMemory::default() }
}

/// The text of an error, which holds neither half of the key.
#[track_caller]
fn text<T: std::fmt::Debug>(result: Result<T, PullError>) -> String {
    let error = result.unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(!text.contains(World::ACCESS_KEY) && !text.contains(World::SECRET_KEY), "{text}");
    error.to_string()
}
