//! `sync`: one pass over every connection, or one, then exit: for cron, for a container, by hand.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::sync::watch;

use super::output::table;
use super::{Exit, Output, progress};
use crate::app::{self, AppError, Asker, Engine, Order, Passed, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::cycle::Progress;
use crate::run::{Mode, Run};
use crate::task::Task;

/// How long the targets of warnings may take together; what is left waits for the next process.
const DELIVER_MAX: Duration = Duration::from_secs(15);
/// The same once it is asked to stop.
const DELIVER_STOPPED_MAX: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
#[command(after_help = "Without --full or --incremental a sync is full when schedule_full had a due time \
since the last full one, like the daemon's.")]
pub(super) struct Arguments {
    /// Only this connection [default: all]
    connection: Option<String>,
    /// Pull every kind whole: finds removals
    #[arg(long, conflicts_with = "incremental")]
    full: bool,
    /// Pull what changed, where the API has proved that it can tell
    #[arg(long)]
    incremental: bool,
}

impl Arguments {
    /// `None`: full when `schedule_full` had a due time since the last full success, like the daemon.
    fn mode(&self) -> Option<Mode> {
        match (self.full, self.incremental) {
            (true, _) => Some(Mode::Full),
            (_, true) => Some(Mode::Incremental),
            _ => None,
        }
    }
}

/// What became of one connection.
#[derive(Debug, Serialize)]
struct Synced {
    connection: String,
    exit: u8,
    run: Option<Run>,
    error: Option<String>,
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let (synced, exit) = app::block_on(sync_all(settings, arguments))??;
    out.result(&synced, || to_text(&synced))?;
    Ok(exit)
}

async fn sync_all(settings: Settings, arguments: &Arguments) -> Result<(Vec<Synced>, Exit), AppError> {
    let mut cancel = app::cancel_on_signal()?;
    let connections = settings.config.connections.clone();
    // On a thread of its own: whoever keeps the store to himself holds it up, and a stop is heard meanwhile.
    let opening = Task::begin(Engine::open(settings.config, Clock::System));
    let engine = tokio::select! {
        engine = opening.end() => engine?,
        Ok(_) = cancel.wait_for(|stop| *stop) => {
            let wanted = |connection: &&Connection| {
                arguments.connection.as_ref().is_none_or(|name| *name == connection.name.as_str())
            };
            let reached_none = connections.iter().filter(wanted).map(not_reached);
            return Ok((reached_none.map(|(one, _)| one).collect(), Exit::Partial));
        }
    };
    app::refuse_shared_keys(&engine.config)?;
    engine.look_at_secrets();
    let couriers = engine.couriers().await?;
    let mut synced = Vec::new();
    let mut exits = Vec::new();
    for connection in engine.connections(arguments.connection.as_deref())? {
        let is_stopped = *cancel.borrow();
        let (one, exit) = match is_stopped {
            true => not_reached(connection),
            false => sync_one(&engine, connection, arguments.mode(), cancel.clone()).await,
        };
        synced.push(one);
        exits.push(exit);
    }
    // A copy of a large store takes longer than whoever stops the program waits.
    let is_stopped = *cancel.borrow();
    if !is_stopped && let Err(error) = engine.publish().await {
        let error = error.to_text();
        tracing::error!(event = "publish_failed", error, "copy for readers is not made");
        exits.push(Exit::Partial);
    }
    tokio::select! {
        () = app::deliver_once(couriers, DELIVER_MAX) => {}
        () = stopped(cancel, &engine.clock) => {}
    }
    Ok((synced, Exit::worst(exits)))
}

/// What becomes of a connection whose turn did not come before the program was asked to stop: nothing, and no run
/// has failed.
fn not_reached(connection: &Connection) -> (Synced, Exit) {
    let (exit, text) = (Exit::Partial, "the program was asked to stop before its turn".to_owned());
    (
        Synced { connection: connection.name.to_string(), exit: exit.code(), run: None, error: Some(text) },
        exit,
    )
}

/// A short while after the program is asked to stop.
async fn stopped(mut cancel: watch::Receiver<bool>, clock: &Clock) {
    if cancel.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
    clock.sleep(DELIVER_STOPPED_MAX).await;
}

/// One broken connection never keeps the others from their turn.
async fn sync_one(
    engine: &Engine,
    connection: &Connection,
    mode: Option<Mode>,
    cancel: watch::Receiver<bool>,
) -> (Synced, Exit) {
    let (progress, seen) = watch::channel(None);
    let drawing = progress::draw(&connection.name, seen, |Progress { kind, position, of }| {
        (position, of, kind.to_string())
    });
    let order = Order { mode, asker: Asker::Command, lock: None, cancel, progress };
    let answer = engine.pass(connection, order).await;
    drawing.finish();
    let name = connection.name.to_string();
    match answer {
        Ok(Passed { run, .. }) => {
            let outcome = run.outcome.expect("a reported run has ended");
            let exit = if run.was_stopped() { Exit::Partial } else { Exit::from(outcome) };
            (Synced { connection: name, exit: exit.code(), run: Some(run), error: None }, exit)
        }
        Err(error) => {
            let (exit, text) = (error.exit(), error.to_text());
            let connection = &connection.name;
            if exit == Exit::Busy {
                tracing::warn!(event = "run_impossible", %connection, error = text, "another process is at it");
            } else {
                tracing::error!(event = "run_impossible", %connection, error = text, "run impossible");
            }
            (Synced { connection: name, exit: exit.code(), run: None, error: Some(text) }, exit)
        }
    }
}

const HEAD: [&str; 8] =
    ["connection", "mode", "outcome", "inserted", "updated", "restored", "removed", "unchanged"];

fn to_text(synced: &[Synced]) -> String {
    let rows = synced.iter().map(|one| match &one.run {
        Some(run) => {
            let counts = run.counts;
            let numbers =
                [counts.inserted, counts.updated, counts.restored, counts.removed, counts.unchanged];
            let mut row = vec![one.connection.clone(), run.mode.as_str().into()];
            row.push(run.outcome.expect("a reported run has ended").as_str().into());
            row.extend(numbers.map(|number| number.to_string()));
            row
        }
        None => {
            let mut row = vec![one.connection.clone(), "-".into(), "not run".into()];
            row.resize(HEAD.len(), "-".into());
            row
        }
    });
    table(&HEAD, rows)
}
