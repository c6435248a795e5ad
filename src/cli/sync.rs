//! `sync`: one pass over every connection, or one, then exit: for cron, for a container, by hand.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::sync::watch;

use super::output::table;
use super::{Exit, Output, progress};
use crate::app::{self, AppError, Asker, Engine, Order, Passed, Settings};
use crate::clock::Clock;
use crate::config::{Config, Connection};
use crate::cycle::Progress;
use crate::daemon;
use crate::deliver::Courier;
use crate::run::{Mode, Run};
use crate::task::Task;

/// How long the targets of warnings may take together; what is left waits for the next process.
const DELIVER_MAX: Duration = Duration::from_secs(15);
/// The same once it is asked to stop.
const DELIVER_STOPPED_MAX: Duration = Duration::from_secs(3);
/// How long the store is waited for at the end, where a copy of it is under way.
const CLOSE_MAX: Duration = Duration::from_secs(5);

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
    let stop = Stop::new()?;
    let connections = settings.config.connections.clone();
    let Some(opened) = stop.or_cut(Duration::ZERO, open(settings.config)).await else {
        let wanted = |connection: &&Connection| {
            arguments.connection.as_ref().is_none_or(|name| *name == connection.name.as_str())
        };
        let reached_none = connections.iter().filter(wanted).map(|one| not_ended(one, NOT_REACHED));
        return Ok((reached_none.map(|(one, _)| one).collect(), Exit::Partial));
    };
    let (engine, couriers) = opened?;
    let mut synced = Vec::new();
    let mut exits = Vec::new();
    for connection in engine.connections(arguments.connection.as_deref())? {
        let (one, exit) = match stop.is_asked() {
            true => not_ended(connection, NOT_REACHED),
            false => sync_one(&engine, connection, arguments.mode(), &stop).await,
        };
        synced.push(one);
        exits.push(exit);
    }
    let is_copy_whole = stop.is_asked() || publish(&engine, &stop, &mut exits).await;
    stop.or_cut(DELIVER_STOPPED_MAX, app::deliver_once(couriers, DELIVER_MAX)).await;
    if !is_copy_whole {
        let (store, clock) = (engine.store.clone(), engine.clock.clone());
        drop(engine);
        // Breaks it off, so that nothing of it is left.
        stop.or_cut(CLOSE_MAX, async move { store.close(&clock, CLOSE_MAX).await }).await;
    }
    Ok((synced, Exit::worst(exits)))
}

/// All that comes before the first connection.
async fn open(config: Config) -> Result<(Arc<Engine>, Vec<Courier>), AppError> {
    let engine = Engine::open(config, Clock::System).await?;
    app::refuse_shared_keys(&engine.config)?;
    engine.look_at_secrets();
    let couriers = engine.couriers().await?;
    Ok((Arc::new(engine), couriers))
}

/// Makes the copy for readers, if one is due. `false`: it is under way still, for to copy a large store takes longer
/// than whoever stops the program waits.
async fn publish(engine: &Arc<Engine>, stop: &Stop, exits: &mut Vec<Exit>) -> bool {
    let publishing = Arc::clone(engine);
    let published = stop.or_cut(Duration::ZERO, async move { publishing.publish().await }).await;
    if let Some(Err(error)) = &published {
        let error = error.to_text();
        tracing::error!(event = "publish_failed", error, "copy for readers is not made");
    }
    if !matches!(published, Some(Ok(()))) {
        exits.push(Exit::Partial);
    }
    published.is_some()
}

/// Requests to stop.
struct Stop {
    asked: watch::Receiver<u32>,
    /// Turns true at the first.
    cancel: watch::Receiver<bool>,
}

impl Stop {
    fn new() -> Result<Self, AppError> {
        let asked = app::stops()?;
        Ok(Self { cancel: app::cancel_on(asked.clone()), asked })
    }

    fn is_asked(&self) -> bool {
        *self.asked.borrow() > 0
    }

    /// Does a work to its end. `None`: it is cut off, so long after the first request or at the second. It is on a
    /// thread of its own: whoever keeps the store to himself holds it up, and a stop is heard meanwhile.
    async fn or_cut<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let work = Task::begin(work);
        let (mut first, mut second) = (self.asked.clone(), self.asked.clone());
        tokio::select! {
            done = work.end() => Some(done),
            Ok(_) = second.wait_for(|asked| *asked > 1) => None,
            Ok(()) = async {
                first.wait_for(|asked| *asked > 0).await.map(drop)?;
                Clock::System.sleep(patience).await;
                Ok::<_, watch::error::RecvError>(())
            } => None,
        }
    }
}

const NOT_REACHED: &str = "the program was asked to stop before its turn";
const CUT_OFF: &str = "the program was asked to stop, and the run did not come to a safe point in time; the next one \
repeats what is not stored";

/// What becomes of a connection whose turn did not come before the program was asked to stop, or whose run did not
/// end after that: no run has failed.
fn not_ended(connection: &Connection, why: &str) -> (Synced, Exit) {
    let (connection, exit) = (connection.name.to_string(), Exit::Partial);
    (Synced { connection, exit: exit.code(), run: None, error: Some(why.to_owned()) }, exit)
}

/// One broken connection never keeps the others from their turn.
async fn sync_one(
    engine: &Arc<Engine>,
    connection: &Connection,
    mode: Option<Mode>,
    stop: &Stop,
) -> (Synced, Exit) {
    let (progress, seen) = watch::channel(None);
    let drawing = progress::draw(&connection.name, seen, |Progress { kind, position, of }| {
        (position, of, kind.to_string())
    });
    let order = Order { mode, asker: Asker::Command, lock: None, cancel: stop.cancel.clone(), progress };
    let (engine, passing) = (Arc::clone(engine), connection.clone());
    let passed = stop.or_cut(daemon::DRAIN_MAX, async move { engine.pass(&passing, order).await }).await;
    drawing.finish();
    let name = connection.name.to_string();
    match passed {
        None => {
            tracing::warn!(event = "run_cut", connection = name, error = CUT_OFF, "run cut off");
            not_ended(connection, CUT_OFF)
        }
        Some(Ok(Passed { run, .. })) => {
            let outcome = run.outcome.expect("a reported run has ended");
            let exit = if run.was_stopped() { Exit::Partial } else { Exit::from(outcome) };
            (Synced { connection: name, exit: exit.code(), run: Some(run), error: None }, exit)
        }
        Some(Err(error)) => {
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
