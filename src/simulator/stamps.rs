//! `lastEdited` as the simulated server writes and reads it: written apart from the program's own
//! `stamp`, so that the two check each other.

use std::io::Write as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::switches::Switches;
use crate::stamp::StampFormat;

/// Appends the stamp as a JSON value.
pub(super) fn write(out: &mut Vec<u8>, at: DateTime<Utc>, switches: &Switches) {
    match switches.stamp {
        StampFormat::EpochSeconds => write!(out, "{}", at.timestamp()),
        StampFormat::EpochMillis => write!(out, "{}", at.timestamp_millis()),
        _ => write!(out, "\"{}\"", at.format(pattern(switches))),
    }
    .expect("memory takes all writes");
}

/// Reads a filter value written in the server's own format; a date stands for its midnight.
pub(super) fn read(text: &str, switches: &Switches) -> Option<DateTime<Utc>> {
    match switches.stamp {
        StampFormat::EpochSeconds => DateTime::from_timestamp(text.parse().ok()?, 0),
        StampFormat::EpochMillis => DateTime::from_timestamp_millis(text.parse().ok()?),
        StampFormat::IsoZoned => DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)),
        _ => {
            let pattern = pattern(switches);
            let at = NaiveDateTime::parse_from_str(text, pattern).or_else(|_| {
                let day = pattern.split([' ', 'T']).next().unwrap_or(pattern);
                NaiveDate::parse_from_str(text, day).map(|day| day.and_time(NaiveTime::MIN))
            });
            at.ok().map(|at| at.and_utc())
        }
    }
}

/// The instant as the server's format can tell it: what a filter compares.
pub(super) fn told(at: DateTime<Utc>, switches: &Switches) -> DateTime<Utc> {
    let mut text = Vec::new();
    write(&mut text, at, switches);
    let text = String::from_utf8(text).expect("stamps are ASCII");
    read(text.trim_matches('"'), switches).expect("the server reads what it writes")
}

fn pattern(switches: &Switches) -> &'static str {
    match (switches.stamp, switches.stamp_has_time) {
        (StampFormat::IsoLocal, _) => "%Y-%m-%dT%H:%M:%S",
        (StampFormat::SqlLocal, _) => "%Y-%m-%d %H:%M:%S",
        (StampFormat::MonthFirst, true) => "%-m/%-d/%Y %-I:%M:%S %p",
        (StampFormat::MonthFirst, false) => "%m/%d/%Y",
        (StampFormat::DayFirst, true) => "%d/%m/%Y %H:%M:%S",
        (StampFormat::DayFirst, false) => "%d/%m/%Y",
        (StampFormat::DateOnly, _) => "%Y-%m-%d",
        (StampFormat::IsoZoned | StampFormat::EpochSeconds | StampFormat::EpochMillis, _) => {
            "%Y-%m-%dT%H:%M:%SZ"
        }
    }
}
