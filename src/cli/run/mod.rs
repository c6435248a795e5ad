//! `run`: the daemon, until stopped.

mod reload;
mod store;
mod turn;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use super::Exit;
use crate::app::{self, AppError, Engine, Settings};
use crate::board::FirstLook;
use crate::clock::Clock;
use crate::daemon::{self, Deliveries, Drained, Member, Orders, Seating, Signs, Turn, Turns};
use crate::deliver::Courier;
use crate::server::{Serving, Sources};
use crate::store::{DaemonLock, Store};
use crate::task::Task;
use crate::version;
use reload::Reloads;

/// Share of an interval over which the starts of runs are spread.
const JITTER: f64 = 0.1;

/// How long the store is waited for at the end, until nobody works with it any more.
const CLOSE_MAX: Duration = Duration::from_secs(5);

pub(super) fn run(path: &Path, log: &str) -> Result<Exit, AppError> {
    app::block_on(run_until_stopped(path.to_owned(), log.to_owned()))?
}

async fn run_until_stopped(path: PathBuf, log: String) -> Result<Exit, AppError> {
    // Before anything else: a reload that comes early must end nothing.
    let refused = |source| AppError::System { context: "cannot register signals", source };
    let (stops, requests) = (daemon::stops().map_err(refused)?, daemon::reloads().map_err(refused)?);
    // On a thread of its own: whoever keeps the store to himself holds it up, and a stop is heard meanwhile.
    let starting = Task::begin(start(path, log));
    let mut asked = stops.clone();
    let started = tokio::select! {
        started = starting.end() => started?,
        // The sender lives as long as somebody listens.
        _ = asked.wait_for(|stops| *stops > 0) => {
            tracing::info!(event = "daemon_stopped", runs_cut = 0, store_closed = false, "daemon stopped in its start");
            return Ok(Exit::Done);
        }
    };
    Ok(serve(started, stops, requests).await)
}

/// The daemon, ready to serve.
struct Started {
    path: PathBuf,
    lock: DaemonLock,
    engine: Arc<Engine>,
    couriers: Vec<Courier>,
    turns: Turns,
    first_look: FirstLook,
    serving: Option<Serving>,
}

/// All that comes before the first turn. Cut off anywhere, it loses nothing: a store is brought up to date in one
/// transaction.
async fn start(path: PathBuf, log: String) -> Result<Started, AppError> {
    let Settings { path, config } = Settings::load(&path, &log)?;
    app::refuse_shared_keys(&config)?;
    let lock = DaemonLock::take(&config.daemon_place(), &Clock::System).await?;
    let engine = Arc::new(Engine::open(config, Clock::System).await?);
    engine.look_at_secrets();
    engine.retire_warnings().await?;
    for connection in &engine.config.connections {
        engine.look_at_start(connection).await?;
    }
    let couriers = engine.couriers().await?;
    engine.board.start(engine.clock.now());
    engine.make_room();
    let first_look = engine.board.look_first();
    let serving = serve_status(&engine).await?;
    // What ends from here on, also elsewhere, serves what is due now.
    let now = engine.clock.now();
    let turns = Turns::new(seating(&engine).await?, JITTER, now);
    Ok(Started { path, lock, engine, couriers, turns, first_look, serving })
}

async fn serve(started: Started, stops: watch::Receiver<u32>, requests: watch::Receiver<u32>) -> Exit {
    let Started { path, lock, engine, couriers, turns, first_look, serving: _serving } = started;
    tracing::info!(
        event = "daemon_started",
        connections = engine.config.connections.len(),
        version = version::NUMBER,
        commit = version::COMMIT,
        "daemon started"
    );
    let (store, clock, board) = (engine.store.clone(), engine.clock.clone(), Arc::clone(&engine.board));
    let deliveries = Arc::new(Mutex::new(Deliveries::start(couriers, &clock, &engine.queued())));
    let (engine, current) = watch::channel(engine);
    let mut beside = JoinSet::new();
    beside.spawn(look_first(Arc::clone(&engine.borrow()), first_look));
    beside.spawn(store::look_over(Arc::clone(&engine.borrow())));
    beside.spawn(app::keep_published(current.clone()));
    beside.spawn(app::keep_shown(current.clone()));
    beside.spawn(daemon::watch_store(store.clone(), clock.clone(), Arc::clone(&board)));
    let (seats, seating) = watch::channel(None);
    let reloads = Reloads { path, engine, seats, deliveries: Arc::clone(&deliveries) };
    beside.spawn(reloads.serve(requests));
    let mut asked = stops.clone();
    let pass = move |turn: Turn, cancel| turn::serve(current.clone(), turn, cancel);
    let mut signs = Signs::new(app::service_manager(), Some(lock), board);
    let drained = daemon::serve(turns, &clock, &mut signs, Orders { stops, seating }, pass).await;
    beside.abort_all();
    let (runs_cut, store_closed) = match drained {
        Drained::Whole => tokio::select! {
            closed = finish(&deliveries, store, &clock) => (0, closed),
            _ = asked.wait_for(|stops| *stops > 1) => (0, false),
        },
        // Whoever stops the program has waited long enough.
        Drained::Cut(count) => (count, false),
    };
    tracing::info!(event = "daemon_stopped", runs_cut, store_closed, "daemon stopped");
    Exit::Done
}

/// Tells the targets what is still to be told, and closes the store; gives whether it is closed.
async fn finish(deliveries: &Mutex<Deliveries>, store: Store, clock: &Clock) -> bool {
    deliveries.lock().await.end().await;
    store.close(clock, CLOSE_MAX).await
}

/// Looks at everything for the first time, beside the first runs: to count what a large store holds takes
/// longer than all the rest of a start.
async fn look_first(engine: Arc<Engine>, _first_look: FirstLook) {
    if let Err(error) = engine.survey().await {
        let error = error.to_text();
        tracing::warn!(event = "status_unread", error, "status could not be read");
    }
}

/// Answers over HTTP, if the settings say so.
async fn serve_status(engine: &Engine) -> Result<Option<Serving>, AppError> {
    let Some(settings) = &engine.config.server else { return Ok(None) };
    let (board, metrics) = (Arc::clone(&engine.board), Arc::clone(&engine.metrics));
    let sources = Sources { board, metrics, clock: engine.clock.clone() };
    Ok(Some(Serving::start(settings, sources).await?))
}

/// The connections with what the store knows of their last runs.
async fn seating(engine: &Engine) -> Result<Seating, AppError> {
    let mut members = Vec::new();
    for connection in &engine.config.connections {
        let last_full = engine.store.last_full_success(&connection.name).await?;
        let last_run = engine.store.last_served(&connection.name).await?;
        members.push(Member {
            name: connection.name.clone(),
            schedule: connection.schedule.clone(),
            schedule_full: connection.schedule_full.clone(),
            last_run: last_run.map(|run| run.started_at),
            last_full: last_full.filter(|run| !run.needs_full).and_then(|run| run.finished_at),
        });
    }
    Ok(Seating { members, runs_max: engine.config.daemon.runs_max as usize })
}
