//! Reads the text of a crontab line into sets of numbers, with messages that say what to write
//! instead. Knows nothing of time zones; only `schedule` calls it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::ScheduleError;

/// One field of a crontab line: what it counts, and which numbers and names it takes.
#[derive(Debug)]
struct Unit {
    word: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

impl Unit {
    /// Where `*` ends: weekday 7 is Sunday again, and `*/2` must not count it twice.
    fn last(&self) -> u32 {
        if self.most == WEEKDAY.most { self.most - 1 } else { self.most }
    }
}

const SECOND: Unit = Unit { word: "second", least: 0, most: 59, names: &[] };
const MINUTE: Unit = Unit { word: "minute", least: 0, most: 59, names: &[] };
const HOUR: Unit = Unit { word: "hour", least: 0, most: 23, names: &[] };
const DAY: Unit = Unit { word: "day", least: 1, most: 31, names: &[] };
const MONTH: Unit = Unit {
    word: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 7 is Sunday once more, so that `fri-7` and `5-7` run forwards.
const WEEKDAY: Unit =
    Unit { word: "weekday", least: 0, most: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The numbers of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Which numbers fire, ascending.
    pub(super) numbers: BTreeSet<u32>,
    /// Whether the field begins with `*`: ISC cron's mark of a wildcard, also with a step.
    pub(super) is_star: bool,
}

impl Field {
    /// The numbers as a list for the `cron` crate, each moved by `offset`.
    pub(super) fn list(&self, offset: u32) -> String {
        let mut text = String::new();
        for number in &self.numbers {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{comma}{}", number + offset);
        }
        text
    }
}

/// A crontab line as sets of numbers; weekdays are 0 (Sunday) to 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    /// 0 alone where the line has five fields.
    pub(super) second: Field,
    /// 0-59
    pub(super) minute: Field,
    /// 0-23
    pub(super) hour: Field,
    /// 1-31
    pub(super) day: Field,
    /// 1-12
    pub(super) month: Field,
    /// 0-6
    pub(super) weekday: Field,
}

impl Fields {
    /// Reads a line of five fields, six with seconds first, or an `@` word.
    pub(super) fn parse(line: &str) -> Result<Self, ScheduleError> {
        let line = line.trim();
        let line = if line.starts_with('@') { word(line)? } else { line };
        let texts: Vec<&str> = line.split_whitespace().collect();
        let (second, rest) = match texts.as_slice() {
            [second, rest @ ..] if rest.len() == 5 => (*second, rest),
            rest => ("0", rest),
        };
        let &[minute, hour, day, month, weekday] = rest else {
            return Err(miscounted(line, texts.len()));
        };
        let mut weekday = field(&WEEKDAY, weekday)?;
        if weekday.numbers.remove(&7) {
            weekday.numbers.insert(0);
        }
        Ok(Self {
            second: field(&SECOND, second)?,
            minute: field(&MINUTE, minute)?,
            hour: field(&HOUR, hour)?,
            day: field(&DAY, day)?,
            month: field(&MONTH, month)?,
            weekday,
        })
    }
}

fn miscounted(line: &str, count: usize) -> ScheduleError {
    let s = if count == 1 { "" } else { "s" };
    ScheduleError(format!(
        "\"{line}\" has {count} field{s}; cron needs 5: minute hour day month weekday (for example \"0 9 * * mon-fri\")"
    ))
}

/// The five fields an `@` word stands for.
fn word(word: &str) -> Result<&'static str, ScheduleError> {
    match word.to_ascii_lowercase().as_str() {
        "@hourly" => Ok("0 * * * *"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@monthly" => Ok("0 0 1 * *"),
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        _ => Err(ScheduleError(format!(
            "\"{word}\" is no schedule; use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or five fields (for example \"*/15 * * * *\")"
        ))),
    }
}

fn field(unit: &Unit, text: &str) -> Result<Field, ScheduleError> {
    let mut numbers = BTreeSet::new();
    for item in text.split(',') {
        numbers.extend(item_numbers(unit, item)?);
    }
    Ok(Field { numbers, is_star: text.starts_with('*') })
}

/// The numbers of one item of a list: `*`, `a`, `a-b`, and each of the ranges with `/step`.
fn item_numbers(unit: &Unit, item: &str) -> Result<Vec<u32>, ScheduleError> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step_number(unit, item, step)?)),
        None => (item, None),
    };
    let (first, last) = if range == "*" {
        (unit.least, unit.last())
    } else if let Some((first, last)) = range.split_once('-') {
        forwards(unit, range, number(unit, item, first)?, number(unit, item, last)?)?
    } else if step.is_some() {
        return Err(ScheduleError(format!(
            "\"{item}\" has a step without a range; write \"{range}-{}{}\" or \"*{}\"",
            unit.last(),
            &item[range.len()..],
            &item[range.len()..],
        )));
    } else {
        let only = number(unit, item, range)?;
        (only, only)
    };
    let step = step.unwrap_or(1);
    Ok((first..=last).step_by(step as usize).map(|n| if n > unit.most { n % 7 } else { n }).collect())
}

/// A range's ends in ascending order. Weekdays may wrap over the week's end (`fri-sun`, `sat-mon`):
/// then the last one is counted on into the next week.
fn forwards(unit: &Unit, range: &str, first: u32, last: u32) -> Result<(u32, u32), ScheduleError> {
    if first <= last {
        return Ok((first, last));
    }
    if unit.word == WEEKDAY.word {
        return Ok((first, last + 7));
    }
    Err(ScheduleError(format!(
        "\"{range}\" runs backwards; write \"{first}-{},{}-{last}\"",
        unit.most, unit.least
    )))
}

fn step_number(unit: &Unit, item: &str, text: &str) -> Result<u32, ScheduleError> {
    match digits(text) {
        Some(step) if (1..=unit.most).contains(&step) => Ok(step),
        _ => Err(ScheduleError(format!(
            "\"{item}\" has no usable step; a step of the {} is a number from 1 to {} (for example \"*/2\")",
            unit.word, unit.most
        ))),
    }
}

fn number(unit: &Unit, item: &str, text: &str) -> Result<u32, ScheduleError> {
    if let Some(number) = digits(text)
        && (unit.least..=unit.most).contains(&number)
    {
        return Ok(number);
    }
    let named = unit.names.iter().zip(unit.least..).find(|(name, _)| name.eq_ignore_ascii_case(text));
    if let Some((_, number)) = named {
        return Ok(number);
    }
    let names = match (unit.names.first(), unit.names.last()) {
        (Some(first), Some(last)) => format!(" or a name from {first} to {last}"),
        _ => String::new(),
    };
    Err(ScheduleError(format!(
        "\"{item}\" is no {}; use a number from {} to {}{names}, \"*\", a range (\"a-b\"), a step (\"*/n\") or a list (\"a,b\")",
        unit.word, unit.least, unit.most
    )))
}

/// A number of at most three plain digits: no sign, no space.
fn digits(text: &str) -> Option<u32> {
    let is_plain = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}
