//! `lastEdited`: reads whatever format the server writes, settles which one it is, and writes a cursor
//! back in that same format. Pure.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// From this many on, a count since 1970 is of milliseconds: as seconds it would be the year 5138.
const MILLIS_MIN: i64 = 100_000_000_000;
/// Below this (March 1973), a bare number is no instant but something else (`20260131`, 0).
const SECONDS_MIN: i64 = 100_000_000;

/// A way of writing an instant, as seen in `lastEdited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StampFormat {
    /// ISO 8601 with a zone or `Z`.
    IsoZoned,
    /// ISO 8601 without a zone.
    IsoLocal,
    /// `YYYY-MM-DD hh:mm:ss`.
    SqlLocal,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// `MM/DD/YYYY`, with or without a time.
    MonthFirst,
    /// `DD/MM/YYYY`, with or without a time.
    DayFirst,
    /// `YYYY-MM-DD`.
    DateOnly,
}

impl StampFormat {
    /// Every format.
    pub const ALL: [Self; 8] = [
        Self::IsoZoned,
        Self::IsoLocal,
        Self::SqlLocal,
        Self::EpochSeconds,
        Self::EpochMillis,
        Self::MonthFirst,
        Self::DayFirst,
        Self::DateOnly,
    ];

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IsoZoned => "ISO 8601 with a zone",
            Self::IsoLocal => "ISO 8601 without a zone",
            Self::SqlLocal => "YYYY-MM-DD hh:mm:ss",
            Self::EpochSeconds => "seconds since 1970",
            Self::EpochMillis => "milliseconds since 1970",
            Self::MonthFirst => "MM/DD/YYYY",
            Self::DayFirst => "DD/MM/YYYY",
            Self::DateOnly => "YYYY-MM-DD",
        }
    }

    /// How far before the cursor an incremental pull asks: 10 minutes with a zone, 2 hours without
    /// (nobody knows whose zone), 2 days for dates.
    #[must_use]
    pub fn overlap(self) -> TimeDelta {
        match self {
            Self::IsoZoned | Self::EpochSeconds | Self::EpochMillis => TimeDelta::minutes(10),
            Self::IsoLocal | Self::SqlLocal => TimeDelta::hours(2),
            Self::MonthFirst | Self::DayFirst | Self::DateOnly => TimeDelta::days(2),
        }
    }

    /// Reads a stamp written so; a zone-less one as if in UTC.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<DateTime<Utc>> {
        let text = text.trim();
        match self {
            Self::IsoZoned => iso_zoned(text),
            Self::IsoLocal => {
                let (date, time) = text.split_once('T')?;
                Some(NaiveDateTime::new(year_first(date)?, clock_time(time)?).and_utc())
            }
            Self::SqlLocal => {
                let (date, time) = text.split_once(' ')?;
                Some(NaiveDateTime::new(year_first(date)?, clock_time(time)?).and_utc())
            }
            Self::EpochSeconds => {
                let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
                let nanos = nanos(fraction)?;
                let seconds = count(seconds).filter(|n| (SECONDS_MIN..MILLIS_MIN).contains(n))?;
                DateTime::from_timestamp(seconds, nanos)
            }
            Self::EpochMillis => {
                let millis = count(text).filter(|millis| *millis >= MILLIS_MIN)?;
                DateTime::from_timestamp_millis(millis)
            }
            Self::MonthFirst => slashed(text, |first, second| (first, second)),
            Self::DayFirst => slashed(text, |first, second| (second, first)),
            Self::DateOnly => Some(year_first(text)?.and_time(NaiveTime::MIN).and_utc()),
        }
    }

    /// Writes `instant` the way the server does.
    #[must_use]
    pub fn write(self, instant: DateTime<Utc>) -> String {
        let pattern = match self {
            Self::IsoZoned => "%Y-%m-%dT%H:%M:%SZ",
            Self::IsoLocal => "%Y-%m-%dT%H:%M:%S",
            Self::SqlLocal => "%Y-%m-%d %H:%M:%S",
            Self::EpochSeconds => return instant.timestamp().to_string(),
            Self::EpochMillis => return instant.timestamp_millis().to_string(),
            Self::MonthFirst => "%m/%d/%Y",
            Self::DayFirst => "%d/%m/%Y",
            Self::DateOnly => "%Y-%m-%d",
        };
        instant.format(pattern).to_string()
    }
}

/// Settles the one format that all of a pull's stamps are written in.
#[derive(Debug, Clone, Default)]
pub struct Settling {
    /// One bit a format that some stamp was not written in.
    refuted: u8,
    has_seen: bool,
}

impl Settling {
    /// Takes one more stamp into account; a blank one says nothing.
    pub fn see(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.has_seen = true;
        for (bit, format) in StampFormat::ALL.into_iter().enumerate() {
            if format.parse(text).is_none() {
                self.refuted |= 1 << bit;
            }
        }
    }

    /// The format, if exactly one fits all stamps seen (`MM/DD` and `DD/MM` stay open until a day over
    /// 12 came).
    #[must_use]
    pub fn settled(&self) -> Option<StampFormat> {
        let mut fitting = StampFormat::ALL
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| self.has_seen && self.refuted & (1 << bit) == 0);
        let (_, format) = fitting.next()?;
        fitting.next().is_none().then_some(format)
    }
}

fn iso_zoned(text: &str) -> Option<DateTime<Utc>> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let local = NaiveDateTime::new(year_first(date)?, clock_time(time.trim_end())?);
    let instant = local.and_local_timezone(offset(zone)?).single()?;
    Some(instant.to_utc())
}

/// `Z`, `+hh`, `+hhmm`, `+hh:mm`.
fn offset(zone: &str) -> Option<FixedOffset> {
    if zone.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        5 => digits.split_once(':')?,
        _ => return None,
    };
    let (hours, minutes) = (padded(hours, 2, 2)?, padded(minutes, 2, 2)?);
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    FixedOffset::east_opt(sign * seconds).filter(|_| minutes < 60)
}

/// `YYYY-MM-DD`.
fn year_first(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let year = i32::try_from(padded(year, 4, 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, padded(month, 2, 2)?, padded(day, 2, 2)?)
}

/// `D/D/YYYY`, perhaps with a time; `order` makes (month, day) of the first two.
fn slashed(text: &str, order: fn(u32, u32) -> (u32, u32)) -> Option<DateTime<Utc>> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, half_day_time(time.trim_start())?),
        None => (text, NaiveTime::MIN),
    };
    let mut parts = date.split('/');
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (month, day) = order(padded(first, 1, 2)?, padded(second, 1, 2)?);
    let year = i32::try_from(padded(year, 4, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, month, day).filter(|_| parts.next().is_none())?;
    Some(NaiveDateTime::new(date, time).and_utc())
}

/// A time that may end in `AM` or `PM`.
fn half_day_time(text: &str) -> Option<NaiveTime> {
    let lower = text.to_ascii_lowercase();
    let (time, is_afternoon) = if let Some(time) = lower.strip_suffix("pm") {
        (time, true)
    } else if let Some(time) = lower.strip_suffix("am") {
        (time, false)
    } else {
        return clock_time(&lower);
    };
    let (hour, rest) = time.trim_end().split_once(':')?;
    let hour = padded(hour, 1, 2).filter(|hour| (1..=12).contains(hour))? % 12;
    let hour = if is_afternoon { hour + 12 } else { hour };
    clock_time(&format!("{hour}:{rest}"))
}

/// `h:mm`, `hh:mm:ss`, `hh:mm:ss.fraction`.
fn clock_time(text: &str) -> Option<NaiveTime> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, rest) = rest.split_once(':').unwrap_or((rest, "00"));
    let (second, fraction) = rest.split_once(['.', ',']).unwrap_or((rest, "0"));
    let second = padded(second, 2, 2)?;
    // A leap second is told as the second before it.
    NaiveTime::from_hms_nano_opt(
        padded(hour, 1, 2)?,
        padded(minute, 2, 2)?,
        if second == 60 { 59 } else { second },
        nanos(fraction)?,
    )
}

/// A fraction's digits as nanoseconds; what is finer is cut off.
fn nanos(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0')))
}

/// Decimal digits without sign, between `least` and `most` of them.
fn padded(digits: &str, least: usize, most: usize) -> Option<u32> {
    let is_sound = (least..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_sound.then(|| digits.parse().ok())?
}

fn count(digits: &str) -> Option<i64> {
    let is_sound = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_sound.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::StampFormat::*;
    use super::*;

    fn settle(stamps: &[&str]) -> Option<StampFormat> {
        let mut settling = Settling::default();
        stamps.iter().for_each(|stamp| settling.see(stamp));
        settling.settled()
    }

    #[track_caller]
    fn check(text: &str, format: StampFormat, instant: &str) {
        let expected: DateTime<Utc> = instant.parse().unwrap();
        assert_eq!(settle(&[text]), Some(format), "{text}");
        assert_eq!(format.parse(text), Some(expected), "{text}");
    }

    #[test]
    fn each_format_is_told_from_the_others() {
        check("2026-01-31T10:20:30Z", IsoZoned, "2026-01-31T10:20:30Z");
        check("2026-01-31T10:20:30.1234567Z", IsoZoned, "2026-01-31T10:20:30.1234567Z");
        check("2026-01-31T10:20:30-05:00", IsoZoned, "2026-01-31T15:20:30Z");
        check("2026-01-31 10:20:30 +0530", IsoZoned, "2026-01-31T04:50:30Z");
        check("2026-01-31T10:20+01", IsoZoned, "2026-01-31T09:20:00Z");
        check("2026-01-31T10:20:30", IsoLocal, "2026-01-31T10:20:30Z");
        check("2026-01-31 10:20:30.5", SqlLocal, "2026-01-31T10:20:30.5Z");
        check("1769854830", EpochSeconds, "2026-01-31T10:20:30Z");
        check("1769854830.25", EpochSeconds, "2026-01-31T10:20:30.25Z");
        check("1769854830000", EpochMillis, "2026-01-31T10:20:30Z");
        check("01/31/2026", MonthFirst, "2026-01-31T00:00:00Z");
        check("1/31/2026 12:05:06 AM", MonthFirst, "2026-01-31T00:05:06Z");
        check("31/01/2026 22:20", DayFirst, "2026-01-31T22:20:00Z");
        check("1/31/2026 10:20 PM", MonthFirst, "2026-01-31T22:20:00Z");
        check("2026-01-31", DateOnly, "2026-01-31T00:00:00Z");
    }

    #[test]
    fn a_day_over_12_settles_which_of_day_and_month_comes_first() {
        assert_eq!(settle(&["01/02/2026", "12/12/2026"]), None);
        assert_eq!(settle(&["01/02/2026", "01/13/2026"]), Some(MonthFirst));
        assert_eq!(settle(&["01/02/2026", "13/01/2026"]), Some(DayFirst));
        assert_eq!(settle(&["01/13/2026", "13/01/2026"]), None);
    }

    #[test]
    fn mixed_formats_and_no_stamps_settle_nothing() {
        assert_eq!(settle(&[]), None);
        assert_eq!(settle(&["", " "]), None);
        assert_eq!(settle(&["2026-01-31", "2026-01-31T10:20:30Z"]), None);
        assert_eq!(settle(&["yesterday"]), None);
        assert_eq!(settle(&["", "2026-01-31"]), Some(DateOnly));
    }

    #[test]
    fn what_is_no_instant_is_read_in_no_format() {
        for text in [
            "0",
            "20260131",
            "-1769854830",
            "2026-02-30",
            "2026-13-01T00:00:00Z",
            "2026-01-31T25:00:00",
            "2026-01-31T10:20:30+5",
            "+2026-01-31",
            "13/13/2026",
            "1/1/26",
            "1/31/2026 13:00 PM",
            "99999999999999999999",
            "é/é/2026",
        ] {
            let read = StampFormat::ALL.map(|format| format.parse(text));
            assert_eq!(read, [None; 8], "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let noon: DateTime<Utc> = "2026-01-31T12:34:56Z".parse().unwrap();
        for format in StampFormat::ALL {
            let text = format.write(noon);
            let again = format.parse(&text).unwrap();
            let is_date = format.overlap() == TimeDelta::days(2);
            assert_eq!(again.date_naive(), noon.date_naive(), "{text}");
            assert!(is_date || again == noon, "{text}");
            assert_eq!(settle(&[&text]), Some(format));
        }
    }
}
