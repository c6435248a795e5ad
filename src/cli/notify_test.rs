//! `notify-test`: sends a marked message to one target or all, whatever severity they want, and prints
//! what each answered.

use chrono::{DateTime, Utc};
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use super::output::table;
use super::{Exit, Output};
use crate::app::{self, AppError, Settings};
use crate::clock::Clock;
use crate::config::{Config, Target};
use crate::name::ConnectionName;
use crate::notify::Notifier;
use crate::secrets::TargetSecrets;
use crate::warning::{Event, Notice, Phase, Severity, Warning, WarningId};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The target to test; all by default
    target: Option<String>,
}

#[derive(Debug, Serialize)]
struct Tested {
    target: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Whether the target said that it took the message.
    taken: bool,
    /// What it answered, or why it was not reached.
    answer: String,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let targets = chosen(&settings.config, arguments.target.as_deref())?;
    let tested = app::block_on(test(&settings.config, &targets))??;
    out.result(&tested, || to_table(&tested))?;
    Ok(if tested.iter().all(|tested| tested.taken) { Exit::Done } else { Exit::Failed })
}

fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Target>, AppError> {
    let all = &config.warnings.targets;
    if all.is_empty() {
        let text =
            "no target is configured; write [warnings.targets.NAME] (config.example.toml shows each type)";
        return Err(AppError::Usage(text.to_owned()));
    }
    let Some(name) = name else { return Ok(all.iter().collect()) };
    match all.iter().find(|target| target.name.as_str() == name) {
        Some(target) => Ok(vec![target]),
        None => {
            let known: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
            let text = format!("no target {name:?} in the configuration; known: {}", known.join(", "));
            Err(AppError::Usage(text))
        }
    }
}

/// All at once: one that is slow to fail keeps no other waiting.
async fn test(config: &Config, targets: &[&Target]) -> Result<Vec<Tested>, AppError> {
    let notifier = Notifier::new(&config.network).map_err(|error| AppError::Usage(error.to_string()))?;
    let now = Clock::System.now();
    // A target that knows a message when it comes again must not take a second test for the first.
    let delivery = format!("test-{}-{:08x}", now.timestamp_millis(), fastrand::u32(..));
    let tests = targets.iter().map(|target| test_one(&notifier, target, &delivery, now));
    Ok(join_all(tests).await)
}

async fn test_one(notifier: &Notifier, target: &Target, delivery: &str, now: DateTime<Utc>) -> Tested {
    let sent = match TargetSecrets::read(target) {
        Ok(secrets) => {
            let sent = notifier.send(target, &secrets, delivery, &notice(target, now), now).await;
            sent.map_err(|error| error.to_string())
        }
        Err(error) => Err(AppError::from(error).to_text()),
    };
    Tested {
        target: target.name.to_string(),
        kind: target.way.as_str(),
        taken: sent.is_ok(),
        answer: sent.unwrap_or_else(|error| error),
    }
}

fn notice(target: &Target, now: DateTime<Utc>) -> Notice {
    let connection = ConnectionName::parse("test").expect("a lawful name");
    let warning = Warning {
        id: WarningId { event: Event::NotifyTest, connection, subject: target.name.to_string() },
        severity: Severity::Info,
        level: 0,
        message: "this is a test message, and nothing is wrong".to_owned(),
        action: "Nothing: whoever can read this will be told of warnings.".to_owned(),
        fields: vec![("target".to_owned(), target.name.to_string())],
    };
    Notice { warning, phase: Phase::Raised, raised_at: now, at: now }
}

fn to_table(tested: &[Tested]) -> String {
    let row = |tested: &Tested| {
        let taken = if tested.taken { "taken" } else { "failed" };
        vec![tested.target.clone(), tested.kind.to_owned(), taken.to_owned(), tested.answer.clone()]
    };
    table(&["target", "type", "result", "answer"], tested.iter().map(row))
}
