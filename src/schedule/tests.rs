//! The table of clock changes, and what a line may say.

use chrono_tz::Tz::{self, UTC};

use super::*;

const NEW_YORK: Tz = Tz::America__New_York;
const LORD_HOWE: Tz = Tz::Australia__Lord_Howe;

/// The due times after `from`, as many as are expected, must be `expected`.
#[track_caller]
fn check(line: &str, zone: Tz, from: &str, expected: &[&str]) {
    let schedule = Schedule::parse(line, zone).unwrap();
    let mut instant: DateTime<Utc> = from.parse().unwrap();
    let due: Vec<String> = expected
        .iter()
        .map(|_| {
            instant = schedule.next_after(instant);
            instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
        })
        .collect();
    assert_eq!(due, expected, "{line} in {zone}");
}

#[track_caller]
fn refused(line: &str, expected: &str) {
    let error = Schedule::parse(line, UTC).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[track_caller]
fn same(line: &str, other: &str) {
    let parse = |line| Fields::parse(line).unwrap();
    assert_eq!(parse(line), parse(other));
}

// New York: 2026-03-08 02:00 EST becomes 03:00 EDT at 07:00Z; 2026-11-01 02:00 EDT becomes 01:00 EST
// at 06:00Z.

#[test]
fn new_york_a_fixed_time_in_the_gap_fires_at_its_end() {
    check(
        "30 2 * * *",
        NEW_YORK,
        "2026-03-06T12:00:00Z",
        &["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
    );
}

#[test]
fn new_york_several_fixed_times_in_the_gap_fire_once() {
    check(
        "0,20,40 2,3 * * *",
        NEW_YORK,
        "2026-03-08T06:59:59Z",
        &["2026-03-08T07:00:00Z", "2026-03-08T07:20:00Z", "2026-03-08T07:40:00Z", "2026-03-09T06:00:00Z"],
    );
}

#[test]
fn new_york_a_fixed_time_in_the_fold_fires_the_first_time_only() {
    check("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
}

#[test]
fn new_york_fixed_times_around_the_fold_stay_in_order() {
    check(
        "0,30 1,2 * * *",
        NEW_YORK,
        "2026-11-01T04:59:00Z",
        &[
            "2026-11-01T05:00:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T07:00:00Z",
            "2026-11-01T07:30:00Z",
            "2026-11-02T06:00:00Z",
        ],
    );
}

#[test]
fn new_york_an_interval_keeps_its_spacing_through_the_gap() {
    check(
        "*/30 * * * *",
        NEW_YORK,
        "2026-03-08T06:00:00Z",
        &["2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"],
    );
}

#[test]
fn new_york_an_interval_keeps_its_spacing_through_the_fold() {
    check(
        "*/30 * * * *",
        NEW_YORK,
        "2026-11-01T05:00:00Z",
        &["2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:00:00Z"],
    );
}

#[test]
fn new_york_an_hourly_line_fires_every_real_hour() {
    check(
        "15 * * * *",
        NEW_YORK,
        "2026-11-01T04:15:00Z",
        &["2026-11-01T05:15:00Z", "2026-11-01T06:15:00Z", "2026-11-01T07:15:00Z"],
    );
}

#[test]
fn new_york_an_interval_within_one_hour_is_left_out_by_the_gap() {
    check("*/30 2 * * *", NEW_YORK, "2026-03-07T07:30:00Z", &["2026-03-09T06:00:00Z"]);
}

#[test]
fn new_york_an_interval_within_one_hour_fires_in_both_halves_of_the_fold() {
    check(
        "*/30 1 * * *",
        NEW_YORK,
        "2026-11-01T04:00:00Z",
        &[
            "2026-11-01T05:00:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T06:00:00Z",
            "2026-11-01T06:30:00Z",
            "2026-11-02T06:00:00Z",
        ],
    );
}

// Lord Howe: 2026-04-05 02:00 (+11:00) becomes 01:30 (+10:30) at 2026-04-04T15:00Z; 2026-10-04 02:00
// (+10:30) becomes 02:30 (+11:00) at 2026-10-03T15:30Z.

#[test]
fn lord_howe_a_fixed_time_in_the_half_hour_gap_fires_at_its_end() {
    check(
        "15 2 * * *",
        LORD_HOWE,
        "2026-10-02T00:00:00Z",
        &["2026-10-02T15:45:00Z", "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
    );
}

#[test]
fn lord_howe_a_fixed_time_after_the_half_hour_gap_is_not_moved() {
    check("45 2 * * *", LORD_HOWE, "2026-10-03T00:00:00Z", &["2026-10-03T15:45:00Z"]);
}

#[test]
fn lord_howe_a_fixed_time_in_the_half_hour_fold_fires_once() {
    check("45 1 * * *", LORD_HOWE, "2026-04-04T00:00:00Z", &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]);
}

#[test]
fn lord_howe_an_interval_keeps_its_spacing_through_the_gap() {
    check(
        "*/30 * * * *",
        LORD_HOWE,
        "2026-10-03T14:30:00Z",
        &["2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"],
    );
}

#[test]
fn lord_howe_an_interval_keeps_its_spacing_through_the_fold() {
    check(
        "*/30 * * * *",
        LORD_HOWE,
        "2026-04-04T14:00:00Z",
        &["2026-04-04T14:30:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z", "2026-04-04T16:00:00Z"],
    );
}

#[test]
fn utc_knows_no_clock_change() {
    check("30 2 * * *", UTC, "2026-03-07T12:00:00Z", &["2026-03-08T02:30:00Z", "2026-03-09T02:30:00Z"]);
    check(
        "*/30 1 * * *",
        UTC,
        "2026-11-01T00:00:00Z",
        &["2026-11-01T01:00:00Z", "2026-11-01T01:30:00Z", "2026-11-02T01:00:00Z"],
    );
}

#[test]
fn a_day_that_a_zone_left_out_fires_at_its_end() {
    // Apia went from 2011-12-29 straight to the 31st, at 10:00Z on the 30th.
    check(
        "0 9 * * *",
        Tz::Pacific__Apia,
        "2011-12-29T20:00:00Z",
        &["2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"],
    );
}

#[test]
fn weekdays_are_crontabs_numbers() {
    // 2026-11-22 is a Sunday.
    for line in ["0 9 * * 0", "0 9 * * 7", "0 9 * * sun", "0 9 * * SUN"] {
        check(line, UTC, "2026-11-20T00:00:00Z", &["2026-11-22T09:00:00Z"]);
    }
    check("0 9 * * mon-fri", UTC, "2026-11-20T09:00:00Z", &["2026-11-23T09:00:00Z"]);
}

#[test]
fn a_weekday_range_may_end_on_sunday_or_wrap() {
    same("0 9 * * fri-sun", "0 9 * * 0,5,6");
    same("0 9 * * 5-7", "0 9 * * 0,5,6");
    same("0 9 * * sat-mon", "0 9 * * 0,1,6");
}

#[test]
fn steps_lists_ranges_and_names_add_up() {
    same("0-59/20 8-18/5 1,15 jan,jul-sep *", "0,20,40 8,13,18 1,15 1,7,8,9 *");
}

#[test]
fn either_day_field_suffices_when_both_are_restricted() {
    check(
        "0 0 13 * fri",
        UTC,
        "2026-11-10T00:00:00Z",
        &[
            "2026-11-13T00:00:00Z",
            "2026-11-20T00:00:00Z",
            "2026-11-27T00:00:00Z",
            "2026-12-04T00:00:00Z",
            "2026-12-11T00:00:00Z",
            "2026-12-13T00:00:00Z",
        ],
    );
}

#[test]
fn both_day_fields_must_hold_when_one_begins_with_a_star() {
    check("0 0 */2 * mon", UTC, "2026-11-01T00:00:00Z", &["2026-11-09T00:00:00Z", "2026-11-23T00:00:00Z"]);
}

#[test]
fn a_sixth_field_is_seconds_and_comes_first() {
    check(
        "*/20 30 2 * * *",
        UTC,
        "2026-11-01T00:00:00Z",
        &["2026-11-01T02:30:00Z", "2026-11-01T02:30:20Z", "2026-11-01T02:30:40Z", "2026-11-02T02:30:00Z"],
    );
}

#[test]
fn words_stand_for_lines() {
    same("@hourly", "0 * * * *");
    same("@daily", "0 0 * * *");
    same("@midnight", "0 0 * * *");
    same("@weekly", "0 0 * * 0");
    same("@monthly", "0 0 1 * *");
    same("@yearly", "0 0 1 1 *");
    same("@annually", "0 0 1 1 *");
}

#[test]
fn leap_days_are_waited_for() {
    check("0 0 29 2 *", UTC, "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
}

#[test]
fn the_line_and_zone_are_kept() {
    let schedule = Schedule::parse(" */15 * * * * ", NEW_YORK).unwrap();
    assert_eq!(schedule.line(), "*/15 * * * *");
    assert_eq!(schedule.zone(), NEW_YORK);
    assert_eq!(schedule.clone(), schedule);
    assert_ne!(schedule, Schedule::parse("*/15 * * * *", UTC).unwrap());
}

#[test]
fn after_the_calendars_end_comes_the_end_of_time() {
    for zone in [UTC, Tz::Pacific__Auckland, NEW_YORK] {
        for line in ["@daily", "*/5 * * * *"] {
            let schedule = Schedule::parse(line, zone).unwrap();
            for late in ["2100-12-31T23:59:59Z".parse().unwrap(), DateTime::<Utc>::MAX_UTC] {
                assert_eq!(schedule.next_after(late), DateTime::<Utc>::MAX_UTC);
            }
        }
    }
}

#[test]
fn a_miscounted_line_says_how_many_fields_it_has() {
    refused(
        "0 9 * *",
        r#""0 9 * *" has 4 fields; cron needs 5: minute hour day month weekday (for example "0 9 * * mon-fri")"#,
    );
    refused(
        "hourly",
        r#""hourly" has 1 field; cron needs 5: minute hour day month weekday (for example "0 9 * * mon-fri")"#,
    );
}

#[test]
fn a_wrong_field_says_what_to_write() {
    refused(
        "60 * * * *",
        r#""60" is no minute; use a number from 0 to 59, "*", a range ("a-b"), a step ("*/n") or a list ("a,b")"#,
    );
    refused(
        "0 9 * * monday",
        r#""monday" is no weekday; use a number from 0 to 7 or a name from sun to sat, "*", a range ("a-b"), a step ("*/n") or a list ("a,b")"#,
    );
    refused("50-10 * * * *", r#""50-10" runs backwards; write "50-59,0-10""#);
    refused("5/10 * * * *", r#""5/10" has a step without a range; write "5-59/10" or "*/10""#);
    refused(
        "*/0 * * * *",
        r#""*/0" has no usable step; a step of the minute is a number from 1 to 59 (for example "*/2")"#,
    );
    refused(
        "@reboot",
        r#""@reboot" is no schedule; use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or five fields (for example "*/15 * * * *")"#,
    );
}

#[test]
fn odd_text_is_refused_without_panic() {
    for field in ["", "-", "1-", "-1", "*-5", "/2", "*/", "1,,2", "+1", "1-2-3", "é", "?", "L"] {
        let line = format!("{field} * * * *");
        assert!(Schedule::parse(&line, UTC).is_err(), "{line}");
    }
}

#[test]
fn a_line_that_never_fires_is_refused() {
    refused(
        "0 0 30 2 *",
        r#""0 0 30 2 *" never fires: no month of the line has such a day; correct the day or the month"#,
    );
    assert!(Schedule::parse("0 0 31 4,6,9,11 *", UTC).is_err());
    assert!(Schedule::parse("0 0 30 2 mon", UTC).is_ok());
}
