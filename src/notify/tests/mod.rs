//! What targets receive, and what is made of what they answer.

mod alerts;
mod formats;
mod mails;
mod schema;
mod sending;
mod sink;

use serde_json::Value;

use super::*;
use crate::name::ConnectionName;
use crate::warning::{Event, Phase, Severity, Warning, WarningId};

const RAISED: &str = "2027-03-01T06:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The telling of a key that expires soon, on the day it is raised.
fn notice() -> Notice {
    let connection = ConnectionName::parse("city").unwrap();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let warning = Warning {
        id: WarningId { event: Event::KeyExpiring, connection, subject: "key 2027-03-31".into() },
        severity: Severity::Warn,
        level: 1,
        message: "key expires soon".into(),
        action: "ClearPoint > System Settings > API Keys > Edit".into(),
        fields: vec![
            field("key", "Integration"),
            field("expires", "2027-03-31"),
            field("days_left", "30"),
            field("mapped_user", "reporting@city.example"),
        ],
    };
    Notice { warning, phase: Phase::Raised, raised_at: at(RAISED), at: at(RAISED) }
}

/// The same telling, its message, action, a fact and its subject put together by someone unkind.
fn hostile() -> Notice {
    let mut notice = notice();
    let text = "<b>&*x*\r\nBcc: all@city.example\u{1b}[31m\u{202e} @channel [a](http://evil.example)";
    notice.warning.message = text.into();
    notice.warning.action = text.into();
    notice.warning.id.subject = text.into();
    notice.warning.fields.push(("kind".into(), format!("{text}{}", "é&".repeat(3000))));
    notice.warning.fields.extend((0..100).map(|n| (format!("name {n}"), "&".repeat(5000))));
    notice
}

fn later(notice: &Notice, phase: Phase, severity: Severity, at: DateTime<Utc>) -> Notice {
    let warning = Warning { severity, ..notice.warning.clone() };
    Notice { warning, phase, at, ..notice.clone() }
}

fn told(notice: &Notice) -> Told {
    Told::new(notice, "d-17")
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// Every text in a document, keys left out.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
