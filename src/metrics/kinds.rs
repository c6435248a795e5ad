//! The series of kinds: what is stored of each, and how whole it is. They are the most by far (a large
//! installation has thousands of kinds), so what is rare is added up over the kinds of a connection.

use chrono::{DateTime, Utc};

use super::Seen;
use super::page::{Page, Series, number, seconds};
use crate::element::State;
use crate::kind::KindName;
use crate::status::KindStatus;

/// Adds the series of all kinds that are pulled.
pub(super) fn add(page: &mut Page, all: &[Seen<'_>]) {
    let kinds: Vec<Pulled<'_>> = all.iter().flat_map(pulled).collect();
    page.gauge(
        "clearpoint_sync_elements",
        "Stored elements: present in the views, unlisted or removed and kept.",
        kinds.iter().flat_map(|pulled| {
            states(pulled.status).map(|(state, count)| {
                let [connection, kind] = pulled.labels();
                ([connection, kind, ("state", state.as_str())], number(count))
            })
        }),
    );
    page.gauge(
        "clearpoint_sync_kind_complete_as_of_timestamp_seconds",
        "When the last pull of a kind began that listed all elements, its end proved, in seconds since 1970; 0: none ever.",
        kinds.iter().map(|pulled| (pulled.labels(), seconds(pulled.status.and_then(complete_as_of)))),
    );
    page.gauge(
        "clearpoint_sync_elements_missing",
        "Known elements that lists no longer show, in question.",
        sums(all, |kind| kind.missing),
    );
    page.gauge(
        "clearpoint_sync_removals_held",
        "Removals that a limit holds back until a person releases them.",
        sums(all, |kind| kind.held),
    );
    page.gauge(
        "clearpoint_sync_rows_rejected",
        "Rows that cannot be stored and are kept aside.",
        sums(all, |kind| kind.rejected),
    );
}

/// A kind that is pulled.
struct Pulled<'a> {
    connection: &'a str,
    kind: &'a str,
    /// `None`: it was never pulled.
    status: Option<&'a KindStatus>,
}

impl<'a> Pulled<'a> {
    fn labels(&self) -> [(&'static str, &'a str); 2] {
        [("connection", self.connection), ("kind", self.kind)]
    }
}

fn pulled<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Pulled<'a>> {
    let (connection, kinds) = (seen.name, &seen.tally.kinds);
    let stored = seen.status.map_or(&[][..], |status| &status.kinds);
    kinds.iter().map(KindName::as_str).map(move |kind| {
        // A dozen kinds are found sooner one by one than by a map.
        let status = stored.iter().find(|stored| stored.kind == kind);
        Pulled { connection, kind, status }
    })
}

fn states(kind: Option<&KindStatus>) -> [(State, u64); 3] {
    let count = |read: fn(&KindStatus) -> u64| kind.map_or(0, read);
    [
        (State::Present, count(|kind| kind.present)),
        (State::Unlisted, count(|kind| kind.unlisted)),
        (State::Removed, count(|kind| kind.removed)),
    ]
}

fn complete_as_of(kind: &KindStatus) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(kind.complete_as_of.as_deref()?).ok()?;
    Some(at.to_utc())
}

/// One series a connection, added up over its kinds.
fn sums<'a>(all: &'a [Seen<'_>], count: fn(&KindStatus) -> u64) -> impl Iterator<Item = Series<'a, 1>> {
    all.iter().map(move |seen| {
        let kinds = pulled(seen).filter_map(|pulled| pulled.status);
        ([("connection", seen.name)], number(kinds.map(count).sum()))
    })
}
