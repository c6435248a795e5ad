//! What the cards of warnings say: whose, what, and what to do; and what was told lately.

use super::sample::{at, connection, status, warning};
use super::{assert_shows, page, text};
use crate::status::{Status, WarningStatus};

fn facts(facts: &[(&str, &str)]) -> Vec<(String, String)> {
    facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A status with this warning.
fn with(event: &'static str, message: &str, told: &[(&str, &str)]) -> Status {
    let mut status = status(vec![connection("city")]);
    let message = message.to_owned();
    status.warnings = vec![WarningStatus { event, message, facts: facts(told), ..warning("city", "warn") }];
    status
}

#[test]
fn the_title_of_a_card_says_whose_and_what() {
    let check = |event, message, told: &[(&str, &str)], title: &str| {
        let mut named = vec![("key", "Integration")];
        named.extend(told);
        assert_shows(&with(event, message, &named), &[&format!("Warning city : {title} {event} ·")]);
    };
    let day = ("expires", "2026-12-18");
    check(
        "key_expiring",
        "key expires soon",
        &[day, ("days_left", "25")],
        "key Integration expires in 25 days ( 2026-12-18 )",
    );
    check(
        "key_expiring",
        "key expires soon",
        &[day, ("days_left", "0")],
        "key Integration expires at the end of today ( 2026-12-18 )",
    );
    let works = ("still_works", "true");
    check(
        "key_expired",
        "key expired",
        &[day, ("days_left", "-1"), works],
        "key Integration expired 1 day ago ( 2026-12-18 ), and still works",
    );
    check(
        "key_refused",
        "key refused: page 1 answered 401",
        &[],
        "key Integration refused: page 1 answered 401",
    );
    check("removals_held", "12 risks are held", &[], "12 risks are held");
}

#[test]
fn facts_have_names_in_words_and_times_as_elsewhere() {
    let told = [("days_left", "5"), ("first_run_after", "2027-04-01T00:00:00-04:00")];
    let after = "First run after that in 16 hours 2027-04-01 04:00:00 UTC";
    assert_shows(&with("key_expiring", "key expires soon", &told), &["Days left 5", after]);
}

#[test]
fn what_a_refused_key_entails_stands_on_its_card() {
    let mut status = with("key_refused", "key refused: 401", &[("key", "Integration")]);
    let message = "key is refused well before its date".to_owned();
    let entailed = |name| WarningStatus {
        event: "key_expiry_mismatch",
        message: message.clone(),
        action: "compare the date".to_owned(),
        ..warning(name, "warn")
    };
    status.warnings.push(entailed("city"));
    status.warnings.push(entailed("port"));
    assert_eq!(page(&status).matches("<article class=\"warning").count(), 2);
    let told = "Warning key is refused well before its date ( key_expiry_mismatch ). To do: compare the date";
    assert_shows(&status, &["3 warnings need a person", told]);
}

#[test]
fn what_was_told_once_is_shown_for_a_while() {
    let mut status = status(vec![connection("city")]);
    assert!(!text(&page(&status)).contains("Told lately"));
    status.passed =
        with("visibility_changed", "mapped user no longer sees 2 scorecards", &[("lost", "Fire, Water")])
            .warnings;
    status.passed[0].raised_at = at() - chrono::TimeDelta::days(2);
    let line = "Warning city : mapped user no longer sees 2 scorecards ( 2 days ago ; Lost: Fire, Water )";
    assert_shows(&status, &["All is well", "Open warnings None. Told lately", line]);
}
