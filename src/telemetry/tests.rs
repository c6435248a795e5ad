//! Lines as they are read, and who is heard.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::journal::tests::Ear;
use super::*;

/// What is logged by `act`.
fn logged(look: Look, filter: &str, act: impl FnOnce()) -> String {
    let lines = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&lines);
    let clock = Clock::hurried("2026-03-01T12:00:00Z".parse().unwrap());
    let write = move |line: &str| sink.lock().unwrap().push_str(line);
    let subscriber = subscriber(look, filter, clock, write).unwrap();
    tracing::subscriber::with_default(subscriber, act);
    lines.lock().unwrap().clone()
}

fn a_run_ends() {
    let _span = tracing::info_span!("run", connection = "city", run = 7).entered();
    tracing::info!(created = 3, error = "page 7 \"broke\"", connection = %"town", "run finished");
}

#[test]
fn text_has_the_events_fields_and_then_the_spans() {
    let line = logged(Look::Text { is_coloured: false }, "", a_run_ends);
    let expected = "2026-03-01T12:00:00.000Z INFO run finished created=3 \
                    error=\"page 7 \\\"broke\\\"\" connection=town run=7\n";
    assert_eq!(line, expected);
}

#[test]
fn the_journal_gets_a_priority_and_no_time() {
    let line = logged(Look::Journal, "", || tracing::warn!(event = "key_expiring", "key expires soon"));
    assert_eq!(line, "<4>WARN key expires soon event=key_expiring\n");
}

#[test]
fn json_is_one_flat_object() {
    let line = logged(Look::Json, "", a_run_ends);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["time"], "2026-03-01T12:00:00.000Z");
    assert_eq!(value["message"], "run finished");
    assert_eq!((&value["created"], &value["connection"]), (&3.into(), &"town".into()));
}

#[test]
fn an_events_own_target_stands_alone() {
    let line = logged(Look::Json, "", || tracing::warn!(event = "delivery_failed", target = "ops", "down"));
    assert_eq!(line.matches("\"target\":").count(), 1, "{line}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["target"], "ops");
}

#[test]
fn a_field_recorded_later_is_on_the_line() {
    let line = logged(Look::Journal, "", || {
        let span = tracing::info_span!("run", run = tracing::field::Empty);
        span.record("run", 8);
        span.in_scope(|| tracing::info!("run began"));
    });
    assert_eq!(line, "<6>INFO run began run=8\n");
}

#[test]
fn libraries_are_not_heard_below_warn_at_any_filter() {
    for filter in ["trace", "h2=trace,clearpoint_sync=trace"] {
        let lines = logged(Look::Journal, filter, || {
            tracing::trace!(target: "h2::codec", "secretKey: hunter2");
            tracing::debug!(target: "clearpoint_sync_like", "hunter2");
            tracing::info!(target: "hyper_util", "hunter2");
            tracing::warn!(target: "h2::codec", "heard");
            tracing::trace!("own");
        });
        assert_eq!(lines, "<4>WARN heard\n<7>TRACE own\n", "{filter}");
    }
}

#[test]
fn text_from_the_network_forges_no_line() {
    let line = logged(Look::Journal, "", || tracing::info!(name = "a\n<3>b", "x\n\u{1b}[2Jy"));
    assert_eq!(line, "<6>INFO x\\n\\u{1b}[2Jy name=\"a\\n<3>b\"\n");
}

#[test]
fn auto_is_fields_in_the_journal_text_for_people_and_json_elsewhere() {
    let auto = |is_journal, is_terminal| Way::choose(LogFormat::Auto, is_journal, is_terminal, false);
    assert_eq!(auto(true, false), Way { look: Look::Journal, is_native: true });
    assert_eq!(auto(false, true), Way { look: Look::Text { is_coloured: false }, is_native: false });
    assert_eq!(auto(false, false), Way { look: Look::Json, is_native: false });
}

#[test]
fn a_format_that_was_asked_for_is_kept_in_the_journal() {
    let in_journal = |format| Way::choose(format, true, false, false);
    assert_eq!(in_journal(LogFormat::Text), Way { look: Look::Journal, is_native: false });
    assert_eq!(in_journal(LogFormat::Json), Way { look: Look::Json, is_native: false });
    assert_eq!(in_journal(LogFormat::Journald), Way { look: Look::Journal, is_native: true });
}

#[test]
fn journald_outside_of_systemd_speaks_text_when_no_journal_listens() {
    let way = Way::choose(LogFormat::Journald, false, false, false);
    assert_eq!(way, Way { look: Look::Text { is_coloured: false }, is_native: true });
}

/// What a journal hears of `act`, and what stderr does.
fn logged_natively(journal: Journal, act: impl FnOnce()) -> String {
    let stderr = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&stderr);
    let write = move |line: &str, _: &dyn Fn(u64) -> String| sink.lock().unwrap().push_str(line);
    let lines =
        Lines { look: Look::Journal, journal: Some(journal), clock: Clock::System, write: Box::new(write) };
    tracing::subscriber::with_default(heard("", lines).unwrap(), act);
    stderr.lock().unwrap().clone()
}

#[test]
fn an_event_is_an_entry_of_fields_and_says_nothing_on_stderr() {
    let (ear, journal) = Ear::listening();
    let stderr = logged_natively(journal, a_run_ends);
    let entry = ear.hear();
    assert!(entry.starts_with("MESSAGE=INFO run finished created=3 error=\"page 7"), "{entry}");
    let own = ["PRIORITY=6", "SYSLOG_IDENTIFIER=clearpoint-sync", "CREATED=3", "ERROR=page 7 \"broke\""];
    // The event's own connection, and the run of the span around it.
    let others = ["CONNECTION=town", "RUN=7", "CODE_MODULE=clearpoint_sync::telemetry::tests"];
    for field in own.iter().chain(&others) {
        assert!(entry.contains(&format!("\n{field}\n")), "{field}: {entry}");
    }
    assert_eq!(stderr, "");
}

#[test]
fn an_events_own_target_is_the_journals_target() {
    let (ear, journal) = Ear::listening();
    logged_natively(journal, || tracing::warn!(event = "delivery_failed", target = "ops", "down"));
    let entry = ear.hear();
    assert!(entry.contains("\nEVENT=delivery_failed\nTARGET=ops\n"), "{entry}");
}

#[test]
fn a_line_that_no_journal_takes_goes_to_stderr() {
    let journal = Journal::at("/no/such/socket").unwrap();
    let stderr = logged_natively(journal, || tracing::warn!(event = "key_expiring", "key expires soon"));
    assert_eq!(stderr, "<4>WARN key expires soon event=key_expiring\n");
}

#[test]
fn a_modules_own_level_counts_before_that_of_all() {
    let lines = logged(Look::Journal, "warn, clearpoint_sync::telemetry=debug,", || {
        tracing::trace!("too low");
        tracing::debug!("near");
        tracing::info!(target: "clearpoint_sync::pull", "elsewhere");
        tracing::warn!(target: "clearpoint_sync::pull", "loud");
    });
    assert_eq!(lines, "<7>DEBUG near\n<4>WARN loud\n");
}

#[test]
fn a_filter_of_nothing_but_commas_is_none() {
    let lines = logged(Look::Journal, " ,", || {
        tracing::debug!("too low");
        tracing::info!("heard");
    });
    assert_eq!(lines, "<6>INFO heard\n");
}

#[test]
fn a_wrong_filter_is_refused() {
    for filter in ["loud=x", "wran", "info,clearpoint_sync", "clearpoint_sync[run]=debug", "[run]=debug"] {
        let error = subscriber(Look::Json, filter, Clock::System, |_| ()).err().unwrap();
        assert!(error.to_string().starts_with(&format!("{filter:?} is no log filter")), "{error}");
    }
}
