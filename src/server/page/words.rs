//! Numbers and times as people read them. Pure: what time it is, is an argument.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::warning::span;

/// What is nearer than this is now.
const JUST_NOW: TimeDelta = TimeDelta::seconds(5);

/// An instant as the page shows it: in words for people, exactly for whoever needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// For machines (`2027-03-31T02:30:00Z`).
    pub(super) iso: String,
    /// As it is written out (`2027-03-31 02:30:00 UTC`).
    pub(super) exact: String,
    /// How far it is from now (`12 minutes ago`, `in 4 hours`).
    pub(super) words: String,
}

impl Moment {
    /// An instant, looked at from `now`.
    pub(super) fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let words = match now - at {
            past if past.abs() < JUST_NOW => "just now".to_owned(),
            past if past > TimeDelta::zero() => format!("{} ago", length(past)),
            ahead => format!("in {}", length(-ahead)),
        };
        let iso = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let exact = iso.replace('T', " ").replace('Z', " UTC");
        Self { iso, exact, words }
    }

    /// When something is due: what should have begun already begins at any moment.
    pub(super) fn due(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let moment = Self::new(at, now);
        if at - now < JUST_NOW { Self { words: "now".to_owned(), ..moment } } else { moment }
    }
}

/// An instant as the store keeps it; `None` where it is none.
pub(super) fn stored(text: Option<&str>) -> Option<DateTime<Utc>> {
    text?.parse().ok()
}

/// A length of time in its largest unit that says enough: `40 seconds`, `12 minutes`, `47 hours`, `3 days`.
fn length(lasted: TimeDelta) -> String {
    let (seconds, minutes, hours) = (lasted.num_seconds(), lasted.num_minutes(), lasted.num_hours());
    match (hours, minutes) {
        (48.., _) => plural(lasted.num_days(), "day"),
        (1.., _) => plural(hours, "hour"),
        (_, 1..) => plural(minutes, "minute"),
        _ => plural(seconds, "second"),
    }
}

/// How long something took, or has taken: `2h 10m`, `40s`, `under 1s`.
pub(super) fn lasted(lasted: TimeDelta) -> String {
    if lasted < TimeDelta::seconds(1) { "under 1s".to_owned() } else { span(lasted) }
}

/// A count of things: `1 day`, `2 days`, `1,204 elements`.
pub(super) fn plural(count: impl Into<i128>, thing: &str) -> String {
    let count = count.into();
    let ending = if count.abs() == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", grouped(count))
}

/// A number in groups of three digits: `12,345`.
pub(super) fn grouped(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.abs().to_string();
    let mut text = if number < 0 { "\u{2212}".to_owned() } else { String::new() };
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A word of the program as people write it: `action items`.
pub(super) fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// With a capital letter in front.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What a file takes: `812 bytes`, `4.2 MB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let unit = UNITS.into_iter().find(|(unit, _)| bytes >= *unit);
    let Some((unit, name)) = unit else { return plural(bytes, "byte") };
    let tenths = bytes / (unit / 10);
    format!("{}.{} {name}", grouped(tenths / 10), tenths % 10)
}

/// `Integration of city`, `museum and city`, `museum, city and 3 more`: the first few of many names.
pub(super) fn named(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_words(seconds_ago: i64, expected: &str) {
        let now = "2027-03-31T12:00:00Z".parse().unwrap();
        assert_eq!(Moment::new(now - TimeDelta::seconds(seconds_ago), now).words, expected);
    }

    #[test]
    fn an_instant_is_told_in_its_largest_unit() {
        check_words(0, "just now");
        check_words(5, "5 seconds ago");
        check_words(59, "59 seconds ago");
        check_words(60, "1 minute ago");
        check_words(12 * 60 + 59, "12 minutes ago");
        check_words(3600, "1 hour ago");
        check_words(47 * 3600, "47 hours ago");
        check_words(48 * 3600, "2 days ago");
        check_words(-240, "in 4 minutes");
    }

    #[test]
    fn an_instant_is_also_told_exactly_with_its_zone() {
        let at = "2027-03-31T02:30:00.123Z".parse().unwrap();
        let moment = Moment::new(at, at);
        assert_eq!(moment.iso, "2027-03-31T02:30:00Z");
        assert_eq!(moment.exact, "2027-03-31 02:30:00 UTC");
    }

    #[test]
    fn what_is_overdue_is_due_now() {
        let at = "2027-03-31T02:30:00Z".parse().unwrap();
        assert_eq!(Moment::due(at, at + TimeDelta::minutes(3)).words, "now");
        assert_eq!(Moment::due(at, at - TimeDelta::seconds(3)).words, "now");
        assert_eq!(Moment::due(at, at - TimeDelta::minutes(3)).words, "in 3 minutes");
    }

    #[test]
    fn nothing_lasts_no_time_at_all() {
        let millis = [0, 999, 1000, 125_000];
        let told = millis.map(|millis| lasted(TimeDelta::milliseconds(millis)));
        assert_eq!(told, ["under 1s", "under 1s", "1s", "2m"]);
    }

    #[test]
    fn numbers_read_well() {
        let numbers: [i64; 5] = [0, 999, 1000, 1_234_567, -45];
        assert_eq!(numbers.map(grouped), ["0", "999", "1,000", "1,234,567", "\u{2212}45"]);
        assert_eq!(plural(1, "key"), "1 key");
        assert_eq!(plural(1200, "element"), "1,200 elements");
        let sizes = [0, 999, 1000, 4_260_000, 15_000_000_000];
        assert_eq!(sizes.map(size), ["0 bytes", "999 bytes", "1.0 kB", "4.2 MB", "15.0 GB"]);
    }
}
