//! Crontab lines in a time zone, by ISC cron's rule over clock changes. Pure: `now` is an argument.
//!
//! The `cron` crate does field arithmetic on zone-less local time and nothing else: its own weekday
//! numbers, its AND of the two day fields and its walk over clock changes are not crontab's.
//!
//! A line whose minute or hour field begins with `*` is an *interval*: it fires whenever the local
//! clock shows a matching time, so its real spacing goes on through a clock change. Any other line
//! names *fixed* local times: one that a clock change skips fires at the gap's end, one that comes
//! twice fires the first time.

mod fields;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::str::FromStr as _;

use chrono::{
    DateTime, Datelike as _, MappedLocalTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::{GapInfo, Tz};

use fields::Fields;

/// A checked crontab line in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    line: String,
    zone: Tz,
    /// The local times that match; two tables where day-of-month OR day-of-week holds.
    local: Vec<cron::Schedule>,
    /// Whether the line is an interval, not a list of fixed local times.
    is_interval: bool,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

/// The longest step over which two clock changes could cancel each other out unseen.
const PROBE: TimeDelta = TimeDelta::hours(12);

/// From this year on nothing is due any more.
const YEAR_MAX: i32 = 2100;

impl Schedule {
    /// Reads a crontab line: five fields (six with seconds first), names or crontab numbers for
    /// weekdays (0 and 7 are Sunday), day-of-month OR day-of-week when both are restricted, `@hourly`
    /// and its like.
    ///
    /// # Errors
    /// The text says what is wrong and what to write; a line that never fires is refused.
    pub fn parse(line: &str, zone: Tz) -> Result<Self, ScheduleError> {
        let fields = Fields::parse(line)?;
        let schedule = Self {
            line: line.trim().to_owned(),
            zone,
            local: tables(&fields)?,
            is_interval: fields.minute.is_star || fields.hour.is_star,
        };
        // Any century holds every combination of date and weekday that there is.
        let century = DateTime::UNIX_EPOCH.naive_utc() + TimeDelta::days(365 * 30);
        if schedule.local_after(century).is_none() {
            return Err(ScheduleError(format!(
                "\"{}\" never fires: no month of the line has such a day; correct the day or the month",
                schedule.line
            )));
        }
        Ok(schedule)
    }

    /// The first due time after `instant`; from the year 2100 on, where the calendar of the `cron` crate
    /// ends, the end of time.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let next = match instant.year() {
            YEAR_MAX.. => None,
            _ if self.is_interval => self.next_interval(instant),
            _ => self.next_fixed(instant),
        };
        next.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// When a run by this line is owed, given when the last one ended: what came due before that it served. At
    /// the beginning of time, where there was none.
    #[must_use]
    pub fn owed_at(&self, last: Option<DateTime<Utc>>) -> DateTime<Utc> {
        last.map_or(DateTime::<Utc>::MIN_UTC, |last| self.next_after(last))
    }

    /// Whether it is owed at `now`. A last run in the future is a clock that was set back, and is none.
    #[must_use]
    pub fn is_owed(&self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        self.owed_at(last.filter(|last| *last <= now)) <= now
    }

    /// The line as written.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Its time zone.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first matching local time after `local`, clock changes aside.
    fn local_after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        self.local
            .iter()
            .filter_map(|table| table.after(&local.and_utc()).next())
            .min()
            .map(|next| next.naive_utc())
    }

    /// Fixed local times keep their order when each is mapped to its first instant, so the first one
    /// that maps past `instant` is the next.
    fn next_fixed(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut local = self.local_at(instant);
        loop {
            local = self.local_after(local)?;
            let due = match self.zone.from_local_datetime(&local) {
                MappedLocalTime::Single(due) | MappedLocalTime::Ambiguous(due, _) => due,
                MappedLocalTime::None => GapInfo::new(&local, &self.zone)?.end?,
            };
            if due > instant {
                return Some(due.with_timezone(&Utc));
            }
        }
    }

    /// Walks stretches of one UTC offset: within each, local time and real time run alike.
    fn next_interval(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = instant;
        loop {
            let local = self.local_at(from);
            let due = from.checked_add_signed(self.local_after(local)? - local)?;
            let Some(change) = self.change_within(from, due) else {
                return Some(due);
            };
            // The new stretch begins with the change itself, which may be due.
            let begins = self.local_at(change);
            if self.local_after(begins - TimeDelta::seconds(1)) == Some(begins) {
                return Some(change);
            }
            from = change;
        }
    }

    fn local_at(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        instant.with_timezone(&self.zone).naive_local()
    }

    /// The first clock change after `from` and up to `until`.
    fn change_within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut low = from;
        while low < until {
            let mut high = until.min(low + PROBE);
            if self.offset_at(low) == self.offset_at(high) {
                low = high;
                continue;
            }
            let before = self.offset_at(low);
            while high - low > TimeDelta::seconds(1) {
                let middle = low + (high - low) / 2;
                if self.offset_at(middle) == before {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            // Changes fall on whole seconds, and `high` is less than one second past it.
            return DateTime::from_timestamp(high.timestamp(), 0);
        }
        None
    }

    fn offset_at(&self, instant: DateTime<Utc>) -> i32 {
        self.zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()
    }
}

/// The line as tables of the `cron` crate, which has Sunday as 1 and joins the two day fields with
/// AND. Crontab means OR when both are restricted, and AND when either begins with `*`.
fn tables(fields: &Fields) -> Result<Vec<cron::Schedule>, ScheduleError> {
    let Fields { second, minute, hour, day, month, weekday } = fields;
    let table = |day: &str, weekday: &str| {
        let text = format!(
            "{} {} {} {day} {} {weekday}",
            second.list(0),
            minute.list(0),
            hour.list(0),
            month.list(0),
        );
        cron::Schedule::from_str(&text).map_err(|error| ScheduleError(error.to_string()))
    };
    let (days, weekdays) = (day.list(0), weekday.list(1));
    if day.is_star || weekday.is_star {
        Ok(vec![table(&days, &weekdays)?])
    } else {
        Ok(vec![table(&days, "*")?, table("*", &weekdays)?])
    }
}
