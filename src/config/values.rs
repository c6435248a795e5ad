//! Values of single keys: text → type, refused with the fact and the cure, never clamped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;
use toml::Value;

use super::problems::suggestion;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Units of a duration, largest first, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];

/// Units of a size, largest first, in bytes.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// Text for people: not empty, no control characters.
pub(super) fn text(value: &Value) -> Result<String, String> {
    let text = string(value, "text in quotes")?;
    if text.trim().is_empty() {
        return Err("is empty; write some text or leave the key out".into());
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character; keep to one line of plain text".into());
    }
    Ok(text.to_owned())
}

/// A path; a relative one counts from `folder`.
pub(super) fn path(folder: &Path, value: &Value) -> Result<PathBuf, String> {
    let text = string(value, "a path in quotes")?;
    if text.is_empty() || text.contains('\0') {
        return Err("is no path; write one (for example \"/var/lib/clearpoint-sync\")".into());
    }
    Ok(folder.join(text))
}

/// `true` or `false`.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    let wrong = || wrong_type(value, "true or false");
    value.as_bool().ok_or_else(wrong)
}

/// A whole number from `min` to `max`.
pub(super) fn whole(min: u32, max: u32) -> impl Fn(&Value) -> Result<u32, String> {
    move |value| {
        let expected = format!("a whole number from {min} to {max}");
        let Value::Integer(number) = value else {
            return Err(wrong_type(value, &expected));
        };
        u32::try_from(*number)
            .ok()
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(|| format!("is {number}; write {expected}"))
    }
}

/// A number above 0 and at most `max`.
pub(super) fn rate(max: f64) -> impl Fn(&Value) -> Result<f64, String> {
    move |value| {
        let expected = format!("a number above 0 and at most {max}");
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(number) => i32::try_from(*number).map_or(f64::INFINITY, f64::from),
            _ => return Err(wrong_type(value, &expected)),
        };
        if number > 0.0 && number <= max { Ok(number) } else { Err(format!("is {value}; write {expected}")) }
    }
}

/// A duration from `min` to `max`, each spelled as in the file (`"60s"`).
pub(super) fn duration(min: &str, max: &str) -> impl Fn(&Value) -> Result<Duration, String> {
    move |value| {
        let expected = "a number and a unit, ms, s, m, h or d";
        let cure = format!("write {expected}, from {min:?} to {max:?}");
        let text = string(value, expected)?;
        let (low, high) = (parse_duration(min), parse_duration(max));
        let duration = parse_duration(text).ok_or_else(|| format!("{text:?} is no duration; {cure}"))?;
        if low.is_some_and(|low| duration < low) || high.is_some_and(|high| duration > high) {
            return Err(format!("{text:?} is out of range; {cure}"));
        }
        Ok(duration)
    }
}

/// A duration as the file spells it (`"90s"`, `"7d"`).
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    measured(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// A size in bytes from `min` on, spelled with its unit (`"48MB"`; 1 MB is 1,000,000 bytes).
pub(super) fn size(min: &str) -> impl Fn(&Value) -> Result<u64, String> {
    move |value| {
        let expected = "a number and a unit, B, kB, MB, GB, KiB, MiB or GiB";
        let text = string(value, expected)?;
        let least = measured(min, &SIZE_UNITS).unwrap_or(0);
        match measured(text, &SIZE_UNITS) {
            Some(bytes) if bytes >= least => Ok(bytes),
            Some(_) => Err(format!("{text:?} is too small; write at least {min:?}")),
            None => Err(format!("{text:?} is no size; write {expected} (for example \"48MB\")")),
        }
    }
}

/// Digits and a unit, in the smallest unit; `None` for anything else, or when it does not fit.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A duration as the file spells it.
#[must_use]
pub(super) fn spell_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    spell(ms, &DURATION_UNITS)
}

/// A size as the file spells it.
#[must_use]
pub(super) fn spell_size(bytes: u64) -> String {
    spell(bytes, &SIZE_UNITS)
}

fn spell(amount: u64, units: &[(&str, u64)]) -> String {
    units.iter().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor)).map_or_else(
        || format!("{amount}{}", units.last().map_or("", |(name, _)| name)),
        |(name, factor)| format!("{}{name}", amount / factor),
    )
}

/// A share from `"0%"` to `"100%"`, in percent. The sign is required: 0.1 and 10 are both guesses.
pub(super) fn percent(value: &Value) -> Result<f64, String> {
    let expected = "a share from \"0%\" to \"100%\"";
    let text = string(value, expected)?;
    let digits = text.strip_suffix('%').map(str::trim_end);
    let plain = |digits: &&str| digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    digits
        .filter(plain)
        .and_then(|digits| digits.parse::<f64>().ok())
        .filter(|share| (0.0..=100.0).contains(share))
        .ok_or_else(|| format!("{text:?} is no share; write {expected} (for example \"10%\")"))
}

/// A date: TOML's own, or the same in quotes.
pub(super) fn date(value: &Value) -> Result<NaiveDate, String> {
    let expected = "a date as year-month-day (for example 2027-03-31)";
    let text = match value {
        Value::Datetime(at) if at.time.is_some() => {
            return Err(format!("has a time of day; write {expected}"));
        }
        Value::Datetime(at) => at.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(wrong_type(value, expected)),
    };
    // The length is looked at because chrono also takes 27-3-1 for the year 27.
    NaiveDate::parse_from_str(&text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == "2027-03-31".len())
        .ok_or_else(|| format!("{text:?} is no date; write {expected}"))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let typed = string(value, &format!("one of {}", known.join(", ")))?;
        match words.iter().find(|(word, _)| *word == typed) {
            Some((_, meant)) => Ok(*meant),
            None => Err(format!("{typed:?} is not known; {}", suggestion(typed, &known))),
        }
    }
}

/// A string; `expected` says what to write where it is something else.
pub(super) fn string<'v>(value: &'v Value, expected: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| wrong_type(value, expected))
}

/// The fault of a value of another type, which is named and never shown.
pub(super) fn wrong_type(value: &Value, expected: &str) -> String {
    let found = match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    };
    format!("is {found}; write {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_is_read_back() {
        for text in ["90s", "36h", "400d", "90m", "1500ms"] {
            assert_eq!(spell_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["48MB", "1GiB", "8000001B", "64KiB"] {
            assert_eq!(spell_size(measured(text, &SIZE_UNITS).unwrap()), text);
        }
    }

    #[test]
    fn a_number_without_a_unit_is_no_duration() {
        assert_eq!(parse_duration("60"), None);
        assert_eq!(parse_duration(""), None);
        assert_eq!(parse_duration("99999999999999999999d"), None);
    }

    #[test]
    fn a_date_may_stand_in_quotes() {
        let quoted = date(&Value::String("2027-03-31".into())).unwrap();
        let bare = "d = 2027-03-31".parse::<toml::Table>().unwrap();
        assert_eq!(date(&bare["d"]).unwrap(), quoted);
        assert!(date(&Value::String("27-3-31".into())).is_err());
        assert!(date(&Value::String("2027-02-30".into())).is_err());
    }

    #[test]
    fn a_share_needs_its_sign() {
        assert_eq!(percent(&Value::String("2.5%".into())), Ok(2.5));
        for wrong in ["10", "101%", "-1%", "nan%", "%"] {
            assert!(percent(&Value::String(wrong.into())).is_err(), "{wrong}");
        }
    }
}
