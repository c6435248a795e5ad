//! Brings what holds now together with what was said before: raises, escalates, reminds, resolves. The
//! log is where warnings go. Called at the end of every run, and between runs for the keys.
//!
//! A line is logged before it is marked as said: after a crash it may come again with the same
//! `warning_id`, never be lost.

mod line;
mod quiet;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::config::{Connection, Warnings};
use crate::expiry::{self, Holder, KeyOutlook, Say};
use crate::store::{HELD_VALUES, Store, StoreError};
use crate::warning::{Event, OpenWarning, Warning, WarningId};

pub use quiet::{Quiet, Row};

/// After a refusal the same secrets are tried once an hour, a little early so that an hourly schedule
/// does not miss it.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(59);

/// What a run found, and what it can speak of.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Facts that hold now.
    pub hold: &'a [Warning],
    /// Identities that were looked at: those not among `hold` are over. What was not looked at stays.
    pub examined: &'a [WarningId],
    /// Whether the server took the key: `None` where it was not asked.
    pub still_works: Option<bool>,
}

impl Found<'_> {
    /// Nothing but the key's date was looked at: between runs.
    pub const NOTHING: Self = Self { hold: &[], examined: &[], still_works: None };
}

/// What a run's closing line tells of its key and warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `key_days_left=` and `key_expires=`
    pub key: KeyOutlook,
    /// `warnings_open=`: of this connection.
    pub warnings_open: usize,
}

/// Whether `run` may ask with a key that was refused: once an hour, and at once with new secrets.
/// `sync` and `check` always ask.
#[must_use]
pub fn may_ask(refused_at: Option<DateTime<Utc>>, secrets_changed: bool, now: DateTime<Utc>) -> bool {
    // A time in the future is a clock that was set back.
    secrets_changed || refused_at.is_none_or(|at| at > now || now - at >= ASK_AGAIN_AFTER)
}

/// Says what is to be said about a connection, and keeps that it was said.
///
/// # Errors
/// The store cannot be read or written; what was logged may then be logged again.
pub async fn tell(
    store: &Store,
    clock: &Clock,
    settings: &Warnings,
    connection: &Connection,
    found: Found<'_>,
) -> Result<Standing, StoreError> {
    let now = clock.now();
    let mut open = store.open_warnings().await?;
    open.retain(|open| open.warning.id.connection == connection.name);
    let still_works = found.still_works.or_else(|| remembered(&open));
    let key = outlook(settings, connection, still_works, now);
    let hold: Vec<&Warning> = found.hold.iter().chain(&key.warning).collect();
    let mut warnings_open = 0;
    for fact in &hold {
        let known = open.iter().find(|open| open.warning.id == fact.id);
        let say = expiry::say(known, Some(fact), connection.timezone, now, settings.remind_every);
        hold_on(store, known, fact, say, now).await?;
        warnings_open += 1;
    }
    for known in open.iter().filter(|known| hold.iter().all(|fact| fact.id != known.warning.id)) {
        match farewell(known, found.examined, connection, key.warning.as_ref()) {
            Farewell::None => {
                warnings_open += 1;
                continue;
            }
            Farewell::Silent => {}
            Farewell::Renewed => line::renewed(known, &key.expires_text()),
            Farewell::Over => line::resolved(known, now),
        }
        store.resolve(&known.warning.id, now).await?;
    }
    Ok(Standing { key, warnings_open })
}

/// Whether the key was taken when the server was last asked, as far as open warnings tell.
fn remembered(open: &[OpenWarning]) -> Option<bool> {
    if open.iter().any(|open| open.warning.id.event == Event::KeyRefused) {
        return Some(false);
    }
    let expired = open.iter().find(|open| open.warning.id.event == Event::KeyExpired)?;
    let (_, works) = expired.warning.fields.iter().find(|(name, _)| name == "still_works")?;
    works.parse().ok()
}

/// How the connection's key stands, and which run would be the first to find it lapsed.
#[must_use]
pub fn outlook(
    settings: &Warnings,
    connection: &Connection,
    still_works: Option<bool>,
    now: DateTime<Utc>,
) -> KeyOutlook {
    let run_after = connection.key.expires.map(|expires| {
        let just_before = expiry::lapses_at(expires, connection.timezone) - TimeDelta::seconds(1);
        let full = connection.schedule_full.next_after(just_before);
        connection.schedule.next_after(just_before).min(full)
    });
    let holder = Holder {
        connection: &connection.name,
        mapped_user: connection.mapped_user.as_deref(),
        key: &connection.key,
        zone: connection.timezone,
        thresholds: &settings.key_expiry_days,
        run_after,
        still_works,
    };
    expiry::judge(&holder, now)
}

/// Logs a fact if it is to be said, and stores it as it is now. An unchanged fact writes nothing.
async fn hold_on(
    store: &Store,
    known: Option<&OpenWarning>,
    fact: &Warning,
    say: Say,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    match say {
        Say::Raise | Say::Remind => {
            store.raise(fact, now).await?;
            line::holds(fact);
            store.said(&fact.id, now).await
        }
        Say::Escalate => {
            // The stored level is what tells that this is news: it must not rise before the line is out.
            line::holds(fact);
            store.raise(fact, now).await?;
            store.said(&fact.id, now).await
        }
        Say::Quiet | Say::Resolve => {
            if known.is_some_and(|known| known.warning != *fact) {
                store.raise(fact, now).await?;
            }
            Ok(())
        }
    }
}

/// How an open warning that no fact upholds is taken leave of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// It was not looked at, and stays.
    None,
    /// Another warning says it now.
    Silent,
    /// The key was given a later date.
    Renewed,
    /// It is over.
    Over,
}

fn farewell(
    known: &OpenWarning,
    examined: &[WarningId],
    connection: &Connection,
    key_warning: Option<&Warning>,
) -> Farewell {
    let id = &known.warning.id;
    match id.event {
        // The key's date is looked at every time.
        Event::KeyExpiring | Event::KeyExpired => {
            if expiry::is_renewed(id, &connection.key) {
                Farewell::Renewed
            } else if key_warning.is_some() {
                Farewell::Silent
            } else {
                Farewell::Over
            }
        }
        _ if examined.contains(id) || is_left_out(id, connection) => Farewell::Over,
        _ => Farewell::None,
    }
}

/// Whether a warning is about a kind that was taken out of the configuration: its rows stay as they are,
/// and nobody looks at it any more.
fn is_left_out(id: &WarningId, connection: &Connection) -> bool {
    let is_of_kind = matches!(
        id.event,
        Event::RemovalsHeld | Event::RowsRejected | Event::FieldVolatile | Event::LastEditedUnreliable
    );
    let is_known = |name: &str| connection.kinds.iter().any(|kind| kind.name.as_str() == name);
    is_of_kind && id.subject != HELD_VALUES && !is_known(&id.subject)
}
