//! `status`: how fresh each kind is, the last and the next run, and what is open. Asks no network.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::keys::{self, KeyRow};
use super::output::{instant, table};
use super::warnings::{OpenRow, open_text};
use super::{Exit, Output};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::run::Run;
use crate::store::{Freshness, StoreError};

#[derive(Debug, Serialize)]
struct Status {
    connections: Vec<ConnectionStatus>,
    warnings: Vec<OpenRow>,
}

#[derive(Debug, Serialize)]
struct ConnectionStatus {
    connection: String,
    is_configured: bool,
    last_run: Option<Run>,
    next_run: Option<DateTime<Utc>>,
    next_full_run: Option<DateTime<Utc>>,
    /// As declared.
    mapped_user: Option<String>,
    /// Scorecards that the mapped user sees, as accepted.
    scorecards_visible: Option<usize>,
    keys: Vec<KeyRow>,
    kinds: Vec<Freshness>,
}

pub(super) fn run(settings: &Settings, out: &Output) -> Result<Exit, AppError> {
    let status = app::block_on(status(settings))??;
    out.result(&status, || to_text(&status))?;
    Ok(Exit::Done)
}

async fn status(settings: &Settings) -> Result<Status, AppError> {
    let engine = Engine::open_to_look(settings.config.clone(), Clock::System).await?;
    let freshness = engine.store.freshness().await?;
    let mut connections = Vec::new();
    for connection in &engine.config.connections {
        connections.push(connection_status(&engine, connection, &freshness).await?);
    }
    // A connection taken out of the configuration is left as it is; its age shows here.
    let mut others: Vec<&str> = freshness.iter().map(|row| row.connection.as_str()).collect();
    others.dedup();
    others.retain(|name| !connections.iter().any(|known| known.connection == *name));
    connections.extend(others.into_iter().map(|name| ConnectionStatus {
        connection: name.to_owned(),
        is_configured: false,
        last_run: None,
        next_run: None,
        next_full_run: None,
        mapped_user: None,
        scorecards_visible: None,
        keys: Vec::new(),
        kinds: of(&freshness, name),
    }));
    let now = engine.clock.now();
    let open = engine.store.open_warnings().await?;
    let warnings = open.into_iter().map(|open| OpenRow::of(open, now)).collect();
    Ok(Status { connections, warnings })
}

async fn connection_status(
    engine: &Engine,
    connection: &Connection,
    freshness: &[Freshness],
) -> Result<ConnectionStatus, StoreError> {
    let now = engine.clock.now();
    let account = engine.store.account(&connection.name).await?;
    Ok(ConnectionStatus {
        connection: connection.name.to_string(),
        is_configured: true,
        last_run: engine.store.last_run(&connection.name, None).await?,
        next_run: Some(connection.schedule.next_after(now)),
        next_full_run: Some(connection.schedule_full.next_after(now)),
        mapped_user: connection.mapped_user.clone(),
        scorecards_visible: account.map(|account| account.accepted.len()),
        keys: keys::of(connection, &engine.clock, &engine.store.key_states(&connection.name).await?),
        kinds: of(freshness, connection.name.as_str()),
    })
}

fn of(freshness: &[Freshness], connection: &str) -> Vec<Freshness> {
    freshness.iter().filter(|row| row.connection == connection).cloned().collect()
}

fn to_text(status: &Status) -> String {
    let mut text = String::new();
    for connection in &status.connections {
        text += &connection_text(connection);
    }
    if status.warnings.is_empty() {
        return text + "no open warnings\n";
    }
    text.extend(status.warnings.iter().map(open_text));
    text
}

fn connection_text(status: &ConnectionStatus) -> String {
    let mut text = status.connection.clone();
    if !status.is_configured {
        text += " is no longer in the configuration; its rows stay as they are\n";
    }
    match &status.last_run {
        Some(run) => {
            let outcome = run.outcome.map_or("unfinished", |outcome| outcome.as_str());
            let ended = run.finished_at.unwrap_or(run.started_at);
            text += &format!(": last run {} {} ({})\n", instant(ended), outcome, run.mode.as_str());
            text += &run.reason.as_ref().map(|reason| format!("  {reason}\n")).unwrap_or_default();
        }
        None if status.is_configured => text += ": never run\n",
        None => {}
    }
    if let (Some(next), Some(full)) = (status.next_run, status.next_full_run) {
        text += &format!("  next run {}, next full run {}\n", instant(next), instant(full));
    }
    if let Some(count) = status.scorecards_visible {
        let user = status.mapped_user.as_deref().unwrap_or("the mapped user");
        text += &format!("  {user} sees {count} scorecards\n");
    }
    for key in &status.keys {
        text += &format!("  {}\n", keys::to_line(key));
    }
    let rows = status.kinds.iter().map(|row| {
        vec![
            row.kind.clone(),
            row.present.to_string(),
            row.complete_as_of.as_deref().map_or_else(|| "never".into(), to_the_second),
            row.outcome.clone(),
            row.reason.clone().unwrap_or_else(|| unproven(row).into()),
        ]
    });
    if status.kinds.is_empty() {
        return text + "\n";
    }
    text + &table(&["kind", "elements", "complete_as_of", "last_outcome", "reason"], rows) + "\n"
}

/// What a list without any total leaves open.
fn unproven(row: &Freshness) -> &'static str {
    match row.outcome.as_str() {
        "complete" if !row.is_end_told => "end unproven: no total, only pages without rows",
        _ => "",
    }
}

/// A stored instant as it reads best; as it stands where it is none.
fn to_the_second(stored: &str) -> String {
    stored.parse().map_or_else(|_| stored.to_owned(), instant)
}
