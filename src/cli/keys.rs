//! `keys`: every key with its expiry, and what the server last said of it; needs no secret and no network.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use clap::Args;
use serde::Serialize;

use super::output::table;
use super::warnings::{OpenRow, open_text};
use super::{Exit, Output};
use crate::app::{self, AppError, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::expiry;
use crate::key::{KeySlot, KeyState};
use crate::rotation::{self, Candidate, KeyStanding};
use crate::store::Store;
use crate::warning::{Event, WarningId};
use crate::watch::skew;

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
    /// The end of the last day it is usable.
    lapses_at: Option<DateTime<Utc>>,
    pub(super) state: &'static str,
    /// When the server first refused it, as it is now.
    pub(super) refused_since: Option<DateTime<Utc>>,
    /// Whether the next run asks with it first.
    pub(super) leads: bool,
    /// What is open about it.
    warnings: Vec<OpenRow>,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let rows = app::block_on(known_rows(settings, out))?;
    out.result(&rows, || {
        to_table(&rows) + &rows.iter().flat_map(|row| &row.warnings).map(open_text).collect::<String>()
    })?;
    Ok(exit(&rows, arguments.fail_within, out))
}

/// Every key, with what the store of the settings knows of it, as far as there is one that can be read.
async fn known_rows(settings: &Settings, out: &Output) -> Vec<KeyRow> {
    if settings.config.store_path.exists() {
        match from_store(settings).await {
            Ok(rows) => return rows,
            Err(error) => {
                out.say(&format!("whether a key was refused is not known: {}", error.to_text()));
            }
        }
    }
    let clock = &Clock::System;
    let all = settings.config.connections.iter().flat_map(|connection| of(connection, clock, &[]));
    sorted(all.collect())
}

async fn from_store(settings: &Settings) -> Result<Vec<KeyRow>, AppError> {
    let store = Store::open_read_only(&settings.config.store_path).await?;
    let mut rows = rows(settings, &Clock::System, &store).await?;
    let open = store.open_warnings().await?;
    for open in open.into_iter().filter(|open| is_about_keys(open.warning.id.event)) {
        let (connection, slot) = (&open.warning.id.connection, slot_of(&open.warning.id));
        let mut of_key = rows.iter_mut().filter(|row| row.connection == connection.as_str());
        if let Some(row) = of_key.find(|row| row.slot == slot.as_str()) {
            row.warnings.push(OpenRow::of(open, Clock::System.now()));
        }
    }
    Ok(rows)
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
pub(super) async fn rows(settings: &Settings, clock: &Clock, store: &Store) -> Result<Vec<KeyRow>, AppError> {
    let mut rows = Vec::new();
    for connection in &settings.config.connections {
        // Days go by the server's clock where the last run found ours wrong.
        let clock = Clock::hurried(clock.now() + skew::known(store, &connection.name).await?);
        rows.extend(of(connection, &clock, &store.key_states(&connection.name).await?));
    }
    Ok(sorted(rows))
}

fn sorted(mut rows: Vec<KeyRow>) -> Vec<KeyRow> {
    rows.sort_by_key(|row| (row.refused_since.is_none(), row.days_left.unwrap_or(i64::MAX)));
    rows
}

/// The keys of a connection, given what is remembered of them. Secrets are not read: one that was replaced
/// since it was refused shows as refused until it is asked with.
pub(super) fn of(connection: &Connection, clock: &Clock, states: &[(KeySlot, KeyState)]) -> Vec<KeyRow> {
    let state = |slot| states.iter().find(|(known, _)| *known == slot).map(|(_, state)| state.clone());
    let candidates: Vec<Candidate<'_>> =
        connection.keys().map(|key| Candidate::remembered(key, state(key.slot))).collect();
    let leads = rotation::leads(&candidates);
    candidates.iter().map(|candidate| row(connection, candidate, leads, clock)).collect()
}

fn row(connection: &Connection, candidate: &Candidate<'_>, leads: KeySlot, clock: &Clock) -> KeyRow {
    let key = candidate.key;
    let days_left = key.expires.map(|expires| expiry::days_left(expires, connection.timezone, clock.now()));
    let refused_since = match candidate.standing() {
        KeyStanding::Refused(refusal) => Some(refusal.since),
        _ => None,
    };
    let state = match days_left {
        _ if refused_since.is_some() => "refused",
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
        lapses_at: key.expires.map(|expires| expiry::lapses_at(expires, connection.timezone)),
        state,
        refused_since,
        leads: key.slot == leads,
        warnings: Vec::new(),
    }
}

/// `refused since 2027-03-31T02:30:00Z`, or the state alone.
fn state_text(row: &KeyRow) -> String {
    match row.refused_since {
        Some(since) => format!("{} since {}", row.state, since.to_rfc3339_opts(SecondsFormat::Secs, true)),
        None => row.state.to_owned(),
    }
}

/// A key in one line: `next_key clearpoint-sync 2028: valid, expires 2028-03-31 (90 days), leads`.
pub(super) fn to_line(row: &KeyRow) -> String {
    let mut text = format!("{} {}: {}", row.slot, row.key, state_text(row));
    if let (Some(expires), Some(days)) = (row.expires, row.days_left) {
        text += &format!(", expires {expires} ({days} days)");
    }
    text + if row.leads { ", leads" } else { "" }
}

pub(super) fn to_table(rows: &[KeyRow]) -> String {
    let cells = rows.iter().map(|row| {
        vec![
            row.connection.clone(),
            row.slot.to_owned(),
            row.key.clone(),
            row.expires.map_or_else(|| "unknown".into(), |date| date.to_string()),
            row.days_left.map_or_else(|| "?".into(), |days| days.to_string()),
            state_text(row),
            if row.leads { "yes" } else { "no" }.to_owned(),
            row.mapped_user.clone().unwrap_or_else(|| "?".into()),
        ]
    });
    table(&["connection", "slot", "key", "expires", "days_left", "state", "leads", "mapped_user"], cells)
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
