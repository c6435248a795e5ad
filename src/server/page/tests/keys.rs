//! Keys: what is left of each, how it stands, and what a refused one means for the runs.

use std::sync::Arc;

use chrono::TimeDelta;

use super::sample::{at, connection, key, status, warning};
use super::{assert_shows, page, text};
use crate::status::{ConnectionStatus, Status};

#[test]
fn keys_tell_their_days_the_most_urgent_first() {
    let mut city = connection("city");
    city.keys = [Some(200), None, Some(0), Some(-3), Some(1)].map(|days| key("city", days)).into();
    city.keys[4].refused_since = Some(at() - TimeDelta::days(2));
    city.keys[4].state = "refused";
    let status = status(vec![city]);
    let text = text(&page(&status));
    let told =
        ["1 day by its date", "lapsed 3 days ago", "today is the last day", "200 days left", "date unknown"];
    let places: Vec<_> =
        told.iter().map(|words| text.find(words).unwrap_or_else(|| panic!("no {words}: {text}"))).collect();
    assert!(places[..4].is_sorted(), "{places:?} in {text}");
    assert_shows(&status, &["Next key to lapse today Integration of city", "not written down", "stands by"]);
    let page = page(&status);
    assert!(page.contains(r#"<meter min="0" max="90" value="90" aria-hidden="true">"#), "{page}");
    assert_eq!(page.matches("<meter").count(), 3, "neither an unknown date nor a refused key has a bar");
}

/// A connection whose keys are in these states.
fn with_keys(name: &str, states: &[&'static str]) -> ConnectionStatus {
    let mut connection = connection(name);
    connection.keys = states.iter().map(|_| key(name, Some(200))).collect();
    for (key, state) in connection.keys.iter_mut().zip(states) {
        key.state = state;
        key.refused_since = (*state == "refused").then(at);
    }
    connection.keys.iter_mut().skip(1).for_each(|key| key.slot = "next_key");
    connection.waits = ConnectionStatus::why_waits(&connection.keys);
    connection
}

#[test]
fn a_connection_whose_every_key_is_refused_waits_and_the_next_run_is_another_s() {
    let mut museum = with_keys("museum", &["refused"]);
    museum.next_run = Some(at());
    let waits = "Next run waits: the key is refused; asked again at most once an hour The last run";
    let city = with_keys("city", &["refused", "valid"]);
    assert_shows(
        &status(vec![museum, city]),
        &["Next run in 5 minutes city", waits, "Next run in 5 minutes 2027"],
    );
    let both = with_keys("museum", &["refused", "refused"]);
    assert_shows(
        &status(vec![both]),
        &["Next run waits every key is refused", "waits: both keys are refused;"],
    );
}

#[test]
fn where_no_key_will_lapse_the_page_says_why() {
    let told = |states| status(vec![with_keys("city", states)]);
    assert_shows(&told(&["refused"]), &["Next key to lapse none that works every key is refused Open"]);
    assert_shows(&told(&["refused", "unknown"]), &["Next key to lapse unknown Open"]);
    let mixed = "Next key to lapse none in date every key is refused or past its date Open";
    assert_shows(&told(&["refused", "expired"]), &[mixed]);
    assert_shows(&told(&["refused", "valid"]), &["Next key to lapse in 200 days Integration of city Open"]);
    assert_shows(&status(Vec::new()), &["Next key to lapse unknown Open"]);
}

#[test]
fn only_a_key_that_may_work_stands_by() {
    let mut status = status(vec![with_keys("city", &["valid", "refused"])]);
    Arc::make_mut(&mut status.connections[0]).keys[0].leads = true;
    assert!(!text(&page(&status)).contains("stands by"));
    assert_shows(&status, &["key , asked with first"]);
    Arc::make_mut(&mut status.connections[0]).keys[1].state = "valid";
    assert_shows(&status, &["key , stands by"]);
}

#[test]
fn the_state_of_a_key_says_in_words_what_its_colour_says() {
    let mut status = status(vec![connection("city")]);
    let check = |status: &_, told: &str| assert_shows(status, &[&format!("2027-10-17 {told} Connections")]);
    check(&status, "valid");
    Arc::make_mut(&mut status.connections[0]).keys[0].warnings = vec![warning("city", "warn")];
    check(&status, "Valid, lapses soon");
    Arc::make_mut(&mut status.connections[0]).keys[0].warnings[0].event = "key_expiry_mismatch";
    check(&status, "Valid, with a warning");
}

#[test]
fn a_key_that_was_never_asked_with_is_not_called_valid() {
    let mut status = status(vec![connection("city")]);
    let key = |status: &mut Status| Arc::make_mut(&mut status.connections[0]).keys.remove(0);
    let mut untried = key(&mut status);
    untried.asked_at = None;
    Arc::make_mut(&mut status.connections[0]).keys = vec![untried];
    assert!(page(&status).contains(r#"<span class="badge unknown">In date, not tried</span>"#));
    let mut expiring = key(&mut status);
    expiring.warnings = vec![warning("city", "warn")];
    Arc::make_mut(&mut status.connections[0]).keys = vec![expiring];
    assert!(page(&status).contains(r#"<span class="badge warn">Lapses soon, not tried</span>"#));
}

#[test]
fn a_key_that_works_after_its_date_says_so() {
    let mut city = connection("city");
    city.keys = vec![key("city", Some(-3))];
    let mut expired = warning("city", "error");
    (expired.event, expired.facts) = ("key_expired", vec![("still_works".to_owned(), "true".to_owned())]);
    city.keys[0].warnings = vec![expired];
    assert_shows(&status(vec![city]), &["Expired by its date, still works"]);
}

#[test]
fn a_refused_key_is_no_error_while_the_other_works() {
    let badge = |states: &[&'static str]| {
        let page = page(&status(vec![with_keys("city", states)]));
        page.split(">refused<").next().unwrap().rsplit(' ').next().unwrap().trim_end_matches('"').to_owned()
    };
    assert_eq!([badge(&["refused"]), badge(&["refused", "valid"])], ["error", "warn"]);
}

#[test]
fn the_name_of_a_key_and_that_of_its_connection_keep_their_own_direction() {
    let page = page(&status(vec![connection("city")]));
    assert!(page.contains("<bdi>Integration</bdi> of <bdi>city</bdi>"), "{page}");
}
