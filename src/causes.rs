//! An error with its causes as one text for people, each said once.

use std::error::Error;

/// The error with its causes, for people.
#[must_use]
pub fn to_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // SQLite says the same twice, the second time behind a number.
        let said = more.rsplit(": ").next().unwrap_or(&more);
        if !text.contains(said) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
