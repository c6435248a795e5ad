//! What holds for every line, zone and instant.

use std::collections::BTreeSet;

use chrono::{Datelike as _, Timelike as _};
use chrono_tz::Tz::{self, UTC};
use proptest::prelude::*;

use super::*;

/// Lines of every sort, and zones with a gap, a half-hour gap, two changes a year around a month of
/// fasting, and none.
fn any_schedule() -> impl Strategy<Value = (String, Tz)> {
    let minute = prop_oneof![Just("*"), Just("*/7"), Just("*/30"), Just("0"), Just("15,45"), Just("30")];
    let hour = prop_oneof![Just("*"), Just("*/5"), Just("0"), Just("1,2,3"), Just("2"), Just("23")];
    let day = prop_oneof![4 => Just("*"), 1 => Just("1,15"), 1 => Just("*/3"), 1 => Just("31")];
    let weekday = prop_oneof![4 => Just("*"), 1 => Just("0"), 1 => Just("mon-fri"), 1 => Just("sat-sun")];
    let zone = prop_oneof![
        Just(Tz::America__New_York),
        Just(Tz::Australia__Lord_Howe),
        Just(Tz::Africa__Casablanca),
        Just(Tz::Atlantic__Azores),
        Just(UTC)
    ];
    (minute, hour, day, weekday, zone)
        .prop_map(|(minute, hour, day, weekday, zone)| (format!("{minute} {hour} {day} * {weekday}"), zone))
}

fn matches(fields: &Fields, local: NaiveDateTime) -> bool {
    let weekday = fields.weekday.numbers.contains(&local.weekday().num_days_from_sunday());
    let day = fields.day.numbers.contains(&local.day());
    let is_day = if fields.day.is_star || fields.weekday.is_star { day && weekday } else { day || weekday };
    is_day
        && fields.minute.numbers.contains(&local.minute())
        && fields.hour.numbers.contains(&local.hour())
        && fields.month.numbers.contains(&local.month())
}

/// The rule once more, the plain way: every minute of real time shows one local time; a jump forwards
/// owes the fixed times it skipped, and a local time shown before owes nothing.
fn reference(
    fields: &Fields,
    zone: Tz,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> BTreeSet<DateTime<Utc>> {
    let is_interval = fields.minute.is_star || fields.hour.is_star;
    let minute = TimeDelta::minutes(1);
    let local = |instant: DateTime<Utc>| instant.with_timezone(&zone).naive_local();
    let mut due = BTreeSet::new();
    let mut shown = local(from);
    let mut instant = from + minute;
    while instant <= until {
        let now = local(instant);
        if is_interval {
            if matches(fields, now) {
                due.insert(instant);
            }
        } else {
            while shown < now {
                shown += minute;
                if matches(fields, shown) {
                    due.insert(instant);
                }
            }
        }
        instant += minute;
    }
    due
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_year_of_due_times_is_the_reference((line, zone) in any_schedule(), year in 2024..2030) {
        let fields = Fields::parse(&line).unwrap();
        let from: DateTime<Utc> = format!("{year}-01-01T00:00:00Z").parse().unwrap();
        let until = from + TimeDelta::days(366);
        let expected = reference(&fields, zone, from, until);
        let schedule = Schedule::parse(&line, zone).unwrap();
        let mut instant = schedule.next_after(from);
        for due in expected {
            prop_assert_eq!(instant, due, "{} in {}", line, zone);
            instant = schedule.next_after(instant);
        }
        prop_assert!(instant > until);
    }

    #[test]
    fn the_next_time_is_later_from_any_instant((line, zone) in any_schedule(), seconds in 0_i64..6 * 366 * 86_400, nanos in 0_u32..1_000_000_000) {
        let start: DateTime<Utc> = "2024-01-01T00:00:00Z".parse().unwrap();
        let instant = start + TimeDelta::new(seconds, nanos).unwrap();
        let schedule = Schedule::parse(&line, zone).unwrap();
        let next = schedule.next_after(instant);
        prop_assert!(next > instant);
        // Whoever asks again from anywhere before it is told the same.
        let between = instant + (next - instant) / 2;
        prop_assert_eq!(schedule.next_after(between), next);
    }

    #[test]
    fn a_due_time_shows_a_matching_local_time_or_a_gaps_end((line, zone) in any_schedule(), seconds in 0_i64..6 * 366 * 86_400) {
        let start: DateTime<Utc> = "2024-01-01T00:00:00Z".parse().unwrap();
        let schedule = Schedule::parse(&line, zone).unwrap();
        let next = schedule.next_after(start + TimeDelta::seconds(seconds));
        let before = next - TimeDelta::seconds(1);
        let is_gap_end = schedule.offset_at(before) < schedule.offset_at(next);
        prop_assert!(is_gap_end || matches(&Fields::parse(&line).unwrap(), schedule.local_at(next)));
    }

    #[test]
    fn any_text_is_read_or_refused(line in "[-*/,0-9a-z@ ]{0,24}") {
        let _ = Schedule::parse(&line, UTC);
    }
}
