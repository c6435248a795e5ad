//! Looks at how everything stands, in the store and the settings alone: for `status`, `keys` and `check`,
//! and for what the daemon shows. Asks no network, reads no secret.

use chrono::{DateTime, Utc};

use crate::config::Connection;
use crate::expiry;
use crate::key::{KeySlot, KeyState};
use crate::name::ConnectionName;
use crate::rotation::{self, Candidate, KeyStanding};
use crate::run::Run;
use crate::status::{ConnectionStatus, KeyStatus, WarningStatus};
use crate::store::{Store, StoreError};
use crate::warning::{Event, WarningId};

/// How a connection stands, and the warnings that are open for it.
///
/// # Errors
/// The store cannot be read.
pub async fn connection(
    store: &Store,
    connection: &Connection,
    now: DateTime<Utc>,
) -> Result<(ConnectionStatus, Vec<WarningStatus>), StoreError> {
    let name = &connection.name;
    let account = store.account(name).await?;
    let open = store.open_warnings_of(name).await?;
    let mut keys = keys(connection, &store.key_states(name).await?, now + expiry::server_ahead(&open));
    let warnings: Vec<WarningStatus> = open.iter().map(|open| WarningStatus::of(open.clone(), now)).collect();
    for open in open.into_iter().filter(|open| is_about_keys(open.warning.id.event)) {
        let slot = slot_of(&open.warning.id);
        if let Some(key) = keys.iter_mut().find(|key| key.slot == slot.as_str()) {
            key.warnings.push(WarningStatus::of(open, now));
        }
    }
    let last_success = store.last_success(name).await?;
    let last_full_success = store.last_full_success(name).await?;
    let full_at = connection.schedule_full.next_after(now);
    let next_run = connection.schedule.next_after(now).min(full_at);
    let is_full = owes_full(connection, last_full_success.as_ref(), now);
    let asks_for_full = store.waits_for_full(name).await?;
    let status = ConnectionStatus {
        connection: name.to_string(),
        is_configured: true,
        running: None,
        last_run: store.last_run(name, None).await?,
        last_success: last_success.map(|run| run.started_at),
        last_full_success: last_full_success.map(|run| run.started_at),
        next_run: Some(next_run),
        next_full_run: Some(if is_full { next_run } else { full_at }),
        asks_for_full,
        waits: ConnectionStatus::why_waits(&keys),
        mapped_user: connection.mapped_user.clone(),
        scorecards_visible: account.map(|account| account.accepted.len()),
        keys,
        kinds: store.freshness(Some(name)).await?,
    };
    Ok((status, warnings))
}

/// Whether the next run is to be full, given the last full one that stored what it could: when none ever was,
/// when another was asked for, or when `schedule_full` had a due time since.
#[must_use]
pub fn owes_full(connection: &Connection, last_full: Option<&Run>, now: DateTime<Utc>) -> bool {
    let ended_at = last_full.and_then(|last| last.finished_at);
    last_full.is_some_and(|last| last.needs_full) || connection.schedule_full.is_owed(ended_at, now)
}

/// The connections that the store knows and the configuration does not: they are left as they are, and
/// their age shows.
///
/// # Errors
/// The store cannot be read.
pub async fn left_behind(
    store: &Store,
    configured: &[&ConnectionName],
) -> Result<Vec<ConnectionStatus>, StoreError> {
    let mut left: Vec<ConnectionStatus> = Vec::new();
    for name in store.connections().await?.into_iter().filter(|name| !configured.contains(&name)) {
        let kinds = store.freshness(Some(&name)).await?;
        left.push(ConnectionStatus { kinds, ..ConnectionStatus::unknown(&name) });
    }
    left.retain(|status| !status.kinds.is_empty());
    Ok(left)
}

/// How the keys of a connection stand, given what is remembered of them. Secrets are not read: one that
/// was replaced since it was refused shows as refused until it is asked with.
#[must_use]
pub fn keys(connection: &Connection, states: &[(KeySlot, KeyState)], now: DateTime<Utc>) -> Vec<KeyStatus> {
    let state = |slot| states.iter().find(|(known, _)| *known == slot).map(|(_, state)| state.clone());
    let candidates: Vec<Candidate<'_>> =
        connection.keys().map(|key| Candidate::remembered(key, state(key.slot))).collect();
    let leads = rotation::leads(&candidates);
    candidates.iter().map(|candidate| key(connection, candidate, leads, now)).collect()
}

fn key(connection: &Connection, candidate: &Candidate<'_>, leads: KeySlot, now: DateTime<Utc>) -> KeyStatus {
    let key = candidate.key;
    let days_left = key.expires.map(|expires| expiry::days_left(expires, connection.timezone, now));
    let (asked_at, refused_since) = match candidate.standing() {
        KeyStanding::Refused(refusal) => (Some(refusal.at), Some(refusal.since)),
        KeyStanding::Taken(state) => (Some(state.asked_at), None),
        KeyStanding::New | KeyStanding::Unreadable(_) => (None, None),
    };
    let state = match days_left {
        _ if refused_since.is_some() => "refused",
        None => "unknown",
        Some(days) if days < 0 => "expired",
        Some(_) => "valid",
    };
    KeyStatus {
        connection: connection.name.to_string(),
        slot: key.slot.as_str(),
        key: key.name.clone(),
        mapped_user: connection.mapped_user.clone(),
        expires: key.expires,
        days_left,
        lapses_at: key.expires.map(|expires| expiry::lapses_at(expires, connection.timezone)),
        state,
        asked_at,
        refused_since,
        leads: key.slot == leads,
        warnings: Vec::new(),
    }
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
