//! Families of series on their way to text, in the format 0.0.4 of Prometheus: written straight into one
//! buffer, for a large installation has tens of thousands of series.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

/// Families of series as text.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

/// The labels of one series, and its value.
pub(super) type Series<'a, const N: usize> = ([(&'static str, &'a str); N], f64);

impl Page {
    /// Adds what goes up and down.
    pub(super) fn gauge<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Series<'a, N>>,
    ) {
        self.add("gauge", name, help, series);
    }

    /// Adds what only grows; its name ends with `_total`.
    pub(super) fn counter<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Series<'a, N>>,
    ) {
        self.add("counter", name, help, series);
    }

    fn add<'a, const N: usize>(
        &mut self,
        kind: &str,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Series<'a, N>>,
    ) {
        let mut series = series.into_iter().peekable();
        // A family without series is no family.
        if series.peek().is_some() {
            self.head(kind, name, help);
            series.for_each(|(labels, value)| self.series(name, labels, value));
        }
    }

    /// The lines that tell of a family; `help` is one line without a backslash.
    pub(super) fn head(&mut self, kind: &str, name: &str, help: &str) {
        for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"] {
            self.text.push_str(part);
        }
    }

    /// The line of one series.
    pub(super) fn series<const N: usize>(&mut self, name: &str, labels: [(&str, &str); N], value: f64) {
        let text = &mut self.text;
        text.push_str(name);
        let mut before = '{';
        for (label, value) in labels {
            text.push(before);
            text.push_str(label);
            text.push_str("=\"");
            push_escaped(text, value);
            text.push('"');
            before = ',';
        }
        if N > 0 {
            text.push('}');
        }
        writeln!(text, " {value}").expect("writing to a string does not fail");
    }

    /// The text of all of them.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Adds the value of a label.
fn push_escaped(text: &mut String, mut value: &str) {
    let is_special = |byte: &u8| matches!(byte, b'\\' | b'"' | b'\n');
    while let Some(at) = value.as_bytes().iter().position(is_special) {
        text.push_str(&value[..at]);
        text.push_str(match value.as_bytes()[at] {
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => "\\\\",
        });
        value = &value[at + 1..];
    }
    text.push_str(value);
}

/// A count as Prometheus keeps it: whole up to 2^53.
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

/// An instant in seconds since 1970; 0: never.
pub(super) fn seconds(at: Option<DateTime<Utc>>) -> f64 {
    at.map_or(0.0, |at| at.timestamp_millis() as f64 / 1000.0)
}

/// A length of time in seconds; a clock that was set back makes none negative.
pub(super) fn span(lasted: TimeDelta) -> f64 {
    lasted.num_milliseconds().max(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_values_written_as_they_are() {
        let mut page = Page::default();
        page.gauge(
            "a",
            "Help.",
            [([("x", "say \"no\"\\\n"), ("y", "ä")], 1.5), ([("x", ""), ("y", "")], 3e9)],
        );
        page.counter("b_total", "Help.", [([], 0.0)]);
        page.gauge("none", "Help.", std::iter::empty::<Series<'_, 1>>());
        let expected = "# HELP a Help.\n# TYPE a gauge\na{x=\"say \\\"no\\\"\\\\\\n\",y=\"ä\"} 1.5\n\
                        a{x=\"\",y=\"\"} 3000000000\n# HELP b_total Help.\n# TYPE b_total counter\nb_total 0\n";
        assert_eq!(page.into_text(), expected);
    }
}
