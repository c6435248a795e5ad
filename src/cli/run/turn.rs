//! One turn of the daemon's loop: a run over a connection, or a look at its keys.

use std::sync::Arc;

use tokio::sync::watch;

use crate::app::{AppError, Asker, Claim, Engine, Order, Passed};
use crate::config::Connection;
use crate::daemon::{Ended, Turn, Work};
use crate::run::Outcome;
use crate::store::StoreError;

/// Does a turn under the settings it begins with, whatever a reload brings meanwhile.
pub(super) async fn serve(
    current: watch::Receiver<Arc<Engine>>,
    turn: Turn,
    cancel: watch::Receiver<bool>,
) -> Ended {
    let engine = Arc::clone(&current.borrow());
    // Its seat is about to be taken away.
    let Some(connection) = engine.connection(&turn.name) else { return Ended::Watched };
    let ended = serve_connection(&engine, connection, &turn, cancel).await;
    let engine = Arc::clone(&current.borrow());
    // A store that stopped the run has been told of.
    let is_well = !matches!(ended, Ended::Ran { outcome: Outcome::Failed, .. } | Ended::Elsewhere { .. });
    if let Some(connection) = engine.connection(&turn.name)
        && let Err(error) = engine.show(connection).await
    {
        doubt(&engine, &error);
        if is_well {
            let (connection, error) = (&turn.name, error.to_text());
            tracing::warn!(event = "status_unread", %connection, error, "status could not be read");
        }
    }
    if engine.connection(&turn.name).is_none()
        && let Err(error) = engine.retire_warnings().await
    {
        // What this turn told would stay open for ever; the next start tries again.
        let (connection, error) = (&turn.name, error.to_text());
        tracing::error!(event = "watch_failed", %connection, error, "could not end the warnings of a connection");
    }
    ended
}

async fn serve_connection(
    engine: &Engine,
    connection: &Connection,
    turn: &Turn,
    cancel: watch::Receiver<bool>,
) -> Ended {
    let mode = match turn.work {
        Work::Run(mode) => mode,
        Work::Watch => {
            if let Err(error) = engine.look_at_keys(connection).await {
                doubt(engine, &error);
                let (connection, error) = (&connection.name, error.to_text());
                tracing::error!(event = "watch_failed", %connection, error, "could not look at the keys");
            }
            return Ended::Watched;
        }
    };
    match engine.rests(connection).await {
        Ok(None) => {}
        Ok(reason) => return ended_early(Outcome::Refused, reason),
        Err(error) => return not_begun(engine, &error),
    }
    let (progress, _unseen) = watch::channel(None);
    let (lock, mode) = match engine.claim(connection, turn.due_at, mode).await {
        Ok(Claim::Ours { lock, mode }) => (lock, mode),
        Ok(Claim::Served(served)) => return Ended::Served(served),
        Ok(Claim::Elsewhere(again_in)) => return Ended::Elsewhere { again_in },
        Err(error) => return not_begun(engine, &error),
    };
    let order = Order { mode: Some(mode), asker: Asker::Schedule, lock, cancel, progress };
    match engine.pass(connection, order).await {
        Ok(Passed { run, standing }) => Ended::Ran {
            outcome: run.outcome.expect("a reported run has ended"),
            reason: run.reason,
            needs_full: run.needs_full,
            standing: Some(standing),
        },
        Err(AppError::Store(StoreError::LeaseLost(reason))) => {
            let connection = &connection.name;
            tracing::warn!(
                event = "lease_lost",
                %connection,
                reason,
                action = "look why this replica was cut off from the database, or stood still",
                "another replica took a run over"
            );
            Ended::Elsewhere { again_in: engine.again_in() }
        }
        Err(error) => {
            doubt(engine, &error);
            ended_early(Outcome::Failed, Some(error.to_text()))
        }
    }
}

/// A run of which the store told nothing. Where a database keeps it, nobody knows whether it was served: it
/// stays due, and `store_unreachable` says why nothing happens.
fn not_begun(engine: &Engine, error: &AppError) -> Ended {
    doubt(engine, error);
    match error {
        AppError::Store(StoreError::Failed { .. }) if engine.store.lease().is_some() => {
            Ended::Elsewhere { again_in: engine.again_in() }
        }
        _ => ended_early(Outcome::Failed, Some(error.to_text())),
    }
}

/// Has the store looked at now, if it is what failed.
fn doubt(engine: &Engine, error: &AppError) {
    if matches!(error, AppError::Store(StoreError::Failed { .. } | StoreError::Unusable(_))) {
        engine.board.doubt_store();
    }
}

/// A run that did not begin.
fn ended_early(outcome: Outcome, reason: Option<String>) -> Ended {
    Ended::Ran { outcome, reason, needs_full: false, standing: None }
}

#[cfg(test)]
mod tests {
    mod a_real_postgres {
        use std::sync::Arc;

        use chrono::{DateTime, Utc};
        use tokio::sync::watch;

        use crate::app::Engine;
        use crate::clock::Clock;
        use crate::config::Config;
        use crate::daemon::{Ended, Turn, Work};
        use crate::name::ConnectionName;
        use crate::run::Mode;
        use crate::store::postgres::tests::server;

        #[tokio::test(flavor = "multi_thread")]
        async fn a_run_whose_database_is_away_stays_due() {
            let server = server::Postgres::start();
            let database = server.database();
            let text = format!(
                "{}[connections.city.key]\nname = \"k\"\naccess_key = {{ env = \"A\" }}\nsecret_key = {{ env = \"S\" }}",
                database.toml()
            );
            let dir = tempfile::tempdir().unwrap();
            let config = Config::parse(&text, &dir.path().join("config.toml")).unwrap();
            let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
            let engine = Arc::new(Engine::open(config, Clock::hurried(noon)).await.unwrap());
            let (_reloads, current) = watch::channel(engine);
            let (_stop, cancel) = watch::channel(false);
            server.stop();
            let name = ConnectionName::parse("city").unwrap();
            let turn = Turn { name, work: Work::Run(Mode::Full), due_at: noon };
            let ended = super::super::serve(current, turn, cancel).await;
            assert!(matches!(ended, Ended::Elsewhere { .. }), "{ended:?}");
        }
    }
}
