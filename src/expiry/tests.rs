//! The ladder of a key's last days, and when each rung is said.

use super::*;
use crate::key::KeySlot;

const ZONE: Tz = Tz::America__New_York;
const DAY: Duration = Duration::from_secs(86_400);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The outlook of a key that expires on 2027-03-31, with the default thresholds.
fn outlook(now: DateTime<Utc>) -> KeyOutlook {
    let key = Key::sample(KeySlot::Key, "2027-03-31".parse().ok());
    let holder = Holder {
        connection: &ConnectionName::parse("city").unwrap(),
        mapped_user: Some("reporting@city.example"),
        key: &key,
        zone: ZONE,
        thresholds: &[30, 14, 7, 3, 1],
        run_after: Some(at("2027-04-01T04:00:00Z")),
        still_works: Some(true),
    };
    judge(&holder, now)
}

fn warning(now: &str) -> Warning {
    outlook(at(now)).warning.unwrap()
}

fn open(warning: &Warning, said_at: &str) -> OpenWarning {
    let said_at = at(said_at);
    OpenWarning { warning: warning.clone(), raised_at: said_at, said_at, said: 1 }
}

#[track_caller]
fn check_days(now: &str, expected: i64) {
    assert_eq!(outlook(at(now)).days_left, Some(expected));
}

#[test]
fn a_key_is_usable_through_its_day_in_its_own_zone() {
    check_days("2027-03-31T03:59:59Z", 1);
    check_days("2027-03-31T04:00:00Z", 0);
    check_days("2027-04-01T03:59:59Z", 0);
    check_days("2027-04-01T04:00:00Z", -1);
    assert_eq!(lapses_at("2027-03-31".parse().unwrap(), ZONE), at("2027-04-01T04:00:00Z"));
}

#[test]
fn a_day_that_begins_in_a_gap_begins_at_its_end() {
    // Santiago's clocks went from 00:00 to 01:00 on 2026-09-06.
    let eve = "2026-09-05".parse().unwrap();
    assert_eq!(lapses_at(eve, Tz::America__Santiago), at("2026-09-06T04:00:00Z"));
}

#[test]
fn each_threshold_is_a_level_and_the_last_days_are_errors() {
    let ladder = |days: i64| {
        let found = outlook(at("2027-03-31T12:00:00Z") - TimeDelta::days(days)).warning;
        found.map(|warning| (warning.level, warning.severity))
    };
    assert_eq!(ladder(31), None);
    assert_eq!(ladder(30), Some((1, Severity::Warn)));
    assert_eq!(ladder(15), Some((1, Severity::Warn)));
    assert_eq!(ladder(14), Some((2, Severity::Warn)));
    assert_eq!(ladder(7), Some((3, Severity::Warn)));
    assert_eq!(ladder(4), Some((3, Severity::Warn)));
    assert_eq!(ladder(3), Some((4, Severity::Error)));
    assert_eq!(ladder(0), Some((5, Severity::Error)));
}

#[test]
fn an_expiring_key_says_all_a_person_needs() {
    let warning = warning("2027-03-17T12:00:00Z");
    assert_eq!(warning.id.to_string(), "city/key_expiring/key 2027-03-31");
    assert_eq!(warning.message, "key expires soon");
    assert_eq!(warning.action, WHERE_TO_EDIT);
    let fields: Vec<String> = warning.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        fields.join(" "),
        "key=Integration expires=2027-03-31 days_left=14 mapped_user=reporting@city.example \
         setting=connections.city.key.expires usable_through=2027-03-31 \
         first_run_after=2027-04-01T00:00:00-04:00"
    );
}

#[test]
fn the_day_after_a_key_is_expired_and_says_whether_it_works() {
    let warning = warning("2027-04-01T12:00:00Z");
    assert_eq!(warning.id.to_string(), "city/key_expired/key 2027-03-31");
    assert_eq!(warning.severity, Severity::Error);
    assert!(warning.fields.contains(&field("still_works", "true")));
    assert!(warning.fields.contains(&field("days_left", -1)));
}

#[test]
fn no_date_is_unknown_never_silence() {
    let key = Key::sample(KeySlot::Key, None);
    let holder = Holder {
        connection: &ConnectionName::parse("city").unwrap(),
        mapped_user: None,
        key: &key,
        zone: ZONE,
        thresholds: &[30],
        run_after: None,
        still_works: None,
    };
    let outlook = judge(&holder, at("2027-03-31T12:00:00Z"));
    assert_eq!(outlook.days_left, None);
    assert_eq!(outlook.expires_text(), "unknown");
    let unknown = outlook.warning.unwrap();
    assert_eq!(
        (unknown.id.to_string().as_str(), unknown.severity),
        ("city/key_expiry_unknown/key", Severity::Warn)
    );
    let known = open(&unknown, "2027-03-01T12:00:00Z");
    let days = |now: &str| say(Some(&known), Some(&unknown), ZONE, at(now), DAY);
    assert_eq!(days("2027-03-07T23:00:00Z"), Say::Quiet);
    assert_eq!(days("2027-03-08T06:00:00Z"), Say::Remind);
}

#[track_caller]
fn check_say(last: &str, now: &str, expected: Say) {
    let known = open(&warning(last), last);
    let fact = outlook(at(now)).warning;
    assert_eq!(say(Some(&known), fact.as_ref(), ZONE, at(now), DAY), expected);
}

#[test]
fn a_warning_is_raised_once_and_resolved_once() {
    let fact = warning("2027-03-17T12:00:00Z");
    let now = at("2027-03-17T12:00:00Z");
    assert_eq!(say(None, Some(&fact), ZONE, now, DAY), Say::Raise);
    assert_eq!(say(None, None, ZONE, now, DAY), Say::Quiet);
    let known = open(&fact, "2027-03-17T12:00:00Z");
    assert_eq!(say(Some(&known), None, ZONE, now, DAY), Say::Resolve);
}

#[test]
fn before_the_last_week_only_thresholds_are_said() {
    check_say("2027-03-01T12:00:00Z", "2027-03-16T12:00:00Z", Say::Quiet);
    check_say("2027-03-01T12:00:00Z", "2027-03-17T12:00:00Z", Say::Escalate);
}

#[test]
fn in_the_last_week_every_day_is_said_once() {
    check_say("2027-03-24T12:00:00Z", "2027-03-24T23:00:00Z", Say::Quiet);
    check_say("2027-03-24T12:00:00Z", "2027-03-25T04:00:00Z", Say::Remind);
    check_say("2027-03-24T12:00:00Z", "2027-03-28T12:00:00Z", Say::Escalate);
    check_say("2027-03-28T12:00:00Z", "2027-03-28T12:15:00Z", Say::Quiet);
    check_say("2027-04-01T12:00:00Z", "2027-04-01T20:00:00Z", Say::Quiet);
    check_say("2027-04-01T12:00:00Z", "2027-04-02T12:00:00Z", Say::Remind);
}

#[test]
fn after_an_outage_only_the_most_urgent_level_is_said() {
    let mut known = open(&warning("2027-03-01T12:00:00Z"), "2027-03-01T12:00:00Z");
    let fact = warning("2027-03-29T12:00:00Z");
    let now = at("2027-03-29T12:00:00Z");
    assert_eq!(say(Some(&known), Some(&fact), ZONE, now, DAY), Say::Escalate);
    known = open(&fact, "2027-03-29T12:00:00Z");
    assert_eq!(say(Some(&known), Some(&fact), ZONE, now, DAY), Say::Quiet);
}

#[test]
fn a_reminder_from_the_future_is_due() {
    check_say("2027-03-26T12:00:00Z", "2027-03-26T11:00:00Z", Say::Remind);
}

#[test]
fn other_warnings_are_reminded_as_configured_a_little_early() {
    let mut fact = warning("2027-03-17T12:00:00Z");
    fact.id.event = Event::RemovalsHeld;
    let known = open(&fact, "2027-03-17T12:00:00Z");
    let after = |now: &str| say(Some(&known), Some(&fact), ZONE, at(now), DAY);
    assert_eq!(after("2027-03-18T10:30:00Z"), Say::Quiet);
    assert_eq!(after("2027-03-18T11:59:50Z"), Say::Remind);
    assert_eq!(after("2027-03-17T11:00:00Z"), Say::Remind);
}

#[test]
fn reminders_do_not_wander_through_the_day() {
    let mut fact = warning("2027-03-17T12:00:00Z");
    fact.id.event = Event::RemovalsHeld;
    let mut known = open(&fact, "2027-03-17T12:00:00Z");
    let mut reminded = Vec::new();
    for hour in 0..240 {
        let now = at("2027-03-17T12:00:00Z") + TimeDelta::hours(hour);
        if say(Some(&known), Some(&fact), ZONE, now, DAY) == Say::Remind {
            known.said_at = now;
            reminded.push(hour);
        }
    }
    assert_eq!(reminded, [23, 47, 71, 95, 119, 143, 167, 191, 215, 239]);
}

#[test]
fn a_later_date_is_a_renewal() {
    let open = warning("2027-03-17T12:00:00Z").id;
    let key = |date: &str| Key::sample(KeySlot::Key, date.parse().ok());
    assert!(is_renewed(&open, &key("2028-03-31")));
    assert!(!is_renewed(&open, &key("2027-03-01")));
    assert!(!is_renewed(&open, &key("none")));
}
