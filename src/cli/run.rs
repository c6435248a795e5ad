//! `run`: the daemon, until stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Exit;
use crate::app::{self, AppError, Asker, Engine, Order, Passed, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::daemon::{self, Deliveries, Drained, Ended, Member, Turn, Turns, Work};
use crate::run::Outcome;
use crate::server::{Serving, Shown};
use crate::systemd::Systemd;

/// Share of an interval over which the starts of runs are spread.
const JITTER: f64 = 0.1;

/// The store file is looked over this long after the start, never before READY.
const FIRST_LOOK_AFTER: Duration = Duration::from_hours(1);
/// And again this long after each look.
const LOOK_EVERY: Duration = Duration::from_hours(7 * 24);

pub(super) fn run(settings: Settings) -> Result<Exit, AppError> {
    app::block_on(serve(settings))?
}

async fn serve(settings: Settings) -> Result<Exit, AppError> {
    let context = "cannot register signals";
    let stops = daemon::listen().map_err(|source| AppError::System { context, source })?;
    let engine = Arc::new(Engine::open(settings.config, Clock::System).await?);
    engine.refuse_shared_keys()?;
    engine.look_at_secrets();
    let _lock = engine.store.lock_daemon(engine.clock.now()).await?;
    engine.retire_warnings().await?;
    for connection in &engine.config.connections {
        engine.look_at_start(connection).await?;
    }
    let couriers = engine.couriers().await?;
    engine.board.start(engine.clock.now());
    engine.survey().await?;
    let _serving = serve_status(&engine).await?;
    let members = members(&engine).await?;
    let runs_max = engine.config.daemon.runs_max as usize;
    let turns = Turns::new(members, runs_max, JITTER, engine.clock.now());
    let systemd = Systemd::new(app::notify_socket());
    let connections = engine.config.connections.len();
    tracing::info!(
        event = "daemon_started",
        connections,
        version = env!("CARGO_PKG_VERSION"),
        "daemon started"
    );
    let clock = engine.clock.clone();
    let deliveries = Deliveries::start(couriers, &clock, &engine.queued());
    let looking = tokio::spawn(look_over_store(Arc::clone(&engine)));
    let publishing = tokio::spawn(app::keep_published(Arc::clone(&engine)));
    let pass = move |turn: Turn, cancel| serve_turn(Arc::clone(&engine), turn, cancel);
    let drained = daemon::serve(turns, &clock, &systemd, stops, pass).await;
    looking.abort();
    publishing.abort();
    let runs_cut = match drained {
        Drained::Whole => {
            deliveries.end().await;
            0
        }
        // Whoever stops the program has waited long enough.
        Drained::Cut(count) => count,
    };
    tracing::info!(event = "daemon_stopped", runs_cut, "daemon stopped");
    Ok(Exit::Done)
}

/// Answers over HTTP, if the settings say so.
async fn serve_status(engine: &Engine) -> Result<Option<Serving>, AppError> {
    let Some(settings) = &engine.config.server else { return Ok(None) };
    let (board, metrics) = (Arc::clone(&engine.board), Arc::clone(&engine.metrics));
    let shown = Shown { board, metrics, clock: engine.clock.clone() };
    let context = "cannot listen where server.listen says";
    let serving =
        Serving::start(settings, shown).await.map_err(|source| AppError::System { context, source })?;
    tracing::info!(event = "server_started", address = %serving.address(), "server listens");
    Ok(Some(serving))
}

/// Looks the whole store file over once a week, beside the runs: damage that nobody notices spreads into
/// every backup.
async fn look_over_store(engine: Arc<Engine>) {
    let mut wait = FIRST_LOOK_AFTER;
    loop {
        engine.clock.sleep(wait).await;
        wait = LOOK_EVERY;
        match engine.store.quick_check().await {
            Ok(faults) if faults.is_empty() => {}
            Ok(faults) => tracing::error!(
                event = "store_damaged",
                store = %engine.config.store_path.display(),
                faults = faults.join("; "),
                action = "stop the daemon and restore the file from a backup; the next full run catches up",
                "store is damaged"
            ),
            Err(error) => {
                let error = AppError::from(error).to_text();
                tracing::warn!(event = "store_unchecked", error, "store could not be looked over");
            }
        }
    }
}

/// The connections with what the store knows of their last runs.
async fn members(engine: &Engine) -> Result<Vec<Member>, AppError> {
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
    Ok(members)
}

/// Does one turn, and shows what it came to.
async fn serve_turn(engine: Arc<Engine>, turn: Turn, cancel: watch::Receiver<bool>) -> Ended {
    let connection = &engine.config.connections[turn.member_idx];
    let ended = do_turn(&engine, connection, turn.work, cancel).await;
    if let Err(error) = engine.show(connection).await {
        let (connection, error) = (&connection.name, error.to_text());
        tracing::warn!(event = "status_unread", %connection, error, "status could not be read");
    }
    ended
}

async fn do_turn(
    engine: &Engine,
    connection: &Connection,
    work: Work,
    cancel: watch::Receiver<bool>,
) -> Ended {
    let mode = match work {
        Work::Run(mode) => mode,
        Work::Watch => {
            if let Err(error) = engine.look_at_keys(connection).await {
                let (connection, error) = (&connection.name, error.to_text());
                tracing::error!(event = "watch_failed", %connection, error, "could not look at the keys");
            }
            return Ended::Watched;
        }
    };
    match engine.rests(connection).await {
        Ok(None) => {}
        Ok(reason) => return ended_early(Outcome::Refused, reason),
        Err(error) => return ended_early(Outcome::Failed, Some(error.to_text())),
    }
    let (progress, _unseen) = watch::channel(None);
    let order = Order { mode: Some(mode), asker: Asker::Schedule, cancel, progress };
    match engine.pass(connection, order).await {
        Ok(Passed { run, standing }) => Ended::Ran {
            outcome: run.outcome.expect("a reported run has ended"),
            reason: run.reason,
            needs_full: run.needs_full,
            standing: Some(standing),
        },
        Err(error) => ended_early(Outcome::Failed, Some(error.to_text())),
    }
}

/// A run that did not begin.
fn ended_early(outcome: Outcome, reason: Option<String>) -> Ended {
    Ended::Ran { outcome, reason, needs_full: false, standing: None }
}
