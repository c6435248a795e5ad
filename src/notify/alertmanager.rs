//! `alertmanager`: alerts for `POST /api/v2/alerts`.
//!
//! Labels are an alert's identity there, and what is routed by: the event as `alertname`, `connection`,
//! `subject`, `severity`, `program`. Everything else is an annotation. `severity` is a label because
//! people route by it; so a warning that becomes more urgent is another alert, and the telling that
//! says so ends the milder one in the same POST.
//!
//! An alert ends when it is told to, or at `endsAt`. Prometheus repeats its alerts every minute; this
//! program tells a warning when it changes and when it is time to remind of it, which may be 30 days
//! later (`remind_every`), for a key that expires even longer. So `endsAt` lies 35 days after the
//! telling: nothing lapses between two tellings, and what nobody takes back is gone some day. For
//! `key_expiring` it is the day after the key's date, when `key_expired` takes over without a word of
//! its end. What is over at once (`notify_test`) ends after an hour. Alertmanager keeps alerts in memory
//! only: one that restarts knows a warning again at its next telling.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use url::Url;

use super::told::{Told, stamp};
use crate::warning::{Event, Phase, Severity};

const PATH: &str = "/api/v2/alerts";
const HELD_FOR: TimeDelta = TimeDelta::days(35);
const PASSING_FOR: TimeDelta = TimeDelta::hours(1);

/// Where alerts go, if `url` is the base or already the place itself.
pub(super) fn address(mut url: Url) -> Url {
    let base = url.path().trim_end_matches('/');
    let path = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
    url.set_path(&path);
    url
}

/// `least` is the mildest severity that this Alertmanager is told of.
pub(super) fn body(told: &Told, least: Severity, now: DateTime<Utc>) -> Vec<u8> {
    let ends_at = if told.is_resolved() { told.at } else { holds_until(told, now) };
    let mut alerts = vec![alert(told, told.severity, ends_at)];
    if may_have_been_milder(told) {
        let milder = Severity::WORDS.iter().map(|(_, severity)| *severity);
        let milder = milder.filter(|severity| (least..told.severity).contains(severity));
        alerts.extend(milder.map(|severity| alert(told, severity, told.at)));
    }
    Value::Array(alerts).to_string().into_bytes()
}

/// Whether the same warning may have been told as a milder one. (To end alerts that never were would make
/// Alertmanager speak of them.) A key's days run down to ERROR also where no threshold is crossed.
fn may_have_been_milder(told: &Told) -> bool {
    match told.phase {
        Phase::Raised => false,
        Phase::Escalated => true,
        Phase::Reminded | Phase::Resolved => told.event == Event::KeyExpiring,
    }
}

fn holds_until(told: &Told, now: DateTime<Utc>) -> DateTime<Utc> {
    // A telling that comes late must not be over when it comes.
    let from = told.at.max(now);
    if told.event.is_passing() {
        return from + PASSING_FOR;
    }
    let expires = told.facts.iter().find(|(name, _)| name == "expires");
    let date = expires.and_then(|(_, date)| date.parse::<NaiveDate>().ok());
    let taken_over = date.and_then(|date| date.checked_add_days(Days::new(2)));
    match taken_over {
        Some(day) if told.event == Event::KeyExpiring => {
            day.and_time(NaiveTime::MIN).and_utc().max(from + PASSING_FOR)
        }
        _ => from + HELD_FOR,
    }
}

fn alert(told: &Told, severity: Severity, ends_at: DateTime<Utc>) -> Value {
    let mut annotations = Map::new();
    for (name, value) in &told.facts {
        annotations.insert(label_name(name), value.as_str().into());
    }
    let own = [
        ("summary", told.message.as_str()),
        ("action", told.what_to_do()),
        ("warning_id", &told.warning_id),
        ("delivery", &told.delivery),
    ];
    for (name, value) in own {
        annotations.insert(name.to_owned(), value.into());
    }
    let mut labels = json!({
        "alertname": told.event.as_str(),
        "connection": told.connection,
        "severity": severity.as_str(),
        "program": "clearpoint-sync",
    });
    // An empty label is no label.
    if !told.subject.is_empty() {
        labels["subject"] = told.subject.as_str().into();
    }
    json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": stamp(told.raised_at),
        "endsAt": stamp(ends_at),
    })
}

/// What Alertmanager takes for a name: letters, digits and `_`, no digit first.
fn label_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}
