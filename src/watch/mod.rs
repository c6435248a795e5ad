//! Brings what holds now together with what was said before: raises, escalates, reminds, resolves. The
//! log is where warnings go, and the outbox of each target. Called at the end of every run, and between
//! runs for the keys.
//!
//! A line is logged before it is marked as said: after a crash it may come again with the same
//! `warning_id`, never be lost.

pub mod discovery;
mod keys;
mod line;
pub mod skew;
pub mod stale;
mod telling;
#[cfg(test)]
mod tests;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::clock::Clock;
use crate::config::{Connection, Warnings};
use crate::expiry::{self, Holder, KeyOutlook, Say};
use crate::key::{Key, KeySlot};
use crate::store::{HELD_VALUES, Store, StoreError};
use crate::warning::{Event, OpenWarning, Phase, Warning, WarningId};

pub use keys::{Facts, Keys, facts};
use telling::Teller;
pub use telling::{introduce, retire};

/// What a run found, and what it can speak of.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Facts that hold now.
    pub hold: &'a [Warning],
    /// Identities that were looked at: those not among `hold` are over. What was not looked at stays.
    pub examined: &'a [WarningId],
    /// Which key leads.
    pub leads: KeySlot,
    /// The keys that the server was asked with, and whether it took them.
    pub still_works: &'a [(KeySlot, bool)],
    /// How far the server's clock is ahead of ours where ours is wrong: days are counted by it, and nothing
    /// else.
    pub ahead: TimeDelta,
    /// Whether the connection still is in the configuration: of another one all is told.
    pub is_wanted: bool,
}

impl Found<'_> {
    /// Nothing but the keys' dates was looked at.
    pub const NOTHING: Self = Self {
        hold: &[],
        examined: &[],
        leads: KeySlot::Key,
        still_works: &[],
        ahead: TimeDelta::zero(),
        is_wanted: true,
    };
}

/// What a run's closing line tells of its key and warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `key_days_left=` and `key_expires=`: of the key that leads.
    pub key: KeyOutlook,
    /// `warnings_open=`: of this connection, those that last.
    pub warnings_open: usize,
    /// Whether something was told just now, so that there may be something to take to the targets.
    pub has_told: bool,
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
    let open = store.open_warnings_of(&connection.name).await?;
    let outlooks = outlooks(settings, connection, &found, &open, now + found.ahead);
    if !found.is_wanted {
        return Ok(Standing { key: leading(outlooks, found.leads), warnings_open: 0, has_told: false });
    }
    let dates = outlooks.iter().filter_map(|(_, outlook)| outlook.warning.as_ref());
    let hold: Vec<&Warning> = found.hold.iter().chain(dates).collect();
    let teller = Teller { store, targets: &settings.targets, now };
    let (mut warnings_open, mut has_told) = (0, false);
    let mut unstored = None;
    for fact in &hold {
        let known = open.iter().find(|open| open.warning.id == fact.id);
        // A look of another process may have told it while the run was still under way.
        if known.is_none() && fact.id.event.is_passing() && store.was_told(&fact.id).await? {
            continue;
        }
        let say = expiry::say(known, Some(fact), connection.timezone, now, settings.remind_every);
        has_told |= !matches!(say, Say::Quiet | Say::Resolve);
        if let Err(error) = teller.hold_on(known, fact, say).await {
            unstored.get_or_insert(error);
        }
        warnings_open += usize::from(!fact.id.event.is_passing());
    }
    if let Some(error) = unstored {
        return Err(error);
    }
    for known in open.iter().filter(|known| hold.iter().all(|fact| fact.id != known.warning.id)) {
        let is_open = take_leave(teller, known, &found, connection, &hold).await?;
        warnings_open += usize::from(is_open);
        has_told |= !is_open;
    }
    Ok(Standing { key: leading(outlooks, found.leads), warnings_open, has_told })
}

fn leading(outlooks: Vec<(KeySlot, KeyOutlook)>, leads: KeySlot) -> KeyOutlook {
    let led = outlooks.into_iter().find(|(slot, _)| *slot == leads);
    led.expect("the key that leads is configured").1
}

/// How each key stands, but the first one's warning while the next key leads: that it fell over says more.
fn outlooks(
    settings: &Warnings,
    connection: &Connection,
    found: &Found<'_>,
    open: &[OpenWarning],
    now: DateTime<Utc>,
) -> Vec<(KeySlot, KeyOutlook)> {
    let outlook = |key: &Key| {
        let heard = found.still_works.iter().find(|(slot, _)| *slot == key.slot);
        let still_works = heard.map(|(_, works)| *works).or_else(|| remembered(open, key.slot));
        let mut outlook = outlook(settings, connection, key, still_works, now);
        if key.slot < found.leads {
            outlook.warning = None;
        }
        (key.slot, outlook)
    };
    connection.keys().map(outlook).collect()
}

/// Brings to its end what no fact upholds any more. Whether it stays open.
async fn take_leave(
    teller: Teller<'_>,
    known: &OpenWarning,
    found: &Found<'_>,
    connection: &Connection,
    hold: &[&Warning],
) -> Result<bool, StoreError> {
    let is_passing = known.warning.id.event.is_passing();
    if known.said == 0 {
        // Stored, but the program ended before the line was out.
        teller.tell(&known.warning, Phase::Raised).await?;
    }
    if is_passing {
        return Ok(false);
    }
    match farewell(known, found, connection, hold) {
        Farewell::None => return Ok(true),
        Farewell::GoneOn => teller.replace(known).await?,
        Farewell::Silent => teller.take_back(known).await?,
        Farewell::Renewed(expires) => teller.renew(known, &expires.to_string()).await?,
        Farewell::Over => teller.resolve(known, why_over(&known.warning.id, connection)).await?,
    }
    Ok(false)
}

/// Whether a key was taken when the server was last asked, as far as open warnings tell.
fn remembered(open: &[OpenWarning], slot: KeySlot) -> Option<bool> {
    if open.iter().any(|open| open.warning.id.event == Event::KeyRefused) {
        return Some(false);
    }
    let is_expired = |id: &WarningId| id.event == Event::KeyExpired && slot_of(id) == Some(slot);
    let expired = open.iter().find(|open| is_expired(&open.warning.id))?;
    let (_, works) = expired.warning.fields.iter().find(|(name, _)| name == "still_works")?;
    works.parse().ok()
}

/// How one of the connection's keys stands, and which run would be the first to find it lapsed.
#[must_use]
pub fn outlook(
    settings: &Warnings,
    connection: &Connection,
    key: &Key,
    still_works: Option<bool>,
    now: DateTime<Utc>,
) -> KeyOutlook {
    let run_after = key.expires.map(|expires| {
        let just_before = expiry::lapses_at(expires, connection.timezone) - TimeDelta::seconds(1);
        let full = connection.schedule_full.next_after(just_before);
        connection.schedule.next_after(just_before).min(full)
    });
    let holder = Holder {
        connection: &connection.name,
        mapped_user: connection.mapped_user.as_deref(),
        key,
        zone: connection.timezone,
        thresholds: &settings.key_expiry_days,
        run_after,
        still_works,
    };
    expiry::judge(&holder, now)
}

/// How an open warning that no fact upholds is taken leave of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// It was not looked at, and stays.
    None,
    /// Another warning says how it went on.
    GoneOn,
    /// Another warning says it now; who was told of this one is told that it is over.
    Silent,
    /// The key was given this later date.
    Renewed(NaiveDate),
    /// It is over.
    Over,
}

fn farewell(known: &OpenWarning, found: &Found<'_>, connection: &Connection, hold: &[&Warning]) -> Farewell {
    let id = &known.warning.id;
    match id.event {
        // The keys' dates are looked at every time.
        Event::KeyExpiring | Event::KeyExpired => {
            let key = connection.keys().find(|key| Some(key.slot) == slot_of(id));
            let mut of_key = hold.iter().filter(|fact| slot_of(&fact.id) == slot_of(id)).peekable();
            let is_told = of_key.peek().is_some();
            let is_same_date = of_key.any(|fact| fact.id.subject == id.subject);
            match key.filter(|key| expiry::is_renewed(id, key)).and_then(|key| key.expires) {
                Some(expires) => Farewell::Renewed(expires),
                None if is_same_date => Farewell::GoneOn,
                // While the next key leads, the fall-over is what is said of the first.
                None if is_told || key.is_some_and(|key| key.slot < found.leads) => Farewell::Silent,
                None => Farewell::Over,
            }
        }
        Event::KeyExpiryUnknown
            if connection.keys().any(|key| slot_of(id) == Some(key.slot) && key.slot < found.leads) =>
        {
            Farewell::Silent
        }
        Event::KeyExpiryUnknown => Farewell::Over,
        // It was about another date than the one now written down.
        Event::KeyExpiryMismatch
            if !connection.keys().any(|key| expiry::subject(key).as_ref() == Some(&id.subject)) =>
        {
            Farewell::Over
        }
        _ if found.examined.contains(id) || is_left_out(id, connection) => Farewell::Over,
        _ => Farewell::None,
    }
}

/// Which key's date a warning is about, if it is about one.
fn slot_of(id: &WarningId) -> Option<KeySlot> {
    let is_of_date = matches!(id.event, Event::KeyExpiring | Event::KeyExpired | Event::KeyExpiryUnknown);
    let word = id.subject.split(' ').next().filter(|_| is_of_date)?;
    [KeySlot::Key, KeySlot::NextKey].into_iter().find(|slot| slot.as_str() == word)
}

/// What is so now that a warning is over, for people.
fn why_over(id: &WarningId, connection: &Connection) -> &'static str {
    let has_date = || connection.keys().any(|key| Some(key.slot) == slot_of(id) && key.expires.is_some());
    match id.event {
        Event::KeyRefused => "key works again, the data moves on",
        Event::KeyExpiryUnknown if has_date() => "key expiry is written down",
        Event::KeyExpiring | Event::KeyExpired | Event::KeyExpiryUnknown => "key date is no longer watched",
        Event::KeyFellOver => "the first key leads again",
        Event::NextKeyUnusable if connection.next_key.is_none() => "there is no next key any more",
        Event::NextKeyUnusable => "next key would take over",
        Event::SecretUnreadable => "secret can be read again",
        Event::KeyExpiryMismatch => "key and its date agree",
        Event::AccountChanged => "account is the accepted one, the data moves on",
        Event::NothingVisible => "something is visible again",
        Event::MappedUserNotFound => "mapped user is found",
        Event::ClockSkew => "clocks agree again",
        Event::SyncStale => "every kind is complete again",
        Event::RemovalsHeld => "nothing is held any more",
        _ => "no longer so",
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
