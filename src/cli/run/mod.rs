//! `run`: the daemon, until stopped.

mod reload;
mod store;
mod turn;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::Exit;
use crate::app::{self, AppError, Engine, Settings};
use crate::board::FirstLook;
use crate::clock::Clock;
use crate::daemon::{self, Deliveries, Drained, Member, Orders, Seating, Signs, Turn, Turns};
use crate::server::{Serving, Shown};
use crate::store::DaemonLock;
use crate::systemd::Systemd;
use crate::version;
use reload::Reloads;

/// Share of an interval over which the starts of runs are spread.
const JITTER: f64 = 0.1;

pub(super) fn run(path: &Path, log: &str) -> Result<Exit, AppError> {
    app::block_on(serve(path, log))?
}

async fn serve(path: &Path, log: &str) -> Result<Exit, AppError> {
    // Before anything else: a reload that comes early must end nothing.
    let refused = |source| AppError::System { context: "cannot register signals", source };
    let (stops, requests) = (daemon::stops().map_err(refused)?, daemon::reloads().map_err(refused)?);
    let Settings { path, config } = Settings::load(path, log)?;
    app::refuse_shared_keys(&config)?;
    let lock = DaemonLock::take(&config.daemon_place(), &Clock::System).await?;
    let engine = Arc::new(Engine::open(config, Clock::System).await?);
    let clock = engine.clock.clone();
    engine.look_at_secrets();
    engine.retire_warnings().await?;
    for connection in &engine.config.connections {
        engine.look_at_start(connection).await?;
    }
    let couriers = engine.couriers().await?;
    engine.board.start(clock.now());
    engine.make_room();
    let first_look = engine.board.look_first();
    let _serving = serve_status(&engine).await?;
    // What ends from here on, also elsewhere, serves what is due now.
    let now = clock.now();
    let turns = Turns::new(seating(&engine).await?, JITTER, now);
    tracing::info!(
        event = "daemon_started",
        connections = engine.config.connections.len(),
        version = version::NUMBER,
        commit = version::COMMIT,
        "daemon started"
    );
    let store = engine.store.clone();
    let deliveries = Arc::new(Mutex::new(Deliveries::start(couriers, &clock, &engine.queued())));
    let board = Arc::clone(&engine.board);
    let (engine, current) = watch::channel(engine);
    let beside = [
        tokio::spawn(look_first(Arc::clone(&engine.borrow()), first_look)),
        tokio::spawn(store::look_over(Arc::clone(&engine.borrow()))),
        tokio::spawn(app::keep_published(current.clone())),
        tokio::spawn(daemon::watch_store(store, clock.clone(), Arc::clone(&board))),
    ];
    let (seats, seating) = watch::channel(None);
    let reloads = Reloads { path, engine, seats, deliveries: Arc::clone(&deliveries) };
    let reloading = tokio::spawn(reloads.serve(requests));
    let pass = move |turn: Turn, cancel| turn::serve(current.clone(), turn, cancel);
    let mut signs = Signs::new(Systemd::new(app::notify_socket()), Some(lock), board);
    let drained = daemon::serve(turns, &clock, &mut signs, Orders { stops, seating }, pass).await;
    reloading.abort();
    beside.iter().for_each(tokio::task::JoinHandle::abort);
    let runs_cut = match drained {
        Drained::Whole => {
            deliveries.lock().await.end().await;
            0
        }
        // Whoever stops the program has waited long enough.
        Drained::Cut(count) => count,
    };
    tracing::info!(event = "daemon_stopped", runs_cut, "daemon stopped");
    Ok(Exit::Done)
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
    let shown = Shown { board, metrics, clock: engine.clock.clone() };
    Ok(Some(Serving::start(settings, shown).await?))
}

/// The connections with what the store knows of their last runs.
async fn seating(engine: &Engine) -> Result<Seating, AppError> {
    let mut members = Vec::new();
    for connection in &engine.config.connections {
        let last_full = engine.store.last_full_success(&connection.name).await?;
        let last_run = engine.store.last_success(&connection.name).await?;
        members.push(Member {
            name: connection.name.clone(),
            schedule: connection.schedule.clone(),
            schedule_full: connection.schedule_full.clone(),
            last_run: last_run.map(|run| run.started_at),
            last_full: last_full.filter(|run| !run.needs_full).map(|run| run.started_at),
        });
    }
    Ok(Seating { members, runs_max: engine.config.daemon.runs_max as usize })
}
