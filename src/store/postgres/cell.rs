//! A value between the program and a database, and how it is written as text that PostgreSQL reads: as a
//! parameter, as an array of parameters, as a line of `COPY`.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::store::sql::Cell;

type Failure = Box<dyn Error + Send + Sync>;

/// A cell as one parameter.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) &'a Cell<'a>);

/// The cells of one column of many rows, as one parameter: an array.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) rows: &'a [Vec<Cell<'a>>],
    pub(super) at: usize,
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match plain(self.0, *ty == Type::BOOL)? {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.put_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

impl ToSql for Column<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let is_bool = matches!(ty.kind(), Kind::Array(inner) if *inner == Type::BOOL);
        out.put_u8(b'{');
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                out.put_u8(b',');
            }
            let cell = row.get(self.at).ok_or("a row has fewer values than there are columns")?;
            let Some(text) = plain(cell, is_bool)? else {
                out.put_slice(b"NULL");
                continue;
            };
            out.put_u8(b'"');
            escape(&text, out, &IN_ARRAYS);
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Writes a row as a line of `COPY … FROM STDIN` in its text format.
pub(super) fn copy_line(row: &[Cell<'_>], out: &mut BytesMut) -> Result<(), Failure> {
    for (number, cell) in row.iter().enumerate() {
        if number > 0 {
            out.put_u8(b'\t');
        }
        match plain(cell, false)? {
            None => out.put_slice(b"\\N"),
            Some(text) => escape(&text, out, &IN_LINES),
        }
    }
    out.put_u8(b'\n');
    Ok(())
}

/// What stands behind a backslash for each byte; 0: the byte stands for itself. A look-up for every byte of
/// every document costs less than a few comparisons.
type Marks = [u8; 256];

const IN_ARRAYS: Marks = marks([(b'"', b'"'), (b'\\', b'\\')]);
const IN_LINES: Marks = marks([(b'\\', b'\\'), (b'\n', b'n'), (b'\r', b'r'), (b'\t', b't')]);

const fn marks<const N: usize>(pairs: [(u8, u8); N]) -> Marks {
    let mut marks = [0; 256];
    let mut at = 0;
    while at < N {
        marks[pairs[at].0 as usize] = pairs[at].1;
        at += 1;
    }
    marks
}

/// Copies `text`, with a backslash and its mark in place of each byte that has one.
fn escape(text: &str, out: &mut BytesMut, marks: &Marks) {
    let mut rest = text.as_bytes();
    let mark = |byte: &u8| marks[usize::from(*byte)];
    while let Some(at) = rest.iter().position(|byte| mark(byte) != 0) {
        out.put_slice(&rest[..at]);
        out.put_slice(&[b'\\', mark(&rest[at])]);
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

/// The text that the server reads as this value; `None` for no value.
fn plain<'a>(cell: &'a Cell<'_>, is_bool: bool) -> Result<Option<Cow<'a, str>>, Failure> {
    Ok(Some(match cell {
        Cell::Null => return Ok(None),
        Cell::Integer(number) if is_bool => if *number == 0 { "f" } else { "t" }.into(),
        Cell::Integer(number) => number.to_string().into(),
        Cell::Real(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        // The shortest text that is read back as the same number.
        Cell::Real(number) => format!("{number:?}").into(),
        Cell::Text(text) if text.contains('\0') => {
            return Err("a text has the character U+0000, which PostgreSQL cannot store".into());
        }
        Cell::Text(text) => text.as_ref().into(),
        Cell::Bytes(bytes) => {
            let mut text = String::with_capacity(2 + 2 * bytes.len());
            text.push_str("\\x");
            for byte in bytes.as_ref() {
                write!(text, "{byte:02x}")?;
            }
            text.into()
        }
    }))
}
