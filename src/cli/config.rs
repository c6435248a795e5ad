//! `config`: the settings in force, secrets as their sources; or only whether they are good.

use clap::Args;
use toml::Value;

use super::{Exit, Output};
use crate::app::{AppError, Settings};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print nothing when the settings are good, else every fault, and exit 2
    #[arg(long)]
    check: bool,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    if arguments.check {
        settings.check()?;
        return Ok(Exit::Done);
    }
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
