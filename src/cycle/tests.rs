//! Runs over the simulator: real sockets, a real file, a clock that hurries. What is stored is looked
//! at with SQL alone.

mod known;
mod singles;
mod states;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Job, Report, due};
use crate::clock::Clock;
use crate::config::Config;
use crate::key::{KeyPair, KeySlot};
use crate::pull::client::{Client, Contender, Tools};
use crate::pull::hosts::Hosts;
use crate::run::{Mode, Outcome};
use crate::simulator::{Simulator, Size, World};
use crate::spool::Budget;
use crate::store::tests::reading;
use crate::store::{Place, Store};

/// A simulated account, and a store that runs of the connection `city` go to.
struct Bench {
    simulator: Simulator,
    clock: Clock,
    cancel: watch::Sender<bool>,
    /// When the run after the next one is due.
    next_due: Option<DateTime<Utc>>,
    all_up_to: usize,
    config: Config,
    store: Store,
    dir: TempDir,
}

impl Bench {
    /// A bench on this world; `settings` are lines of `[connections.city]`.
    async fn new(world: World, settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::hurried(world.now);
        let simulator = Simulator::start(world, Default::default(), clock.clone()).await.unwrap();
        let config = config(&simulator.base_url(), settings, dir.path());
        let store =
            Store::open(&Place::file(config.store.sqlite_path().unwrap()), clock.now()).await.unwrap();
        let cancel = watch::Sender::new(false);
        Self { simulator, clock, cancel, next_due: None, all_up_to: due::ALL_UP_TO, config, store, dir }
    }

    /// A run, a day after the one before.
    async fn run(&self, mode: Mode) -> Report {
        let tomorrow = self.clock.now() + TimeDelta::days(1);
        let Clock::Simulated(clock) = &self.clock else { unreachable!("the bench's clock is simulated") };
        clock.advance_to(tomorrow);
        self.simulator.world().now = tomorrow;
        let connection = &self.config.connections[0];
        let job = Job {
            connection,
            source: &self.client(),
            store: &self.store,
            clock: &self.clock,
            cancel: self.cancel.subscribe(),
            next_due: self.next_due,
            progress: watch::Sender::new(None),
        };
        sendable(super::run_sparing(&job, mode, self.all_up_to)).await.unwrap()
    }

    fn client(&self) -> Client {
        let keys = KeyPair {
            access_key: SecretString::from(World::ACCESS_KEY),
            secret_key: SecretString::from(World::SECRET_KEY),
        };
        let again = keys.clone();
        let tools = Tools {
            keys: vec![Contender {
                slot: KeySlot::Key,
                pair: keys,
                reread: Arc::new(move || Ok(again.clone())),
                has_second_chance: true,
            }],
            hosts: Arc::new(Hosts::new(self.config.host_limits.clone())),
            budget: Budget::new(1 << 24),
            spool_dir: self.dir.path().to_owned(),
            traffic: Arc::default(),
            clock: self.clock.clone(),
        };
        Client::new(&self.config.connections[0], &self.config.network, tools).unwrap()
    }

    fn rows(&self, query: &str) -> Vec<String> {
        reading::rows(&self.store, query)
    }

    fn one(&self, query: &str) -> String {
        reading::one(&self.store, query)
    }

    fn digest(&self) -> BTreeMap<String, Vec<String>> {
        reading::digest(&self.store)
    }

    /// How often a path with this ending was asked for since the last time.
    fn asked(&self, ending: &str) -> usize {
        let log = self.simulator.log();
        self.simulator.clear_log();
        log.iter().filter(|request| request.path.ends_with(ending)).count()
    }
}

/// The daemon spawns runs, so their futures must be fit for it.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

fn config(base_url: &str, settings: &str, dir: &Path) -> Config {
    let text = format!(
        r#"
        [store.sqlite]
        path = "store.db"
        [connections.city]
        base_url = "{base_url}"
        {settings}
        [connections.city.key]
        name = "Integration"
        access_key = {{ file = "access" }}
        secret_key = {{ file = "secret" }}
        [connections.city.limits]
        requests_per_second = 1000
        [host_limits]
        requests_per_second = 1000
        "#
    );
    Config::parse(&text, &dir.join("config.toml")).unwrap_or_else(|problems| panic!("{problems}"))
}

#[tokio::test]
async fn a_full_run_cut_short_asks_for_another() {
    let bench = Bench::new(World::generate(3, &Size::small()), "").await;
    bench.run(Mode::Full).await;
    let (cancel, whole) = (bench.cancel.clone(), bench.run(Mode::Full).await);
    bench.simulator.on_page("/risks", 1, move |_| {
        cancel.send_replace(true);
    });
    let cut = bench.run(Mode::Full).await;
    assert_eq!((whole.run.outcome, whole.run.needs_full), (Some(Outcome::Ok), false));
    assert_eq!((cut.run.outcome, cut.run.needs_full), (Some(Outcome::Partial), true));
}
