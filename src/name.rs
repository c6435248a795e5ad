//! The names an operator gives: parsed once, then proof.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a connection: `a-z`, `0-9` and `-`, 1 to 40 characters, a letter first. Used in logs,
/// metrics and the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionName(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("is empty; use a-z, 0-9 and \"-\" (for example \"city\")")]
    Empty,
    /// More than 40 characters.
    #[error("has {0} characters; use at most 40")]
    Long(usize),
    /// A character outside the set, or a first one that is no letter.
    #[error("must be a-z, 0-9 and \"-\", a letter first (for example {suggestion:?})")]
    Character {
        /// The same name, made lawful.
        suggestion: String,
    },
}

impl ConnectionName {
    /// The longest name.
    pub const CHARACTERS_MAX: usize = 40;

    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong and proposes a lawful name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a place that warnings are sent to; lawful as a [`ConnectionName`] is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetName(Arc<str>);

impl TargetName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong and proposes a lawful name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let lawful = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(lawful) {
        return Err(NameError::Character { suggestion: suggestion(text) });
    }
    if text.len() > ConnectionName::CHARACTERS_MAX {
        return Err(NameError::Long(text.len()));
    }
    Ok(())
}

/// The nearest lawful name: lower case, runs of anything else become one `-`.
fn suggestion(text: &str) -> String {
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_lowercase() || (c.is_ascii_digit() && !out.is_empty()) {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let name = out.trim_end_matches('-');
    if name.is_empty() { "city".into() } else { name.chars().take(ConnectionName::CHARACTERS_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_comes_with_a_good_one() {
        let error = ConnectionName::parse("Crm Main").unwrap_err();
        assert_eq!(error, NameError::Character { suggestion: "crm-main".into() });
    }

    #[test]
    fn a_lawful_name_is_kept_as_typed() {
        assert_eq!(ConnectionName::parse("city-2").unwrap().as_str(), "city-2");
    }
}
