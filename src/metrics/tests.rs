//! What a scrape shows of what was counted.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::board::Board;
use crate::config::Config;
use crate::run::RunId;
use crate::status::{ConnectionStatus, Running};
use crate::traffic::Class;

const CITY: &str = r#"
[connections.city]
kinds = ["measures"]
[connections.city.key]
name = "Integration"
access_key = { env = "CITY_ACCESS" }
secret_key = { env = "CITY_SECRET" }
"#;

const PORT: &str = r#"
[connections.port]
[connections.port.key]
name = "Integration"
access_key = { env = "PORT_ACCESS" }
secret_key = { env = "PORT_SECRET" }
"#;

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn connections(sections: &[&str]) -> Vec<Connection> {
    let text = format!("[store.sqlite]\npath = \"store.db\"\n{}", sections.concat());
    Config::parse(&text, Path::new("/etc/config.toml")).unwrap().connections
}

fn metrics(sections: &[&str]) -> Metrics {
    let metrics = Metrics::default();
    metrics.keep(&connections(sections));
    metrics
}

fn text(metrics: &Metrics) -> String {
    metrics.render(&Board::default().status(noon()))
}

fn city() -> ConnectionName {
    ConnectionName::parse("city").unwrap()
}

/// A run that took a minute and a half.
fn run(outcome: Outcome, counts: Counts) -> Run {
    Run {
        id: RunId(1),
        connection: city(),
        mode: Mode::Full,
        started_at: noon(),
        finished_at: Some(noon() + TimeDelta::seconds(90)),
        outcome: Some(outcome),
        reason: None,
        needs_full: false,
        counts,
        kinds: Vec::new(),
    }
}

#[track_caller]
fn check(metrics: &Metrics, lines: &[&str]) {
    let text = text(metrics);
    for line in lines {
        let line = format!("clearpoint_sync_{line}");
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_series_of_a_connection_is_there_before_anything_happens() {
    check(
        &metrics(&[CITY]),
        &[
            r#"last_success_timestamp_seconds{connection="city"} 0"#,
            r#"runs_total{connection="city",mode="incremental",outcome="deferred"} 0"#,
            r#"requests_total{connection="city",class="transient"} 0"#,
            r#"retries_total{connection="city"} 0"#,
            r#"changes_total{connection="city",operation="remove"} 0"#,
            r#"warnings_open{connection="city",event="key_expiring"} 0"#,
            r#"elements{connection="city",kind="measures",state="unlisted"} 0"#,
            r#"kind_complete_as_of_timestamp_seconds{connection="city",kind="measures"} 0"#,
            r#"removals_held{connection="city"} 0"#,
            r#"run_duration_seconds_count{mode="full"} 0"#,
            "loop_turned_timestamp_seconds 0",
            "store_up 1",
        ],
    );
}

#[test]
fn when_the_next_run_is_due_shows_and_while_one_is_under_way_when_that_began() {
    let metrics = metrics(&[CITY]);
    let shown = |running, next_run| {
        let mut status = Board::default().status(noon());
        let known = ConnectionStatus { running, next_run, ..ConnectionStatus::unknown(&city()) };
        status.connections = vec![Arc::new(known)];
        let text = metrics.render(&status);
        let line = "clearpoint_sync_next_run_timestamp_seconds{connection=\"city\"} ";
        text.lines().find_map(|shown| shown.strip_prefix(line)).unwrap().to_owned()
    };
    let (now, soon) = (noon().timestamp(), noon() + TimeDelta::minutes(15));
    assert_eq!(shown(None, None), "0");
    assert_eq!(shown(None, Some(soon)), (now + 900).to_string());
    assert_eq!(shown(Some(Running { mode: Mode::Full, since: noon() }), None), now.to_string());
}

#[test]
fn the_loops_last_turn_shows() {
    let board = Board::default();
    board.start(noon());
    board.turn(noon() + TimeDelta::seconds(90), Duration::ZERO, []);
    let text = Metrics::default().render(&board.status(noon()));
    let turned = format!("clearpoint_sync_loop_turned_timestamp_seconds {}", noon().timestamp() + 90);
    assert!(text.lines().any(|line| line == turned), "{text}");
}

#[test]
fn runs_are_counted_with_what_they_changed_and_how_long_they_took() {
    let metrics = metrics(&[CITY]);
    let counts = |updated, removed| Counts { updated, removed, ..Counts::default() };
    metrics.count(&run(Outcome::Ok, counts(3, 1)));
    metrics.count(&run(Outcome::Ok, counts(4, 0)));
    metrics.count_failed(&city(), Mode::Incremental);
    check(
        &metrics,
        &[
            r#"runs_total{connection="city",mode="full",outcome="ok"} 2"#,
            r#"runs_total{connection="city",mode="incremental",outcome="failed"} 1"#,
            r#"changes_total{connection="city",operation="update"} 7"#,
            r#"changes_total{connection="city",operation="remove"} 1"#,
            r#"run_duration_seconds_bucket{mode="full",le="60"} 0"#,
            r#"run_duration_seconds_bucket{mode="full",le="300"} 2"#,
            r#"run_duration_seconds_sum{mode="full"} 180"#,
        ],
    );
}

#[test]
fn requests_are_counted_by_what_came_of_them() {
    let metrics = metrics(&[CITY]);
    let traffic = metrics.traffic(&city());
    traffic.count(Class::Ok);
    traffic.count(Class::Transient);
    traffic.count_retry();
    check(
        &metrics,
        &[
            r#"requests_total{connection="city",class="ok"} 1"#,
            r#"requests_total{connection="city",class="transient"} 1"#,
            r#"requests_total{connection="city",class="refused"} 0"#,
            r#"retries_total{connection="city"} 1"#,
        ],
    );
}

#[test]
fn a_connection_that_goes_loses_its_series_and_one_that_stays_keeps_its_counts() {
    let metrics = metrics(&[CITY, PORT]);
    metrics.count(&run(Outcome::Partial, Counts::default()));
    let traffic = metrics.traffic(&city());
    metrics.keep(&connections(&[CITY]));
    traffic.count(Class::Ok);
    assert!(!text(&metrics).contains("port"), "{}", text(&metrics));
    check(
        &metrics,
        &[
            r#"runs_total{connection="city",mode="full",outcome="partial"} 1"#,
            r#"requests_total{connection="city",class="ok"} 1"#,
        ],
    );
    metrics.keep(&connections(&[PORT]));
    metrics.count(&run(Outcome::Ok, Counts::default()));
    assert!(!text(&metrics).contains("city"), "a run that ends after its connection went is not shown");
}

#[test]
fn every_series_of_many_is_written_once_and_the_head_of_its_family_too() {
    let section =
        |idx: usize| PORT.replace("port", &format!("port-{idx}")).replace("PORT", &format!("PORT_{idx}"));
    let sections: Vec<String> = (0..70).map(section).collect();
    let metrics = metrics(&sections.iter().map(String::as_str).collect::<Vec<_>>());
    let text = text(&metrics);
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let series = line.rsplit_once(' ').unwrap().0;
        assert!(seen.insert(series), "{series} twice");
    }
    for idx in 0..70 {
        for state in ["present", "unlisted", "removed"] {
            let labels = format!("{{connection=\"port-{idx}\",kind=\"measures\",state=\"{state}\"}}");
            assert!(seen.contains(format!("clearpoint_sync_elements{labels}").as_str()), "{labels}");
        }
    }
    let elements = text.lines().filter(|line| line.starts_with("clearpoint_sync_elements{")).count();
    assert_eq!(elements, 70 * 3 * connections(&[PORT])[0].kinds.len());
}
