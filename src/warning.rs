//! A warning: something a person must act on, with an identity, so that it is raised once, escalated,
//! reminded and resolved.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::name::ConnectionName;

/// What a warning is about. The word is the `event=` of its log line, which people alert on: it never
/// changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A key lapses soon.
    KeyExpiring,
    /// A key's date has passed.
    KeyExpired,
    /// No date is written down for a key.
    KeyExpiryUnknown,
    /// The server refuses a key well before the date written down for it.
    KeyExpiryMismatch,
    /// The server refuses the key, and no other key works.
    KeyRefused,
    /// The first key is refused, and the next key is used in its place.
    KeyFellOver,
    /// The key that is to take over would be refused.
    NextKeyUnusable,
    /// A key's secret cannot be read from where it should lie.
    SecretUnreadable,
    /// No user of the account has the declared mapped user's address.
    MappedUserNotFound,
    /// Scorecards went out of sight or came into it; told once, it does not last.
    VisibilityChanged,
    /// The server's clock and ours are far apart.
    ClockSkew,
    /// A kind has gone without a complete pull for twice its interval.
    SyncStale,
    /// What is visible is another account's, or far less than what was accepted.
    AccountChanged,
    /// The account shows nothing at all.
    NothingVisible,
    /// A limit holds removals back.
    RemovalsHeld,
    /// A field changes in most rows of every full run.
    FieldVolatile,
    /// A kind's rows change while their `lastEdited` does not.
    LastEditedUnreliable,
    /// The same rows are rejected in run after run.
    RowsRejected,
    /// The views could not be brought up to date.
    ViewsFailed,
    /// A field was seen for the first time; told once, it does not last.
    FieldDiscovered,
    /// A test of the ways warnings take; nothing is wrong.
    NotifyTest,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::KeyExpiring,
        Self::KeyExpired,
        Self::KeyExpiryUnknown,
        Self::KeyExpiryMismatch,
        Self::KeyRefused,
        Self::KeyFellOver,
        Self::NextKeyUnusable,
        Self::SecretUnreadable,
        Self::MappedUserNotFound,
        Self::VisibilityChanged,
        Self::ClockSkew,
        Self::SyncStale,
        Self::AccountChanged,
        Self::NothingVisible,
        Self::RemovalsHeld,
        Self::FieldVolatile,
        Self::LastEditedUnreliable,
        Self::RowsRejected,
        Self::ViewsFailed,
        Self::FieldDiscovered,
        Self::NotifyTest,
    ];

    /// Whether it happens and is over at once: told once, never reminded of, never resolved. All others
    /// hold until they do not.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Self::VisibilityChanged | Self::FieldDiscovered | Self::NotifyTest)
    }

    /// The word in logs and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyExpiring => "key_expiring",
            Self::KeyExpired => "key_expired",
            Self::KeyExpiryUnknown => "key_expiry_unknown",
            Self::KeyExpiryMismatch => "key_expiry_mismatch",
            Self::KeyRefused => "key_refused",
            Self::KeyFellOver => "key_fell_over",
            Self::NextKeyUnusable => "next_key_unusable",
            Self::SecretUnreadable => "secret_unreadable",
            Self::MappedUserNotFound => "mapped_user_not_found",
            Self::VisibilityChanged => "visibility_changed",
            Self::ClockSkew => "clock_skew",
            Self::SyncStale => "sync_stale",
            Self::AccountChanged => "account_changed",
            Self::NothingVisible => "nothing_visible",
            Self::RemovalsHeld => "removals_held",
            Self::FieldVolatile => "field_volatile",
            Self::LastEditedUnreliable => "last_edited_unreliable",
            Self::RowsRejected => "rows_rejected",
            Self::ViewsFailed => "views_failed",
            Self::FieldDiscovered => "field_discovered",
            Self::NotifyTest => "notify_test",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How urgent a warning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Act within days.
    Warn,
    /// Act now.
    Error,
}

impl Severity {
    /// The words of the file, the mildest first.
    pub const WORDS: [(&str, Self); 3] = [("info", Self::Info), ("warn", Self::Warn), ("error", Self::Error)];

    /// The word the store keeps.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What makes two warnings the same one: event, connection, and what in the connection it is about
/// (a key slot and date, a kind; empty for the connection itself).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WarningId {
    /// What it is about.
    pub event: Event,
    /// Whose.
    pub connection: ConnectionName,
    /// What in the connection (`key 2027-03-31`, `measures`); may be empty.
    pub subject: String,
}

impl fmt::Display for WarningId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.connection, self.event)?;
        if !self.subject.is_empty() {
            write!(f, "/{}", self.subject)?;
        }
        Ok(())
    }
}

/// A fact that holds now and that a person must act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Its identity.
    pub id: WarningId,
    /// How urgent.
    pub severity: Severity,
    /// Rises as it gets more urgent (for `key_expiring` the threshold crossed, counted from the
    /// mildest); a higher level than the stored one is said at once.
    pub level: u32,
    /// What is so, for people, lower case (`key expires soon`).
    pub message: String,
    /// What to do.
    pub action: String,
    /// More facts, in the order they are logged (`key`, `expires`, `days_left`).
    pub fields: Vec<(String, String)>,
}

/// A warning as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWarning {
    /// The warning as last said.
    pub warning: Warning,
    /// When it was first raised.
    pub raised_at: DateTime<Utc>,
    /// When it was last said.
    pub said_at: DateTime<Utc>,
    /// How often it was said.
    pub said: u32,
}

/// How a warning ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It is no longer so.
    Over,
    /// The key was given a later date.
    Renewed,
    /// Another warning says it now.
    Replaced,
    /// It was told once, and does not last.
    Passed,
}

impl Ending {
    /// The word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Renewed => "renewed",
            Self::Replaced => "replaced",
            Self::Passed => "passed",
        }
    }
}

/// How far a warning's life has come when people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is new.
    Raised,
    /// It has become more urgent.
    Escalated,
    /// It still holds.
    Reminded,
    /// It no longer holds.
    Resolved,
}

impl Phase {
    /// The word in the store and in what targets receive.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "escalated",
            Self::Reminded => "reminded",
            Self::Resolved => "resolved",
        }
    }
}

/// One telling of a warning: what a target receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The warning as it stood when it was told.
    pub warning: Warning,
    /// How far its life had come.
    pub phase: Phase,
    /// When it was first raised.
    pub raised_at: DateTime<Utc>,
    /// When it was told; for [`Phase::Resolved`], when it ended.
    pub at: DateTime<Utc>,
}

/// How long something lasted, as people read it: `3d 4h`, `2h 10m`, `5m`, `40s`; the two largest units,
/// seconds only below a minute.
#[must_use]
pub fn span(lasted: TimeDelta) -> String {
    let minutes = lasted.num_minutes().max(0);
    if minutes == 0 {
        return format!("{}s", lasted.num_seconds().max(0));
    }
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_events_are_listed_in_the_order_they_are_declared() {
        let declared = include_str!("warning.rs").split_once("pub enum Event {").unwrap().1;
        let declared = declared.split_once("\n}").unwrap().0.lines().map(str::trim);
        let declared: Vec<&str> = declared.filter_map(|line| line.strip_suffix(',')).collect();
        let listed: Vec<String> = Event::ALL.iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(listed, declared);
    }
}
