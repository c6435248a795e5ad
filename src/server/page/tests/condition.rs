//! The headline, the tab and the order of connections: nothing that is not looked after is called well.

use chrono::TimeDelta;

use super::sample::{at, connection, status, warning};
use super::{assert_shows, page, text, title};
use crate::run::Outcome;
use crate::status::{ConnectionStatus, Status};

fn never_run(name: &str) -> ConnectionStatus {
    let mut connection = connection(name);
    (connection.last_run, connection.last_success, connection.kinds) = (None, None, Vec::new());
    connection
}

fn failed(name: &str) -> ConnectionStatus {
    let mut connection = connection(name);
    connection.last_run.as_mut().unwrap().outcome = Some(Outcome::Failed);
    connection
}

#[track_caller]
fn check(status: &Status, tab: &str, headline: &str) {
    let page = page(status);
    assert_eq!(title(&page), format!("{tab} · clearpoint-sync"));
    let text = text(&page);
    assert!(text.contains(&format!("Recent changes {headline} Connections")), "{text}");
}

#[test]
fn all_is_not_well_while_some_have_not_run() {
    let some = status(vec![connection("city"), never_run("museum"), never_run("port")]);
    check(&some, "2 not run yet", "2 connections have not run yet");
    assert!(page(&some).contains(r#"<section class="headline unknown""#));
    let mut put_off = never_run("museum");
    put_off.last_run = connection("museum").last_run;
    put_off.last_run.as_mut().unwrap().outcome = Some(Outcome::Deferred);
    let some = status(vec![put_off]);
    check(&some, "1 not synced yet", "1 connection has not synced yet");
    assert_shows(&some, &["museum Not synced yet reporting@"]);
}

#[test]
fn those_that_fail_are_counted_beside_what_is_open() {
    let mut museum = failed("museum");
    museum.last_success = None;
    let mut some = status(vec![connection("city"), failed("port"), museum, never_run("north")]);
    some.warnings = vec![warning("city", "error"), warning("port", "warn"), warning("city", "warn")];
    let more = "The last run of museum and port did not end well. 1 connection has not run yet.";
    let headline = format!("1 error and 2 warnings need a person; 2 connections fail {more}");
    check(&some, "1 error, 2 failing", &headline);
}

#[test]
fn an_error_that_says_why_a_key_is_refused_is_told_once() {
    let mut museum = failed("museum");
    museum.last_run.as_mut().unwrap().outcome = Some(Outcome::Refused);
    let mut some = status(vec![museum]);
    some.warnings = vec![warning("museum", "error")];
    check(&some, "1 error", "1 error needs a person");
}

#[test]
fn those_in_trouble_come_first_and_those_that_never_ran_before_the_well() {
    let mut new = failed("new");
    new.last_success = None;
    let all = ["well", "lapses", "refused"].map(connection);
    let mut some = status([all.as_slice(), &[never_run("never"), failed("failed"), new]].concat());
    some.warnings = vec![warning("lapses", "warn"), warning("refused", "error"), warning("failed", "warn")];
    let page = page(&some);
    let names = page.split("<article class=\"connection").skip(1);
    let names: Vec<&str> =
        names.map(|card| card.split("id=\"c-").nth(1).unwrap().split('"').next().unwrap()).collect();
    assert_eq!(names, ["refused", "new", "failed", "lapses", "never", "well"]);
    assert_shows(&some, &["new Never synced", "failed Failed", "lapses Warning", "never Never run"]);
}

#[test]
fn a_daemon_that_hangs_is_not_well() {
    let mut hung = status(vec![connection("city")]);
    hung.daemon.as_mut().unwrap().hang = Some("the daemon's loop has not turned for 5m".to_owned());
    let shown = "The daemon hangs: the daemon&#39;s loop has not turned for 5m. Restart it";
    assert_shows(&hung, &[shown]);
    assert_eq!(title(&page(&hung)), "daemon hangs · clearpoint-sync");
    assert!(page(&hung).contains(r#"<section class="headline error""#));
}

#[test]
fn nothing_is_called_well_while_the_store_cannot_be_looked_at() {
    let mut lost = status(vec![connection("city")]);
    lost.store.unreachable = Some("the disk is gone".to_owned());
    lost.store.unreachable_since = Some(at() - TimeDelta::minutes(30));
    assert_shows(
        &lost,
        &[
            "As the store was before 2027-03-31 11:30:00 UTC ; it is 2027-03-31 12:00:00 UTC now.",
            "The store cannot be used since 30 minutes ago (2027-03-31 11:30:00 UTC) : the disk is gone",
            "city Was well",
        ],
    );
    assert!(!page(&lost).contains("badge well"), "{}", page(&lost));
}
