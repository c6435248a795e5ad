//! What an export's rows look like on paper: CSV for spreadsheets, or a JSON object a line.

use std::io::{self, BufWriter, Write};

use serde_json::Number;

use super::Format;
use crate::store::export::{Cell, Piece};
use crate::tolerate;

/// Written at once.
const BUFFER_BYTES: usize = 64 << 10;
/// What a spreadsheet takes a text for a formula by; the wide ones are typed in East Asian scripts.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Rows on their way.
pub(super) struct Sheet<W: Write> {
    lines: Lines<W>,
    rows: u64,
}

enum Lines<W: Write> {
    Csv { sheet: Box<csv::Writer<BufWriter<W>>>, is_raw: bool },
    Ndjson { out: BufWriter<W>, names: Vec<String> },
}

impl<W: Write> Sheet<W> {
    /// An empty one. `is_raw`: CSV leaves formulas as they are.
    pub(super) fn new(format: Format, out: W, is_raw: bool) -> Self {
        let out = BufWriter::with_capacity(BUFFER_BYTES, out);
        let lines = match format {
            Format::Csv => {
                let sheet = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
                Lines::Csv { sheet: Box::new(sheet), is_raw }
            }
            Format::Ndjson => Lines::Ndjson { out, names: Vec::new() },
        };
        Self { lines, rows: 0 }
    }

    /// Writes the head or a row.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn take(&mut self, piece: Piece<'_>) -> io::Result<()> {
        self.rows += u64::from(matches!(piece, Piece::Row(_)));
        match (&mut self.lines, piece) {
            (Lines::Csv { sheet, .. }, Piece::Head(names)) => sheet.write_record(names).map_err(cause),
            (Lines::Csv { sheet, is_raw }, Piece::Row(cells)) => {
                sheet.write_record(cells.iter().map(|cell| field(cell, *is_raw))).map_err(cause)
            }
            (Lines::Ndjson { names, .. }, Piece::Head(head)) => {
                *names = head.iter().map(|name| json(name)).collect();
                Ok(())
            }
            (Lines::Ndjson { out, names }, Piece::Row(cells)) => {
                let members = names.iter().zip(cells).map(|(name, cell)| format!("{name}:{}", value(cell)));
                writeln!(out, "{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Writes what is left; gives the number of rows, and what they were written to.
    pub(super) fn finish(self) -> (u64, io::Result<W>) {
        let out = match self.lines {
            Lines::Csv { sheet, .. } => sheet.into_inner().map_err(|error| error.into_error()),
            Lines::Ndjson { out, .. } => Ok(out),
        };
        let whole = |out: BufWriter<W>| out.into_inner().map_err(io::IntoInnerError::into_error);
        (self.rows, out.and_then(whole).and_then(|mut out| out.flush().map(|()| out)))
    }
}

/// The error of the file behind a sheet, so that a reader that is gone is known as one.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A field of CSV.
fn field(cell: &Cell, is_raw: bool) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => real(*number),
        Cell::Text(text) | Cell::Document(text) if !is_raw && is_formula(text) => format!("'{text}"),
        Cell::Text(text) | Cell::Document(text) => text.clone(),
    }
}

/// Whether a spreadsheet would reckon with a text. A signed number is none: it stays one.
fn is_formula(text: &str) -> bool {
    text.starts_with(FORMULA) && !is_number(text)
}

/// `-1`, `+1.5`, `-2e9`: digits with a sign, a point, an exponent, and nothing else.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok()
}

/// A value as JSON.
fn value(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".into(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => real(*number),
        Cell::Text(text) => json(text),
        Cell::Document(document) => tolerate::compact(document),
    }
}

/// A number as short as it can be read back; JSON has no other words for what is none.
fn real(number: f64) -> String {
    let text = Number::from_f64(number).map_or_else(|| "null".into(), |number| number.to_string());
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, is_raw: bool, cells: &[Cell]) -> String {
        let mut bytes = Vec::new();
        let mut sheet = Sheet::new(format, &mut bytes, is_raw);
        let names: Vec<String> = (0..cells.len()).map(|n| format!("c{n}")).collect();
        sheet.take(Piece::Head(&names)).unwrap();
        sheet.take(Piece::Row(cells)).unwrap();
        let (rows, out) = sheet.finish();
        assert!(rows == 1 && out.is_ok());
        String::from_utf8(bytes).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let csv = written(Format::Csv, false, &[Cell::Integer(7), Cell::Text(text.into())]);
        assert_eq!(csv, format!("c0,c1\r\n7,{expected}\r\n"), "{text:?}");
        let raw = written(Format::Csv, true, &[Cell::Integer(7), Cell::Text(text.into())]);
        assert!(!raw.contains('\''), "{raw:?}");
    }

    #[test]
    fn what_a_spreadsheet_would_reckon_is_made_harmless_and_numbers_stay() {
        check("=HYPERLINK(\"http://x\",1)", "\"'=HYPERLINK(\"\"http://x\"\",1)\"");
        check("@SUM(1)", "'@SUM(1)");
        check("+1+cmd|A0", "'+1+cmd|A0");
        check("-2+3", "'-2+3");
        check("\t=1", "'\t=1");
        check("\r=1", "\"'\r=1\"");
        check("＝1", "'＝1");
        check("-1.5e3", "-1.5e3");
        check("+7", "+7");
        check("-inf", "'-inf");
        check("-", "'-");
        check("a, \"b\"\nc", "\"a, \"\"b\"\"\nc\"");
        check("5 - 3 = 2", "5 - 3 = 2");
    }

    #[test]
    fn numbers_are_numbers_and_nothing_is_nothing() {
        let cells = [
            Cell::Integer(-3),
            Cell::Real(-0.5),
            Cell::Real(8.0),
            Cell::Real(1e300),
            Cell::Null,
            Cell::Text(String::new()),
        ];
        assert_eq!(written(Format::Csv, false, &cells), "c0,c1,c2,c3,c4,c5\r\n-3,-0.5,8,1e+300,,\r\n");
        assert_eq!(
            written(Format::Ndjson, false, &cells),
            "{\"c0\":-3,\"c1\":-0.5,\"c2\":8,\"c3\":1e+300,\"c4\":null,\"c5\":\"\"}\n"
        );
    }

    #[test]
    fn a_document_is_a_part_of_its_line() {
        let cells = [Cell::Text("a\n\"b\"".into()), Cell::Document("{ \"n\":\n 1.50 }".into())];
        assert_eq!(
            written(Format::Ndjson, false, &cells),
            "{\"c0\":\"a\\n\\\"b\\\"\",\"c1\":{\"n\":1.50}}\n"
        );
    }
}
