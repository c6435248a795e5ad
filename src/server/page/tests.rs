//! The page for every way things can stand, the escaping of what comes from outside, and the contrast of
//! the colours. What a browser makes of it stands in `tests/it/page.rs`.

mod condition;
mod contrast;
mod keys;
mod many;
mod sample;
mod warnings;

use chrono::TimeDelta;

use self::sample::{at, change, connection, kind, status, warning};
use super::{Pace, STYLE, render};
use crate::run::Mode;
use crate::run::Outcome;
use crate::status::{Running, Status, WarningStatus};

#[track_caller]
fn assert_shows(status: &Status, words: &[&str]) {
    let text = text(&render(status, Pace::Live));
    for word in words {
        assert!(text.contains(word), "{word:?} does not stand in: {text}");
    }
}

fn page(status: &Status) -> String {
    render(status, Pace::Live)
}

/// What stands between the tags, each run of blanks as one.
fn text(page: &str) -> String {
    let body = page.split("<body>").nth(1).unwrap();
    let pieces = body.split('<').filter_map(|piece| piece.split_once('>').map(|(_, text)| text));
    pieces.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn title(page: &str) -> &str {
    page.split("<title>").nth(1).unwrap().split("</title>").next().unwrap()
}

#[test]
fn all_is_well_when_every_run_ended_well_and_nothing_is_open() {
    let status = status(vec![connection("city"), connection("hospital")]);
    assert_eq!(title(&page(&status)), "all well · clearpoint-sync");
    assert_shows(&status, &["All is well", "Open warnings None.", "Store: 4.2 MB"]);
    assert_shows(
        &status,
        &["ok , incremental, took 2m", "10 minutes ago", "in 5 minutes", "1 kind, 1,234 elements"],
    );
    assert_shows(&status, &["Daemon started 3 days ago (2027-03-28 12:00:00 UTC) ."]);
}

#[test]
fn what_needs_a_person_comes_first_with_what_to_do() {
    let mut status = status(vec![connection("city"), connection("museum")]);
    status.warnings = vec![warning("museum", "error"), warning("city", "warn"), warning("city", "info")];
    let page = page(&status);
    assert_eq!(title(&page), "1 error · clearpoint-sync");
    assert_shows(
        &status,
        &["1 error and 1 warning need a person", "under look at the key ; then write", "Days left 5"],
    );
    assert_shows(
        &status,
        &["raised 3 hours ago (2027-03-31 09:00:00 UTC)", "Connections museum Error", "city Warning"],
    );
    status.warnings.truncate(1);
    assert_shows(&status, &["1 error needs a person"]);
    status.warnings = vec![warning("city", "warn"), warning("museum", "warn")];
    assert_eq!(title(&render(&status, Pace::Live)), "2 warnings · clearpoint-sync");
    status.warnings = vec![warning("city", "info")];
    assert_shows(&status, &["All is well", "1 note to read; nothing to do at once."]);
}

#[test]
fn a_run_that_ended_badly_is_told_before_anything_is_open() {
    let mut city = connection("city");
    let run = city.last_run.as_mut().unwrap();
    (run.outcome, run.reason) = (Some(Outcome::Failed), Some("page 7 answered 503".into()));
    let status = status(vec![connection("museum"), city]);
    assert_eq!(title(&page(&status)), "1 run not well · clearpoint-sync");
    assert_shows(&status, &["The last run of city did not end well", "city Failed", "page 7 answered 503"]);
}

#[test]
fn before_the_first_run_nothing_is_called_well() {
    let mut city = connection("city");
    (city.last_run, city.kinds) = (None, Vec::new());
    let status = status(vec![city]);
    assert_eq!(title(&page(&status)), "no run yet · clearpoint-sync");
    assert_shows(&status, &["Waiting for the first run", "city Never run", "Last run none yet"]);
    assert_shows(&sample::status(Vec::new()), &["Waiting for the first run", "None are known yet."]);
}

#[test]
fn a_store_that_cannot_be_used_and_a_stop_are_banners() {
    let mut status = status(vec![connection("city")]);
    status.daemon.as_mut().unwrap().is_stopping = true;
    assert_shows(&status, &["The daemon is stopping."]);
    assert_eq!(title(&page(&status)), "stopping · clearpoint-sync");
    status.store.unreachable = Some("the disk is full".into());
    assert_shows(
        &status,
        &["The store cannot be used now: the disk is full . What stands below was so before."],
    );
    assert_eq!(title(&page(&status)), "store unreachable · clearpoint-sync");
}

#[test]
fn the_gravest_warning_comes_first_then_the_refused_key_then_the_lapsed_then_by_name() {
    let raised = |name: &str, event, severity| WarningStatus { event, ..warning(name, severity) };
    let mut status = status(Vec::new());
    status.warnings = vec![
        raised("north", "sync_stale", "warn"),
        raised("a", "key_expiring", "warn"),
        raised("west", "removals_held", "error"),
        raised("c", "key_expiring", "error"),
        raised("b", "key_expiring", "error"),
        raised("d", "key_expired", "error"),
        raised("e", "key_refused", "error"),
    ];
    let page = page(&status);
    let cards = page.split("\"><bdi>").skip(1);
    let names: Vec<&str> = cards.map(|card| card.split('<').next().unwrap()).collect();
    assert_eq!(names, ["e", "d", "b", "c", "west", "a", "north"]);
}

#[test]
fn the_last_day_of_a_key_that_lapses_is_told_once() {
    let mut status = status(vec![connection("city")]);
    status.warnings = vec![warning("city", "warn")];
    let day = |name: &str| (name.to_owned(), "2027-04-05".to_owned());
    status.warnings[0].facts = vec![day("expires"), day("usable_through")];
    assert_shows(&status, &["in the settings Last day 2027-04-05 Keys"]);
}

#[test]
fn a_run_under_way_and_one_that_is_overdue_are_told() {
    let mut city = connection("city");
    city.running = Some(Running { mode: Mode::Full, since: at() - TimeDelta::seconds(40) });
    city.next_run = None;
    let mut museum = connection("museum");
    museum.next_run = Some(at() - TimeDelta::minutes(3));
    let status = status(vec![city, museum]);
    assert_shows(&status, &["Running now full run, for 40s", "1 running now", "Next run now museum"]);
    assert_shows(&status, &["Next run after the run under way", "Next run now 2027-03-31 11:57:00 UTC"]);
}

#[test]
fn what_is_no_longer_configured_stands_apart_and_is_no_trouble() {
    let mut old = connection("oldtown");
    (old.is_configured, old.last_run) = (false, None);
    let status = status(vec![connection("city"), old]);
    assert_shows(
        &status,
        &["All is well", "No longer configured", "oldtown Not configured", "Connections 1 "],
    );
}

#[test]
fn kinds_tell_their_counts_and_what_keeps_them_from_being_whole() {
    let mut city = connection("city");
    let mut held = kind("city", "risks");
    (held.held, held.outcome, held.reason) = (12, "incomplete".into(), Some("page 7 was cut".into()));
    (held.complete_as_of, held.present) = (None, 0);
    city.kinds.push(held);
    let status = status(vec![city]);
    assert_shows(&status, &["Needs a look: risks (incomplete, 12 held) 2 kinds, 1,234 elements of city"]);
    assert_shows(
        &status,
        &["Complete as of not yet", "risks incomplete page 7 was cut never 0 41 0 12 0 0 measures"],
    );
    assert_shows(&status, &["end unproven"]);
}

#[test]
fn changes_tell_what_and_why() {
    let mut status = status(vec![connection("city")]);
    let mut removed = change("Old plan");
    removed.latest.evidence = Some("a direct read answered 404".into());
    let mut many = change("Busy");
    many.latest.fields = (0..11).map(|n| format!("field{n}")).collect();
    many.latest.part = "values".into();
    status.changes = vec![removed, many];
    assert_shows(&status, &["Old plan measures 8070001", "a direct read answered 404", "update of values"]);
    assert_shows(&status, &["field7 and 3 more"]);
}

#[test]
fn the_oldest_reads_of_details_and_values_are_told() {
    let mut city = connection("city");
    city.kinds[0].details_as_of = Some("2027-03-30T12:00:00.000Z".to_owned());
    city.kinds[0].values_as_of = Some("2027-03-31T11:00:00.000Z".to_owned());
    assert_shows(&status(vec![city]), &["9 hours ago details 24 hours ago values 1 hour ago 1,234"]);
}

#[test]
fn the_next_full_run_is_told_apart_where_it_is_another_than_the_next() {
    let mut city = connection("city");
    assert_shows(&status(vec![city.clone()]), &["Next full run in 14 hours"]);
    // Its start is spread a little.
    city.next_full_run = city.next_run.map(|at| at - TimeDelta::seconds(23));
    let one = status(vec![city]);
    assert_shows(&one, &["Next run in 5 minutes 2027-03-31 12:05:00 UTC a full run The last run"]);
    assert!(!text(&page(&one)).contains("Next full run"));
}

#[test]
fn kinds_are_counted_over_all_connections() {
    let sums = "Need a look measures 2 2,468 82 0 12 0 0 1";
    let mut museum = connection("museum");
    museum.kinds[0].held = 12;
    assert_shows(&status(vec![connection("city"), museum]), &[sums]);
    assert!(!page(&status(vec![connection("city")])).contains("over all connections"));
}

#[test]
fn what_one_run_did_alike_to_many_stands_on_one_line() {
    let mut status = status(vec![connection("city")]);
    status.changes = vec![change("Newest"), change("One")];
    (status.changes[0].count, status.changes[0].latest.part) = (60, "values".to_owned());
    assert_shows(
        &status,
        &["city 60 measures update of values 12 minutes ago", "One measures 8070001 update name"],
    );
    status.changes[0].has_more = true;
    assert_shows(&status, &["60 or more measures", "clearpoint-sync changes has each of them"]);
}

#[test]
fn what_comes_from_outside_is_text_and_nothing_else() {
    let evil = format!(
        "</bdi><script>alert('1')</script>\" onload=\"x\" & \u{202e}txt {}\u{1f6a8}",
        "n".repeat(200)
    );
    let mut city = connection("city");
    city.mapped_user = Some(evil.clone());
    city.last_run.as_mut().unwrap().reason = Some(evil.clone());
    city.keys[0].key.clone_from(&evil);
    city.kinds[0].reason = Some(evil.clone());
    let mut status = status(vec![city]);
    let mut raised = warning("city", "error");
    (raised.message, raised.action, raised.facts) =
        (evil.clone(), evil.clone(), vec![("key".into(), evil.clone())]);
    status.warnings.push(raised);
    status.changes.push(change(&evil));
    status.store.unreachable = Some(evil);
    let page = page(&status);
    assert!(!page.contains("<script") && !page.contains("onload=\""), "{page}");
    let escaped = "&#60;/bdi&#62;&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;&#34; onload=&#34;x&#34; &#38; \u{202e}txt nnn";
    let told = page.matches(escaped).count();
    let isolated = page.matches(&format!("<bdi>{escaped}")).count()
        + page.matches(&format!("<bdi class=\"said\">{escaped}")).count();
    assert!(told >= 9 && told == isolated, "{told} told, {isolated} kept from turning the text around it");
}

#[test]
fn the_page_needs_neither_scripts_nor_styles_of_its_own() {
    let mut status = status(vec![connection("city")]);
    status.warnings.push(warning("city", "error"));
    let page = page(&status);
    for word in ["<script", "<style", "style=", "javascript:", " onclick", "http://", "https://"] {
        assert!(!page.contains(word), "{word} stands in the page");
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"), "the style loads something");
    assert_eq!(page.matches("<h1").count(), 1);
}

#[test]
fn the_page_reloads_itself_unless_it_is_held() {
    let status = status(vec![connection("city")]);
    let refresh = r#"<meta http-equiv="refresh" content="30"/>"#;
    assert!(render(&status, Pace::Live).contains(refresh));
    assert!(!render(&status, Pace::Still).contains("refresh\""));
}
