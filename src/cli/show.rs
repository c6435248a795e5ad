//! `show`: one element as the store has it, with its values and its history. Asks no network.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::changes::{Line, document, what};
use super::output::{instant, shortened, table};
use super::{Exit, Output, names};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::element::ElementId;
use crate::kind::KindName;
use crate::store::{Change, ElementRecord, Placement, PointRecord};
use crate::tolerate;

/// Characters of a value in the history.
const VALUE: usize = 60;

#[derive(Debug, Args)]
#[command(after_help = "Several connections may have the same id, for ids are an account's own: each is \
printed, and with --json each is an item of the list.")]
pub(super) struct Arguments {
    /// Its kind (measures, action_items, …)
    kind: String,
    /// Its id
    #[arg(allow_negative_numbers = true)]
    id: i64,
    /// Only of this connection [default: each that has the id]
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
}

/// An element with all that is known of it.
#[derive(Debug)]
struct Known {
    kind: KindName,
    element: ElementRecord,
    /// `None`: it is no measure.
    points: Option<Vec<PointRecord>>,
    changes: Vec<Change>,
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let known = app::block_on(read(settings, arguments))??;
    let shown: Vec<Shown<'_>> = known.iter().map(Shown::of).collect();
    out.result(&shown, || known.iter().map(to_text).collect::<Vec<_>>().join("\n"))?;
    Ok(Exit::Done)
}

async fn read(settings: Settings, arguments: &Arguments) -> Result<Vec<Known>, AppError> {
    let engine = Engine::open_existing(settings.config, Clock::System).await?;
    let kind = names::kind(&engine, &arguments.kind, &[]).await?;
    let connection = names::connection(&engine, arguments.connection.as_deref()).await?;
    let id = ElementId(arguments.id);
    let mut known = Vec::new();
    for element in engine.store.elements_with(connection.as_ref(), &kind, id).await? {
        let points = match kind.as_str() {
            KindName::MEASURES => Some(engine.store.points(&element.connection, id).await?),
            _ => None,
        };
        let changes = engine.store.changes_of(&element.connection, &kind, id).await?;
        known.push(Known { kind: kind.clone(), element, points, changes });
    }
    if known.is_empty() {
        let whose = arguments.connection.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        return Err(AppError::Usage(format!(
            "the store has no {kind} {id}{whose}: no mapped user has seen it yet, or it was forgotten; \
             for the ids that are there: clearpoint-sync export {kind} --all"
        )));
    }
    Ok(known)
}

/// What is printed for machines.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    connection: &'a str,
    kind: &'a KindName,
    id: ElementId,
    name: Option<&'a str>,
    state: &'a str,
    reason: Option<&'a str>,
    evidence: Option<&'a str>,
    missing_since: Option<&'a str>,
    placements: Vec<ShownPlacement<'a>>,
    owner_id: Option<ElementId>,
    owner: Option<&'a str>,
    first_seen_at: &'a str,
    changed_at: &'a str,
    removed_at: Option<&'a str>,
    last_edited: Option<&'a str>,
    doc: Option<Box<RawValue>>,
    detail: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<ShownPoint<'a>>>,
    changes: Vec<Line<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownPlacement<'a> {
    scorecard_id: ElementId,
    scorecard: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ShownPoint<'a> {
    series: &'a str,
    period: &'a str,
    period_id: Option<i64>,
    value: Option<f64>,
    text: Option<&'a str>,
    removed_at: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(known: &'a Known) -> Self {
        let Known { kind, element, points, changes } = known;
        let placement = |placement: &'a Placement| ShownPlacement {
            scorecard_id: placement.scorecard_id,
            scorecard: placement.scorecard.as_deref(),
        };
        let point = |point: &'a PointRecord| ShownPoint {
            series: &point.series,
            period: &point.period,
            period_id: point.period_id,
            value: point.value,
            text: point.text.as_deref(),
            removed_at: point.removed_at.as_deref(),
        };
        Self {
            connection: &element.connection,
            kind,
            id: element.id,
            name: element.name.as_deref(),
            state: &element.state,
            reason: element.reason.as_deref(),
            evidence: element.evidence.as_deref(),
            missing_since: element.missing_since.as_deref(),
            placements: element.placements.iter().map(placement).collect(),
            owner_id: element.owner_id,
            owner: element.owner.as_deref(),
            first_seen_at: &element.first_seen_at,
            changed_at: &element.changed_at,
            removed_at: element.removed_at.as_deref(),
            last_edited: element.last_edited.as_deref(),
            doc: document(&element.doc),
            detail: element.detail.as_deref().and_then(document),
            values: points.as_ref().map(|points| points.iter().map(point).collect()),
            changes: changes.iter().map(Line::of).collect(),
        }
    }
}

fn to_text(known: &Known) -> String {
    let Known { kind, element, points, changes } = known;
    let mut text = format!("{kind} {} of {}: {}\n", element.id, element.connection, name(&element.name));
    text += &state_text(element);
    let placements = element.placements.iter();
    let named = |name: &Option<String>, id: ElementId| match name {
        Some(name) => format!("{name} ({id})"),
        None => id.to_string(),
    };
    let scorecards: Vec<String> =
        placements.map(|place| named(&place.scorecard, place.scorecard_id)).collect();
    let facts = [
        ("scorecards", (!scorecards.is_empty()).then(|| scorecards.join(", "))),
        ("owner", element.owner_id.map(|id| named(&element.owner, id))),
        ("first seen", Some(element.first_seen_at.clone())),
        ("changed", Some(element.changed_at.clone())),
        ("last edited", element.last_edited.clone()),
    ];
    for (label, fact) in facts {
        text += &fact.map(|fact| format!("  {label}: {fact}\n")).unwrap_or_default();
    }
    text += &format!("\ndocument\n{}\n", tolerate::pretty(&element.doc));
    if let Some(detail) = &element.detail {
        text += &format!("\ndetail, from a single read\n{}\n", tolerate::pretty(detail));
    }
    if let Some(points) = points {
        text += &format!("\nvalues\n{}", values_text(points));
    }
    text + "\nhistory\n" + &changes.iter().map(change_text).collect::<String>()
}

fn name(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or("without a name")
}

fn state_text(element: &ElementRecord) -> String {
    let ElementRecord { state, reason, evidence, missing_since, removed_at, .. } = element;
    let mut text = format!("  {state}");
    text += &reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    text += &evidence.as_ref().map(|evidence| format!(", {evidence}")).unwrap_or_default();
    text += &removed_at.as_ref().map(|at| format!(", since {at}")).unwrap_or_default();
    text += &missing_since
        .as_ref()
        .map(|at| format!(", but in question: not listed since {at}"))
        .unwrap_or_default();
    text + "\n"
}

/// Periods as rows, series as columns, in the order of the periods' numbers.
fn values_text(points: &[PointRecord]) -> String {
    let mut series: Vec<&str> = points.iter().map(|point| point.series.as_str()).collect();
    series.dedup();
    let mut periods: BTreeMap<(Option<i64>, &str), Vec<String>> = BTreeMap::new();
    for point in points {
        let cells = periods.entry((point.period_id, &point.period));
        let cells = cells.or_insert_with(|| vec![String::new(); series.len()]);
        let column = series.iter().position(|series| *series == point.series);
        cells[column.expect("the series was collected from the points")] = cell(point);
    }
    if periods.is_empty() {
        return "none\n".into();
    }
    let head: Vec<&str> = ["period"].into_iter().chain(series).collect();
    table(&head, periods.into_iter().map(|((_, period), cells)| [vec![period.to_owned()], cells].concat()))
}

fn cell(point: &PointRecord) -> String {
    let shown = match (point.value, &point.text) {
        (Some(value), _) => value.to_string(),
        (None, Some(text)) => shortened(text, VALUE),
        (None, None) => "-".into(),
    };
    if point.removed_at.is_some() { format!("({shown}, gone)") } else { shown }
}

fn change_text(change: &Change) -> String {
    let Change { row, before, after, .. } = change;
    let operation = row.operation.as_str();
    let why =
        if row.fields.is_empty() { what(&row.part, &[], row.evidence.as_deref()) } else { String::new() };
    let part =
        if row.part == "doc" || row.fields.is_empty() { String::new() } else { format!(" of {}", row.part) };
    let mut text = format!("  {} {operation}{part} {why}", instant(row.at)).trim_end().to_owned() + "\n";
    let (before, after) = (members(before.as_deref()), members(after.as_deref()));
    let shown = |values: &BTreeMap<String, Box<RawValue>>, field: &String| {
        values.get(field).map_or_else(|| "(not there)".to_owned(), |value| shortened(value.get(), VALUE))
    };
    for field in &row.fields {
        text += &format!("    {field}: {} → {}\n", shown(&before, field), shown(&after, field));
    }
    text
}

/// The values of a stored object; none of what is none.
fn members(object: Option<&str>) -> BTreeMap<String, Box<RawValue>> {
    object.and_then(|object| serde_json::from_str(object).ok()).unwrap_or_default()
}
