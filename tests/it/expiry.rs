//! Operators hear of a key's end before it comes, and a run in the meantime is an ordinary run.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Size, World};
use serde_json::Value;

use crate::harness::{Bench, Setup};
use crate::patience::today;
use crate::program::Ran;

async fn bench(days_left: i64) -> Bench {
    let world = World::generate(141, &Size::small().with("measures", 5));
    Setup { expires: Some(today() + TimeDelta::days(days_left)), ..Setup::of(world) }.start().await
}

/// The three nights after now at which `30 2 * * *` is due.
fn next_nights(now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let nights = now.date_naive().iter_days().map(|day| day.and_hms_opt(2, 30, 0).unwrap().and_utc());
    nights.filter(|night| *night > now).take(3).collect()
}

/// All instants that a JSON result tells.
fn instants(value: &Value) -> Vec<DateTime<Utc>> {
    match value {
        Value::String(text) => {
            let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S UTC").map(|at| at.and_utc());
            let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
            local.or(zoned).into_iter().collect()
        }
        Value::Array(values) => values.iter().flat_map(instants).collect(),
        Value::Object(fields) => fields.values().flat_map(instants).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_fails_within_seven_days_and_tells_the_next_three_times() {
    let bench = bench(5).await;
    let now = Clock::System.now();
    let ran = bench.run(&["check", "--fail-within", "7", "--json"]).await;
    ran.assert_code(&[3]);
    let then = Clock::System.now();
    let told = instants(&serde_json::from_str(&ran.stdout).unwrap());
    let tells = |now| next_nights(now).iter().all(|night| told.contains(night));
    assert!(tells(now) || tells(then), "{:?} are not told: {ran}", next_nights(then));
    let quarters = told.iter().filter(|at| **at > now && **at - then <= TimeDelta::minutes(45)).count();
    assert!(quarters >= 3, "three quarters of an hour: {ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_key_and_the_days_for_people() {
    let bench = bench(5).await;
    let now = Clock::System.now();
    let ran = bench.run(&["check", "--fail-within", "7"]).await;
    let then = Clock::System.now();
    ran.assert_code(&[3]);
    ran.assert_names(&["Integration", "5"]);
    let shows = |night: &DateTime<Utc>| ran.stdout.contains(&format!("{:02}", night.day()));
    assert!([now, then].into_iter().any(|at| next_nights(at).iter().all(shows)), "{ran}");
    assert!(ran.stdout.contains("02:30"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_check_and_keys_fail_alike_and_ask_nobody() {
    let bench = bench(5).await;
    bench.run(&["check", "--offline", "--fail-within", "7"]).await.assert_code(&[3]);
    bench.run(&["check", "--offline", "--fail-within", "4"]).await.assert_code(&[0]);
    bench.run(&["keys", "--fail-within", "7"]).await.assert_code(&[3]);
    bench.run(&["keys", "--fail-within", "4"]).await.assert_code(&[0]);
    assert_eq!(bench.simulator.requests(), 0);
}

#[track_caller]
fn check_closing_line(ran: &Ran, days_left: &str, expires: NaiveDate) {
    ran.assert_code(&[0]);
    assert_eq!(ran.told("key_days_left").as_deref(), Some(days_left), "{ran}");
    assert_eq!(ran.told("key_expires"), Some(expires.to_string()), "{ran}");
    assert!(ran.told("warnings_open").is_some(), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_with_a_key_that_expires_soon_is_done_and_its_closing_line_counts_the_days() {
    let bench = bench(5).await;
    let expires = today() + Days::new(5);
    let ran = bench.run(&["sync"]).await;
    check_closing_line(&ran, "5", expires);
    assert_eq!(ran.said("key_expiring"), 1, "{ran}");
    let ran = bench.run(&["sync"]).await;
    check_closing_line(&ran, "5", expires);
    assert_eq!(ran.said("key_expiring"), 0, "the same day is said once: {ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_past_its_date_that_still_works_is_told_and_used() {
    let bench = bench(-3).await;
    let ran = bench.run(&["sync"]).await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("key_expired"), 1, "{ran}");
    assert_eq!(ran.told("still_works").as_deref(), Some("true"), "{ran}");
    bench.assert_mirrors();
    bench.run(&["keys"]).await.assert_code(&[3]);
}

/// Lets days go by since warnings were raised and said.
fn let_days_pass_since_warnings(bench: &Bench, days: u32) {
    let earlier = |column| format!("{column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{days} days')");
    let change = format!("UPDATE warnings SET {}, {}", earlier("raised_at"), earlier("said_at"));
    rusqlite::Connection::open(bench.file("clearpoint.db")).unwrap().execute_batch(&change).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_past_its_date_that_still_works_is_told_once_a_day_while_data_flows() {
    let bench = bench(-3).await;
    bench.sync_full().await;
    for day in 1..=3 {
        let renamed = format!("on day {day}");
        let measure = bench.simulator.world().ids("measures")[0];
        bench.simulator.world().edit("measures", measure, "name", renamed.as_str().into());
        let_days_pass_since_warnings(&bench, 1);
        for said in [1, 0] {
            let ran = bench.run(&["sync"]).await;
            ran.assert_code(&[0]);
            assert_eq!(ran.said("key_expired"), said, "{ran}");
            assert_eq!(ran.told("still_works").is_some(), said == 1, "{ran}");
            let told = ran.stderr.lines().find(|line| line.contains("\"key_expired\""));
            assert!(told.is_none_or(|line| line.contains("\"ERROR\"") && line.contains("true")), "{ran}");
        }
        assert_eq!(bench.stored("measures")[&measure]["name"], renamed.as_str());
    }
    assert!(bench.open_warnings().contains(&"key_expired".to_owned()));
}
