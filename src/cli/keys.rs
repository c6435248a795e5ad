//! `keys`: every key with its expiry, and what the server last said of it; needs no secret and no network.

use chrono::SecondsFormat;
use clap::Args;

use super::output::table;
use super::warnings::open_text;
use super::{Exit, Output};
use crate::app::{self, AppError, Settings};
use crate::clock::Clock;
use crate::status::KeyStatus;
use crate::store::Store;
use crate::survey;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Exit 3 when a key is refused, expired, or has at most DAYS left
    #[arg(long, value_name = "DAYS")]
    fail_within: Option<u32>,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let rows = app::block_on(known_rows(settings, out))??;
    out.result(&rows, || {
        to_table(&rows) + &rows.iter().flat_map(|row| &row.warnings).map(open_text).collect::<String>()
    })?;
    Ok(exit(&rows, arguments.fail_within, out))
}

/// Every key, with what the store of the settings knows of it, as far as there is one that can be read.
///
/// # Errors
/// There is a store, and a person must act before it can be read.
async fn known_rows(settings: &Settings, out: &Output) -> Result<Vec<KeyStatus>, AppError> {
    if !app::place(&settings.config.store).is_empty() {
        match from_store(settings).await {
            Ok(rows) => return Ok(rows),
            // Nobody may take what is not known for good.
            Err(error) if error.exit() == Exit::MustChange => return Err(error),
            Err(error) => {
                out.say(&format!("whether a key was refused is not known: {}", error.to_text()));
            }
        }
    }
    let now = Clock::System.now();
    let all = settings.config.connections.iter().flat_map(|connection| survey::keys(connection, &[], now));
    Ok(sorted(all.collect()))
}

async fn from_store(settings: &Settings) -> Result<Vec<KeyStatus>, AppError> {
    let store = Store::open_read_only(&app::place(&settings.config.store)).await?;
    rows(settings, &store.clock(Clock::System)?, &store).await
}

/// Every key of the configuration, the most urgent first.
pub(super) async fn rows(
    settings: &Settings,
    clock: &Clock,
    store: &Store,
) -> Result<Vec<KeyStatus>, AppError> {
    let mut rows = Vec::new();
    for connection in &settings.config.connections {
        rows.extend(survey::connection(store, connection, clock.now()).await?.0.keys);
    }
    Ok(sorted(rows))
}

fn sorted(mut rows: Vec<KeyStatus>) -> Vec<KeyStatus> {
    rows.sort_by_key(|row| (row.refused_since.is_none(), row.days_left.unwrap_or(i64::MAX)));
    rows
}

/// `refused since 2027-03-31T02:30:00Z`, or the state alone.
fn state_text(row: &KeyStatus) -> String {
    match row.refused_since {
        Some(since) => format!("{} since {}", row.state, since.to_rfc3339_opts(SecondsFormat::Secs, true)),
        None => row.state.to_owned(),
    }
}

/// A key in one line: `next_key clearpoint-sync 2028: valid, expires 2028-03-31 (90 days), leads`.
pub(super) fn to_line(row: &KeyStatus) -> String {
    let mut text = format!("{} {}: {}", row.slot, row.key, state_text(row));
    if let (Some(expires), Some(days)) = (row.expires, row.days_left) {
        text += &format!(", expires {expires} ({days} days)");
    }
    text + if row.leads { ", leads" } else { "" }
}

pub(super) fn to_table(rows: &[KeyStatus]) -> String {
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
pub(super) fn exit(rows: &[KeyStatus], fail_within: Option<u32>, out: &Output) -> Exit {
    let mut exit = Exit::Done;
    for KeyStatus { connection, key, state, days_left, .. } in rows {
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
