//! `keys`: every key with its expiry, from the configuration alone; needs no secret and no network.

use chrono::NaiveDate;
use clap::Args;
use serde::Serialize;

use super::output::table;
use super::{Exit, Output};
use crate::app::{self, AppError, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::expiry;
use crate::store::Store;
use crate::warning::Event;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Exit 3 when a key is refused, expired, or has at most DAYS left
    #[arg(long, value_name = "DAYS")]
    fail_within: Option<u32>,
}

/// One key as it stands today.
#[derive(Debug, Serialize)]
pub(super) struct KeyRow {
    pub(super) connection: String,
    pub(super) slot: &'static str,
    pub(super) key: String,
    pub(super) mapped_user: Option<String>,
    pub(super) expires: Option<NaiveDate>,
    pub(super) days_left: Option<i64>,
    pub(super) state: &'static str,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let refused = app::block_on(last_refused(settings, out))?;
    let rows = rows(settings, &Clock::System, &refused);
    out.result(&rows, || to_table(&rows))?;
    Ok(exit(&rows, arguments.fail_within, out))
}

/// The same, from the store of the settings, as far as there is one that can be read.
async fn last_refused(settings: &Settings, out: &Output) -> Vec<String> {
    if !settings.config.store_path.exists() {
        return Vec::new();
    }
    let answer = match Store::open_read_only(&settings.config.store_path).await {
        Ok(store) => refused(&store).await,
        Err(error) => Err(error.into()),
    };
    answer.unwrap_or_else(|error| {
        out.say(&format!("whether a key was refused is not known: {}", error.to_text()));
        Vec::new()
    })
}

/// The connections whose key was refused when it was last used.
pub(super) async fn refused(store: &Store) -> Result<Vec<String>, AppError> {
    let open = store.open_warnings().await?;
    let refused = open.into_iter().filter(|open| open.warning.id.event == Event::KeyRefused);
    Ok(refused.map(|open| open.warning.id.connection.to_string()).collect())
}

/// Every key of the configuration, the most urgent first.
pub(super) fn rows(settings: &Settings, clock: &Clock, refused: &[String]) -> Vec<KeyRow> {
    let row = |connection: &Connection| row(connection, clock, refused);
    let mut rows: Vec<KeyRow> = settings.config.connections.iter().map(row).collect();
    rows.sort_by_key(|row| (row.state != "refused", row.days_left.unwrap_or(i64::MAX)));
    rows
}

fn row(connection: &Connection, clock: &Clock, refused: &[String]) -> KeyRow {
    let key = &connection.key;
    let days_left = key.expires.map(|expires| expiry::days_left(expires, connection.timezone, clock.now()));
    let state = match days_left {
        _ if refused.iter().any(|name| name == connection.name.as_str()) => "refused",
        None => "unknown",
        Some(days) if days < 0 => "expired",
        Some(_) => "valid",
    };
    KeyRow {
        connection: connection.name.to_string(),
        slot: key.slot.as_str(),
        key: key.name.clone(),
        mapped_user: connection.mapped_user.clone(),
        expires: key.expires,
        days_left,
        state,
    }
}

pub(super) fn to_table(rows: &[KeyRow]) -> String {
    let cells = rows.iter().map(|row| {
        vec![
            row.connection.clone(),
            row.slot.to_owned(),
            row.key.clone(),
            row.expires.map_or_else(|| "unknown".into(), |date| date.to_string()),
            row.days_left.map_or_else(|| "?".into(), |days| days.to_string()),
            row.state.to_owned(),
            row.mapped_user.clone().unwrap_or_else(|| "?".into()),
        ]
    });
    table(&["connection", "slot", "key", "expires", "days_left", "state", "mapped_user"], cells)
}

/// 3 when a key is inside `fail_within`, which a refused or expired one always is.
pub(super) fn exit(rows: &[KeyRow], fail_within: Option<u32>, out: &Output) -> Exit {
    let mut exit = Exit::Done;
    for KeyRow { connection, key, state, days_left, .. } in rows {
        let within = fail_within.zip(*days_left).filter(|(limit, days)| *days <= i64::from(*limit));
        match (*state, within) {
            ("refused" | "expired", _) => out.say(&format!("key {key} of {connection} is {state}")),
            (_, Some((limit, days))) => {
                out.say(&format!("key {key} of {connection} has {days} days left (--fail-within {limit})"));
            }
            (_, None) => continue,
        }
        exit = Exit::Refused;
    }
    exit
}
