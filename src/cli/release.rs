//! `release`: a person accepts a changed account, or lets held removals go.

use clap::Args;
use serde::Serialize;

use super::{Exit, Output};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::kind::KindName;
use crate::store::HELD_VALUES;
use crate::warning::{Event, OpenWarning};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The connection whose changed account is accepted
    connection: String,
    /// Let the held removals of this kind go instead
    kind: Option<String>,
}

#[derive(Debug, Serialize)]
struct Released {
    connection: String,
    kind: Option<String>,
    /// Held elements that the next run may remove.
    elements: Option<usize>,
    text: String,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let released = app::block_on(release(settings, arguments))??;
    out.result(&released, || released.text.clone())?;
    Ok(Exit::Done)
}

async fn release(settings: &Settings, arguments: &Arguments) -> Result<Released, AppError> {
    let engine = Engine::open(settings.config.clone(), Clock::System).await?;
    let connection = engine.connections(Some(&arguments.connection))?[0];
    match &arguments.kind {
        Some(kind) => release_kind(&engine, connection, kind).await,
        None => release_account(&engine, connection).await,
    }
}

async fn release_account(engine: &Engine, connection: &Connection) -> Result<Released, AppError> {
    let name = &connection.name;
    let open = engine.store.open_warnings().await?;
    let is_changed = |open: &OpenWarning| {
        open.warning.id.event == Event::AccountChanged && open.warning.id.connection == *name
    };
    // A release in advance would open the gate to whatever account comes next.
    if !open.iter().any(is_changed) || !engine.store.release_connection(name).await? {
        let text =
            format!("nothing to release: {name} has no open account_changed; see: clearpoint-sync status");
        return Err(AppError::Usage(text));
    }
    let text = format!(
        "{name} is released: the next run, a full one, accepts the scorecards it sees; removals that follow are \
         judged by the limits"
    );
    Ok(Released { connection: name.to_string(), kind: None, elements: None, text })
}

async fn release_kind(engine: &Engine, connection: &Connection, kind: &str) -> Result<Released, AppError> {
    let name = &connection.name;
    let known = || connection.kinds.iter().map(|known| known.name.as_str()).chain([HELD_VALUES]);
    if !known().any(|known| known == kind) {
        let all = known().collect::<Vec<_>>().join(", ");
        return Err(AppError::Usage(format!("{name} has no kind {kind:?}; known: {all}")));
    }
    let Some(held) = engine.store.release_kind(name, &KindName::new(kind)).await? else {
        return Err(AppError::Usage(format!(
            "nothing is held for {kind:?} of {name}; see: clearpoint-sync status"
        )));
    };
    let elements = held.ids.len();
    let text = format!(
        "{elements} held removals of {kind} of {name} are released: the next run, a full one, removes those of them \
         that are still gone"
    );
    Ok(Released { connection: name.to_string(), kind: Some(kind.to_owned()), elements: Some(elements), text })
}
