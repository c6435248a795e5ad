//! `config`: the settings in force, secrets as their sources.

use toml::Value;

use super::{Exit, Output};
use crate::app::{AppError, Settings};

pub(super) fn run(settings: &Settings, out: &Output) -> Result<Exit, AppError> {
    let text = settings.config.in_force();
    let value: toml::Table = text.parse().expect("settings in force are TOML");
    out.result(&json(value.into()), || text)?;
    Ok(Exit::Done)
}

/// The same as JSON, which has no dates of its own.
fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
        Value::Array(values) => values.into_iter().map(json).collect(),
        Value::Datetime(date) => date.to_string().into(),
        other => serde_json::to_value(other).expect("numbers, texts and truths are JSON"),
    }
}
