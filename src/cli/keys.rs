//! `keys`: every key with its expiry, from the configuration alone; needs no secret and no network.

use chrono::NaiveDate;
use clap::Args;
use serde::Serialize;

use super::output::table;
use super::warnings::{OpenRow, open_text};
use super::{Exit, Output};
use crate::app::{self, AppError, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::expiry;
use crate::key::{Key, KeySlot};
use crate::store::Store;
use crate::warning::{Event, OpenWarning, WarningId};

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
    /// What is open about it.
    warnings: Vec<OpenRow>,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let open = app::block_on(open_warnings(settings, out))?;
    let mut rows = rows(settings, &Clock::System, &refused_among(&open));
    for open in open.into_iter().filter(|open| is_about_keys(open.warning.id.event)) {
        let (connection, slot) = (&open.warning.id.connection, slot_of(&open.warning.id));
        let mut of_key = rows.iter_mut().filter(|row| row.connection == connection.as_str());
        if let Some(row) = of_key.find(|row| row.slot == slot.as_str()) {
            row.warnings.push(OpenRow::of(open, Clock::System.now()));
        }
    }
    out.result(&rows, || {
        to_table(&rows) + &rows.iter().flat_map(|row| &row.warnings).map(open_text).collect::<String>()
    })?;
    Ok(exit(&rows, arguments.fail_within, out))
}

/// What is open, from the store of the settings, as far as there is one that can be read.
async fn open_warnings(settings: &Settings, out: &Output) -> Vec<OpenWarning> {
    if !settings.config.store_path.exists() {
        return Vec::new();
    }
    let answer = match Store::open_read_only(&settings.config.store_path).await {
        Ok(store) => store.open_warnings().await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| {
        let error = AppError::from(error);
        out.say(&format!("whether a key was refused is not known: {}", error.to_text()));
        Vec::new()
    })
}

/// The connections whose key was refused when it was last used.
pub(super) async fn refused(store: &Store) -> Result<Vec<String>, AppError> {
    Ok(refused_among(&store.open_warnings().await?))
}

fn refused_among(open: &[OpenWarning]) -> Vec<String> {
    let refused = open.iter().filter(|open| open.warning.id.event == Event::KeyRefused);
    refused.map(|open| open.warning.id.connection.to_string()).collect()
}

fn is_about_keys(event: Event) -> bool {
    matches!(
        event,
        Event::KeyExpiring
            | Event::KeyExpired
            | Event::KeyExpiryUnknown
            | Event::KeyExpiryMismatch
            | Event::KeyRefused
            | Event::KeyFellOver
            | Event::NextKeyUnusable
            | Event::SecretUnreadable
    )
}

/// Which of a connection's keys a warning about keys is shown with.
fn slot_of(id: &WarningId) -> KeySlot {
    let is_next = id.event == Event::NextKeyUnusable || id.subject.starts_with(KeySlot::NextKey.as_str());
    if is_next { KeySlot::NextKey } else { KeySlot::Key }
}

/// Every key of the configuration, the most urgent first.
pub(super) fn rows(settings: &Settings, clock: &Clock, refused: &[String]) -> Vec<KeyRow> {
    let of = |connection| Connection::keys(connection).map(move |key| row(connection, key, clock, refused));
    let mut rows: Vec<KeyRow> = settings.config.connections.iter().flat_map(of).collect();
    rows.sort_by_key(|row| (row.state != "refused", row.days_left.unwrap_or(i64::MAX)));
    rows
}

fn row(connection: &Connection, key: &Key, clock: &Clock, refused: &[String]) -> KeyRow {
    let is_refused =
        || key.slot == KeySlot::Key && refused.iter().any(|name| name == connection.name.as_str());
    let days_left = key.expires.map(|expires| expiry::days_left(expires, connection.timezone, clock.now()));
    let state = match days_left {
        _ if is_refused() => "refused",
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
        warnings: Vec::new(),
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
