//! `warnings`: what is open, since when, what to do, and who was told; with `--all` the history too.
//! Asks no network.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::output::instant;
use super::{Exit, Output};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::status::WarningStatus;
use crate::store::{DeliveryRecord, WarningRecord};
use crate::warning::{Ending, span};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Also those that are over, the newest first, with how each ended
    #[arg(long)]
    all: bool,
}

/// A warning with how it ended and who was told.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    row: WarningStatus,
    resolved_at: Option<DateTime<Utc>>,
    ending: Option<Ending>,
    deliveries: Vec<DeliveryRecord>,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let (told, now) = app::block_on(read(settings, arguments.all))??;
    out.result(&told, || to_text(&told, arguments.all, now))?;
    Ok(Exit::Done)
}

async fn read(settings: &Settings, all: bool) -> Result<(Vec<Told>, DateTime<Utc>), AppError> {
    let engine = Engine::open_to_look(settings.config.clone(), Clock::System).await?;
    let now = engine.clock.now();
    let told = |record: WarningRecord| {
        let WarningRecord { open, resolved_at, ending, deliveries } = record;
        Told { row: WarningStatus::of(open, resolved_at.unwrap_or(now)), resolved_at, ending, deliveries }
    };
    Ok((engine.store.warning_records(all).await?.into_iter().map(told).collect(), now))
}

/// An open warning for people: what, since when, the facts, what to do.
pub(super) fn open_text(row: &WarningStatus) -> String {
    let WarningStatus { warning_id, severity, raised_at, age, message, .. } = row;
    let since = instant(*raised_at);
    format!("{} {warning_id} since {since} ({age}): {message}\n{}", severity.to_uppercase(), below(row))
}

fn below(row: &WarningStatus) -> String {
    let facts: Vec<String> = row.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let facts = if facts.is_empty() { String::new() } else { format!("  {}\n", facts.join(" ")) };
    format!("{facts}  do: {}\n", row.action)
}

fn to_text(told: &[Told], all: bool, now: DateTime<Utc>) -> String {
    if told.is_empty() {
        return if all { "no warnings so far\n".into() } else { "no open warnings\n".into() };
    }
    told.iter().map(|told| told_text(told, now)).collect()
}

fn told_text(told: &Told, now: DateTime<Utc>) -> String {
    let Told { row, resolved_at, ending, deliveries } = told;
    let mut text = match resolved_at {
        None => open_text(row),
        Some(end) => {
            let WarningStatus { warning_id, severity, raised_at, age, message, .. } = row;
            let (from, end) = (instant(*raised_at), instant(*end));
            let ended = ended(*ending);
            format!(
                "{ended} {} {warning_id} from {from} to {end} ({age}): {message}\n",
                severity.to_uppercase()
            )
        }
    };
    let times = match row.said {
        0 => "not said yet".to_owned(),
        1 => format!("said once, at {}", instant(row.said_at)),
        said => format!("said {said} times, last at {}", instant(row.said_at)),
    };
    text += &format!("  {times}\n");
    text.extend(deliveries.iter().map(|delivery| format!("  {}\n", delivery_text(delivery, now))));
    text
}

fn ended(ending: Option<Ending>) -> &'static str {
    match ending {
        Some(Ending::Renewed) => "renewed:",
        Some(Ending::Replaced) => "replaced by another:",
        Some(Ending::Passed) => "told:",
        Some(Ending::Over) | None => "over:",
    }
}

/// `ops: raised delivered 2027-03-17T12:00:01Z (200 OK)`
fn delivery_text(delivery: &DeliveryRecord, now: DateTime<Utc>) -> String {
    let DeliveryRecord { target, phase, queued_at, delivered_at, abandoned_at, tries, answer } = delivery;
    let phase = phase.as_str();
    let tries = if *tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
    let answer = answer.as_deref().map(|answer| format!(" ({answer})")).unwrap_or_default();
    match (delivered_at, abandoned_at) {
        (Some(at), _) => format!("{target}: {phase} delivered {}{answer}", instant(*at)),
        (None, Some(at)) => {
            format!("{target}: {phase} given up {} after {tries}{answer}", instant(*at))
        }
        (None, None) => {
            let (since, age) = (instant(*queued_at), span(now - *queued_at));
            format!("{target}: {phase} waiting since {since} ({age}), {tries}{answer}")
        }
    }
}
