//! What all passes share: the store, the hosts' limits, the memory budget, the clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tempfile::TempDir;
use tokio::sync::{Mutex, watch};

use super::showing::Looked;
use super::{AppError, place};
use crate::board::Board;
use crate::clock::Clock;
use crate::config::{Config, Connection, Warnings};
use crate::metrics::Metrics;
use crate::name::ConnectionName;
use crate::pull::client::{Client, Contender, Tools};
use crate::pull::hosts::Hosts;
use crate::run::Mode;
use crate::secrets::{self, TargetSecrets};
use crate::spool::Budget;
use crate::store::{Place, Store};
use crate::survey;

/// What all passes share.
#[derive(Debug)]
pub struct Engine {
    /// The settings.
    pub config: Config,
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// What the program shows of itself.
    pub board: Arc<Board>,
    /// What is counted since the start.
    pub metrics: Arc<Metrics>,
    hosts: Arc<Hosts>,
    budget: Budget,
    /// Counts up when there may be something new for the targets.
    queued: watch::Sender<u64>,
    /// How people are told now: of runs that began under older settings too, for the targets change at
    /// once.
    warnings: watch::Sender<Arc<Warnings>>,
    /// The connections of the settings in force: what is still under way of another one has nothing to say.
    wanted: watch::Sender<BTreeSet<ConnectionName>>,
    /// When history was last looked through for what is to be forgotten.
    pub(super) forgot_at: Arc<Mutex<Option<DateTime<Utc>>>>,
    /// Held by whoever looks at the store and shows it, so that what was looked at last is shown last.
    pub(super) looking: Arc<Mutex<Looked>>,
    /// Where the empty store of a command that only looks stands.
    _scratch: Option<TempDir>,
}

impl Engine {
    /// Opens the store and sets up what passes share.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub async fn open(config: Config, clock: Clock) -> Result<Self, AppError> {
        let store = Store::open(&place(&config.store), clock.now()).await?;
        Self::with_store(config, store, clock)
    }

    /// As [`Engine::open`], for commands that write nothing: a store that is not there is empty.
    ///
    /// # Errors
    /// Those of [`Store::open_read_only`].
    pub async fn open_to_look(config: Config, clock: Clock) -> Result<Self, AppError> {
        let place = place(&config.store);
        if place.is_empty() {
            return Self::on_scratch(config, clock).await;
        }
        let store = Store::open_read_only(&place).await?;
        Self::with_store(config, store, clock)
    }

    /// As [`Engine::open_to_look`], for commands that hand on what the store holds: nobody may take a store
    /// that is not there for an empty one.
    ///
    /// # Errors
    /// Those of [`Store::open_read_only`].
    pub async fn open_existing(config: Config, clock: Clock) -> Result<Self, AppError> {
        let store = Store::open_read_only(&place(&config.store)).await?;
        Self::with_store(config, store, clock)
    }

    /// An engine on an empty store of its own, gone with it.
    ///
    /// # Errors
    /// There is no folder for temporary files.
    pub async fn on_scratch(config: Config, clock: Clock) -> Result<Self, AppError> {
        let context = "cannot make a scratch store";
        let scratch = tempfile::tempdir().map_err(|source| AppError::System { context, source })?;
        let store = Store::open(&Place::file(scratch.path().join("empty.db")), clock.now()).await?;
        Ok(Self { _scratch: Some(scratch), ..Self::with_store(config, store, clock)? })
    }

    fn with_store(config: Config, store: Store, clock: Clock) -> Result<Self, AppError> {
        let clock = store.clock(clock)?;
        let hosts = Arc::new(Hosts::new(config.host_limits.clone()));
        let budget = Budget::new(config.daemon.memory_max);
        let warnings = watch::Sender::new(Arc::new(config.warnings.clone()));
        let wanted = watch::Sender::new(names(&config));
        Ok(Self {
            config,
            store,
            clock,
            board: Arc::default(),
            metrics: Arc::default(),
            hosts,
            budget,
            queued: watch::Sender::new(0),
            warnings,
            wanted,
            forgot_at: Arc::default(),
            looking: Arc::default(),
            _scratch: None,
        })
    }

    /// An engine under other settings that shares all else: the store, what hosts asked for, the memory.
    /// Those that differ in what [`Settings::refuse_fixed`](super::Settings::refuse_fixed) names take a
    /// new process.
    #[must_use]
    pub fn with_config(&self, config: Config) -> Self {
        Self {
            config,
            store: self.store.clone(),
            clock: self.clock.clone(),
            board: Arc::clone(&self.board),
            metrics: Arc::clone(&self.metrics),
            hosts: Arc::clone(&self.hosts),
            budget: self.budget.clone(),
            queued: self.queued.clone(),
            warnings: self.warnings.clone(),
            wanted: self.wanted.clone(),
            forgot_at: Arc::clone(&self.forgot_at),
            looking: Arc::clone(&self.looking),
            _scratch: None,
        }
    }

    /// Puts in force, also for runs under way, what of this engine's settings is shared by all.
    pub fn put_in_force(&self) {
        self.hosts.set_limits(&self.config.host_limits);
        self.warnings.send_replace(Arc::new(self.config.warnings.clone()));
        self.wanted.send_replace(names(&self.config));
    }

    /// Whether the settings in force have this connection.
    pub(super) fn is_wanted(&self, connection: &ConnectionName) -> bool {
        self.wanted.borrow().contains(connection)
    }

    /// How people are told now.
    pub(super) fn warnings(&self) -> Arc<Warnings> {
        Arc::clone(&self.warnings.borrow())
    }

    /// A connection by its name.
    #[must_use]
    pub fn connection(&self, name: &ConnectionName) -> Option<&Connection> {
        self.config.connections.iter().find(|known| known.name == *name)
    }

    /// Changes when there may be something new for the targets.
    #[must_use]
    pub fn queued(&self) -> watch::Receiver<u64> {
        self.queued.subscribe()
    }

    /// Wakes the couriers, if something was told.
    pub(super) fn note_queued(&self, has_told: bool) {
        if has_told {
            self.queued.send_modify(|count| *count += 1);
        }
    }

    /// Says which secrets lie open to other users of this machine.
    pub fn look_at_secrets(&self) {
        if let Some(postgres) = self.config.store.postgres() {
            // A reload may have named another place, which would come out at the next connect only.
            if let Err(error) = secrets::postgres_password(postgres) {
                let error = AppError::from(error).to_text();
                tracing::error!(event = "secret_unreadable", store = %postgres, error, "secret cannot be read");
            }
            for text in secrets::postgres_exposures(postgres) {
                tracing::warn!(event = "secret_exposed", store = %postgres, text, "secret lies open");
            }
        }
        for connection in &self.config.connections {
            for text in secrets::exposures(connection) {
                tracing::warn!(event = "secret_exposed", connection = %connection.name, text, "secret lies open");
            }
        }
        for target in &self.config.warnings.targets {
            // Else it would come out only when there is something to tell.
            if let Err(error) = TargetSecrets::read(target) {
                let error = AppError::from(error).to_text();
                tracing::error!(event = "secret_unreadable", target = %target.name, error, "secret cannot be read");
            }
            for text in secrets::target_exposures(target) {
                tracing::warn!(event = "secret_exposed", target = %target.name, text, "secret lies open");
            }
        }
    }

    /// The connections a call names: one, or all.
    ///
    /// # Errors
    /// [`AppError::Usage`] with the known names.
    pub fn connections(&self, name: Option<&str>) -> Result<Vec<&Connection>, AppError> {
        let Some(name) = name else { return Ok(self.config.connections.iter().collect()) };
        let known: Vec<&str> = self.config.connections.iter().map(|known| known.name.as_str()).collect();
        match self.config.connections.iter().find(|known| known.name.as_str() == name) {
            Some(connection) => Ok(vec![connection]),
            None => {
                let text =
                    format!("no connection {name:?} in the configuration; known: {}", known.join(", "));
                Err(AppError::Usage(text))
            }
        }
    }

    /// The HTTP client of a connection, with its keys read now and in the order of a run.
    ///
    /// # Errors
    /// No key can be read, or the client cannot be set up.
    pub async fn client(&self, connection: &Connection) -> Result<Client, AppError> {
        let ring = self.ring(connection).await?;
        match ring.contenders() {
            none if none.is_empty() => {
                Err(ring.unreadable().expect("a key that stands in no line is unreadable"))
            }
            contenders => self.client_with(connection, contenders),
        }
    }

    /// As [`Engine::client`], with these keys, in this order; at least one.
    pub(super) fn client_with(
        &self,
        connection: &Connection,
        keys: Vec<Contender>,
    ) -> Result<Client, AppError> {
        let tools = Tools {
            keys,
            hosts: Arc::clone(&self.hosts),
            budget: self.budget.clone(),
            spool_dir: self.config.daemon.spool_dir.clone(),
            traffic: self.metrics.traffic(&connection.name),
            clock: self.clock.clone(),
        };
        Ok(Client::new(connection, &self.config.network, tools)?)
    }

    /// What a pass is to be when nobody says: full when none ever was, when the last one asks for
    /// another, or when `schedule_full` had a due time since.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn mode_due(&self, connection: &Connection) -> Result<Mode, AppError> {
        let last = self.store.last_full_success(&connection.name).await?;
        let is_due = survey::owes_full(connection, last.as_ref(), self.clock.now());
        Ok(if is_due { Mode::Full } else { Mode::Incremental })
    }
}

fn names(config: &Config) -> BTreeSet<ConnectionName> {
    config.connections.iter().map(|connection| connection.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::element::ElementId;
    use crate::run::{Counts, Outcome};

    const CONFIG: &str = r#"
        [store.sqlite]
        path = "store.db"
        [connections.city]
        schedule_full = "30 2 * * *"
        [connections.city.key]
        name = "Integration"
        access_key = { file = "access" }
        secret_key = { file = "secret" }
        "#;

    /// An engine whose last full run began `ago`.
    async fn engine(ago: TimeDelta) -> (Engine, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::parse(CONFIG, &dir.path().join("config.toml")).unwrap();
        let noon = "2026-03-01T12:00:00Z".parse().unwrap();
        let engine = Engine::open(config, Clock::hurried(noon)).await.unwrap();
        ran_full(&engine, noon - ago).await;
        (engine, dir)
    }

    async fn ran_full(engine: &Engine, at: DateTime<Utc>) {
        let name = &engine.config.connections[0].name;
        let run = engine.store.begin_run(name, Mode::Full, at).await.unwrap();
        engine.store.end_run(run, name, Outcome::Ok, None, false, &Counts::default(), at).await.unwrap();
    }

    async fn due(engine: &Engine) -> Mode {
        engine.mode_due(&engine.config.connections[0]).await.unwrap()
    }

    /// A file in the place of a folder keeps everybody out, as rights keep out all but root.
    #[tokio::test]
    async fn a_store_that_nobody_may_look_for_is_not_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("folder"), "").unwrap();
        let look = async |path: &str| {
            let config = Config::parse(&CONFIG.replace("store.db", path), &dir.path().join("config.toml"));
            Engine::open_to_look(config.unwrap(), Clock::System).await
        };
        assert!(look("nothing-yet.db").await.is_ok());
        let error = look("folder/store.db").await.unwrap_err();
        assert_eq!(error.exit(), crate::app::Exit::MustChange, "{error}");
        assert!(error.to_text().contains("folder/store.db"), "{error}");
    }

    #[tokio::test]
    async fn a_full_run_in_the_future_keeps_nobody_waiting() {
        assert_eq!(due(&engine(TimeDelta::hours(1)).await.0).await, Mode::Incremental);
        assert_eq!(due(&engine(TimeDelta::days(-30)).await.0).await, Mode::Full);
    }

    #[tokio::test]
    async fn a_full_run_serves_what_came_due_while_it_was_under_way() {
        let (engine, _dir) = engine(TimeDelta::hours(10)).await;
        assert_eq!(due(&engine).await, Mode::Full);
        let (store, connection) = (&engine.store, &engine.config.connections[0]);
        let [from, to] = ["2026-03-01T02:29:50Z", "2026-03-01T02:31:00Z"].map(|at| at.parse().unwrap());
        let run = store.begin_run(&connection.name, Mode::Full, from).await.unwrap();
        store.end_run(run, &connection.name, Outcome::Ok, None, false, &Counts::default(), to).await.unwrap();
        assert_eq!(due(&engine).await, Mode::Incremental);
        let (status, _) = survey::connection(store, connection, engine.clock.now()).await.unwrap();
        assert!(!status.is_next_run_full(), "{status:?}");
    }

    #[tokio::test]
    async fn the_run_after_a_release_is_full() {
        let (engine, _dir) = engine(TimeDelta::hours(1)).await;
        let name = &engine.config.connections[0].name;
        engine.store.accept(name, "https://example.com", &[ElementId(1)]).await.unwrap();
        assert_eq!(due(&engine).await, Mode::Incremental);
        assert!(engine.store.release_connection(name).await.unwrap());
        assert!(engine.store.waits_for_full(name).await.unwrap());
        assert_eq!(due(&engine).await, Mode::Full);
        // No more than once, even where what was released cannot be read again.
        ran_full(&engine, engine.clock.now()).await;
        assert_eq!(due(&engine).await, Mode::Incremental);
    }

    #[tokio::test]
    async fn what_an_incremental_run_cannot_tell_waits_for_one_full_run() {
        let (engine, _dir) = engine(TimeDelta::hours(1)).await;
        let name = &engine.config.connections[0].name;
        let now = engine.clock.now();
        let run = engine.store.begin_run(name, Mode::Incremental, now).await.unwrap();
        engine.store.end_run(run, name, Outcome::Ok, None, true, &Counts::default(), now).await.unwrap();
        assert!(engine.store.waits_for_full(name).await.unwrap());
        assert_eq!(due(&engine).await, Mode::Full);
        ran_full(&engine, now).await;
        assert!(!engine.store.waits_for_full(name).await.unwrap());
    }
}
