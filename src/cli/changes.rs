//! `changes`: what changed, for people, or line by line for a program that goes on where it left off.
//! Asks no network.

use std::io::{self, BufWriter, Write as _};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::output::{instant, shortened, table, written};
use super::{Exit, Output, names};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::parse_duration;
use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::Operation;
use crate::run::RunId;
use crate::store::{Change, Since};
use crate::tolerate;

/// Changes that the table shows where nobody says how many.
const SHOWN: u64 = 100;
/// Characters of a name, and of what changed, in the table.
const CELL: usize = 60;

#[derive(Debug, Args)]
#[command(after_help = "\
With --json one change a line, in the order of their sequence. To go on later, give the sequence of the last \
line to the next call: what came after it is printed, and nothing when there is nothing new. Such a call \
exits 4 when changes after that sequence are no longer kept (history.keep, forget), and still prints those \
that are; 2 when the store never counted so far (it was made anew, or restored). --since 0 is all that is kept.")]
pub(super) struct Arguments {
    /// Those after this sequence; or since a time (RFC 3339), a day (in UTC), or for so long (12h, 7d)
    #[arg(long, value_name = "WHEN", default_value = "1d", value_parser = parse_when)]
    since: When,
    /// Only of this connection [default: all]
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Only of this kind [default: all]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At most N: the first ones with --json; in the table the newest [default there: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// From where on, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Sequence(i64),
    Instant(DateTime<Utc>),
    Ago(TimeDelta),
}

impl When {
    fn since(self, now: DateTime<Utc>) -> Since {
        match self {
            Self::Sequence(sequence) => Since::Sequence(sequence),
            Self::Instant(at) => Since::Instant(at),
            Self::Ago(age) => Since::Instant(before(now, age)),
        }
    }
}

/// So long before an instant, or the beginning of time.
fn before(now: DateTime<Utc>, age: TimeDelta) -> DateTime<Utc> {
    now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

fn parse_when(text: &str) -> Result<When, String> {
    if let Ok(sequence) = text.parse::<i64>() {
        let cure = "write the sequence of the last line, or 0 for all that is kept";
        return if sequence < 0 { Err(cure.into()) } else { Ok(When::Sequence(sequence)) };
    }
    if let Some(age) = parse_duration(text) {
        return TimeDelta::from_std(age).map(When::Ago).map_err(|_| "is too long ago".into());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(When::Instant(day.and_time(NaiveTime::MIN).and_utc()));
    }
    text.parse().map(When::Instant).map_err(|_| {
        "write a sequence (4711), a time (2026-03-01T12:00:00Z), a day (2026-03-01) or an age (12h, 7d)"
            .into()
    })
}

/// One line for machines.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    sequence: i64,
    at: DateTime<Utc>,
    run: RunId,
    connection: &'a str,
    kind: &'a KindName,
    id: ElementId,
    name: Option<&'a str>,
    part: &'a str,
    operation: Operation,
    fields: &'a [String],
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
    evidence: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        let Change { row, run, before, after } = change;
        Self {
            sequence: row.sequence,
            at: row.at,
            run: *run,
            connection: &row.connection,
            kind: &row.kind,
            id: row.id,
            name: row.name.as_deref(),
            part: &row.part,
            operation: row.operation,
            fields: &row.fields,
            before: before.as_deref().and_then(document),
            after: after.as_deref().and_then(document),
            evidence: row.evidence.as_deref(),
        }
    }
}

/// A stored document as a part of what is printed for machines.
pub(super) fn document(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(tolerate::compact(text)).ok()
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    app::block_on(changes(settings, arguments, *out))?
}

async fn changes(settings: Settings, arguments: &Arguments, out: Output) -> Result<Exit, AppError> {
    let engine = Engine::open_existing(settings.config, Clock::System).await?;
    let connection = names::connection(&engine, arguments.connection.as_deref()).await?;
    let kind = match &arguments.kind {
        Some(kind) => Some(names::kind(&engine, kind, &[]).await?),
        None => None,
    };
    let now = engine.clock.now();
    let since = arguments.since.since(now);
    let exit = match since {
        Since::Sequence(sequence) => kept(&engine, sequence, out).await?,
        Since::Instant(at) => {
            let kept = before(now, TimeDelta::from_std(engine.config.history.keep).unwrap_or(TimeDelta::MAX));
            if at < kept {
                out.say(&format!("changes from before {} are no longer kept (history.keep)", instant(kept)));
            }
            Exit::Done
        }
    };
    let (connection, kind) = (connection.as_ref(), kind.as_ref());
    if out.is_json() {
        print_lines(&engine, since, connection, kind, arguments.limit).await?;
    } else {
        let limit = arguments.limit.unwrap_or(SHOWN);
        print_table(&engine, since, connection, kind, limit, out).await?;
    }
    Ok(exit)
}

/// Whether all changes after a sequence are still kept, so that who goes on from there misses none.
async fn kept(engine: &Engine, sequence: i64, out: Output) -> Result<Exit, AppError> {
    let last = engine.store.last_change().await?;
    if sequence > last {
        return Err(AppError::Usage(format!(
            "no change {sequence}: this store has counted to {last}; it was made anew or restored from a backup. \
             Read anew from --since 0, or from the time of the last change that is known"
        )));
    }
    let oldest = engine.store.oldest_change().await?.unwrap_or(last + 1);
    if sequence == 0 || oldest <= sequence + 1 {
        return Ok(Exit::Done);
    }
    out.say(&format!(
        "changes {} to {} are no longer kept (history.keep, forget); what follows is not all that happened \
         since {sequence}",
        sequence + 1,
        oldest - 1
    ));
    Ok(Exit::Partial)
}

async fn print_lines(
    engine: &Engine,
    since: Since,
    connection: Option<&ConnectionName>,
    kind: Option<&KindName>,
    limit: Option<u64>,
) -> Result<(), AppError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut is_gone = false;
    let print = |change: Change| {
        let line = serde_json::to_string(&Line::of(&change)).expect("a change has text keys only");
        let result = writeln!(out, "{line}");
        is_gone = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        result.map_err(|source| AppError::System { context: "cannot write the result", source })
    };
    match engine.store.changes_since(since, connection, kind, limit, print).await {
        Err(_) if is_gone => Ok(()),
        Err(error) => Err(error),
        Ok(()) => written(out.flush()),
    }
}

async fn print_table(
    engine: &Engine,
    since: Since,
    connection: Option<&ConnectionName>,
    kind: Option<&KindName>,
    limit: u64,
    out: Output,
) -> Result<(), AppError> {
    // One more than is shown tells whether there are more.
    let asked = limit.saturating_add(1);
    let mut newest = engine.store.newest_changes(since, connection, kind, asked).await?;
    if newest.len() as u64 > limit {
        newest.remove(0);
        out.say(&format!("the newest {limit}; there are earlier ones: --limit, --json"));
    }
    if newest.is_empty() {
        out.say("nothing changed; --since reaches further back");
        return Ok(());
    }
    let rows = newest.iter().map(|Change { row, .. }| {
        vec![
            row.sequence.to_string(),
            instant(row.at),
            row.connection.clone(),
            row.kind.to_string(),
            row.id.to_string(),
            row.operation.as_str().to_owned(),
            shortened(row.name.as_deref().unwrap_or("-"), CELL),
            shortened(&what(row.part.as_str(), &row.fields, row.evidence.as_deref()), CELL),
        ]
    });
    let head = ["sequence", "at", "connection", "kind", "id", "operation", "name", "what"];
    out.result(&(), || table(&head, rows))
}

/// What of the element changed: its fields, or what showed that it went.
pub(super) fn what(part: &str, fields: &[String], evidence: Option<&str>) -> String {
    let of = if part == "doc" { String::new() } else { format!("{part}: ") };
    match (fields, evidence) {
        ([], None) => of.trim_end_matches(": ").to_owned(),
        ([], Some(evidence)) => evidence.to_owned(),
        (fields, _) => format!("{of}{}", fields.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: When) {
        assert_eq!(parse_when(text), Ok(expected), "{text}");
    }

    #[test]
    fn a_point_in_the_log_is_a_sequence_a_time_a_day_or_an_age() {
        let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        check("4711", When::Sequence(4711));
        check("20260301", When::Sequence(20_260_301));
        check("0", When::Sequence(0));
        check("2026-03-01T07:00:00-05:00", When::Instant(noon));
        check("2026-03-01", When::Instant(noon - TimeDelta::hours(12)));
        check("12h", When::Ago(TimeDelta::hours(12)));
        check("7d", When::Ago(TimeDelta::days(7)));
        for text in ["", "yesterday", "-1", "7 weeks", "2026-02-30"] {
            assert!(parse_when(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_changed_is_told_in_a_few_words() {
        let fields = ["name".to_owned(), "Actual, Jan-26".to_owned()];
        assert_eq!(what("doc", &fields[..1], None), "name");
        assert_eq!(what("values", &fields[1..], None), "values: Actual, Jan-26");
        assert_eq!(what("values", &[], None), "values");
        assert_eq!(what("doc", &[], Some("GET answered 404")), "GET answered 404");
        assert_eq!(what("doc", &[], None), "");
    }
}
