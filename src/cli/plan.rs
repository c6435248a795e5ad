//! `plan`: what a full sync would change. Asks the network, writes nothing.

use clap::Args;
use serde::Serialize;
use tokio::sync::watch;

use super::output::table;
use super::{Exit, Output};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::cycle::{self, Job, Weighed};
use crate::plan::Operation;
use crate::run::Outcome;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this connection [default: all]
    connection: Option<String>,
}

/// One element that a full sync would write or take out of the views.
#[derive(Debug, Serialize)]
struct PlannedChange {
    operation: &'static str,
    id: i64,
    evidence: Option<String>,
}

#[derive(Debug, Serialize)]
struct PlannedKind {
    kind: String,
    changes: Vec<PlannedChange>,
    unchanged: u64,
    held: usize,
    missing: usize,
}

#[derive(Debug, Serialize)]
struct Planned {
    connection: String,
    outcome: &'static str,
    reason: Option<String>,
    kinds: Vec<PlannedKind>,
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let planned = app::block_on(plan_all(settings, arguments))??;
    let plans: Vec<&Planned> = planned.iter().map(|(planned, _)| planned).collect();
    out.result(&plans, || plans.iter().map(|planned| to_text(planned)).collect())?;
    Ok(Exit::worst(planned.iter().map(|(_, outcome)| (*outcome).into())))
}

async fn plan_all(settings: Settings, arguments: &Arguments) -> Result<Vec<(Planned, Outcome)>, AppError> {
    let engine = Engine::open_to_look(settings.config, Clock::System).await?;
    let mut planned = Vec::new();
    for connection in engine.connections(arguments.connection.as_deref())? {
        planned.push(plan_one(&engine, connection).await?);
    }
    Ok(planned)
}

async fn plan_one(engine: &Engine, connection: &Connection) -> Result<(Planned, Outcome), AppError> {
    let source = engine.client(connection).await?;
    let (_stop, cancel) = watch::channel(false);
    let (progress, _unseen) = watch::channel(None);
    let job = Job {
        connection,
        source: &source,
        store: &engine.store,
        clock: &engine.clock,
        cancel,
        next_due: None,
        progress,
    };
    let (report, weighed) = cycle::preview(&job).await?;
    let outcome = report.run.outcome.expect("a reported run has ended");
    let planned = Planned {
        connection: connection.name.to_string(),
        outcome: outcome.as_str(),
        reason: report.run.reason,
        kinds: weighed.iter().map(planned_kind).collect(),
    };
    Ok((planned, outcome))
}

fn planned_kind(weighed: &Weighed) -> PlannedKind {
    let Weighed { kind, pulled, plan, verdicts, held } = weighed;
    let written = plan.writes.iter().map(|write| PlannedChange {
        operation: write.operation.as_str(),
        id: pulled.snapshot.entries[write.entry].id.0,
        evidence: None,
    });
    let removed = verdicts.removals.iter().map(|removal| PlannedChange {
        operation: Operation::Remove.as_str(),
        id: removal.id.0,
        evidence: Some(format!("{}: {}", removal.reason.as_str(), removal.evidence)),
    });
    let unlisted = verdicts.unlisted.iter().map(|id| PlannedChange {
        operation: Operation::Unlist.as_str(),
        id: id.0,
        evidence: None,
    });
    PlannedKind {
        kind: kind.name.to_string(),
        changes: written.chain(removed).chain(unlisted).collect(),
        unchanged: plan.unchanged,
        held: held.as_ref().map_or(0, |held| held.ids.len()),
        missing: verdicts.undecided.len(),
    }
}

fn to_text(planned: &Planned) -> String {
    let Planned { connection, outcome, reason, kinds } = planned;
    let count = |kind: &PlannedKind, operation: Operation| {
        let is_it = |change: &&PlannedChange| change.operation == operation.as_str();
        kind.changes.iter().filter(is_it).count().to_string()
    };
    let rows = kinds.iter().map(|kind| {
        let mut row = vec![kind.kind.clone()];
        let operations = [Operation::Insert, Operation::Update, Operation::Restore, Operation::Remove];
        row.extend(operations.map(|operation| count(kind, operation)));
        row.extend([kind.held, kind.missing].map(|count| count.to_string()));
        row.push(kind.unchanged.to_string());
        row
    });
    let head = ["kind", "insert", "update", "restore", "remove", "held", "missing", "unchanged"];
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let table = if kinds.is_empty() { String::new() } else { table(&head, rows) };
    format!("{connection}: a full sync would be {outcome}{why}\n{table}\n")
}
