//! Quiet logs: the same failure is said the first time, when it changes, every six hours with its
//! count, and once when it is over. Pure: `now` is an argument.

use chrono::{DateTime, TimeDelta, Utc};

/// The same failure is said again after this long.
const AGAIN_AFTER: TimeDelta = TimeDelta::hours(6);

/// What one thing that fails and recovers has said so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quiet {
    failing: Option<Failing>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    text: String,
    since: DateTime<Utc>,
    said_at: DateTime<Utc>,
    count: u64,
}

/// A row of failures, as it is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// How many in a row, whatever their texts.
    pub count: u64,
    /// When the first of them came.
    pub since: DateTime<Utc>,
}

impl Quiet {
    /// Counts a failure; gives the row if it is to be said now. Two texts are the same failure if they
    /// differ only in numbers other than a status code, such as a page or a duration.
    pub fn failed(&mut self, text: &str, now: DateTime<Utc>) -> Option<Row> {
        let text = without_numbers(text);
        let failing = self.failing.get_or_insert_with(|| Failing {
            text: String::new(),
            since: now,
            said_at: now,
            count: 0,
        });
        failing.count += 1;
        let is_due = failing.said_at > now || now - failing.said_at >= AGAIN_AFTER;
        if failing.text == text && !is_due {
            return None;
        }
        failing.text = text;
        failing.said_at = now;
        Some(Row { count: failing.count, since: failing.since })
    }

    /// Whether it fails now.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Ends the row; gives it if there was one, to be said once.
    pub fn recovered(&mut self) -> Option<Row> {
        self.failing.take().map(|Failing { count, since, .. }| Row { count, since })
    }
}

/// The text with every number but those of three digits (403, 503) left out.
fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    let mut digits = String::new();
    for c in text.chars().map(Some).chain([None]) {
        match c {
            Some(digit) if digit.is_ascii_digit() => digits.push(digit),
            other => {
                if !digits.is_empty() {
                    kept.push_str(if digits.len() == 3 { &digits } else { "#" });
                    digits.clear();
                }
                kept.extend(other);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn the_same_failure_is_said_first_and_every_six_hours() {
        let mut quiet = Quiet::default();
        let said: Vec<u64> = (0..50)
            .filter_map(|run| quiet.failed("page 7 answered 503", at(run * 15)))
            .map(|row| row.count)
            .collect();
        assert_eq!(said, [1, 25, 49]);
    }

    #[test]
    fn a_change_is_said_at_once_and_a_page_number_is_none() {
        let mut quiet = Quiet::default();
        assert!(quiet.failed("page 7 answered 503", at(0)).is_some());
        assert!(quiet.failed("page 12 answered 503", at(15)).is_none());
        assert_eq!(quiet.failed("page 7 answered 502", at(30)), Some(Row { count: 3, since: at(0) }));
    }

    #[test]
    fn recovery_is_said_once() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.recovered(), None);
        quiet.failed("refused", at(0));
        quiet.failed("refused", at(15));
        assert_eq!(quiet.recovered(), Some(Row { count: 2, since: at(0) }));
        assert_eq!(quiet.recovered(), None);
    }

    #[test]
    fn a_clock_set_back_does_not_silence() {
        let mut quiet = Quiet::default();
        quiet.failed("refused", at(600));
        assert!(quiet.failed("refused", at(0)).is_some());
    }
}
