//! The `lastEdited` stamps of one pull: which format they are written in, and which is the newest that
//! is not in the server's future. Pure; any order of the same stamps gives the same.

use chrono::{DateTime, Utc};

use crate::stamp::StampFormat;

/// The newest stamp of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newest {
    /// How the server writes stamps.
    pub(super) format: StampFormat,
    /// The newest, as the server wrote it; `None`: all are in its future.
    pub(super) cursor: Option<String>,
}

/// The stamps of one pull so far.
#[derive(Debug, Clone)]
pub(super) struct Stamps {
    server_now: DateTime<Utc>,
    /// By format, while every stamp so far can be read so: after the first stamp hardly more than one.
    readings: Vec<Reading>,
    has_any: bool,
}

/// The stamps read in one format.
#[derive(Debug, Clone)]
struct Reading {
    format: StampFormat,
    newest: Option<(DateTime<Utc>, String)>,
}

impl Stamps {
    /// No stamps yet; those after `server_now` are no cursor.
    #[must_use]
    pub(super) fn new(server_now: DateTime<Utc>) -> Self {
        Self {
            server_now,
            readings: StampFormat::ALL.map(|format| Reading { format, newest: None }).to_vec(),
            has_any: false,
        }
    }

    /// Takes one more stamp into account, which is not blank.
    pub(super) fn see(&mut self, text: &str) {
        self.has_any = true;
        let now = self.server_now;
        self.readings.retain_mut(|Reading { format, newest }| {
            let Some(instant) = format.parse(text) else {
                return false;
            };
            let before = newest.as_ref().map(|(instant, text)| (*instant, text.as_str()));
            if instant <= now && Some((instant, text)) > before {
                *newest = Some((instant, text.to_owned()));
            }
            true
        });
    }

    /// The format and the newest stamp. A format that these stamps leave open is the `remembered` one,
    /// if they can be read so.
    #[must_use]
    pub(super) fn newest(&self, remembered: Option<StampFormat>) -> Option<Newest> {
        let reading = match &self.readings[..] {
            [settled] => Some(settled),
            open => open.iter().find(|reading| Some(reading.format) == remembered),
        };
        let Reading { format, newest } = reading.filter(|_| self.has_any)?;
        Some(Newest { format: *format, cursor: newest.as_ref().map(|(_, text)| text.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stamps: &[&str], remembered: Option<StampFormat>, expected: Option<(StampFormat, &str)>) {
        let mut seen = Stamps::new("2026-03-02T12:00:00Z".parse().unwrap());
        stamps.iter().for_each(|stamp| seen.see(stamp));
        let newest = seen.newest(remembered);
        let newest = newest.as_ref().map(|n| (n.format, n.cursor.as_deref().unwrap_or("none")));
        assert_eq!(newest, expected);
    }

    #[test]
    fn the_newest_is_told_as_the_server_wrote_it() {
        let stamps = ["2026-03-01T08:00:00Z", "2026-03-02T10:00:00+02:00", "2026-02-01T08:00:00Z"];
        check(&stamps, None, Some((StampFormat::IsoZoned, "2026-03-02T10:00:00+02:00")));
    }

    #[test]
    fn a_stamp_in_the_servers_future_is_passed_over() {
        let stamps = ["2026-03-01T08:00:00Z", "2026-03-02T12:00:01Z"];
        check(&stamps, None, Some((StampFormat::IsoZoned, "2026-03-01T08:00:00Z")));
        check(&stamps[1..], None, Some((StampFormat::IsoZoned, "none")));
    }

    #[test]
    fn days_and_months_that_could_be_either_are_read_as_remembered() {
        let stamps = ["02/01/2026", "01/02/2026"];
        check(&stamps, None, None);
        check(&stamps, Some(StampFormat::DayFirst), Some((StampFormat::DayFirst, "01/02/2026")));
        check(&["02/13/2026"], Some(StampFormat::DayFirst), Some((StampFormat::MonthFirst, "02/13/2026")));
    }

    #[test]
    fn no_stamps_are_no_format() {
        check(&[], Some(StampFormat::IsoZoned), None);
        check(&["yesterday"], Some(StampFormat::IsoZoned), None);
    }
}
