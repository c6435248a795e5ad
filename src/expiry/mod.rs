//! How many days a key has left, and what to say about it today. Pure: `now` is an argument.
//!
//! The API tells no expiry, so everything here rests on the date the operator wrote down. A key is
//! taken as usable through that day, counted in the connection's time zone.

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{GapInfo, Tz};

use crate::key::Key;
use crate::name::ConnectionName;
use crate::warning::{Event, OpenWarning, Severity, Warning, WarningId};

/// From this many days left on, an expiring key is an error, no longer a warning.
const ERROR_DAYS: i64 = 3;

/// From this many days left on, an expiring key is said every day, not only at its thresholds.
const DAILY_DAYS: i64 = 7;

/// That no date is written down for a key is said again after this many days.
const UNKNOWN_DAYS: i64 = 7;

/// Where in ClearPoint a key is given a later date.
const WHERE_TO_EDIT: &str = "ClearPoint > System Settings > System setup > Integrations > API Keys > Edit";

/// A key as its connection uses it: all that decides what is said about its expiry.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// Whose key.
    pub connection: &'a ConnectionName,
    /// The account whose permissions it carries, as declared.
    pub mapped_user: Option<&'a str>,
    /// The key.
    pub key: &'a Key,
    /// Days are counted in it.
    pub zone: Tz,
    /// Days left at which the expiry is said, and said more urgently; in any order.
    pub thresholds: &'a [u32],
    /// The first due run at or after [`lapses_at`], which would find the key lapsed.
    pub run_after: Option<DateTime<Utc>>,
    /// Whether the key was taken at the last run: for a key past its date.
    pub still_works: Option<bool>,
}

/// How a key stands today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOutlook {
    /// The date written down.
    pub expires: Option<NaiveDate>,
    /// 0 on the last usable day, -1 the day after; `None`: no date is written down.
    pub days_left: Option<i64>,
    /// What holds today, if a person must act: `key_expiring`, `key_expired` or `key_expiry_unknown`.
    pub warning: Option<Warning>,
}

impl KeyOutlook {
    /// The date for a run's closing line: `key_expires=2027-03-31`, or `unknown`, never silence.
    #[must_use]
    pub fn expires_text(&self) -> String {
        self.expires.map_or_else(|| "unknown".to_owned(), |date| date.to_string())
    }

    /// The days for a run's closing line: `key_days_left=14`, or `unknown`.
    #[must_use]
    pub fn days_left_text(&self) -> String {
        self.days_left.map_or_else(|| "unknown".to_owned(), |days| days.to_string())
    }
}

/// Days left of a key that is usable through `expires`: 0 on that day, negative after it.
#[must_use]
pub fn days_left(expires: NaiveDate, zone: Tz, now: DateTime<Utc>) -> i64 {
    (expires - now.with_timezone(&zone).date_naive()).num_days()
}

/// The instant from which a key that expires on this day counts as lapsed: the end of the day.
#[must_use]
pub fn lapses_at(expires: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = expires.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN);
    // Some zones change their clocks at midnight: then the next day begins at the gap's end.
    zone.from_local_datetime(&midnight)
        .earliest()
        .or_else(|| GapInfo::new(&midnight, &zone)?.end)
        .map_or(midnight.and_utc(), |instant| instant.with_timezone(&Utc))
}

/// How far the server's clock is ahead of ours, by what an open `clock_skew` tells: days are counted by it.
#[must_use]
pub fn server_ahead(open: &[OpenWarning]) -> TimeDelta {
    let skew = open.iter().map(|open| &open.warning).find(|warning| warning.id.event == Event::ClockSkew);
    skew.and_then(|skew| {
        let fact = |name: &str| skew.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
        let seconds = TimeDelta::try_seconds(fact("seconds")?.parse().ok()?)?;
        Some(if fact("our_clock")? == "behind" { seconds } else { -seconds })
    })
    .unwrap_or_default()
}

/// How a key stands today, and the warning that holds, if any.
#[must_use]
pub fn judge(holder: &Holder<'_>, now: DateTime<Utc>) -> KeyOutlook {
    let Some(expires) = holder.key.expires else {
        return KeyOutlook { expires: None, days_left: None, warning: Some(unknown(holder)) };
    };
    let days = days_left(expires, holder.zone, now);
    let crossed = holder.thresholds.iter().filter(|&&threshold| days <= i64::from(threshold)).count();
    let warning = if days < 0 {
        Some(expired(holder, expires, days))
    } else if crossed > 0 {
        Some(expiring(holder, expires, days, u32::try_from(crossed).unwrap_or(u32::MAX)))
    } else {
        None
    };
    KeyOutlook { expires: Some(expires), days_left: Some(days), warning }
}

fn expiring(holder: &Holder<'_>, expires: NaiveDate, days: i64, level: u32) -> Warning {
    let mut fields = facts(holder, expires, days);
    fields.push(field("usable_through", expires));
    if let Some(run) = holder.run_after {
        let local = run.with_timezone(&holder.zone);
        fields.push(field("first_run_after", local.format("%Y-%m-%dT%H:%M:%S%:z")));
    }
    Warning {
        id: id(Event::KeyExpiring, holder),
        severity: if days <= ERROR_DAYS { Severity::Error } else { Severity::Warn },
        level,
        message: "key expires soon".into(),
        action: WHERE_TO_EDIT.into(),
        fields,
    }
}

fn expired(holder: &Holder<'_>, expires: NaiveDate, days: i64) -> Warning {
    let mut fields = facts(holder, expires, days);
    let works = match holder.still_works {
        Some(true) => "true",
        Some(false) => "false",
        None => "unknown",
    };
    fields.push(field("still_works", works));
    Warning {
        id: id(Event::KeyExpired, holder),
        severity: Severity::Error,
        level: 1,
        message: "key expired".into(),
        action: WHERE_TO_EDIT.into(),
        fields,
    }
}

fn unknown(holder: &Holder<'_>) -> Warning {
    let (connection, slot) = (holder.connection, holder.key.slot);
    let mut fields = vec![field("key", &holder.key.name)];
    fields.extend(holder.mapped_user.map(|user| field("mapped_user", user)));
    fields.push(field("setting", format!("connections.{connection}.{slot}.expires")));
    Warning {
        id: WarningId {
            event: Event::KeyExpiryUnknown,
            connection: connection.clone(),
            subject: slot.to_string(),
        },
        severity: Severity::Warn,
        level: 1,
        message: "nobody wrote down when the key expires".into(),
        action: format!(
            "look up Expires in ClearPoint > System Settings > System setup > Integrations > API Keys, and \
             write it under [connections.{connection}.{slot}]: expires = YYYY-MM-DD"
        ),
        fields,
    }
}

/// What a warning about a key's date is about: the slot and the date (`key 2027-03-31`); `None`: the key
/// has none.
#[must_use]
pub fn subject(key: &Key) -> Option<String> {
    key.expires.map(|expires| format!("{} {expires}", key.slot))
}

fn id(event: Event, holder: &Holder<'_>) -> WarningId {
    let subject = subject(holder.key).expect("a key with a warning has a date");
    WarningId { event, connection: holder.connection.clone(), subject }
}

fn facts(holder: &Holder<'_>, expires: NaiveDate, days: i64) -> Vec<(String, String)> {
    let mut fields =
        vec![field("key", &holder.key.name), field("expires", expires), field("days_left", days)];
    fields.extend(holder.mapped_user.map(|user| field("mapped_user", user)));
    fields.push(field("setting", format!("connections.{}.{}.expires", holder.connection, holder.key.slot)));
    fields
}

fn field(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// What is to be said about one warning now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// It is new.
    Raise,
    /// It is known and has become more urgent; counts as the day's reminder.
    Escalate,
    /// It is known, and it is time to say it again.
    Remind,
    /// It no longer holds.
    Resolve,
    /// Nothing.
    Quiet,
}

/// What to say, given the warning as stored and the fact as it is now. Only the most urgent level is
/// ever said, however many were crossed in between.
#[must_use]
pub fn say(
    open: Option<&OpenWarning>,
    fact: Option<&Warning>,
    zone: Tz,
    now: DateTime<Utc>,
    remind_every: Duration,
) -> Say {
    match (open, fact) {
        (None, None) => Say::Quiet,
        (None, Some(_)) => Say::Raise,
        (Some(_), None) => Say::Resolve,
        // Stored, but the program ended before the line was out.
        (Some(open), Some(_)) if open.said == 0 => Say::Raise,
        (Some(open), Some(fact)) if fact.level > open.warning.level => Say::Escalate,
        (Some(open), Some(fact)) if is_reminder_due(open, fact, zone, now, remind_every) => Say::Remind,
        _ => Say::Quiet,
    }
}

/// A clock that is kept right steps back a little now and then.
const WOBBLE_MAX: TimeDelta = TimeDelta::minutes(1);

/// A time in the future is a clock that was set back: it counts as due.
fn is_reminder_due(
    open: &OpenWarning,
    fact: &Warning,
    zone: Tz,
    now: DateTime<Utc>,
    remind_every: Duration,
) -> bool {
    let OpenWarning { said_at, raised_at, .. } = *open;
    let day = |instant: DateTime<Utc>| instant.with_timezone(&zone).date_naive();
    let days = (day(now) - day(said_at)).num_days();
    let is_ahead = said_at - now > WOBBLE_MAX;
    match fact.id.event {
        Event::KeyExpiring => is_daily(fact) && (is_ahead || days != 0),
        Event::KeyExpired => is_ahead || days != 0,
        Event::KeyExpiryUnknown => is_ahead || days >= UNKNOWN_DAYS,
        _ => is_ahead || turns(raised_at, now, remind_every) > turns(raised_at, said_at, remind_every),
    }
}

/// How many reminders have come due since a warning was raised. Counted from there, so that they do not
/// wander through the day; each a little early, for a run that starts a little earlier than yesterday's.
fn turns(raised_at: DateTime<Utc>, now: DateTime<Utc>, remind_every: Duration) -> i64 {
    let every = TimeDelta::from_std(remind_every).unwrap_or(TimeDelta::MAX);
    let every = every.num_milliseconds().max(1);
    ((now - raised_at).num_milliseconds() + every / 24).div_euclid(every)
}

fn is_daily(fact: &Warning) -> bool {
    let days = fact.fields.iter().find(|(name, _)| name == "days_left");
    days.and_then(|(_, days)| days.parse().ok()).is_some_and(|days: i64| days <= DAILY_DAYS)
}

/// Whether the date now written down is later than the one an open warning was raised for: the key
/// was renewed.
#[must_use]
pub fn is_renewed(open: &WarningId, key: &Key) -> bool {
    let warned = open.subject.rsplit(' ').next().and_then(|date| date.parse::<NaiveDate>().ok());
    matches!(open.event, Event::KeyExpiring | Event::KeyExpired)
        && warned.zip(key.expires).is_some_and(|(warned, expires)| expires > warned)
}
