//! The status page: how everything stands, for people. One document and one style sheet, no script; what
//! a person must act on comes first. Everything is made from a [`Status`]; the templates lie in
//! `templates/`.

mod changes;
mod connections;
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
use self::connections::Connections;
use self::headline::Headline;
use self::keys::{BAR_DAYS, Keys};
use self::warnings::Warnings;
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
    warnings: Warnings<'a>,
    keys: Keys<'a>,
    connections: Connections<'a>,
    changes: Changes<'a>,
    started: Option<Moment>,
    turned: Option<Moment>,
}

/// One of the few numbers that tell most.
struct Figure {
    name: &'static str,
    value: String,
    note: String,
}

impl<'a> Page<'a> {
    fn new(status: &'a Status, pace: Pace) -> Self {
        let now = status.at;
        let keys = Keys::new(&status.connections, now);
        let connections = Connections::new(&status.connections, &status.warnings, now);
        let moment = |at: DateTime<Utc>| Moment::new(at, now);
        Self {
            status,
            is_live: pace == Pace::Live,
            at: moment(now),
            headline: Headline::new(status, &connections),
            figures: figures(status, &keys),
            warnings: Warnings::new(&status.warnings, now),
            keys,
            connections,
            changes: Changes::new(&status.changes, now),
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
    let next =
        configured().filter_map(|connection| Some((connection.next_run?, &connection.connection))).min();
    let soonest = keys.soonest();
    vec![
        Figure {
            name: "Connections",
            value: grouped(configured().count() as u64),
            note: if running == 0 { "none running".to_owned() } else { format!("{running} running now") },
        },
        Figure {
            name: "Elements",
            value: grouped(present),
            note: "in the store, as people see them".to_owned(),
        },
        Figure {
            name: "Next run",
            value: next.map_or_else(|| "none".to_owned(), |(at, _)| Moment::due(at, status.at).words),
            note: next.map(|(_, name)| name.clone()).unwrap_or_default(),
        },
        Figure {
            name: "Next key to lapse",
            value: soonest.and_then(|key| key.days_left).map_or_else(|| "unknown".to_owned(), in_days),
            note: soonest.map(|key| format!("{} of {}", key.key, key.connection)).unwrap_or_default(),
        },
    ]
}

fn in_days(days: i64) -> String {
    match days {
        0 => "today".to_owned(),
        days => format!("in {}", plural(days, "day")),
    }
}
