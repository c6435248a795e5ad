//! How a line looks: text for people, JSON for machines. Nothing that came over the network forges a line
//! or steers a terminal.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use tracing::Level;

use super::fields::Fields;

/// As every look writes an instant.
pub(super) fn time(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `INFO run finished connection=city`
pub(super) fn text(level: &str, fields: &Fields) -> String {
    let mut line = format!("{level} {}", escaped(&fields.message));
    for (name, value) in &fields.list {
        // Writing to a String cannot fail.
        let _ = match value {
            Value::String(text) if is_bare(text) => write!(line, " {name}={text}"),
            Value::String(text) => write!(line, " {name}={text:?}"),
            other => write!(line, " {name}={other}"),
        };
    }
    line
}

/// Whether a value reads the same without quotes.
fn is_bare(text: &str) -> bool {
    let needs_quotes = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=' | '\\');
    !text.is_empty() && !text.contains(needs_quotes)
}

/// Text from the network must neither forge a line nor steer a terminal.
fn escaped(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// `{"time":"…","level":"INFO","target":"…","message":"…","connection":"city"}`
pub(super) fn json(now: DateTime<Utc>, level: Level, target: &str, fields: &Fields) -> String {
    let mut line = String::from("{");
    let head = [
        ("time", Value::from(time(now))),
        ("level", level.as_str().into()),
        ("target", target.into()),
        ("message", fields.message.as_str().into()),
    ];
    // An event may tell of a target of its own.
    let head = head.iter().filter(|(name, _)| fields.list.iter().all(|(known, _)| known != name));
    for (n, (name, value)) in head.chain(&fields.list).enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(line, "{comma}{}:{value}", Value::from(*name));
    }
    line + "}\n"
}

/// The level in the colour that people know it by.
pub(super) fn coloured(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31mERROR\u{1b}[0m",
        Level::WARN => "\u{1b}[33mWARN\u{1b}[0m",
        Level::INFO => "\u{1b}[32mINFO\u{1b}[0m",
        Level::DEBUG => "\u{1b}[34mDEBUG\u{1b}[0m",
        _ => "\u{1b}[35mTRACE\u{1b}[0m",
    }
}
