//! The series of connections: their runs, requests, keys and warnings.

use super::page::{Page, number, seconds};
use super::{Seen, page};
use crate::run::{Mode, Outcome};
use crate::status::{KeyStatus, WarningStatus};
use crate::traffic::Class;
use crate::warning::{Event, Severity};

/// Adds the series of these connections, but for those of their kinds.
pub(super) fn add(page: &mut Page, all: &[Seen<'_>]) {
    freshness(page, all);
    runs(page, all);
    requests(page, all);
    keys(page, all);
    open_warnings(page, all);
}

/// One series a connection.
fn each<'a>(
    all: &'a [Seen<'_>],
    value: impl Fn(&Seen<'_>) -> f64,
) -> impl Iterator<Item = page::Series<'a, 1>> {
    all.iter().map(move |seen| ([("connection", seen.name)], value(seen)))
}

fn freshness(page: &mut Page, all: &[Seen<'_>]) {
    page.gauge(
        "clearpoint_sync_last_success_timestamp_seconds",
        "When the last run began that stored what it could, in seconds since 1970; 0: none ever.",
        each(all, |seen| seconds(seen.status.and_then(|status| status.last_success))),
    );
    page.gauge(
        "clearpoint_sync_last_full_success_timestamp_seconds",
        "When the last full run began that stored what it could, in seconds since 1970; 0: none ever.",
        each(all, |seen| seconds(seen.status.and_then(|status| status.last_full_success))),
    );
    page.gauge(
        "clearpoint_sync_next_run_timestamp_seconds",
        "When the next run is due, in seconds since 1970; while one is under way, when that began.",
        each(all, |seen| {
            seconds(seen.status.and_then(|status| status.running.map(|run| run.since).or(status.next_run)))
        }),
    );
    page.gauge(
        "clearpoint_sync_scorecards_visible",
        "Scorecards that the mapped user sees, as accepted; 0: none accepted yet.",
        each(all, |seen| {
            let visible = seen.status.and_then(|status| status.scorecards_visible);
            number(visible.unwrap_or_default() as u64)
        }),
    );
}

fn runs(page: &mut Page, all: &[Seen<'_>]) {
    page.gauge(
        "clearpoint_sync_run_under_way",
        "Whether a run is under way: 1 or 0.",
        each(all, |seen| f64::from(seen.status.is_some_and(|status| status.running.is_some()))),
    );
    page.gauge(
        "clearpoint_sync_last_run_duration_seconds",
        "How long the last run took that ended; 0: none ever.",
        each(all, |seen| {
            let last_run = seen.status.and_then(|status| status.last_run.as_ref());
            last_run.and_then(|run| run.lasted()).map_or(0.0, page::span)
        }),
    );
    let ways = Mode::ALL.into_iter().flat_map(|mode| Outcome::ALL.map(|outcome| (mode, outcome)));
    page.counter(
        "clearpoint_sync_runs_total",
        "Runs that ended since the start.",
        all.iter().flat_map(|seen| {
            ways.clone().map(|(mode, outcome)| {
                let labels =
                    [("connection", seen.name), ("mode", mode.as_str()), ("outcome", outcome.as_str())];
                (labels, number(seen.tally.runs(mode, outcome)))
            })
        }),
    );
    page.counter(
        "clearpoint_sync_changes_total",
        "Changes of elements that runs since the start have stored.",
        all.iter().flat_map(|seen| {
            seen.tally.changes().map(|(operation, count)| {
                ([("connection", seen.name), ("operation", operation.as_str())], number(count))
            })
        }),
    );
}

fn requests(page: &mut Page, all: &[Seen<'_>]) {
    page.counter(
        "clearpoint_sync_requests_total",
        "Requests to ClearPoint since the start, by what came of them.",
        all.iter().flat_map(|seen| {
            Class::ALL.map(|class| {
                let labels = [("connection", seen.name), ("class", class.as_str())];
                (labels, number(seen.tally.traffic.requests(class)))
            })
        }),
    );
    page.counter(
        "clearpoint_sync_retries_total",
        "Requests to ClearPoint since the start that were sent again after a transient failure.",
        each(all, |seen| number(seen.tally.traffic.retries())),
    );
}

fn keys(page: &mut Page, all: &[Seen<'_>]) {
    let keys = || all.iter().flat_map(|seen| seen.status.iter().flat_map(|status| &status.keys));
    page.gauge(
        "clearpoint_sync_key_expiry_timestamp_seconds",
        "The end of the last day that a key is usable, in seconds since 1970; none where no date is written down.",
        keys().filter(|key| key.lapses_at.is_some()).map(|key| (key_labels(key), seconds(key.lapses_at))),
    );
    page.gauge(
        "clearpoint_sync_key_refused",
        "Whether the server refuses a key: 1 or 0.",
        keys().map(|key| (key_labels(key), f64::from(key.refused_since.is_some()))),
    );
    page.gauge(
        "clearpoint_sync_key_leads",
        "Whether the next run asks with this key first: 1 or 0.",
        keys().map(|key| (key_labels(key), f64::from(key.leads))),
    );
}

/// Two keys of one connection may bear one name, so the slot is told too.
fn key_labels(key: &KeyStatus) -> [(&'static str, &str); 3] {
    [("connection", &key.connection), ("key", &key.key), ("slot", key.slot)]
}

fn open_warnings(page: &mut Page, all: &[Seen<'_>]) {
    let count = |seen: &Seen<'_>, is_meant: &dyn Fn(&WarningStatus) -> bool| {
        number(seen.warnings.iter().filter(|warning| is_meant(warning)).count() as u64)
    };
    let lasting = Event::ALL.into_iter().filter(|event| !event.is_passing()).map(Event::as_str);
    page.gauge(
        "clearpoint_sync_warnings_open",
        "Open warnings by what they are about.",
        all.iter().flat_map(|seen| {
            lasting.clone().map(move |event| {
                let labels = [("connection", seen.name), ("event", event)];
                (labels, count(seen, &|warning| warning.event == event))
            })
        }),
    );
    page.gauge(
        "clearpoint_sync_warnings_urgent",
        "Open warnings of severity error: a person is needed now.",
        each(all, |seen| count(seen, &|warning| warning.severity == Severity::Error.as_str())),
    );
}
