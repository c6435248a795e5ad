//! The status page: how everything stands, for people. One document and one style sheet, no script; what
//! a person must act on comes first. Everything is made from a [`Status`]; the templates lie in
//! `templates/`.

mod changes;
mod condition;
mod connections;
mod facts;
mod headline;
mod keys;
mod kinds;
#[cfg(test)]
mod tests;
mod tone;
mod warnings;
mod words;

use askama::Template;
use chrono::{DateTime, Utc};

use self::changes::Changes;
use self::connections::{Connections, NextRun};
use self::headline::Headline;
use self::keys::{BAR_DAYS, Keys, NextToLapse};
use self::kinds::KindSum;
use self::tone::Tone;
use self::warnings::{Card, Warning};
use self::words::{Moment, grouped, plural};
use crate::status::Status;

/// How the page looks.
pub(super) const STYLE: &str = include_str!("../../../templates/style.css");

/// What stands for the page in a browser's tab.
pub(super) const ICON: &str = include_str!("../../../templates/icon.svg");

/// The page reloads itself after so many seconds.
const RELOAD_SECONDS: u32 = 30;

/// Whether the page reloads itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// It does: a screen on a wall shows what is so.
    Live,
    /// It does not, for whoever reads on: a reload closes what was unfolded.
    Still,
}

/// The page, whole.
pub(super) fn render(status: &Status, pace: Pace) -> String {
    Page::new(status, pace).render().expect("writing to a string does not fail")
}

#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
struct Page<'a> {
    status: &'a Status,
    is_live: bool,
    at: Moment,
    headline: Headline,
    figures: Vec<Figure>,
    warnings: Vec<Card<'a>>,
    keys: Keys<'a>,
    connections: Connections<'a>,
    sums: Vec<KindSum<'a>>,
    changes: Changes<'a>,
    passed: Vec<Warning<'a>>,
    /// Since when nobody can look.
    unreachable_since: Option<Moment>,
    /// Why the daemon hangs, if it does.
    hang: Option<&'a str>,
    started: Option<Moment>,
    turned: Option<Moment>,
}

/// One of the few numbers that tell most.
struct Figure {
    name: &'static str,
    value: String,
    note: String,
    /// Whose the note is: another name, that may be written the other way round.
    of: Option<String>,
}

impl Figure {
    fn new(name: &'static str, value: String, note: impl Into<String>) -> Self {
        Self { name, value, note: note.into(), of: None }
    }
}

impl<'a> Page<'a> {
    fn new(status: &'a Status, pace: Pace) -> Self {
        let now = status.at;
        let keys = Keys::new(&status.connections, status.store.unreachable.is_none(), now);
        let connections = Connections::new(status);
        let moment = |at: DateTime<Utc>| Moment::new(at, now);
        Self {
            status,
            is_live: pace == Pace::Live,
            at: moment(now),
            headline: Headline::new(status, &connections),
            figures: figures(status, &keys),
            warnings: warnings::cards(&status.warnings, now),
            keys,
            connections,
            sums: kinds::sums(&status.connections),
            changes: Changes::new(&status.changes, now),
            passed: warnings::passed(&status.passed, now),
            unreachable_since: status.store.unreachable_since.map(moment),
            hang: status.daemon.as_ref().and_then(|daemon| daemon.hang.as_deref()),
            started: status.daemon.as_ref().map(|daemon| moment(daemon.started_at)),
            turned: status.daemon.as_ref().and_then(|daemon| daemon.turned_at).map(moment),
        }
    }

    fn is_stopping(&self) -> bool {
        self.status.daemon.as_ref().is_some_and(|daemon| daemon.is_stopping)
    }
}

fn figures(status: &Status, keys: &Keys<'_>) -> Vec<Figure> {
    let configured = || status.connections.iter().filter(|connection| connection.is_configured);
    let running = configured().filter(|connection| connection.running.is_some()).count();
    let kinds = configured().flat_map(|connection| &connection.kinds);
    let present: u64 = kinds.map(|kind| kind.present).sum();
    let connections = match running {
        0 => "none running".to_owned(),
        running => format!("{running} running now"),
    };
    vec![
        Figure::new("Connections", grouped(configured().count() as u64), connections),
        Figure::new("Elements", grouped(present), "in the store, as people see them"),
        next_run(status),
        next_to_lapse(keys),
    ]
}

/// The next run that asks for something, of those that are not under way.
fn next_run(status: &Status) -> Figure {
    let configured = || status.connections.iter().filter(|connection| connection.is_configured);
    let planned = || configured().filter(|connection| connection.running.is_none());
    let planned = || planned().filter_map(|connection| Some((connection.next_run?, connection)));
    let next = planned().filter(|(_, connection)| connection.waits.is_none()).min_by_key(|(at, _)| *at);
    let (value, note) = match next {
        Some((at, connection)) => (Moment::due(at, status.at).words, connection.connection.as_str()),
        None if configured().any(|connection| connection.running.is_some()) => {
            ("after this one".to_owned(), "")
        }
        None if planned().next().is_some() => ("waits".to_owned(), "every key is refused"),
        None => ("none".to_owned(), ""),
    };
    Figure::new("Next run", value, note)
}

fn next_to_lapse(keys: &Keys<'_>) -> Figure {
    let name = "Next key to lapse";
    match keys.next_to_lapse() {
        NextToLapse::In(days, key) => {
            Figure { of: Some(key.connection.clone()), ..Figure::new(name, in_days(days), key.key.as_str()) }
        }
        NextToLapse::Unknown => Figure::new(name, "unknown".to_owned(), ""),
        NextToLapse::AllRefused => Figure::new(name, "none that works".to_owned(), "every key is refused"),
        NextToLapse::AllLapsed => {
            Figure::new(name, "none in date".to_owned(), "every key is refused or past its date")
        }
    }
}

fn in_days(days: i64) -> String {
    match days {
        0 => "today".to_owned(),
        days => format!("in {}", plural(days, "day")),
    }
}
