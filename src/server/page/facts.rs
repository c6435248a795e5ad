//! A warning as a person reads it: whose it is and what is so, its facts with names in words and times as
//! elsewhere on the page, and what to do with a verb in front. The log line stays as it is documented.

use chrono::{DateTime, Utc};

use super::words::{Moment, plural, sentence, spaced};
use crate::status::WarningStatus;

/// `key Integration expires in 25 days (2026-12-18)`, in pieces: what comes from outside keeps its own
/// direction, and a day stays on one line.
pub(super) struct Title<'a> {
    /// The key it is about.
    pub(super) key: Option<&'a str>,
    pub(super) what: String,
    pub(super) day: Option<&'a str>,
    pub(super) rest: &'static str,
}

/// A fact of a warning.
pub(super) struct Fact<'a> {
    pub(super) name: String,
    pub(super) value: &'a str,
    /// Where the value is an instant.
    pub(super) at: Option<Moment>,
}

/// What is so.
pub(super) fn title(status: &WarningStatus) -> Title<'_> {
    let fact = |name: &str| fact(status, name);
    let days = fact("days_left").and_then(|days| days.parse::<i64>().ok());
    let dated = match (status.event, days) {
        ("key_expiring", Some(0)) => Some("expires at the end of today".to_owned()),
        ("key_expiring", Some(days)) => Some(format!("expires in {}", plural(days, "day"))),
        ("key_expired", Some(days)) => Some(format!("expired {} ago", plural(-days, "day"))),
        _ => None,
    };
    let named = || status.message.strip_prefix("key ").map(str::to_owned);
    match (fact("key"), dated) {
        (key @ Some(_), Some(what)) => {
            let rest = if fact("still_works") == Some("true") { ", and still works" } else { "" };
            Title { key, what, day: fact("expires"), rest }
        }
        (key, None) if key.is_some() && named().is_some() => {
            Title { key, what: named().unwrap_or_default(), day: None, rest: "" }
        }
        _ => Title { key: None, what: status.message.clone(), day: None, rest: "" },
    }
}

/// The words that all of one event share: what the message says before it names anything.
pub(super) fn spelled(status: &WarningStatus) -> &str {
    status.message.split(": ").next().unwrap_or_default()
}

/// The facts, each once: a key lapses after the day that it is usable through.
pub(super) fn facts(status: &WarningStatus, now: DateTime<Utc>) -> Vec<Fact<'_>> {
    let told =
        status.facts.iter().filter(|(name, _)| status.event != "key_expiring" || name != "usable_through");
    told.map(|(name, value)| {
        let at = DateTime::parse_from_rfc3339(value).ok();
        Fact { name: named(name), value, at: at.map(|at| Moment::new(at.to_utc(), now)) }
    })
    .collect()
}

/// What to do before and after what the action says, where that says no more than where.
pub(super) fn around_action(status: &WarningStatus) -> (&'static str, &'static str) {
    match status.event {
        "key_expiring" | "key_expired" => {
            ("renew the key, or give it a later date, under ", "; then write the new date in the settings")
        }
        _ => ("", ""),
    }
}

fn fact<'a>(status: &'a WarningStatus, name: &str) -> Option<&'a str> {
    status.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The name of a fact in words: `Days left`.
fn named(name: &str) -> String {
    let words = match name {
        "expires" => "last day".to_owned(),
        "first_run_after" => "first run after that".to_owned(),
        "next_key_expires" => "next key's last day".to_owned(),
        "next_key_days_left" => "next key's days left".to_owned(),
        name => spaced(name),
    };
    sentence(&words)
}
