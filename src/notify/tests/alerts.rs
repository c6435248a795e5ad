//! Alertmanager.

use chrono::TimeDelta;

use super::*;

fn alerts(notice: &Notice, least: Severity, now: DateTime<Utc>) -> Vec<Value> {
    json_of(&alertmanager::body(&told(notice), least, now)).as_array().unwrap().clone()
}

fn ends(alert: &Value) -> DateTime<Utc> {
    at(alert["endsAt"].as_str().unwrap())
}

#[test]
fn an_alert_is_the_event_with_what_it_is_routed_by() {
    let alerts = alerts(&notice(), Severity::Warn, at(RAISED));
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    let labels = serde_json::json!({
        "alertname": "key_expiring", "connection": "city", "subject": "key 2027-03-31",
        "severity": "warn", "program": "clearpoint-sync",
    });
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["startsAt"], RAISED);
    assert_eq!(alert["annotations"]["summary"], "key expires soon");
    assert_eq!(alert["annotations"]["days_left"], "30");
}

#[test]
fn a_resolved_warning_ends_the_very_alert_that_was_raised() {
    let end = at("2027-03-20T08:00:00Z");
    let raised = alerts(&notice(), Severity::Warn, at(RAISED));
    let over = alerts(&later(&notice(), Phase::Resolved, Severity::Warn, end), Severity::Warn, end);
    assert_eq!(over.len(), 1);
    assert_eq!(over[0]["labels"], raised[0]["labels"]);
    assert_eq!(over[0]["startsAt"], raised[0]["startsAt"]);
    assert_eq!(ends(&over[0]), end);
}

#[test]
fn an_escalation_ends_the_milder_alert_in_the_same_post() {
    let when = at("2027-03-28T06:00:00Z");
    let worse = later(&notice(), Phase::Escalated, Severity::Error, when);
    let alerts = alerts(&worse, Severity::Warn, when);
    let said: Vec<_> =
        alerts.iter().map(|alert| (&alert["labels"]["severity"], ends(alert) > when)).collect();
    assert_eq!(said, [(&"error".into(), true), (&"warn".into(), false)]);
    assert_eq!(ends(&alerts[1]), when);
}

#[test]
fn what_was_never_told_there_is_not_ended_there() {
    let when = at("2027-03-17T06:00:00Z");
    let alerts_of =
        |severity, least| alerts(&later(&notice(), Phase::Escalated, severity, when), least, when).len();
    assert_eq!(alerts_of(Severity::Warn, Severity::Warn), 1);
    assert_eq!(alerts_of(Severity::Error, Severity::Error), 1);
    assert_eq!(alerts_of(Severity::Warn, Severity::Info), 2);
}

#[test]
fn a_key_that_ran_down_to_error_in_silence_leaves_no_milder_alert_behind() {
    let when = at("2027-03-29T06:00:00Z");
    let alerts_of = |notice: &Notice, phase| {
        let alerts = alerts(&later(notice, phase, Severity::Error, when), Severity::Warn, when);
        alerts
            .iter()
            .map(|alert| alert["labels"]["severity"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(alerts_of(&notice(), Phase::Raised), ["error"]);
    assert_eq!(alerts_of(&notice(), Phase::Reminded), ["error", "warn"]);
    assert_eq!(alerts_of(&notice(), Phase::Resolved), ["error", "warn"]);
    // Others are as urgent as they were raised, and nothing that never was is ended.
    let mut other = notice();
    other.warning.id.event = Event::KeyRefused;
    assert_eq!(alerts_of(&other, Phase::Reminded), ["error"]);
    assert_eq!(alerts_of(&other, Phase::Resolved), ["error"]);
}

#[test]
fn no_alert_lapses_between_two_tellings() {
    // A year may lie between the first telling and the next; key_expired takes over the day after.
    let mut notice = notice();
    notice.warning.fields[1].1 = "2028-03-31".into();
    assert_eq!(ends(&alerts(&notice, Severity::Warn, at(RAISED))[0]), at("2028-04-02T00:00:00Z"));
    notice.warning.fields[1].1 = "soon".into();
    assert_eq!(ends(&alerts(&notice, Severity::Warn, at(RAISED))[0]), at(RAISED) + TimeDelta::days(35));
    notice.warning.id.event = Event::RemovalsHeld;
    let alert = &alerts(&notice, Severity::Warn, at(RAISED))[0];
    assert_eq!(ends(alert), at(RAISED) + TimeDelta::days(35));
}

#[test]
fn a_telling_that_comes_late_is_not_over_when_it_comes() {
    let mut notice = notice();
    notice.warning.id.event = Event::VisibilityChanged;
    let now = at(RAISED) + TimeDelta::days(2);
    assert_eq!(ends(&alerts(&notice, Severity::Info, now)[0]), now + TimeDelta::hours(1));
}

#[test]
fn annotations_have_names_that_alertmanager_takes_and_none_is_pushed_aside() {
    let mut notice = notice();
    notice.warning.fields = vec![("2 bad-name".into(), "x".into()), ("summary".into(), "y".into())];
    notice.warning.id.subject = String::new();
    let alert = &alerts(&notice, Severity::Warn, at(RAISED))[0];
    assert_eq!(alert["annotations"]["_2_bad_name"], "x");
    assert_eq!(alert["annotations"]["summary"], "key expires soon");
    assert_eq!(alert["labels"].get("subject"), None);
}

#[test]
fn the_address_may_be_the_base_or_the_place_itself() {
    for (given, expected) in [
        ("http://127.0.0.1:9093", "http://127.0.0.1:9093/api/v2/alerts"),
        ("http://127.0.0.1:9093/", "http://127.0.0.1:9093/api/v2/alerts"),
        ("https://a.example/am/?t=1", "https://a.example/am/api/v2/alerts?t=1"),
        ("https://a.example/api/v2/alerts/", "https://a.example/api/v2/alerts"),
    ] {
        assert_eq!(alertmanager::address(given.parse().unwrap()).as_str(), expected);
    }
}
