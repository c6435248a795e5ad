//! One turn of the daemon's loop: a run over a connection, or a look at its keys.

use std::sync::Arc;

use tokio::sync::watch;

use crate::app::{AppError, Asker, Claim, Engine, Order, Passed};
use crate::config::Connection;
use crate::daemon::{Ended, Turn, Work};
use crate::retry::NextTry;
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
    let order = Order { mode: Some(mode), asker: Asker::Schedule, lock: Some(lock), cancel, progress };
    match engine.pass(connection, order).await {
        Ok(Passed { run, standing, next_try }) => Ended::Ran {
            outcome: run.outcome.expect("a reported run has ended"),
            reason: run.reason,
            needs_full: run.needs_full,
            standing: Some(standing),
            next_try,
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
    Ended::Ran { outcome, reason, needs_full: false, standing: None, next_try: NextTry::Soon }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::name::ConnectionName;
    use crate::run::{Counts, Mode};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn city() -> ConnectionName {
        ConnectionName::parse("city").unwrap()
    }

    /// A daemon on this store, whose keys cannot be read.
    async fn daemon(store: &str, dir: &std::path::Path) -> Arc<Engine> {
        let text = format!(
            "{store}[connections.city.key]\nname = \"k\"\naccess_key = {{ env = \"A\" }}\nsecret_key = {{ env = \"S\" }}"
        );
        let config = Config::parse(&text, &dir.join("config.toml")).unwrap();
        let engine = Engine::open(config, Clock::hurried(at("2026-03-01T12:00:30Z"))).await.unwrap();
        engine.make_room();
        Arc::new(engine)
    }

    /// The run that was due at noon.
    async fn turn(engine: &Arc<Engine>) -> Ended {
        let (_reloads, current) = watch::channel(Arc::clone(engine));
        let (_stop, cancel) = watch::channel(false);
        let turn = Turn { name: city(), work: Work::Run(Mode::Full), due_at: at("2026-03-01T12:00:00Z") };
        serve(current, turn, cancel).await
    }

    /// Records a run that ended then.
    async fn ran(engine: &Engine, outcome: Outcome, ended: &str) {
        let run = engine.store.begin_run(&city(), Mode::Full, at("2026-03-01T11:59:00Z")).await.unwrap();
        let counts = Counts { requests: 3, ..Counts::default() };
        engine.store.end_run(run, &city(), outcome, None, false, &counts, at(ended)).await.unwrap();
    }

    const FILE: &str = "[store.sqlite]\npath = \"store.db\"\n";

    #[tokio::test]
    async fn what_a_command_by_hand_is_at_is_no_failure_and_what_it_did_is_not_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let engine = daemon(FILE, dir.path()).await;
        let lock = engine.store.lock(&city(), "sync", engine.clock.now()).await.unwrap();
        assert_eq!(turn(&engine).await, Ended::Elsewhere { again_in: TimeDelta::minutes(1) });
        let counted = engine.metrics.render(&engine.board.status(engine.clock.now()));
        assert!(!counted.lines().any(|line| line.contains("outcome=\"failed\"") && !line.ends_with(" 0")));
        ran(&engine, Outcome::Ok, "2026-03-01T12:00:20Z").await;
        drop(lock);
        let ended = turn(&engine).await;
        assert!(matches!(&ended, Ended::Served(served) if served.outcome == Outcome::Ok), "{ended:?}");
    }

    #[tokio::test]
    async fn in_a_file_no_failed_run_and_none_of_the_future_serves_what_is_due() {
        for (outcome, ended) in
            [(Outcome::Failed, "2026-03-01T12:00:20Z"), (Outcome::Ok, "2026-03-02T12:00:00Z")]
        {
            let dir = tempfile::tempdir().unwrap();
            let engine = daemon(FILE, dir.path()).await;
            ran(&engine, outcome, ended).await;
            let ended = turn(&engine).await;
            assert!(matches!(ended, Ended::Ran { outcome: Outcome::Failed, .. }), "{ended:?}");
        }
    }

    mod a_real_postgres {
        use crate::daemon::Ended;
        use crate::store::postgres::tests::server;

        #[tokio::test(flavor = "multi_thread")]
        async fn a_run_whose_database_is_away_stays_due() {
            let server = server::Postgres::start();
            let dir = tempfile::tempdir().unwrap();
            let engine = super::daemon(&server.database().toml(), dir.path()).await;
            server.stop();
            let ended = super::turn(&engine).await;
            assert!(matches!(ended, Ended::Elsewhere { .. }), "{ended:?}");
        }
    }
}
