//! Where results and talk go: tables or JSON on stdout, sentences on stderr.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use crate::app::AppError;

/// A command's two voices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    /// Results as JSON, or for people.
    #[must_use]
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Whether results are for machines.
    #[must_use]
    pub(super) fn is_json(self) -> bool {
        self.is_json
    }

    /// Prints a result: `value` for machines, `text` for people. A reader that is gone is no error.
    ///
    /// # Errors
    /// The result could not be written whole: nobody may take what is there for all of it.
    pub(super) fn result(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), AppError> {
        let text = if self.is_json {
            serde_json::to_string_pretty(value).expect("results have text keys only")
        } else {
            clean(&text())
        };
        self.print(&text)
    }

    /// Prints a result that is text for machines already. A reader that is gone is no error.
    ///
    /// # Errors
    /// The result could not be written whole: nobody may take what is there for all of it.
    pub(super) fn print(self, text: &str) -> Result<(), AppError> {
        let mut stdout = io::stdout().lock();
        written(writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()))
    }

    /// Says something about the work; never a result.
    pub(super) fn say(self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", clean(text).trim_end());
    }
}

/// What came of writing a result. A reader that is gone is no error.
///
/// # Errors
/// It could not be written whole.
pub(super) fn written(result: io::Result<()>) -> Result<(), AppError> {
    match result {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(AppError::System { context: "cannot write the result", source })
        }
        _ => Ok(()),
    }
}

/// A text of at most so many characters, on one line; what is cut off shows as `…`.
#[must_use]
pub(super) fn shortened(text: &str, length: usize) -> String {
    let mut words = text.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words.take(length) {
        line.push(' ');
        line.push_str(word);
    }
    match line.char_indices().nth(length) {
        None => line,
        Some(_) => line.chars().take(length.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A table of columns, without lines; numbers stand on the right.
#[must_use]
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    fill(Table::new(), head, rows)
}

/// As [`table`], at most so many characters wide: long cells go on in the next line.
#[must_use]
pub(super) fn wrapped(width: u16, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    fill(table, head, rows)
}

fn fill(mut table: Table, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    table.load_style(comfy_table::presets::NOTHING).set_header(head.iter().map(|word| word.to_uppercase()));
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    for (n, column) in table.column_iter_mut().enumerate() {
        let mut cells = rows.iter().filter_map(|row| row.get(n)).filter(|cell| *cell != "-").peekable();
        if cells.peek().is_some() && cells.all(|cell| cell.parse::<i64>().is_ok()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        column.set_padding((0, 2));
    }
    table.add_rows(rows);
    // The last column is padded too.
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// An instant as people read it.
#[must_use]
pub(super) fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Text without the control characters that could drive a terminal; line ends and tabs stay.
#[must_use]
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_network_cannot_drive_a_terminal() {
        assert_eq!(clean("a\u{1b}[31mred\u{7}\nb"), "a[31mred\nb");
    }

    #[test]
    fn a_long_text_is_cut_to_one_line() {
        assert_eq!(shortened(" one\n  two ", 7), "one two");
        assert_eq!(shortened("größer", 5), "größ…");
        assert_eq!(shortened("", 5), "");
    }

    #[test]
    fn a_table_has_a_head_and_no_trailing_blanks() {
        let text = table(&["kind", "rows", "state"], [vec!["measures".into(), "3".into(), "new".into()]]);
        assert_eq!(text, "KIND      ROWS  STATE\nmeasures     3  new\n");
    }
}
