//! Faults of a configuration, all of them in one go: key path, what is wrong, what to write.
//!
//! Nothing here ever shows a value that may be a secret, not even the source line of a syntax error.

use std::fmt;
use std::path::{Path, PathBuf};

/// One fault: where, what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's path (`connections.city.schedule`); empty for a syntax error, which has a line.
    pub path: String,
    /// The fact, then the cure.
    pub text: String,
}

/// Every fault of one file, in the order they were met. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
}

impl Problems {
    /// The faults of `file`.
    #[must_use]
    pub fn new(file: &Path, list: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), list }
    }

    /// The syntax errors of `text`, each with the parser's line and arrow.
    #[must_use]
    pub fn of_syntax(file: &Path, text: &str, mut errors: Vec<toml::de::Error>) -> Self {
        errors.sort_by_key(|error| error.span().map_or(text.len(), |span| span.start));
        let list = errors.iter().map(|error| syntax_problem(text, error));
        Self::new(file, list.collect())
    }

    /// The faults, one by one.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{}: {count} problem{plural}", self.file.display())?;
        let longest = self.list.iter().map(|p| p.path.chars().count()).max();
        let width = longest.unwrap_or(0) + 4;
        for Problem { path, text } in &self.list {
            if path.is_empty() {
                for line in text.lines() {
                    write!(f, "\n  {}", printable(line))?;
                }
            } else {
                write!(f, "\n  {path:width$}{}", printable(text))?;
            }
        }
        Ok(())
    }
}

/// What was typed may hold anything; a terminal is not to obey it.
fn printable(line: &str) -> String {
    line.replace(|c: char| c.is_control(), " ")
}

/// Settings whose values are shown where they are mistyped.
const PLAIN_KEYS: [&str; 11] = [
    "path",
    "schedule",
    "schedule_full",
    "timezone",
    "kinds",
    "measure_data",
    "details",
    "expires",
    "keep",
    "runs_keep",
    "format",
];

/// The sections, whose names are shown.
const SECTIONS: [&str; 9] =
    ["store", "connections", "kinds", "host_limits", "daemon", "network", "history", "warnings", "log"];

/// Words in settings whose values are not.
const SECRET_WORDS: [&str; 7] = ["key", "secret", "password", "token", "credential", "url", "proxy"];

/// A syntax error with the parser's line and arrow.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().map_or(text.len(), |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let row = before.matches('\n').count();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[line_start..].chars().count();
    let line = text[line_start..].lines().next().unwrap_or_default();
    let number = (row + 1).to_string();
    let gutter = " ".repeat(number.len());
    let shown = shown(line);
    let text = format!(
        "TOML parse error at line {number}, column {}\n{gutter} |\n{number} | {shown}\n{gutter} | {}^\n{}",
        column + 1,
        " ".repeat(column),
        error.message(),
    );
    Problem { path: String::new(), text }
}

/// What of a broken line is shown: a section's name, a setting that is plain, the key alone of one that
/// may be secret, for a half-typed value is still a value. Nothing of any other line: it may be a
/// pasted secret, or the middle of one.
fn shown(line: &str) -> String {
    let has_secret_word = |text: &str| SECRET_WORDS.iter().any(|word| text.contains(word));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || " _-.[]".contains(c);
    let Some((typed, value)) = line.split_once('=') else {
        let section = line.trim_start_matches('[').split(['.', ']']).next();
        let is_header = section.is_some_and(|name| SECTIONS.contains(&name)) && line.chars().all(plain);
        return if is_header { line.to_owned() } else { "…".to_owned() };
    };
    let key = typed.trim();
    let is_plain = PLAIN_KEYS.contains(&key);
    // A second = is another setting, run into this line.
    if is_plain && !value.contains('=') && !has_secret_word(value) {
        return line.to_owned();
    }
    let is_word = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if is_plain || (is_word && has_secret_word(key)) { format!("{typed}= …") } else { "…".to_owned() }
}

/// The known word nearest to `typed`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|word| {
            let distance = strsim::osa_distance(&typed, &word.to_lowercase());
            (distance, word)
        })
        .filter(|(distance, word)| *distance <= 1.max(word.chars().count() / 3))
        .min()
        .map(|(_, word)| word)
}

/// `did you mean "x"?`, or what is known where nothing is near.
#[must_use]
pub fn suggestion(typed: &str, known: &[&str]) -> String {
    match nearest(typed, known.iter().copied()) {
        Some(word) => format!("did you mean {word:?}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_stand_under_each_other() {
        let problem = |path: &str, text: &str| Problem { path: path.into(), text: text.into() };
        let problems = Problems::new(
            Path::new("/etc/x.toml"),
            vec![problem("a.name", "is empty"), problem("a.schedule", "is no line")],
        );
        let expected = "/etc/x.toml: 2 problems\n  a.name        is empty\n  a.schedule    is no line";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn only_a_near_word_is_proposed() {
        assert_eq!(nearest("shedule", ["schedule", "kinds"]), Some("schedule"));
        assert_eq!(nearest("PageSize", ["page_size"]), Some("page_size"));
        assert_eq!(nearest("postgres", ["sqlite"]), None);
    }
}
